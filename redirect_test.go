package runloop_test

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
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
			t.Run(strconv.Itoa(status)+" to "+name, inBubble(func(t *testing.T) {
				server := wiretest.NewServer(t, wiretest.Reply(status, "", "Location: "+location).Times(2))
				client := newWireClient(t, server)

				for _, err := range []error{updatePolicy(t.Context(), client), getPolicy(t.Context(), client)} {
					e := asAPIError(t, err)
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
	target := wiretest.NewLoopback(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(policyJSON)) })
	server := wiretest.NewLoopback(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL+r.URL.Path, http.StatusTemporaryRedirect)
	})
	client, err := runloop.NewClient(
		runloop.WithAPIKey(testKey),
		runloop.WithBaseURL(server.URL),
		runloop.WithHTTPClient(&http.Client{
			Transport:     server.Client().Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return nil },
		}))
	require.NoError(t, err)

	err = updatePolicy(t.Context(), client)

	assert.Equal(t, 307, asAPIError(t, err).StatusCode)
	assert.Equal(t, 1, server.Requests())
	assert.Zero(t, target.Requests())
}
