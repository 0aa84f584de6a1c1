package runloop_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

func TestApplyCreatesWhatIsMissing(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		policy, err := fake.client.NetworkPolicies.Apply(t.Context(), buildParams)

		require.NoError(t, err)
		assert.Equal(t, fake.one(t), *policy)
		assert.Equal(t, []runlooptest.Operation{list, create}, fake.operations())
	})(t)
}

// A policy that is as params describe it needs no write, any other one needs one.
func TestApplyUpdatesWhatDiffers(t *testing.T) {
	t.Parallel()
	mirrors := runloop.EgressRules{AllowRunloopMirrors: true}
	ranges := cidrs(runloop.AllowedCIDR{CIDR: "10.0.0.0/8"})
	for _, test := range []struct {
		name        string
		have, want  runloop.EgressRules
		description string // of params; the policy's is "old"
		body        string // of the update, "" for none
	}{
		{"nothing", hosts("a.example"), hosts("A.example."), "old", ""},
		{"a new description", hosts("a.example"), hosts("a.example"), "new", `{"description": "new"}`},
		{"no description", hosts("a.example"), hosts("a.example"), "", `{"description": ""}`},
		{"a host name", hosts("a.example"), hosts("b.example"), "old",
			`{"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": ["b.example"], "allow_agent_gateway": false, "allow_mcp_gateway": false}`},
		{"a host name and the description", hosts("a.example"), hosts("b.example"), "",
			`{"description": "", "allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": ["b.example"], "allow_agent_gateway": false, "allow_mcp_gateway": false}`},
		{"everything that was allowed", runloop.EgressRules{AllowAll: true, AllowDevboxToDevbox: true}, runloop.EgressRules{}, "new",
			`{"description": "new", "allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [], "allow_agent_gateway": false, "allow_mcp_gateway": false}`},
		{"mirrors on", runloop.EgressRules{}, mirrors, "old",
			`{"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [], "allow_agent_gateway": false, "allow_mcp_gateway": false, "allow_runloop_mirrors": true}`},
		{"mirrors off", mirrors, runloop.EgressRules{}, "old",
			`{"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [], "allow_agent_gateway": false, "allow_mcp_gateway": false, "allow_runloop_mirrors": false}`},
		{"a range", runloop.EgressRules{}, ranges, "old",
			`{"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [], "allow_agent_gateway": false, "allow_mcp_gateway": false, "allowed_cidrs": [{"cidr": "10.0.0.0/8"}]}`},
		{"no range any more", ranges, runloop.EgressRules{}, "old",
			`{"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [], "allow_agent_gateway": false, "allow_mcp_gateway": false, "allowed_cidrs": []}`},
	} {
		t.Run(test.name, onFake(func(t *testing.T, fake *fakeAPI) {
			there := fake.AddPolicy(runloop.NetworkPolicy{Name: "build", Description: "old", Egress: test.have})
			params := runloop.NetworkPolicyCreateParams{Name: "build", Description: test.description, Egress: test.want}

			plan, err := fake.client.NetworkPolicies.Plan(t.Context(), params)
			require.NoError(t, err)
			assert.Equal(t, there, fake.one(t), "a plan writes nothing")
			assert.Equal(t, []runlooptest.Operation{list}, fake.operations())
			fake.ResetRequests()

			policy, err := fake.client.NetworkPolicies.Apply(t.Context(), params)

			require.NoError(t, err)
			assert.Equal(t, fake.one(t), *policy)
			assert.Equal(t, there.ID, policy.ID)
			assert.True(t, test.want.Equal(policy.Egress))
			assert.Equal(t, test.description, policy.Description)
			assert.Equal(t, &there, plan.Policy)
			if test.body == "" {
				assert.Equal(t, runloop.PlanNone, plan.Action)
				assert.Empty(t, plan.Diff)
				assert.Equal(t, []runlooptest.Operation{list}, fake.operations())
				return
			}
			assert.Equal(t, runloop.PlanUpdate, plan.Action)
			assert.NotEmpty(t, plan.Diff)
			require.Equal(t, []runlooptest.Operation{list, update}, fake.operations())
			assert.JSONEq(t, test.body, string(fake.Requests(update)[0].Body))
		}))
	}
}

// An API of version 0.1 is not sent what it does not know.
func TestApplyWorksWithVersion01(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		for _, rules := range []runloop.EgressRules{hosts("a.example"), hosts("b.example"), {AllowAll: true}, {}} {
			_, err := fake.client.NetworkPolicies.Apply(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build", Egress: rules})
			require.NoError(t, err)
			assert.Equal(t, rules.String(), fake.one(t).Egress.String())
		}
		_, err := fake.client.NetworkPolicies.Apply(t.Context(), runloop.NetworkPolicyCreateParams{
			Name: "build", Egress: runloop.EgressRules{AllowRunloopMirrors: true},
		})
		require.ErrorIs(t, err, runloop.ErrBadRequest, "the API cannot do it, and says so")
	}, runlooptest.WithVersion01())(t)
}

// The policy was deleted between the look and the update: Apply creates it. The key
// that the caller gave is for the first write, and the second one is another request.
func TestApplyStartsOverWhenThePolicyIsDeleted(t *testing.T) {
	t.Parallel()
	for _, status := range []int{404, 400} {
		t.Run(fmt.Sprint(status), onFake(func(t *testing.T, fake *fakeAPI) {
			fake.Inject(list, pageWith(`{"allow_all": true}`)) // which the account does not have any more

			policy, err := fake.client.NetworkPolicies.Apply(t.Context(), buildParams, runloop.WithIdempotencyKey("job-17"))

			require.NoError(t, err)
			assert.Equal(t, fake.one(t), *policy)
			assert.Equal(t, []runlooptest.Operation{list, update, list, create}, fake.operations())
			ids := fake.requestIDs()
			assert.Equal(t, []string{"", "job-17", ""}, ids[:3])
			assert.Regexp(t, clienttest.UUID4, ids[3])
		}, runlooptest.WithUnknownIDStatus(status)))
	}
}

func TestApplyThatLosesTheRaceUpdates(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		there := fake.AddPolicy(runloop.NetworkPolicy{Name: "build", Egress: runloop.EgressRules{AllowAll: true}})
		fake.Inject(list, nothingYet())

		policy, err := fake.client.NetworkPolicies.Apply(t.Context(), buildParams, runloop.WithIdempotencyKey("job-17"))

		require.NoError(t, err)
		assert.Equal(t, there.ID, policy.ID)
		assert.Equal(t, fake.one(t), *policy)
		assert.Equal(t, []runlooptest.Operation{list, create, list, update}, fake.operations())
		ids := fake.requestIDs()
		assert.Equal(t, []string{"", "job-17", ""}, ids[:3])
		assert.Regexp(t, clienttest.UUID4, ids[3])
	})(t)
}

// Another program wrote between the look and the update, which left out what it need
// not change. The answer shows both mixed, so Apply does it again.
func TestApplyThatIsOvertakenUpdatesAgain(t *testing.T) {
	t.Parallel()
	for name, look := range map[string]string{
		"the rules differed":   `{"allow_all": true}`,
		"the rules were right": `{"allowed_hostnames": ["github.com", "*.npmjs.org"]}`, // and the description was not
	} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			fake.AddPolicy(runloop.NetworkPolicy{ID: "npol_000001", Name: "build", Egress: runloop.EgressRules{
				AllowRunloopMirrors: true, AllowedCIDRs: []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8"}},
			}})
			fake.Inject(list, pageWith(look))

			policy, err := fake.client.NetworkPolicies.Apply(t.Context(), buildParams)

			require.NoError(t, err)
			assert.Equal(t, fake.one(t), *policy)
			assert.True(t, buildParams.Egress.Equal(policy.Egress))
			assert.Equal(t, []runlooptest.Operation{list, update, list, update}, fake.operations())
		}))
	}
}

func TestApplyChecksTheAnswerToItsUpdate(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.AddPolicy(runloop.NetworkPolicy{ID: "npol_000001", Name: "build", Egress: runloop.EgressRules{AllowAll: true}})
		fake.Inject(update, runlooptest.ReplaceBody(buildWith(`{"allow_all": true}`)))

		_, err := fake.client.NetworkPolicies.Apply(t.Context(), buildParams)

		drift, ok := errors.AsType[*runloop.DriftError](err)
		require.True(t, ok)
		assert.Equal(t, "apply network policy", drift.Op)
		assert.Equal(t, []string{"- host *.npmjs.org", "- host github.com", "+ allow all"}, drift.Diff)
	})(t)
}

// When programs apply different rules under one name, the policy ends with the
// rules of one of them, whole.
func TestManyApplyDifferentRules(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		rules := []runloop.EgressRules{hosts("a.example"), hosts("b.example", "c.example"), {AllowMCPGateway: true}, cidrs(runloop.AllowedCIDR{CIDR: "10.0.0.0/8"})}
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				_, err := fake.client.NetworkPolicies.Apply(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build", Egress: rules[i%len(rules)]})
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		matches := 0
		for _, r := range rules {
			if fake.one(t).Egress.Equal(r) {
				matches++
			}
		}
		assert.Equal(t, 1, matches)
	}, runlooptest.WithLatency(10*time.Millisecond))(t)
}
