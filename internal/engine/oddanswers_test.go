package engine_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
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
				err := clienttest.FailWith(t, call, clienttest.Answer(status, call.Success))
				require.ErrorIs(t, err, runloop.ErrInvalidResponse)
				transport, ok := errors.AsType[*runloop.TransportError](err)
				require.True(t, ok)
				assert.Equal(t, call.IsWrite(), transport.MaybeApplied)
				assert.Contains(t, err.Error(), fmt.Sprintf("invalid response: status %03d", status))
			})
		}
	}
}

func TestStatusesBeyondTheKnownOnes(t *testing.T) {
	t.Parallel()
	for _, status := range []int{600, 666, 999, 123456} {
		err := clienttest.FailWith(t, clienttest.GetCall, clienttest.Answer(status, clienttest.PolicyJSON))
		assert.Equal(t, status, clienttest.AsAPIError(t, err).StatusCode)
		assert.ErrorIs(t, err, runloop.ErrServer)
	}
	for _, status := range []int{207, 226, 299} {
		api, client := clienttest.NewAPI(t)
		api.Answers(http.MethodGet, clienttest.PolicyPath, clienttest.Answer(status, clienttest.PolicyJSON))
		policy, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
		require.NoError(t, err, "%d says success, and the policy is there", status)
		assert.Equal(t, "npol_1", policy.ID)
	}
}

func TestTransportsThatBreakTheirContract(t *testing.T) {
	t.Parallel()
	body := &closeSpy{Reader: strings.NewReader(clienttest.PolicyJSON)}
	for name, test := range map[string]struct {
		answer clienttest.RoundTripper
		want   string
	}{
		"nothing at all": {func(*http.Request) (*http.Response, error) { return nil, nil },
			"runloop: get network policy: no usable answer (1 attempt): the RoundTripper returned neither a response nor an error"},
		"an answer and an error": {func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: body}, errors.New("broken")
		}, "runloop: get network policy: no usable answer (1 attempt): broken"},
		"no body": {func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil },
			`runloop: get network policy: no usable answer (1 attempt): invalid response: status 200, content type "": the body is empty`},
		"no header": {func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 404, Body: http.NoBody}, nil
		}, "runloop: get network policy: 404 Not Found (1 attempt)"},
		"a length that is a lie": {func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 404, ContentLength: 1 << 60, Body: http.NoBody}, nil
		}, "runloop: get network policy: 404 Not Found (1 attempt)"},
	} {
		_, client := clienttest.NewAPI(t, runloop.WithHTTPClient(&http.Client{Transport: test.answer}), runloop.WithMaxRetries(0))
		_, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
		assert.EqualError(t, err, test.want, name)
	}
	assert.True(t, body.closed, "a body is closed, whatever comes with it")
}

// A RoundTripper that breaks its contract is a fault like any other: no panic, no
// body left open, and nothing on net/http's own log.
func TestARoundTripperThatBreaksItsContract(t *testing.T) {
	t.Run("neither response nor error", clienttest.InBubble(func(t *testing.T) {
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(*http.Request) (*http.Response, error) { return nil, nil }))

		err := clienttest.GetPolicy(t.Context(), client)

		assert.Equal(t, 4, clienttest.AsTransportError(t, err).Attempts)
	}))
	t.Run("both response and error", clienttest.InBubble(func(t *testing.T) {
		body := &closeSpy{Reader: http.NoBody}
		broken := errors.New("broken")
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: body}, broken
		}), runloop.WithMaxRetries(0))

		err := clienttest.GetPolicy(t.Context(), client)

		require.ErrorIs(t, err, broken)
		assert.True(t, body.closed)
	}))
	t.Run("response without a body or headers", clienttest.InBubble(func(t *testing.T) {
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 404}, nil
		}))

		require.ErrorIs(t, clienttest.GetPolicy(t.Context(), client), runloop.ErrNotFound)
	}))
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
