package live

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

// keepPromises asserts what the SDK promises, whatever the API does where it is free.
func keepPromises(ctx context.Context, t *testing.T, a *account) {
	for _, promise := range []struct {
		name string
		kept func(*testing.T, *trial)
	}{
		{"create, get, list, update and delete", promiseRoundTrip},
		{"a name is exact, and taken once", promiseNames},
		{"Ensure by eight at once makes one policy", promiseOnePolicy},
		{"Apply updates", promiseApply},
		{"pages have each policy once", promisePages},
	} {
		t.Run(promise.name, func(t *testing.T) {
			c := a.begin(ctx)
			t.Cleanup(c.end)
			promise.kept(t, c)
		})
	}
}

func promiseRoundTrip(t *testing.T, c *trial) {
	policies := c.client.NetworkPolicies
	params := runloop.NetworkPolicyCreateParams{
		Name:        c.name(),
		Description: "made by a test",
		Egress: runloop.EgressRules{
			AllowedHostnames:  []string{"github.com", "*.npmjs.org"},
			AllowAgentGateway: true,
		},
	}
	created := c.mustCreate(t, params)
	assert.Equal(t, params.Name, created.Name)
	assert.Equal(t, params.Description, created.Description)
	assert.Empty(t, params.Egress.Diff(created.Egress))

	got, err := policies.Get(c.ctx, created.ID)
	require.NoError(t, err)
	assert.Equal(t, created, got)

	page, err := policies.List(c.ctx, runloop.NetworkPolicyListParams{Name: params.Name})
	require.NoError(t, err)
	assert.Contains(t, page.NetworkPolicies, *created)

	change := runloop.NetworkPolicyUpdateParams{
		Name:             new(params.Name + "-renamed"),
		AllowedHostnames: &[]string{},
		AllowMCPGateway:  new(true),
	}
	updated, err := policies.Update(c.ctx, created.ID, change)
	require.NoError(t, err)
	assert.Equal(t, *change.Name, updated.Name)
	assert.Equal(t, params.Description, updated.Description)
	want := runloop.EgressRules{AllowAgentGateway: true, AllowMCPGateway: true}
	assert.Empty(t, want.Diff(updated.Egress), "what was set has changed, and nothing else")

	deleted, err := policies.Delete(c.ctx, created.ID)
	require.NoError(t, err)
	c.gone(created.ID)
	assert.Equal(t, updated, deleted)

	_, err = policies.Get(c.ctx, created.ID)
	assert.ErrorIs(t, err, runloop.ErrNotFound, "get")
	_, err = policies.Update(c.ctx, created.ID, change)
	assert.ErrorIs(t, err, runloop.ErrNotFound, "update")
	_, err = policies.Delete(c.ctx, created.ID)
	assert.ErrorIs(t, err, runloop.ErrNotFound, "delete")
	assert.NotErrorIs(t, err, runloop.ErrPolicyInUse)
}

func promiseNames(t *testing.T, c *trial) {
	policies := c.client.NetworkPolicies
	name := c.name()
	longer := c.mustCreate(t, runloop.NetworkPolicyCreateParams{Name: name + "-and-more"})
	_, err := policies.GetByName(c.ctx, name)
	require.ErrorIs(t, err, runloop.ErrNotFound, "a longer name is another")

	exact := c.mustCreate(t, runloop.NetworkPolicyCreateParams{Name: name})
	for _, want := range []*runloop.NetworkPolicy{exact, longer} {
		found, err := policies.GetByName(c.ctx, want.Name)
		require.NoError(t, err)
		assert.Equal(t, want, found)
	}

	again, err := policies.Create(c.ctx, runloop.NetworkPolicyCreateParams{Name: name})
	if err == nil {
		c.keep(again)
	}
	assert.ErrorIs(t, err, runloop.ErrNameTaken, "create")
	_, err = policies.Update(c.ctx, longer.ID, runloop.NetworkPolicyUpdateParams{Name: &name})
	assert.ErrorIs(t, err, runloop.ErrNameTaken, "update")
}

func promiseOnePolicy(t *testing.T, c *trial) {
	params := runloop.NetworkPolicyCreateParams{
		Name:   c.name(),
		Egress: runloop.EgressRules{AllowedHostnames: []string{"github.com"}},
	}
	var ensured [8]*runloop.NetworkPolicy
	var errs [len(ensured)]error
	var all sync.WaitGroup
	for i := range ensured {
		all.Go(func() { ensured[i], errs[i] = c.client.NetworkPolicies.Ensure(c.ctx, params) })
	}
	all.Wait()
	for _, policy := range ensured {
		if policy != nil {
			c.keep(policy)
		}
	}

	for i := range ensured {
		require.NoError(t, errs[i])
		assert.Equal(t, ensured[0].ID, ensured[i].ID)
	}
	var named []string
	for policy, err := range c.client.NetworkPolicies.All(c.ctx, runloop.NetworkPolicyListParams{Name: params.Name}) {
		require.NoError(t, err)
		named = append(named, policy.ID)
	}
	assert.Equal(t, []string{ensured[0].ID}, named)

	params.Egress.AllowMCPGateway = true
	_, err := c.client.NetworkPolicies.Ensure(c.ctx, params)
	assert.ErrorIs(t, err, runloop.ErrDrift, "other rules under the same name")
}

func promiseApply(t *testing.T, c *trial) {
	params := runloop.NetworkPolicyCreateParams{Name: c.name()}
	var ids []string
	for _, rules := range []runloop.EgressRules{
		{AllowedHostnames: []string{"github.com", "*.npmjs.org"}, AllowMCPGateway: true},
		{AllowedHostnames: []string{"api.openai.com"}},
		{},
	} {
		params.Egress = rules
		applied, err := c.client.NetworkPolicies.Apply(c.ctx, params)
		require.NoError(t, err, "%s", rules)
		c.keep(applied)
		ids = append(ids, applied.ID)
	}
	assert.Equal(t, []string{ids[0], ids[0], ids[0]}, ids, "it is the same policy all along")
	got, err := c.client.NetworkPolicies.Get(c.ctx, ids[0])
	require.NoError(t, err)
	assert.Empty(t, params.Egress.Diff(got.Egress))
}

func promisePages(t *testing.T, c *trial) {
	name := c.name()
	var want []string
	for _, suffix := range []string{"-a", "-b", "-c"} {
		want = append(want, c.mustCreate(t, runloop.NetworkPolicyCreateParams{Name: name + suffix}).ID)
	}

	var found []string
	for policy, err := range c.client.NetworkPolicies.All(c.ctx, runloop.NetworkPolicyListParams{Name: name, Limit: 1}) {
		require.NoError(t, err)
		found = append(found, policy.ID)
	}

	assert.ElementsMatch(t, want, found, "no policy twice, and none left out")
}

// mustCreate creates a policy that the test needs.
func (c *trial) mustCreate(t *testing.T, params runloop.NetworkPolicyCreateParams) *runloop.NetworkPolicy {
	t.Helper()
	created, err := c.client.NetworkPolicies.Create(c.ctx, params)
	require.NoError(t, err)
	c.keep(created)
	return created
}
