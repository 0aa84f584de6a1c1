package contract_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// A target is what a call is about: the ID of a policy or devbox, the name of a policy to
// write, the cursor of a list, the blueprint of a devbox.
type target struct{ policy, devbox, name, cursor, blueprint string }

// calls are the SDK's calls of the operations.
var calls = map[runlooptest.Operation]func(context.Context, *runloop.Client, target) error{
	runlooptest.CreateNetworkPolicy: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: t.name}))
	},
	runlooptest.ListNetworkPolicies: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.NetworkPolicies.List(ctx, runloop.NetworkPolicyListParams{StartingAfter: t.cursor}))
	},
	runlooptest.GetNetworkPolicy: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.NetworkPolicies.Get(ctx, t.policy))
	},
	runlooptest.UpdateNetworkPolicy: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.NetworkPolicies.Update(ctx, t.policy, runloop.NetworkPolicyUpdateParams{Name: &t.name}))
	},
	runlooptest.DeleteNetworkPolicy: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.NetworkPolicies.Delete(ctx, t.policy))
	},
	runlooptest.CreateDevbox: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.Devboxes.Create(ctx, runloop.DevboxCreateParams{Unrestricted: true, BlueprintID: t.blueprint}))
	},
	runlooptest.ListDevboxes: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.Devboxes.List(ctx, runloop.DevboxListParams{StartingAfter: t.cursor}))
	},
	runlooptest.GetDevbox: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.Devboxes.Get(ctx, t.devbox))
	},
	runlooptest.WaitForDevboxStatus: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.Devboxes.AwaitRunning(ctx, t.devbox))
	},
	runlooptest.ShutdownDevbox: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.Devboxes.Shutdown(ctx, t.devbox))
	},
}

func second[T any](_ T, err error) error { return err }

func TestEachOperationHasItsCall(t *testing.T) {
	t.Parallel()
	var operations []string
	for operation := range calls {
		operations = append(operations, string(operation))
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(live(t).Operations())), operations)
}

// testOperations ties each operation to one call, and each call to one operation.
func testOperations(t *testing.T, e *edition) {
	for operation := range e.document.Operations() {
		a := e.account(t)
		policy, devbox := a.has("stored"), a.fake.AddDevbox(runlooptest.Devbox{})
		operation := runlooptest.Operation(operation)
		require.NoError(t, calls[operation](t.Context(), a.Client, target{policy: policy.ID, devbox: devbox.ID, name: "new"}))
		requests := a.fake.Requests()
		require.Len(t, requests, 1, operation)
		assert.Equal(t, operation, requests[0].Operation)
	}
}
