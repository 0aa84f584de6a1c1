package runloop_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// nothingYet is the list before another program created the policy.
func nothingYet() runlooptest.Fault { return runlooptest.ReplaceBody(clienttest.EmptyPageJSON) }

// pageWith is a list with a policy "build" that has these rules.
func pageWith(egress string) runlooptest.Fault {
	return runlooptest.ReplaceBody(`{"network_policies": [` + buildWith(egress) + `], "has_more": false}`)
}

func buildWith(egress string) string {
	return `{"id": "npol_000001", "name": "build", "egress": ` + egress + `, "create_time_ms": 1, "update_time_ms": 1}`
}

// eachEnsureCall runs test for Ensure and for Apply, each with its own fake.
func eachEnsureCall(t *testing.T, name string, test func(t *testing.T, fake *fakeAPI, op string, call ensureCall), opts ...runlooptest.Option) {
	t.Helper()
	for op, call := range ensureCalls {
		t.Run(name+"/"+op, onFake(func(t *testing.T, fake *fakeAPI) { test(t, fake, op, call) }, opts...))
	}
}

func TestAMissingPolicyIsCreated(t *testing.T) {
	t.Parallel()
	eachEnsureCall(t, "", func(t *testing.T, fake *fakeAPI, _ string, call ensureCall) {
		fake.AddPolicy(runloop.NetworkPolicy{Name: "build-2", Egress: hosts("other.example")}) // not an exact match
		policy, err := call(fake.client.NetworkPolicies, t.Context(), buildParams)
		require.NoError(t, err)
		assert.Equal(t, fake.Policies()[1], *policy)
		assert.Equal(t, []runlooptest.Operation{list, create}, fake.operations())
	})
}

func TestTheResponseOfEnsureIsThatOfItsWrite(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		var response *http.Response
		require.NoError(t, errOf(fake.client.NetworkPolicies.Ensure(t.Context(), buildParams, runloop.WithResponseInto(&response))))
		require.NotNil(t, response)
		assert.Equal(t, http.MethodPost, response.Request.Method)
		response = nil
		require.NoError(t, errOf(fake.client.NetworkPolicies.Ensure(t.Context(), buildParams, runloop.WithResponseInto(&response))))
		assert.Nil(t, response, "the lookup has found the policy")
	})(t)
}

func TestEnsureReturnsTheExistingPolicy(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*runloop.NetworkPolicy){
		"equal":               func(*runloop.NetworkPolicy) {},
		"old":                 func(p *runloop.NetworkPolicy) { p.CreateTime = time.Unix(0, 0) },
		"written differently": func(p *runloop.NetworkPolicy) { p.Egress = hosts("*.NPMjs.org.", "github.com", "GITHUB.com") },
		"another description": func(p *runloop.NetworkPolicy) { p.Description = "made by hand" },
		"no description":      func(p *runloop.NetworkPolicy) { p.Description = "" },
	} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			there := buildPolicy(time.Hour)
			change(&there)
			there = fake.AddPolicy(there)
			policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)
			require.NoError(t, err)
			assert.Equal(t, there.ID, policy.ID)
			assert.Equal(t, []runlooptest.Operation{list}, fake.operations())
		}))
	}
}

func TestEnsureDoesNotChangeAPolicyThatDiffers(t *testing.T) {
	t.Parallel()
	with := func(change func(*runloop.EgressRules)) runloop.EgressRules {
		rules := buildParams.Egress
		change(&rules)
		return rules
	}
	for name, test := range map[string]struct {
		rules runloop.EgressRules
		diff  []string
	}{
		"another host name": {hosts("github.com", "*.npmjs.org", "evil.example"), []string{`+ host evil.example`}},
		"fewer host names":  {hosts("github.com"), []string{`- host *.npmjs.org`}},
		"a gateway":         {with(func(r *runloop.EgressRules) { r.AllowMCPGateway = true }), []string{"+ MCP gateway"}},
		"everything":        {with(func(r *runloop.EgressRules) { r.AllowAll = true }), []string{`- host *.npmjs.org`, `- host github.com`, "+ allow all"}},
	} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			there := fake.AddPolicy(runloop.NetworkPolicy{Name: "build", Egress: test.rules})
			policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)
			assert.Nil(t, policy)
			require.ErrorIs(t, err, runloop.ErrDrift)
			drift := asDriftError(t, err)
			assert.Equal(t, "ensure network policy", drift.Op)
			assert.Equal(t, there.ID, drift.Policy.ID)
			assert.Equal(t, test.diff, drift.Diff)
			assert.ErrorContains(t, err, `runloop: ensure network policy: policy "build" (`+there.ID+`) differs: `)
			assert.Equal(t, []runlooptest.Operation{list}, fake.operations())
			assert.Equal(t, there, fake.one(t))
		}))
	}
}

// Apply cannot remove a rule that a newer API added.
func TestUnknownRulesAreDrift(t *testing.T) {
	t.Parallel()
	for egress, rules := range map[string]runloop.EgressRules{
		`{"allowed_hostnames": ["github.com", "*.npmjs.org"], "allow_tunnels": true}`: buildParams.Egress,
		`{"allow_all": true, "allow_tunnels": true}`:                                  {AllowAll: true},
	} {
		eachEnsureCall(t, egress, func(t *testing.T, fake *fakeAPI, op string, call ensureCall) {
			fake.AddPolicy(runloop.NetworkPolicy{ID: "npol_000001", Name: "build", Egress: rules})
			fake.Inject(list, pageWith(egress))
			want := []runlooptest.Operation{list}
			if op == "apply network policy" {
				fake.Inject(update, runlooptest.ReplaceBody(buildWith(egress)))
				want = append(want, update)
			}
			policy, err := call(fake.client.NetworkPolicies, t.Context(), runloop.NetworkPolicyCreateParams{Name: "build", Egress: rules})
			assert.Nil(t, policy)
			assert.Equal(t, op, asDriftError(t, err).Op)
			assert.Equal(t, []string{`+ unknown allow_tunnels`}, asDriftError(t, err).Diff, "without the value")
			assert.Equal(t, want, fake.operations())
		})
	}
}

// A response can contain the API key anywhere. The error shows neither the key nor the value
// of an unknown field.
func TestDriftShowsNoSecrets(t *testing.T) {
	t.Parallel()
	const key, value = "rl_secret_key_1234", "s3cret-value"
	for what, test := range map[string]struct {
		name, egress string
	}{
		"in an unknown field":  {"build", `{"audit": {"token": "` + key + `", "x": "` + value + `"}}`},
		"as an unknown field":  {"build", `{"` + key + `": "` + value + `"}`},
		"in an unknown number": {"build", `{"limit": 12345, "note": "` + value + `"}`},
		"in a host name":       {"build", `{"allowed_hostnames": ["` + key + `.example"]}`},
		"in the name":          {"build-" + key, `{"allow_all": true}`},
		"as a range's unknown": {"build", `{"allowed_cidrs": [{"cidr": "10.0.0.0/8", "` + key + `": "` + value + `"}]}`},
		"as a port's unknown":  {"build", `{"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 1, "` + key + `": "` + value + `"}]}]}`},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t, runloop.WithAPIKey(key))
			api.On(http.MethodGet, clienttest.PoliciesPath, clienttest.Respond(200,
				`{"network_policies": [{"id": "npol_`+key+`", "name": "`+test.name+`", "egress": `+test.egress+`}], "has_more": false}`))
			params := runloop.NetworkPolicyCreateParams{Name: test.name}
			for call, err := range map[string]error{
				"ensure": errOf(client.NetworkPolicies.Ensure(t.Context(), params)),
				"plan":   errOf(client.NetworkPolicies.Plan(t.Context(), params)),
			} {
				if call == "plan" && err == nil {
					continue // an update would remove the difference
				}
				for _, text := range append(asDriftError(t, err).Diff, err.Error()) {
					assert.NotContains(t, text, key, call)
					assert.NotContains(t, text, value, call)
					assert.NotContains(t, text, "12345", call)
				}
			}
		})
	}
}

func TestEnsureAfterARace(t *testing.T) {
	t.Parallel()
	equal, other := buildPolicy(time.Hour), runloop.NetworkPolicy{Name: "build", Egress: runloop.EgressRules{AllowAll: true}}
	for name, test := range map[string]struct {
		there  *runloop.NetworkPolicy
		looks  int // how often the list does not contain it yet
		create runlooptest.Fault
		err    error
		want   []runlooptest.Operation
	}{
		"the other policy is equal":  {&equal, 1, runlooptest.Fault{}, nil, []runlooptest.Operation{list, create, list}},
		"the other policy differs":   {&other, 1, runlooptest.Fault{}, runloop.ErrDrift, []runlooptest.Operation{list, create, list}},
		"the other policy is gone":   {nil, 0, runlooptest.Respond(409, `{"message": "taken"}`), nil, []runlooptest.Operation{list, create, list, create}},
		"the list lags behind":       {&equal, 3, runlooptest.Fault{}, nil, []runlooptest.Operation{list, create, list, create, list, create, list}},
		"the list never contains it": {&equal, 5, runlooptest.Fault{}, runloop.ErrNameTaken, slices.Repeat([]runlooptest.Operation{list, create}, 5)},
		"the response has other rules": {nil, 0, runlooptest.ReplaceBody(buildWith(`{"allow_all": true}`)), runloop.ErrDrift,
			[]runlooptest.Operation{list, create}},
		"the response is lost": {nil, 0, lost(), nil, []runlooptest.Operation{list, create, create, list}},
	} {
		for _, status := range []int{400, 409} {
			t.Run(fmt.Sprint(name, "/", status), onFake(func(t *testing.T, fake *fakeAPI) {
				if test.there != nil {
					fake.AddPolicy(*test.there)
				}
				fake.Inject(list, nTimes(nothingYet(), test.looks)...)
				fake.Inject(create, test.create)
				start := time.Now()
				policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)
				require.ErrorIs(t, err, test.err)
				assert.Equal(t, test.want, fake.operations())
				assert.Equal(t, test.there == nil || test.there == &equal, fake.one(t).Egress.Equal(buildParams.Egress), "nothing was changed")
				if test.err == nil {
					assert.Equal(t, fake.one(t), *policy)
				}
				if test.err == runloop.ErrNameTaken {
					assert.Equal(t, "ensure network policy", clienttest.AsAPIError(t, err).Op)
				}
				if test.looks == 3 {
					assert.GreaterOrEqual(t, time.Since(start), 750*time.Millisecond)
					assert.LessOrEqual(t, time.Since(start), 1500*time.Millisecond)
				}
			}, runlooptest.WithConflictStatus(status)))
		}
	}
}

// The contract has a single 400 for taken and invalid names. Without a message, the list
// tells which it was.
func TestEnsureAfterARefusalWithoutAMessage(t *testing.T) {
	t.Parallel()
	for name, refusals := range map[string][]runlooptest.Fault{
		"nothing":        {runlooptest.Respond(400, "")},
		"a page":         {runlooptest.Respond(400, "<html>")},
		"no message":     {runlooptest.Respond(400, `{"code": "bad_request"}`)},
		"cut every time": nTimes(runlooptest.CutBody(5), 4), // the reason for the refusal is lost
	} {
		t.Run(name+", the name is taken", onFake(func(t *testing.T, fake *fakeAPI) {
			there := fake.AddPolicy(buildPolicy(0))
			fake.Inject(list, nothingYet())
			fake.Inject(create, refusals...)
			policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)
			require.NoError(t, err)
			assert.Equal(t, there.ID, policy.ID)
			assert.Len(t, fake.Requests(create), len(refusals))
			assert.Len(t, fake.Requests(list), 2)
		}))
		if name == "cut every time" {
			continue // only a taken name is refused
		}
		t.Run(name+", the name is not taken", onFake(func(t *testing.T, fake *fakeAPI) {
			fake.Inject(create, refusals...)
			policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)
			assert.Nil(t, policy)
			require.ErrorIs(t, err, runloop.ErrBadRequest)
			assert.Equal(t, []runlooptest.Operation{list, create, list}, fake.operations())
		}))
	}
}

// A refusal for another reason is not mistaken for a race.
func TestARefusedCreateIsFinal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		at     runlooptest.Operation
		status int
		body   string
		want   string
	}{
		{create, 400, `{"message": "hostname x.example does not exist"}`, "[ErrBadRequest]"},
		{create, 400, `{"message": "limit of 100 network policies reached"}`, "[ErrBadRequest ErrPolicyLimit]"},
		{create, 403, ``, "[ErrForbidden]"},
		{create, 404, `{"message": "no Route matched with those values"}`, "[]"},
		{create, 409, `{"message": "the account is being migrated"}`, "[ErrConflict]"},
		{list, 403, ``, "[ErrForbidden]"},
	} {
		eachEnsureCall(t, fmt.Sprint(test), func(t *testing.T, fake *fakeAPI, op string, call ensureCall) {
			fake.Inject(test.at, runlooptest.Respond(test.status, test.body))
			_, err := call(fake.client.NetworkPolicies, t.Context(), buildParams)
			assert.Equal(t, op, clienttest.AsAPIError(t, err).Op)
			assert.Equal(t, test.want, fmt.Sprint(clienttest.Sentinels(err)))
			operations := fake.operations()
			assert.Equal(t, test.at, operations[len(operations)-1])
			assert.LessOrEqual(t, len(operations), 2)
		})
	}
}

func TestEnsureDoesNotWaitBeyondItsContext(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.AddPolicy(buildPolicy(0))
		fake.Inject(list, nTimes(nothingYet(), 2)...)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := fake.client.NetworkPolicies.Ensure(ctx, buildParams)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 100*time.Millisecond, time.Since(start))
	})(t)
}

// Any number of programs that ensure or apply the same policy get the same one.
func TestManyProgramsGetOnePolicy(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 409} {
		for name, version := range map[string][]runlooptest.Option{"": nil, ", version 0.1": {runlooptest.WithVersion01()}} {
			opts := append(version, runlooptest.WithConflictStatus(status), runlooptest.WithLatency(20*time.Millisecond))
			t.Run(fmt.Sprint(status, name), onFake(func(t *testing.T, fake *fakeAPI) {
				var wg sync.WaitGroup
				ids := make([]string, 64)
				for i := range ids {
					wg.Go(func() {
						call := fake.client.NetworkPolicies.Ensure
						if i%2 == 0 {
							call = fake.client.NetworkPolicies.Apply
						}
						policy, err := call(t.Context(), buildParams)
						if assert.NoError(t, err) {
							ids[i] = policy.ID
						}
					})
				}
				wg.Wait()
				for _, id := range ids {
					assert.Equal(t, fake.one(t).ID, id)
				}
			}, opts...))
		}
	}
}
