package live

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// byHand is the row that is left to a person.
const byHand = "how many labels * covers in a host name"

// results returns what the rows with other results than passed have shown.
func (r *run) results(t *testing.T) map[string]string {
	shown := map[string]string{}
	for _, row := range r.rows {
		if row.result != passed {
			assert.NotEqual(t, failed, row.result, "%s: %s", row.name, row.shown)
			assert.False(t, row.promise && row.result != notTried, "%s: %s", row.name, row.shown)
			shown[row.name] = row.shown
		}
	}
	return shown
}

// The rows tell what the fake does, with and without devboxes.
func TestTheFakeIsAsAssumed(t *testing.T) {
	t.Parallel()
	onFake(t, nil, func(t *testing.T, fake *runlooptest.Server, r *run) {
		r.checks(true)
		shown := r.results(t)
		assert.Len(t, shown, 1, shown)
		assert.Contains(t, shown[byHand], "it is left to a person: ")
		names := map[string]bool{}
		for _, row := range r.rows {
			assert.False(t, names[row.name], "there are two rows %q", row.name)
			names[row.name] = true
		}
		assert.Less(t, r.requests.Load(), int64(240), "others use the account too")
		for _, devbox := range fake.Devboxes()[1:] {
			assert.Contains(t, string(devbox.LaunchParameters), `"keep_alive_time_seconds":300`)
		}
	})
	onFake(t, nil, func(t *testing.T, fake *runlooptest.Server, r *run) {
		r.checks(false)
		for name, shown := range r.results(t) {
			assert.True(t, name == byHand || shown == "it needs -devbox", "%s: %s", name, shown)
		}
		assert.Empty(t, fake.Requests(runlooptest.CreateDevbox))
	})
}

// The fake can behave as the API may. The record has this in its rows and in no others, and
// the SDK keeps its promises with each.
func TestAnotherBehaviorIsRecordedAndTolerated(t *testing.T) {
	t.Parallel()
	stands := func() time.Time { return time.UnixMilli(1_000_000) }
	for name, other := range map[string]struct {
		opt    runlooptest.Option
		script runlooptest.DevboxScript
		shown  map[string]string // by the rows that differ
	}{
		"a taken name is a conflict": {opt: runlooptest.WithConflictStatus(http.StatusConflict), shown: map[string]string{
			"a taken name is refused with 400":                          "409, already exists",
			"a create under the same x-request-id is carried out again": "409, already exists",
			"a rename to a taken name is refused with 400":              "409, already exists",
		}},
		"an unknown ID is a bad request": {opt: runlooptest.WithUnknownIDStatus(http.StatusBadRequest), shown: map[string]string{
			"a second delete is 404":            "400, not found",
			"a get of a deleted policy is 404":  "400, not found",
			"a get of an unknown ID is 404":     "400, not found",
			"an update of an unknown ID is 404": "400, not found",
			"a delete of an unknown ID is 404":  "400, not found",
			"an ID of another form is 404":      "400, not found",
		}},
		"lists have the oldest item first": {opt: runlooptest.WithOldestFirst(), shown: map[string]string{
			"a list has the newest policy first": "not there",
			"a list has the newest devbox first": "not there",
		}},
		"version 0.1": {opt: runlooptest.WithVersion01(), shown: map[string]string{
			"allow_runloop_mirrors and allowed_cidrs are known":                    "400",
			"a policy without them shows them all the same":                        "absent and absent",
			"a range without ports shows none":                                     "400",
			"a port shows null for the end and the protocol that it was not given": "400",
			"search finds a part of a name":                                        "newer, older, others",
			"search finds an ID":                                                   "newer, older, others",
		}},
		"the clock stands still, long ago": {opt: runlooptest.WithClock(stands), shown: map[string]string{
			"the times of a new policy are Unix milliseconds":                "1000000, 1000000",
			"an update moves update_time_ms":                                 "false",
			"the time of a new devbox is in Unix milliseconds":               "1000000, null",
			"a devbox that is shut down has the status shutdown immediately": `"shutdown", "api_shutdown", 1000000`,
		}},
		"any key is accepted":                   {opt: runlooptest.WithAPIKey(""), shown: map[string]string{"a wrong key is refused with 401": "false"}},
		"there is room for seven more policies": {opt: runlooptest.WithPolicyLimit(len(others()) + 7)},
		"devboxes take minutes to start":        {opt: runlooptest.WithStartup(3 * time.Minute)},
		"devboxes are queued first":             {script: runlooptest.DevboxScript{Statuses: []string{"queued", "provisioning", "running"}}, shown: map[string]string{"a new devbox is provisioning": `"queued"`}},
		"a devbox never shows the policy": {script: runlooptest.DevboxScript{Echo: new("")}, shown: map[string]string{
			"a create shows the policy of the devbox":                 "absent",
			"a devbox gets running, with its policy and its metadata": `"running", absent, all of it`,
		}},
		"a check launches the second devbox": {opt: runlooptest.WithBlueprints(unknownBlueprint), shown: map[string]string{
			"a launch from an unknown blueprint is refused with 400":                     "200",
			"a launch from an unknown name of a blueprint is refused with 400":           string(errLaunches),
			"a launch from a blueprint and a snapshot is refused with 400":               string(errLaunches),
			"Launch returns a running devbox that uses its policy, and Shutdown ends it": string(errLaunches),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var opts []runlooptest.Option
			if other.opt != nil {
				opts = append(opts, other.opt)
			}
			onFake(t, opts, func(t *testing.T, fake *runlooptest.Server, r *run) {
				fake.ScriptDevboxes(other.script)
				r.checks(true)
				shown := r.results(t)
				delete(shown, byHand)
				assert.Equal(t, len(other.shown), len(shown), shown)
				assert.Subset(t, shown, other.shown)
				assert.Len(t, fake.Devboxes(), 1+maxLaunches)
			})
		})
	}
}

// onFake asserts that nothing is left. Here the run has reasons to leave something.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		onFake(t, []runlooptest.Option{runlooptest.WithRandomFaults(0.1, seed)}, func(t *testing.T, _ *runlooptest.Server, r *run) {
			r.checks(true)
		})
	}
	for after := int64(1); after < 150; after += 3 {
		onFake(t, nil, func(t *testing.T, _ *runlooptest.Server, r *run) {
			var interrupt context.CancelFunc
			r.ctx, interrupt = context.WithCancel(r.ctx)
			r.onRequest = func(number int64) {
				if number == after {
					interrupt()
				}
			}
			r.checks(true)
			assert.Equal(t, string(errInterrupted), r.rows[len(r.rows)-1].shown)
			r.results(t)
		})
	}
	onFake(t, nil, func(t *testing.T, fake *runlooptest.Server, r *run) {
		lost := runlooptest.Disconnect().AfterCommit()
		fake.Inject(runlooptest.CreateNetworkPolicy, lost)
		fake.Inject(runlooptest.CreateDevbox, lost)
		r.create(r.name(), "")
		require.Error(t, r.err)
		r.err = nil
		r.launch("")
		require.Error(t, r.err)
		assert.Len(t, fake.Running(), 2, "nobody knows its ID")
	})
}

func TestWhatIsLeftIsReported(t *testing.T) {
	t.Parallel()
	onFake(t, nil, func(t *testing.T, fake *runlooptest.Server, r *run) {
		policy, devbox := r.create(r.name(), "").id(), r.launch("").id()
		notNow := runlooptest.Respond(http.StatusConflict, `{"message": "not now"}`)
		fake.Inject(runlooptest.DeleteNetworkPolicy, notNow)
		fake.Inject(runlooptest.ShutdownDevbox, notNow)
		var reports []string
		r.cleanUp(func(format string, args ...any) { reports = append(reports, fmt.Sprintf(format, args...)) })
		require.Len(t, reports, 2)
		assert.Contains(t, reports[0], "devbox "+devbox+" of "+r.prefix+" could not be shut down, it may cost money: ")
		assert.Contains(t, reports[1], "policy "+policy+" of "+r.prefix+" could not be deleted: ")
	})
}

// TestProgram runs TestRealAPI as users do: in a process of its own, with the environment.
func TestProgram(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		optIn     string
		interrupt bool
		output    string
	}{
		"nothing is sent without the opt-in": {"", false, "SKIP: TestRealAPI"},
		"only 1 is the opt-in":               {"true", false, "SKIP: TestRealAPI"},
		"a record":                           {"1", false, "--- PASS: TestRealAPI"},
		"an interrupt":                       {"1", true, "the run was interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.interrupt && runtime.GOOS == "windows" {
				t.Skip("there is no interrupt to send")
			}
			file := filepath.Join(t.TempDir(), "record.md")
			command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRealAPI$", "-test.v", "-devbox", "-record="+file)
			ctx, awaited := context.WithCancel(t.Context())
			fake := runlooptest.New(runlooptest.WithAPIKey("key"), runlooptest.WithBlueprints())
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/wait_for_status") { // while the first devbox runs
					awaited()
				}
				fake.ServeHTTP(w, r)
			}))
			t.Cleanup(server.Close)
			command.Env = append(os.Environ(), "RUNLOOP_BASE_URL="+server.URL, "RUNLOOP_API_KEY=key", "RUNLOOP_CUSTOM_HEADERS=", "RUNLOOP_LIVE_TEST="+test.optIn)
			output := new(strings.Builder)
			command.Stdout, command.Stderr = output, output
			require.NoError(t, command.Start())
			if test.interrupt {
				context.AfterFunc(ctx, func() { _ = command.Process.Signal(os.Interrupt) })
			}
			err := command.Wait()
			assert.Equal(t, test.interrupt, err != nil, output)
			assert.Contains(t, output.String(), test.output)
			assert.Equal(t, test.optIn == "1", len(fake.Requests()) > 0)
			assert.Equal(t, test.interrupt, len(fake.Devboxes()) == 1)
			assert.Empty(t, fake.Running())
			assert.Empty(t, fake.Policies())
			if record, err := os.ReadFile(file); test.optIn == "1" {
				require.NoError(t, err)
				assert.Regexp(t, `^# What the API showed\n\nrunloop-go/\d+\.\d+\.\d+ tried 127.0.0.1:\d+ on \d{4}-\d\d-\d\d \d\d:\d\d UTC, with \d+ requests: \d+ passed, `, string(record))
				assert.Contains(t, string(record), "\n| a new devbox is provisioning | `\"provisioning\"` | `\"provisioning\"` | passed |\n")
			}
		})
	}
}

// onFake runs the test in a bubble, with an account of the fake that has policies and a
// devbox of others, and cleans up. It fails the test that changes those, or that leaves
// something.
func onFake(t *testing.T, opts []runlooptest.Option, test func(*testing.T, *runlooptest.Server, *run)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fake := runlooptest.NewTestServer(t, append([]runlooptest.Option{
			runlooptest.WithAPIKey("the-right-key"),
			runlooptest.WithPolicies(others()...),
			runlooptest.WithBlueprints("bp_1"),
			runlooptest.WithClock(ticking()),
		}, opts...)...)
		other := fake.AddDevbox(runlooptest.Devbox{Name: "of-others"})
		before := fake.Policies()
		r, err := newRun(t.Context(), fake.Client)
		require.NoError(t, err)
		test(t, fake, r)
		r.cleanUp(t.Errorf)
		assert.Equal(t, before, fake.Policies(), "the account is as it was")
		assert.Equal(t, []runlooptest.Devbox{other}, fake.Running())
	})
}

// others are policies that a run did not create: one more than a page has.
func others() []runloop.NetworkPolicy {
	policies := make([]runloop.NetworkPolicy, 21)
	for i := range policies {
		policies[i].Name = fmt.Sprintf("of-others-%02d", i)
	}
	return policies
}

// ticking returns a clock that advances by a millisecond with each reading, so that no two
// policies have the same time.
func ticking() func() time.Time {
	var readings time.Duration
	return func() time.Time {
		readings++
		return time.Now().Add(readings * time.Millisecond)
	}
}
