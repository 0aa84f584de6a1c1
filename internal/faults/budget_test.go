package faults

import (
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// The retry budget: an outage is not multiplied, and faults that pass are survived.

// down lets every request fail.
func down(*http.Request) strike { return strike{&lostAnswer{"503", status(503)}, true} }

// A budget of 2,500 tokens pays for 500 retries at 5 each.
func TestBudgetInAnOutage(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		const n, retries = 10_000, 500
		server, _ := faultyServer(t, down)
		client := clienttest.NewWireClient(t, server)
		var last error

		for range n {
			_, last = clienttest.GetCall.Policy(t.Context(), client)
			require.ErrorIs(t, last, runloop.ErrServer)
		}

		assert.Len(t, server.Requests(), n+retries, "1.05 sends a call, and 1 once the budget is spent")
		assert.Equal(t, 1, clienttest.AsAPIError(t, last).Attempts)
		assert.Contains(t, last.Error(), "the client's retry budget is spent")
	})(t)
}

func TestBudgetInAnOutageOfWhichAThousandCallsLearnAtOnce(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server, _ := faultyServer(t, down)
		client := clienttest.NewWireClient(t, server)

		errs := atOnce(goroutines, func(int, runloop.Option) error {
			_, err := clienttest.GetCall.Policy(t.Context(), client)
			return err
		})

		for _, err := range errs {
			require.ErrorIs(t, err, runloop.ErrServer)
		}
		assert.Len(t, server.Requests(), goroutines+500)
	})(t)
}

// Success refills the budget: an outage that ends leaves the client with retries.
func TestBudgetComesBack(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		failing := true
		server, api := faultyServer(t, func(r *http.Request) strike {
			if failing {
				return down(r)
			}
			return strike{}
		})
		api.AddPolicy(build)
		client := clienttest.NewWireClient(t, server)
		attempts := func() int {
			_, err := clienttest.GetCall.Policy(t.Context(), client)
			return clienttest.AsAPIError(t, err).Attempts
		}
		for attempts() > 1 { // until the budget is spent
		}

		failing = false
		for range 15 {
			_, err := clienttest.GetCall.Policy(t.Context(), client)
			require.NoError(t, err)
		}

		failing = true
		assert.Equal(t, 4, attempts(), "15 successes pay for three retries")
		assert.Equal(t, 1, attempts())
	})(t)
}

func TestBudgetTurnedOff(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		const n = 250
		server, _ := faultyServer(t, down)
		client := clienttest.NewWireClient(t, server, runloop.WithRetryBudget(false))

		for range n {
			_, err := clienttest.GetCall.Policy(t.Context(), client)
			require.Equal(t, 4, clienttest.AsAPIError(t, err).Attempts)
		}

		assert.Len(t, server.Requests(), 4*n)
	})(t)
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
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server, api := faultyServer(t, thirtyPercent())
			api.AddPolicy(build)
			client := clienttest.NewWireClient(t, server)
			succeeded := 0

			for range tt.n / tt.burst {
				for _, err := range atOnce(tt.burst, func(int, runloop.Option) error {
					_, err := clienttest.GetCall.Policy(t.Context(), client)
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
