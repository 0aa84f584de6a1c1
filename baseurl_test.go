package runloop_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

func TestBaseURLs(t *testing.T) {
	t.Parallel()
	for base, prefix := range map[string]string{
		"https://api.example.test":             "https://api.example.test",
		"https://api.example.test/":            "https://api.example.test",
		"https://api.example.test///":          "https://api.example.test",
		"https://api.example.test:8443":        "https://api.example.test:8443",
		"HTTPS://api.example.test":             "https://api.example.test",
		"https://api.runloop.ai.example.test#": "https://api.runloop.ai.example.test",
		"https://gate.example.test/runloop/":   "https://gate.example.test/runloop",
	} {
		assert.Equal(t, prefix+clienttest.PolicyPath, urlOf(t, runloop.WithBaseURL(base)))
	}
	for _, base := range []string{
		"https://gate.example.test/runloop", "https://gate.example.test/v1/x", "https://gate.example.test/v10",
		"https://gate.example.test/api-v1", "https://v1", "https://gate.example.test/a%2Fb/c", "https://gate.example.test/a..b/...",
		"https://[2001:db8::1]:8443/x", "https://[fe80::1%25eth0]:8443/x", "http://localhost", "http://localhost:8080",
		"http://127.0.0.1:8080", "http://127.200.3.4", "http://[::1]:8080", "http://[::ffff:127.0.0.1]:8080",
	} {
		assert.Equal(t, base+clienttest.PolicyPath, urlOf(t, runloop.WithBaseURL(base)))
	}
}

// urlOf returns the URL to which a client with the options sends a request.
func urlOf(t *testing.T, opts ...runloop.Option) string {
	t.Helper()
	var url string
	client, err := runloop.NewClient(append(opts, runloop.WithAPIKey(clienttest.APIKey),
		runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			url = r.URL.String()
			return clienttest.Respond(200, clienttest.PolicyJSON)(r)
		})}))...)
	require.NoError(t, err)
	require.NoError(t, clienttest.GetPolicy(t.Context(), client))
	return url
}

func TestInvalidBaseURLs(t *testing.T) {
	t.Parallel()
	for problem, bases := range map[string][]string{
		"does not start with https://: write one like https://api.runloop.ai": {
			"", "api.runloop.ai", "api.runloop.ai:443", "//api.runloop.ai", "ftp://api.runloop.ai", "localhost:8080", "https:api.runloop.ai",
		},
		"has no host":                 {"https://", "https:///v1", "https://:443", "https:/api.runloop.ai"},
		"has an invalid host or port": {"https://<host>", "https://api.runloop.ai:0", "https://api.runloop.ai:99999"},
		"is not a valid URL": {
			"https://${API_HOST}", "https://api runloop ai", " https://api.runloop.ai", "https://api.runloop.ai\n", "https://api.runloop.ai:port",
			"https://[::1", "https://api.runloop.ai/%zz", "https://robot:s3cret@api.runloop.ai:x", "https://robot:s3cret%zz@api.runloop.ai",
		},
		"has a query or fragment": {"https://api.runloop.ai?", "https://api.runloop.ai/?key=s3cret", "https://api.runloop.ai/#s3cret"},
		"has a dot segment": {
			"https://api.runloop.ai/./x", "https://api.runloop.ai/x/..", "https://api.runloop.ai/%2e%2E/x", "https://api.runloop.ai/a%2f..%2fb",
		},
		"ends in /v1, which the SDK adds: remove it": {
			"https://api.runloop.ai/v1", "https://api.runloop.ai/v1/", "https://api.runloop.ai/V1", "https://api.runloop.ai//v1//",
			"https://api.runloop.ai/%761", "https://gate.example.test/runloop/v1", "http://127.0.0.1:8080/v1",
		},
		"has a user name or password": {"https://robot@api.runloop.ai", "https://robot:s3cret@api.runloop.ai", "http://robot:s3cret@localhost"},
	} {
		for _, base := range bases {
			_, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), runloop.WithBaseURL(base), runloop.WithPlaintextHTTP())
			text := refused(t, err, "new client", "WithBaseURL")
			assert.Contains(t, text, problem, base)
			assert.NotContains(t, text, "robot")
			assertSecret(t, "s3cret", err)
		}
	}
}

// Anyone on the network path can read the key, so the caller must accept that.
func TestPlaintextBeyondLoopbackNeedsItsOption(t *testing.T) {
	t.Parallel()
	for _, base := range []string{
		"http://api.runloop.ai", "http://localhost.example.test", "http://mylocalhost", "http://127.0.0.1.example.test",
		"http://0.0.0.0:8080", "http://10.0.0.1:8080", "http://api.localhost:8080", "http://[::]:8080", "http://[2001:db8::1]",
	} {
		_, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), runloop.WithBaseURL(base))
		text := refused(t, err, "new client", "WithBaseURL")
		assert.Contains(t, text, "with http://, anyone on the network path can read the API key: write https://, or add WithPlaintextHTTP", base)
		assert.Equal(t, base+clienttest.PolicyPath, urlOf(t, runloop.WithBaseURL(base), runloop.WithPlaintextHTTP()))
	}
}
