package runloop_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

func TestBaseURLs(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"https://api.example.test":             "https://api.example.test/v1/network-policies/npol_1",
		"https://api.example.test/":            "https://api.example.test/v1/network-policies/npol_1",
		"https://api.example.test///":          "https://api.example.test/v1/network-policies/npol_1",
		"https://gate.example.test/runloop":    "https://gate.example.test/runloop/v1/network-policies/npol_1",
		"https://gate.example.test/v1/x":       "https://gate.example.test/v1/x/v1/network-policies/npol_1",
		"https://gate.example.test/v10":        "https://gate.example.test/v10/v1/network-policies/npol_1",
		"https://gate.example.test/api-v1":     "https://gate.example.test/api-v1/v1/network-policies/npol_1",
		"https://v1":                           "https://v1/v1/network-policies/npol_1",
		"https://gate.example.test/runloop/":   "https://gate.example.test/runloop/v1/network-policies/npol_1",
		"https://gate.example.test/a%2Fb/c":    "https://gate.example.test/a%2Fb/c/v1/network-policies/npol_1",
		"https://gate.example.test/a..b/...":   "https://gate.example.test/a..b/.../v1/network-policies/npol_1",
		"https://api.example.test:8443":        "https://api.example.test:8443/v1/network-policies/npol_1",
		"HTTPS://api.example.test":             "https://api.example.test/v1/network-policies/npol_1",
		"https://[2001:db8::1]:8443/x":         "https://[2001:db8::1]:8443/x/v1/network-policies/npol_1",
		"http://localhost":                     "http://localhost/v1/network-policies/npol_1",
		"http://localhost:8080":                "http://localhost:8080/v1/network-policies/npol_1",
		"https://[fe80::1%25eth0]:8443/x":      "https://[fe80::1%25eth0]:8443/x/v1/network-policies/npol_1",
		"http://127.0.0.1:8080":                "http://127.0.0.1:8080/v1/network-policies/npol_1",
		"http://127.200.3.4":                   "http://127.200.3.4/v1/network-policies/npol_1",
		"http://[::1]:8080":                    "http://[::1]:8080/v1/network-policies/npol_1",
		"http://[::ffff:127.0.0.1]:8080":       "http://[::ffff:127.0.0.1]:8080/v1/network-policies/npol_1",
		"https://api.runloop.ai.example.test#": "https://api.runloop.ai.example.test/v1/network-policies/npol_1",
	} {
		t.Run(base, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, want, urlOf(t, runloop.WithBaseURL(base)))
		})
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
	_, err = client.NetworkPolicies.Get(t.Context(), "npol_1")
	require.NoError(t, err)
	return url
}

func TestBadBaseURLsAreRefused(t *testing.T) {
	t.Parallel()
	for base, problem := range map[string]string{
		"":                                       "does not start with https://: write one like https://api.runloop.ai",
		"api.runloop.ai":                         "does not start with https://: write one like https://api.runloop.ai",
		"api.runloop.ai:443":                     "does not start with https://: write one like https://api.runloop.ai",
		"//api.runloop.ai":                       "does not start with https://: write one like https://api.runloop.ai",
		"ftp://api.runloop.ai":                   "does not start with https://: write one like https://api.runloop.ai",
		"localhost:8080":                         "does not start with https://: write one like https://api.runloop.ai",
		"https:api.runloop.ai":                   "does not start with https://: write one like https://api.runloop.ai",
		"https://":                               "has no host",
		"https:///v1":                            "has no host",
		"https://:443":                           "has no host",
		"https://<host>":                         "has an invalid host or port",
		"https://${API_HOST}":                    "is not a valid URL",
		"https://api.runloop.ai:0":               "has an invalid host or port",
		"https://api.runloop.ai:99999":           "has an invalid host or port",
		"https://api runloop ai":                 "is not a valid URL",
		" https://api.runloop.ai":                "is not a valid URL",
		"https://api.runloop.ai\n":               "is not a valid URL",
		"https://api.runloop.ai:port":            "is not a valid URL",
		"https://[::1":                           "is not a valid URL",
		"https://api.runloop.ai/%zz":             "is not a valid URL",
		"https://api.runloop.ai?":                "has a query or fragment",
		"https://api.runloop.ai/?key=s3cret":     "has a query or fragment",
		"https://api.runloop.ai/#s3cret":         "has a query or fragment",
		"https://api.runloop.ai/./x":             "has a dot segment",
		"https://api.runloop.ai/x/..":            "has a dot segment",
		"https://api.runloop.ai/%2e%2E/x":        "has a dot segment",
		"https://api.runloop.ai/a%2f..%2fb":      "has a dot segment",
		"https:/api.runloop.ai":                  "has no host",
		"https://api.runloop.ai/v1":              "ends in /v1, which the SDK adds: remove it",
		"https://api.runloop.ai/v1/":             "ends in /v1",
		"https://api.runloop.ai/V1":              "ends in /v1",
		"https://api.runloop.ai//v1//":           "ends in /v1",
		"https://api.runloop.ai/%761":            "ends in /v1",
		"https://gate.example.test/runloop/v1":   "ends in /v1",
		"http://127.0.0.1:8080/v1":               "ends in /v1",
		"https://robot@api.runloop.ai":           "has a user name or password",
		"https://robot:s3cret@api.runloop.ai":    "has a user name or password",
		"http://robot:s3cret@localhost":          "has a user name or password",
		"https://robot:s3cret@api.runloop.ai:x":  "is not a valid URL",
		"https://robot:s3cret%zz@api.runloop.ai": "is not a valid URL",
	} {
		t.Run(fmt.Sprintf("%q", base), func(t *testing.T) {
			t.Parallel()
			_, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), runloop.WithBaseURL(base), runloop.WithPlaintextHTTP())
			text := refused(t, err, "new client", "WithBaseURL")
			assert.Contains(t, text, problem)
			assert.NotContains(t, text, "s3cret")
			assert.NotContains(t, text, "robot")
		})
	}
}

// N6: anyone on the network path can read the key, so the caller must accept that.
func TestPlaintextBeyondLoopbackNeedsItsOption(t *testing.T) {
	t.Parallel()
	for _, base := range []string{
		"http://api.runloop.ai",
		"http://localhost.example.test",
		"http://mylocalhost",
		"http://127.0.0.1.example.test",
		"http://0.0.0.0:8080",
		"http://10.0.0.1:8080", "http://api.localhost:8080",
		"http://[::]:8080",
		"http://[2001:db8::1]",
	} {
		_, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), runloop.WithBaseURL(base))
		text := refused(t, err, "new client", "WithBaseURL")
		assert.Contains(t, text, "with http://, anyone on the network path can read the API key: write https://, or add WithPlaintextHTTP", base)

		assert.Equal(t, base+"/v1/network-policies/npol_1", urlOf(t, runloop.WithBaseURL(base), runloop.WithPlaintextHTTP()))
	}
}

func TestThePasswordOfABaseURLIsNotPrinted(t *testing.T) {
	t.Parallel()
	_, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), runloop.WithBaseURL("https://robot:s3cret@api.example.test"))
	require.Error(t, err)
	assertSecret(t, "s3cret", err)
}
