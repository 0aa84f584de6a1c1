package runlooptest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inBubble makes a test that runs in virtual time.
func inBubble(test func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, test)
	}
}

// statusOf looks at a devbox and returns its status.
func statusOf(t *testing.T, s *runlooptest.Server, id string) string {
	t.Helper()
	return field(t, requireOK(t, send(t, s, "GET", "/v1/devboxes/"+id, ``)), "status").(string)
}

// wait sends a wait_for_status and returns its reply.
func wait(t *testing.T, s *runlooptest.Server, id, body string) reply {
	t.Helper()
	return send(t, s, "POST", "/v1/devboxes/"+id+"/wait_for_status", body)
}

// listBoxes returns the IDs of the devboxes on a page.
func listBoxes(t *testing.T, s *runlooptest.Server, query string) (ids []string, body string) {
	t.Helper()
	body = requireOK(t, send(t, s, "GET", "/v1/devboxes?"+query, ``))
	for _, d := range field(t, body, "devboxes").([]any) {
		ids = append(ids, d.(map[string]any)["id"].(string))
	}
	return ids, body
}

const usable = `{"statuses": ["running", "failure", "shutdown"]`

func TestDevboxLifecycle(t *testing.T) {
	t.Parallel()
	now := noon
	s := runlooptest.NewTestServer(t, seeded(1), runlooptest.WithClock(func() time.Time { return now }))

	const view = `
		"id": "dbx_000001", "name": "box", "blueprint_id": "bp_1", "capabilities": [],
		"create_time_ms": ` + noonMS + `,
		"launch_parameters": {"keep_alive_time_seconds": 60, "network_policy_id": "npol_000001", "newer": [1]},
		"metadata": {"task": "7"}`
	const provisioning = `{` + view + `, "status": "provisioning", "end_time_ms": null, "state_transitions": [
		{"status": "provisioning", "transition_time_ms": ` + noonMS + `}
	]}`
	const running = `{` + view + `, "status": "running", "end_time_ms": null, "state_transitions": [
		{"status": "provisioning", "transition_time_ms": ` + noonMS + `},
		{"status": "running", "transition_time_ms": 1795348801000}
	]}`
	assert.JSONEq(t, provisioning, requireOK(t, send(t, s, "POST", "/v1/devboxes", `{
		"name": "box", "metadata": {"task": "7"}, "blueprint_id": "bp_1", "environment_variables": {"A": "b"}, "entrypoint": "sh",
		"launch_parameters": {"keep_alive_time_seconds": 60, "network_policy_id": "npol_000001", "newer": [1]},
		"mounts": [{"type": "agent_mount"}], "newer": {}
	}`)))
	stored := runlooptest.Devbox{
		ID: "dbx_000001", Name: "box", Status: "provisioning", NetworkPolicyID: "npol_000001", BlueprintID: "bp_1", Entrypoint: "sh",
		EnvironmentVariables: map[string]string{"A": "b"}, Metadata: map[string]string{"task": "7"},
		LaunchParameters: json.RawMessage(`{"keep_alive_time_seconds": 60, "network_policy_id": "npol_000001", "newer": [1]}`),
		CreateTime:       noon,
	}
	for range 2 {
		assert.Equal(t, []runlooptest.Devbox{stored}, s.Devboxes(), "the API's own methods are no looks")
		assert.Equal(t, []runlooptest.Devbox{stored}, s.Running())
	}

	now = noon.Add(time.Second)
	for range 2 {
		assert.JSONEq(t, running, requireOK(t, send(t, s, "GET", "/v1/devboxes/dbx_000001", ``)))
	}
	assert.JSONEq(t, `{"devboxes": [`+running+`], "has_more": false, "total_count": 1}`, requireOK(t, send(t, s, "GET", "/v1/devboxes", ``)))
	assert.JSONEq(t, running, requireOK(t, wait(t, s, "dbx_000001", usable+`}`)))

	now = noon.Add(2 * time.Second)
	const shutdown = `{` + view + `, "status": "shutdown", "shutdown_reason": "api_shutdown", "end_time_ms": 1795348802000, "state_transitions": [
		{"status": "provisioning", "transition_time_ms": ` + noonMS + `},
		{"status": "running", "transition_time_ms": 1795348801000},
		{"status": "shutdown", "transition_time_ms": 1795348802000}
	]}`
	assert.JSONEq(t, shutdown, requireOK(t, send(t, s, "POST", "/v1/devboxes/dbx_000001/shutdown?force=true", ``)))
	now = noon.Add(time.Hour)
	assert.JSONEq(t, shutdown, requireOK(t, send(t, s, "POST", "/v1/devboxes/dbx_000001/shutdown", `{}`)), "a second shutdown changes nothing")
	assert.JSONEq(t, shutdown, requireOK(t, send(t, s, "GET", "/v1/devboxes/dbx_000001", ``)))
	assert.JSONEq(t, `{"devboxes": [`+shutdown+`], "has_more": false, "total_count": 1}`, requireOK(t, send(t, s, "GET", "/v1/devboxes", ``)))
	stored.Status, stored.ShutdownReason, stored.EndTime = "shutdown", "api_shutdown", noon.Add(2*time.Second)
	assert.Equal(t, []runlooptest.Devbox{stored}, s.Devboxes())
	assert.Empty(t, s.Running())
}

func TestDevboxLaunchThatWaits(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1))
	const path = "/v1/devboxes/create_and_await_running"
	devbox := requireOK(t, send(t, s, "POST", path, `{"launch_parameters": {"network_policy_id": "npol_000001"}}`))
	assert.Equal(t, "running", field(t, devbox, "status"))
	assert.JSONEq(t, devbox, requireOK(t, send(t, s, "GET", "/v1/devboxes/dbx_000001", ``)))
	assert.Len(t, s.Requests(runlooptest.CreateDevbox), 1)
	assert.Equal(t, "npol_000001", s.Devboxes()[0].NetworkPolicyID)

	requireRefusal(t, send(t, s, "POST", path, `{"launch_parameters": {"network_policy_id": "npol_999999"}}`), 400, "not found")
	requireRefusal(t, send(t, s, "GET", path, ``), 400, "not found")
	assert.Len(t, s.Devboxes(), 1)
}

func TestDevboxWithoutPolicy(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1))
	bodies := []string{
		``, `{}`, `{"launch_parameters": null}`, `{"launch_parameters": {}}`, `{"launch_parameters": {"network_policy_id": null}}`,
		`{"name": null, "metadata": null, "launch_parameters": {"resource_size_request": "SMALL"}}`,
		// These protect nothing, and nobody says so.
		`{"network_policy_id": "npol_000001"}`, `{"network_policy_id": 1}`, `{"launch_parameters": {"networkPolicyId": "npol_000001"}}`,
	}
	for _, body := range bodies {
		requireOK(t, send(t, s, "POST", "/v1/devboxes", body))
	}
	devboxes := s.Devboxes()
	assert.Len(t, devboxes, len(bodies))
	for _, d := range devboxes {
		assert.Empty(t, d.NetworkPolicyID)
		assert.Empty(t, d.Name)
		body := requireOK(t, send(t, s, "GET", "/v1/devboxes/"+d.ID, ``))
		assert.IsType(t, map[string]any{}, field(t, body, "launch_parameters"))
		assert.IsType(t, map[string]any{}, field(t, body, "metadata"))
		assert.NotContains(t, field(t, body), "name")
		assert.NotContains(t, field(t, body), "network_policy_id")
	}
	requireOK(t, send(t, s, "POST", "/v1/network-policies/npol_000001/delete", ``))
}

func TestDevboxRefusals(t *testing.T) {
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
		`{"blueprint_id": "bp_1", "blueprint_name": "base"}`:          "At most one of",
		`{"blueprint_id": "bp_1", "snapshot_id": "snp_1"}`:            "At most one of",
		`[]`: "not a JSON object",
	} {
		requireRefusal(t, send(t, s, "POST", "/v1/devboxes", body), 400, text)
	}
	assert.Empty(t, s.Devboxes())
	for _, body := range []string{`{"blueprint_id": "bp_1", "snapshot_id": null}`, `{"blueprint_name": "base"}`, `{"snapshot_id": "snp_1"}`} {
		requireOK(t, send(t, s, "POST", "/v1/devboxes", body))
	}
	requireOK(t, send(t, runlooptest.NewTestServer(t), "POST", "/v1/devboxes", `{"blueprint_id": "any"}`))
	requireRefusal(t, send(t, runlooptest.NewTestServer(t, runlooptest.WithBlueprints()), "POST", "/v1/devboxes", `{"blueprint_id": "any"}`), 400, "not found")

	// The live API answers 400 here, and not 404.
	requireRefusal(t, send(t, s, "GET", "/v1/devboxes/dbx_nonexistent12345", ``), 400, "not found")
	requireRefusal(t, send(t, s, "POST", "/v1/devboxes/dbx_nonexistent12345/shutdown", ``), 400, "not found")
	requireRefusal(t, wait(t, s, "dbx_nonexistent12345", usable+`}`), 400, "not found")
}

func TestStartupTakesTime(t *testing.T) {
	inBubble(func(t *testing.T) {
		s := runlooptest.NewTestServer(t, runlooptest.WithStartup(time.Minute))
		s.ScriptDevboxes(runlooptest.DevboxScript{}, runlooptest.DevboxScript{Statuses: []string{"queued", "provisioning", "initializing", "running"}})
		for range 2 {
			requireOK(t, send(t, s, "POST", "/v1/devboxes", ``))
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

// What time brings is there although nobody looks, whoever is the first to ask.
func TestStartupWithoutALook(t *testing.T) {
	const path = "/v1/devboxes/dbx_000001"
	for name, ask := range map[string]func(*testing.T, *runlooptest.Server){
		"a shutdown": func(t *testing.T, s *runlooptest.Server) {
			body := requireOK(t, send(t, s, "POST", path+"/shutdown", ``))
			assert.Equal(t, "failure", field(t, body, "status"), "it had failed before")
		},
		"a delete of the policy": func(t *testing.T, s *runlooptest.Server) {
			requireOK(t, send(t, s, "POST", "/v1/network-policies/npol_000001/delete", ``))
		},
		"Running":  func(t *testing.T, s *runlooptest.Server) { assert.Empty(t, s.Running()) },
		"Devboxes": func(t *testing.T, s *runlooptest.Server) { assert.Equal(t, "failure", s.Devboxes()[0].Status) },
		"a list": func(t *testing.T, s *runlooptest.Server) {
			ids, _ := listBoxes(t, s, "status=failure")
			assert.Len(t, ids, 1)
		},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			s := runlooptest.NewTestServer(t, seeded(1), runlooptest.WithStartup(time.Minute))
			s.ScriptDevboxes(runlooptest.DevboxScript{Statuses: []string{"queued", "provisioning", "failure"}, FailureReason: "out_of_disk"})
			start := time.Now().UTC()
			launch(t, s, "npol_000001")
			time.Sleep(time.Hour)

			ask(t, s)

			body := requireOK(t, send(t, s, "GET", path, ``))
			var times []time.Duration
			for _, transition := range field(t, body, "state_transitions").([]any) {
				ms := transition.(map[string]any)["transition_time_ms"].(float64)
				times = append(times, time.UnixMilli(int64(ms)).Sub(start))
			}
			assert.Equal(t, []time.Duration{0, 30 * time.Second, time.Minute}, times, "when it happened, not when it was seen")
			assert.Equal(t, start.Add(time.Minute), s.Devboxes()[0].EndTime)
			assert.Equal(t, "out_of_disk", field(t, body, "failure_reason"))
		}))
	}
	t.Run("a shutdown ends a startup", inBubble(func(t *testing.T) {
		s := runlooptest.NewTestServer(t, seeded(1), runlooptest.WithStartup(time.Minute))
		launch(t, s, "npol_000001")
		time.Sleep(59 * time.Second)
		requireRefusal(t, send(t, s, "POST", "/v1/network-policies/npol_000001/delete", ``), 400, "in use")
		requireOK(t, send(t, s, "POST", path+"/shutdown", ``))
		time.Sleep(time.Hour)
		assert.Equal(t, "shutdown", statusOf(t, s, "dbx_000001"))
	}))
}

// A search that goes through the statuses in order must find a devbox, whether looks
// or time move it on.
func TestAListIsALook(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t)
	s.ScriptDevboxes(runlooptest.DevboxScript{Statuses: []string{"queued", "provisioning", "initializing", "running"}})
	requireOK(t, send(t, s, "POST", "/v1/devboxes", ``))
	var found []int
	for _, status := range []string{"queued", "provisioning", "initializing", "running"} {
		ids, _ := listBoxes(t, s, "status="+status)
		found = append(found, len(ids))
	}
	assert.Equal(t, []int{0, 0, 0, 1}, found)
}

func TestWaitForStatus(t *testing.T) {
	launch := func(t *testing.T, s *runlooptest.Server) { requireOK(t, send(t, s, "POST", "/v1/devboxes", ``)) }
	// waiting starts a wait and returns what becomes of it.
	type outcome struct {
		reply
		err  error
		took time.Duration
	}
	waiting := func(s *runlooptest.Server, body string) <-chan outcome {
		done := make(chan outcome, 1)
		start := time.Now()
		go func() {
			r, err := trySend(s, "POST", "/v1/devboxes/dbx_000001/wait_for_status", body)
			done <- outcome{r, err, time.Since(start)}
		}()
		return done
	}

	t.Run("looks until the status is there", inBubble(func(t *testing.T) {
		s := runlooptest.NewTestServer(t)
		s.ScriptDevboxes(runlooptest.DevboxScript{Statuses: []string{"queued", "provisioning", "initializing", "running", "shutdown"}, ShutdownReason: "idle"})
		launch(t, s)
		start := time.Now()
		assert.Equal(t, "running", field(t, requireOK(t, wait(t, s, "dbx_000001", usable+`}`)), "status"))
		body := requireOK(t, wait(t, s, "dbx_000001", usable+`}`))
		assert.Equal(t, "shutdown", field(t, body, "status"), "a wait is a look")
		assert.Equal(t, "idle", field(t, body, "shutdown_reason"))
		assert.Zero(t, time.Since(start))
	}))
	t.Run("ends when time brings the status", inBubble(func(t *testing.T) {
		s := runlooptest.NewTestServer(t, runlooptest.WithStartup(25*time.Second))
		launch(t, s)
		first := <-waiting(s, usable+`}`)
		requireRefusal(t, first.reply, 408, "within 10 seconds")
		assert.Equal(t, 10*time.Second, first.took, "the default")
		second := <-waiting(s, usable+`, "timeout_seconds": 30}`)
		assert.Equal(t, "running", field(t, requireOK(t, second.reply), "status"))
		assert.Equal(t, 15*time.Second, second.took)
	}))
	t.Run("the status comes as the hold ends", inBubble(func(t *testing.T) {
		s := runlooptest.NewTestServer(t, runlooptest.WithStartup(30*time.Second))
		launch(t, s)
		assert.Equal(t, 200, (<-waiting(s, usable+`, "timeout_seconds": 30}`)).status)
	}))
	t.Run("stuck", inBubble(func(t *testing.T) {
		s := runlooptest.NewTestServer(t)
		s.ScriptDevboxes(runlooptest.DevboxScript{Statuses: []string{"queued"}})
		launch(t, s)
		for seconds, body := range map[int]string{
			10: usable + `}`, 30: usable + `, "timeout_seconds": 30}`, 1: `{"timeout_seconds": 1, "statuses": ["suspended"]}`,
		} {
			o := <-waiting(s, body)
			requireRefusal(t, o.reply, 408, "did not reach")
			assert.Equal(t, time.Duration(seconds)*time.Second, o.took)
		}
		assert.Equal(t, 10*time.Second, (<-waiting(s, usable+`, "timeout_seconds": null}`)).took)
	}))
	t.Run("a shutdown wakes every wait and needs no lock of theirs", inBubble(func(t *testing.T) {
		s := runlooptest.NewTestServer(t, runlooptest.WithStartup(time.Hour))
		launch(t, s)
		var waits []<-chan outcome
		for range 200 {
			waits = append(waits, waiting(s, usable+`, "timeout_seconds": 30}`))
		}
		time.Sleep(7 * time.Second)
		requireOK(t, send(t, s, "POST", "/v1/devboxes/dbx_000001/shutdown", ``))
		for _, w := range waits {
			o := <-w
			assert.Equal(t, "shutdown", field(t, requireOK(t, o.reply), "status"))
			assert.Equal(t, 7*time.Second, o.took)
		}
	}))
	t.Run("the client leaves", inBubble(func(t *testing.T) {
		s := runlooptest.NewTestServer(t, runlooptest.WithStartup(time.Hour))
		launch(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/v1/devboxes/dbx_000001/wait_for_status", strings.NewReader(usable+`}`))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer x")
		r.Header.Set("Content-Type", "application/json")
		_, err = do(s, r)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		start := time.Now()
		s.Close() // waits for the server's goroutines
		assert.Zero(t, time.Since(start))
		assert.Zero(t, s.Requests(runlooptest.WaitForDevboxStatus)[0].Status)
	}))
	t.Run("the server closes", inBubble(func(t *testing.T) {
		s := runlooptest.NewTestServer(t, runlooptest.WithStartup(time.Hour))
		launch(t, s)
		w := waiting(s, usable+`}`)
		time.Sleep(time.Second)
		s.Close()
		assert.Error(t, (<-w).err)
	}))
	t.Run("a devbox that is over", inBubble(func(t *testing.T) {
		s := runlooptest.NewTestServer(t)
		s.AddDevbox(runlooptest.Devbox{Status: "failure", FailureReason: "out_of_disk"})
		assert.Equal(t, "out_of_disk", field(t, requireOK(t, wait(t, s, "dbx_000001", usable+`}`)), "failure_reason"))
		assert.Equal(t, 408, wait(t, s, "dbx_000001", `{"statuses": ["running"]}`).status)
	}))
	t.Run("refusals", func(t *testing.T) {
		t.Parallel()
		s := runlooptest.NewTestServer(t)
		launch(t, s)
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
			requireRefusal(t, wait(t, s, "dbx_000001", body), 400, text)
		}
		assert.Equal(t, "provisioning", s.Devboxes()[0].Status, "a refused wait is no look")
	})
}

func TestDevboxScripts(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(2))
	const id = "npol_000001"
	echo := "npol_000002"
	scripts := []runlooptest.DevboxScript{
		{Statuses: []string{"queued"}},
		{Statuses: []string{"provisioning", "failure"}, FailureReason: "out_of_memory"},
		{Statuses: []string{"provisioning", "running", "shutdown"}, ShutdownReason: "entrypoint_exit"},
		{Statuses: []string{"provisioning", "hibernating"}},
		{Statuses: []string{"failure"}},
		{},
		{Echo: new("")},
		{Echo: &echo, EchoFrom: 1},
		{Echo: new(""), EchoFrom: 3},
	}
	s.ScriptDevboxes(scripts[:2]...)
	s.ScriptDevboxes(scripts[2:]...)
	echo = "changed" // scripts are copied
	scripts[0].Statuses[0] = "changed"
	requireRefusal(t, send(t, s, "POST", "/v1/devboxes", `{"launch_parameters": {"network_policy_id": "x"}}`), 400, "not found") // takes none

	type seen struct{ status, failure, shutdown, policy string }
	looks := func(body string) seen {
		var d struct {
			Status           string            `json:"status"`
			FailureReason    string            `json:"failure_reason"`
			ShutdownReason   string            `json:"shutdown_reason"`
			LaunchParameters map[string]string `json:"launch_parameters"`
		}
		require.NoError(t, json.Unmarshal([]byte(body), &d))
		assert.Equal(t, "SMALL", d.LaunchParameters["resource_size_request"], "the rest stays")
		return seen{d.Status, d.FailureReason, d.ShutdownReason, d.LaunchParameters["network_policy_id"]}
	}
	for i, want := range [][3]seen{
		{{"queued", "", "", id}, {"queued", "", "", id}, {"queued", "", "", id}},
		{{"provisioning", "", "", id}, {"failure", "out_of_memory", "", id}, {"failure", "out_of_memory", "", id}},
		{{"provisioning", "", "", id}, {"running", "", "", id}, {"shutdown", "", "entrypoint_exit", id}},
		{{"provisioning", "", "", id}, {"hibernating", "", "", id}, {"hibernating", "", "", id}},
		{{"failure", "", "", id}, {"failure", "", "", id}, {"failure", "", "", id}},
		{{"provisioning", "", "", id}, {"running", "", "", id}, {"running", "", "", id}},
		{{"provisioning", "", "", ""}, {"running", "", "", ""}, {"running", "", "", ""}},
		{{"provisioning", "", "", "npol_000002"}, {"running", "", "", "npol_000002"}, {"running", "", "", "npol_000002"}},
		{{"provisioning", "", "", id}, {"running", "", "", id}, {"running", "", "", ""}},
		{{"provisioning", "", "", id}, {"running", "", "", id}, {"running", "", "", id}}, // no script left
	} {
		created := requireOK(t, send(t, s, "POST", "/v1/devboxes", `{"launch_parameters": {"resource_size_request": "SMALL", "network_policy_id": "`+id+`"}}`))
		path := fmt.Sprintf("/v1/devboxes/dbx_%06d", i+1)
		got := [3]seen{looks(created), looks(requireOK(t, send(t, s, "GET", path, ``))), looks(requireOK(t, send(t, s, "GET", path, ``)))}
		assert.Equal(t, want, got, "script %d", i+1)
		assert.Equal(t, id, s.Devboxes()[i].NetworkPolicyID, "what the launch asked for")
	}

	var running []string
	for _, d := range s.Running() {
		running = append(running, d.ID)
		requireOK(t, send(t, s, "POST", "/v1/devboxes/"+d.ID+"/shutdown", ``))
		assert.Equal(t, "shutdown", statusOf(t, s, d.ID), "a shutdown ends a script")
	}
	assert.Equal(t, []string{"dbx_000001", "dbx_000004", "dbx_000006", "dbx_000007", "dbx_000008", "dbx_000009", "dbx_000010"}, running)
	assert.Empty(t, s.Running())
	body := requireOK(t, send(t, s, "POST", "/v1/devboxes/dbx_000002/shutdown", ``))
	assert.Equal(t, "failure", field(t, body, "status"), "a failure is final")
	assert.Equal(t, "entrypoint_exit", s.Devboxes()[2].ShutdownReason)
	assert.False(t, s.Devboxes()[2].EndTime.IsZero())
}

// Lists and waits count among the responses that show a devbox if they show it.
func TestEchoFromCountsResponsesThatShowTheDevbox(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1))
	s.ScriptDevboxes(runlooptest.DevboxScript{Echo: new(""), EchoFrom: 4})
	const policy = `"network_policy_id":"npol_000001"`
	id := launch(t, s, "npol_000001") // 1
	for range 3 {
		_, body := listBoxes(t, s, "status=queued")
		assert.NotContains(t, body, id)
	}
	_, body := listBoxes(t, s, "") // 2
	assert.Contains(t, body, policy)
	assert.Contains(t, requireOK(t, wait(t, s, id, usable+`}`)), policy) // 3
	assert.NotContains(t, requireOK(t, send(t, s, "POST", "/v1/devboxes/"+id+"/shutdown", ``)), policy)
}

func TestScriptsThatMakeNoSensePanic(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t)
	for name, script := range map[string]runlooptest.DevboxScript{
		"empty status":            {Statuses: []string{"queued", ""}},
		"failure without failure": {Statuses: []string{"queued"}, FailureReason: "x"},
		"a reason alone":          {FailureReason: "x"},
		"shutdown without it":     {Statuses: []string{"failure"}, ShutdownReason: "idle"},
		"echo from nowhere":       {EchoFrom: 2},
		"negative echo":           {Echo: new(""), EchoFrom: -1},
	} {
		assert.Panics(t, func() { s.ScriptDevboxes(script) }, name)
	}
}

func TestListDevboxes(t *testing.T) {
	t.Parallel()
	for _, oldestFirst := range []bool{false, true} {
		t.Run(fmt.Sprint(oldestFirst), func(t *testing.T) {
			t.Parallel()
			var opts []runlooptest.Option
			if oldestFirst {
				opts = append(opts, runlooptest.WithOldestFirst())
			}
			s := runlooptest.NewTestServer(t, opts...)
			var all []string
			for i := range 1000 {
				status := "running"
				if i%10 == 0 {
					status = "shutdown"
				}
				id := s.AddDevbox(runlooptest.Devbox{Status: status}).ID
				if oldestFirst {
					all = append(all, id)
				} else {
					all = append([]string{id}, all...)
				}
			}
			ids, body := listBoxes(t, s, "")
			assert.Equal(t, all[:20], ids)
			assert.Equal(t, true, field(t, body, "has_more"))
			assert.InDelta(t, 1000, field(t, body, "total_count"), 0)

			ids, body = listBoxes(t, s, "limit=5000&include_total_count=false")
			assert.Equal(t, all, ids)
			assert.Equal(t, false, field(t, body, "has_more"))
			assert.NotContains(t, field(t, body), "total_count")

			var walked []string
			for query := "status=running&limit=70"; ; {
				page, body := listBoxes(t, s, query)
				assert.InDelta(t, 900-len(walked)/70, field(t, body, "total_count"), 0)
				walked = append(walked, page...)
				if more, _ := field(t, body, "has_more").(bool); !more {
					break
				}
				// A cursor that no longer has the status still leads on.
				last := page[len(page)-1]
				requireOK(t, send(t, s, "POST", "/v1/devboxes/"+last+"/shutdown", ``))
				query = "status=running&limit=70&starting_after=" + last
			}
			assert.Len(t, walked, 900)
		})
	}
	s := runlooptest.NewTestServer(t)
	for query, text := range map[string]string{
		"starting_after=dbx_gone": "not found", "status=paused": "not a devbox status", "limit=0": "from 1 to 5000", "limit=5001": "from 1 to 5000",
		"include_total_count=1": "must be true or false", "status=running&status=queued": "more than once", "%": "Malformed",
	} {
		requireRefusal(t, send(t, s, "GET", "/v1/devboxes?"+query, ``), 400, text)
	}
	assert.JSONEq(t, `{"devboxes": [], "has_more": false, "total_count": 0}`,
		requireOK(t, send(t, s, "GET", "/v1/devboxes?status=&limit=&starting_after=&include_total_count=&name=x&id=y", ``)))

	s.AddDevbox(runlooptest.Devbox{})
	s.Inject(runlooptest.ListDevboxes, runlooptest.RepeatCursor(), runlooptest.RepeatCursor())
	for _, query := range []string{"", "starting_after=dbx_000001"} {
		ids, body := listBoxes(t, s, query)
		assert.Equal(t, []string{"dbx_000001"}, ids)
		assert.Equal(t, true, field(t, body, "has_more"))
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
	}`, requireOK(t, send(t, s, "GET", "/v1/devboxes/dbx_000002", ``)))
	requireRefusal(t, send(t, s, "POST", "/v1/network-policies/npol_000001/delete", ``), 400, "in use")

	assert.Equal(t, runlooptest.Devbox{ID: "dbx_000001", Status: "running", CreateTime: noon}, s.AddDevbox(runlooptest.Devbox{}))
	assert.Equal(t, runlooptest.Devbox{ID: "x", Status: "shutdown", CreateTime: noon, EndTime: noon}, s.AddDevbox(runlooptest.Devbox{ID: "x", Status: "shutdown"}))
	requireOK(t, send(t, s, "POST", "/v1/devboxes", ``))
	assert.Equal(t, "dbx_000003", s.Devboxes()[3].ID, "no ID is used twice")
	assert.Panics(t, func() { s.AddDevbox(runlooptest.Devbox{ID: "x"}) })
	assert.Panics(t, func() { s.AddDevbox(runlooptest.Devbox{LaunchParameters: json.RawMessage(`[]`)}) })
	assert.Len(t, s.Devboxes(), 4, "the lock is free")
}

func TestManyLaunchesAtOnce(t *testing.T) {
	t.Parallel()
	bothNetworks(t, func(t *testing.T, s *runlooptest.Server) {
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				r, err := trySend(s, "POST", "/v1/devboxes", fmt.Sprintf(`{"metadata": {"i": "%d"}}`, i))
				if !assert.NoError(t, err) {
					return
				}
				id := strings.Split(r.body, `"`)[3]
				for _, step := range []struct{ method, path, body string }{
					{"GET", "/v1/devboxes?limit=5000", ``},
					{"POST", "/v1/devboxes/" + id + "/wait_for_status", usable + `}`},
					{"GET", "/v1/devboxes/" + id, ``},
					{"POST", "/v1/devboxes/" + id + "/shutdown", ``},
				} {
					r, err := trySend(s, step.method, step.path, step.body)
					if assert.NoError(t, err) {
						assert.Equal(t, 200, r.status, r.body)
					}
				}
			})
		}
		wg.Wait()
		assert.Len(t, s.Devboxes(), 200)
		assert.Empty(t, s.Running())
	})
}

func TestPolicyInUseCannotBeDeleted(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(2))
	const used, other = "npol_000001", "npol_000002"
	first, second := launch(t, s, used), launch(t, s, used)

	requireRefusal(t, send(t, s, "POST", "/v1/network-policies/"+used+"/delete", `{}`), 400, "in use by active devboxes")
	requireOK(t, send(t, s, "POST", "/v1/network-policies/"+other+"/delete", `{}`))
	requireOK(t, send(t, s, "POST", "/v1/network-policies/"+used, `{"allow_all": true}`)) // a change is allowed

	requireOK(t, send(t, s, "POST", "/v1/devboxes/"+first+"/shutdown", ``))
	requireRefusal(t, send(t, s, "POST", "/v1/network-policies/"+used+"/delete", ``), 400, "in use by active devboxes")
	requireOK(t, send(t, s, "POST", "/v1/devboxes/"+second+"/shutdown", ``))
	requireOK(t, send(t, s, "POST", "/v1/network-policies/"+used+"/delete", ``))
	assert.Empty(t, s.Policies())

	requireRefusal(t, send(t, s, "POST", "/v1/devboxes", `{"launch_parameters": {"network_policy_id": "`+used+`"}}`), 400, "not found")
	assert.Equal(t, used, s.Devboxes()[0].NetworkPolicyID, "a devbox that is shut down keeps the id")
}
