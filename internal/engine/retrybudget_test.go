package engine_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
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
		"without the budget": {[]runloop.Option{runloop.WithoutRetryBudget()}, 4 * calls},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			var requests atomic.Int64
			client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				requests.Add(1)
				return clienttest.Answer(503, clienttest.BusyJSON)(r)
			}), tt.opts...)
			var err error
			for range calls {
				err = clienttest.GetPolicy(t.Context(), client, runloop.WithHeader("X-Call", "has options, and the client's budget"))
			}

			require.ErrorIs(t, err, runloop.ErrServer)
			assert.Equal(t, tt.want, requests.Load())
			if tt.opts == nil {
				assert.Equal(t, 1, clienttest.AsAPIError(t, err).Attempts)
				assert.ErrorContains(t, err, "the client's retry budget is spent")
			}
		}))
	}
}

// P8: with a response handler the library asks twice an attempt whether to retry.
// Each retry is paid for once, and success fills the budget up again.
func TestSuccessFillsTheBudgetUp(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		fail := true
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if fail {
				return clienttest.Answer(503, clienttest.BusyJSON)(r)
			}
			return clienttest.Answer(200, clienttest.PolicyJSON)(r)
		}))
		for range 200 { // of which 166 and two thirds can be retried
			require.Error(t, clienttest.GetPolicy(t.Context(), client))
		}
		fail = false
		for range 5 { // a token each, the price of one retry
			require.NoError(t, clienttest.GetPolicy(t.Context(), client))
		}
		fail = true

		first, second := clienttest.GetPolicy(t.Context(), client), clienttest.GetPolicy(t.Context(), client)

		assert.Equal(t, 2, clienttest.AsAPIError(t, first).Attempts)
		assert.Equal(t, 1, clienttest.AsAPIError(t, second).Attempts)
	})(t)
}

// What cannot be retried anyway costs nothing.
func TestClientErrorsCostNoBudget(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		status := 404
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			return clienttest.Answer(status, `{}`)(r)
		}))
		for range 1000 {
			require.Error(t, clienttest.GetPolicy(t.Context(), client))
		}
		status = 503

		assert.Equal(t, 4, clienttest.AsAPIError(t, clienttest.GetPolicy(t.Context(), client)).Attempts)
	})(t)
}
