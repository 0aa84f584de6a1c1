package contract_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go/runlooptest"
)

// testOtherClients sends to the fake what the contract allows and the SDK never sends. The
// responses still have to be valid. Nothing is recorded, because the coverage is the SDK's.
func testOtherClients(t *testing.T, e *edition) {
	fake := e.fake(t)
	fake.AddPolicy(aPolicy("kept"))
	deleted := fake.AddPolicy(aPolicy("deleted"))
	transport := e.checked(t, fake, nil)
	send := func(method, path, body string) {
		t.Helper()
		res, err := transport.RoundTrip(request(t, method, "https://api.runloop.ai"+path, body))
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, res.StatusCode, "%s %s %s", method, path, body)
	}
	const policies, devboxes = "/v1/network-policies", "/v1/devboxes"
	path := policies + "/" + fake.Policies()[0].ID
	const nulls = `"description": null, "allow_all": null, "allow_devbox_to_devbox": null, "allowed_hostnames": null,
		"allow_agent_gateway": null, "allow_mcp_gateway": null}`
	send("POST", policies, `{"name": "terse"}`)
	send("POST", policies, `{"name": "nulls", `+nulls)
	send("POST", policies, `{"name": "no description", "description": ""}`)
	send("POST", path, ``)
	send("POST", path, `{}`)
	send("POST", path, `{"name": null, `+nulls)
	send("GET", path, ``)
	send("GET", policies, ``)
	send("GET", policies+"?name=&id=&limit=&starting_after=&include_total_count=", ``)
	send("GET", policies+"?name=nobody", ``)
	send("POST", policies+"/"+deleted.ID+"/delete", ``)
	if !e.isToday {
		return
	}
	send("POST", devboxes, ``)
	send("POST", devboxes, `{}`)
	send("POST", devboxes, `{"name": null, "metadata": null, "environment_variables": null, "entrypoint": null,
		"blueprint_id": null, "blueprint_name": null, "snapshot_id": null, "launch_parameters": null,
		"secrets": null, "mounts": null, "tunnel": null, "gateways": null, "mcp": null}`)
	send("POST", devboxes, `{"launch_parameters": {"network_policy_id": null, "custom_cpu_cores": null,
		"custom_gb_memory": null, "custom_disk_size": null, "keep_alive_time_seconds": null, "launch_commands": null,
		"lifecycle": null, "after_idle": null, "user_parameters": null, "required_services": null, "provisioning_tier": null}}`)
	send("GET", devboxes, ``)
	send("GET", devboxes+"?limit=&starting_after=&include_total_count=", ``)
	wait := devboxes + "/" + fake.AddDevbox(runlooptest.Devbox{}).ID + "/wait_for_status"
	send("POST", wait, `{"statuses": ["running"], "timeout_seconds": null}`)
	send("POST", wait, `{"statuses": ["running"]}`)
	for i, fields := range []string{
		`"allow_runloop_mirrors": null, "allowed_cidrs": null`,
		`"allowed_cidrs": []`,
		`"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": null}]`,
		`"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": []}]`,
		`"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 1, "end_port": null, "protocol": null}]}]`,
	} {
		send("POST", policies, fmt.Sprintf(`{"name": "added-later-%d", %s}`, i, fields))
		send("POST", path, "{"+fields+"}")
	}
}
