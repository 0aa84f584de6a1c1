package runlooptest_test

import (
	"testing"
	"time"

	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
)

func TestDevboxLifecycle(t *testing.T) {
	t.Parallel()
	now := noon
	s := runlooptest.NewTestServer(t, seeded(1), runlooptest.WithClock(func() time.Time { return now }))

	const running = `{
		"id": "dbx_000001", "name": "box", "status": "running", "capabilities": [],
		"create_time_ms": ` + noonMS + `, "end_time_ms": null,
		"launch_parameters": {"keep_alive_time_seconds": 60, "network_policy_id": "npol_000001"},
		"metadata": {"task": "7"},
		"state_transitions": [
			{"status": "provisioning", "transition_time_ms": ` + noonMS + `},
			{"status": "initializing", "transition_time_ms": ` + noonMS + `},
			{"status": "running", "transition_time_ms": ` + noonMS + `}
		]
	}`
	assert.JSONEq(t, running, requireOK(t, send(t, s, "POST", "/v1/devboxes", `{
		"name": "box", "metadata": {"task": "7"}, "blueprint_id": "bp_1", "environment_variables": {"A": "b"},
		"launch_parameters": {"keep_alive_time_seconds": 60, "network_policy_id": "npol_000001"}
	}`)))
	assert.JSONEq(t, running, requireOK(t, send(t, s, "GET", "/v1/devboxes/dbx_000001", ``)))
	assert.Equal(t, []runlooptest.Devbox{
		{ID: "dbx_000001", Name: "box", Status: "running", NetworkPolicyID: "npol_000001", CreateTime: noon},
	}, s.Devboxes())

	now = noon.Add(time.Second)
	const shutdown = `{
		"id": "dbx_000001", "name": "box", "status": "shutdown", "shutdown_reason": "api_shutdown", "capabilities": [],
		"create_time_ms": ` + noonMS + `, "end_time_ms": 1795348801000,
		"launch_parameters": {"keep_alive_time_seconds": 60, "network_policy_id": "npol_000001"},
		"metadata": {"task": "7"},
		"state_transitions": [
			{"status": "provisioning", "transition_time_ms": ` + noonMS + `},
			{"status": "initializing", "transition_time_ms": ` + noonMS + `},
			{"status": "running", "transition_time_ms": ` + noonMS + `},
			{"status": "shutdown", "transition_time_ms": 1795348801000}
		]
	}`
	assert.JSONEq(t, shutdown, requireOK(t, send(t, s, "POST", "/v1/devboxes/dbx_000001/shutdown?force=true", ``)))
	now = noon.Add(time.Hour)
	assert.JSONEq(t, shutdown, requireOK(t, send(t, s, "POST", "/v1/devboxes/dbx_000001/shutdown", `{}`)), "a second shutdown changes nothing")
	assert.JSONEq(t, shutdown, requireOK(t, send(t, s, "GET", "/v1/devboxes/dbx_000001", ``)))
	assert.Equal(t, "shutdown", s.Devboxes()[0].Status)
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
	s := runlooptest.NewTestServer(t)
	for _, body := range []string{
		``, `{}`, `{"launch_parameters": null}`, `{"launch_parameters": {}}`, `{"launch_parameters": {"network_policy_id": null}}`,
		`{"name": null, "metadata": null, "launch_parameters": {"resource_size_request": "SMALL"}}`,
	} {
		requireOK(t, send(t, s, "POST", "/v1/devboxes", body))
	}
	devboxes := s.Devboxes()
	assert.Len(t, devboxes, 6)
	for _, d := range devboxes {
		assert.Empty(t, d.NetworkPolicyID)
		assert.Empty(t, d.Name)
		body := requireOK(t, send(t, s, "GET", "/v1/devboxes/"+d.ID, ``))
		assert.IsType(t, map[string]any{}, field(t, body, "launch_parameters"))
		assert.IsType(t, map[string]any{}, field(t, body, "metadata"))
		assert.NotContains(t, field(t, body), "name")
	}
}

func TestDevboxRefusals(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1))
	for body, text := range map[string]string{
		`{"launch_parameters": {"network_policy_id": "npol_999999"}}`: "not found",
		`{"launch_parameters": {"network_policy_id": ""}}`:            "not found",
		`{"launch_parameters": {"network_policy_id": 1}}`:             "wrong type or value at /network_policy_id",
		`{"launch_parameters": []}`:                                   "launch_parameters is not an object",
		`{"launch_parameters": "npol_000001"}`:                        "launch_parameters is not an object",
		`{"network_policy_id": "npol_000001"}`:                        "belongs into launch_parameters",
		`{"name": 1}`:                                                 "wrong type or value at /name",
		`{"metadata": {"a": 1}}`:                                      "wrong type or value at /metadata/a",
		`{"launch_parameters": {"a": 1, "a": 2}}`:                     "duplicate member",
		`{"launch_parameters": {"network_policy_id": "npol_000001"}`:  "malformed JSON",
		`[]`: "not a JSON object",
	} {
		requireRefusal(t, send(t, s, "POST", "/v1/devboxes", body), 400, text)
	}
	assert.Empty(t, s.Devboxes())

	// The live API answers 400 here, and not 404.
	requireRefusal(t, send(t, s, "GET", "/v1/devboxes/dbx_nonexistent12345", ``), 400, "not found")
	requireRefusal(t, send(t, s, "POST", "/v1/devboxes/dbx_nonexistent12345/shutdown", ``), 400, "not found")
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
