package live

import (
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

// checks makes all checks. The devboxes are first, because a policy may stay in use for a while.
func (r *run) checks(devboxes bool) {
	var reason error
	if !devboxes {
		reason = noOccasion("it needs -devbox")
	}
	r.group(reason, r.oneDevbox)
	r.group(reason, r.refusedDevboxes)
	r.group(reason, func() {
		r.promise("Launch returns a running devbox that uses its policy, and Shutdown ends it", r.promiseLaunch)
	})
	for _, checks := range []func(){r.unknownDevboxes, r.newPolicies, r.creates, r.updates, r.deletes, r.unknownPolicies} {
		r.group(nil, checks)
	}
	r.group(nil, func() {
		r.promise("eight concurrent Ensures create one policy, which can be found, applied, updated and deleted", r.promisePolicies)
	})
}

func (r *run) promiseLaunch(t *promise) {
	if !r.mayLaunch() {
		return
	}
	r.launches++
	params := runloop.DevboxCreateParams{
		Name:             r.name(),
		NetworkPolicy:    &runloop.NetworkPolicyCreateParams{Name: r.name()},
		Metadata:         map[string]string{"a/b?c=d&e": "100% \"é\" <x> \\"},
		LaunchParameters: runloop.DevboxLaunchParameters{ResourceSize: runloop.DevboxXSmall, KeepAlive: 5 * time.Minute},
	}
	launched, err := r.client.Devboxes.Launch(r.ctx, params)
	require.NoError(t, err)
	r.devboxes[launched.ID] = true
	assert.Equal(t, runloop.DevboxRunning, launched.Status)
	assert.Equal(t, params.Name, launched.Name)
	assert.NotEmpty(t, launched.Metadata[runloop.MetadataRequestID])
	assert.Subset(t, launched.Metadata, params.Metadata)
	used, err := r.client.NetworkPolicies.GetByName(r.ctx, params.NetworkPolicy.Name)
	require.NoError(t, err)
	r.policies[used.ID] = true
	assert.Equal(t, used.ID, launched.NetworkPolicyID)
	_, err = r.client.NetworkPolicies.Delete(r.ctx, used.ID)
	assert.ErrorIs(t, err, runloop.ErrPolicyInUse)

	var running []string
	for listed, err := range r.client.Devboxes.All(r.ctx, runloop.DevboxListParams{Status: runloop.DevboxRunning}) {
		require.NoError(t, err)
		running = append(running, listed.ID)
	}
	assert.Contains(t, running, launched.ID)
	for range 2 {
		ended, err := r.client.Devboxes.Shutdown(r.ctx, launched.ID)
		require.NoError(t, err)
		assert.Equal(t, runloop.DevboxShutdown, ended.Status)
	}
	_, err = r.client.Devboxes.AwaitRunning(r.ctx, launched.ID)
	assert.ErrorIs(t, err, runloop.ErrDevboxFailed)
	_, err = r.client.Devboxes.Get(r.ctx, r.unknown("dbx"))
	assert.ErrorIs(t, err, runloop.ErrNotFound)
}

func (r *run) promisePolicies(t *promise) {
	service := r.client.NetworkPolicies
	params := runloop.NetworkPolicyCreateParams{
		Name:        r.name(),
		Description: "created by a test",
		Egress:      runloop.EgressRules{AllowedHostnames: []string{"github.com", "*.npmjs.org"}, AllowAgentGateway: true},
	}
	longer, err := service.Create(r.ctx, runloop.NetworkPolicyCreateParams{Name: params.Name + "-and-more"})
	require.NoError(t, err)
	r.policies[longer.ID] = true
	_, err = service.GetByName(r.ctx, params.Name)
	require.ErrorIs(t, err, runloop.ErrNotFound, "a longer name does not match")
	var ensured [8]*runloop.NetworkPolicy
	var errs [len(ensured)]error
	var all sync.WaitGroup
	for i := range ensured {
		// A call with an option shares no request.
		all.Go(func() { ensured[i], errs[i] = service.Ensure(r.ctx, params, runloop.WithUserAgent("runloop-go-live")) })
	}
	all.Wait()
	for i := range ensured {
		require.NoError(t, errs[i])
		r.policies[ensured[i].ID] = true
		assert.Equal(t, ensured[0], ensured[i])
	}
	policy := ensured[0]
	assert.Equal(t, params.Name+params.Description, policy.Name+policy.Description)
	assert.Empty(t, params.Egress.Diff(policy.Egress))

	var listed []runloop.NetworkPolicy
	for policy, err := range service.All(r.ctx, runloop.NetworkPolicyListParams{Name: params.Name, Limit: 1}) {
		require.NoError(t, err)
		listed = append(listed, *policy)
	}
	assert.ElementsMatch(t, []runloop.NetworkPolicy{*policy, *longer}, listed, "each policy once")
	byName, err := service.GetByName(r.ctx, params.Name)
	require.NoError(t, err)
	assert.Equal(t, policy, byName)
	_, err = service.Create(r.ctx, params)
	assert.ErrorIs(t, err, runloop.ErrNameTaken, "create")
	_, err = service.Update(r.ctx, longer.ID, runloop.NetworkPolicyUpdateParams{Name: &params.Name})
	assert.ErrorIs(t, err, runloop.ErrNameTaken, "update")

	params.Egress = runloop.EgressRules{AllowedHostnames: []string{"github.com"}, AllowMCPGateway: true}
	_, err = service.Ensure(r.ctx, params)
	assert.ErrorIs(t, err, runloop.ErrDrift, "other rules under the same name")
	applied, err := service.Apply(r.ctx, params)
	require.NoError(t, err)
	assert.Equal(t, policy.ID, applied.ID)
	updated, err := service.Update(r.ctx, policy.ID, runloop.NetworkPolicyUpdateParams{AllowedHostnames: &[]string{}, AllowAll: new(false)})
	require.NoError(t, err)
	assert.Equal(t, params.Description, updated.Description)
	want := runloop.EgressRules{AllowMCPGateway: true}
	assert.Empty(t, want.Diff(updated.Egress), "only what was set has changed")
	got, err := service.Get(r.ctx, policy.ID)
	require.NoError(t, err)
	assert.Equal(t, updated, got)
	deleted, err := service.Delete(r.ctx, policy.ID)
	require.NoError(t, err)
	assert.Equal(t, updated, deleted)

	_, err = service.Get(r.ctx, policy.ID)
	assert.ErrorIs(t, err, runloop.ErrNotFound, "get")
	_, err = service.Update(r.ctx, policy.ID, runloop.NetworkPolicyUpdateParams{AllowAll: new(false)})
	assert.ErrorIs(t, err, runloop.ErrNotFound, "update")
	_, err = service.Delete(r.ctx, policy.ID)
	assert.ErrorIs(t, err, runloop.ErrNotFound, "delete")
	assert.NotErrorIs(t, err, runloop.ErrPolicyInUse)
}
