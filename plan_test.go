package runloop_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

func TestAPlanToCreate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		rules runloop.EgressRules
		diff  []string
	}{
		{"deny all", runloop.EgressRules{}, nil},
		{"host names", buildParams.Egress, []string{"+ host *.npmjs.org", "+ host github.com"}},
		{"everything", runloop.EgressRules{AllowAll: true}, []string{"+ allow all"}},
	} {
		t.Run(test.name, onFake(func(t *testing.T, fake *fakeAPI) {
			fake.AddPolicy(runloop.NetworkPolicy{Name: "build-2", Egress: test.rules})
			plan, err := fake.client.NetworkPolicies.Plan(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build", Egress: test.rules})
			require.NoError(t, err)
			assert.Equal(t, runloop.PlanCreate, plan.Action)
			assert.Nil(t, plan.Policy)
			assert.Equal(t, test.diff, plan.Diff)
			assert.Len(t, fake.Policies(), 1)
			assert.Equal(t, []runlooptest.Operation{list}, fake.operations())
		}))
	}
}

func TestAPlanToUpdate(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		there := fake.AddPolicy(runloop.NetworkPolicy{Name: "build", Description: "old", Egress: hosts("github.com", "evil.example")})
		plan, err := fake.client.NetworkPolicies.Plan(t.Context(), buildParams)
		require.NoError(t, err)
		assert.Equal(t, &runloop.NetworkPolicyPlan{
			Action: runloop.PlanUpdate,
			Policy: &there,
			Diff: []string{
				"- host evil.example", "+ host *.npmjs.org",
				`- description "old"`, `+ description "package registries only"`,
			},
		}, plan)
		assert.Equal(t, there, fake.one(t))
	})(t)
}

func TestAPlanShowsTheDescription(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		create := runloop.NetworkPolicyCreateParams{Name: "new", Description: "for builds"}
		fake.AddPolicy(runloop.NetworkPolicy{Name: "old", Description: "for builds"})
		plan, err := fake.client.NetworkPolicies.Plan(t.Context(), create)
		require.NoError(t, err)
		assert.Equal(t, []string{`+ description "for builds"`}, plan.Diff)
		plan, err = fake.client.NetworkPolicies.Plan(t.Context(), runloop.NetworkPolicyCreateParams{Name: "old"})
		require.NoError(t, err)
		assert.Equal(t, []string{`- description "for builds"`}, plan.Diff)
	})(t)
}

// Apply fails if a difference remains that no update removes, and so does Plan.
func TestAPlanThatCannotBeApplied(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.Inject(list, pageWith(`{"allowed_hostnames": ["evil.example"], "allow_tunnels": true}`))
		plan, err := fake.client.NetworkPolicies.Plan(t.Context(), buildParams)
		assert.Nil(t, plan)
		require.ErrorIs(t, err, runloop.ErrDrift)
		drift := asDriftError(t, err)
		assert.Equal(t, "plan network policy", drift.Op)
		require.Len(t, drift.Diff, 1, "an update removes the rest")
		assert.Contains(t, drift.Diff[0], "allow_tunnels")
	})(t)
}

func TestErrorsOfPlanNameTheCall(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.Inject(list, runlooptest.Status(403))
		_, err := fake.client.NetworkPolicies.Plan(t.Context(), buildParams)
		require.ErrorIs(t, err, runloop.ErrForbidden)
		assert.Equal(t, "plan network policy", clienttest.AsAPIError(t, err).Op)
		_, err = fake.client.NetworkPolicies.Plan(t.Context(), runloop.NetworkPolicyCreateParams{Name: " "})
		assert.Equal(t, "plan network policy", asValidationError(t, err).Op)
		assert.Len(t, fake.Requests(), 1)
	})(t)
}
