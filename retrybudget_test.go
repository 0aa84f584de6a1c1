package runloop_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

// An outage that every client meets with four times its requests becomes a longer
// one.

func TestAnOutageIsNotMultiplied(t *testing.T) {
	const calls = 400
	for name, tt := range map[string]struct {
		opts []runloop.Option
		want int64
	}{
		"with the budget":    {nil, calls + 500}, // 2,500 tokens, 5 a retry
		"without the budget": {[]runloop.Option{runloop.WithRetryBudget(false)}, 4 * calls},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			var requests atomic.Int64
			client := newClientOver(t, roundTripper(func(r *http.Request) (*http.Response, error) {
				requests.Add(1)
				return answer(503, busyJSON)(r)
			}), tt.opts...)
			var err error
			for range calls {
				err = getPolicy(t.Context(), client, runloop.WithHeader("X-Call", "has options, and the client's budget"))
			}

			require.ErrorIs(t, err, runloop.ErrServer)
			assert.Equal(t, tt.want, requests.Load())
			if tt.opts == nil {
				assert.Equal(t, 1, asAPIError(t, err).Attempts)
				assert.ErrorContains(t, err, "the client's retry budget is spent")
			}
		}))
	}
}

// P8: with a response handler the library asks twice an attempt whether to retry.
// Each retry is paid for once, and success fills the budget up again.
func TestSuccessFillsTheBudgetUp(t *testing.T) {
	inBubble(func(t *testing.T) {
		fail := true
		client := newClientOver(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			if fail {
				return answer(503, busyJSON)(r)
			}
			return answer(200, policyJSON)(r)
		}))
		for range 200 { // of which 166 and two thirds can be retried
			require.Error(t, getPolicy(t.Context(), client))
		}
		fail = false
		for range 5 { // a token each, the price of one retry
			require.NoError(t, getPolicy(t.Context(), client))
		}
		fail = true

		first, second := getPolicy(t.Context(), client), getPolicy(t.Context(), client)

		assert.Equal(t, 2, asAPIError(t, first).Attempts)
		assert.Equal(t, 1, asAPIError(t, second).Attempts)
	})(t)
}

// What cannot be retried anyway costs nothing.
func TestClientErrorsCostNoBudget(t *testing.T) {
	inBubble(func(t *testing.T) {
		status := 404
		client := newClientOver(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			return answer(status, `{}`)(r)
		}))
		for range 1000 {
			require.Error(t, getPolicy(t.Context(), client))
		}
		status = 503

		assert.Equal(t, 4, asAPIError(t, getPolicy(t.Context(), client)).Attempts)
	})(t)
}
