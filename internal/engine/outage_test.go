package engine_test

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// What a call costs an API that fails every request: no request is sent more than four
// times, and a write whose effect is unknown adds one lookup.
func TestRequestsInAnOutage(t *testing.T) {
	params := runloop.NetworkPolicyCreateParams{Name: "build", Egress: runloop.EgressRules{AllowedHostnames: []string{"github.com"}}}
	type policies = runloop.NetworkPoliciesService
	lookups := map[string]string{"create": "name=build", "update": clienttest.PolicyPath, "delete": "id=npol_1"}
	calls := slices.Clone(clienttest.PolicyCalls)
	for name, do := range map[string]func(context.Context, *policies) error{
		"get by name": func(ctx context.Context, p *policies) error { _, err := p.GetByName(ctx, "build"); return err },
		"plan":        func(ctx context.Context, p *policies) error { _, err := p.Plan(ctx, params); return err },
		"ensure":      func(ctx context.Context, p *policies) error { _, err := p.Ensure(ctx, params); return err },
		"apply":       func(ctx context.Context, p *policies) error { _, err := p.Apply(ctx, params); return err },
		"ensure with options": func(ctx context.Context, p *policies) error {
			_, err := p.Ensure(ctx, params, runloop.WithHeader("X-Team", "a"))
			return err
		},
		"all": func(ctx context.Context, p *policies) (err error) {
			for _, err = range p.All(ctx, runloop.NetworkPolicyListParams{}) {
			}
			return err
		},
	} {
		calls = append(calls, clienttest.PolicyCall{Name: name, Do: func(ctx context.Context, c *runloop.Client, _ ...runloop.Option) (any, error) {
			return nil, do(ctx, c.NetworkPolicies)
		}})
	}
	for name, tt := range map[string]struct {
		fault    wiretest.Step
		requests int // without the lookup
		lookups  int // of a write
	}{
		"nobody listens":       {wiretest.Refuse(), 0, 0},
		"the dial hangs":       {wiretest.DialStall(), 0, 0},
		"no response hangs":    {wiretest.Stall(""), 4, 1},
		"hung up":              {wiretest.HangUp(), 4, 1},
		"503":                  {busy(503), 4, 1},
		"500, a page":          {wiretest.Reply(500, "<html>", "Content-Type: text/html"), 4, 1},
		"429":                  {busy(429), 4, 0},
		"a cut 404":            {wiretest.Cut(wiretest.Response(404, `{"mess`, "Content-Length: 99")), 4, 0},
		"a cut success":        {wiretest.Cut(wiretest.Response(200, `{"id":`, "Content-Length: 99")), 4, 1},
		"a success that hangs": {wiretest.Stall(wiretest.Response(200, `{"id":`, "Content-Length: 99")), 4, 1},
		"a page":               {wiretest.Reply(200, "<html>", "Content-Type: text/html"), 1, 1},
		"an empty success":     {wiretest.Reply(204, ""), 1, 1},
	} {
		for _, call := range calls {
			t.Run(name+"/"+call.Name, clienttest.InBubble(func(t *testing.T) {
				server, client := newServer(t, tt.fault.Forever())

				_, err := call.Do(t.Context(), client)

				require.Error(t, err)
				if tt.requests == 0 {
					assert.Equal(t, 4, server.Dials())
				}
				requests := server.Requests()
				lookup, isWrite := lookups[call.Name]
				if !isWrite || tt.lookups == 0 {
					assert.Len(t, requests, tt.requests)
					assert.False(t, clienttest.MaybeApplied(err))
					return
				}
				assert.True(t, clienttest.MaybeApplied(err))
				assert.Len(t, requests, tt.requests+1)
				sent := map[string]int{}
				for _, r := range requests {
					sent[r.Method+" "+r.Target]++
				}
				for target, n := range sent {
					assert.LessOrEqual(t, n, 4, target)
				}
				// The lookup of a create whose success was cut has the attempts that are left.
				for i, r := range requests {
					assert.Equal(t, i >= sent[http.MethodPost+" "+call.Path], r.Method == http.MethodGet, "the lookups come last")
				}
				assert.Contains(t, requests[len(requests)-1].Target, lookup)
				if strings.Contains(name, "hang") {
					assert.GreaterOrEqual(t, server.Now(), 5*30*time.Second)
				}
				assert.LessOrEqual(t, server.Now(), 5*30*time.Second+4*time.Second)
			}))
		}
	}
}

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
