package engine_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

func TestHeadersOnTheWire(t *testing.T) {
	t.Parallel()
	for _, call := range clienttest.PolicyCalls {
		t.Run(call.Op, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			api.Answers(call.Method, call.Path, clienttest.Answer(200, call.Success))

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

func TestContentTypeGoesWithABody(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.Answers(http.MethodPost, "/v1/devboxes/dbx_1/shutdown", clienttest.Answer(200, `{}`))

	require.NoError(t, client.Do(t.Context(), http.MethodPost, "/v1/devboxes/dbx_1/shutdown", nil, nil))
	require.NoError(t, client.Do(t.Context(), http.MethodPost, "/v1/devboxes/dbx_1/shutdown", struct{}{}, nil))

	sent := api.Sent()
	require.Len(t, sent, 2)
	assert.NotContains(t, sent[0].Header, "Content-Type")
	assert.Empty(t, sent[0].Body)
	assert.Equal(t, "application/json", sent[1].Header.Get("Content-Type"))
	assert.Equal(t, `{}`, sent[1].Body)
}

func TestEachWriteHasItsOwnRequestID(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.Answers(http.MethodPost, clienttest.PolicyPath, clienttest.Answer(200, clienttest.PolicyJSON))

	ids := map[string]bool{}
	for range 100 {
		_, err := clienttest.UpdateCall.Do(t.Context(), client)
		require.NoError(t, err)
	}
	for _, r := range api.Sent() {
		ids[r.Header.Get("X-Request-Id")] = true
	}
	assert.Len(t, ids, 100)
}

func TestATransportThatWritesToTheHeader(t *testing.T) {
	t.Parallel()
	var seen []http.Header
	_, client := clienttest.NewAPI(t, runloop.WithHeader("X-Team", "blue"),
		runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			seen = append(seen, r.Header.Clone())
			r.Header.Add("X-Team", "red")
			r.Header.Set("X-Trace", "1")
			return clienttest.Answer(200, clienttest.PolicyJSON)(r)
		})}))
	for range 2 {
		_, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
		require.NoError(t, err)
	}
	assert.Equal(t, seen[0], seen[1], "what it wrote is gone with its request")
}
