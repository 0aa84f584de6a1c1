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
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// Concurrent calls of Ensure on one client share their requests.

// A result is what a call of Ensure returned, and when.
type result struct {
	policy *runloop.NetworkPolicy
	err    error
	at     time.Duration
}

// ensureAll makes a call for each context, in this order, and waits for all.
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
		synctest.Wait() // until the call waits for the network, or for another call
	}
	wg.Wait()
	return results
}

func nContexts(ctx context.Context, n int) []context.Context {
	contexts := make([]context.Context, n)
	for i := range contexts {
		contexts[i] = ctx
	}
	return contexts
}

// assertNothingIsLeft checks that no entry remains of calls that ended. A goroutine that
// remains fails the bubble.
func assertNothingIsLeft(t *testing.T, client *runloop.Client) {
	t.Helper()
	lanes := reflect.ValueOf(client.NetworkPolicies).Elem().FieldByName("shared").Elem().FieldByName("lanes")
	assert.Zero(t, lanes.Len())
}

const latency = 20 * time.Millisecond

func TestManyEnsuresOfOneClientShareTheirRequests(t *testing.T) {
	t.Parallel()
	for name, there := range map[string]bool{"the policy is missing": false, "the policy is there": true} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			if there {
				fake.AddPolicy(buildPolicy(time.Hour))
			}

			results := ensureAll(fake, nContexts(t.Context(), 200)...)

			want := fake.one(t)
			for _, r := range results {
				require.NoError(t, r.err)
				require.Equal(t, want, *r.policy)
				// Each caller may change its own.
				r.policy.Name = "changed"
				r.policy.Egress.AllowedHostnames[0] = "evil.example"
			}
			if there {
				assert.Equal(t, []runlooptest.Operation{list, list}, fake.operations())
			} else {
				assert.Equal(t, []runlooptest.Operation{list, create, list}, fake.operations())
			}
			assertNothingIsLeft(t, fake.client)
		}, runlooptest.WithLatency(latency)))
	}
}

// At once, without waiting for each other to begin.
func TestTwoHundredGoroutinesEnsureOnePolicy(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string][]runlooptest.Fault{
		"healthy": nil, "lost": {lost()}, "503": {runlooptest.Status(503)},
	} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
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
			assertNothingIsLeft(t, fake.client)
		}, runlooptest.WithLatency(latency)))
	}
}

// Rules that are written in another way are the same rules: hosts can come from a map.
func TestEnsuresOfEqualRulesShareWhateverTheirOrder(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
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
		assertNothingIsLeft(t, fake.client)
	}, runlooptest.WithLatency(latency))(t)
}

// What a caller does to its parameters while its call waits for another one changes
// nothing, neither for itself nor for those that share its work.
func TestTheParametersOfACallThatWaitsAreItsOwn(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.Inject(list, runlooptest.Delay(time.Minute))
		fake.Inject(create, runlooptest.Status(400)) // so that the call that waits creates the policy
		params := buildParams
		params.Egress = hosts("github.com", "*.npmjs.org")
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = fake.client.NetworkPolicies.Ensure(t.Context(), buildParams) })
		synctest.Wait()
		wg.Go(func() {
			_, err := fake.client.NetworkPolicies.Ensure(t.Context(), params)
			assert.NoError(t, err)
		})
		synctest.Wait()
		params.Egress.AllowedHostnames[0] = "evil.example"

		wg.Wait()
		assert.ElementsMatch(t, []string{"github.com", "*.npmjs.org"}, fake.one(t).Egress.AllowedHostnames)
	})(t)
}

func TestEnsuresOfDifferentThingsDoNotShare(t *testing.T) {
	t.Parallel()
	base := buildParams
	with := func(change func(*runloop.NetworkPolicyCreateParams)) runloop.NetworkPolicyCreateParams {
		params := base
		change(&params)
		return params
	}
	for name, other := range map[string]runloop.NetworkPolicyCreateParams{
		"name":        with(func(p *runloop.NetworkPolicyCreateParams) { p.Name = "build-2" }),
		"description": with(func(p *runloop.NetworkPolicyCreateParams) { p.Description = "" }),
		"host names":  with(func(p *runloop.NetworkPolicyCreateParams) { p.Egress = hosts("github.com") }),
		"a flag":      with(func(p *runloop.NetworkPolicyCreateParams) { p.Egress.AllowMCPGateway = true }),
		"a range": with(func(p *runloop.NetworkPolicyCreateParams) {
			p.Egress.AllowedCIDRs = []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8"}}
		}),
	} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			fake.Inject(list, runlooptest.Delay(time.Minute))
			var wg sync.WaitGroup
			wg.Go(func() { _, _ = fake.client.NetworkPolicies.Ensure(t.Context(), base) })
			synctest.Wait()
			start := time.Now()

			_, err := fake.client.NetworkPolicies.Ensure(t.Context(), other)

			require.NoError(t, err)
			assert.Zero(t, time.Since(start), "it does not wait for the first one")
			wg.Wait()
			assertNothingIsLeft(t, fake.client)
		}))
	}
}

// An option can change what a request is, so a call that has one is made alone.
func TestEnsuresWithOptionsDoNotShare(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.AddPolicy(buildPolicy(time.Hour))
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				_, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams, runloop.WithHeader("X-Task", fmt.Sprint(i)))
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		tasks := make(map[string]bool)
		for _, request := range fake.Requests() {
			tasks[request.Header.Get("X-Task")] = true
		}
		assert.Len(t, tasks, 10)
	}, runlooptest.WithLatency(latency))(t)
}

// Nor do clients, which can have different keys.
func TestEnsuresOfTwoClientsDoNotShare(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.AddPolicy(buildPolicy(time.Hour))
		other, err := fake.Client(runloop.WithAPIKey("another-key"))
		require.NoError(t, err)
		var wg sync.WaitGroup
		for _, client := range []*runloop.Client{fake.client, other} {
			wg.Go(func() {
				_, err := client.NetworkPolicies.Ensure(t.Context(), buildParams)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		require.Len(t, fake.Requests(), 2)
		assert.NotEqual(t, fake.Requests()[0].Header.Get("Authorization"), fake.Requests()[1].Header.Get("Authorization"))
	}, runlooptest.WithLatency(latency))(t)
}

// The context of a call ends its own wait, at once, and no other call's.
func TestACallThatWaitsEndsWithItsContext(t *testing.T) {
	cause := errors.New("the task was cancelled")
	for name, test := range map[string]struct {
		end  func(context.Context) (context.Context, context.CancelFunc)
		want []error
	}{
		"deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, []error{context.DeadlineExceeded}},
		"cancel": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(time.Second, func() { cancel(cause) })
			return ctx, func() { cancel(nil) }
		}, []error{context.Canceled, cause}},
	} {
		for _, place := range []int{1, 2} { // behind the first call, or with others
			t.Run(fmt.Sprint(name, "/", place), onFake(func(t *testing.T, fake *fakeAPI) {
				fake.Inject(list, runlooptest.Delay(10*time.Second))
				ctx, cancel := test.end(t.Context())
				defer cancel()
				contexts := nContexts(t.Context(), 4)
				contexts[place] = ctx

				results := ensureAll(fake, contexts...)

				for i, r := range results {
					if i != place {
						require.NoError(t, r.err)
						assert.Equal(t, fake.one(t), *r.policy)
						continue
					}
					assert.Nil(t, r.policy)
					for _, want := range test.want {
						require.ErrorIs(t, r.err, want)
					}
					require.NotErrorIs(t, r.err, runloop.ErrMaybeApplied)
					assert.Equal(t, time.Second, r.at)
					assert.ErrorContains(t, r.err, "runloop: ensure network policy: ")
				}
				assertNothingIsLeft(t, fake.client)
			}))
		}
	}
}

// A call whose requests are under way by another one reports that a write may have
// been applied.
func TestACallThatWaitsForAWriteReportsMaybe(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.AddPolicy(runloop.NetworkPolicy{Name: "build-2"})
		fake.Inject(list, runlooptest.Delay(time.Second), runlooptest.Fault{})
		fake.Inject(create, runlooptest.Status(403), runlooptest.Delay(10*time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()

		// The first call is refused. The second one creates, and the third waits for it.
		results := ensureAll(fake, t.Context(), t.Context(), ctx)

		require.ErrorIs(t, results[0].err, runloop.ErrForbidden)
		require.NoError(t, results[1].err)
		require.ErrorIs(t, results[2].err, context.DeadlineExceeded)
		require.ErrorIs(t, results[2].err, runloop.ErrMaybeApplied)
		assert.Equal(t, 5*time.Second, results[2].at)
	})(t)
}

// When the call that sends the requests is cancelled, another one takes over.
func TestTheOthersGoOnWithoutTheCallThatWasCancelled(t *testing.T) {
	t.Parallel()
	for name, inject := range map[string]func(*fakeAPI){
		"in the lookup":            func(fake *fakeAPI) { fake.Inject(list, runlooptest.Delay(time.Minute)) },
		"in the create":            func(fake *fakeAPI) { fake.Inject(create, runlooptest.Delay(time.Minute)) },
		"in the create, committed": func(fake *fakeAPI) { fake.Inject(create, runlooptest.Delay(time.Minute).AfterCommit()) },
		"between two attempts": func(fake *fakeAPI) {
			fake.Inject(list, runlooptest.Status(503).WithHeader("Retry-After", "30"))
		},
	} {
		for leaders := 1; leaders <= 3; leaders++ {
			t.Run(fmt.Sprint(name, "/", leaders), onFake(func(t *testing.T, fake *fakeAPI) {
				inject(fake)
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
				assertNothingIsLeft(t, fake.client)
			}))
		}
	}
}

// A write of the call that was cancelled may have been applied, which the errors of those
// that shared it report.
func TestTheOthersReportMaybeAfterAWriteThatWasCancelled(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		cancelAt string // the method of the request in which the call is cancelled
		maybe    bool
	}{
		"in the create": {http.MethodPost, true},
		"in the lookup": {http.MethodGet, false},
	} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			type caller struct{}
			contexts, cancels := nContexts(t.Context(), 4), make([]context.CancelFunc, 4)
			for i := range contexts {
				contexts[i], cancels[i] = context.WithCancel(context.WithValue(t.Context(), caller{}, i))
				defer cancels[i]()
			}
			// The first call flies alone and is refused. One of the others, whichever it is,
			// is cancelled in its request, and the next lookup is refused.
			requests := make(map[string]int)
			cancelled := -1
			next := fake.HTTPClient().Transport
			var err error
			fake.client, err = fake.Client(runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				requests[r.Method]++
				switch {
				case cancelled >= 0:
					return &http.Response{StatusCode: 403}, nil
				case requests[r.Method] == 2 && r.Method == test.cancelAt:
					cancelled = r.Context().Value(caller{}).(int)
					cancels[cancelled]()
					return nil, r.Context().Err()
				case r.Method == http.MethodPost:
					return &http.Response{StatusCode: 403}, nil
				}
				time.Sleep(time.Second)
				return next.RoundTrip(r)
			})}))
			require.NoError(t, err)

			results := ensureAll(fake, contexts...)

			require.Positive(t, cancelled)
			for i, r := range results {
				if i == cancelled {
					require.ErrorIs(t, r.err, context.Canceled)
				} else {
					require.ErrorIs(t, r.err, runloop.ErrForbidden)
				}
				assert.Equal(t, i > 0 && test.maybe, errors.Is(r.err, runloop.ErrMaybeApplied), "call %d", i)
			}
			assertNothingIsLeft(t, fake.client)
		}))
	}
}

func TestAllCallsAreCancelled(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.Inject(list, runlooptest.Delay(time.Minute))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()

		for _, r := range ensureAll(fake, nContexts(ctx, 20)...) {
			require.ErrorIs(t, r.err, context.DeadlineExceeded)
			assert.Equal(t, time.Second, r.at)
		}
		assert.Len(t, fake.Requests(), 1)
		assertNothingIsLeft(t, fake.client)
	})(t)
}

// An error that is not the context's is that of all who share it.
func TestAnErrorIsShared(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.AddPolicy(runloop.NetworkPolicy{Name: "build", Egress: runloop.EgressRules{AllowAll: true}})

		for _, r := range ensureAll(fake, nContexts(t.Context(), 20)...) {
			assert.Nil(t, r.policy)
			drift, ok := errors.AsType[*runloop.DriftError](r.err)
			require.True(t, ok)
			require.Equal(t, fake.one(t), *drift.Policy)
			require.Equal(t, []string{"+ allow all", "- host *.npmjs.org", "- host github.com"}, slices.Sorted(slices.Values(drift.Diff)))
			// Each caller may change its own.
			drift.Policy.Name, drift.Diff[0] = "changed", "changed"
		}
		assert.Equal(t, []runlooptest.Operation{list, list}, fake.operations())
		assertNothingIsLeft(t, fake.client)
	}, runlooptest.WithLatency(latency))(t)
}

// A call that begins after a policy was deleted never gets that policy, though an
// earlier call is still about to return it.
func TestEnsureNeverReturnsWhatWasDeletedBefore(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		old := fake.AddPolicy(buildPolicy(time.Hour))
		fake.Inject(list, runlooptest.Delay(10*time.Second).AfterCommit()) // it has seen the policy
		var wg sync.WaitGroup
		wg.Go(func() {
			policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)
			if assert.NoError(t, err) {
				assert.Equal(t, old.ID, policy.ID)
			}
		})
		synctest.Wait()
		_, err := fake.client.NetworkPolicies.Delete(t.Context(), old.ID)
		require.NoError(t, err)

		for range 3 {
			wg.Go(func() {
				policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)
				if assert.NoError(t, err) {
					assert.Equal(t, fake.one(t).ID, policy.ID)
					assert.NotEqual(t, old.ID, policy.ID)
				}
			})
		}
		wg.Wait()
		assert.Len(t, fake.Requests(create), 1)
		assertNothingIsLeft(t, fake.client)
	})(t)
}

// A transport that panics does so in the call that uses it. The others go on.
func TestAPanicLeavesTheOthersAlone(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.Inject(list, runlooptest.Delay(time.Second))
		armed := true
		next := fake.HTTPClient().Transport
		var err error
		fake.client, err = fake.Client(runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if armed {
				armed = false
				resp.Body.Close()
				panic("armed")
			}
			return resp, err
		})}))
		require.NoError(t, err)
		var wg sync.WaitGroup
		wg.Go(func() {
			assert.Panics(t, func() { _, _ = fake.client.NetworkPolicies.Ensure(t.Context(), buildParams) })
		})
		synctest.Wait()
		for range 3 {
			wg.Go(func() {
				_, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		fake.one(t)
		assertNothingIsLeft(t, fake.client)
	})(t)
}
