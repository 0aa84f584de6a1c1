package contract_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testOtherClients sends to the fake what the contract allows and the SDK never
// sends: the answers have to be valid just the same. Nothing of it is recorded,
// since the coverage is the SDK's.
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
