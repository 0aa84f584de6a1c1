package faults

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// A write is a call that changes an account, and how to see that it did.
type write struct {
	name string
	// before is the account that the write is made for.
	before []runloop.NetworkPolicy
	do     func(context.Context, *runloop.Client) (*runloop.NetworkPolicy, error)
	// done reports whether the account is as the write leaves it.
	done func([]runloop.NetworkPolicy) bool
	// twice is what the API says to the second of two.
	twice error
}

var build = runloop.NetworkPolicy{ID: "npol_1", Name: "build"}

var writes = []write{
	{
		name: "create",
		do: func(ctx context.Context, client *runloop.Client) (*runloop.NetworkPolicy, error) {
			return client.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: "build", Description: "new"})
		},
		done:  func(policies []runloop.NetworkPolicy) bool { return len(policies) == 1 },
		twice: runloop.ErrNameTaken,
	},
	{
		name:   "update",
		before: []runloop.NetworkPolicy{build},
		do: func(ctx context.Context, client *runloop.Client) (*runloop.NetworkPolicy, error) {
			return client.NetworkPolicies.Update(ctx, build.ID, runloop.NetworkPolicyUpdateParams{Description: new("new")})
		},
		done: func(policies []runloop.NetworkPolicy) bool { return policies[0].Description == "new" },
	},
	{
		name:   "delete",
		before: []runloop.NetworkPolicy{build},
		do: func(ctx context.Context, client *runloop.Client) (*runloop.NetworkPolicy, error) {
			return client.NetworkPolicies.Delete(ctx, build.ID)
		},
		done:  func(policies []runloop.NetworkPolicy) bool { return len(policies) == 0 },
		twice: runloop.ErrNotFound,
	},
}

// A matrixCase is a write whose answer is lost so many times in a row, each time
// before the API carried it out, or each time after.
type matrixCase struct {
	write     write
	lost      lostAnswer
	committed bool
	times     int
}

// isALie reports whether the API carries the write out and then says 429, that it
// has not. That is accepted, because no client can tell: the next attempt finds the
// name taken, or the policy gone, and the error is that of a write without effect.
func (c matrixCase) isALie() bool { return c.committed && c.lost.name == rateLimited }

// attempts is how often the write is sent. Four is the limit. A success that cannot
// be read makes a create look before it goes on.
func (c matrixCase) attempts() int {
	if c.write.name == "create" && c.lost.name == cutBody.name && c.committed {
		return 1
	}
	return min(c.times+1, 4)
}

// succeeds reports whether the call ends well: within four attempts, or by a look at
// what became of a create.
func (c matrixCase) succeeds() bool {
	if c.isALie() && c.write.twice != nil {
		return false
	}
	return c.times < 4 || c.write.name == "create" && c.committed
}

// errorSaysMaybe reports whether the client has reason to doubt that the write had no
// effect.
func (c matrixCase) errorSaysMaybe() bool { return c.lost.name != rateLimited }

// Ten faults, before and after the commit, once to four times in a row, in three
// writes: nothing is doubled, no success is reported that is none, and each error
// after a possible commit says so.
func TestMatrixOfLostAnswers(t *testing.T) {
	t.Parallel()
	var cases, successes atomic.Int32
	t.Run("matrix", func(t *testing.T) {
		for _, write := range writes {
			for _, lost := range lostAnswers {
				for _, committed := range []bool{false, true} {
					for times := 1; times <= 4; times++ {
						c := matrixCase{write, lost, committed, times}
						when := map[bool]string{false: "before", true: "after"}[committed]
						t.Run(fmt.Sprintf("%s/%s/%s commit/%d", write.name, lost.name, when, times), clienttest.InBubble(func(t *testing.T) {
							cases.Add(1)
							if c.check(t) {
								successes.Add(1)
							}
						}))
					}
				}
			}
		}
	})
	t.Logf("%d cases, %d successes", cases.Load(), successes.Load())
	assert.EqualValues(t, 240, cases.Load())
}

func (c matrixCase) check(t *testing.T) (success bool) {
	sent := 0
	server, api := faultyServer(t, func(r *http.Request) strike {
		if r.Method == http.MethodPost {
			sent++
		}
		if r.Method != http.MethodPost || sent > c.times {
			return strike{}
		}
		return strike{lost: &c.lost, unserved: !c.committed}
	})
	for _, policy := range c.write.before {
		api.AddPolicy(policy)
	}

	policy, err := c.write.do(t.Context(), clienttest.NewWireClient(t, server))

	synctest.Wait()
	done := c.write.done(api.Policies())
	assert.LessOrEqual(t, len(api.Policies()), 1, "duplicates")
	assert.Equal(t, c.attempts(), sent, "attempts")
	if !c.succeeds() {
		require.Error(t, err)
		assert.Nil(t, policy)
		assert.Equal(t, c.errorSaysMaybe(), clienttest.MaybeApplied(err), "MaybeApplied of %v", err)
		assert.Equal(t, c.errorSaysMaybe(), strings.Contains(err.Error(), "it may have been applied"), err.Error())
		switch {
		case c.isALie() && c.times < 4:
			assert.ErrorIs(t, err, c.write.twice)
		case done && !c.isALie():
			assert.True(t, clienttest.MaybeApplied(err), "the write was done, which this does not say: %v", err)
		}
		return false
	}
	require.NoError(t, err)
	require.True(t, done, "a success that is none: %+v", api.Policies())
	if c.write.name != "delete" {
		assert.Equal(t, api.Policies()[0], *policy)
	} else {
		assert.Equal(t, build.ID, policy.ID)
	}
	return true
}
