package faults

import (
	"context"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// policyJSON is the response to a get, an update or a delete of npol_1, and to the
// create of a policy named build that denies all.
const policyJSON = `{"id": "npol_1", "name": "build", "egress": ` + denyAllJSON + `, "create_time_ms": 1767225600000, "update_time_ms": 1767225600000}`

const denyAllJSON = `{"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [], "allow_agent_gateway": false, "allow_mcp_gateway": false}`

// createCall is a create of the policy of policyJSON.
var createCall = func() clienttest.PolicyCall {
	call := clienttest.CreateCall
	call.Success = policyJSON
	call.Do = func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
		return c.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: "build"}, opts...)
	}
	return call
}()

// raceDetector is set by a test binary that is built with -race.
var raceDetector bool
