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

// What goes over the wire, attempt for attempt.

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

// P13: the library sends an empty body as a chunked one, and aliases a buffer that
// it is given.
func TestBodiesGoOutWithTheirLength(t *testing.T) {
	for name, tt := range map[string]struct {
		call     func(context.Context, *runloop.Client) error
		response string
		body     string
		length   string // as net/http writes it
	}{
		"create": {func(ctx context.Context, c *runloop.Client) error {
			_, err := c.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: "build"})
			return err
		}, clienttest.PolicyJSON, `{"name":"build","allow_all":false,"allow_devbox_to_devbox":false,"allowed_hostnames":[],"allow_agent_gateway":false,"allow_mcp_gateway":false}`, "Content-Length: 142"},
		"update of nothing": {func(ctx context.Context, c *runloop.Client) error {
			_, err := c.NetworkPolicies.Update(ctx, "npol_1", runloop.NetworkPolicyUpdateParams{})
			return err
		}, clienttest.PolicyJSON, `{}`, "Content-Length: 2"},
		"delete": {func(ctx context.Context, c *runloop.Client) error {
			_, err := c.NetworkPolicies.Delete(ctx, "npol_1")
			return err
		}, clienttest.PolicyJSON, `{}`, "Content-Length: 2"},
		"a POST without a body": {func(ctx context.Context, c *runloop.Client) error {
			return c.Do(ctx, http.MethodPost, "/v1/devboxes/dbx_1/shutdown", nil, nil)
		}, `{}`, ``, "Content-Length: 0"},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Reply(429, clienttest.BusyJSON).Times(2), wiretest.Reply(200, tt.response))
			client := clienttest.NewWireClient(t, server)

			require.NoError(t, tt.call(t.Context(), client))

			require.Len(t, server.Requests(), 3)
			for _, request := range server.Requests() {
				assert.Equal(t, tt.body, request.Body)
				assert.Contains(t, request.Raw, "\r\n"+tt.length+"\r\n")
				if tt.body != "" {
					assert.Equal(t, []string{"application/json"}, request.Header["Content-Type"])
				} else {
					assert.NotContains(t, request.Header, "Content-Type")
				}
				assert.NotContains(t, request.Raw, "Transfer-Encoding")
				assert.NotContains(t, request.Raw, "Expect:")
			}
		}))
	}
}

func TestAReadHasNoBodyAndNoRequestID(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(503, clienttest.BusyJSON), wiretest.Reply(200, clienttest.PolicyJSON))
		client := clienttest.NewWireClient(t, server)

		require.NoError(t, clienttest.GetPolicy(t.Context(), client))

		for _, request := range server.Requests() {
			assert.Empty(t, request.Body)
			assert.NotContains(t, request.Raw, "Content-Length")
			assert.NotContains(t, request.Raw, "Content-Type")
			assert.NotContains(t, request.Raw, "Transfer-Encoding")
			assert.NotContains(t, request.Header, "X-Request-Id")
		}
	})(t)
}

// P12: the library's attempts share one header map and one URL, so what a
// RoundTripper writes into them piles up, and reaches the caller's.
func TestWhatATransportWritesIntoARequestEndsWithTheAttempt(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(503, clienttest.BusyJSON).Times(3), wiretest.Reply(200, clienttest.PolicyJSON).Times(2))
		var before []http.Header
		var urls []string
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			header := r.Header.Clone()
			header.Del("X-Request-Id") // which the second call has another of
			before = append(before, header)
			urls = append(urls, r.URL.String())
			r.Header.Add("X-Trace", "span")
			r.Header["X-Team"][0] = "overwritten"
			r.Header.Add("X-Team", "second")
			r.Header.Del("X-Region")
			r.URL.Path = "/gateway" + r.URL.Path
			return server.Transport.RoundTrip(r)
		}), runloop.WithHeader("X-Team", "first"), runloop.WithHeader("X-Region", "eu"))

		require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))
		require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))

		require.Len(t, before, 5)
		for i := range before {
			assert.Equal(t, before[0], before[i])
			assert.Equal(t, urls[0], urls[i])
			assert.Equal(t, []string{"first"}, before[i]["X-Team"])
			assert.Equal(t, []string{"span"}, server.Requests()[i].Header["X-Trace"])
			assert.Equal(t, "/gateway"+clienttest.PolicyPath, server.Requests()[i].Target)
		}
	})(t)
}
