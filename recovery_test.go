package runloop_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// What becomes of a write whose answer gets lost: it is found out, not guessed.

var buildParams = runloop.NetworkPolicyCreateParams{
	Name:        "build",
	Description: "package registries only",
	Egress:      hosts("github.com", "*.npmjs.org"),
}

// buildPolicy is the policy that buildParams make.
func buildPolicy(age time.Duration) runloop.NetworkPolicy {
	return runloop.NetworkPolicy{
		Name:        buildParams.Name,
		Description: buildParams.Description,
		Egress:      buildParams.Egress,
		CreateTime:  time.Now().Add(-age),
	}
}

func TestCreateAdoptsThePolicyOfALostAnswer(t *testing.T) {
	t.Parallel()
	type ops = []runlooptest.Operation
	for _, test := range []struct {
		name   string
		faults []runlooptest.Fault
		want   ops
	}{
		{"the connection broke", []runlooptest.Fault{lost()}, ops{create, create, list}},
		{"a proxy answered", []runlooptest.Fault{runlooptest.Status(504).AfterCommit()}, ops{create, create, list}},
		{"before and after", []runlooptest.Fault{runlooptest.Disconnect(), lost()}, ops{create, create, create, list}},
		{"every time", []runlooptest.Fault{lost(), lost(), lost(), lost()}, ops{create, create, create, create, list}},
		{"the answer was cut", []runlooptest.Fault{runlooptest.CutBody(20)}, ops{create, list}},
		{"the answer was empty", []runlooptest.Fault{runlooptest.ReplaceBody("")}, ops{create, list}},
		{"the answer was a login page", []runlooptest.Fault{runlooptest.ReplaceBody("<html>")}, ops{create, list}},
		{"the answer was another policy", []runlooptest.Fault{runlooptest.ReplaceBody(`{"id": "x", "name": "other", "egress": {}}`)}, ops{create, list}},
	} {
		t.Run(test.name, onFake(func(t *testing.T, fake *fakeAPI) {
			fake.Inject(create, test.faults...)

			policy, err := fake.client.NetworkPolicies.Create(t.Context(), buildParams)

			require.NoError(t, err)
			assert.Equal(t, fake.one(t), *policy)
			assert.Equal(t, test.want, fake.operations())
			assert.Equal(t, 1, fake.warnings())
		}))
	}
}

// A policy that has the name, but can hardly be of this call, stays a conflict.
func TestCreateAdoptsOnlyWhatItSent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*runloop.NetworkPolicy)
		adopt  bool
	}{
		{"it equals", func(p *runloop.NetworkPolicy) {}, true},
		{"host names in another order", func(p *runloop.NetworkPolicy) { p.Egress = hosts("*.npmjs.org", "github.com") }, true},
		{"created five minutes ago", func(p *runloop.NetworkPolicy) { p.CreateTime = p.CreateTime.Add(-5 * time.Minute) }, true},
		{"created earlier", func(p *runloop.NetworkPolicy) { p.CreateTime = p.CreateTime.Add(-5*time.Minute - time.Millisecond) }, false},
		{"another description", func(p *runloop.NetworkPolicy) { p.Description = "other" }, false},
		{"no description", func(p *runloop.NetworkPolicy) { p.Description = "" }, false},
		{"fewer host names", func(p *runloop.NetworkPolicy) { p.Egress = hosts("github.com") }, false},
		{"a gateway more", func(p *runloop.NetworkPolicy) { p.Egress.AllowMCPGateway = true }, false},
	} {
		t.Run(test.name, onFake(func(t *testing.T, fake *fakeAPI) {
			other := buildPolicy(0)
			test.change(&other)
			other = fake.AddPolicy(other)
			fake.Inject(create, runlooptest.Disconnect())

			policy, err := fake.client.NetworkPolicies.Create(t.Context(), buildParams)

			if test.adopt {
				require.NoError(t, err)
				assert.Equal(t, other.ID, policy.ID)
			} else {
				require.ErrorIs(t, err, runloop.ErrNameTaken)
				assert.True(t, clienttest.AsAPIError(t, err).MaybeApplied)
				assert.Nil(t, policy)
			}
			assert.Equal(t, []runlooptest.Operation{create, create, list}, fake.operations())
			assert.Len(t, fake.Policies(), 1)
		}))
	}
}

// A policy that a newer API widened is not what was sent either.
func TestCreateAdoptsNoUnknownRules(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.Inject(create, lost())
		fake.Inject(list, runlooptest.ReplaceBody(`{"has_more": false, "network_policies": [{"id": "npol_1", "name": "build",
			"description": "package registries only", "create_time_ms": 4102444800000,
			"egress": {"allowed_hostnames": ["github.com", "*.npmjs.org"], "allow_tunnels": true}}]}`))

		_, err := fake.client.NetworkPolicies.Create(t.Context(), buildParams)

		require.ErrorIs(t, err, runloop.ErrNameTaken)
	})(t)
}

// The vendor's own clients retry 409, so that a taken name surfaces after half a
// minute.
func TestCreateOfATakenNameIsOneRequest(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 409} {
		t.Run(http.StatusText(status), onFake(func(t *testing.T, fake *fakeAPI) {
			fake.AddPolicy(buildPolicy(0)) // equal and young, but nothing was lost

			_, err := fake.client.NetworkPolicies.Create(t.Context(), buildParams)

			require.ErrorIs(t, err, runloop.ErrNameTaken)
			assert.False(t, clienttest.AsAPIError(t, err).MaybeApplied)
			assert.Equal(t, []runlooptest.Operation{create}, fake.operations())
			assert.Zero(t, fake.warnings())
		}, runlooptest.WithConflictStatus(status)))
	}
}

// When the look-up fails too, the error says that the policy may be there. The same
// call again settles it.
func TestCreateThatCannotLookSaysMaybe(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.Inject(create, runlooptest.CutBody(1))
		fake.Inject(list, runlooptest.Status(403))

		_, err := fake.client.NetworkPolicies.Create(t.Context(), buildParams)

		assert.True(t, clienttest.AsTransportError(t, err).MaybeApplied)
		assert.Equal(t, []runlooptest.Operation{create, list}, fake.operations())

		policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)
		require.NoError(t, err)
		assert.Equal(t, fake.one(t), *policy)
	})(t)
}

// A look-up is not the request that the caller gave a key or wants the response of,
// but it has the call's other options.
func TestLookUpsHaveTheOptionsOfTheCall(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.Inject(create, lost())
		var response *http.Response

		_, err := fake.client.NetworkPolicies.Create(t.Context(), buildParams,
			runloop.WithHeader("X-Team", "red"), runloop.WithIdempotencyKey("job-17"), runloop.WithResponseInto(&response))

		require.NoError(t, err)
		assert.Equal(t, []string{"job-17", "job-17", ""}, fake.requestIDs())
		for _, request := range fake.Requests() {
			assert.Equal(t, "red", request.Header.Get("X-Team"))
		}
		require.NotNil(t, response)
		assert.Equal(t, 400, response.StatusCode, "of the second POST")
	})(t)
}

func TestUpdateIsSentAgain(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]runlooptest.Fault{
		"not received":   runlooptest.Disconnect(),
		"answer lost":    lost(),
		"answer cut":     runlooptest.CutBody(10),
		"a proxy's 502":  runlooptest.Status(502).AfterCommit(),
		"too many calls": runlooptest.Status(429),
	} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			id := fake.AddPolicy(buildPolicy(time.Hour)).ID
			fake.Inject(update, fault)

			policy, err := fake.client.NetworkPolicies.Update(t.Context(), id, runloop.NetworkPolicyUpdateParams{AllowedHostnames: &[]string{}})

			require.NoError(t, err)
			assert.Equal(t, fake.one(t), *policy)
			assert.Equal(t, "deny all", policy.Egress.String())
			requests := fake.Requests()
			require.Len(t, requests, 2)
			assert.JSONEq(t, `{"allowed_hostnames": []}`, string(requests[1].Body))
			assert.Equal(t, requests[0].Header.Get("X-Request-Id"), requests[1].Header.Get("X-Request-Id"))
			assert.Zero(t, fake.warnings())
		}))
	}
}

func TestDeleteOfALostAnswerSucceeds(t *testing.T) {
	t.Parallel()
	type ops = []runlooptest.Operation
	for _, test := range []struct {
		name   string
		faults []runlooptest.Fault
		want   ops
	}{
		{"then it is not found", []runlooptest.Fault{lost()}, ops{remove, remove}},
		{"twice", []runlooptest.Fault{runlooptest.Status(502).AfterCommit(), lost()}, ops{remove, remove, remove}},
		{"then it is a bad request, and a look finds nothing",
			[]runlooptest.Fault{lost(), runlooptest.Answer(400, `{"message": "malformed id"}`)}, ops{remove, remove, get}},
	} {
		for _, status := range []int{404, 400} { // of unknown ids
			t.Run(test.name+", "+http.StatusText(status), onFake(func(t *testing.T, fake *fakeAPI) {
				id := fake.AddPolicy(buildPolicy(time.Hour)).ID
				fake.Inject(remove, test.faults...)

				policy, err := fake.client.NetworkPolicies.Delete(t.Context(), id)

				require.NoError(t, err)
				assert.Equal(t, &runloop.NetworkPolicy{ID: id}, policy, "the rest got lost with the answer")
				assert.Empty(t, fake.Policies())
				assert.Equal(t, test.want, fake.operations())
				assert.Equal(t, 1, fake.warnings())
			}, runlooptest.WithUnknownIDStatus(status)))
		}
	}
}

func TestDeleteOfAnUnknownIDIsNotFound(t *testing.T) {
	t.Parallel()
	for _, status := range []int{404, 400} {
		t.Run(http.StatusText(status), onFake(func(t *testing.T, fake *fakeAPI) {
			_, err := fake.client.NetworkPolicies.Delete(t.Context(), "npol_unknown")

			require.ErrorIs(t, err, runloop.ErrNotFound)
			require.NotErrorIs(t, err, runloop.ErrPolicyInUse)
			assert.Equal(t, []runlooptest.Operation{remove}, fake.operations())
		}, runlooptest.WithUnknownIDStatus(status)))
	}
}

// A 400 after a lost answer may mean that the policy is gone, or that devboxes use
// it. One look tells.
func TestDeleteOfAPolicyInUseStaysOne(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		id := fake.AddPolicy(buildPolicy(time.Hour)).ID
		require.NoError(t, fake.client.Do(t.Context(), http.MethodPost, "/v1/devboxes",
			map[string]any{"launch_parameters": map[string]any{"network_policy_id": id}}, nil))
		fake.ResetRequests()
		fake.Inject(remove, runlooptest.Disconnect())

		_, err := fake.client.NetworkPolicies.Delete(t.Context(), id)

		require.ErrorIs(t, err, runloop.ErrPolicyInUse)
		assert.Equal(t, []runlooptest.Operation{remove, remove, get}, fake.operations())
		assert.Equal(t, id, fake.one(t).ID)
	})(t)
}
