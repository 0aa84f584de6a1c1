package runlooptest_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const createX = `{"name": "x"}`

func TestFaultsMeetTheRequestsOfTheirOperationInOrder(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t)
	s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Status(500), runlooptest.Fault{}, runlooptest.Status(502))
	s.Inject(runlooptest.GetNetworkPolicy, runlooptest.Status(504))
	s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Status(503))
	var got []int
	for i := range 5 {
		got = append(got, send(t, s, "POST", policiesPath, fmt.Sprintf(`{"name": "p%d"}`, i)).status)
	}
	assert.Equal(t, []int{500, 200, 502, 503, 200}, got)
	assert.Equal(t, 504, send(t, s, "GET", policyPath, ``).status)
	get(t, s, policyPath)
	assert.Empty(t, s.Unfired())
}

// Each fault meets a create of the policy x, or an invalid create.
func TestResponsesOfFaults(t *testing.T) {
	t.Parallel()
	const page = "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n</body>\r\n</html>\r\n"
	const html = "text/html"
	for name, tt := range map[string]struct {
		fault             runlooptest.Fault
		status            int
		contentType, body string
		length            string // the Content-Length
		policies          int    // in the end
	}{
		"Respond":                      {runlooptest.Respond(502, "<p>bad</p>").WithHeader("Content-Type", html), 502, html, "<p>bad</p>", "10", 0},
		"Respond without a body":       {runlooptest.Respond(200, ""), 200, "application/json", "", "0", 0},
		"no content":                   {runlooptest.Respond(204, ""), 204, "application/json", "", "", 0},
		"not modified":                 {runlooptest.Respond(304, ""), 304, "", "", "", 0},
		"an unknown status":            {runlooptest.Respond(999, `{"message": "odd"}`), 999, "application/json", `{"message": "odd"}`, "18", 0},
		"Respond after the commit":     {runlooptest.Respond(504, `{}`).AfterCommit(), 504, "application/json", `{}`, "2", 1},
		"Page":                         {runlooptest.Page(404), 404, html, page, "118", 0},
		"Page after the commit":        {runlooptest.Page(404).AfterCommit(), 404, html, page, "118", 1},
		"Page cut off":                 {runlooptest.Page(404).WithCutBody(20), 404, html, page[:20], "118", 0},
		"Status cut off":               {runlooptest.Status(400).WithCutBody(12), 400, "application/json", `{"error":"sc`, "50", 0},
		"ReplaceBody":                  {runlooptest.ReplaceBody(`{"id": ""}`), 200, "application/json", `{"id": ""}`, "10", 1},
		"redirect":                     {runlooptest.Respond(302, "").WithHeader("Location", "https://x.example/"), 302, "application/json", "", "0", 0},
		"ReplaceBody keeps the status": {runlooptest.ReplaceBody("sorry"), 400, "application/json", "sorry", "5", 0},
		"ReplaceBody with a header":    {runlooptest.ReplaceBody("<p>sorry</p>").WithHeader("Content-Type", html), 200, html, "<p>sorry</p>", "12", 1},
		"a header of its own":          {runlooptest.Fault{}.WithHeader("Content-Type", html).WithCutBody(3), 200, html, `{"i`, "298", 1},
		"a body without its beginning": {runlooptest.CutBody(0), 200, "application/json", "", "298", 1},
		"the first byte of the body":   {runlooptest.CutBody(1), 200, "application/json", "{", "298", 1},
		"the beginning of the body":    {runlooptest.CutBody(21), 200, "application/json", `{"id":"npol_000001","`, "298", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBothNetworks(t, func(t *testing.T, s *runlooptest.Server) {
				s.Inject(runlooptest.CreateNetworkPolicy, tt.fault.WithHeader("Retry-After", "7"))
				body := createX
				if tt.status == 400 {
					body = `{}`
				}
				r, err := trySend(s, "POST", policiesPath, body)
				if length, _ := strconv.Atoi(tt.length); length > len(tt.body) {
					require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				} else {
					require.NoError(t, err)
				}
				assert.Equal(t, tt.status, r.status)
				assert.Equal(t, tt.contentType, strings.Join(r.header["Content-Type"], " "))
				assert.Equal(t, tt.length, r.header.Get("Content-Length"))
				assert.Equal(t, "7", r.header.Get("Retry-After"))
				assert.Equal(t, tt.body, r.body)
				assert.Len(t, s.Policies(), tt.policies)
			}, atNoon())
		})
	}
}

func TestDisconnect(t *testing.T) {
	t.Parallel()
	onBothNetworks(t, func(t *testing.T, s *runlooptest.Server) {
		s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Disconnect(), runlooptest.Disconnect().AfterCommit())
		requireDropped(t, s, policiesPath, `{"name": "before"}`)
		assert.Empty(t, s.Policies())
		requireDropped(t, s, policiesPath, `{"name": "after"}`)
		require.Len(t, s.Policies(), 1)
		assert.Equal(t, "after", s.Policies()[0].Name)
		postRefused(t, s, policiesPath, `{"name": "after"}`, "already exists")
		s.Inject(runlooptest.DeleteNetworkPolicy, runlooptest.Disconnect().AfterCommit())
		requireDropped(t, s, policyPath+"/delete", ``)
		assert.Empty(t, s.Policies())
	})
}

func TestNetHTTPRetriesAGETAfterADisconnect(t *testing.T) {
	t.Parallel()
	onBothNetworks(t, func(t *testing.T, s *runlooptest.Server) {
		s.Inject(runlooptest.ListNetworkPolicies, runlooptest.Disconnect(), runlooptest.Fault{}, runlooptest.Disconnect())
		_, err := trySend(s, "GET", policiesPath, ``)
		require.ErrorIs(t, err, io.EOF, "not on a new connection")
		for range 2 {
			get(t, s, policiesPath)
		}
		assert.Len(t, s.Requests(), 4)
	})
}

func TestRepeatCursor(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(4))
	s.AddDevbox(runlooptest.Devbox{})
	s.Inject(runlooptest.ListNetworkPolicies, runlooptest.RepeatCursor(), runlooptest.RepeatCursor(), runlooptest.RepeatCursor())
	s.Inject(runlooptest.ListDevboxes, runlooptest.RepeatCursor(), runlooptest.RepeatCursor())
	for _, tt := range []struct {
		path, query string
		ids         []string
		more        bool
	}{
		{policiesPath, "", []string{"npol_000004", "npol_000003", "npol_000002", "npol_000001"}, true},
		{policiesPath, "starting_after=npol_000001", []string{"npol_000001"}, true},
		{policiesPath, "starting_after=npol_000001", []string{"npol_000001"}, true},
		{policiesPath, "starting_after=npol_000001", nil, false},
		{devboxesPath, "", []string{"dbx_000001"}, true},
		{devboxesPath, "starting_after=dbx_000001", []string{"dbx_000001"}, true},
	} {
		ids, page := listed(t, s, tt.path, tt.query, "id")
		assert.Equal(t, tt.ids, ids)
		assert.Equal(t, tt.more, page["has_more"])
	}
}

func TestDelays(t *testing.T) {
	inBubble(func(t *testing.T) {
		s := runlooptest.NewTestServer(t, runlooptest.WithLatency(time.Second))
		s.Inject(runlooptest.CreateNetworkPolicy,
			runlooptest.Delay(3*time.Hour),
			runlooptest.Status(504).WithDelay(time.Minute).AfterCommit(),
			runlooptest.Disconnect().WithDelay(time.Hour),
		)
		for i, want := range []struct {
			took             time.Duration
			status, policies int
		}{{3 * time.Hour, 200, 1}, {time.Minute, 504, 2}, {time.Hour, 0, 2}, {0, 200, 3}} {
			start := time.Now()
			r, err := trySend(s, "POST", policiesPath, fmt.Sprintf(`{"name": "p%d"}`, i))
			assert.Equal(t, want.status == 0, err != nil)
			assert.Equal(t, want.status, r.status)
			assert.Len(t, s.Policies(), want.policies)
			assert.Equal(t, want.took+time.Second, time.Since(start), "every request has the latency")
		}
	})(t)
}

func TestAClientThatGivesUpDuringADelay(t *testing.T) {
	for name, tt := range map[string]struct {
		opt      runlooptest.Option
		fault    runlooptest.Fault
		policies int
	}{
		"before the commit":  {runlooptest.WithLatency(0), runlooptest.Delay(time.Hour), 0},
		"after the commit":   {runlooptest.WithLatency(0), runlooptest.Delay(time.Hour).AfterCommit(), 1},
		"during the latency": {runlooptest.WithLatency(time.Hour), runlooptest.Status(503).AfterCommit(), 0},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			s := runlooptest.NewTestServer(t, tt.opt)
			s.Inject(runlooptest.CreateNetworkPolicy, tt.fault)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			req, err := newRequest(s, "POST", policiesPath, createX)
			require.NoError(t, err)
			_, err = do(s, req.WithContext(ctx))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			time.Sleep(2 * time.Hour)
			synctest.Wait()
			assert.Len(t, s.Policies(), tt.policies)
			assert.Zero(t, s.Requests()[0].Status)
			assert.Empty(t, s.Unfired())
		}))
	}
}

func TestBeforeRunsFirst(t *testing.T) {
	inBubble(func(t *testing.T) {
		s := runlooptest.NewTestServer(t, seeded(3), runlooptest.WithLatency(time.Second))
		start := time.Now()
		var took time.Duration
		s.Inject(runlooptest.GetNetworkPolicy,
			runlooptest.Before(func() {
				took = time.Since(start)
				assert.Len(t, s.Policies(), 3)
				assert.Len(t, s.Requests(), 1)
				assert.Zero(t, s.Requests()[0].Status)
				assert.Equal(t, 200, send(t, s, "POST", policyPath+"/delete", ``).status)
			}),
			runlooptest.Status(503).WithDelay(time.Minute).Before(func() { s.AddPolicy(runloop.NetworkPolicy{Name: "new"}) }),
		)
		s.Inject(runlooptest.ShutdownDevbox, runlooptest.Disconnect().AfterCommit().Before(func() { s.AddDevbox(runlooptest.Devbox{}) }))
		requireRefusal(t, send(t, s, "GET", policyPath, ``), 404, "not found")
		assert.Zero(t, took, "ahead of every delay")
		assert.Equal(t, "call", s.Requests()[0].Fault)
		assert.Equal(t, 503, send(t, s, "GET", policyPath, ``).status)
		assert.Len(t, s.Policies(), 3)
		requireDropped(t, s, devboxPath+"/shutdown", ``)
		assert.Equal(t, "shutdown", s.Devboxes()[0].Status)
	})(t)
}

func TestLateDelivery(t *testing.T) {
	inBubble(func(t *testing.T) {
		s := runlooptest.NewTestServer(t, runlooptest.WithAPIKey("any-key"), runlooptest.WithClock(nil), runlooptest.WithLogger(nil))
		s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Late(time.Minute), runlooptest.Late(2*time.Minute).AfterCommit())
		for range 2 {
			requireDropped(t, s, policiesPath, createX)
		}
		assert.Empty(t, s.Policies())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, s.Policies(), 1)
		post(t, s, policyPath+"/delete", ``)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, s.Policies(), 1, "a policy reappears after its delete")
		assert.Equal(t, time.Now().UTC(), s.Policies()[0].CreateTime)
		assert.Len(t, s.Requests(runlooptest.CreateNetworkPolicy), 2, "a late delivery is not recorded")

		// A bubble may end before a delivery, and a wait that is delivered late ends.
		s.Inject(runlooptest.CreateDevbox, runlooptest.Late(time.Hour))
		s.Inject(runlooptest.WaitForDevboxStatus, runlooptest.Late(0))
		requireDropped(t, s, devboxesPath, ``)
		s.AddDevbox(runlooptest.Devbox{Status: "queued"})
		requireDropped(t, s, devboxPath+"/wait_for_status", `{"statuses": ["running"]}`)
	})(t)
}

func TestReplay(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t)
	s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Replay())
	s.Inject(runlooptest.CreateDevbox, runlooptest.Replay())
	postRefused(t, s, policiesPath, createX, "already exists")
	assert.Len(t, s.Policies(), 1)
	assert.Equal(t, "dbx_000002", field(t, post(t, s, devboxesPath, ``), "id"))
	assert.Len(t, s.Devboxes(), 2)
	assert.Len(t, s.Requests(), 2)
}

func TestUnfiredFaultsFailTheTest(t *testing.T) {
	t.Parallel()
	const nothing = ": the response gave it nothing to act on"
	const list = runlooptest.ListNetworkPolicies
	type faults = []runlooptest.Fault
	type scripts = []runlooptest.DevboxScript
	for name, tt := range map[string]struct {
		op      runlooptest.Operation
		faults  faults
		scripts scripts
		query   string // of the one list of policies
		want    []string
	}{
		"no request": {runlooptest.GetDevbox, faults{runlooptest.Status(503)}, nil, "", []string{"getDevbox: fault 1 (status 503): no request came"}},
		"too few requests": {list, faults{runlooptest.Status(503), {}, runlooptest.Disconnect().AfterCommit(), {}}, nil, "",
			[]string{"listNetworkPolicies: fault 3 (disconnect after commit): no request came"}},
		"no cursor":        {list, faults{runlooptest.RepeatCursor()}, nil, "", []string{"listNetworkPolicies: fault 1 (repeat cursor)" + nothing}},
		"a refused list":   {list, faults{runlooptest.RepeatCursor()}, nil, "limit=0", []string{"listNetworkPolicies: fault 1 (repeat cursor)" + nothing}},
		"a short body":     {list, faults{runlooptest.CutBody(56)}, nil, "", []string{"listNetworkPolicies: fault 1 (cut body after 56 bytes)" + nothing}},
		"a long body":      {list, faults{runlooptest.CutBody(55)}, nil, "", nil},
		"too few launches": {list, nil, scripts{{Statuses: []string{"queued"}}, {}, {Echo: new("")}}, "", []string{"devbox script 3: no launch came"}},
		"placeholders":     {runlooptest.GetDevbox, faults{{}, {}}, scripts{{}, {}}, "", nil},
	} {
		for network, newServer := range networks {
			t.Run(name+" "+network, func(t *testing.T) {
				t.Parallel()
				tb := new(fakeTB)
				s := newServer(tb)
				s.Inject(tt.op, tt.faults...)
				s.ScriptDevboxes(tt.scripts...)
				_, _ = trySend(s, "GET", policiesPath+"?"+tt.query, ``)
				_, _ = trySend(s, "POST", devboxesPath, ``)
				assert.Equal(t, tt.want, s.Unfired())
				tb.end()
				_, err := trySend(s, "GET", policiesPath, ``)
				require.Error(t, err, "the server closes with the test")
				var errors []string
				if tt.want != nil {
					errors = []string{"runlooptest: scripted faults did not fire:\n\t" + strings.Join(tt.want, "\n\t")}
				}
				assert.Equal(t, errors, tb.errors)
			})
		}
	}
}

func TestManyUnfiredFaultsAreCutShort(t *testing.T) {
	t.Parallel()
	tb := new(fakeTB)
	server := runlooptest.NewTestServer(tb)
	server.Inject(runlooptest.GetNetworkPolicy, slices.Repeat([]runlooptest.Fault{runlooptest.Disconnect()}, 25)...)
	tb.end()
	require.Len(t, tb.errors, 1)
	assert.Equal(t, 10, strings.Count(tb.errors[0], "no request came"))
	assert.True(t, strings.HasSuffix(tb.errors[0], "\n\tand 15 more"), tb.errors[0])
}

// A fakeTB is a test whose failures are recorded.
type fakeTB struct {
	errors   []string
	cleanups []func()
}

func (tb *fakeTB) Helper()          {}
func (tb *fakeTB) Cleanup(f func()) { tb.cleanups = append(tb.cleanups, f) }
func (tb *fakeTB) Errorf(format string, args ...any) {
	tb.errors = append(tb.errors, fmt.Sprintf(format, args...))
}

func (tb *fakeTB) end() {
	for _, f := range tb.cleanups {
		f()
	}
}

func TestFaultsAreValues(t *testing.T) {
	t.Parallel()
	base := runlooptest.Status(429).WithHeader("A", "1")
	changed := base.WithHeader("A", "2").WithHeader("B", "3").WithDelay(time.Second).AfterCommit()
	s := runlooptest.NewTestServer(t)
	s.Inject(runlooptest.CreateNetworkPolicy, base)
	r := send(t, s, "POST", policiesPath, createX)
	assert.Equal(t, "1", r.header.Get("A"))
	assert.Empty(t, r.header.Get("B"))
	assert.Empty(t, s.Policies())
	assert.Equal(t, "delay 1s, status 429 after commit", changed.String())
}

func TestFaultStrings(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]runlooptest.Fault{
		"none":                    {},
		"set headers":             runlooptest.Fault{}.WithHeader("A", "b"),
		"delay 1m0s":              runlooptest.Delay(time.Minute),
		"delay 1m0s after commit": runlooptest.Delay(time.Minute).AfterCommit(),
		"status 503":              runlooptest.Status(503),
		"status 200 after commit": runlooptest.Respond(200, "x").AfterCommit(),
		"disconnect":              runlooptest.Disconnect(),
		"disconnect after commit": runlooptest.Disconnect().AfterCommit(),
		"cut body after 7 bytes":  runlooptest.CutBody(7).AfterCommit(),
		"replace body":            runlooptest.ReplaceBody("x"),
		"delay 1s, repeat cursor": runlooptest.RepeatCursor().WithDelay(time.Second),
		"status 429":              runlooptest.Status(429).WithHeader("Retry-After", "1"),
		"call":                    runlooptest.Before(func() {}),
		"deliver 5s late":         runlooptest.Late(5 * time.Second).AfterCommit(),
		"replay":                  runlooptest.Replay().AfterCommit(),
		"cut body after 3 bytes":  runlooptest.CutBody(3).WithHeader("A", "b"),
		"call, delay 1s, status 404 after commit, cut body after 9 bytes": runlooptest.Page(404).WithCutBody(9).WithDelay(time.Second).AfterCommit().Before(func() {}),
	} {
		assert.Equal(t, want, f.String())
	}
	s := runlooptest.NewTestServer(t)
	s.Inject(runlooptest.ListNetworkPolicies, runlooptest.Fault{}.WithHeader("A", "b"))
	get(t, s, policiesPath)
	get(t, s, policiesPath)
	assert.Equal(t, []string{"set headers", ""}, []string{s.Requests()[0].Fault, s.Requests()[1].Fault})
}

func TestFaultsPrecedeAuthorization(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithAPIKey("right"))
	s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Status(503), runlooptest.Status(502).AfterCommit())
	for _, want := range []int{503, 502, 401} {
		assert.Equal(t, want, send(t, s, "POST", policiesPath, createX).status)
	}
	assert.Empty(t, s.Policies())
}

func TestRandomFaults(t *testing.T) {
	t.Parallel()
	run := func(rate float64, seed uint64, scripted ...runlooptest.Fault) (faults []string) {
		s := runlooptest.NewTestServer(t, runlooptest.WithRandomFaults(rate, seed), runlooptest.WithPolicyLimit(0))
		s.Inject(runlooptest.CreateNetworkPolicy, scripted...)
		healthy, committed := 0, 0
		for i := range 300 {
			r, err := trySend(s, "POST", policiesPath, fmt.Sprintf(`{"name": "p%d"}`, i))
			if err == nil && r.status == 200 {
				healthy++
			}
			if r.status == 429 {
				assert.Equal(t, "1", r.header.Get("Retry-After"))
			}
		}
		for _, r := range s.Requests() {
			faults = append(faults, r.Fault)
			if r.Fault == "" {
				healthy--
			}
			if r.Fault == "" || strings.Contains(r.Fault, "after") {
				committed++
			}
		}
		assert.Zero(t, healthy, "only requests with a fault fail")
		assert.Len(t, s.Policies(), committed)
		return faults
	}
	kinds := func(faults []string) map[string]int {
		count := map[string]int{}
		for _, f := range faults {
			kind, _, _ := strings.Cut(f, " after ")
			if strings.HasSuffix(f, "commit") {
				kind = f
			}
			count[kind]++
		}
		return count
	}
	third := run(0.3, 7)
	assert.Equal(t, third, run(0.3, 7), "same seed")
	assert.NotEqual(t, third, run(0.3, 8), "other seed")
	count := kinds(third)
	assert.InDelta(t, 210, count[""], 30)
	for _, kind := range []string{"status 429", "status 503", "status 502 after commit", "disconnect", "disconnect after commit", "cut body"} {
		assert.InDelta(t, 15, count[kind], 12, kind)
	}
	assert.Len(t, count, 7)
	assert.Equal(t, map[string]int{"": 300}, kinds(run(0, 7)))
	assert.NotContains(t, kinds(run(1, 7)), "")

	want := run(0.5, 7)
	want[0], want[1] = "status 504", ""
	assert.Equal(t, want, run(0.5, 7, runlooptest.Status(504), runlooptest.Fault{}), "scripted faults come first and shift nothing")
}
