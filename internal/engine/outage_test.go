package engine_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// What a call costs an API that fails at everything: no request is sent more than four
// times, and a write whose effect is unknown adds one lookup.
func TestRequestsInAnOutage(t *testing.T) {
	params := runloop.NetworkPolicyCreateParams{Name: "build", Egress: runloop.EgressRules{AllowedHostnames: []string{"github.com"}}}
	reads := []clienttest.PolicyCall{
		clienttest.GetCall,
		clienttest.ListCall,
		{Name: "get by name", Do: func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			return c.NetworkPolicies.GetByName(ctx, "build", opts...)
		}},
		{Name: "all", Do: func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			for _, err := range c.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{}, opts...) {
				return nil, err
			}
			return nil, nil
		}},
		{Name: "plan", Do: func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			return c.NetworkPolicies.Plan(ctx, params, opts...)
		}},
		{Name: "ensure", Do: func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			return c.NetworkPolicies.Ensure(ctx, params, opts...)
		}},
		{Name: "ensure with options", Do: func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			return c.NetworkPolicies.Ensure(ctx, params, append(opts, runloop.WithHeader("X-Team", "a"))...)
		}},
		{Name: "apply", Do: func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			return c.NetworkPolicies.Apply(ctx, params, opts...)
		}},
	}
	writes := []clienttest.PolicyCall{clienttest.CreateCall, clienttest.UpdateCall, clienttest.DeleteCall}
	for name, tt := range map[string]struct {
		fault   wiretest.Step
		reads   int // requests
		writes  int // the lookup not included
		lookups int
	}{
		"nobody listens":         {wiretest.Refuse(), 4, 4, 0},
		"the dial hangs":         {wiretest.DialStall(), 4, 4, 0},
		"nothing comes":          {wiretest.Stall(""), 4, 4, 1},
		"hung up":                {wiretest.HangUp(), 4, 4, 1},
		"503":                    {wiretest.Reply(503, clienttest.BusyJSON), 4, 4, 1},
		"500, a page":            {wiretest.Reply(500, "<html>", "Content-Type: text/html"), 4, 4, 1},
		"429":                    {wiretest.Reply(429, clienttest.BusyJSON), 4, 4, 0},
		"a cut 404":              {wiretest.Cut(wiretest.Response(404, `{"mess`, "Content-Length: 99")), 4, 4, 0},
		"a success that is cut":  {wiretest.Cut(wiretest.Response(200, `{"id":`, "Content-Length: 99")), 4, 4, 1},
		"a success that hangs":   {wiretest.Stall(wiretest.Response(200, `{"id":`, "Content-Length: 99")), 4, 4, 1},
		"a page that is called":  {wiretest.Reply(200, "<html>", "Content-Type: text/html"), 1, 1, 1},
		"a success with nothing": {wiretest.Reply(204, ""), 1, 1, 1},
	} {
		for _, call := range append(reads, writes...) {
			t.Run(name+"/"+call.Name, clienttest.InBubble(func(t *testing.T) {
				server := wiretest.NewServer(t, tt.fault.Forever())
				client := clienttest.NewWireClient(t, server)

				_, err := call.Do(t.Context(), client)

				require.Error(t, err)
				if len(server.Requests()) == 0 {
					assert.Equal(t, 4, server.Dials())
					assert.False(t, clienttest.MaybeApplied(err))
					return
				}
				requests := server.Requests()
				if !isWrite(call, writes) {
					assert.Len(t, requests, tt.reads)
					assert.False(t, clienttest.MaybeApplied(err))
					return
				}
				assert.Equal(t, tt.lookups > 0, clienttest.MaybeApplied(err))
				// A create whose success was cut is looked up instead of repeated: then it
				// is the lookup that has the attempts which are left.
				assert.Len(t, requests, tt.writes+tt.lookups)
				sent := map[string]int{}
				for _, r := range requests {
					sent[r.Method+" "+r.Target]++
				}
				for target, n := range sent {
					assert.LessOrEqual(t, n, 4, target)
				}
				for i, r := range requests {
					assert.Equal(t, i >= sent[http.MethodPost+" "+call.Path], r.Method == http.MethodGet, "the lookups come last")
				}
				if tt.lookups > 0 {
					target := requests[len(requests)-1].Target
					switch call.Name {
					case "create":
						assert.Contains(t, target, "name=build")
					case "update":
						assert.Equal(t, clienttest.PolicyPath, target)
					case "delete":
						assert.Contains(t, target, "id=npol_1")
					}
				}
				if strings.Contains(name, "hang") || name == "nothing comes" {
					assert.GreaterOrEqual(t, server.Now(), 5*30*time.Second)
				}
				assert.LessOrEqual(t, server.Now(), 5*30*time.Second+4*time.Second)
			}))
		}
	}
}

func isWrite(call clienttest.PolicyCall, writes []clienttest.PolicyCall) bool {
	for _, w := range writes {
		if w.Name == call.Name {
			return true
		}
	}
	return false
}

// The lookup gets the attempts that are left, and one if none is.
func TestALookupHasTheAttemptsThatAreLeft(t *testing.T) {
	lookupFails := wiretest.Reply(503, clienttest.BusyJSON)
	for name, tt := range map[string]struct {
		script  []wiretest.Step
		retries int
	}{
		"after the first attempt": {[]wiretest.Step{wiretest.Reply(200, `{}`), lookupFails.Times(4)}, 3},
		"after the second":        {[]wiretest.Step{wiretest.HangUp(), wiretest.Reply(200, `{}`), lookupFails.Times(3)}, 3},
		"after the last":          {[]wiretest.Step{wiretest.HangUp().Times(4), lookupFails}, 3},
		"of a single attempt":     {[]wiretest.Step{wiretest.HangUp(), lookupFails}, 0},
	} {
		for _, call := range []clienttest.PolicyCall{clienttest.UpdateCall, clienttest.DeleteCall, clienttest.CreateCall} {
			t.Run(name+"/"+call.Name, clienttest.InBubble(func(t *testing.T) {
				server := wiretest.NewServer(t, tt.script...)
				client := clienttest.NewWireClient(t, server, runloop.WithMaxRetries(tt.retries))

				_, err := call.Do(t.Context(), client)

				assert.True(t, clienttest.MaybeApplied(err))
			}))
		}
	}
}
