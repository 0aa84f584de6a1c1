package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// Many calls at once, on one client. That there is no race is for the race detector
// to see.

const goroutines = 1000

// atOnce calls do for each number in a goroutine of its own, with an option that
// marks the requests as that goroutine's, and returns what do returned.
func atOnce[T any](n int, do func(i int, mark runloop.Option) T) []T {
	results := make([]T, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { results[i] = do(i, runloop.WithHeader("X-Call", fmt.Sprint(i))) })
	}
	group.Wait()
	return results
}

// tenPercent lets 6 % of the requests meet a 503 and 4 % a lost connection, half of
// them when they were carried out. No request meets more than three in a row: with
// faults that do, one call of ten thousand fails.
func tenPercent(seed uint64) func(*http.Request) strike {
	random := rand.New(rand.NewPCG(seed, 0))
	busy, abort := lostAnswer{"503", status(503)}, lostAnswers[0]
	return atMostInARow(3, func(*http.Request) strike {
		percent, unserved := random.IntN(100), random.IntN(2) == 0
		switch {
		case percent < 6:
			return strike{&busy, unserved}
		case percent < 10:
			return strike{&abort, unserved}
		}
		return strike{}
	})
}

func Test105ThousandGoroutinesUnderFaults(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server, api := faultyServer(t, tenPercent(105))
		client := clienttest.NewWireClient(t, server)

		errs := atOnce(goroutines, func(i int, mark runloop.Option) error {
			return lifeOfAPolicy(t.Context(), client, fmt.Sprintf("policy %d", i), mark)
		})

		assert.NoError(t, errors.Join(errs...))
		assert.Empty(t, api.Policies(), "all are deleted again")
		sends := len(server.Requests())
		t.Logf("%d calls, %d requests, %s", 5*goroutines, sends, server.Now())
		assert.Greater(t, sends, 5*goroutines*105/100, "there were faults")
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

// sameName creates policies of one name, and returns those that were a success. Every
// other call must be told that the name is taken.
func sameName(t *testing.T, client *runloop.Client, describe func(i int) string) (winners []*runloop.NetworkPolicy) {
	t.Helper()
	type result struct {
		policy *runloop.NetworkPolicy
		err    error
	}
	results := atOnce(goroutines, func(i int, mark runloop.Option) result {
		policy, err := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build", Description: describe(i)}, mark)
		return result{policy, err}
	})
	for _, r := range results {
		if r.err == nil {
			winners = append(winners, r.policy)
		} else {
			require.ErrorIs(t, r.err, runloop.ErrNameTaken)
		}
	}
	return winners
}

func Test106ThousandCreatesOfOneName(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server, api := faultyServer(t, func(*http.Request) strike { return strike{} })

		winners := sameName(t, clienttest.NewWireClient(t, server), func(int) string { return "" })

		require.Len(t, winners, 1)
		assert.Equal(t, []runloop.NetworkPolicy{*winners[0]}, api.Policies())
		assert.Len(t, server.Requests(), goroutines, "a taken name needs no look-up and no second attempt")
	})(t)
}

func Test107ThousandCreatesOfOneNameWithLostAnswers(t *testing.T) {
	// Every tenth create loses its first answer, carried out or refused.
	lost := func(count *int) func(*http.Request) strike {
		return atMostInARow(1, func(r *http.Request) strike {
			if r.Method == http.MethodPost {
				*count++
			}
			if r.Method != http.MethodPost || *count%10 != 1 {
				return strike{}
			}
			return strike{lost: &lostAnswers[0]}
		})
	}
	t.Run("each its own", clienttest.InBubble(func(t *testing.T) {
		server, api := faultyServer(t, lost(new(int)))

		winners := sameName(t, clienttest.NewWireClient(t, server), func(i int) string { return fmt.Sprint("of ", i) })

		require.Len(t, winners, 1, "nobody takes another's policy for its own")
		assert.Equal(t, []runloop.NetworkPolicy{*winners[0]}, api.Policies())
	}))
	t.Run("all the same", clienttest.InBubble(func(t *testing.T) {
		var count int
		server, api := faultyServer(t, lost(&count))

		winners := sameName(t, clienttest.NewWireClient(t, server), func(int) string { return "" })

		require.Len(t, api.Policies(), 1)
		assert.NotEmpty(t, winners)
		assert.LessOrEqual(t, len(winners), count/10+1, "only a call whose own answer was lost may be mistaken")
		for _, winner := range winners {
			assert.Equal(t, api.Policies()[0], *winner)
		}
	}))
}

func TestThousandEnsuresUnderFaults(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server, api := faultyServer(t, tenPercent(107))
		client := clienttest.NewWireClient(t, server)
		params := runloop.NetworkPolicyCreateParams{Name: "task", Egress: runloop.EgressRules{AllowedHostnames: []string{"github.com"}}}
		type result struct {
			policy *runloop.NetworkPolicy
			err    error
		}

		results := atOnce(goroutines, func(i int, mark runloop.Option) result {
			policy, err := client.NetworkPolicies.Ensure(t.Context(), params, mark)
			return result{policy, err}
		})

		require.Len(t, api.Policies(), 1)
		for _, r := range results {
			require.NoError(t, r.err)
			assert.Equal(t, api.Policies()[0], *r.policy)
		}
	})(t)
}

func Test112RequestIDs(t *testing.T) {
	ids := func(server *wiretest.Server) (ids []string) {
		for _, r := range server.Requests() {
			ids = append(ids, r.Header.Get("X-Request-Id"))
		}
		return ids
	}
	t.Run("the same on all attempts", clienttest.InBubble(func(t *testing.T) {
		server, client := script(t, wiretest.Reply(503, `{}`), wiretest.HangUp(), wiretest.Reply(429, `{}`), wiretest.Reply(200, policyJSON))

		_, err := createCall.Policy(t.Context(), client)

		require.NoError(t, err)
		sent := ids(server)
		assert.Regexp(t, clienttest.UUID4, sent[0])
		assert.Equal(t, []string{sent[0], sent[0], sent[0], sent[0]}, sent)
		for _, r := range server.Requests() { // that would make net/http repeat it
			assert.NotContains(t, r.Header, "Idempotency-Key")
			assert.NotContains(t, r.Header, "X-Idempotency-Key")
		}
	}))
	// net/http repeats a POST by itself when some layer adds this header, and the
	// connection that it used before is lost.
	t.Run("the same on what net/http repeats", clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(200, policyJSON), wiretest.HangUp(), wiretest.Reply(200, policyJSON))
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			r.Header.Set("Idempotency-Key", "by a proxy layer")
			return server.Transport.RoundTrip(r)
		}), runloop.WithMaxRetries(0))
		_, err := clienttest.GetCall.Policy(t.Context(), client)
		require.NoError(t, err)

		_, err = clienttest.UpdateCall.Policy(t.Context(), client)

		require.NoError(t, err)
		sent := ids(server)
		require.Len(t, sent, 3)
		assert.NotEmpty(t, sent[1])
		assert.Equal(t, sent[1], sent[2])
	}))
	t.Run("none on a read", clienttest.InBubble(func(t *testing.T) {
		server, client := script(t, wiretest.Reply(200, policyJSON))

		_, err := clienttest.GetCall.Policy(t.Context(), client)

		require.NoError(t, err)
		assert.NotContains(t, server.Requests()[0].Header, "X-Request-Id")
	}))
	t.Run("another for each call", func(t *testing.T) {
		t.Parallel()
		const n = 10_000
		unique := make(map[string]bool, n)
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			unique[r.Header.Get("X-Request-Id")] = true
			return &http.Response{StatusCode: 404}, nil
		}))

		for range n {
			_, err := clienttest.DeleteCall.Policy(t.Context(), client)
			require.ErrorIs(t, err, runloop.ErrNotFound)
		}

		assert.Len(t, unique, n)
	})
}
