package engine_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// net/http follows redirects. It turns a POST into a GET that looks like a success, or repeats
// it on any host, and sends the key to subdomains and other ports.
func TestNoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		"https://other.example.test/x?token=t#f":          "https://other.example.test/x",
		"https://robot:s3cret@other.example.test/x":       "https://other.example.test/x",
		"https://api.example.test:8443/v1":                "https://api.example.test:8443/v1",
		"http://api.example.test" + clienttest.PolicyPath: "http://api.example.test" + clienttest.PolicyPath,
		"/v2/network-policies?token=t":                    "/v2/network-policies",
		clienttest.PolicyPath:                             clienttest.PolicyPath, // to itself
		"//other.example.test/a%2Fb":                      "//other.example.test/a%2Fb",
		"https://[::1?token=t":                            "an invalid URL",
	} {
		for _, status := range []int{300, 301, 302, 303, 307, 308} {
			for _, call := range []clienttest.PolicyCall{clienttest.GetCall, putCall} {
				api, client := clienttest.NewAPI(t)
				api.On(call.Method, call.Path,
					clienttest.RespondWith(status, ``, http.Header{"Location": {location}}), clienttest.Respond(200, call.Success))

				got, err := call.Do(t.Context(), client)

				assert.Nil(t, got)
				e := clienttest.AsAPIError(t, err)
				assert.Equal(t, status, e.StatusCode)
				assert.Equal(t, 1, e.Attempts)
				assert.Equal(t, "redirects are not followed, this one leads to "+want, e.Message)
				assert.Equal(t, want, e.Header.Get("Location"))
				// A write may be applied before a redirect such as 303, but not before one that
				// asks for the same request elsewhere.
				assert.Equal(t, call.IsWrite() && status < 307, e.MaybeApplied, "%d", status)
				api.Only()
			}
		}
	}
	e := clienttest.AsAPIError(t, clienttest.FailWith(t, clienttest.GetCall, clienttest.Respond(307, `{"message": "moved"}`)))
	assert.Equal(t, "moved", e.Message, "a redirect without a Location")
}

func TestNoRedirectIsFollowedOverLoopback(t *testing.T) {
	t.Parallel()
	target := wiretest.NewLoopback(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(clienttest.PolicyJSON)) })
	server := wiretest.NewLoopback(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL+r.URL.Path, http.StatusTemporaryRedirect)
	})
	client := clienttest.NewClientOver(t, server.Client().Transport, runloop.WithBaseURL(server.URL))

	err := clienttest.UpdatePolicy(t.Context(), client)

	assert.Equal(t, 307, clienttest.AsAPIError(t, err).StatusCode)
	assert.Equal(t, 1, server.Requests())
	assert.Zero(t, target.Requests())
}
