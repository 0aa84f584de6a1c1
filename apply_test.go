package runloop_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// Plan reports, without a write, what Apply then does.
func TestApplyUpdatesWhatDiffers(t *testing.T) {
	t.Parallel()
	mirrors := runloop.EgressRules{AllowRunloopMirrors: true}
	ranges := cidrs(runloop.AllowedCIDR{CIDR: "10.0.0.0/8"})
	const flags = `"allow_all": false, "allow_devbox_to_devbox": false, "allow_agent_gateway": false, "allow_mcp_gateway": false, `
	for _, test := range []struct {
		name        string
		have, want  runloop.EgressRules
		description string // of params; the policy's is "old"
		body        string // of the update, "" for none
	}{
		{"nothing", hosts("a.example"), hosts("A.example."), "old", ""},
		{"a new description", hosts("a.example"), hosts("a.example"), "new", `"description": "new"`},
		{"no description", hosts("a.example"), hosts("a.example"), "", `"description": ""`},
		{"a host name", hosts("a.example"), hosts("b.example"), "old", flags + `"allowed_hostnames": ["b.example"]`},
		{"a host name and the description", hosts("a.example"), hosts("b.example"), "", flags + `"description": "", "allowed_hostnames": ["b.example"]`},
		{"everything that was allowed", runloop.EgressRules{AllowAll: true, AllowDevboxToDevbox: true}, runloop.EgressRules{}, "new",
			flags + `"description": "new", "allowed_hostnames": []`},
		{"mirrors on", runloop.EgressRules{}, mirrors, "old", flags + `"allowed_hostnames": [], "allow_runloop_mirrors": true`},
		{"mirrors off", mirrors, runloop.EgressRules{}, "old", flags + `"allowed_hostnames": [], "allow_runloop_mirrors": false`},
		{"a range", runloop.EgressRules{}, ranges, "old", flags + `"allowed_hostnames": [], "allowed_cidrs": [{"cidr": "10.0.0.0/8"}]`},
		{"no range", ranges, runloop.EgressRules{}, "old", flags + `"allowed_hostnames": [], "allowed_cidrs": []`},
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
			assert.JSONEq(t, "{"+test.body+"}", string(fake.Requests(update)[0].Body))
		}))
	}
}

// An API of version 0.1 receives no fields that it does not know.
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
		require.ErrorIs(t, err, runloop.ErrBadRequest, "the API does not know the rule")
	}, runlooptest.WithVersion01())(t)
}

// The caller's key is that of the first write; a second write is another request.
func TestApplyAfterARace(t *testing.T) {
	t.Parallel()
	open := runloop.NetworkPolicy{ID: "npol_000001", Name: "build", Egress: runloop.EgressRules{AllowAll: true}}
	mixed := runloop.NetworkPolicy{ID: "npol_000001", Name: "build", Egress: runloop.EgressRules{
		AllowRunloopMirrors: true, AllowedCIDRs: []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8"}},
	}}
	for name, test := range map[string]struct {
		there *runloop.NetworkPolicy
		look  runlooptest.Fault // at the list
		want  []runlooptest.Operation
	}{
		"the policy was deleted": {nil, pageWith(`{"allow_all": true}`), []runlooptest.Operation{list, update, list, create}},
		"the policy was created": {&open, nothingYet(), []runlooptest.Operation{list, create, list, update}},
		// Another program wrote rules that the update does not set, because it need not change
		// them. The response shows the mixture.
		"the rules were mixed":            {&mixed, pageWith(`{"allow_all": true}`), []runlooptest.Operation{list, update, list, update}},
		"only the description was to set": {&mixed, pageWith(`{"allowed_hostnames": ["github.com", "*.npmjs.org"]}`), []runlooptest.Operation{list, update, list, update}},
	} {
		for _, status := range []int{404, 400} {
			t.Run(fmt.Sprint(name, "/", status), onFake(func(t *testing.T, fake *fakeAPI) {
				if test.there != nil {
					fake.AddPolicy(*test.there)
				}
				fake.Inject(list, test.look)
				policy, err := fake.client.NetworkPolicies.Apply(t.Context(), buildParams, runloop.WithIdempotencyKey("job-17"))
				require.NoError(t, err)
				assert.Equal(t, fake.one(t), *policy)
				assert.True(t, buildParams.Egress.Equal(policy.Egress))
				assert.Equal(t, test.want, fake.operations())
				ids := fake.requestIDs()
				assert.Equal(t, []string{"", "job-17", ""}, ids[:3])
				assert.Regexp(t, clienttest.UUID4, ids[3])
			}, runlooptest.WithUnknownIDStatus(status)))
		}
	}
}

func TestApplyChecksTheResponseToItsUpdate(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.AddPolicy(runloop.NetworkPolicy{ID: "npol_000001", Name: "build", Egress: runloop.EgressRules{AllowAll: true}})
		fake.Inject(update, runlooptest.ReplaceBody(buildWith(`{"allow_all": true}`)))
		_, err := fake.client.NetworkPolicies.Apply(t.Context(), buildParams)
		drift := asDriftError(t, err)
		assert.Equal(t, "apply network policy", drift.Op)
		assert.Equal(t, []string{"- host *.npmjs.org", "- host github.com", "+ allow all"}, drift.Diff)
	})(t)
}

func TestApplyReportsAnotherName(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.AddPolicy(runloop.NetworkPolicy{ID: "npol_000001", Name: "build", Egress: runloop.EgressRules{AllowAll: true}})
		renamed := strings.Replace(buildWith(`{"allowed_hostnames": ["github.com", "*.npmjs.org"]}`), `"build"`, `"renamed"`, 1)
		fake.Inject(update, slices.Repeat([]runlooptest.Fault{runlooptest.Respond(200, renamed)}, 5)...)
		_, err := fake.client.NetworkPolicies.Apply(t.Context(), buildParams)
		assert.Equal(t, []string{`- name "build"`, `+ name "renamed"`}, asDriftError(t, err).Diff)
	})(t)
}

// If programs apply different rules under one name, the policy ends up with the complete
// rules of one of them.
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
