package runloop_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// These tests lose responses to writes and check that the outcome is looked up, not guessed.

var buildParams = runloop.NetworkPolicyCreateParams{
	Name:        "build",
	Description: "package registries only",
	Egress:      hosts("github.com", "*.npmjs.org"),
}

// buildPolicy is the policy that buildParams describe, created that long ago.
func buildPolicy(age time.Duration) runloop.NetworkPolicy {
	return runloop.NetworkPolicy{
		Name:        buildParams.Name,
		Description: buildParams.Description,
		Egress:      buildParams.Egress,
		CreateTime:  time.Now().Add(-age),
	}
}

type updateParams = runloop.NetworkPolicyUpdateParams

// A write is a call that changes an account, and how to see that it did.
type write struct {
	name string
	op   runlooptest.Operation
	// lookup is the request that finds out whether the write took effect.
	lookup runlooptest.Operation
	do     func(context.Context, *fakeAPI) (*runloop.NetworkPolicy, error)
	// applied reports whether the account is as the write leaves it.
	applied func([]runloop.NetworkPolicy) bool
}

var writes = []write{
	{"create", create, list, func(ctx context.Context, fake *fakeAPI) (*runloop.NetworkPolicy, error) {
		return fake.client.NetworkPolicies.Create(ctx, buildParams)
	}, func(policies []runloop.NetworkPolicy) bool { return len(policies) == 1 }},
	{"update", update, get, func(ctx context.Context, fake *fakeAPI) (*runloop.NetworkPolicy, error) {
		return fake.client.NetworkPolicies.Update(ctx, "npol_old", updateParams{
			Name: &buildParams.Name, Description: &buildParams.Description, AllowedHostnames: &buildParams.Egress.AllowedHostnames,
		})
	}, func(policies []runloop.NetworkPolicy) bool { return policies[0].Name == "build" }},
	{"delete", remove, list, func(ctx context.Context, fake *fakeAPI) (*runloop.NetworkPolicy, error) {
		return fake.client.NetworkPolicies.Delete(ctx, "npol_old")
	}, func(policies []runloop.NetworkPolicy) bool { return len(policies) == 0 }},
}

// eachWrite runs test for every write, each with its own fake.
func eachWrite(t *testing.T, name string, test func(*testing.T, *fakeAPI, write)) {
	t.Helper()
	for _, w := range writes {
		t.Run(name+"/"+w.name, onFake(func(t *testing.T, fake *fakeAPI) {
			if w.op != create {
				fake.AddPolicy(runloop.NetworkPolicy{ID: "npol_old", Name: "old"})
			}
			test(t, fake, w)
		}))
	}
}

func nTimes(fault runlooptest.Fault, n int) []runlooptest.Fault {
	return slices.Repeat([]runlooptest.Fault{fault}, n)
}

func redirect(status int) runlooptest.Fault {
	return runlooptest.Respond(status, "").WithHeader("Location", "https://elsewhere.example/")
}

// unusableSuccesses are responses that report success but leave its object open.
var unusableSuccesses = map[string]runlooptest.Fault{
	"204":                 runlooptest.Respond(204, ""),
	"202 without a body":  runlooptest.Respond(202, ""),
	"200 without a body":  runlooptest.Respond(200, ""),
	"200 with blanks":     runlooptest.Respond(200, " \r\n"),
	"200 {}":              runlooptest.Respond(200, "{}"),
	"200 null":            runlooptest.Respond(200, "null"),
	"a login page":        runlooptest.Respond(200, "<html>").WithHeader("Content-Type", "text/html"),
	"another policy":      runlooptest.Respond(200, `{"id": "npol_9", "name": "other", "egress": {}}`),
	"a list":              runlooptest.Respond(200, clienttest.EmptyPageJSON),
	"trailing JSON":       runlooptest.Respond(200, strings.Replace(clienttest.PolicyJSON, "npol_1", "npol_old", 1)+"{}"),
	"an unknown encoding": runlooptest.Respond(200, "\x00\x01").WithHeader("Content-Encoding", "br"),
}

// doubts are responses to all attempts of a write after which it is unknown whether it took
// effect.
func doubts() map[string][]runlooptest.Fault {
	doubts := map[string][]runlooptest.Fault{
		"hung up every time": nTimes(runlooptest.Disconnect(), 4),
		"500 every time":     nTimes(runlooptest.Status(500), 4),
		"502 every time":     nTimes(runlooptest.Status(502), 4),
		"503 every time":     nTimes(runlooptest.Status(503), 4),
		"504 every time":     nTimes(runlooptest.Respond(504, "<html>").WithHeader("Content-Type", "text/html"), 4),
		"408 every time":     nTimes(runlooptest.Status(408), 4),
		"501":                {runlooptest.Disconnect(), runlooptest.Status(501)},
	}
	for name, fault := range unusableSuccesses {
		doubts[name] = []runlooptest.Fault{fault}
	}
	for _, status := range []int{300, 301, 302, 303, 304, 305} {
		doubts[fmt.Sprint(status)] = []runlooptest.Fault{redirect(status)}
	}
	return doubts
}

func TestAWriteThatWasAppliedSucceeds(t *testing.T) {
	t.Parallel()
	doubts := doubts()
	doubts["a proxy's refusal after a lost response"] = []runlooptest.Fault{runlooptest.Status(503), runlooptest.Status(403)}
	doubts["401 after a lost response"] = []runlooptest.Fault{runlooptest.Disconnect(), runlooptest.Status(401)}
	for name, faults := range doubts {
		eachWrite(t, name, func(t *testing.T, fake *fakeAPI, w write) {
			for _, fault := range faults {
				fake.Inject(w.op, fault.AfterCommit())
			}
			policy, err := w.do(t.Context(), fake)
			require.NoError(t, err)
			assert.True(t, w.applied(fake.Policies()))
			if w.op == remove {
				assert.Equal(t, &runloop.NetworkPolicy{ID: "npol_old"}, policy, "the rest was lost with the response")
			} else {
				assert.Equal(t, fake.one(t), *policy)
			}
			assert.Equal(t, append(slices.Repeat([]runlooptest.Operation{w.op}, len(faults)), w.lookup), fake.operations())
			assert.Zero(t, fake.warnings())
			assert.Equal(t, 1, strings.Count(fake.log.String(), `level=INFO msg="runloop: the response was lost, but the write took effect"`))
		})
	}
}

func TestAWriteThatWasNotAppliedDoesNotSucceed(t *testing.T) {
	t.Parallel()
	for name, faults := range doubts() {
		_, isUnusable := unusableSuccesses[name]
		eachWrite(t, name, func(t *testing.T, fake *fakeAPI, w write) {
			fake.Inject(w.op, faults...)
			policy, err := w.do(t.Context(), fake)
			if isUnusable && w.op == create { // it is repeated when the lookup finds nothing
				require.NoError(t, err)
				assert.Equal(t, fake.one(t), *policy)
				assert.Equal(t, []runlooptest.Operation{create, list, create}, fake.operations())
				return
			}
			assert.Nil(t, policy)
			require.ErrorIs(t, err, runloop.ErrMaybeApplied)
			require.NotErrorIs(t, err, runloop.ErrNotFound)
			assert.False(t, w.applied(fake.Policies()))
			operations := fake.operations()
			assert.Equal(t, w.lookup, operations[len(operations)-1])
			assert.Len(t, operations, len(faults)+1)
		})
	}
}

// A redirect that preserves the method means that nothing was done.
func TestARedirectThatPreservesTheMethodIsNotInDoubt(t *testing.T) {
	t.Parallel()
	for _, status := range []int{307, 308} {
		eachWrite(t, fmt.Sprint(status), func(t *testing.T, fake *fakeAPI, w write) {
			fake.Inject(w.op, redirect(status))
			_, err := w.do(t.Context(), fake)
			assert.False(t, clienttest.AsAPIError(t, err).MaybeApplied)
			require.NotErrorIs(t, err, runloop.ErrMaybeApplied)
			assert.Equal(t, []runlooptest.Operation{w.op}, fake.operations())
		})
	}
}

func TestALookupHasTheAttemptsThatAreLeft(t *testing.T) {
	t.Parallel()
	eachWrite(t, "", func(t *testing.T, fake *fakeAPI, w write) {
		fake.Inject(w.op, runlooptest.Status(503).AfterCommit(), runlooptest.Respond(204, ""))
		fake.Inject(w.lookup, runlooptest.Status(503), runlooptest.Status(502))
		_, err := w.do(t.Context(), fake)
		require.NoError(t, err)
		assert.Equal(t, []runlooptest.Operation{w.op, w.op, w.lookup, w.lookup, w.lookup}, fake.operations())
	})
}

// The error also carries what is known about the write.
func TestTheContextEndsWithinALookup(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string][]runlooptest.Fault{
		"lost every time":     nTimes(lost(), 4),
		"503 every time":      nTimes(runlooptest.Status(503), 4),
		"an unusable success": {runlooptest.Respond(204, "")},
		"a refusal":           {runlooptest.Status(503), runlooptest.Status(403)},
	} {
		eachWrite(t, name, func(t *testing.T, fake *fakeAPI, w write) {
			fake.Inject(w.op, faults...)
			fake.Inject(w.lookup, runlooptest.Delay(time.Hour))
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			start := time.Now()
			_, err := w.do(ctx, fake)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, runloop.ErrMaybeApplied)
			assert.Equal(t, 20*time.Second, time.Since(start))
			switch name {
			case "503 every time":
				require.ErrorIs(t, err, runloop.ErrServer)
			case "a refusal":
				require.ErrorIs(t, err, runloop.ErrForbidden)
			}
		})
	}
}

// If this call cannot have created the policy with the name, the conflict remains.
func TestCreateAdoptsOnlyWhatItSent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*runloop.NetworkPolicy)
		adopt  bool
	}{
		{"equal", func(p *runloop.NetworkPolicy) {}, true},
		{"host names in another order", func(p *runloop.NetworkPolicy) { p.Egress = hosts("*.npmjs.org", "github.com") }, true},
		{"created two seconds ago", func(p *runloop.NetworkPolicy) { p.CreateTime = p.CreateTime.Add(-2 * time.Second) }, false},
		{"created four minutes ago", func(p *runloop.NetworkPolicy) { p.CreateTime = p.CreateTime.Add(-4 * time.Minute) }, false},
		{"created in 1970", func(p *runloop.NetworkPolicy) { p.CreateTime = time.Unix(0, 0) }, false},
		{"another description", func(p *runloop.NetworkPolicy) { p.Description = "other" }, false},
		{"no description", func(p *runloop.NetworkPolicy) { p.Description = "" }, false},
		{"fewer host names", func(p *runloop.NetworkPolicy) { p.Egress = hosts("github.com") }, false},
		{"an additional gateway", func(p *runloop.NetworkPolicy) { p.Egress.AllowMCPGateway = true }, false},
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

func TestCreateComparesUnknownFieldsAndTimes(t *testing.T) {
	t.Parallel()
	const future = `"create_time_ms": 4102444800000,`
	ignore := runloop.WithIgnoredRules("ruleset_version")
	for name, test := range map[string]struct {
		time, rule string // of the policy in the list
		client     []runloop.Option
		call       []runloop.Option
		adopt      bool
	}{
		"an unknown rule":         {future, `"allow_tunnels": true`, nil, nil, false},
		"ignored by the client":   {future, `"ruleset_version": 2`, []runloop.Option{ignore}, nil, true},
		"ignored by the call":     {future, `"ruleset_version": 2`, nil, []runloop.Option{ignore}, true},
		"no create time":          {"", `"allow_all": false`, nil, nil, false},
		"null as the create time": {`"create_time_ms": null,`, `"allow_all": false`, nil, nil, false},
		"zero as the create time": {`"create_time_ms": 0,`, `"allow_all": false`, nil, nil, false},
	} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			fake.Inject(create, lost())
			fake.Inject(list, runlooptest.ReplaceBody(`{"has_more": false, "network_policies": [{"id": "npol_1", "name": "build",`+test.time+`
				"description": "package registries only", "egress": {"allowed_hostnames": ["github.com", "*.npmjs.org"], `+test.rule+`}}]}`))
			client, err := fake.Client(test.client...)
			require.NoError(t, err)
			policy, err := client.NetworkPolicies.Create(t.Context(), buildParams, test.call...)
			if !test.adopt {
				require.ErrorIs(t, err, runloop.ErrNameTaken)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, "npol_1", policy.ID)
			assert.False(t, policy.Egress.Equal(buildParams.Egress), "the policy keeps the field")
		}))
	}
}

// onSkewedFake is onFake with a server whose clock is ahead of the client's: its create
// times and, unless noDate is set, its Date header.
func onSkewedFake(ahead time.Duration, noDate bool, test func(*testing.T, *fakeAPI)) func(*testing.T) {
	return onFake(func(t *testing.T, fake *fakeAPI) {
		fake.through(t, func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err != nil {
				return nil, err
			}
			resp.Header.Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
			if noDate {
				resp.Header.Del("Date")
			}
			return resp, nil
		})
		test(t, fake)
	}, runlooptest.WithClock(func() time.Time { return time.Now().Add(ahead) }))
}

var skews = []time.Duration{-24 * time.Hour, -6 * time.Minute, -time.Second, 0, time.Second, 6 * time.Minute, 24 * time.Hour}

func TestCreateAdoptsItsOwnPolicyWhateverTheClocksAre(t *testing.T) {
	t.Parallel()
	for _, ahead := range skews {
		for name, faults := range map[string][]runlooptest.Fault{
			"once":          {lost()},
			"every time":    nTimes(lost(), 4),
			"after a delay": {runlooptest.Disconnect().WithDelay(29 * time.Second), lost()},
		} {
			t.Run(fmt.Sprint(ahead, "/", name), onSkewedFake(ahead, false, func(t *testing.T, fake *fakeAPI) {
				fake.Inject(create, faults...)
				policy, err := fake.client.NetworkPolicies.Create(t.Context(), buildParams)
				require.NoError(t, err)
				assert.Equal(t, fake.one(t).ID, policy.ID)
			}))
		}
	}
}

// The policy of another program is older than the call by the server's clock, even if it is
// younger by the client's.
func TestCreateAdoptsNoOlderPolicyWhateverTheClocksAre(t *testing.T) {
	t.Parallel()
	for _, ahead := range skews {
		for _, age := range []time.Duration{2 * time.Second, 4 * time.Minute, 23 * time.Hour} {
			for name, faults := range map[string][]runlooptest.Fault{
				"503, then taken":     {runlooptest.Status(503)},
				"hung up, then taken": {runlooptest.Disconnect()},
				"503 every time":      nTimes(runlooptest.Status(503), 4),
			} {
				t.Run(fmt.Sprint(ahead, "/", age, "/", name), onSkewedFake(ahead, false, func(t *testing.T, fake *fakeAPI) {
					fake.AddPolicy(buildPolicy(age - ahead)) // by the server's clock
					fake.Inject(create, faults...)
					policy, err := fake.client.NetworkPolicies.Create(t.Context(), buildParams)
					assert.Nil(t, policy)
					require.ErrorIs(t, err, runloop.ErrMaybeApplied)
					assert.Equal(t, len(faults) == 1, errors.Is(err, runloop.ErrNameTaken))
				}))
			}
		}
	}
}

func TestCreateUsesTheLocalClockWithoutADate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		ahead, age time.Duration // of the server's clock, and of the policy by it
		want       error
	}{{0, 0, nil}, {0, time.Second, runloop.ErrNameTaken}, {-time.Minute, 0, runloop.ErrNameTaken}, {time.Minute, 0, nil}} {
		t.Run(fmt.Sprint(test), onSkewedFake(test.ahead, true, func(t *testing.T, fake *fakeAPI) {
			fake.AddPolicy(buildPolicy(test.age - test.ahead))
			fake.Inject(create, runlooptest.Disconnect())
			_, err := fake.client.NetworkPolicies.Create(t.Context(), buildParams)
			require.ErrorIs(t, err, test.want)
		}))
	}
}

// The official clients retry 409 and report a taken name only after half a minute.
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

// Repeating the call settles it.
func TestCreateWhoseLookupFailsIsInDoubt(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.Inject(create, runlooptest.CutBody(1))
		fake.Inject(list, runlooptest.Status(403))
		_, err := fake.client.NetworkPolicies.Create(t.Context(), buildParams)
		require.ErrorIs(t, err, runloop.ErrMaybeApplied)
		assert.True(t, clienttest.AsTransportError(t, err).MaybeApplied)
		assert.Equal(t, []runlooptest.Operation{create, list}, fake.operations())
		policy, err := fake.client.NetworkPolicies.Ensure(t.Context(), buildParams)
		require.NoError(t, err)
		assert.Equal(t, fake.one(t), *policy)
	})(t)
}

// If the API changes the case of a name, the policy is still the one created, and Ensure
// finds it again.
func TestANameThatTheAPIChanges(t *testing.T) {
	t.Parallel()
	params := buildParams
	params.Name = "Build"
	for name, faults := range map[string][]runlooptest.Fault{
		"healthy":             nil,
		"lost":                {lost()},
		"lost every time":     nTimes(lost(), 4),
		"an unusable success": {runlooptest.Respond(204, "").AfterCommit()},
	} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			fake.through(t, func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
				if r.Body != nil {
					body, err := io.ReadAll(r.Body)
					if err != nil {
						return nil, err
					}
					r = r.Clone(r.Context())
					r.Body = io.NopCloser(bytes.NewReader(bytes.ReplaceAll(body, []byte(`"Build"`), []byte(`"build"`))))
				}
				return next.RoundTrip(r)
			})
			fake.Inject(create, faults...)
			created, err := fake.client.NetworkPolicies.Create(t.Context(), params)
			require.NoError(t, err)
			assert.Equal(t, fake.one(t), *created)
			assert.Equal(t, "build", created.Name)
			fake.ResetRequests()
			for _, call := range ensureCalls {
				found, err := call(fake.client.NetworkPolicies, t.Context(), params)
				require.NoError(t, err)
				assert.Equal(t, created.ID, found.ID)
			}
			assert.LessOrEqual(t, len(fake.Requests()), 6, "three for each call")
			assert.Len(t, fake.Policies(), 1)
		}))
	}
}

// It is unknown which of the two the call created.
func TestCreateAdoptsNoneOfTwoSimilarNames(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		for _, name := range []string{"BUILD", "Build"} {
			policy := buildPolicy(0)
			policy.Name = name
			fake.AddPolicy(policy)
		}
		fake.Inject(create, nTimes(runlooptest.Disconnect(), 4)...)
		policy, err := fake.client.NetworkPolicies.Create(t.Context(), buildParams)
		assert.Nil(t, policy)
		require.ErrorIs(t, err, runloop.ErrMaybeApplied)
	})(t)
}

// The caller's key and *http.Response belong to the write.
func TestLookupsHaveTheOptionsOfTheCall(t *testing.T) {
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

func TestUpdateIsRetried(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]runlooptest.Fault{
		"not received":      runlooptest.Disconnect(),
		"response lost":     lost(),
		"response cut":      runlooptest.CutBody(10),
		"a proxy's 502":     runlooptest.Status(502).AfterCommit(),
		"too many requests": runlooptest.Status(429),
	} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			id := fake.AddPolicy(buildPolicy(time.Hour)).ID
			fake.Inject(update, fault)
			policy, err := fake.client.NetworkPolicies.Update(t.Context(), id, updateParams{AllowedHostnames: &[]string{}})
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

func TestUpdateComparesWhatItSet(t *testing.T) {
	t.Parallel()
	port443 := []runloop.PortRule{{Port: 443, Protocol: runloop.ProtocolTCP}}
	for _, test := range []struct {
		name    string
		egress  string // of the policy that the lookup reads
		extra   string
		set     updateParams
		applied bool
	}{
		{"a flag that was set", `{"allow_mcp_gateway": true}`, "", updateParams{AllowMCPGateway: new(true)}, true},
		{"a flag that was not", `{}`, "", updateParams{AllowMCPGateway: new(true)}, false},
		{"allow all is still on", `{"allow_all": true}`, "", updateParams{AllowAll: new(false)}, false},
		{"allow all is off", `{}`, "", updateParams{AllowAll: new(false)}, true},
		{"devbox to devbox is still on", `{"allow_devbox_to_devbox": true}`, "", updateParams{AllowDevboxToDevbox: new(false)}, false},
		{"the agent gateway is still on", `{"allow_agent_gateway": true}`, "", updateParams{AllowAgentGateway: new(false)}, false},
		{"mirrors are still on", `{"allow_runloop_mirrors": true}`, "", updateParams{AllowRunloopMirrors: new(false)}, false},
		{"other fields have other values", `{"allow_agent_gateway": true, "allowed_hostnames": ["a.example"]}`, `, "description": "x"`, updateParams{AllowMCPGateway: new(false)}, true},
		{"host names as the API writes them", `{"allowed_hostnames": ["b.example", "a.example"]}`, "", updateParams{AllowedHostnames: &[]string{"A.example.", "b.example"}}, true},
		{"one host name too many", `{"allowed_hostnames": ["b.example", "a.example"]}`, "", updateParams{AllowedHostnames: &[]string{"a.example"}}, false},
		{"no host name", `{"allowed_hostnames": ["a.example"]}`, "", updateParams{AllowedHostnames: &[]string{}}, false},
		{"a range too wide", `{"allowed_cidrs": [{"cidr": "10.0.0.0/8"}]}`, "", updateParams{AllowedCIDRs: &[]runloop.AllowedCIDR{{CIDR: "10.0.0.0/16"}}}, false},
		{"a range without its ports", `{"allowed_cidrs": [{"cidr": "10.0.0.0/8"}]}`, "", updateParams{AllowedCIDRs: &[]runloop.AllowedCIDR{{CIDR: "10.0.0.0/8", Ports: port443}}}, false},
		{"no range", `{}`, "", updateParams{AllowedCIDRs: &[]runloop.AllowedCIDR{}}, true},
		{"the description", `{}`, `, "description": "new"`, updateParams{Description: new("new")}, true},
		{"another description", `{}`, `, "description": "old"`, updateParams{Description: new("new")}, false},
		{"no description", `{}`, `, "description": "old"`, updateParams{Description: new("")}, false},
		{"the name in another case", `{}`, "", updateParams{Name: new("Build")}, false},
		// With allow all, the API ignores the other rules but stores them.
		{"host names with allow all", `{"allow_all": true, "allowed_hostnames": ["a.example"]}`, "", updateParams{AllowedHostnames: &[]string{"b.example"}}, false},
		{"a gateway with allow all", `{"allow_all": true}`, "", updateParams{AllowMCPGateway: new(true)}, false},
		{"a gateway off with allow all", `{"allow_all": true, "allow_agent_gateway": true}`, "", updateParams{AllowAll: new(true), AllowAgentGateway: new(false)}, false},
		{"a range with allow all", `{"allow_all": true, "allowed_cidrs": [{"cidr": "10.0.0.0/8"}]}`, "", updateParams{AllowedCIDRs: &[]runloop.AllowedCIDR{}}, false},
		{"allow all turns devbox to devbox on", `{"allow_all": true, "allow_devbox_to_devbox": true}`, "", updateParams{AllowAll: new(true), AllowDevboxToDevbox: new(false)}, true},
		{"a new name", `{}`, "", updateParams{Name: new("deploy")}, false},
		{"nothing is set", `{"allow_all": true}`, "", updateParams{}, true},
	} {
		t.Run(test.name, clienttest.InBubble(func(t *testing.T) {
			api, client := clienttest.NewAPI(t)
			api.On(http.MethodPost, clienttest.PolicyPath, clienttest.Respond(204, ""))
			api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(200, `{"id": "npol_1", "name": "build", "egress": `+test.egress+test.extra+`}`))

			policy, err := client.NetworkPolicies.Update(t.Context(), "npol_1", test.set)

			assert.Len(t, api.Sent(), 2)
			if test.applied {
				require.NoError(t, err)
				assert.Equal(t, "npol_1", policy.ID)
				return
			}
			assert.Nil(t, policy)
			require.ErrorIs(t, err, runloop.ErrMaybeApplied)
		}))
	}
}

// After an attempt that may have deleted the policy, only a successful list without the
// policy proves that it is gone.
func TestDeleteBelievesOnlyTheList(t *testing.T) {
	t.Parallel()
	html := func(status int, body string) runlooptest.Fault {
		return runlooptest.Respond(status, body).WithHeader("Content-Type", "text/html")
	}
	// First responses after which a "not found" can mean success.
	firsts := map[string]runlooptest.Fault{
		"hung up": runlooptest.Disconnect(),
		"503":     runlooptest.Status(503),
		"504":     runlooptest.Status(504),
		"408":     runlooptest.Status(408),
		"cut":     runlooptest.Respond(200, "").WithHeader("Content-Length", "700"),
	}
	// Second responses, as load balancers and gateways send them if they do not find the API.
	seconds := map[string]runlooptest.Fault{
		"text/plain":              runlooptest.Respond(404, "default backend - 404").WithHeader("Content-Type", "text/plain; charset=utf-8"),
		"text/html":               html(404, "<html><h1>404 Not Found</h1></html>"),
		"text in HTML":            html(404, "default backend - 404"),
		"nothing":                 runlooptest.Respond(404, ""),
		"{}":                      runlooptest.Respond(404, "{}"),
		"a gateway's JSON":        runlooptest.Respond(404, `{"message":"no Route matched with those values"}`),
		"JSON like the API's":     runlooptest.Respond(404, `{"message":"Network policy not found"}`),
		"a 400 like the API's":    runlooptest.Respond(400, `{"message":"Network policy not found"}`),
		"a 400 with a quote":      runlooptest.Respond(400, `{"message": "network policy \"tenant dns not found\" is in use by active devboxes"}`),
		"a 400 without a message": runlooptest.Respond(400, ""),
		"410":                     runlooptest.Respond(410, `{"message":"gone"}`),
	}
	lookups := map[string][]runlooptest.Fault{
		"a list":            nil,
		"403":               {runlooptest.Status(403)},
		"404":               {runlooptest.Respond(404, "")},
		"failing":           nTimes(runlooptest.Status(503), 3),
		"a page":            {html(200, "<html>")},
		"nothing":           nTimes(runlooptest.Respond(200, ""), 3),
		"204":               {runlooptest.Respond(204, "")},
		"a portal's JSON":   {runlooptest.Respond(200, `{}`)},
		"no has_more":       {runlooptest.Respond(200, `{"network_policies": []}`)},
		"no policies":       {runlooptest.Respond(200, `{"has_more": false}`)},
		"an empty page":     {runlooptest.Respond(200, `{"network_policies": [], "has_more": true}`)},
		"a cut page":        nTimes(runlooptest.CutBody(10), 3),
		"an empty redirect": {runlooptest.Respond(302, "").WithHeader("Location", "/login")},
	}
	check := func(name string, first, second runlooptest.Fault, lookup []runlooptest.Fault, succeeds, inUse bool) {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			id := fake.AddPolicy(buildPolicy(time.Hour)).ID
			fake.Inject(remove, first, second)
			fake.Inject(list, lookup...)
			policy, err := fake.client.NetworkPolicies.Delete(t.Context(), id)
			require.LessOrEqual(t, len(fake.Requests()), 5)
			if succeeds {
				require.NoError(t, err)
				assert.Equal(t, id, policy.ID)
				return
			}
			assert.Nil(t, policy)
			require.ErrorIs(t, err, runloop.ErrMaybeApplied)
			require.NotErrorIs(t, err, runloop.ErrNotFound)
			assert.True(t, clienttest.AsAPIError(t, err).MaybeApplied)
			assert.Equal(t, 2, clienttest.AsAPIError(t, err).Attempts)
			assert.Equal(t, inUse, errors.Is(err, runloop.ErrPolicyInUse))
		}))
	}
	for first, doubt := range firsts {
		for second, page := range seconds {
			for third, lookup := range lookups {
				name := first + "/" + second + "/" + third
				inUse := second == "a 400 with a quote" || second == "a 400 without a message"
				check(name, doubt, page, lookup, false, inUse)
				check(name+"/committed", doubt.AfterCommit(), page, lookup, third == "a list", inUse)
			}
		}
	}
}

// A server that ignores the filter returns other policies as well.
func TestDeleteReadsTheWholeListWhenTheFilterIsIgnored(t *testing.T) {
	pages := func(pages ...httpmock.Responder) []httpmock.Responder { return pages }
	for name, test := range map[string]struct {
		pages []httpmock.Responder
		is    error
	}{
		"one page without it":                {pages(page(false, "a", "b")), nil},
		"one page with it":                   {pages(page(false, "a", "npol_1", "b")), runloop.ErrMaybeApplied},
		"on the second page":                 {pages(page(true, "a", "b"), page(false, "npol_1")), runloop.ErrMaybeApplied},
		"on no page":                         {pages(page(true, "a", "b"), page(true, "c"), page(false, "d")), nil},
		"an ID that begins like it":          {pages(page(false, "npol_10")), nil},
		"the second page fails":              {pages(page(true, "a"), clienttest.Respond(403, "")), runloop.ErrMaybeApplied},
		"the second page is the first again": {pages(page(true, "a"), page(true, "a")), runloop.ErrMaybeApplied},
		"there is always more":               {pages(page(true, "a"), page(true)), runloop.ErrMaybeApplied},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			api, client := newPages(t, test.pages...)
			api.On(http.MethodPost, clienttest.DeletePath, clienttest.Respond(503, ""), clienttest.Respond(404, ""))
			policy, err := client.NetworkPolicies.Delete(t.Context(), "npol_1")
			require.ErrorIs(t, err, test.is)
			require.NotErrorIs(t, err, runloop.ErrNotFound)
			if err == nil {
				assert.Equal(t, &runloop.NetworkPolicy{ID: "npol_1"}, policy)
			}
			assert.Equal(t, err == nil, policy != nil)
		}))
	}
}

// A 400 after a lost response can mean that the policy is gone or that devboxes use it. The
// list decides.
func TestDeleteOfAPolicyInUseAfterALostResponse(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		id := fake.AddPolicy(buildPolicy(time.Hour)).ID
		launch(t, fake, id)
		fake.Inject(remove, runlooptest.Disconnect())
		_, err := fake.client.NetworkPolicies.Delete(t.Context(), id)
		require.ErrorIs(t, err, runloop.ErrPolicyInUse)
		assert.Equal(t, []runlooptest.Operation{remove, remove, list}, fake.operations())
		assert.Equal(t, id, fake.one(t).ID)
	})(t)
}

// launch launches a devbox under the policy and removes the request from the record.
func launch(t *testing.T, fake *fakeAPI, policyID string) {
	t.Helper()
	require.NoError(t, fake.client.Do(t.Context(), http.MethodPost, "/v1/devboxes",
		map[string]any{"launch_parameters": map[string]string{"network_policy_id": policyID}}, nil))
	fake.ResetRequests()
}
