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
