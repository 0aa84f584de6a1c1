package engine_test

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// An outage that every client meets with four times its requests becomes a longer
// one. The calls of a test are concurrent, because time refills the budget as well:
// in a bubble, a second passes for all of them together.

// concurrently makes n calls at the same time and returns their errors.
func concurrently(n int, call func() error) []error {
	errs := make([]error, n)
	var calls sync.WaitGroup
	for i := range n {
		calls.Go(func() { errs[i] = call() })
	}
	calls.Wait()
	return errs
}

// drain spends the whole budget of a client whose server fails. Less than a second
// passes.
func drain(t *testing.T, client *runloop.Client) {
	t.Helper()
	for _, err := range concurrently(1000, func() error { return clienttest.GetPolicy(t.Context(), client) }) {
		require.ErrorContains(t, err, "the client's retry budget is spent")
	}
}

func TestAnOutageIsNotMultiplied(t *testing.T) {
	const calls = 800
	for name, tt := range map[string]struct {
		opts []runloop.Option
		want int // and one more for each second
	}{
		"with the budget":    {nil, calls + 500}, // 2,500 tokens, 5 a retry
		"without the budget": {[]runloop.Option{runloop.WithoutRetryBudget()}, 4 * calls},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			var requests atomic.Int64
			client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				requests.Add(1)
				return clienttest.Respond(503, clienttest.BusyJSON)(r)
			}), tt.opts...)
			start := time.Now()

			errs := concurrently(calls, func() error {
				return clienttest.GetPolicy(t.Context(), client, runloop.WithHeader("X-Call", "has options, and the client's budget"))
			})

			outOfBudget := 0
			for _, err := range errs {
				require.ErrorIs(t, err, runloop.ErrServer)
				if clienttest.AsAPIError(t, err).Attempts == 1 {
					assert.ErrorContains(t, err, "the client's retry budget is spent")
					outOfBudget++
				}
			}
			if tt.opts != nil {
				assert.EqualValues(t, tt.want, requests.Load())
				assert.Zero(t, outOfBudget)
				return
			}
			assert.GreaterOrEqual(t, int(requests.Load()), tt.want)
			assert.LessOrEqual(t, int(requests.Load()), tt.want+int(time.Since(start)/time.Second))
			assert.Equal(t, calls-500, outOfBudget)
		}))
	}
}

// P8: with a response handler the library asks twice an attempt whether to retry.
// Each retry is paid for once. Every response of a healthy API fills the budget up
// again: some programs normally get 404 or 409.
func TestHealthyResponsesFillTheBudgetUp(t *testing.T) {
	for status, body := range map[int]string{200: clienttest.PolicyJSON, 404: notFoundJSON, 409: takenJSON, 400: `{}`} {
		t.Run(strconv.Itoa(status), clienttest.InBubble(func(t *testing.T) {
			var failing atomic.Bool
			client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				if failing.Load() {
					return clienttest.Respond(503, clienttest.BusyJSON)(r)
				}
				return clienttest.Respond(status, body)(r)
			}))
			failing.Store(true)
			drain(t, client)
			failing.Store(false)
			for range 5 { // a token each, the price of one retry
				assert.Equal(t, status == 200, clienttest.GetPolicy(t.Context(), client) == nil)
			}
			failing.Store(true)

			first, second := clienttest.GetPolicy(t.Context(), client), clienttest.GetPolicy(t.Context(), client)

			assert.Equal(t, 2, clienttest.AsAPIError(t, first).Attempts)
			assert.Equal(t, 1, clienttest.AsAPIError(t, second).Attempts)
		}))
	}
}

// A client that gets nothing but faults for long still retries.
func TestTimeFillsTheBudgetUp(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(clienttest.Respond(503, clienttest.BusyJSON)))
		drain(t, client)
		assert.Equal(t, 1, clienttest.AsAPIError(t, clienttest.GetPolicy(t.Context(), client)).Attempts)

		time.Sleep(3 * time.Second)

		assert.Equal(t, 4, clienttest.AsAPIError(t, clienttest.GetPolicy(t.Context(), client)).Attempts)
	})(t)
}

// What cannot be retried anyway costs nothing.
func TestClientErrorsCostNoBudget(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		status := 404
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			return clienttest.Respond(status, `{}`)(r)
		}))
		for range 1000 {
			require.Error(t, clienttest.GetPolicy(t.Context(), client))
		}
		status = 503

		assert.Equal(t, 4, clienttest.AsAPIError(t, clienttest.GetPolicy(t.Context(), client)).Attempts)
	})(t)
}
