package contract_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// The tests of this file make the SDK send all that it can send. That it is valid,
// and the answers are, is checked on the way.

func testCreate(t *testing.T, e *edition) {
	a := e.account(t)
	i := 0
	for params := range combinations(e.createSettings()) {
		i++
		params.Name = fmt.Sprintf("policy-%d", i)
		policy, err := a.NetworkPolicies.Create(t.Context(), params)
		require.NoError(t, err, "%+v", params)
		assert.Equal(t, params.Name, policy.Name)
		assert.Equal(t, params.Description, policy.Description)
		assert.Empty(t, params.Egress.Diff(policy.Egress))
	}
}

func testGet(t *testing.T, e *edition) {
	a := e.account(t)
	for _, stored := range []runloop.NetworkPolicy{
		a.has("full"),
		a.fake.AddPolicy(runloop.NetworkPolicy{Name: "deny all"}),
		a.fake.AddPolicy(runloop.NetworkPolicy{Name: "allow all", Egress: runloop.EgressRules{AllowAll: true}}),
	} {
		policy, err := a.NetworkPolicies.Get(t.Context(), stored.ID)
		require.NoError(t, err)
		assert.Equal(t, stored.Name, policy.Name)
		assert.Empty(t, stored.Egress.Diff(policy.Egress))
	}
}

func testList(t *testing.T, e *edition) {
	a := e.account(t)
	a.has("first")
	policy := a.has("second & \"last\" = 100%")
	for params := range combinations(e.listSettings(policy)) {
		_, err := a.NetworkPolicies.List(t.Context(), params)
		require.NoError(t, err, "%+v", params)
	}
}

func testAll(t *testing.T, e *edition) {
	a := e.account(t)
	const count = 5
	for i := range count {
		a.has(fmt.Sprintf("policy-%d", i))
	}
	for _, params := range []runloop.NetworkPolicyListParams{
		{},
		{Limit: 2},
		{Limit: 1, IncludeTotalCount: new(true)},
		{Limit: 2, Name: "policy"},
	} {
		seen := 0
		for _, err := range a.NetworkPolicies.All(t.Context(), params) {
			require.NoError(t, err, "%+v", params)
			seen++
		}
		assert.Equal(t, count, seen, "%+v", params)
	}
}

func testUpdate(t *testing.T, e *edition) {
	a := e.account(t)
	policy := a.has("before")
	for _, values := range variants {
		for params := range combinations(e.updateSettings(values)) {
			_, err := a.NetworkPolicies.Update(t.Context(), policy.ID, params)
			require.NoError(t, err, "%+v", params)
		}
	}
}

func testDelete(t *testing.T, e *edition) {
	a := e.account(t)
	for _, stored := range []runloop.NetworkPolicy{a.has("full"), a.fake.AddPolicy(runloop.NetworkPolicy{Name: "deny all"})} {
		policy, err := a.NetworkPolicies.Delete(t.Context(), stored.ID)
		require.NoError(t, err)
		assert.Equal(t, stored.Name, policy.Name)
	}
	assert.Empty(t, a.fake.Policies())
}

func testGetByName(t *testing.T, e *edition) {
	a := e.account(t)
	stored := a.has("build")
	a.has("build too")
	policy, err := a.NetworkPolicies.GetByName(t.Context(), "build")
	require.NoError(t, err)
	assert.Equal(t, stored.ID, policy.ID)
	_, err = a.NetworkPolicies.GetByName(t.Context(), "buil")
	require.ErrorIs(t, err, runloop.ErrNotFound)
}

func testEnsure(t *testing.T, e *edition) {
	a := e.account(t)
	i := 0
	for params := range combinations(e.createSettings()) {
		i++
		params.Name = fmt.Sprintf("policy-%d", i)
		created, err := a.NetworkPolicies.Ensure(t.Context(), params)
		require.NoError(t, err, "%+v", params)
		found, err := a.NetworkPolicies.Ensure(t.Context(), params)
		require.NoError(t, err, "%+v", params)
		assert.Equal(t, created.ID, found.ID)
	}
	_, err := a.NetworkPolicies.Ensure(t.Context(), runloop.NetworkPolicyCreateParams{
		Name:   "policy-1",
		Egress: runloop.EgressRules{AllowedHostnames: []string{"pypi.org"}},
	})
	require.ErrorIs(t, err, runloop.ErrDrift)
}

func testApply(t *testing.T, e *edition) {
	a := e.account(t)
	var id string
	for params := range combinations(e.createSettings()) {
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

// testIDs has ids that need escaping: each has to stay one segment of the path.
func testIDs(t *testing.T, e *edition) {
	a := e.account(t)
	for _, id := range []string{"npol_1", "a/b", "a b", "100%", "%2F", "a?b#c", "Zürich", "a+b;c=d&e", "..."} {
		a.fake.AddPolicy(runloop.NetworkPolicy{ID: id, Name: id})
		_, err := a.NetworkPolicies.Get(t.Context(), id)
		require.NoError(t, err, id)
		_, err = a.NetworkPolicies.Update(t.Context(), id, runloop.NetworkPolicyUpdateParams{Description: &id})
		require.NoError(t, err, id)
		_, err = a.NetworkPolicies.Delete(t.Context(), id)
		require.NoError(t, err, id)
	}
}

// testLostAnswers makes the SDK find out what became of a write.
func testLostAnswers(t *testing.T, e *edition) {
	synctest.Test(t, func(t *testing.T) { // whose time does not wait between attempts
		a := e.account(t)
		retries := runloop.WithMaxRetries(3)
		lost := runlooptest.Disconnect().AfterCommit()

		a.fake.Inject(runlooptest.CreateNetworkPolicy, lost, runlooptest.Status(500))
		created, err := a.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build"}, retries)
		require.NoError(t, err)

		a.fake.Inject(runlooptest.UpdateNetworkPolicy, lost)
		_, err = a.NetworkPolicies.Update(t.Context(), created.ID, runloop.NetworkPolicyUpdateParams{AllowMCPGateway: new(true)}, retries)
		require.NoError(t, err)

		a.fake.Inject(runlooptest.DeleteNetworkPolicy, lost)
		_, err = a.NetworkPolicies.Delete(t.Context(), created.ID, retries)
		require.NoError(t, err)
	})
}
