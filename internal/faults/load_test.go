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

// Many calls at the same time, on one client. That there is no race is for the race
// detector to see.

const goroutines = 1000

// atOnce calls do for each number in a goroutine of its own, with an option that marks
// the requests as that goroutine's, and returns what do returned.
func atOnce[T any](n int, do func(i int, mark runloop.Option) T) []T {
	results := make([]T, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { results[i] = do(i, runloop.WithHeader("X-Call", fmt.Sprint(i))) })
	}
	group.Wait()
	return results
}

// A strike is what happens to one request: it is carried out, unless unserved, and its
// response is lost, if lost is set.
type strike struct {
	lost     func(*wiretest.Conn)
	unserved bool
}

func busy(c *wiretest.Conn) { c.Write(wiretest.Response(503, clienttest.BusyJSON)) }

// newStruckServer returns a server that has every request carried out by the account or
// meet the strike of draw, which is asked about one request at a time.
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
	server.Transport.MaxConnsPerHost = 100
	server.Transport.MaxIdleConnsPerHost = 100
	return server, api
}

// tenPercent lets 6 % of the requests meet a 503 and 4 % a lost connection, half of them
// when they were carried out. No call meets more than three, with its lookup: a call that
// does may fail. Two requests in a row without a fault belong to two calls.
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
		client := clienttest.NewWireClient(t, server)

		errs := atOnce(goroutines, func(i int, mark runloop.Option) error {
			return lifeOfAPolicy(t.Context(), client, fmt.Sprintf("policy %d", i), mark)
		})

		assert.NoError(t, errors.Join(errs...))
		assert.Empty(t, api.Policies(), "all are deleted again")
		assert.Greater(t, len(server.Requests()), 5*goroutines*105/100, "there were faults")
	})(t)
}

// lifeOfAPolicy creates, reads, updates, finds and deletes a policy.
func lifeOfAPolicy(ctx context.Context, client *runloop.Client, name string, mark runloop.Option) error {
	policies := client.NetworkPolicies
	created, err := policies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: name}, mark)
	if err != nil {
		return err
	}
	if _, err := policies.Get(ctx, created.ID, mark); err != nil {
		return err
	}
	if _, err := policies.Update(ctx, created.ID, runloop.NetworkPolicyUpdateParams{Description: &name}, mark); err != nil {
		return err
	}
	found, err := policies.GetByName(ctx, name, mark)
	if err != nil {
		return err
	}
	if found.ID != created.ID || found.Description != name {
		return fmt.Errorf("%s: found %+v", name, found)
	}
	_, err = policies.Delete(ctx, created.ID, mark)
	return err
}

// Every tenth of a thousand creates of one name loses its first response. Of those that
// differ, one succeeds; nobody takes another's policy for its own.
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

// Of calls of which each attempt fails at 30 %, 0.8 % fail four times. The budget must not
// add to them.
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
