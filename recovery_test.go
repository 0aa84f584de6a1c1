package runloop_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
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

// What becomes of a write whose response is lost: it is found out, not guessed.

var buildParams = runloop.NetworkPolicyCreateParams{
	Name:        "build",
	Description: "package registries only",
	Egress:      hosts("github.com", "*.npmjs.org"),
}

// buildPolicy is the policy that buildParams describe.
func buildPolicy(age time.Duration) runloop.NetworkPolicy {
	return runloop.NetworkPolicy{
		Name:        buildParams.Name,
		Description: buildParams.Description,
		Egress:      buildParams.Egress,
		CreateTime:  time.Now().Add(-age),
	}
}

// A write is a call that changes an account, and how to see that it did.
type write struct {
	name string
	op   runlooptest.Operation
	// lookup is the request that finds out what became of the write.
	lookup runlooptest.Operation
	// prepare makes the account that the write is for.
	prepare func(*fakeAPI)
	do      func(context.Context, *fakeAPI) (*runloop.NetworkPolicy, error)
	// applied reports whether the account is as the write leaves it.
	applied func([]runloop.NetworkPolicy) bool
	// sentAgain reports that after an unusable success the write is repeated if the
	// lookup does not find its effect.
	sentAgain bool
}

var writes = []write{
	{
		name: "create", op: create, lookup: list, sentAgain: true,
		prepare: func(*fakeAPI) {},
		do: func(ctx context.Context, fake *fakeAPI) (*runloop.NetworkPolicy, error) {
			return fake.client.NetworkPolicies.Create(ctx, buildParams)
		},
		applied: func(policies []runloop.NetworkPolicy) bool { return len(policies) == 1 },
	},
	{
		name: "update", op: update, lookup: get,
		prepare: func(fake *fakeAPI) { fake.AddPolicy(runloop.NetworkPolicy{ID: "npol_old", Name: "old"}) },
		do: func(ctx context.Context, fake *fakeAPI) (*runloop.NetworkPolicy, error) {
			params := buildParams.Egress
			return fake.client.NetworkPolicies.Update(ctx, "npol_old", runloop.NetworkPolicyUpdateParams{
				Name: &buildParams.Name, Description: &buildParams.Description, AllowedHostnames: &params.AllowedHostnames,
			})
		},
		applied: func(policies []runloop.NetworkPolicy) bool { return policies[0].Name == "build" },
	},
	{
		name: "delete", op: remove, lookup: list,
		prepare: func(fake *fakeAPI) { fake.AddPolicy(runloop.NetworkPolicy{ID: "npol_old", Name: "old"}) },
		do: func(ctx context.Context, fake *fakeAPI) (*runloop.NetworkPolicy, error) {
			return fake.client.NetworkPolicies.Delete(ctx, "npol_old")
		},
		applied: func(policies []runloop.NetworkPolicy) bool { return len(policies) == 0 },
	},
}

// eachWrite runs test for every write, each with a fake of its own.
func eachWrite(t *testing.T, name string, test func(*testing.T, *fakeAPI, write)) {
	t.Helper()
	for _, w := range writes {
		t.Run(name+"/"+w.name, onFake(func(t *testing.T, fake *fakeAPI) {
			w.prepare(fake)
			test(t, fake, w)
		}))
	}
}

func nTimes(fault runlooptest.Fault, n int) []runlooptest.Fault {
	faults := make([]runlooptest.Fault, n)
	for i := range faults {
		faults[i] = fault
	}
	return faults
}

func redirect(status int) runlooptest.Fault {
	return runlooptest.Respond(status, "").WithHeader("Location", "https://elsewhere.example/")
}

// unusableSuccesses are responses that report success but leave open to what.
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
	"JSON that goes on":   runlooptest.Respond(200, strings.Replace(clienttest.PolicyJSON, "npol_1", "npol_old", 1)+"{}"),
	"an unknown encoding": runlooptest.Respond(200, "\x00\x01").WithHeader("Content-Encoding", "br"),
}

// outages are what an API or a proxy does for longer than a call retries.
var outages = map[string]runlooptest.Fault{
	"hung up": runlooptest.Disconnect(),
	"500":     runlooptest.Status(500),
	"502":     runlooptest.Status(502),
	"503":     runlooptest.Status(503),
	"504":     runlooptest.Respond(504, "<html>").WithHeader("Content-Type", "text/html"),
	"408":     runlooptest.Status(408),
}

// Whatever reports to the client that a write may have been applied, and whichever write
// it is: the client looks, and finds that it was.
func TestAWriteThatWasAppliedSucceeds(t *testing.T) {
	t.Parallel()
	check := func(name string, faults []runlooptest.Fault) {
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
			want := make([]runlooptest.Operation, len(faults), len(faults)+1)
			for i := range want {
				want[i] = w.op
			}
			assert.Equal(t, append(want, w.lookup), fake.operations())
			assert.Zero(t, fake.warnings())
			assert.Equal(t, 1, strings.Count(fake.log.String(), `level=INFO msg="runloop: the response was lost, but the write took effect"`))
		})
	}
	for name, fault := range unusableSuccesses {
		check(name, []runlooptest.Fault{fault})
	}
	for _, status := range []int{300, 301, 302, 303, 304, 305} {
		check(fmt.Sprint(status), []runlooptest.Fault{redirect(status)})
	}
	for name, fault := range outages {
		check(name+" every time", nTimes(fault, 4))
	}
	check("501", []runlooptest.Fault{runlooptest.Disconnect(), runlooptest.Status(501)})
	check("a refusal by a proxy after a lost response", []runlooptest.Fault{runlooptest.Status(503), runlooptest.Status(403)})
	check("401 after a lost response", []runlooptest.Fault{runlooptest.Disconnect(), runlooptest.Status(401)})
}

// The same responses to a write that was not applied: nothing is reported as done that is
// not, and the error tells that it is not certain.
func TestAWriteThatWasNotAppliedDoesNotSucceed(t *testing.T) {
	t.Parallel()
	check := func(name string, faults []runlooptest.Fault, repeats bool) {
		eachWrite(t, name, func(t *testing.T, fake *fakeAPI, w write) {
			fake.Inject(w.op, faults...)

			policy, err := w.do(t.Context(), fake)

			if repeats && w.sentAgain {
				require.NoError(t, err)
				assert.Equal(t, fake.one(t), *policy)
				assert.Equal(t, []runlooptest.Operation{w.op, w.lookup, w.op}, fake.operations())
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
	for name, fault := range unusableSuccesses {
		check(name, []runlooptest.Fault{fault}, true)
	}
	for _, status := range []int{300, 301, 302, 303, 304, 305} {
		check(fmt.Sprint(status), []runlooptest.Fault{redirect(status)}, false)
	}
	for name, fault := range outages {
		check(name+" every time", nTimes(fault, 4), false)
	}
	check("501", []runlooptest.Fault{runlooptest.Disconnect(), runlooptest.Status(501)}, false)
}

// A redirect that asks for the same request elsewhere has done nothing.
func TestARedirectOfTheWholeRequestIsNotInDoubt(t *testing.T) {
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

// A lookup has the attempts that are left.
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

// A lookup that the context ends is a call that the context ended. What is known of
// the write comes with the error.
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
			if name == "503 every time" {
				require.ErrorIs(t, err, runloop.ErrServer)
			}
			if name == "a refusal" {
				require.ErrorIs(t, err, runloop.ErrForbidden)
			}
		})
	}
}

// A policy that has the name but can hardly be of this call stays a conflict.
func TestCreateAdoptsOnlyWhatItSent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*runloop.NetworkPolicy)
		adopt  bool
	}{
		{"it equals", func(p *runloop.NetworkPolicy) {}, true},
		{"host names in another order", func(p *runloop.NetworkPolicy) { p.Egress = hosts("*.npmjs.org", "github.com") }, true},
		{"created two seconds ago", func(p *runloop.NetworkPolicy) { p.CreateTime = p.CreateTime.Add(-2 * time.Second) }, false},
		{"created four minutes ago", func(p *runloop.NetworkPolicy) { p.CreateTime = p.CreateTime.Add(-4 * time.Minute) }, false},
		{"created at no known time", func(p *runloop.NetworkPolicy) { p.CreateTime = time.Unix(0, 0) }, false},
		{"another description", func(p *runloop.NetworkPolicy) { p.Description = "other" }, false},
		{"no description", func(p *runloop.NetworkPolicy) { p.Description = "" }, false},
		{"fewer host names", func(p *runloop.NetworkPolicy) { p.Egress = hosts("github.com") }, false},
		{"one gateway more", func(p *runloop.NetworkPolicy) { p.Egress.AllowMCPGateway = true }, false},
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

// A field that the program accepts does not hide that the policy is the one created.
func TestCreateAdoptsWithIgnoredRules(t *testing.T) {
	const body = `{"has_more": false, "network_policies": [{"id": "npol_1", "name": "build",
		"description": "package registries only", "create_time_ms": 4102444800000,
		"egress": {"allowed_hostnames": ["github.com", "*.npmjs.org"], "ruleset_version": 2}}]}`
	for name, call := range map[string]func(*fakeAPI, context.Context) (*runloop.NetworkPolicy, error){
		"by the client": func(fake *fakeAPI, ctx context.Context) (*runloop.NetworkPolicy, error) {
			client, err := fake.Client(runloop.WithIgnoredRules("ruleset_version"))
			if err != nil {
				return nil, err
			}
			return client.NetworkPolicies.Create(ctx, buildParams)
		},
		"by the call": func(fake *fakeAPI, ctx context.Context) (*runloop.NetworkPolicy, error) {
			return fake.client.NetworkPolicies.Create(ctx, buildParams, runloop.WithIgnoredRules("ruleset_version"))
		},
	} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			fake.Inject(create, lost())
			fake.Inject(list, runlooptest.ReplaceBody(body))

			policy, err := call(fake, t.Context())

			require.NoError(t, err)
			assert.Equal(t, "npol_1", policy.ID)
			assert.False(t, policy.Egress.Equal(buildParams.Egress), "the policy keeps the field")
		}))
	}
}

// A policy whose create time the API does not report may be anybody's.
func TestCreateAdoptsNoPolicyWithoutACreateTime(t *testing.T) {
	t.Parallel()
	for name, member := range map[string]string{"none": "", "null": `"create_time_ms": null,`, "zero": `"create_time_ms": 0,`} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			fake.Inject(create, lost())
			fake.Inject(list, runlooptest.ReplaceBody(`{"has_more": false, "network_policies": [{"id": "npol_1", "name": "build",`+member+`
				"description": "package registries only", "egress": {"allowed_hostnames": ["github.com", "*.npmjs.org"]}}]}`))

			_, err := fake.client.NetworkPolicies.Create(t.Context(), buildParams)

			require.ErrorIs(t, err, runloop.ErrNameTaken)
		}))
	}
}

// A serverClock is a transport behind which the server's clock differs from the
// client's: its Date header, and, with WithClock, its create times.
type serverClock struct {
	http.RoundTripper
	ahead  time.Duration
	noDate bool
}

func (c serverClock) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Header.Set("Date", time.Now().Add(c.ahead).UTC().Format(http.TimeFormat))
	if c.noDate {
		resp.Header.Del("Date")
	}
	return resp, nil
}

// onSkewedFake is onFake with a server whose clock is ahead of the client's.
func onSkewedFake(ahead time.Duration, noDate bool, test func(*testing.T, *fakeAPI)) func(*testing.T) {
	return onFake(func(t *testing.T, fake *fakeAPI) {
		var err error
		fake.client, err = fake.Client(runloop.WithHTTPClient(&http.Client{
			Transport: serverClock{fake.HTTPClient().Transport, ahead, noDate},
		}))
		require.NoError(t, err)
		test(t, fake)
	}, runlooptest.WithClock(func() time.Time { return time.Now().Add(ahead) }))
}

var skews = []time.Duration{-24 * time.Hour, -6 * time.Minute, -time.Second, 0, time.Second, 6 * time.Minute, 24 * time.Hour}

func TestCreateAdoptsItsOwnWhateverTheClocksAre(t *testing.T) {
	t.Parallel()
	for _, ahead := range skews {
		for name, faults := range map[string][]runlooptest.Fault{
			"once":          {lost()},
			"every time":    nTimes(lost(), 4),
			"after a delay": {runlooptest.Delay(29 * time.Second), lost()},
		} {
			t.Run(fmt.Sprint(ahead, "/", name), onSkewedFake(ahead, false, func(t *testing.T, fake *fakeAPI) {
				if name == "after a delay" {
					faults = []runlooptest.Fault{runlooptest.Disconnect().WithDelay(29 * time.Second), lost()}
				}
				fake.Inject(create, faults...)

				policy, err := fake.client.NetworkPolicies.Create(t.Context(), buildParams)

				require.NoError(t, err)
				assert.Equal(t, fake.one(t).ID, policy.ID)
			}))
		}
	}
}

// Another program's policy is older than the call by the server's clock, even if it is
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
					if len(faults) == 1 {
						require.ErrorIs(t, err, runloop.ErrNameTaken)
					}
				}))
			}
		}
	}
}

// Without a Date header, the local clock has to do.
func TestCreateUsesTheLocalClockWithoutADate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		ahead, age time.Duration // of the server's clock, and of the policy by it
		adopt      bool
	}{
		{0, 0, true},
		{0, time.Second, false},
		{-time.Minute, 0, false},
		{time.Minute, 0, true},
	} {
		t.Run(fmt.Sprint(test), onSkewedFake(test.ahead, true, func(t *testing.T, fake *fakeAPI) {
			fake.AddPolicy(buildPolicy(test.age - test.ahead))
			fake.Inject(create, runlooptest.Disconnect())

			_, err := fake.client.NetworkPolicies.Create(t.Context(), buildParams)

			if test.adopt {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, runloop.ErrNameTaken)
			}
		}))
	}
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

// If the lookup fails too, the error reports that the policy may be there. The same
// call again settles it.
func TestCreateThatCannotLookReportsMaybe(t *testing.T) {
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

// foldsNames is a transport to an API that stores names in lower case.
func foldsNames(fake *fakeAPI) http.RoundTripper {
	next := fake.HTTPClient().Transport
	return clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
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
}

// An API may fold or trim the name that it is given. The policy is the one created all
// the same, and Ensure finds it again.
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
			var err error
			fake.client, err = fake.Client(runloop.WithHTTPClient(&http.Client{Transport: foldsNames(fake)}))
			require.NoError(t, err)
			fake.Inject(create, faults...)

			created, err := fake.client.NetworkPolicies.Create(t.Context(), params)
			require.NoError(t, err)
			assert.Equal(t, fake.one(t), *created)
			assert.Equal(t, "build", created.Name)

			fake.ResetRequests()
			for _, call := range []func(context.Context, runloop.NetworkPolicyCreateParams, ...runloop.Option) (*runloop.NetworkPolicy, error){
				fake.client.NetworkPolicies.Ensure, fake.client.NetworkPolicies.Apply,
			} {
				found, err := call(t.Context(), params)
				require.NoError(t, err)
				assert.Equal(t, created.ID, found.ID)
			}
			assert.LessOrEqual(t, len(fake.Requests()), 6, "three for each call")
			assert.Len(t, fake.Policies(), 1)
		}))
	}
}

// Two policies whose names differ in case: neither is known to be the one of the call.
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

// A lookup is not the request that the caller gave a key or wants the response of,
// but it has the call's other options.
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

// The policy that a lookup reads has to have every value that was set, and may have any
// other.
func TestUpdateComparesWhatItSet(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		egress  string // of the policy that the lookup reads
		extra   string
		set     runloop.NetworkPolicyUpdateParams
		applied bool
	}{
		{"a flag that is set", `{"allow_mcp_gateway": true}`, "", runloop.NetworkPolicyUpdateParams{AllowMCPGateway: new(true)}, true},
		{"a flag that is not", `{}`, "", runloop.NetworkPolicyUpdateParams{AllowMCPGateway: new(true)}, false},
		{"allow all is still on", `{"allow_all": true}`, "", runloop.NetworkPolicyUpdateParams{AllowAll: new(false)}, false},
		{"allow all is off", `{}`, "", runloop.NetworkPolicyUpdateParams{AllowAll: new(false)}, true},
		{"devbox to devbox is still on", `{"allow_devbox_to_devbox": true}`, "", runloop.NetworkPolicyUpdateParams{AllowDevboxToDevbox: new(false)}, false},
		{"the agent gateway is still on", `{"allow_agent_gateway": true}`, "", runloop.NetworkPolicyUpdateParams{AllowAgentGateway: new(false)}, false},
		{"mirrors are still on", `{"allow_runloop_mirrors": true}`, "", runloop.NetworkPolicyUpdateParams{AllowRunloopMirrors: new(false)}, false},
		{"other fields have other values", `{"allow_agent_gateway": true, "allowed_hostnames": ["a.example"]}`, `, "description": "x"`,
			runloop.NetworkPolicyUpdateParams{AllowMCPGateway: new(false)}, true},
		{"host names as the API writes them", `{"allowed_hostnames": ["b.example", "a.example"]}`, "",
			runloop.NetworkPolicyUpdateParams{AllowedHostnames: &[]string{"A.example.", "b.example"}}, true},
		{"one host name too many", `{"allowed_hostnames": ["b.example", "a.example"]}`, "",
			runloop.NetworkPolicyUpdateParams{AllowedHostnames: &[]string{"a.example"}}, false},
		{"no host name", `{"allowed_hostnames": ["a.example"]}`, "", runloop.NetworkPolicyUpdateParams{AllowedHostnames: &[]string{}}, false},
		{"a range too wide", `{"allowed_cidrs": [{"cidr": "10.0.0.0/8"}]}`, "",
			runloop.NetworkPolicyUpdateParams{AllowedCIDRs: &[]runloop.AllowedCIDR{{CIDR: "10.0.0.0/16"}}}, false},
		{"a range without its ports", `{"allowed_cidrs": [{"cidr": "10.0.0.0/8"}]}`, "",
			runloop.NetworkPolicyUpdateParams{AllowedCIDRs: &[]runloop.AllowedCIDR{{CIDR: "10.0.0.0/8", Ports: []runloop.PortRule{{Port: 443, Protocol: runloop.ProtocolTCP}}}}}, false},
		{"no range", `{}`, "", runloop.NetworkPolicyUpdateParams{AllowedCIDRs: &[]runloop.AllowedCIDR{}}, true},
		{"the description", `{}`, `, "description": "new"`, runloop.NetworkPolicyUpdateParams{Description: new("new")}, true},
		{"another description", `{}`, `, "description": "old"`, runloop.NetworkPolicyUpdateParams{Description: new("new")}, false},
		{"no description", `{}`, `, "description": "old"`, runloop.NetworkPolicyUpdateParams{Description: new("")}, false},
		{"the name in another case", `{}`, "", runloop.NetworkPolicyUpdateParams{Name: new("Build")}, false},
		// The API ignores the other rules while everything is allowed, but stores them.
		{"host names beside allow all", `{"allow_all": true, "allowed_hostnames": ["a.example"]}`, "",
			runloop.NetworkPolicyUpdateParams{AllowedHostnames: &[]string{"b.example"}}, false},
		{"a gateway beside allow all", `{"allow_all": true}`, "", runloop.NetworkPolicyUpdateParams{AllowMCPGateway: new(true)}, false},
		{"a gateway off beside allow all", `{"allow_all": true, "allow_agent_gateway": true}`, "",
			runloop.NetworkPolicyUpdateParams{AllowAll: new(true), AllowAgentGateway: new(false)}, false},
		{"a range beside allow all", `{"allow_all": true, "allowed_cidrs": [{"cidr": "10.0.0.0/8"}]}`, "",
			runloop.NetworkPolicyUpdateParams{AllowedCIDRs: &[]runloop.AllowedCIDR{}}, false},
		{"allow all turns devbox to devbox on", `{"allow_all": true, "allow_devbox_to_devbox": true}`, "",
			runloop.NetworkPolicyUpdateParams{AllowAll: new(true), AllowDevboxToDevbox: new(false)}, true},
		{"another name", `{}`, "", runloop.NetworkPolicyUpdateParams{Name: new("deploy")}, false},
		{"nothing is set", `{"allow_all": true}`, "", runloop.NetworkPolicyUpdateParams{}, true},
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

// inUseBody quotes a policy that a client could take for a "not found".
const inUseBody = `{"message": "network policy \"tenant dns not found\" is in use by active devboxes"}`

// notFoundPages are what load balancers and gateways send when they do not find the API.
var notFoundPages = map[string]runlooptest.Fault{
	"text/plain":              runlooptest.Respond(404, "default backend - 404").WithHeader("Content-Type", "text/plain; charset=utf-8"),
	"text/html":               runlooptest.Respond(404, "<html><h1>404 Not Found</h1></html>").WithHeader("Content-Type", "text/html"),
	"text in HTML":            runlooptest.Respond(404, "default backend - 404").WithHeader("Content-Type", "text/html"),
	"nothing":                 runlooptest.Respond(404, ""),
	"{}":                      runlooptest.Respond(404, "{}"),
	"a gateway's JSON":        runlooptest.Respond(404, `{"message":"no Route matched with those values"}`),
	"JSON like the API's":     runlooptest.Respond(404, `{"message":"Network policy not found"}`),
	"a 400 like the API's":    runlooptest.Respond(400, `{"message":"Network policy not found"}`),
	"a 400 with a quote":      runlooptest.Respond(400, inUseBody),
	"a 400 without a message": runlooptest.Respond(400, ""),
	"410":                     runlooptest.Respond(410, `{"message":"gone"}`),
}

// ambiguous are first responses after which a "not found" can mean success.
var ambiguous = map[string]runlooptest.Fault{
	"hung up": runlooptest.Disconnect(),
	"503":     runlooptest.Status(503),
	"504":     runlooptest.Status(504),
	"408":     runlooptest.Status(408),
	"cut":     runlooptest.Respond(200, "").WithHeader("Content-Length", "700"),
}

// After an attempt that may have deleted the policy, a page proves nothing: only a
// successful list without the policy does.
func TestDeleteBelievesTheListAlone(t *testing.T) {
	t.Parallel()
	lookups := map[string][]runlooptest.Fault{
		"a list":            nil,
		"403":               {runlooptest.Status(403)},
		"404":               {runlooptest.Respond(404, "")},
		"failing":           nTimes(runlooptest.Status(503), 3),
		"a page":            {runlooptest.Respond(200, "<html>").WithHeader("Content-Type", "text/html")},
		"nothing":           nTimes(runlooptest.Respond(200, ""), 3),
		"204":               {runlooptest.Respond(204, "")},
		"a portal's JSON":   {runlooptest.Respond(200, `{}`)},
		"no has_more":       {runlooptest.Respond(200, `{"network_policies": []}`)},
		"no policies":       {runlooptest.Respond(200, `{"has_more": false}`)},
		"an empty page":     {runlooptest.Respond(200, `{"network_policies": [], "has_more": true}`)},
		"a cut page":        nTimes(runlooptest.CutBody(10), 3),
		"an empty redirect": {runlooptest.Respond(302, "").WithHeader("Location", "/login")},
	}
	for first, doubt := range ambiguous {
		for second, page := range notFoundPages {
			for third, lookup := range lookups {
				for _, committed := range []bool{false, true} {
					name := fmt.Sprintf("%s/%s/%s/%t", first, second, third, committed)
					t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
						id := fake.AddPolicy(buildPolicy(time.Hour)).ID
						before := doubt
						if committed {
							before = doubt.AfterCommit()
						}
						fake.Inject(remove, before, page)
						fake.Inject(list, lookup...)

						policy, err := fake.client.NetworkPolicies.Delete(t.Context(), id)

						require.LessOrEqual(t, len(fake.Requests()), 5)
						if third == "a list" && committed {
							require.NoError(t, err)
							assert.Equal(t, id, policy.ID)
							return
						}
						assert.Nil(t, policy)
						require.ErrorIs(t, err, runloop.ErrMaybeApplied)
						require.NotErrorIs(t, err, runloop.ErrNotFound)
						assert.True(t, clienttest.AsAPIError(t, err).MaybeApplied)
						assert.Equal(t, 2, clienttest.AsAPIError(t, err).Attempts)
						inUse := second == "a 400 with a quote" || second == "a 400 without a message"
						assert.Equal(t, inUse, strings.Contains(fmt.Sprint(clienttest.Sentinels(err)), "ErrPolicyInUse"))
					}))
				}
			}
		}
	}
}

// A server that ignores the filter returns other policies, on as many pages as it has.
func TestDeleteReadsTheWholeListWhenTheFilterIsIgnored(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		pages  []httpmock.Responder
		absent bool
	}{
		{"one page without it", []httpmock.Responder{page(false, "a", "b")}, true},
		{"one page with it", []httpmock.Responder{page(false, "a", "npol_1", "b")}, false},
		{"on the second page", []httpmock.Responder{page(true, "a", "b"), page(false, "npol_1")}, false},
		{"on no page", []httpmock.Responder{page(true, "a", "b"), page(true, "c"), page(false, "d")}, true},
		{"an ID that begins like it", []httpmock.Responder{page(false, "npol_10")}, true},
		{"the second page fails", []httpmock.Responder{page(true, "a"), clienttest.Respond(403, "")}, false},
		{"the second page is the first again", []httpmock.Responder{page(true, "a"), page(true, "a")}, false},
		{"there is always more", []httpmock.Responder{page(true, "a"), page(true)}, false},
	} {
		t.Run(test.name, clienttest.InBubble(func(t *testing.T) {
			api, client := clienttest.NewAPI(t)
			api.On(http.MethodPost, clienttest.DeletePath, clienttest.Respond(503, ""), clienttest.Respond(404, ""))
			api.On(http.MethodGet, clienttest.PoliciesPath, test.pages...)

			policy, err := client.NetworkPolicies.Delete(t.Context(), "npol_1")

			if test.absent {
				require.NoError(t, err)
				assert.Equal(t, &runloop.NetworkPolicy{ID: "npol_1"}, policy)
				return
			}
			assert.Nil(t, policy)
			require.ErrorIs(t, err, runloop.ErrMaybeApplied)
			require.NotErrorIs(t, err, runloop.ErrNotFound)
		}))
	}
}

// A 400 after a lost response may mean that the policy is gone, or that devboxes use
// it. The list tells.
func TestDeleteOfAPolicyInUseStaysOne(t *testing.T) {
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

// launch launches a devbox under the policy, and forgets the request.
func launch(t *testing.T, fake *fakeAPI, policyID string) {
	t.Helper()
	require.NoError(t, fake.client.Do(t.Context(), http.MethodPost, "/v1/devboxes",
		map[string]any{"launch_parameters": map[string]string{"network_policy_id": policyID}}, nil))
	fake.ResetRequests()
}
