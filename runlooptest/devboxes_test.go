package runlooptest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// statusOf looks at a devbox and returns its status.
func statusOf(t *testing.T, s *runlooptest.Server, id string) string {
	t.Helper()
	return field(t, get(t, s, devboxesPath+"/"+id), "status").(string)
}

const (
	waitPath = devboxPath + "/wait_for_status"
	anyEnd   = `{"statuses": ["running", "failure", "shutdown"]}`
	anyEnd30 = `{"statuses": ["running", "failure", "shutdown"], "timeout_seconds": 30}`
)

func TestDevboxLifecycle(t *testing.T) {
	t.Parallel()
	now := noon
	s := runlooptest.NewTestServer(t, seeded(1), runlooptest.WithClock(func() time.Time { return now }))
	const launchParameters = `{"keep_alive_time_seconds": 60, "network_policy_id": "npol_000001", "newer": [1]}`
	view := func(status, endTime, transitions string) string {
		return `{"id": "dbx_000001", "name": "box", "blueprint_id": "bp_1", "capabilities": [], "create_time_ms": ` + noonMS + `,
			"launch_parameters": ` + launchParameters + `, "metadata": {"task": "7"}, "status": ` + status + `, "end_time_ms": ` + endTime + `,
			"state_transitions": [{"status": "provisioning", "transition_time_ms": ` + noonMS + `}` + transitions + `]}`
	}
	const toRunning = `, {"status": "running", "transition_time_ms": 1795348801000}`
	provisioning, running := view(`"provisioning"`, "null", ""), view(`"running"`, "null", toRunning)
	assert.JSONEq(t, provisioning, post(t, s, devboxesPath, `{
		"name": "box", "metadata": {"task": "7"}, "blueprint_id": "bp_1", "environment_variables": {"A": "b"}, "entrypoint": "sh",
		"launch_parameters": `+launchParameters+`, "mounts": [{"type": "agent_mount"}], "newer": {}
	}`))
	stored := runlooptest.Devbox{
		ID: "dbx_000001", Name: "box", Status: "provisioning", NetworkPolicyID: "npol_000001", BlueprintID: "bp_1", Entrypoint: "sh",
		EnvironmentVariables: map[string]string{"A": "b"}, Metadata: map[string]string{"task": "7"},
		LaunchParameters: json.RawMessage(launchParameters), CreateTime: noon,
	}
	for range 2 { // Devboxes and Running are not looks
		assert.Equal(t, []runlooptest.Devbox{stored}, s.Devboxes())
		assert.Equal(t, []runlooptest.Devbox{stored}, s.Running())
	}

	now = noon.Add(time.Second)
	for range 2 {
		assert.JSONEq(t, running, get(t, s, devboxPath))
	}
	assert.JSONEq(t, `{"devboxes": [`+running+`], "has_more": false, "total_count": 1}`, get(t, s, devboxesPath))
	assert.JSONEq(t, running, post(t, s, waitPath, anyEnd))

	now = noon.Add(2 * time.Second)
	shutdown := view(`"shutdown", "shutdown_reason": "api_shutdown"`, "1795348802000", toRunning+`, {"status": "shutdown", "transition_time_ms": 1795348802000}`)
	assert.JSONEq(t, shutdown, post(t, s, devboxPath+"/shutdown?force=true", ``))
	now = noon.Add(time.Hour)
	assert.JSONEq(t, shutdown, post(t, s, devboxPath+"/shutdown", `{}`), "a second shutdown changes nothing")
	assert.JSONEq(t, shutdown, get(t, s, devboxPath))
	assert.JSONEq(t, `{"devboxes": [`+shutdown+`], "has_more": false, "total_count": 1}`, get(t, s, devboxesPath))
	stored.Status, stored.ShutdownReason, stored.EndTime = "shutdown", "api_shutdown", noon.Add(2*time.Second)
	assert.Equal(t, []runlooptest.Devbox{stored}, s.Devboxes())
	assert.Empty(t, s.Running())
}

func TestCreateAndAwaitRunning(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1))
	const path = devboxesPath + "/create_and_await_running"
	devbox := post(t, s, path, `{"launch_parameters": {"network_policy_id": "npol_000001"}}`)
	assert.Equal(t, "running", field(t, devbox, "status"))
	assert.JSONEq(t, devbox, get(t, s, devboxPath))
	assert.Len(t, s.Requests(runlooptest.CreateDevbox), 1)
	assert.Equal(t, "npol_000001", s.Devboxes()[0].NetworkPolicyID)
	postRefused(t, s, path, `{"launch_parameters": {"network_policy_id": "npol_999999"}}`, "not found")
	requireRefusal(t, send(t, s, "GET", path, ``), 400, "not found")
	assert.Len(t, s.Devboxes(), 1)
}

func TestDevboxWithoutPolicy(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1))
	bodies := []string{
		``, `{}`, `{"launch_parameters": null}`, `{"launch_parameters": {}}`, `{"launch_parameters": {"network_policy_id": null}}`,
		`{"name": null, "metadata": null, "launch_parameters": {"resource_size_request": "SMALL"}}`,
		// These protect nothing, and the API does not refuse them.
		`{"network_policy_id": "npol_000001"}`, `{"network_policy_id": 1}`, `{"launch_parameters": {"networkPolicyId": "npol_000001"}}`,
	}
	for _, body := range bodies {
		post(t, s, devboxesPath, body)
	}
	assert.Len(t, s.Devboxes(), len(bodies))
	for _, d := range s.Devboxes() {
		assert.Empty(t, d.NetworkPolicyID+d.Name)
		view := field(t, get(t, s, devboxesPath+"/"+d.ID)).(map[string]any)
		assert.IsType(t, map[string]any{}, view["launch_parameters"])
		assert.IsType(t, map[string]any{}, view["metadata"])
		assert.NotContains(t, view, "name")
		assert.NotContains(t, view, "network_policy_id")
	}
	post(t, s, policyPath+"/delete", ``)
}

func TestRefusedLaunches(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1), runlooptest.WithBlueprints("bp_1", "base"))
	for body, text := range map[string]string{
		`{"launch_parameters": {"network_policy_id": "npol_999999"}}`: "not found",
		`{"launch_parameters": {"network_policy_id": ""}}`:            "not found",
		`{"launch_parameters": {"network_policy_id": 1}}`:             "wrong type or value at /network_policy_id",
		`{"launch_parameters": {"keep_alive_time_seconds": "1h"}}`:    "wrong type or value at /keep_alive_time_seconds",
		`{"launch_parameters": {"keep_alive_time_seconds": 1.5}}`:     "wrong type or value at /keep_alive_time_seconds",
		`{"launch_parameters": {"launch_commands": "true"}}`:          "wrong type or value at /launch_commands",
		`{"launch_parameters": []}`:                                   "launch_parameters is not an object",
		`{"launch_parameters": "npol_000001"}`:                        "launch_parameters is not an object",
		`{"name": 1}`:                                                 "wrong type or value at /name",
		`{"metadata": {"a": 1}}`:                                      "wrong type or value at /metadata/a",
		`{"environment_variables": {"a": true}}`:                      "wrong type or value at /environment_variables/a",
		`{"launch_parameters": {"a": 1, "a": 2}}`:                     "duplicate field",
		`{"launch_parameters": {"network_policy_id": "npol_000001"}`:  "malformed JSON",
		`{"blueprint_id": "bp_2"}`:                                    `Blueprint "bp_2" not found`,
		`{"blueprint_name": "other"}`:                                 `Blueprint "other" not found`,
		`{"blueprint_id": ""}`:                                        "must not be empty",
		`{"snapshot_id": ""}`:                                         "must not be empty",
		`{"blueprint_id": "bp_1", "blueprint_name": "base"}`:          "At most one of",
		`{"blueprint_id": "bp_1", "snapshot_id": "snp_1"}`:            "At most one of",
		`[]`: "not a JSON object",
	} {
		postRefused(t, s, devboxesPath, body, text)
	}
	assert.Empty(t, s.Devboxes())
	for _, body := range []string{`{"blueprint_id": "bp_1", "snapshot_id": null}`, `{"blueprint_name": "base"}`, `{"snapshot_id": "snp_1"}`} {
		post(t, s, devboxesPath, body)
	}
	post(t, runlooptest.NewTestServer(t), devboxesPath, `{"blueprint_id": "any"}`)
	postRefused(t, runlooptest.NewTestServer(t, runlooptest.WithBlueprints()), devboxesPath, `{"blueprint_id": "any"}`, "not found")

	const unknown = devboxesPath + "/dbx_nonexistent12345"
	requireRefusal(t, send(t, s, "GET", unknown, ``), 400, "not found")
	postRefused(t, s, unknown+"/shutdown", ``, "not found")
	postRefused(t, s, unknown+"/shutdown", `[]`, "not a JSON object")
	postRefused(t, s, unknown+"/wait_for_status", anyEnd, "not found")
}

func TestStartupTakesTime(t *testing.T) {
	inBubble(func(t *testing.T) {
		s := runlooptest.NewTestServer(t, runlooptest.WithStartup(time.Minute))
		s.ScriptDevboxes(runlooptest.DevboxScript{}, runlooptest.DevboxScript{Statuses: []string{"queued", "provisioning", "initializing", "running"}})
		for range 2 {
			post(t, s, devboxesPath, ``)
		}
		var seen []string
		for range 5 {
			for range 3 { // looks change nothing
				statusOf(t, s, "dbx_000002")
			}
			seen = append(seen, statusOf(t, s, "dbx_000001")+" "+statusOf(t, s, "dbx_000002"))
			time.Sleep(20 * time.Second)
		}
		assert.Equal(t, []string{"provisioning queued", "provisioning provisioning", "provisioning initializing", "running running", "running running"}, seen)
	})(t)
}

// A status is reached at its time, whatever observes it first.
func TestStartupWithoutARead(t *testing.T) {
	for name, observe := range map[string]func(*testing.T, *runlooptest.Server){
		"shutdown": func(t *testing.T, s *runlooptest.Server) {
			assert.Equal(t, "failure", field(t, post(t, s, devboxPath+"/shutdown", ``), "status"), "it had failed before")
		},
		"delete of the policy": func(t *testing.T, s *runlooptest.Server) { post(t, s, policyPath+"/delete", ``) },
		"Running":              func(t *testing.T, s *runlooptest.Server) { assert.Empty(t, s.Running()) },
		"Devboxes":             func(t *testing.T, s *runlooptest.Server) { assert.Equal(t, "failure", s.Devboxes()[0].Status) },
		"list": func(t *testing.T, s *runlooptest.Server) {
			ids, _ := listed(t, s, devboxesPath, "status=failure", "id")
			assert.Len(t, ids, 1)
		},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			s := runlooptest.NewTestServer(t, seeded(1), runlooptest.WithStartup(time.Minute))
			s.ScriptDevboxes(runlooptest.DevboxScript{Statuses: []string{"queued", "provisioning", "failure"}, FailureReason: "out_of_disk"})
			start := time.Now().UTC()
			launch(t, s, "npol_000001")
			time.Sleep(time.Hour)
			observe(t, s)

			body := get(t, s, devboxPath)
			var times []time.Duration
			for _, transition := range field(t, body, "state_transitions").([]any) {
				ms := transition.(map[string]any)["transition_time_ms"].(float64)
				times = append(times, time.UnixMilli(int64(ms)).Sub(start))
			}
			assert.Equal(t, []time.Duration{0, 30 * time.Second, time.Minute}, times)
			assert.Equal(t, start.Add(time.Minute), s.Devboxes()[0].EndTime)
			assert.Equal(t, "out_of_disk", field(t, body, "failure_reason"))
		}))
	}
	t.Run("a shutdown ends a startup", inBubble(func(t *testing.T) {
		s := runlooptest.NewTestServer(t, seeded(1), runlooptest.WithStartup(time.Minute))
		launch(t, s, "npol_000001")
		time.Sleep(59 * time.Second)
		postRefused(t, s, policyPath+"/delete", ``, "in use")
		post(t, s, devboxPath+"/shutdown", ``)
		time.Sleep(time.Hour)
		assert.Equal(t, "shutdown", statusOf(t, s, "dbx_000001"))
	}))
}

// A search by one status after the other finds a devbox that advances with each look.
func TestAListCountsAsARead(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t)
	statuses := []string{"queued", "provisioning", "initializing", "running"}
	s.ScriptDevboxes(runlooptest.DevboxScript{Statuses: statuses})
	post(t, s, devboxesPath, ``)
	var found []int
	for _, status := range statuses {
		ids, _ := listed(t, s, devboxesPath, "status="+status, "id")
		found = append(found, len(ids))
	}
	assert.Equal(t, []int{0, 0, 0, 1}, found)
}

func TestWaitForStatus(t *testing.T) {
	// started returns a server with one devbox.
	started := func(t *testing.T, startup time.Duration, statuses ...string) *runlooptest.Server {
		s := runlooptest.NewTestServer(t, runlooptest.WithStartup(startup))
		s.ScriptDevboxes(runlooptest.DevboxScript{Statuses: statuses})
		post(t, s, devboxesPath, ``)
		return s
	}
	type outcome struct {
		reply
		err  error
		took time.Duration
	}
	waiting := func(s *runlooptest.Server, body string) <-chan outcome {
		done := make(chan outcome, 1)
		start := time.Now()
		go func() {
			r, err := trySend(s, "POST", waitPath, body)
			done <- outcome{r, err, time.Since(start)}
		}()
		return done
	}
	reached := func(t *testing.T, o outcome, status string, took time.Duration) {
		t.Helper()
		assert.Equal(t, status, field(t, requireOK(t, o.reply), "status"))
		assert.Equal(t, took, o.took)
	}
	timedOut := func(t *testing.T, o outcome, took time.Duration) {
		t.Helper()
		requireRefusal(t, o.reply, 408, fmt.Sprintf("did not reach the status within %d seconds", took/time.Second))
		assert.Equal(t, took, o.took)
	}

	t.Run("looks until the status is reached", inBubble(func(t *testing.T) {
		s := started(t, 0, "queued", "provisioning", "initializing", "running", "shutdown")
		reached(t, <-waiting(s, anyEnd), "running", 0)
		reached(t, <-waiting(s, anyEnd), "shutdown", 0)
	}))
	t.Run("ends at the time of the status", inBubble(func(t *testing.T) {
		s := started(t, 25*time.Second)
		timedOut(t, <-waiting(s, anyEnd), 10*time.Second)
		reached(t, <-waiting(s, anyEnd30), "running", 15*time.Second)
	}))
	t.Run("passes other statuses", inBubble(func(t *testing.T) {
		s := started(t, 20*time.Second, "queued", "provisioning", "initializing", "suspended", "running")
		reached(t, <-waiting(s, anyEnd30), "running", 20*time.Second)
	}))
	t.Run("the status is reached as the hold ends", inBubble(func(t *testing.T) {
		s := started(t, 30*time.Second)
		reached(t, <-waiting(s, anyEnd30), "running", 30*time.Second)
	}))
	t.Run("stuck", inBubble(func(t *testing.T) {
		s := started(t, 0, "queued")
		timedOut(t, <-waiting(s, anyEnd), 10*time.Second)
		timedOut(t, <-waiting(s, anyEnd30), 30*time.Second)
		timedOut(t, <-waiting(s, `{"timeout_seconds": 1, "statuses": ["suspended"]}`), time.Second)
		timedOut(t, <-waiting(s, `{"timeout_seconds": null, "statuses": ["running"]}`), 10*time.Second)
	}))
	t.Run("a shutdown wakes every wait", inBubble(func(t *testing.T) {
		s := started(t, time.Hour)
		var waits []<-chan outcome
		for range 200 {
			waits = append(waits, waiting(s, anyEnd30))
		}
		time.Sleep(7 * time.Second)
		post(t, s, devboxPath+"/shutdown", ``)
		for _, w := range waits {
			reached(t, <-w, "shutdown", 7*time.Second)
		}
	}))
	t.Run("the client leaves", inBubble(func(t *testing.T) {
		s := started(t, time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		req, err := newRequest(s, "POST", waitPath, anyEnd)
		require.NoError(t, err)
		_, err = do(s, req.WithContext(ctx))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		start := time.Now()
		s.Close() // waits for the server's goroutines
		assert.Zero(t, time.Since(start))
		assert.Zero(t, s.Requests(runlooptest.WaitForDevboxStatus)[0].Status)
	}))
	t.Run("the server closes", inBubble(func(t *testing.T) {
		s := started(t, time.Hour)
		w := waiting(s, anyEnd)
		time.Sleep(time.Second)
		s.Close()
		assert.Error(t, (<-w).err)
	}))
	t.Run("an added devbox that has ended", inBubble(func(t *testing.T) {
		s := runlooptest.NewTestServer(t)
		s.AddDevbox(runlooptest.Devbox{Status: "failure", FailureReason: "out_of_disk"})
		assert.Equal(t, "out_of_disk", field(t, post(t, s, waitPath, anyEnd), "failure_reason"))
		timedOut(t, <-waiting(s, `{"statuses": ["running"]}`), 10*time.Second)
	}))
	t.Run("refusals", func(t *testing.T) {
		t.Parallel()
		s := started(t, 0)
		for body, text := range map[string]string{
			``: "statuses must have", `{}`: "statuses must have", `{"statuses": []}`: "statuses must have", `{"statuses": null}`: "statuses must have",
			`{"statuses": ["paused"]}`:                           `"paused" is not a devbox status`,
			`{"statuses": "running"}`:                            "wrong type or value at /statuses",
			`{"statuses": ["running"], "timeout_seconds": 0}`:    "not from 1 to 30",
			`{"statuses": ["running"], "timeout_seconds": 31}`:   "not from 1 to 30",
			`{"statuses": ["running"], "timeout_seconds": 1.5}`:  "wrong type or value at /timeout_seconds",
			`{"statuses": ["running"], "timeout_seconds": "30"}`: "wrong type or value at /timeout_seconds",
			`{"statuses": ["running"], "timeout": 3}`:            "unknown field at /timeout",
		} {
			postRefused(t, s, waitPath, body, text)
		}
		assert.Equal(t, "provisioning", s.Devboxes()[0].Status, "a refused wait is not a look")
	})
}

func TestDevboxScripts(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(2))
	const own, other = "npol_000001", "npol_000002"
	echo := other
	rows := []struct {
		script runlooptest.DevboxScript
		want   string // what the launch and two gets show
	}{
		{runlooptest.DevboxScript{Statuses: []string{"queued"}}, "queued, queued, queued"},
		{runlooptest.DevboxScript{Statuses: []string{"provisioning", "failure"}, FailureReason: "oom"}, "provisioning, failure oom, failure oom"},
		{runlooptest.DevboxScript{Statuses: []string{"provisioning", "running", "shutdown"}, ShutdownReason: "idle"}, "provisioning, running, shutdown  idle"},
		{runlooptest.DevboxScript{Statuses: []string{"provisioning", "hibernating"}}, "provisioning, hibernating, hibernating"},
		{runlooptest.DevboxScript{Statuses: []string{"failure"}}, "failure, failure, failure"},
		{runlooptest.DevboxScript{}, "provisioning, running, running"},
		{runlooptest.DevboxScript{Echo: new("")}, "provisioning without, running without, running without"},
		{runlooptest.DevboxScript{Echo: &echo, EchoFrom: 1}, "provisioning with npol_000002, running with npol_000002, running with npol_000002"},
		{runlooptest.DevboxScript{Echo: new(""), EchoFrom: 3}, "provisioning, running, running without"},
		{runlooptest.DevboxScript{}, "provisioning, running, running"}, // none is left for the last launch
	}
	for _, row := range rows[:len(rows)-1] {
		s.ScriptDevboxes(row.script)
	}
	echo, rows[0].script.Statuses[0] = "changed", "changed" // scripts are copied
	postRefused(t, s, devboxesPath, `{"launch_parameters": {"network_policy_id": "x"}}`, "not found")

	look := func(body string) string {
		var d struct {
			Status           string            `json:"status"`
			FailureReason    string            `json:"failure_reason"`
			ShutdownReason   string            `json:"shutdown_reason"`
			LaunchParameters map[string]string `json:"launch_parameters"`
		}
		require.NoError(t, json.Unmarshal([]byte(body), &d))
		assert.Equal(t, "SMALL", d.LaunchParameters["resource_size_request"], "an Echo keeps other parameters")
		seen := strings.TrimRight(d.Status+" "+d.FailureReason+" "+d.ShutdownReason, " ")
		switch policy, ok := d.LaunchParameters["network_policy_id"]; {
		case !ok:
			return seen + " without"
		case policy != own:
			return seen + " with " + policy
		}
		return seen
	}
	var running []string
	for i, row := range rows {
		created := post(t, s, devboxesPath, `{"launch_parameters": {"resource_size_request": "SMALL", "network_policy_id": "`+own+`"}}`)
		id := fmt.Sprintf("dbx_%06d", i+1)
		path := devboxesPath + "/" + id
		assert.Equal(t, row.want, look(created)+", "+look(get(t, s, path))+", "+look(get(t, s, path)), "script %d", i+1)
		assert.Equal(t, own, s.Devboxes()[i].NetworkPolicyID)
		if !strings.Contains(row.want, "failure") && !strings.Contains(row.want, "shutdown") {
			running = append(running, id)
		}
	}
	for i, d := range s.Running() {
		assert.Equal(t, running[i], d.ID)
		post(t, s, devboxesPath+"/"+d.ID+"/shutdown", ``)
		assert.Equal(t, "shutdown", statusOf(t, s, d.ID), "a shutdown ends a script")
	}
	assert.Len(t, running, 7)
	assert.Empty(t, s.Running())
	assert.Equal(t, "failure", field(t, post(t, s, devboxesPath+"/dbx_000002/shutdown", ``), "status"), "a failure is final")
	assert.Equal(t, "idle", s.Devboxes()[2].ShutdownReason)
	assert.False(t, s.Devboxes()[2].EndTime.IsZero())
}

func TestEchoFromCountsResponsesThatShowTheDevbox(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1))
	s.ScriptDevboxes(runlooptest.DevboxScript{Echo: new(""), EchoFrom: 4})
	const policy = `"network_policy_id":"npol_000001"`
	launch(t, s, "npol_000001") // 1
	for range 3 {
		assert.NotContains(t, get(t, s, devboxesPath+"?status=queued"), "dbx_000001")
	}
	assert.Contains(t, get(t, s, devboxesPath), policy)      // 2
	assert.Contains(t, post(t, s, waitPath, anyEnd), policy) // 3
	assert.NotContains(t, post(t, s, devboxPath+"/shutdown", ``), policy)
}

func TestListDevboxes(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithOldestFirst())
	assert.JSONEq(t, `{"devboxes": [], "has_more": false, "total_count": 0}`,
		get(t, s, devboxesPath+"?status=&limit=&starting_after=&include_total_count=&name=x&id=y"))
	for query, text := range map[string]string{
		"starting_after=dbx_gone": `starting_after: devbox with id "dbx_gone" not found`, "status=paused": `"paused" is not a devbox status`,
		"status=running&status=queued": "more than once", "limit=5001": "from 1 to 5000",
	} {
		requireRefusal(t, send(t, s, "GET", devboxesPath+"?"+query, ``), 400, text)
	}
	var want, running []string
	for i := range 1000 {
		status := []string{"shutdown", "running", "running"}[i%3]
		if id := s.AddDevbox(runlooptest.Devbox{Status: status}).ID; status == "running" {
			want = append(want, id)
		}
	}
	for query := "status=running&limit=70"; ; {
		ids, page := listed(t, s, devboxesPath, query, "id")
		assert.InDelta(t, len(want)-len(running)/70, page["total_count"], 0)
		running = append(running, ids...)
		if page["has_more"] == false {
			break
		}
		last := ids[len(ids)-1] // the cursor need not have the status
		post(t, s, devboxesPath+"/"+last+"/shutdown", ``)
		query = "status=running&limit=70&starting_after=" + last
	}
	assert.Equal(t, want, running)
	ids, _ := listed(t, s, devboxesPath, "", "id")
	assert.Equal(t, []string{"dbx_000001", "dbx_000020"}, []string{ids[0], ids[19]})
	newest := runlooptest.NewTestServer(t)
	newest.AddDevbox(runlooptest.Devbox{})
	newest.AddDevbox(runlooptest.Devbox{})
	ids, _ = listed(t, newest, devboxesPath, "", "id")
	assert.Equal(t, []string{"dbx_000002", "dbx_000001"}, ids)
}

func TestAPrintedDevboxHidesItsEnvironment(t *testing.T) {
	t.Parallel()
	devbox := runlooptest.Devbox{ID: "dbx_1", Status: "running", EnvironmentVariables: map[string]string{"TOKEN": "s3cret"}, Entrypoint: "s3cret"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		assert.Equal(t, "dbx_1 (running)", fmt.Sprintf(verb, devbox), verb)
		assert.NotContains(t, fmt.Sprintf(verb, []runlooptest.Devbox{devbox}), "s3cret", verb)
	}
}

func TestAddDevbox(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1), atNoon(), runlooptest.WithStartup(time.Nanosecond))
	metadata := map[string]string{"a": "b"}
	added := s.AddDevbox(runlooptest.Devbox{
		ID: "dbx_000002", Name: "old", NetworkPolicyID: "npol_000001", SnapshotID: "snp_1", Metadata: metadata, Status: "suspended",
		LaunchParameters: json.RawMessage(`{"architecture": "arm64"}`), CreateTime: noon.Add(-time.Hour),
	})
	metadata["a"] = "changed"
	added.Metadata["a"] = "changed"
	assert.JSONEq(t, `{
		"id": "dbx_000002", "name": "old", "status": "suspended", "snapshot_id": "snp_1", "capabilities": [],
		"create_time_ms": 1795345200000, "end_time_ms": null, "metadata": {"a": "b"},
		"launch_parameters": {"architecture": "arm64", "network_policy_id": "npol_000001"},
		"state_transitions": [{"status": "suspended", "transition_time_ms": 1795345200000}]
	}`, get(t, s, devboxesPath+"/dbx_000002"))
	postRefused(t, s, policyPath+"/delete", ``, "in use")

	assert.Equal(t, runlooptest.Devbox{ID: "dbx_000001", Status: "running", CreateTime: noon}, s.AddDevbox(runlooptest.Devbox{}))
	assert.Equal(t, runlooptest.Devbox{ID: "x", Status: "shutdown", CreateTime: noon, EndTime: noon}, s.AddDevbox(runlooptest.Devbox{ID: "x", Status: "shutdown"}))
	post(t, s, devboxesPath, ``)
	assert.Equal(t, "dbx_000003", s.Devboxes()[3].ID, "IDs are not reused")
	assert.Panics(t, func() { s.AddDevbox(runlooptest.Devbox{ID: "x"}) })
	assert.Equal(t, `{"network_policy_id":"npol_1"}`, string(s.AddDevbox(runlooptest.Devbox{NetworkPolicyID: "npol_1"}).LaunchParameters))
	assert.Len(t, s.Devboxes(), 5)
}

func TestAPolicyInUseCannotBeDeleted(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(2))
	const used = policyPath + "/delete"
	for range 2 {
		launch(t, s, "npol_000001")
	}
	postRefused(t, s, used, `{}`, "in use by active devboxes")
	post(t, s, policiesPath+"/npol_000002/delete", `{}`)
	post(t, s, policyPath, `{"allow_all": true}`) // an update is allowed

	post(t, s, devboxPath+"/shutdown", ``)
	postRefused(t, s, used, ``, "in use by active devboxes")
	post(t, s, devboxesPath+"/dbx_000002/shutdown", ``)
	post(t, s, used, ``)
	assert.Empty(t, s.Policies())
	postRefused(t, s, devboxesPath, `{"launch_parameters": {"network_policy_id": "npol_000001"}}`, "not found")
	assert.Equal(t, "npol_000001", s.Devboxes()[0].NetworkPolicyID, "a devbox that is shut down keeps the ID")
}
