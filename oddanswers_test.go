package runloop_test

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
)

// What net/http's own transport never returns, but another may.

func TestStatusesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, status := range []int{-1, 0, 1, 99, 100, 101, 103, 199} {
		for _, call := range policyCalls {
			t.Run(fmt.Sprintf("%d/%s", status, call.op), func(t *testing.T) {
				t.Parallel()
				err := failWith(t, call, answer(status, call.success))
				require.ErrorIs(t, err, runloop.ErrInvalidResponse)
				transport, ok := errors.AsType[*runloop.TransportError](err)
				require.True(t, ok)
				assert.Equal(t, call.isWrite(), transport.MaybeApplied)
				assert.Contains(t, err.Error(), fmt.Sprintf("invalid response: status %03d", status))
			})
		}
	}
}

func TestStatusesBeyondTheKnownOnes(t *testing.T) {
	t.Parallel()
	for _, status := range []int{600, 666, 999, 123456} {
		err := failWith(t, getCall, answer(status, policyJSON))
		assert.Equal(t, status, apiError(t, err).StatusCode)
		assert.ErrorIs(t, err, runloop.ErrServer)
	}
	for _, status := range []int{207, 226, 299} {
		api, client := newAPI(t)
		api.answers(http.MethodGet, policyPath, answer(status, policyJSON))
		policy, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
		require.NoError(t, err, "%d says success, and the policy is there", status)
		assert.Equal(t, "npol_1", policy.ID)
	}
}

func TestTransportsThatBreakTheirContract(t *testing.T) {
	t.Parallel()
	closed := false
	for name, test := range map[string]struct {
		answer roundTripper
		want   string
	}{
		"nothing at all": {func(*http.Request) (*http.Response, error) { return nil, nil },
			"runloop: get network policy: no usable answer (1 attempt): the RoundTripper returned neither a response nor an error"},
		"an answer and an error": {func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: closeRecorder{strings.NewReader(policyJSON), &closed}}, errors.New("broken")
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
		_, client := newAPI(t, runloop.WithHTTPClient(&http.Client{Transport: test.answer}), runloop.WithMaxRetries(0))
		_, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
		assert.EqualError(t, err, test.want, name)
	}
	assert.True(t, closed, "a body is closed, whatever comes with it")
}

type closeRecorder struct {
	io.Reader
	closed *bool
}

func (c closeRecorder) Close() error { *c.closed = true; return nil }
