package engine_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// What net/http's own transport never returns, but another may.

func TestStatusesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, status := range []int{-1, 0, 1, 99, 100, 101, 103, 199} {
		for _, call := range clienttest.PolicyCalls {
			t.Run(fmt.Sprintf("%d/%s", status, call.Op), func(t *testing.T) {
				t.Parallel()
				err := clienttest.FailWith(t, call, clienttest.Respond(status, call.Success))
				require.ErrorIs(t, err, runloop.ErrInvalidResponse)
				e := clienttest.AsAPIError(t, err)
				assert.Equal(t, status, e.StatusCode)
				assert.Equal(t, call.IsWrite(), e.MaybeApplied)
				assert.Contains(t, err.Error(), fmt.Sprintf("invalid response: status %03d", status))
			})
		}
	}
}

func TestStatusesBeyondTheKnownOnes(t *testing.T) {
	t.Parallel()
	for _, status := range []int{600, 666, 999, 123456} {
		err := clienttest.FailWith(t, clienttest.GetCall, clienttest.Respond(status, clienttest.PolicyJSON))
		assert.Equal(t, status, clienttest.AsAPIError(t, err).StatusCode)
		assert.ErrorIs(t, err, runloop.ErrServer)
	}
	for _, status := range []int{207, 226, 299} {
		api, client := clienttest.NewAPI(t)
		api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(status, clienttest.PolicyJSON))
		policy, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
		require.NoError(t, err, "%d says success, and the policy is there", status)
		assert.Equal(t, "npol_1", policy.ID)
	}
}

// A RoundTripper that breaks its contract is a fault like any other: no panic, no
// body left open.
func TestARoundTripperThatBreaksItsContract(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		response clienttest.RoundTripper
		want     string
		is       error
	}{
		"nothing at all": {func(*http.Request) (*http.Response, error) { return nil, nil },
			"no usable response (4 attempts): the RoundTripper returned neither a response nor an error", nil},
		"a response and an error": {func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: http.NoBody}, broken
		}, "no usable response (4 attempts): broken", broken},
		"no body": {func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil },
			`200 OK: invalid response: content type "": the body is empty (4 attempts)`, runloop.ErrInvalidResponse},
		"no header": {func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 404, Body: http.NoBody}, nil
		}, "404 Not Found (1 attempt)", runloop.ErrNotFound},
		"neither body nor header": {func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 404}, nil },
			"404 Not Found (1 attempt)", runloop.ErrNotFound},
		"a length that is a lie": {func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 404, ContentLength: 1 << 60, Body: http.NoBody}, nil
		}, "404 Not Found (1 attempt)", runloop.ErrNotFound},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			var bodies []*closeSpy
			client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				resp, err := test.response(r)
				if resp != nil && resp.Body != nil {
					body := &closeSpy{Reader: resp.Body}
					resp.Body = body
					bodies = append(bodies, body)
				}
				return resp, err
			}))

			err := clienttest.GetPolicy(t.Context(), client)

			require.EqualError(t, err, "runloop: get network policy: "+test.want)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
			for _, body := range bodies {
				assert.True(t, body.closed, "a body is closed, whatever comes with it")
			}
		}))
	}
}

// A closeSpy knows whether it was closed.
type closeSpy struct {
	io.Reader
	closed bool
}

func (r *closeSpy) Close() error {
	r.closed = true
	return nil
}
