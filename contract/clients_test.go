package contract_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go/runlooptest"
)

// testOtherClients sends to the fake what the contract allows and the SDK never sends: the
// responses have to be valid all the same. Nothing of it is recorded, since the coverage
// is the SDK's.
func testOtherClients(t *testing.T, e *edition) {
	fake := e.fake(t)
	fake.AddPolicy(aPolicy("kept"))
	deleted := fake.AddPolicy(aPolicy("deleted"))
	client := e.checked(t, fake, nil)
	const policies = "/v1/network-policies"
	path := policies + "/" + fake.Policies()[0].ID
	for _, request := range []struct{ method, path, body string }{
		{"POST", policies, `{"name": "terse"}`},
		{"POST", policies, `{"name": "nulls", "description": null, "allow_all": null, "allow_devbox_to_devbox": null,
			"allowed_hostnames": null, "allow_agent_gateway": null, "allow_mcp_gateway": null}`},
		{"POST", policies, `{"name": "no description", "description": ""}`},
		{"POST", path, ``},
		{"POST", path, `{}`},
		{"POST", path, `{"name": null, "description": null, "allow_all": null, "allow_devbox_to_devbox": null,
			"allowed_hostnames": null, "allow_agent_gateway": null, "allow_mcp_gateway": null}`},
		{"GET", path, ``},
		{"GET", policies, ``},
		{"GET", policies + "?name=&id=&limit=&starting_after=&include_total_count=", ``},
		{"GET", policies + "?name=nobody", ``},
		{"POST", policies + "/" + deleted.ID + "/delete", ``},
	} {
		status := send(t, client, request.method, request.path, request.body)
		assert.Equal(t, http.StatusOK, status, "%v", request)
	}
	if e.younger {
		devbox := "/v1/devboxes/" + fake.AddDevbox(runlooptest.Devbox{}).ID
		for _, request := range []struct{ method, path, body string }{
			{"POST", "/v1/devboxes", ``},
			{"POST", "/v1/devboxes", `{}`},
			{"POST", "/v1/devboxes", `{"name": null, "metadata": null, "environment_variables": null, "entrypoint": null,
				"blueprint_id": null, "blueprint_name": null, "snapshot_id": null, "launch_parameters": null,
				"secrets": null, "mounts": null, "tunnel": null, "gateways": null, "mcp": null}`},
			{"POST", "/v1/devboxes", `{"launch_parameters": {"network_policy_id": null, "custom_cpu_cores": null,
				"custom_gb_memory": null, "custom_disk_size": null, "keep_alive_time_seconds": null, "launch_commands": null,
				"lifecycle": null, "after_idle": null, "user_parameters": null, "required_services": null,
				"provisioning_tier": null}}`},
			{"GET", "/v1/devboxes", ``},
			{"GET", "/v1/devboxes?limit=&starting_after=&include_total_count=", ``},
			{"POST", devbox + "/wait_for_status", `{"statuses": ["running"], "timeout_seconds": null}`},
			{"POST", devbox + "/wait_for_status", `{"statuses": ["running"]}`},
		} {
			assert.Equal(t, http.StatusOK, send(t, client, request.method, request.path, request.body), "%v", request)
		}
		for i, members := range []string{
			`"allow_runloop_mirrors": null, "allowed_cidrs": null`,
			`"allowed_cidrs": []`,
			`"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": null}]`,
			`"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": []}]`,
			`"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 1, "end_port": null, "protocol": null}]}]`,
		} {
			body := fmt.Sprintf(`{"name": "younger-%d", %s}`, i, members)
			assert.Equal(t, http.StatusOK, send(t, client, "POST", policies, body), body)
			assert.Equal(t, http.StatusOK, send(t, client, "POST", path, "{"+members+"}"), members)
		}
	}
}

// send sends a request to the server of the document and returns the status.
func send(t *testing.T, client *http.Client, method, path, body string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://api.runloop.ai"+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Authorization", "Bearer key")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := client.Do(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}
