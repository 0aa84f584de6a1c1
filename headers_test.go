package runloop_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

const (
	userAgent = `^runloop-go/\d+\.\d+\.\d+$`
	uuid4     = `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`
)

func TestHeadersOnTheWire(t *testing.T) {
	t.Parallel()
	for _, call := range policyCalls {
		t.Run(call.op, func(t *testing.T) {
			t.Parallel()
			api, client := newAPI(t)
			api.answers(call.method, call.path, answer(200, call.success))

			_, err := call.do(t.Context(), client)

			require.NoError(t, err)
			header := api.only().Header
			assert.Equal(t, "Bearer "+testKey, header.Get("Authorization"))
			assert.Equal(t, "application/json", header.Get("Accept"))
			assert.Regexp(t, userAgent, header.Get("User-Agent"))
			names := []string{"Accept", "Authorization", "User-Agent"}
			if call.isWrite() {
				names = append(names, "Content-Type", "X-Request-Id")
				assert.Equal(t, "application/json", header.Get("Content-Type"))
				assert.Regexp(t, uuid4, header.Get("X-Request-Id"))
			}
			assert.ElementsMatch(t, names, slices.Collect(maps.Keys(header)), "and no other")
		})
	}
}

func TestContentTypeGoesWithABody(t *testing.T) {
	t.Parallel()
	api, client := newAPI(t)
	api.answers(http.MethodPost, "/v1/devboxes/dbx_1/shutdown", answer(200, `{}`))

	require.NoError(t, client.Do(t.Context(), http.MethodPost, "/v1/devboxes/dbx_1/shutdown", nil, nil))
	require.NoError(t, client.Do(t.Context(), http.MethodPost, "/v1/devboxes/dbx_1/shutdown", struct{}{}, nil))

	sent := api.sent()
	require.Len(t, sent, 2)
	assert.NotContains(t, sent[0].Header, "Content-Type")
	assert.Empty(t, sent[0].Body)
	assert.Equal(t, "application/json", sent[1].Header.Get("Content-Type"))
	assert.Equal(t, `{}`, sent[1].Body)
}

func TestUserAgentNamesTheProduct(t *testing.T) {
	t.Parallel()
	api, client := newAPI(t, runloop.WithUserAgent("my-orchestrator/1.2 (linux)"))
	api.answers(http.MethodGet, policyPath, answer(200, policyJSON))

	_, err := client.NetworkPolicies.Get(t.Context(), "npol_1")

	require.NoError(t, err)
	assert.Regexp(t, `^runloop-go/\d+\.\d+\.\d+ my-orchestrator/1\.2 \(linux\)$`, api.only().Header.Get("User-Agent"))
}

func TestEachWriteHasItsOwnRequestID(t *testing.T) {
	t.Parallel()
	api, client := newAPI(t)
	api.answers(http.MethodPost, policyPath, answer(200, policyJSON))

	ids := map[string]bool{}
	for range 100 {
		_, err := updateCall.do(t.Context(), client)
		require.NoError(t, err)
	}
	for _, r := range api.sent() {
		ids[r.Header.Get("X-Request-Id")] = true
	}
	assert.Len(t, ids, 100)
}

func TestIdempotencyKeyIsTheRequestIDOfAWrite(t *testing.T) {
	t.Parallel()
	for _, call := range policyCalls {
		t.Run(call.op, func(t *testing.T) {
			t.Parallel()
			api, client := newAPI(t)
			api.answers(call.method, call.path, answer(200, call.success))

			_, err := call.do(t.Context(), client, runloop.WithIdempotencyKey("task-17"))

			require.NoError(t, err)
			header := api.only().Header
			if call.isWrite() {
				assert.Equal(t, []string{"task-17"}, header["X-Request-Id"])
			} else {
				assert.NotContains(t, header, "X-Request-Id", "a read has none")
			}
			// These would make net/http repeat a POST by itself.
			assert.NotContains(t, header, "Idempotency-Key")
			assert.NotContains(t, header, "X-Idempotency-Key")
		})
	}
}

func TestHeadersOfTheClientAndOfACall(t *testing.T) {
	t.Parallel()
	api, client := newAPI(t, runloop.WithHeader("x-team", "blue"), runloop.WithHeader("X-Stage", "test"))
	api.answers(http.MethodGet, policyPath, answer(200, policyJSON))

	_, err := client.NetworkPolicies.Get(t.Context(), "npol_1", runloop.WithHeader("X-TEAM", "red"), runloop.WithHeader("X-Task", ""))
	require.NoError(t, err)
	_, err = client.NetworkPolicies.Get(t.Context(), "npol_1", runloop.WithMaxRetries(0))
	require.NoError(t, err)

	sent := api.sent()
	require.Len(t, sent, 2)
	assert.Equal(t, []string{"red"}, sent[0].Header["X-Team"], "the call's replaces the client's")
	assert.Equal(t, []string{"test"}, sent[0].Header["X-Stage"])
	assert.Equal(t, []string{""}, sent[0].Header["X-Task"])
	assert.Equal(t, []string{"blue"}, sent[1].Header["X-Team"], "the client has kept its own")
	assert.NotContains(t, sent[1].Header, "X-Task")
}

func TestATransportThatWritesToTheHeader(t *testing.T) {
	t.Parallel()
	var seen []http.Header
	_, client := newAPI(t, runloop.WithHeader("X-Team", "blue"),
		runloop.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			seen = append(seen, r.Header.Clone())
			r.Header.Add("X-Team", "red")
			r.Header.Set("X-Trace", "1")
			return answer(200, policyJSON)(r)
		})}))
	for range 2 {
		_, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
		require.NoError(t, err)
	}
	assert.Equal(t, seen[0], seen[1], "what it wrote is gone with its request")
}
