package faults

import (
	"context"
	"testing"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// policyJSON is the answer to a get, an update or a delete of npol_1, and to the
// create of a policy named build that denies all.
const policyJSON = `{"id": "npol_1", "name": "build", "egress": ` + denyAllJSON + `, "create_time_ms": 1767225600000, "update_time_ms": 1767225600000}`

// createCall is a create of the policy of policyJSON.
var createCall = func() clienttest.PolicyCall {
	call := clienttest.CreateCall
	call.Success = policyJSON
	call.Do = func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
		return c.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: "build"}, opts...)
	}
	return call
}()

// calls are those that policyJSON answers.
var calls = []clienttest.PolicyCall{clienttest.GetCall, createCall, clienttest.UpdateCall, clienttest.DeleteCall}

// script returns a server with a script, and a client of it. It is for a bubble.
func script(t testing.TB, steps ...wiretest.Step) (*wiretest.Server, *runloop.Client) {
	t.Helper()
	server := wiretest.NewServer(t, steps...)
	return server, clienttest.NewWireClient(t, server)
}

// raceDetector is set by a test binary that is built with -race.
var raceDetector bool
