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

// Clients that quadruple the requests in an outage prolong it. The calls are concurrent,
// because time refills the budget: in a bubble, all of them share a second.

// concurrently makes n calls concurrently and returns their errors.
func concurrently(n int, call func(i int) error) []error {
	errs := make([]error, n)
	var calls sync.WaitGroup
	for i := range n {
		calls.Go(func() { errs[i] = call(i) })
	}
	calls.Wait()
	return errs
}

// newOutage returns a client whose API responds with the status, and with 503 if that is 0.
func newOutage(t *testing.T, opts ...runloop.Option) (client *runloop.Client, status, requests *atomic.Int64) {
	status, requests = new(atomic.Int64), new(atomic.Int64)
	return clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		requests.Add(1)
		if code := int(status.Load()); code != 0 {
			return clienttest.Respond(code, `{"id":"npol_1","name":"build","egress":{}}`)(r)
		}
		return clienttest.Respond(503, clienttest.BusyJSON)(r)
	}), opts...), status, requests
}

// attempts returns the number of attempts of a call that fails.
func attempts(t *testing.T, client *runloop.Client) int {
	return clienttest.AsAPIError(t, clienttest.GetPolicy(t.Context(), client)).Attempts
}

// drain spends the whole budget of a client in less than a second.
func drain(t *testing.T, client *runloop.Client) {
	t.Helper()
	for _, err := range concurrently(1000, func(int) error { return clienttest.GetPolicy(t.Context(), client) }) {
		require.ErrorContains(t, err, "the client's retry budget is spent")
	}
}

func TestTheBudgetBoundsTheRetriesInAnOutage(t *testing.T) {
	const calls = 800
	for name, tt := range map[string]struct {
		opts        []runloop.Option
		want        int // requests
		outOfBudget int // calls without a retry
	}{
		"with the budget":    {nil, calls + 500, calls - 500}, // 2,500 tokens, 5 a retry
		"without the budget": {[]runloop.Option{runloop.WithoutRetryBudget()}, 4 * calls, 0},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			client, _, requests := newOutage(t, tt.opts...)
			start := time.Now()

			errs := concurrently(calls, func(int) error {
				return clienttest.GetPolicy(t.Context(), client, runloop.WithHeader("X-Call", "options share the client's budget"))
			})

			outOfBudget := 0
			for _, err := range errs {
				require.ErrorIs(t, err, runloop.ErrServer)
				if clienttest.AsAPIError(t, err).Attempts == 1 {
					assert.ErrorContains(t, err, "the client's retry budget is spent")
					outOfBudget++
				}
			}
			assert.Equal(t, tt.outOfBudget, outOfBudget)
			assert.GreaterOrEqual(t, int(requests.Load()), tt.want)
			refilled := 0 // one retry a second
			if tt.opts == nil {
				refilled = int(time.Since(start) / time.Second)
			}
			assert.LessOrEqual(t, int(requests.Load()), tt.want+refilled)
		}))
	}
}

// Each retry is paid for once. Every response of a healthy API refills the budget: some
// programs normally get 404 or 409.
func TestHealthyResponsesRefillTheBudget(t *testing.T) {
	for _, healthy := range []int64{200, 404, 409, 400} {
		t.Run(strconv.Itoa(int(healthy)), clienttest.InBubble(func(t *testing.T) {
			client, status, _ := newOutage(t)
			drain(t, client)
			status.Store(healthy)
			for range 5 { // a token each, the price of one retry
				assert.Equal(t, healthy == 200, clienttest.GetPolicy(t.Context(), client) == nil)
			}
			status.Store(0)

			assert.Equal(t, 2, attempts(t, client))
			assert.Equal(t, 1, attempts(t, client))
		}))
	}
}

// A client that only meets faults for a long time still retries.
func TestTimeRefillsTheBudget(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		client, _, _ := newOutage(t)
		drain(t, client)
		assert.Equal(t, 1, attempts(t, client))

		time.Sleep(3 * time.Second)

		assert.Equal(t, 4, attempts(t, client))
	})(t)
}

func TestFinalErrorsCostNoBudget(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		client, status, _ := newOutage(t)
		status.Store(404)
		for range 1000 {
			assert.Equal(t, 1, attempts(t, client))
		}
		status.Store(0)

		assert.Equal(t, 4, attempts(t, client))
	})(t)
}
