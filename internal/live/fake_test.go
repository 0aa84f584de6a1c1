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

// results returns what the rows show whose result is not passed. There must be no failure, and no
// broken promise.
func (r *run) results(t *testing.T) map[string]string {
	shown, names := map[string]string{}, map[string]bool{}
	for _, row := range r.rows {
		assert.False(t, names[row.name], "there are two rows %q", row.name)
		names[row.name] = true
		if row.result != passed {
			assert.True(t, row.result == notTried || row.result == differs && !row.promise, "%s: %s", row.name, row.shown)
			shown[row.name] = row.shown
		}
	}
	return shown
}

// The rows state what the fake does, with and without devboxes.
func TestTheFakeIsAsAssumed(t *testing.T) {
	t.Parallel()
	onFake(t, nil, func(t *testing.T, fake *runlooptest.Server, r *run) {
		r.checks(true)
		shown := r.results(t)
		assert.Len(t, shown, 1, shown)
		assert.Contains(t, shown[byHand], "it is left to a person: ")
		assert.Less(t, r.requests.Load(), int64(240), "other programs use the account too")
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

// The fake can behave in all ways in which the API might. The record shows each in its own rows
// only, and the SDK keeps its promises in each case.
func TestAnotherBehaviorIsRecordedAndTolerated(t *testing.T) {
	t.Parallel()
	const taken, launches, refused = "409, already exists", string(errLaunches), "400"
	type rows = map[string]string // that differ
	for name, other := range map[string]struct {
		opt    runlooptest.Option
		script runlooptest.DevboxScript
		shown  rows
	}{
		"a taken name is a conflict": {opt: runlooptest.WithConflictStatus(http.StatusConflict), shown: rows{
			"a taken name is refused with 400":                      taken,
			"a create under the same x-request-id is applied again": taken,
			"a rename to a taken name is refused with 400":          taken,
		}},
		"version 0.1": {opt: runlooptest.WithVersion01(), shown: rows{
			"allow_runloop_mirrors and allowed_cidrs are known":                    refused,
			"a policy without them shows them anyway":                              "absent and absent",
			"a range without ports shows none":                                     refused,
			"a port shows null for the end and the protocol that it was not given": refused,
			"search finds a part of a name":                                        "newer, older, others",
			"search finds an ID":                                                   "newer, older, others",
		}},
		"there is room for seven more policies": {opt: runlooptest.WithPolicyLimit(others + 7)},
		"devboxes take minutes to start":        {opt: runlooptest.WithStartup(3 * time.Minute)},
		"a devbox never shows the policy": {script: runlooptest.DevboxScript{Echo: new("")}, shown: rows{
			"a create shows the policy of the devbox":                   "absent",
			"a devbox starts running, with its policy and its metadata": `"running", absent, all of it`,
		}},
		"a check launches the second devbox": {opt: runlooptest.WithBlueprints(unknownBlueprint), shown: rows{
			"a launch from an unknown blueprint is refused with 400":                     "200",
			"a launch from an unknown name of a blueprint is refused with 400":           launches,
			"a launch from a blueprint and a snapshot is refused with 400":               launches,
			"Launch returns a running devbox that uses its policy, and Shutdown ends it": launches,
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

// onFake asserts that nothing is left, here after faults, interrupts and lost responses.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		faults := runlooptest.WithRandomFaults(0.1, seed)
		onFake(t, []runlooptest.Option{faults}, func(t *testing.T, _ *runlooptest.Server, r *run) { r.checks(true) })
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
		assert.Contains(t, reports[0], "devbox "+devbox+" of "+r.prefix+" could not be shut down and may cost money: ")
		assert.Contains(t, reports[1], "policy "+policy+" of "+r.prefix+" could not be deleted: ")
	})
}

// TestProgram runs TestRealAPI as users do: in a separate process, with the environment.
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
				assert.Contains(t, string(record), "\n| a new devbox is provisioning | `\"provisioning\"` | `\"provisioning\"` | passed |")
			}
		})
	}
}

// onFake runs the test in a bubble, with an account of the fake that has more than a page of
// policies and a devbox of other programs, and cleans up. It fails the test if those have changed,
// or if something is left.
func onFake(t *testing.T, opts []runlooptest.Option, test func(*testing.T, *runlooptest.Server, *run)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var readings time.Duration // of a clock that gives no two policies the same time
		fake := runlooptest.NewTestServer(t, append([]runlooptest.Option{
			runlooptest.WithAPIKey("the-right-key"),
			runlooptest.WithBlueprints("bp_1"),
			runlooptest.WithClock(func() time.Time {
				readings++
				return time.Now().Add(readings * time.Millisecond)
			}),
		}, opts...)...)
		for i := range others {
			fake.AddPolicy(runloop.NetworkPolicy{Name: fmt.Sprintf("of-others-%02d", i)})
		}
		other := fake.AddDevbox(runlooptest.Devbox{Name: "of-others"})
		before := fake.Policies()
		r, err := newRun(t.Context(), fake.Client)
		require.NoError(t, err)
		test(t, fake, r)
		r.cleanUp(t.Errorf)
		assert.Equal(t, before, fake.Policies(), "the account is as before")
		assert.Equal(t, []runlooptest.Devbox{other}, fake.Running())
	})
}

const others = 21 // policies: one more than a page has
