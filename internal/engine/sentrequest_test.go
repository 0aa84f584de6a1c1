package engine_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// What each attempt sends.

func TestHeadersOnTheWire(t *testing.T) {
	t.Parallel()
	for _, call := range clienttest.PolicyCalls {
		t.Run(call.Op, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			api.On(call.Method, call.Path, clienttest.Respond(200, call.Success))

			_, err := call.Do(t.Context(), client)

			require.NoError(t, err)
			header := api.Only().Header
			assert.Equal(t, "Bearer "+clienttest.APIKey, header.Get("Authorization"))
			assert.Equal(t, "application/json", header.Get("Accept"))
			assert.Regexp(t, clienttest.UserAgent, header.Get("User-Agent"))
			names := []string{"Accept", "Authorization", "User-Agent"}
			if call.IsWrite() {
				names = append(names, "Content-Type", "X-Request-Id")
				assert.Equal(t, "application/json", header.Get("Content-Type"))
				assert.Regexp(t, clienttest.UUID4, header.Get("X-Request-Id"))
			}
			assert.ElementsMatch(t, names, slices.Collect(maps.Keys(header)), "and no other")
		})
	}
}

func TestBodiesAreSentWithTheirLength(t *testing.T) {
	post := clienttest.PolicyCall{Do: func(ctx context.Context, c *runloop.Client, _ ...runloop.Option) (any, error) {
		return nil, c.Do(ctx, http.MethodPost, "/v1/devboxes/dbx_1/shutdown", nil, nil)
	}}
	updateNothing := clienttest.PolicyCall{Do: func(ctx context.Context, c *runloop.Client, _ ...runloop.Option) (any, error) {
		return c.NetworkPolicies.Update(ctx, "npol_1", runloop.NetworkPolicyUpdateParams{})
	}}
	const createJSON = `{"name":"build","allow_all":false,"allow_devbox_to_devbox":false,"allowed_hostnames":[],"allow_agent_gateway":false,"allow_mcp_gateway":false}`
	for name, tt := range map[string]struct {
		call         clienttest.PolicyCall
		body, length string // as net/http writes it, empty for none
	}{
		"create":                {createCall, createJSON, "Content-Length: 142"},
		"update of nothing":     {updateNothing, `{}`, "Content-Length: 2"},
		"delete":                {clienttest.DeleteCall, `{}`, "Content-Length: 2"},
		"a POST without a body": {post, ``, "Content-Length: 0"},
		"a read":                {clienttest.GetCall, ``, ""},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server, client := newServer(t, busy(429).Times(2), policyOK)

			_, err := tt.call.Do(t.Context(), client)

			require.NoError(t, err)
			require.Len(t, server.Requests(), 3)
			for _, request := range server.Requests() {
				assert.Equal(t, tt.body, request.Body)
				if tt.length != "" {
					assert.Contains(t, request.Raw, "\r\n"+tt.length+"\r\n")
				} else {
					assert.NotContains(t, request.Raw, "Content-Length")
					assert.NotContains(t, request.Header, "X-Request-Id")
				}
				if tt.body != "" {
					assert.Equal(t, []string{"application/json"}, request.Header["Content-Type"])
				} else {
					assert.NotContains(t, request.Raw, "Content-Type")
				}
				assert.NotContains(t, request.Raw, "Transfer-Encoding")
				assert.NotContains(t, request.Raw, "Expect:")
			}
		}))
	}
}

func TestChangesOfATransportEndWithTheAttempt(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, busy(503).Times(3), policyOK.Times(2))
		var headers []http.Header
		var urls []string
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			header := r.Header.Clone()
			header.Del("X-Request-Id") // differs in the second call
			headers, urls = append(headers, header), append(urls, r.URL.String())
			r.Header.Add("X-Trace", "span")
			r.Header["X-Team"][0] = "overwritten"
			r.Header.Add("X-Team", "second")
			r.Header.Del("X-Region")
			r.URL.Path = "/gateway" + r.URL.Path
			return server.Transport.RoundTrip(r)
		}), runloop.WithHeader("X-Team", "first"), runloop.WithHeader("X-Region", "eu"))

		require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))
		require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))

		require.Len(t, headers, 5)
		for i := range headers {
			assert.Equal(t, headers[0], headers[i])
			assert.Equal(t, urls[0], urls[i])
			assert.Equal(t, []string{"first"}, headers[i]["X-Team"])
			assert.Equal(t, []string{"span"}, server.Requests()[i].Header["X-Trace"])
			assert.Equal(t, "/gateway"+clienttest.PolicyPath, server.Requests()[i].Target)
		}
	})(t)
}
