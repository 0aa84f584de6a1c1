package engine_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
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

// The lookup gets the attempts that are left, and at least one.
func TestALookupHasTheAttemptsThatAreLeft(t *testing.T) {
	for name, tt := range map[string]struct {
		script  []wiretest.Step
		retries int
	}{
		"after the first attempt": {[]wiretest.Step{wiretest.Reply(200, `{}`), busy(503).Times(4)}, 3},
		"after the second":        {[]wiretest.Step{wiretest.HangUp(), wiretest.Reply(200, `{}`), busy(503).Times(3)}, 3},
		"after the last":          {[]wiretest.Step{wiretest.HangUp().Times(4), busy(503)}, 3},
		"of a single attempt":     {[]wiretest.Step{wiretest.HangUp(), busy(503)}, 0},
	} {
		for _, call := range []clienttest.PolicyCall{clienttest.UpdateCall, clienttest.DeleteCall, clienttest.CreateCall} {
			t.Run(name+"/"+call.Name, clienttest.InBubble(func(t *testing.T) {
				_, client := newServer(t, tt.script...)

				_, err := call.Do(t.Context(), client, runloop.WithMaxRetries(tt.retries))

				assert.True(t, clienttest.MaybeApplied(err))
			}))
		}
	}
}
