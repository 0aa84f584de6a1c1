package faults

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// assertNotFollowed checks that the call, when it is redirected to location, does not
// follow, and reports where it would have led. The server speaks for every address: a
// request that follows would reach it too. A redirect that does not ask for the same
// request elsewhere can follow a write that was applied, which is looked up.
func assertNotFollowed(t *testing.T, call clienttest.PolicyCall, status int, location, shown string) {
	t.Helper()
	inDoubt := call.IsWrite() && status != 307 && status != 308
	steps, requests := []wiretest.Step{wiretest.Reply(status, "", "Location: "+location)}, 1
	if inDoubt {
		steps, requests = append(steps, wiretest.Reply(403, "")), 2
	}
	server, client := script(t, steps...)

	policy, err := call.Policy(t.Context(), client, runloop.WithBaseURL("https://api.example.test"))

	assert.Nil(t, policy)
	assert.ErrorContains(t, err, "redirects are not followed, this one leads to "+shown+" (1 attempt")
	e := clienttest.AsAPIError(t, err)
	assert.Equal(t, status, e.StatusCode)
	assert.Equal(t, shown, e.Header.Get("Location"))
	assert.Equal(t, 1, e.Attempts)
	assert.Equal(t, inDoubt, e.MaybeApplied)
	assert.Zero(t, server.Now())
	require.Len(t, server.Requests(), requests)
	for _, r := range server.Requests() {
		assert.Contains(t, r.Raw, "\r\nHost: api.example.test\r\n")
	}
	assert.Equal(t, 1, server.Dials())
}

func Test75Redirect(t *testing.T) {
	t.Parallel()
	for location, shown := range map[string]string{
		"https://other.test/v1/x?token=s3cret":       "https://other.test/v1/x",
		"https://sub.api.example.test/v1/x?a=s3cret": "https://sub.api.example.test/v1/x",
		"https://api.example.test:8443/v1/x":         "https://api.example.test:8443/v1/x",
		"http://api.example.test/v1/x":               "http://api.example.test/v1/x",
		"//other.test/v1/x?token=s3cret#f":           "//other.test/v1/x",
		"https://robot:s3cret@other.test/v1/x":       "https://other.test/v1/x",
	} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			for _, call := range calls {
				t.Run(fmt.Sprint(location, " ", status, " ", call.Name), clienttest.InBubble(func(t *testing.T) {
					assertNotFollowed(t, call, status, location, shown)
				}))
			}
		}
	}
}

func Test76RedirectLoop(t *testing.T) {
	t.Parallel()
	for _, call := range calls {
		t.Run(call.Name, clienttest.InBubble(func(t *testing.T) {
			assertNotFollowed(t, call, 307, "/v1/network-policies/npol_1", "/v1/network-policies/npol_1")
		}))
	}
}
