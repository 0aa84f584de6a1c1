package runloop_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// addPolicies adds policies that were updated that long ago, and returns them by name.
func addPolicies(fake *fakeAPI, age time.Duration, names ...string) map[string]runloop.NetworkPolicy {
	policies := make(map[string]runloop.NetworkPolicy)
	for _, name := range names {
		policies[name] = fake.AddPolicy(runloop.NetworkPolicy{Name: name, CreateTime: time.Now().Add(-age)})
	}
	return policies
}

func namesOf(policies []runloop.NetworkPolicy) []string {
	var names []string
	for _, policy := range policies {
		names = append(names, policy.Name)
	}
	return names
}

func taskNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("task-%d", i+1)
	}
	return names
}

// pruneTasks prunes the policies whose names begin with "task-".
func pruneTasks(ctx context.Context, client *runloop.Client, opts ...runloop.Option) ([]runloop.NetworkPolicy, error) {
	return client.NetworkPolicies.Prune(ctx, runloop.PruneParams{NamePrefix: "task-"}, opts...)
}

// The API's filter matches substrings and ignores case. Prune deletes by prefix.
func TestPruneDeletesByPrefix(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		pruned := addPolicies(fake, time.Hour, "task-1", "task-", "task-task-2")
		addPolicies(fake, time.Hour, "my-task-1", "TASK-1", " task-1", "task", "build")
		deleted, err := pruneTasks(t.Context(), fake.client)
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"task-1", "task-", "task-task-2"}, namesOf(deleted))
		for _, policy := range deleted {
			assert.Equal(t, pruned[policy.Name], policy, "as it was")
		}
		assert.ElementsMatch(t, []string{"my-task-1", "TASK-1", " task-1", "task", "build"}, namesOf(fake.Policies()))
		assert.Equal(t, []runlooptest.Operation{list, remove, remove, remove}, fake.operations())
	})(t)
}

// The age is measured from the last update, by the server's clock.
func TestPruneKeepsRecentlyUpdatedPolicies(t *testing.T) {
	t.Parallel()
	for _, ahead := range skews {
		t.Run(fmt.Sprint(ahead), onSkewedFake(ahead, false, func(t *testing.T, fake *fakeAPI) {
			now := time.Now().Add(ahead)
			add := func(name string, created, updated time.Duration) {
				fake.AddPolicy(runloop.NetworkPolicy{Name: name, CreateTime: now.Add(-created), UpdateTime: now.Add(-updated)})
			}
			add("task-old", 3*time.Hour, 2*time.Hour)
			add("task-hour", 3*time.Hour, time.Hour+2*time.Second)
			add("task-updated", 3*time.Hour, time.Hour-2*time.Second)
			add("task-new", time.Minute, time.Minute)
			add("task-future", 0, -time.Hour)
			deleted, err := fake.client.NetworkPolicies.Prune(t.Context(), runloop.PruneParams{NamePrefix: "task-", MinAge: time.Hour})
			require.NoError(t, err)
			assert.ElementsMatch(t, []string{"task-old", "task-hour"}, namesOf(deleted))
			assert.ElementsMatch(t, []string{"task-updated", "task-new", "task-future"}, namesOf(fake.Policies()))
		}))
	}
}

// A policy without an update time may be new.
func TestPruneKeepsPoliciesWithoutUpdateTime(t *testing.T) {
	t.Parallel()
	for minAge, requests := range map[time.Duration]int{0: 2, time.Millisecond: 1} {
		api, client := clienttest.NewAPI(t)
		api.On(http.MethodGet, clienttest.PoliciesPath, clienttest.Respond(200, `{"network_policies": [{"id": "npol_1", "name": "task-1", "egress": {}}], "has_more": false}`))
		api.On(http.MethodPost, clienttest.DeletePath, clienttest.Respond(200, clienttest.PolicyJSON))
		_, err := client.NetworkPolicies.Prune(t.Context(), runloop.PruneParams{NamePrefix: "task-", MinAge: minAge})
		require.NoError(t, err)
		assert.Len(t, api.Sent(), requests)
	}
}

func TestPruneKeepsPoliciesInUse(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		policies := addPolicies(fake, time.Hour, "task-1", "task-2", "task-3")
		launch(t, fake, policies["task-2"].ID)
		deleted, err := pruneTasks(t.Context(), fake.client)
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"task-1", "task-3"}, namesOf(deleted))
		assert.Equal(t, "task-2", fake.one(t).Name)
	})(t)
}

// Another program deletes a policy after the list was read.
func TestPruneSkipsDeletedPolicies(t *testing.T) {
	t.Parallel()
	for _, status := range []int{404, 400} {
		t.Run(fmt.Sprint(status), onFake(func(t *testing.T, fake *fakeAPI) {
			policies := addPolicies(fake, time.Hour, "task-1", "task-2")
			fake.Inject(remove, runlooptest.Before(func() {
				assert.NoError(t, errOf(fake.client.NetworkPolicies.Delete(t.Context(), policies["task-1"].ID)))
			}))
			deleted, err := pruneTasks(t.Context(), fake.client)
			require.NoError(t, err)
			assert.Equal(t, []string{"task-2"}, namesOf(deleted), "what it deleted itself")
			assert.Empty(t, fake.Policies())
		}, runlooptest.WithUnknownIDStatus(status)))
	}
}

// A refusal concerns one policy. All refusals are reported.
func TestPruneContinuesAfterARefusal(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		addPolicies(fake, time.Hour, taskNames(4)...)
		fake.Inject(remove, runlooptest.Respond(400, `{"message": "protected"}`), runlooptest.Fault{}, runlooptest.Respond(403, `{"message": "not yours"}`))
		deleted, err := pruneTasks(t.Context(), fake.client)
		require.ErrorIs(t, err, runloop.ErrBadRequest)
		require.ErrorIs(t, err, runloop.ErrForbidden)
		require.ErrorContains(t, err, "protected")
		require.ErrorContains(t, err, "not yours")
		assert.Equal(t, "prune network policies", clienttest.AsAPIError(t, err).Op)
		assert.Equal(t, []string{"task-3", "task-1"}, namesOf(deleted))
		assert.Len(t, fake.Policies(), 2)
	})(t)
}

// These errors do not concern one policy, so the next delete would fail as well.
func TestPruneEndsInAnOutage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		faults []runlooptest.Fault
		want   error
	}{
		"503":                    {nTimes(runlooptest.Status(503), 4), runloop.ErrServer},
		"rate limited":           {nTimes(runlooptest.Status(429), 4), runloop.ErrRateLimited},
		"408":                    {nTimes(runlooptest.Status(408), 4), runloop.ErrMaybeApplied},
		"425":                    {nTimes(runlooptest.Respond(425, `{"message": "too early"}`), 4), nil},
		"a wrong key":            {[]runlooptest.Fault{runlooptest.Status(401)}, runloop.ErrUnauthorized},
		"the end of the context": {[]runlooptest.Fault{runlooptest.Delay(time.Hour)}, context.DeadlineExceeded},
	} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			addPolicies(fake, time.Hour, taskNames(4)...)
			fake.Inject(remove, runlooptest.Fault{}, runlooptest.Respond(400, `{"message": "protected"}`))
			fake.Inject(remove, test.faults...)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			deleted, err := pruneTasks(ctx, fake.client)
			require.Error(t, err)
			if test.want != nil {
				require.ErrorIs(t, err, test.want)
			}
			require.ErrorContains(t, err, "protected", "an earlier refusal")
			assert.Equal(t, []string{"task-4"}, namesOf(deleted), "returned with the error")
			assert.Len(t, fake.Policies(), 3)
			assert.Len(t, fake.Requests(remove), 2+len(test.faults))
		}))
	}
}

func TestPruneOfAListThatFailsDeletesNothing(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		addPolicies(fake, time.Hour, "task-1")
		fake.Inject(list, runlooptest.Status(403))
		deleted, err := pruneTasks(t.Context(), fake.client)
		assert.Nil(t, deleted)
		require.ErrorIs(t, err, runloop.ErrForbidden)
		assert.Equal(t, "prune network policies", clienttest.AsAPIError(t, err).Op)
		assert.Len(t, fake.Policies(), 1)
	})(t)
}

func TestPruneAfterALostResponse(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		policies := addPolicies(fake, time.Hour, "task-1", "task-2")
		fake.Inject(remove, lost())
		deleted, err := pruneTasks(t.Context(), fake.client, runloop.WithIdempotencyKey("job-17"))
		require.NoError(t, err)
		assert.Equal(t, []runloop.NetworkPolicy{policies["task-2"], policies["task-1"]}, deleted)
		assert.Empty(t, fake.Policies())
		assert.NotContains(t, fake.requestIDs(), "job-17", "a key belongs to one write")
	})(t)
}

func TestManyPruneConcurrently(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		names := taskNames(1200) // more than a page
		addPolicies(fake, time.Hour, names...)
		addPolicies(fake, time.Hour, "build")
		var wg sync.WaitGroup
		deleted := make([][]runloop.NetworkPolicy, 2)
		for i := range deleted {
			client, err := fake.Client()
			require.NoError(t, err)
			wg.Go(func() {
				var err error
				deleted[i], err = pruneTasks(t.Context(), client)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		assert.ElementsMatch(t, names, append(namesOf(deleted[0]), namesOf(deleted[1])...), "each by one of them")
		assert.Equal(t, "build", fake.one(t).Name)
	}, runlooptest.WithLatency(10*time.Millisecond))(t)
}

// Another program deletes the policy that a page begins after.
func TestPruneReadsTheListAgainWhenItsCursorIsGone(t *testing.T) {
	t.Parallel()
	for status, body := range map[int]string{400: `{"message": "starting_after: network policy with id \"x\" not found"}`, 404: ""} {
		t.Run(fmt.Sprint(status), onFake(func(t *testing.T, fake *fakeAPI) {
			names := taskNames(1001)
			addPolicies(fake, time.Hour, names...)
			fake.Inject(list, runlooptest.Fault{}, runlooptest.Respond(status, body))
			deleted, err := pruneTasks(t.Context(), fake.client)
			require.NoError(t, err)
			assert.ElementsMatch(t, names, namesOf(deleted), "each once")
			assert.Len(t, fake.Requests(list), 4)
		}))
	}
	t.Run("every time", onFake(func(t *testing.T, fake *fakeAPI) {
		addPolicies(fake, time.Hour, "task-1")
		for range 5 {
			fake.Inject(list, runlooptest.ReplaceBody(`{"network_policies": [{"id": "npol_gone", "name": "task-2", "egress": {}}], "has_more": true}`), runlooptest.Fault{})
		}
		deleted, err := pruneTasks(t.Context(), fake.client)
		require.ErrorIs(t, err, runloop.ErrBadRequest)
		require.NotErrorIs(t, err, runloop.ErrNotFound, "the caller gave no ID")
		assert.Empty(t, deleted)
		assert.Len(t, fake.Policies(), 1, "nothing is deleted before everything is read")
		assert.Len(t, fake.Requests(), 10)
	}))
}

func TestInvalidPruneParams(t *testing.T) {
	t.Parallel()
	const empty = `must not be empty: write the prefix of your policies' names, as in "task-"`
	api, client := clienttest.NewAPI(t)
	for _, test := range []struct {
		params         runloop.PruneParams
		field, problem string
	}{
		{runloop.PruneParams{}, "NamePrefix", empty},
		{runloop.PruneParams{MinAge: time.Hour}, "NamePrefix", empty},
		{runloop.PruneParams{NamePrefix: "\xff"}, "NamePrefix", `"\xff" is not valid UTF-8`},
		{runloop.PruneParams{NamePrefix: "task-", MinAge: -time.Second}, "MinAge", "must not be negative: write 0 for policies of any age"},
		{runloop.PruneParams{NamePrefix: "task-", MinAge: 60}, "MinAge", "60ns is shorter than a millisecond: write it as in 30*time.Second"},
	} {
		deleted, err := client.NetworkPolicies.Prune(t.Context(), test.params)
		assert.Nil(t, deleted)
		assert.Equal(t, clienttest.Invalid("prune network policies", test.field, test.problem), err)
	}
	assert.Empty(t, api.Sent())
}
