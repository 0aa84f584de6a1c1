package runloop_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

func TestUserAgentNamesTheProduct(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t, runloop.WithUserAgent("my-orchestrator/1.2 (linux)"))
	api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))

	_, err := client.NetworkPolicies.Get(t.Context(), "npol_1")

	require.NoError(t, err)
	assert.Regexp(t, `^runloop-go/\d+\.\d+\.\d+ my-orchestrator/1\.2 \(linux\)$`, api.Only().Header.Get("User-Agent"))
}

func TestIdempotencyKeyIsTheRequestIDOfAWrite(t *testing.T) {
	t.Parallel()
	for _, call := range clienttest.PolicyCalls {
		t.Run(call.Op, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			api.On(call.Method, call.Path, clienttest.Respond(200, call.Success))

			_, err := call.Do(t.Context(), client, runloop.WithIdempotencyKey("task-17"))

			require.NoError(t, err)
			header := api.Only().Header
			if call.IsWrite() {
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
	api, client := clienttest.NewAPI(t, runloop.WithHeader("x-team", "blue"), runloop.WithHeader("X-Stage", "test"))
	api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))

	_, err := client.NetworkPolicies.Get(t.Context(), "npol_1", runloop.WithHeader("X-TEAM", "red"), runloop.WithHeader("X-Task", ""))
	require.NoError(t, err)
	_, err = client.NetworkPolicies.Get(t.Context(), "npol_1", runloop.WithMaxRetries(0))
	require.NoError(t, err)

	sent := api.Sent()
	require.Len(t, sent, 2)
	assert.Equal(t, []string{"red"}, sent[0].Header["X-Team"], "the call's replaces the client's")
	assert.Equal(t, []string{"test"}, sent[0].Header["X-Stage"])
	assert.Equal(t, []string{""}, sent[0].Header["X-Task"])
	assert.Equal(t, []string{"blue"}, sent[1].Header["X-Team"], "the client has kept its own")
	assert.NotContains(t, sent[1].Header, "X-Task")
}

func TestHeadersThatAreNotTheCallersAreRefused(t *testing.T) {
	t.Parallel()
	for name, instead := range map[string]string{
		"Authorization":     "use WithAPIKey",
		"authorization":     "use WithAPIKey",
		"User-Agent":        "use WithUserAgent",
		"X-Request-ID":      "use WithIdempotencyKey on a single call",
		"Idempotency-Key":   "use WithIdempotencyKey on a single call",
		"x-idempotency-key": "use WithIdempotencyKey on a single call",
		"Accept":            "the SDK sets it",
		"Content-Type":      "the SDK sets it",
		"Accept-Encoding":   "net/http sets it",
		"Content-Length":    "net/http sets it",
		"Transfer-Encoding": "net/http sets it",
		"Trailer":           "net/http sets it",
		"HOST":              "use WithBaseURL",

		"Connection":          "controls the connection, which net/http manages",
		"Keep-Alive":          "controls the connection",
		"Proxy-Connection":    "controls the connection",
		"upgrade":             "controls the connection",
		"TE":                  "controls the connection",
		"HTTP2-Settings":      "controls the connection",
		"Proxy-Authorization": "write the credentials in the URL of the proxy",
		"Content-Encoding":    "the SDK does not compress bodies",
		"Expect":              "the SDK does not wait for 100 Continue",
		"range":               "the SDK reads whole responses",
		"If-None-Match":       "the SDK sends no conditional requests",
		"if-match":            "the SDK sends no conditional requests",
		"IF-MODIFIED-SINCE":   "the SDK sends no conditional requests",
		"If-Range":            "the SDK sends no conditional requests",
		"If-Anything-New":     "the SDK sends no conditional requests",
	} {
		_, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), runloop.WithHeader(name, "ak_secret"))
		text := refused(t, err, "new client", "WithHeader")
		assert.Contains(t, text, "the header "+http.CanonicalHeaderKey(name)+" cannot be set: ")
		assert.Contains(t, text, instead)
		assert.NotContains(t, text, "ak_secret")
	}
}
