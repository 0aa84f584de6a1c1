package runloop_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// responding returns an API that responds to every request with the body, and a client of it.
func responding(t testing.TB, body string, opts ...runloop.Option) (*clienttest.API, *runloop.Client) {
	t.Helper()
	api, client := clienttest.NewAPI(t, opts...)
	api.RegisterNoResponder(clienttest.Respond(200, body))
	return api, client
}

func TestUserAgentNamesTheProduct(t *testing.T) {
	t.Parallel()
	api, client := responding(t, clienttest.PolicyJSON, runloop.WithUserAgent("my-orchestrator/1.2 (linux)"))
	require.NoError(t, clienttest.GetPolicy(t.Context(), client))
	assert.Regexp(t, `^runloop-go/\d+\.\d+\.\d+ my-orchestrator/1\.2 \(linux\)$`, api.Only().Header.Get("User-Agent"))
}

func TestIdempotencyKeyIsTheRequestIDOfAWrite(t *testing.T) {
	t.Parallel()
	for _, call := range clienttest.PolicyCalls {
		api, client := responding(t, call.Success)
		_, err := call.Do(t.Context(), client, runloop.WithIdempotencyKey("task-17"))
		require.NoError(t, err)
		header := api.Only().Header
		if call.IsWrite() {
			assert.Equal(t, []string{"task-17"}, header["X-Request-Id"], call.Op)
		} else {
			assert.NotContains(t, header, "X-Request-Id", call.Op)
		}
		// With these, net/http would replay a POST.
		assert.NotContains(t, header, "Idempotency-Key")
		assert.NotContains(t, header, "X-Idempotency-Key")
	}
}

func TestHeadersOfTheClientAndOfACall(t *testing.T) {
	t.Parallel()
	api, client := responding(t, clienttest.PolicyJSON, runloop.WithHeader("x-team", "blue"), runloop.WithHeader("X-Stage", "test"))
	require.NoError(t, clienttest.GetPolicy(t.Context(), client, runloop.WithHeader("X-TEAM", "red"), runloop.WithHeader("X-Task", "")))
	require.NoError(t, clienttest.GetPolicy(t.Context(), client, runloop.WithMaxRetries(0)))

	sent := api.Sent()
	require.Len(t, sent, 2)
	assert.Equal(t, []string{"red"}, sent[0].Header["X-Team"], "the call's header replaces the client's")
	assert.Equal(t, []string{"test"}, sent[0].Header["X-Stage"])
	assert.Equal(t, []string{""}, sent[0].Header["X-Task"])
	assert.Equal(t, []string{"blue"}, sent[1].Header["X-Team"], "the client is unchanged")
	assert.NotContains(t, sent[1].Header, "X-Task")
}

func TestReservedHeadersAreRejected(t *testing.T) {
	t.Parallel()
	for instead, names := range map[string][]string{
		"use WithAPIKey":                          {"Authorization", "authorization"},
		"use WithUserAgent":                       {"User-Agent"},
		"use WithIdempotencyKey on a single call": {"X-Request-ID", "Idempotency-Key", "x-idempotency-key"},
		"the SDK sets it":                         {"Accept", "Content-Type"},
		"net/http sets it":                        {"Accept-Encoding", "Content-Length", "Transfer-Encoding", "Trailer"},
		"use WithBaseURL":                         {"HOST"},
		"controls the connection, which net/http manages": {
			"Connection", "Keep-Alive", "Proxy-Connection", "upgrade", "TE", "HTTP2-Settings",
		},
		"write the credentials in the URL of the proxy": {"Proxy-Authorization"},
		"the SDK does not compress bodies":              {"Content-Encoding"},
		"the SDK does not wait for 100 Continue":        {"Expect"},
		"the SDK reads whole responses":                 {"range"},
		"the SDK sends no conditional requests":         {"If-None-Match", "if-match", "IF-MODIFIED-SINCE", "If-Range", "If-Anything-New"},
	} {
		for _, name := range names {
			_, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), runloop.WithHeader(name, "ak_secret"))
			text := refused(t, err, "new client", "WithHeader")
			assert.Contains(t, text, "the header "+http.CanonicalHeaderKey(name)+" cannot be set: ")
			assert.Contains(t, text, instead)
			assert.NotContains(t, text, "ak_secret")
		}
	}
}
