package runloop_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// nothingYet makes a look see what it would have seen a moment ago, before another
// program created the policy.
func nothingYet() runlooptest.Fault { return runlooptest.ReplaceBody(clienttest.EmptyPageJSON) }

// pageWith makes a look see a policy "build" with these rules.
func pageWith(egress string) runlooptest.Fault {
	return runlooptest.ReplaceBody(`{"network_policies": [` + buildWith(egress) + `], "has_more": false}`)
}

func buildWith(egress string) string {
	return `{"id": "npol_000001", "name": "build", "egress": ` + egress + `, "create_time_ms": 1, "update_time_ms": 1}`
}

func TestEnsureCreatesWhatIsMissing(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.AddPolicy(runloop.NetworkPolicy{Name: "build-2", Egress: hosts("other.example")}) // no exact match

		policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)

		require.NoError(t, err)
		assert.Equal(t, fake.Policies()[1], *policy)
		assert.Equal(t, []runlooptest.Operation{list, create}, fake.operations())
	})(t)
}

func TestTheResponseOfEnsureIsThatOfItsWrite(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		var response *http.Response

		_, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams, runloop.WithResponseInto(&response))
		require.NoError(t, err)
		require.NotNil(t, response)
		assert.Equal(t, http.MethodPost, response.Request.Method, "and not that of the look-up before it")

		response = nil
		_, err = fake.client.NetworkPolicies.Ensure(t.Context(), buildParams, runloop.WithResponseInto(&response))
		require.NoError(t, err)
		assert.Nil(t, response, "the look-up has found it")
	})(t)
}

func TestEnsureFindsWhatIsThere(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*runloop.NetworkPolicy)
	}{
		{"equal", func(p *runloop.NetworkPolicy) {}},
		{"old", func(p *runloop.NetworkPolicy) { p.CreateTime = time.Unix(0, 0) }},
		{"written in another way", func(p *runloop.NetworkPolicy) { p.Egress = hosts("*.NPMjs.org.", "github.com", "GITHUB.com") }},
		{"described in another way", func(p *runloop.NetworkPolicy) { p.Description = "made by hand" }},
		{"not described", func(p *runloop.NetworkPolicy) { p.Description = "" }},
	} {
		t.Run(test.name, onFake(func(t *testing.T, fake *fakeAPI) {
			there := buildPolicy(time.Hour)
			test.change(&there)
			there = fake.AddPolicy(there)

			policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)

			require.NoError(t, err)
			assert.Equal(t, there.ID, policy.ID)
			assert.Equal(t, []runlooptest.Operation{list}, fake.operations())
		}))
	}
}

func TestEnsureLeavesAPolicyThatDiffers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		rules runloop.EgressRules
		diff  []string
	}{
		{"a host name more", hosts("github.com", "*.npmjs.org", "evil.example"), []string{"+ host evil.example"}},
		{"a host name less", hosts("github.com"), []string{"- host *.npmjs.org"}},
		{"a gateway", runloop.EgressRules{AllowedHostnames: buildParams.Egress.AllowedHostnames, AllowMCPGateway: true}, []string{"+ MCP gateway"}},
		{"everything", runloop.EgressRules{AllowAll: true, AllowedHostnames: buildParams.Egress.AllowedHostnames},
			[]string{"- host *.npmjs.org", "- host github.com", "+ allow all"}},
	} {
		t.Run(test.name, onFake(func(t *testing.T, fake *fakeAPI) {
			there := fake.AddPolicy(runloop.NetworkPolicy{Name: "build", Egress: test.rules})

			policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)

			assert.Nil(t, policy)
			require.ErrorIs(t, err, runloop.ErrDrift)
			drift, ok := errors.AsType[*runloop.DriftError](err)
			require.True(t, ok)
			assert.Equal(t, "ensure network policy", drift.Op)
			assert.Equal(t, there.ID, drift.Policy.ID)
			assert.Equal(t, test.diff, drift.Diff)
			assert.ErrorContains(t, err, `runloop: ensure network policy: policy "build" (`+there.ID+`) differs: `)
			assert.Equal(t, []runlooptest.Operation{list}, fake.operations())
			assert.Equal(t, there, fake.one(t))
		}))
	}
}

// What a newer API added to a policy is a difference that Ensure reports and that
// Apply, which cannot take it away, reports as well.
func TestUnknownRulesAreDrift(t *testing.T) {
	t.Parallel()
	for name, egress := range map[string]string{
		"beside host names": `{"allowed_hostnames": ["github.com", "*.npmjs.org"], "allow_tunnels": true}`,
		"beside allow all":  `{"allow_all": true, "allow_tunnels": true}`,
	} {
		params := runloop.NetworkPolicyCreateParams{Name: "build", Egress: buildParams.Egress}
		if strings.Contains(name, "all") {
			params.Egress = runloop.EgressRules{AllowAll: true}
		}
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			fake.AddPolicy(runloop.NetworkPolicy{ID: "npol_000001", Name: "build", Egress: params.Egress})
			fake.Inject(list, pageWith(egress), pageWith(egress))
			fake.Inject(update, runlooptest.ReplaceBody(buildWith(egress)))

			for _, call := range []struct {
				op string
				do func() (*runloop.NetworkPolicy, error)
			}{
				{"ensure network policy", func() (*runloop.NetworkPolicy, error) { return fake.client.NetworkPolicies.Ensure(t.Context(), params) }},
				{"apply network policy", func() (*runloop.NetworkPolicy, error) { return fake.client.NetworkPolicies.Apply(t.Context(), params) }},
			} {
				policy, err := call.do()
				assert.Nil(t, policy)
				drift, ok := errors.AsType[*runloop.DriftError](err)
				require.True(t, ok, "%v", err)
				assert.Equal(t, call.op, drift.Op)
				assert.Equal(t, []string{"+ unknown allow_tunnels"}, drift.Diff, "without the value")
			}
			assert.Equal(t, []runlooptest.Operation{list, list, update}, fake.operations())
		}))
	}
}

// The server may repeat the API key anywhere. What an error prints has neither the key nor
// the value of a field that the SDK does not know.
func TestDriftShowsNoSecrets(t *testing.T) {
	t.Parallel()
	const key, value = "rl_secret_key_1234", "s3cret-value"
	page := func(name, egress string) httpmock.Responder {
		return clienttest.Respond(200, `{"network_policies": [{"id": "npol_`+key+`", "name": "`+name+`", "egress": `+egress+`}], "has_more": false}`)
	}
	for what, test := range map[string]struct {
		name, egress string
	}{
		"in an unknown field":     {"build", `{"audit": {"token": "` + key + `", "x": "` + value + `"}}`},
		"as an unknown field":     {"build", `{"` + key + `": "` + value + `"}`},
		"in an unknown number":    {"build", `{"limit": 12345, "note": "` + value + `"}`},
		"in a host name":          {"build", `{"allowed_hostnames": ["` + key + `.example"]}`},
		"in the name":             {"build-" + key, `{"allow_all": true}`},
		"in a range's unknown":    {"build", `{"allowed_cidrs": [{"cidr": "10.0.0.0/8", "` + key + `": "` + value + `"}]}`},
		"in an unknown of a port": {"build", `{"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 1, "` + key + `": "` + value + `"}]}]}`},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t, runloop.WithAPIKey(key))
			api.On(http.MethodGet, clienttest.PoliciesPath, page(test.name, test.egress))
			for call, do := range map[string]func() error{
				"ensure": func() error {
					_, err := client.NetworkPolicies.Ensure(t.Context(), runloop.NetworkPolicyCreateParams{Name: test.name})
					return err
				},
				"plan": func() error {
					_, err := client.NetworkPolicies.Plan(t.Context(), runloop.NetworkPolicyCreateParams{Name: test.name})
					return err
				},
			} {
				err := do()
				drift, ok := errors.AsType[*runloop.DriftError](err)
				if !ok {
					require.NoError(t, err)
					continue // an update would remove the difference
				}
				for _, text := range append(drift.Diff, err.Error()) {
					assert.NotContains(t, text, key, call)
					assert.NotContains(t, text, value, call)
					assert.NotContains(t, text, "12345", call)
				}
			}
		})
	}
}

func TestEnsureThatLosesTheRaceLooksAgain(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 409} {
		t.Run(http.StatusText(status)+", equal", onFake(func(t *testing.T, fake *fakeAPI) {
			there := fake.AddPolicy(buildPolicy(time.Hour))
			fake.Inject(list, nothingYet())

			policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)

			require.NoError(t, err)
			assert.Equal(t, there.ID, policy.ID)
			assert.Equal(t, []runlooptest.Operation{list, create, list}, fake.operations())
		}, runlooptest.WithConflictStatus(status)))

		t.Run(http.StatusText(status)+", different", onFake(func(t *testing.T, fake *fakeAPI) {
			there := fake.AddPolicy(runloop.NetworkPolicy{Name: "build", Egress: runloop.EgressRules{AllowAll: true}})
			fake.Inject(list, nothingYet())

			_, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)

			require.ErrorIs(t, err, runloop.ErrDrift)
			assert.Equal(t, []runlooptest.Operation{list, create, list}, fake.operations())
			assert.Equal(t, there, fake.one(t))
		}, runlooptest.WithConflictStatus(status)))
	}
}

// The contract has one 400 for a taken name and an invalid one. Without a message, the list
// tells which it was.
func TestEnsureLooksAgainAfterARefusalWithoutAMessage(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]runlooptest.Fault{
		"nothing": runlooptest.Respond(400, ""), "a page": runlooptest.Respond(400, "<html>"),
		"cut every time": runlooptest.CutBody(5), "no message": runlooptest.Respond(400, `{"code": "bad_request"}`),
	} {
		attempts := 1
		if name == "cut every time" {
			attempts = 4 // what the refusal meant was lost
		}
		t.Run(name+", the name is taken", onFake(func(t *testing.T, fake *fakeAPI) {
			there := fake.AddPolicy(buildPolicy(0))
			fake.Inject(list, nothingYet())
			fake.Inject(create, nTimes(refusal, attempts)...)

			policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)

			require.NoError(t, err)
			assert.Equal(t, there.ID, policy.ID)
			assert.Len(t, fake.Requests(create), attempts)
			assert.Len(t, fake.Requests(list), 2)
		}))
		if name == "cut every time" {
			continue // it is a refusal of a taken name
		}
		t.Run(name+", it is not", onFake(func(t *testing.T, fake *fakeAPI) {
			fake.Inject(create, refusal)

			policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)

			assert.Nil(t, policy)
			require.ErrorIs(t, err, runloop.ErrBadRequest)
			assert.Equal(t, []runlooptest.Operation{list, create, list}, fake.operations())
		}))
	}
}

// A refusal for another reason is final: Ensure does not mistake it for a race.
func TestEnsureEndsAtARefusal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status int
		body   string
		want   error
	}{
		{400, `{"message": "hostname x.example does not exist"}`, runloop.ErrBadRequest},
		{400, `{"message": "limit of 100 network policies reached"}`, runloop.ErrPolicyLimit},
		{403, ``, runloop.ErrForbidden},
		{404, `{"message": "no Route matched with those values"}`, nil},
		{409, `{"message": "the account is being migrated"}`, runloop.ErrConflict},
	} {
		for name, call := range map[string]func(*testing.T, *fakeAPI) (*runloop.NetworkPolicy, error){
			"ensure": func(t *testing.T, fake *fakeAPI) (*runloop.NetworkPolicy, error) {
				return fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)
			},
			"apply": func(t *testing.T, fake *fakeAPI) (*runloop.NetworkPolicy, error) {
				return fake.client.NetworkPolicies.Apply(t.Context(), buildParams)
			},
		} {
			t.Run(fmt.Sprint(test.status, test.body, "/", name), onFake(func(t *testing.T, fake *fakeAPI) {
				fake.Inject(create, runlooptest.Respond(test.status, test.body))

				_, err := call(t, fake)

				require.Error(t, err)
				if test.want != nil {
					require.ErrorIs(t, err, test.want)
				}
				require.NotErrorIs(t, err, runloop.ErrNotFound)
				assert.Equal(t, []runlooptest.Operation{list, create}, fake.operations())
			}))
		}
	}
}

// The policy that took the name was deleted before it could be looked at.
func TestEnsureStartsOverWhenTheOtherPolicyIsGone(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.Inject(create, runlooptest.Respond(409, `{"message": "taken"}`))

		policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)

		require.NoError(t, err)
		assert.Equal(t, fake.one(t), *policy)
		assert.Equal(t, []runlooptest.Operation{list, create, list, create}, fake.operations())
	})(t)
}

func TestEnsureGivesUpInTheEnd(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.AddPolicy(buildPolicy(0))
		for range 5 {
			fake.Inject(list, nothingYet())
		}

		_, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)

		require.ErrorIs(t, err, runloop.ErrNameTaken)
		assert.Equal(t, "ensure network policy", clienttest.AsAPIError(t, err).Op)
		assert.Len(t, fake.Requests(), 10)
	})(t)
}

// A list that is behind the create of another program gets some time to come along.
func TestEnsureWaitsForTheListBetweenLooks(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		there := fake.AddPolicy(buildPolicy(0))
		fake.Inject(list, nothingYet())
		fake.Inject(list, nothingYet())
		fake.Inject(list, nothingYet())
		start := time.Now()

		policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)

		require.NoError(t, err)
		assert.Equal(t, there.ID, policy.ID)
		assert.GreaterOrEqual(t, time.Since(start), 750*time.Millisecond)
		assert.LessOrEqual(t, time.Since(start), 1500*time.Millisecond)
	})(t)
}

func TestEnsureDoesNotWaitBeyondItsContext(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.AddPolicy(buildPolicy(0))
		fake.Inject(list, nothingYet())
		fake.Inject(list, nothingYet())
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()

		_, err := fake.client.NetworkPolicies.Ensure(ctx, buildParams)

		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 100*time.Millisecond, time.Since(start))
	})(t)
}

func TestEnsureChecksTheAnswerToItsCreate(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.Inject(create, runlooptest.ReplaceBody(buildWith(`{"allow_all": true}`)))

		_, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)

		require.ErrorIs(t, err, runloop.ErrDrift)
	})(t)
}

func TestEnsureAdoptsThePolicyOfALostAnswer(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.Inject(create, lost())

		policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)

		require.NoError(t, err)
		assert.Equal(t, fake.one(t), *policy)
	})(t)
}

func TestErrorsWithinEnsureAndApplyHaveTheirName(t *testing.T) {
	t.Parallel()
	for _, at := range []runlooptest.Operation{list, create} {
		t.Run(string(at), onFake(func(t *testing.T, fake *fakeAPI) {
			fake.Inject(at, runlooptest.Status(403), runlooptest.Status(403))

			_, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)
			require.ErrorIs(t, err, runloop.ErrForbidden)
			assert.Equal(t, "ensure network policy", clienttest.AsAPIError(t, err).Op)

			_, err = fake.client.NetworkPolicies.Apply(t.Context(), buildParams)
			require.ErrorIs(t, err, runloop.ErrForbidden)
			assert.Equal(t, "apply network policy", clienttest.AsAPIError(t, err).Op)
		}))
	}
}

// Any number of programs that ensure the same policy get the same one.
func TestManyEnsureOnePolicy(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 409} {
		for _, version01 := range []bool{false, true} {
			name := http.StatusText(status)
			opts := []runlooptest.Option{runlooptest.WithConflictStatus(status), runlooptest.WithLatency(20 * time.Millisecond)}
			if version01 {
				name += ", version 0.1"
				opts = append(opts, runlooptest.WithVersion01())
			}
			t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
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
