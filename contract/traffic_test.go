package contract_test

import (
	"fmt"
	"math/bits"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// The tests of this file make the SDK send all that it can send. The transport checks that the
// requests and the responses are valid.

// testCreates creates half of the policies with Create and half with Ensure, each field in both
// halves, and finds them again with Ensure.
func testCreates(t *testing.T, e *edition) {
	a := e.account(t)
	i := 0
	for params := range combinations(e, createFields) {
		i++
		params.Name = fmt.Sprintf("policy-%d", i)
		create := a.NetworkPolicies.Create
		if bits.OnesCount(uint(i))%2 == 0 {
			create = a.NetworkPolicies.Ensure
		}
		created, err := create(t.Context(), params)
		require.NoError(t, err, "%+v", params)
		assert.Equal(t, params.Name+params.Description, created.Name+created.Description)
		assert.Empty(t, params.Egress.Diff(created.Egress))
		found, err := a.NetworkPolicies.Ensure(t.Context(), params)
		require.NoError(t, err, "%+v", params)
		assert.Equal(t, created.ID, found.ID)
	}
	_, err := a.NetworkPolicies.Ensure(t.Context(), createParams{Name: "policy-1", Egress: runloop.EgressRules{AllowedHostnames: []string{"pypi.org"}}})
	require.ErrorIs(t, err, runloop.ErrDrift)
}

func testApply(t *testing.T, e *edition) {
	a := e.account(t)
	var id string
	for params := range combinations(e, createFields) {
		params.Name = "build"
		policy, err := a.NetworkPolicies.Apply(t.Context(), params)
		require.NoError(t, err, "%+v", params)
		assert.Empty(t, params.Egress.Diff(policy.Egress))
		if id == "" {
			id = policy.ID
		}
		assert.Equal(t, id, policy.ID)
	}
}

func testUpdate(t *testing.T, e *edition) {
	a := e.account(t)
	policy := a.has("before")
	for _, values := range updates {
		for params := range combinations(e, updateFields(values)) {
			_, err := a.NetworkPolicies.Update(t.Context(), policy.ID, params)
			require.NoError(t, err, "%+v", params)
		}
	}
}

func testLists(t *testing.T, e *edition) {
	a := e.account(t)
	first, policy := a.has("first"), a.has("second & \"last\" = 100%")
	for params := range combinations(e, listFields(policy)) {
		_, err := a.NetworkPolicies.List(t.Context(), params)
		require.NoError(t, err, "%+v", params)
	}
	for _, params := range []listParams{{}, {Limit: 1}, {Limit: 1, IncludeTotalCount: new(true)}, {Limit: 1, Name: "s"}} {
		seen := 0
		for _, err := range a.NetworkPolicies.All(t.Context(), params) {
			require.NoError(t, err, "%+v", params)
			seen++
		}
		assert.Equal(t, 2, seen, "%+v", params)
	}
	found, err := a.NetworkPolicies.GetByName(t.Context(), "first")
	require.NoError(t, err)
	assert.Equal(t, first.ID, found.ID)
	_, err = a.NetworkPolicies.GetByName(t.Context(), "firs")
	require.ErrorIs(t, err, runloop.ErrNotFound)
}

// testIDs has full and empty policies, and IDs that need escaping: each has to stay one segment
// of the path.
func testIDs(t *testing.T, e *edition) {
	a := e.account(t)
	policies := []runloop.NetworkPolicy{a.has("full"), a.fake.AddPolicy(runloop.NetworkPolicy{Name: "deny all"})}
	for _, id := range []string{"npol_1", "a/b", "a b", "100%", "%2F", "a?b#c", "Zürich", "a+b;c=d&e", "..."} {
		policies = append(policies, a.fake.AddPolicy(runloop.NetworkPolicy{ID: id, Name: id, Egress: runloop.EgressRules{AllowAll: true}}))
	}
	for _, stored := range policies {
		policy, err := a.NetworkPolicies.Get(t.Context(), stored.ID)
		require.NoError(t, err, stored.ID)
		assert.Equal(t, stored.Name, policy.Name)
		assert.Empty(t, stored.Egress.Diff(policy.Egress))
		_, err = a.NetworkPolicies.Update(t.Context(), stored.ID, updateParams{Description: new("updated")})
		require.NoError(t, err, stored.ID)
		policy, err = a.NetworkPolicies.Delete(t.Context(), stored.ID)
		require.NoError(t, err, stored.ID)
		assert.Equal(t, stored.Name+"updated", policy.Name+policy.Description)
	}
	assert.Empty(t, a.fake.Policies())
}

// testLostResponses makes the SDK look up whether writes were applied.
func testLostResponses(t *testing.T, e *edition) {
	synctest.Test(t, func(t *testing.T) { // whose time does not wait between attempts
		a := e.account(t)
		retries := runloop.WithMaxRetries(3)
		lost := runlooptest.Disconnect().AfterCommit()

		a.fake.Inject(runlooptest.CreateNetworkPolicy, lost, runlooptest.Status(500))
		created, err := a.NetworkPolicies.Create(t.Context(), createParams{Name: "build"}, retries)
		require.NoError(t, err)

		a.fake.Inject(runlooptest.UpdateNetworkPolicy, lost)
		_, err = a.NetworkPolicies.Update(t.Context(), created.ID, updateParams{AllowMCPGateway: new(true)}, retries)
		require.NoError(t, err)

		a.fake.Inject(runlooptest.DeleteNetworkPolicy, lost)
		_, err = a.NetworkPolicies.Delete(t.Context(), created.ID, retries)
		require.NoError(t, err)
	})
}
