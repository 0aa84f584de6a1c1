package runloop_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// These tests check that concurrent calls of Ensure on one client share their requests.

// A result is what a call of Ensure returned, and when.
type result struct {
	policy *runloop.NetworkPolicy
	err    error
	at     time.Duration
}

// ensureAll calls Ensure with each context, in this order, and waits for all calls.
func ensureAll(fake *fakeAPI, contexts ...context.Context) []result {
	results := make([]result, len(contexts))
	start := time.Now()
	var wg sync.WaitGroup
	for i, ctx := range contexts {
		wg.Go(func() {
			r := &results[i]
			r.policy, r.err = fake.client.NetworkPolicies.Ensure(ctx, buildParams)
			r.at = time.Since(start)
		})
		synctest.Wait() // until the call waits for the network or for another call
	}
	wg.Wait()
	return results
}

func nContexts(ctx context.Context, n int) []context.Context {
	return slices.Repeat([]context.Context{ctx}, n)
}

// onShared is onFake, and checks that the client keeps nothing of calls that have ended. A
// goroutine that remains fails the bubble.
func onShared(test func(*testing.T, *fakeAPI), opts ...runlooptest.Option) func(*testing.T) {
	return onFake(func(t *testing.T, fake *fakeAPI) {
		test(t, fake)
		shared := reflect.ValueOf(fake.client.NetworkPolicies).Elem().FieldByName("shared").Elem()
		assert.Zero(t, shared.FieldByName("lanes").Len())
	}, opts...)
}

// start calls Ensure and waits until the call waits. The returned function waits for its
// end and checks that it succeeds.
func (f *fakeAPI) start(t *testing.T, params runloop.NetworkPolicyCreateParams) (end func() *runloop.NetworkPolicy) {
	var wg sync.WaitGroup
	var policy *runloop.NetworkPolicy
	var err error
	wg.Go(func() { policy, err = f.client.NetworkPolicies.Ensure(t.Context(), params) })
	synctest.Wait()
	return func() *runloop.NetworkPolicy {
		wg.Wait()
		require.NoError(t, err)
		return policy
	}
}

const latency = 20 * time.Millisecond

func TestManyEnsuresOfOneClientShareTheirRequests(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]runlooptest.Operation{"missing": {list, create, list}, "there": {list, list}} {
		t.Run(name, onShared(func(t *testing.T, fake *fakeAPI) {
			if name == "there" {
				fake.AddPolicy(buildPolicy(time.Hour))
			}
			results := ensureAll(fake, nContexts(t.Context(), 200)...)
			for _, r := range results {
				require.NoError(t, r.err)
				require.Equal(t, fake.one(t), *r.policy)
				// Each caller may modify its own.
				r.policy.Name = "changed"
				r.policy.Egress.AllowedHostnames[0] = "evil.example"
			}
			assert.Equal(t, want, fake.operations())
		}, runlooptest.WithLatency(latency)))
	}
}

// The goroutines start together, without waiting for each other.
func TestTwoHundredGoroutinesEnsureOnePolicy(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string][]runlooptest.Fault{"healthy": nil, "lost": {lost()}, "503": {runlooptest.Status(503)}} {
		t.Run(name, onShared(func(t *testing.T, fake *fakeAPI) {
			fake.Inject(create, faults...)
			var wg sync.WaitGroup
			for range 200 {
				wg.Go(func() {
					policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)
					if assert.NoError(t, err) {
						assert.Equal(t, "build", policy.Name)
					}
				})
			}
			wg.Wait()
			fake.one(t)
			assert.LessOrEqual(t, len(fake.Requests()), 4+2*len(faults))
			assert.Len(t, fake.Requests(create), 1+len(faults))
		}, runlooptest.WithLatency(latency)))
	}
}

// Host names can come from a map, in any order.
func TestEnsuresOfEqualRulesShareWhateverTheirOrder(t *testing.T) {
	onShared(func(t *testing.T, fake *fakeAPI) {
		names := []string{"a.example", "B.example", "c.example.", "d.example", "*.e.example"}
		want := hosts(names...)
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				egress := hosts(slices.Concat(names[i%5:], names[:i%5])...)
				if i%2 == 0 {
					egress.AllowedHostnames[0] = strings.ToUpper(egress.AllowedHostnames[0])
				}
				policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build", Egress: egress})
				if assert.NoError(t, err) {
					assert.True(t, policy.Egress.Equal(want), "%v", policy.Egress.Rules())
				}
			})
		}
		wg.Wait()
		assert.LessOrEqual(t, len(fake.Requests()), 4)
	}, runlooptest.WithLatency(latency))(t)
}

// What a caller does to its parameters while its call waits changes nothing.
func TestTheParametersOfACallThatWaitsAreItsOwn(t *testing.T) {
	onShared(func(t *testing.T, fake *fakeAPI) {
		fake.Inject(list, runlooptest.Delay(time.Minute))
		fake.Inject(create, runlooptest.Status(400)) // so that the call that waits creates the policy
		params := buildParams
		params.Egress = hosts("github.com", "*.npmjs.org")
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = fake.client.NetworkPolicies.Ensure(t.Context(), buildParams) })
		synctest.Wait()
		end := fake.start(t, params)
		params.Egress.AllowedHostnames[0] = "evil.example"
		end()
		wg.Wait()
		assert.ElementsMatch(t, []string{"github.com", "*.npmjs.org"}, fake.one(t).Egress.AllowedHostnames)
	})(t)
}

func TestEnsuresOfDifferentThingsDoNotShare(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*runloop.NetworkPolicyCreateParams){
		"name":        func(p *runloop.NetworkPolicyCreateParams) { p.Name = "build-2" },
		"description": func(p *runloop.NetworkPolicyCreateParams) { p.Description = "" },
		"host names":  func(p *runloop.NetworkPolicyCreateParams) { p.Egress = hosts("github.com") },
		"a flag":      func(p *runloop.NetworkPolicyCreateParams) { p.Egress.AllowMCPGateway = true },
		"a range": func(p *runloop.NetworkPolicyCreateParams) {
			p.Egress.AllowedCIDRs = []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8"}}
		},
	} {
		t.Run(name, onShared(func(t *testing.T, fake *fakeAPI) {
			fake.Inject(list, runlooptest.Delay(time.Minute))
			var wg sync.WaitGroup
			wg.Go(func() { _, _ = fake.client.NetworkPolicies.Ensure(t.Context(), buildParams) })
			synctest.Wait()
			other := buildParams
			change(&other)
			start := time.Now()
			_, err := fake.client.NetworkPolicies.Ensure(t.Context(), other)
			require.NoError(t, err)
			assert.Zero(t, time.Since(start), "it does not wait for the first one")
			wg.Wait()
		}))
	}
}

// An option can change a request, so a call with options is made alone. Clients can have
// different keys.
func TestEnsuresWithOptionsOrOfTwoClientsDoNotShare(t *testing.T) {
	onShared(func(t *testing.T, fake *fakeAPI) {
		fake.AddPolicy(buildPolicy(time.Hour))
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				assert.NoError(t, errOf(fake.client.NetworkPolicies.Ensure(t.Context(), buildParams, runloop.WithHeader("X-Task", fmt.Sprint(i)))))
			})
		}
		other, err := fake.Client(runloop.WithAPIKey("another-key"))
		require.NoError(t, err)
		for _, client := range []*runloop.Client{fake.client, other} {
			wg.Go(func() { assert.NoError(t, errOf(client.NetworkPolicies.Ensure(t.Context(), buildParams))) })
		}
		wg.Wait()
		callers := make(map[string]bool)
		for _, request := range fake.Requests() {
			callers[request.Header.Get("X-Task")+request.Header.Get("Authorization")] = true
		}
		assert.Len(t, callers, 12)
	}, runlooptest.WithLatency(latency))(t)
}

// The context of a call ends only its own wait, and does so immediately.
func TestACallThatWaitsEndsWithItsContext(t *testing.T) {
	t.Parallel()
	cause := errors.New("the task was cancelled")
	for name, want := range map[string]error{"deadline": context.DeadlineExceeded, "cancel": context.Canceled} {
		for _, place := range []int{1, 2} { // behind the first call, or with others
			t.Run(fmt.Sprint(name, "/", place), onShared(func(t *testing.T, fake *fakeAPI) {
				fake.Inject(list, runlooptest.Delay(10*time.Second))
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if name == "deadline" {
					var stop context.CancelFunc
					ctx, stop = context.WithTimeout(ctx, time.Second)
					defer stop()
				} else {
					time.AfterFunc(time.Second, func() { cancel(cause) })
				}
				contexts := nContexts(t.Context(), 4)
				contexts[place] = ctx
				for i, r := range ensureAll(fake, contexts...) {
					if i != place {
						require.NoError(t, r.err)
						assert.Equal(t, fake.one(t), *r.policy)
						continue
					}
					assert.Nil(t, r.policy)
					require.ErrorIs(t, r.err, want)
					assert.Equal(t, name == "cancel", errors.Is(r.err, cause))
					require.NotErrorIs(t, r.err, runloop.ErrMaybeApplied)
					assert.Equal(t, time.Second, r.at)
					assert.ErrorContains(t, r.err, "runloop: ensure network policy: ")
				}
			}))
		}
	}
}

func TestACallThatWaitsForAWriteIsInDoubt(t *testing.T) {
	onShared(func(t *testing.T, fake *fakeAPI) {
		fake.AddPolicy(runloop.NetworkPolicy{Name: "build-2"})
		fake.Inject(list, runlooptest.Delay(time.Second), runlooptest.Fault{})
		fake.Inject(create, runlooptest.Status(403), runlooptest.Delay(10*time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()

		// The first call is refused, the second one creates, and the third one waits for it.
		results := ensureAll(fake, t.Context(), t.Context(), ctx)
		require.ErrorIs(t, results[0].err, runloop.ErrForbidden)
		require.NoError(t, results[1].err)
		require.ErrorIs(t, results[2].err, context.DeadlineExceeded)
		require.ErrorIs(t, results[2].err, runloop.ErrMaybeApplied)
		assert.Equal(t, 5*time.Second, results[2].at)
	})(t)
}

// If the call that sends the requests is cancelled, another one takes over.
func TestTheOtherCallsContinueAfterACancel(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		op    runlooptest.Operation
		fault runlooptest.Fault
	}{
		"in the lookup":            {list, runlooptest.Delay(time.Minute)},
		"in the create":            {create, runlooptest.Delay(time.Minute)},
		"in the create, committed": {create, runlooptest.Delay(time.Minute).AfterCommit()},
		"between two attempts":     {list, runlooptest.Status(503).WithHeader("Retry-After", "30")},
	} {
		for leaders := 1; leaders <= 3; leaders++ {
			t.Run(fmt.Sprint(name, "/", leaders), onShared(func(t *testing.T, fake *fakeAPI) {
				fake.Inject(test.op, test.fault)
				contexts := nContexts(t.Context(), 50)
				for i := range leaders {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*time.Second)
					defer cancel()
					contexts[i] = ctx
				}
				results := ensureAll(fake, contexts...)
				for i, r := range results {
					if i == 0 {
						require.ErrorIs(t, r.err, context.DeadlineExceeded)
						assert.LessOrEqual(t, r.at, time.Second)
						continue
					}
					require.NoError(t, r.err)
					require.Equal(t, fake.one(t), *r.policy)
				}
			}))
		}
	}
}

// The write of a cancelled call may have been applied. The errors of the calls that shared
// it report that.
func TestTheOtherCallsAreInDoubtAfterACancelledWrite(t *testing.T) {
	t.Parallel()
	type caller struct{}
	for method, inDoubt := range map[string]bool{http.MethodPost: true, http.MethodGet: false} { // in the create or in the lookup
		t.Run(method, onShared(func(t *testing.T, fake *fakeAPI) {
			contexts := make([]context.Context, 4)
			for i := range contexts {
				contexts[i] = context.WithValue(cancellable(t.Context()), caller{}, i)
			}
			// The first call flies alone and is refused. One of the others is cancelled during
			// its request, and the next lookup is refused.
			requests := make(map[string]int)
			cancelled := -1
			fake.through(t, func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
				requests[r.Method]++
				switch {
				case cancelled >= 0:
					return &http.Response{StatusCode: 403}, nil
				case requests[r.Method] == 2 && r.Method == method:
					cancelled = r.Context().Value(caller{}).(int)
					return cancels(r)
				case r.Method == http.MethodPost:
					return &http.Response{StatusCode: 403}, nil
				}
				time.Sleep(time.Second)
				return next.RoundTrip(r)
			})
			results := ensureAll(fake, contexts...)
			require.Positive(t, cancelled)
			for i, r := range results {
				if i == cancelled {
					require.ErrorIs(t, r.err, context.Canceled)
				} else {
					require.ErrorIs(t, r.err, runloop.ErrForbidden)
				}
				assert.Equal(t, i > 0 && inDoubt, errors.Is(r.err, runloop.ErrMaybeApplied), "call %d", i)
			}
		}))
	}
}

func TestAllCallsAreCancelled(t *testing.T) {
	onShared(func(t *testing.T, fake *fakeAPI) {
		fake.Inject(list, runlooptest.Delay(time.Minute))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, r := range ensureAll(fake, nContexts(ctx, 20)...) {
			require.ErrorIs(t, r.err, context.DeadlineExceeded)
			assert.Equal(t, time.Second, r.at)
		}
		assert.Len(t, fake.Requests(), 1)
	})(t)
}

func TestADriftIsShared(t *testing.T) {
	onShared(func(t *testing.T, fake *fakeAPI) {
		fake.AddPolicy(runloop.NetworkPolicy{Name: "build", Egress: runloop.EgressRules{AllowAll: true}})
		for _, r := range ensureAll(fake, nContexts(t.Context(), 20)...) {
			assert.Nil(t, r.policy)
			drift := asDriftError(t, r.err)
			require.Equal(t, fake.one(t), *drift.Policy)
			require.ElementsMatch(t, []string{"+ allow all", `- host *.npmjs.org`, `- host github.com`}, drift.Diff)
			// Each caller may modify its own.
			drift.Policy.Name, drift.Diff[0] = "changed", "changed"
		}
		assert.Equal(t, []runlooptest.Operation{list, list}, fake.operations())
	}, runlooptest.WithLatency(latency))(t)
}

// A call that begins after the policy was deleted does not get that policy, even if an
// earlier call is about to return it.
func TestEnsureNeverReturnsADeletedPolicy(t *testing.T) {
	onShared(func(t *testing.T, fake *fakeAPI) {
		old := fake.AddPolicy(buildPolicy(time.Hour))
		fake.Inject(list, runlooptest.Delay(10*time.Second).AfterCommit()) // the response contains the policy
		earlier := fake.start(t, buildParams)
		require.NoError(t, errOf(fake.client.NetworkPolicies.Delete(t.Context(), old.ID)))
		var later []func() *runloop.NetworkPolicy
		for range 3 {
			later = append(later, fake.start(t, buildParams))
		}
		assert.Equal(t, old.ID, earlier().ID)
		for _, end := range later {
			policy := end()
			assert.Equal(t, fake.one(t).ID, policy.ID)
		}
		assert.NotEqual(t, old.ID, fake.one(t).ID)
		assert.Len(t, fake.Requests(create), 1)
	})(t)
}

// A panic of the transport reaches the call that uses it. The other calls continue.
func TestAPanicDoesNotAffectTheOtherCalls(t *testing.T) {
	onShared(func(t *testing.T, fake *fakeAPI) {
		fake.Inject(list, runlooptest.Delay(time.Second))
		armed := true
		fake.through(t, func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if armed {
				armed = false
				resp.Body.Close()
				panic("armed")
			}
			return resp, err
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			assert.Panics(t, func() { _, _ = fake.client.NetworkPolicies.Ensure(t.Context(), buildParams) })
		})
		synctest.Wait()
		for _, r := range ensureAll(fake, nContexts(t.Context(), 3)...) {
			assert.NoError(t, r.err)
		}
		wg.Wait()
		assert.False(t, armed)
		fake.one(t)
	})(t)
}
