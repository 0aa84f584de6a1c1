package faults

import (
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

// The retry budget: an outage is not multiplied, and faults that pass are survived.

// down lets every request fail.
func down(*http.Request) strike { return strike{&lostAnswer{"503", status(503)}, true} }

// A budget of 2,500 tokens pays for 500 retries at 5 each.
func TestBudgetInAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n, retries = 10_000, 500
		server, _ := faultyServer(t, down)
		client := newClient(t, server.Client())
		var last error

		for range n {
			_, last = getCall.do(t.Context(), client)
			require.ErrorIs(t, last, runloop.ErrServer)
		}

		assert.Len(t, server.Requests(), n+retries, "1.05 sends a call, and 1 once the budget is spent")
		assert.Equal(t, 1, apiError(t, last).Attempts)
		assert.Contains(t, last.Error(), "the client's retry budget is spent")
	})
}

func TestBudgetInAnOutageOfWhichAThousandCallsLearnAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		server, _ := faultyServer(t, down)
		client := newClient(t, server.Client())

		errs := atOnce(goroutines, func(int, runloop.Option) error {
			_, err := getCall.do(t.Context(), client)
			return err
		})

		for _, err := range errs {
			require.ErrorIs(t, err, runloop.ErrServer)
		}
		assert.Len(t, server.Requests(), goroutines+500)
	})
}

// Success refills the budget: an outage that ends leaves the client with retries.
func TestBudgetComesBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		failing := true
		server, api := faultyServer(t, func(r *http.Request) strike {
			if failing {
				return down(r)
			}
			return strike{}
		})
		api.AddPolicy(build)
		client := newClient(t, server.Client())
		attempts := func() int {
			_, err := getCall.do(t.Context(), client)
			return apiError(t, err).Attempts
		}
		for attempts() > 1 { // until the budget is spent
		}

		failing = false
		for range 15 {
			_, err := getCall.do(t.Context(), client)
			require.NoError(t, err)
		}

		failing = true
		assert.Equal(t, 4, attempts(), "15 successes pay for three retries")
		assert.Equal(t, 1, attempts())
	})
}

func TestBudgetTurnedOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 250
		server, _ := faultyServer(t, down)
		client := newClient(t, server.Client(), runloop.WithRetryBudget(false))

		for range n {
			_, err := getCall.do(t.Context(), client)
			require.Equal(t, 4, apiError(t, err).Attempts)
		}

		assert.Len(t, server.Requests(), 4*n)
	})
}

// Of calls of which each attempt fails at 30 %, 0.8 % fail four times. The budget
// must not add to them.
func TestBudgetAtThirtyPercentFaults(t *testing.T) {
	thirtyPercent := func() func(*http.Request) strike {
		random := rand.New(rand.NewPCG(30, 0))
		return func(r *http.Request) strike {
			if random.Float64() < 0.3 {
				return down(r)
			}
			return strike{}
		}
	}
	for name, tt := range map[string]struct{ n, burst int }{
		"one after the other":     {2_000, 1},
		"in bursts of a thousand": {10_000, 1_000},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			server, api := faultyServer(t, thirtyPercent())
			api.AddPolicy(build)
			client := newClient(t, server.Client())
			succeeded := 0

			for range tt.n / tt.burst {
				for _, err := range atOnce(tt.burst, func(int, runloop.Option) error {
					_, err := getCall.do(t.Context(), client)
					return err
				}) {
					if err == nil {
						succeeded++
					}
				}
			}

			t.Logf("%.2f %% of %d calls succeeded, %d requests", float64(succeeded)*100/float64(tt.n), tt.n, len(server.Requests()))
			assert.GreaterOrEqual(t, succeeded, tt.n*985/1000)
		}))
	}
}
