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

// calls are the SDK's calls of the operations. Those of a policy get its id; what
// a call writes has the name.
var calls = map[string]func(ctx context.Context, s *runloop.NetworkPoliciesService, id, name string) error{
	"createNetworkPolicy": func(ctx context.Context, s *runloop.NetworkPoliciesService, _, name string) error {
		_, err := s.Create(ctx, runloop.NetworkPolicyCreateParams{Name: name})
		return err
	},
	"listNetworkPolicies": func(ctx context.Context, s *runloop.NetworkPoliciesService, _, _ string) error {
		_, err := s.List(ctx, runloop.NetworkPolicyListParams{})
		return err
	},
	"getNetworkPolicy": func(ctx context.Context, s *runloop.NetworkPoliciesService, id, _ string) error {
		_, err := s.Get(ctx, id)
		return err
	},
	"updateNetworkPolicy": func(ctx context.Context, s *runloop.NetworkPoliciesService, id, name string) error {
		_, err := s.Update(ctx, id, runloop.NetworkPolicyUpdateParams{Name: &name})
		return err
	},
	"deleteNetworkPolicy": func(ctx context.Context, s *runloop.NetworkPoliciesService, id, _ string) error {
		_, err := s.Delete(ctx, id)
		return err
	},
}

// testOperations ties each operation to one call, and each call to one operation.
func testOperations(t *testing.T, e *edition) {
	operations := slices.Sorted(maps.Keys(e.document.Operations()))
	require.Equal(t, operations, slices.Sorted(maps.Keys(calls)), "each operation has its call")
	for _, operation := range operations {
		a := e.account(t)
		policy := a.has("stored")
		require.NoError(t, calls[operation](t.Context(), a.NetworkPolicies, policy.ID, "new"))
		requests := a.fake.Requests()
		require.Len(t, requests, 1, operation)
		assert.Equal(t, runlooptest.Operation(operation), requests[0].Operation)
	}
}
