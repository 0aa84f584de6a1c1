package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// Many concurrent calls of one client. The race detector checks that they have no data race.

const goroutines = 1000

// atOnce calls do for each number in a separate goroutine, with an option that marks the requests
// as that goroutine's, and returns the results.
func atOnce[T any](n int, do func(i int, mark runloop.Option) T) []T {
	results := make([]T, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { results[i] = do(i, runloop.WithHeader("X-Call", fmt.Sprint(i))) })
	}
	group.Wait()
	return results
}

// A strike is what happens to one request: it is applied, unless unserved, and its response is
// lost, if lost is set.
type strike struct {
	lost     func(*wiretest.Conn)
	unserved bool
}

func busy(c *wiretest.Conn) { c.Write(wiretest.Response(503, clienttest.BusyJSON)) }

// newStruckServer returns a server whose requests meet the strikes that draw returns. draw is
// called for one request at a time.
func newStruckServer(t testing.TB, draw func(*http.Request) strike) (*wiretest.Server, *runlooptest.API) {
	t.Helper()
	api := runlooptest.New(runlooptest.WithPolicyLimit(0))
	var drawing sync.Mutex
	server := wiretest.NewServer(t, wiretest.Do("the API, or a fault", func(c *wiretest.Conn) {
		r := c.Read()
		if r == nil {
			return
		}
		drawing.Lock()
		strike := draw(r)
		drawing.Unlock()
		response := httptest.NewRecorder()
		if !strike.unserved {
			api.ServeHTTP(response, r)
		}
		if strike.lost != nil {
			strike.lost(c)
			return
		}
		c.Write(wiretest.Response(response.Code, response.Body.String()))
	}).Forever())
	// The race detector can follow 8,000 goroutines, and each connection has four.
	server.Transport.MaxConnsPerHost, server.Transport.MaxIdleConnsPerHost = 100, 100
	return server, api
}

// tenPercent gives 6 % of the requests a 503 and 4 % a lost connection, half of them after
// they were applied. No call meets more than three faults, with its lookup: a call that does
// may fail. Two requests in a row without a fault belong to two calls.
func tenPercent() func(*http.Request) strike {
	random := rand.New(rand.NewPCG(105, 0))
	struck, calm := map[string]int{}, map[string]int{}
	return func(r *http.Request) strike {
		call, percent, unserved := r.Header.Get("X-Call"), random.IntN(100), random.IntN(2) == 0
		if percent >= 10 || struck[call] == 3 {
			if calm[call]++; calm[call] >= 2 {
				struck[call] = 0
			}
			return strike{}
		}
		calm[call] = 0
		struck[call]++
		if percent < 6 {
			return strike{busy, unserved}
		}
		return strike{(*wiretest.Conn).Close, unserved}
	}
}

func TestAThousandGoroutinesUnderFaults(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server, api := newStruckServer(t, tenPercent())
		policies := clienttest.NewWireClient(t, server).NetworkPolicies

		errs := atOnce(goroutines, func(i int, mark runloop.Option) error {
			return lifeOfAPolicy(t.Context(), policies, fmt.Sprintf("policy %d", i), mark)
		})

		assert.NoError(t, errors.Join(errs...))
		assert.Empty(t, api.Policies(), "all have been deleted")
		assert.Greater(t, len(server.Requests()), 5*goroutines*105/100, "there were faults")
	})(t)
}

// lifeOfAPolicy creates, reads, updates, finds and deletes a policy. After an error, the other
// calls fail as well.
func lifeOfAPolicy(ctx context.Context, policies service, name string, mark runloop.Option) error {
	created, err := policies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: name}, mark)
	if err != nil {
		return err
	}
	_, getErr := policies.Get(ctx, created.ID, mark)
	_, updateErr := policies.Update(ctx, created.ID, runloop.NetworkPolicyUpdateParams{Description: &name}, mark)
	found, findErr := policies.GetByName(ctx, name, mark)
	if findErr == nil && (found.ID != created.ID || found.Description != name) {
		findErr = fmt.Errorf("%s: found %+v", name, found)
	}
	_, deleteErr := policies.Delete(ctx, created.ID, mark)
	return errors.Join(getErr, updateErr, findErr, deleteErr)
}

// Every tenth of a thousand creates of one name loses its first response. Their descriptions
// differ, so one succeeds, and no other returns its policy.
func TestAThousandCreatesOfOneName(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		posts, lostBefore := 0, map[string]bool{}
		server, api := newStruckServer(t, func(r *http.Request) strike {
			call := r.Header.Get("X-Call")
			if r.Method != http.MethodPost || lostBefore[call] {
				return strike{}
			}
			if posts++; posts%10 != 1 {
				return strike{}
			}
			lostBefore[call] = true
			return strike{lost: (*wiretest.Conn).Close}
		})
		client := clienttest.NewWireClient(t, server)
		var winner atomic.Pointer[runloop.NetworkPolicy]

		errs := atOnce(goroutines, func(i int, mark runloop.Option) error {
			policy, err := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build", Description: fmt.Sprint("of ", i)}, mark)
			if err == nil && !winner.CompareAndSwap(nil, policy) {
				t.Errorf("a second winner: %+v", policy)
			}
			return err
		})

		for _, err := range errs {
			if err != nil {
				require.ErrorIs(t, err, runloop.ErrNameTaken)
			}
		}
		require.NotNil(t, winner.Load())
		assert.Equal(t, []runloop.NetworkPolicy{*winner.Load()}, api.Policies())
	})(t)
}

// If 30 % of all attempts fail, all four attempts of 0.8 % of the calls fail. The budget must not
// fail more of them.
func TestTheBudgetAtThirtyPercentFaults(t *testing.T) {
	for name, tt := range map[string]struct{ n, burst int }{
		"one after the other":     {2_000, 1},
		"in bursts of a thousand": {10_000, 1_000},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			random := rand.New(rand.NewPCG(30, 0))
			server, api := newStruckServer(t, func(*http.Request) strike {
				if random.Float64() < 0.3 {
					return strike{busy, true}
				}
				return strike{}
			})
			api.AddPolicy(runloop.NetworkPolicy{ID: "npol_1", Name: "build"})
			client := clienttest.NewWireClient(t, server)
			succeeded := 0

			for range tt.n / tt.burst {
				for _, err := range atOnce(tt.burst, func(int, runloop.Option) error { return clienttest.GetPolicy(t.Context(), client) }) {
					if err == nil {
						succeeded++
					}
				}
			}

			assert.GreaterOrEqual(t, succeeded, tt.n*985/1000)
		}))
	}
}
