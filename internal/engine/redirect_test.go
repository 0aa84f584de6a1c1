package engine_test

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// P18: net/http follows redirects. It turns a POST into a GET that looks like a
// success, or repeats it on any host, and takes the key along to sub-domains and
// other ports.
func TestNoRedirectIsFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		for name, location := range map[string]string{
			"another host":   "http://evil.example/v1/network-policies/npol_1?token=1",
			"a sub-domain":   "http://eu.localhost/v1/network-policies/npol_1?token=1",
			"another port":   "http://localhost:81/v1/network-policies/npol_1?token=1",
			"another scheme": "https://localhost/v1/network-policies/npol_1?token=1",
			"itself":         "/v1/network-policies/npol_1?token=1",
		} {
			t.Run(strconv.Itoa(status)+" to "+name, clienttest.InBubble(func(t *testing.T) {
				server := wiretest.NewServer(t, wiretest.Reply(status, "", "Location: "+location).Times(2))
				client := clienttest.NewWireClient(t, server)

				for _, err := range []error{clienttest.UpdatePolicy(t.Context(), client), clienttest.GetPolicy(t.Context(), client)} {
					e := clienttest.AsAPIError(t, err)
					assert.Equal(t, status, e.StatusCode)
					assert.Equal(t, 1, e.Attempts)
					assert.False(t, e.MaybeApplied)
					assert.ErrorContains(t, err, "redirects are not followed, this one leads to ")
					assert.ErrorContains(t, err, "/v1/network-policies/npol_1")
					assert.NotContains(t, err.Error(), "token")
				}

				assert.Len(t, server.Requests(), 2)
			}))
		}
	}
}

// The CheckRedirect of a client that is handed in does not change that.
func TestNoRedirectIsFollowedOverLoopback(t *testing.T) {
	t.Parallel()
	target := wiretest.NewLoopback(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(clienttest.PolicyJSON)) })
	server := wiretest.NewLoopback(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL+r.URL.Path, http.StatusTemporaryRedirect)
	})
	client, err := runloop.NewClient(
		runloop.WithAPIKey(clienttest.APIKey),
		runloop.WithBaseURL(server.URL),
		runloop.WithHTTPClient(&http.Client{
			Transport:     server.Client().Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return nil },
		}))
	require.NoError(t, err)

	err = clienttest.UpdatePolicy(t.Context(), client)

	assert.Equal(t, 307, clienttest.AsAPIError(t, err).StatusCode)
	assert.Equal(t, 1, server.Requests())
	assert.Zero(t, target.Requests())
}

func TestRedirectsAreAnswersAndNotFollowed(t *testing.T) {
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
			for _, call := range []clienttest.PolicyCall{clienttest.GetCall, clienttest.UpdateCall} {
				// The api fails the test on any other request.
				got := clienttest.AsAPIError(t, clienttest.FailWith(t, call, clienttest.AnswerWith(status, ``, http.Header{"Location": {location}}),
					runloop.WithMaxRetries(3)))
				assert.Equal(t, status, got.StatusCode)
				assert.Equal(t, 1, got.Attempts)
				assert.Equal(t, "redirects are not followed, this one leads to "+want, got.Message)
				assert.Equal(t, want, got.Header.Get("Location"))
				assert.False(t, got.MaybeApplied)
			}
		}
	}
	got := clienttest.AsAPIError(t, clienttest.FailWith(t, clienttest.GetCall, clienttest.Answer(307, `{"message": "moved"}`)))
	assert.Equal(t, "moved", got.Message, "a redirect to nowhere is an error like others")
}
