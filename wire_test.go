package runloop_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// policyNamed is clienttest.PolicyJSON with another name.
func policyNamed(t testing.TB, name string) string {
	t.Helper()
	quoted, err := json.Marshal(name)
	require.NoError(t, err)
	return strings.Replace(clienttest.PolicyJSON, `"build"`, string(quoted), 1)
}

// createBody is the body of a create with further fields. Every denial is stated in it.
func createBody(more string) string {
	fields := map[string]json.RawMessage{}
	for _, object := range []string{`{"name": "build", "allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [],
		"allow_agent_gateway": false, "allow_mcp_gateway": false}`, `{` + more + `}`} {
		if err := json.Unmarshal([]byte(object), &fields); err != nil {
			panic(err)
		}
	}
	body, _ := json.Marshal(fields)
	return string(body)
}

func TestCreateBody(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		description string
		egress      runloop.EgressRules
		more        string // fields in addition to the denials
	}{
		"a name alone denies everything": {"", runloop.EgressRules{}, ``},
		"empty lists are like nil lists": {"", runloop.EgressRules{AllowedHostnames: []string{}, AllowedCIDRs: []runloop.AllowedCIDR{}}, ``},
		"description":                    {"package registries only", runloop.EgressRules{}, `"description": "package registries only"`},
		"host names keep their order, case and repetitions": {"", hosts("z.example", "*.npmjs.org", "GitHub.com.", "z.example"),
			`"allowed_hostnames": ["z.example", "*.npmjs.org", "GitHub.com.", "z.example"]`},
		"allow all does not hide the other rules": {"", runloop.EgressRules{AllowAll: true, AllowedHostnames: []string{"github.com"}},
			`"allow_all": true, "allowed_hostnames": ["github.com"]`},
		"allow all":        {"", runloop.EgressRules{AllowAll: true}, `"allow_all": true`},
		"devbox to devbox": {"", runloop.EgressRules{AllowDevboxToDevbox: true}, `"allow_devbox_to_devbox": true`},
		"agent gateway":    {"", runloop.EgressRules{AllowAgentGateway: true}, `"allow_agent_gateway": true`},
		"MCP gateway":      {"", runloop.EgressRules{AllowMCPGateway: true}, `"allow_mcp_gateway": true`},
		"mirrors":          {"", runloop.EgressRules{AllowRunloopMirrors: true}, `"allow_runloop_mirrors": true`},
		"address ranges": {"", cidrs(
			runloop.AllowedCIDR{CIDR: "10.0.0.0/8"},
			runloop.AllowedCIDR{CIDR: "10.1.0.0/16", Ports: []runloop.PortRule{}},
			runloop.AllowedCIDR{CIDR: "192.0.2.1/32", Ports: []runloop.PortRule{
				{Port: 1, Protocol: "TCP"}, {Port: 443, EndPort: 443, Protocol: "TCP"}, {Port: 8000, EndPort: 65535, Protocol: "UDP"}, {Port: 53, Protocol: "UDP"},
			}},
		), `"allowed_cidrs": [{"cidr": "10.0.0.0/8"}, {"cidr": "10.1.0.0/16"}, {"cidr": "192.0.2.1/32", "ports": [
			{"port": 1, "protocol": "TCP"}, {"port": 443, "end_port": 443, "protocol": "TCP"},
			{"port": 8000, "end_port": 65535, "protocol": "UDP"}, {"port": 53, "protocol": "UDP"}]}]`},
		"everything": {"d", runloop.EgressRules{
			AllowAll: true, AllowDevboxToDevbox: true, AllowedHostnames: []string{"github.com"}, AllowAgentGateway: true,
			AllowMCPGateway: true, AllowRunloopMirrors: true, AllowedCIDRs: []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8"}},
		}, `"description": "d", "allow_all": true, "allow_devbox_to_devbox": true, "allowed_hostnames": ["github.com"],
			"allow_agent_gateway": true, "allow_mcp_gateway": true, "allow_runloop_mirrors": true, "allowed_cidrs": [{"cidr": "10.0.0.0/8"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, client := responding(t, clienttest.PolicyJSON)
			_, err := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{
				Name: "build", Description: test.description, Egress: test.egress,
			})
			require.NoError(t, err)
			assert.JSONEq(t, createBody(test.more), api.Only().Body)
		})
	}
}

func TestCreateEscapesText(t *testing.T) {
	t.Parallel()
	for text, quoted := range map[string]string{
		`"quoted" C:\dir`:                       `"\"quoted\" C:\\dir"`,
		`x"}, "allow_all": true, {"`:            `"x\"}, \"allow_all\": true, {\""`,
		"größe 日本語 🚀":                           `"gr\u00f6\u00dfe \u65e5\u672c\u8a9e \ud83d\ude80"`,
		"<b>&amp;</b>":                          `"<b>&amp;</b>"`,
		"a\u2028b\u2029c":                       `"a\u2028b\u2029c"`,
		strings.Repeat("long ", 20_000) + "end": `"` + strings.Repeat("long ", 20_000) + `end"`,
		"a\r\n\tb":                              `"a\r\n\tb"`,
		"a\x00b\x1b[31m\x7f":                    `"a\u0000b\u001b[31m\u007f"`,
		"x\r\nX-Evil: 1":                        `"x\r\nX-Evil: 1"`,
	} {
		api, client := responding(t, clienttest.PolicyJSON)
		_, err := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build", Description: text})
		require.NoError(t, err)
		sent := api.Only()
		assert.JSONEq(t, createBody(`"description": `+quoted), sent.Body)
		assert.Empty(t, sent.Header.Get("X-Evil"))
		if strings.ContainsAny(text, "\x00\r\u2028") || len(text) > 1000 {
			continue // not a name
		}
		api, client = responding(t, policyNamed(t, text))
		policy, err := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: text})
		require.NoError(t, err)
		assert.Equal(t, text, policy.Name)
		assert.JSONEq(t, createBody(`"name": `+quoted), api.Only().Body)
	}
}

func TestUpdateBody(t *testing.T) {
	t.Parallel()
	type params = runloop.NetworkPolicyUpdateParams
	var noHosts []string
	var noCIDRs []runloop.AllowedCIDR
	for _, test := range []struct {
		name   string
		params params
		body   string
	}{
		{"nothing", params{}, `{}`},
		{"a name", params{Name: new("new")}, `{"name": "new"}`},
		{"a description", params{Description: new("new")}, `{"description": "new"}`},
		{"no description", params{Description: new("")}, `{"description": ""}`},
		{"allow all on", params{AllowAll: new(true)}, `{"allow_all": true}`},
		{"allow all off", params{AllowAll: new(false)}, `{"allow_all": false}`},
		{"devbox to devbox on", params{AllowDevboxToDevbox: new(true)}, `{"allow_devbox_to_devbox": true}`},
		{"devbox to devbox off", params{AllowDevboxToDevbox: new(false)}, `{"allow_devbox_to_devbox": false}`},
		{"agent gateway on", params{AllowAgentGateway: new(true)}, `{"allow_agent_gateway": true}`},
		{"agent gateway off", params{AllowAgentGateway: new(false)}, `{"allow_agent_gateway": false}`},
		{"MCP gateway on", params{AllowMCPGateway: new(true)}, `{"allow_mcp_gateway": true}`},
		{"MCP gateway off", params{AllowMCPGateway: new(false)}, `{"allow_mcp_gateway": false}`},
		{"mirrors on", params{AllowRunloopMirrors: new(true)}, `{"allow_runloop_mirrors": true}`},
		{"mirrors off", params{AllowRunloopMirrors: new(false)}, `{"allow_runloop_mirrors": false}`},
		{"host names", params{AllowedHostnames: &[]string{"b.example", "a.example"}}, `{"allowed_hostnames": ["b.example", "a.example"]}`},
		{"an empty list of host names", params{AllowedHostnames: &[]string{}}, `{"allowed_hostnames": []}`},
		{"a nil list of host names", params{AllowedHostnames: &noHosts}, `{"allowed_hostnames": []}`},
		{"address ranges", params{AllowedCIDRs: &[]runloop.AllowedCIDR{
			{CIDR: "10.0.0.0/8", Ports: []runloop.PortRule{{Port: 22, EndPort: 23, Protocol: runloop.ProtocolTCP}}}, {CIDR: "0.0.0.0/0"}}},
			`{"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 22, "end_port": 23, "protocol": "TCP"}]}, {"cidr": "0.0.0.0/0"}]}`},
		{"an empty list of address ranges", params{AllowedCIDRs: &[]runloop.AllowedCIDR{}}, `{"allowed_cidrs": []}`},
		{"a nil list of address ranges", params{AllowedCIDRs: &noCIDRs}, `{"allowed_cidrs": []}`},
		{"everything", params{Name: new("n"), Description: new("d"), AllowAll: new(false), AllowDevboxToDevbox: new(true),
			AllowedHostnames: &[]string{"a.example"}, AllowAgentGateway: new(false), AllowMCPGateway: new(true),
			AllowRunloopMirrors: new(false), AllowedCIDRs: &[]runloop.AllowedCIDR{}},
			`{"name": "n", "description": "d", "allow_all": false, "allow_devbox_to_devbox": true, "allowed_hostnames": ["a.example"],
				"allow_agent_gateway": false, "allow_mcp_gateway": true, "allow_runloop_mirrors": false, "allowed_cidrs": []}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			api, client := responding(t, clienttest.PolicyJSON)
			policy, err := client.NetworkPolicies.Update(t.Context(), "npol_1", test.params)
			require.NoError(t, err)
			assert.Equal(t, "npol_1", policy.ID)
			sent := api.Only()
			assert.Equal(t, "POST "+clienttest.PolicyPath, sent.Method+" "+sent.Path)
			assert.JSONEq(t, test.body, sent.Body)
		})
	}
}

func TestDeleteSendsAnEmptyObject(t *testing.T) {
	t.Parallel()
	api, client := responding(t, clienttest.PolicyJSON)
	policy, err := client.NetworkPolicies.Delete(t.Context(), "npol_1")
	require.NoError(t, err)
	assert.Equal(t, "build", policy.Name, "the deleted policy")
	sent := api.Only()
	assert.Equal(t, "POST "+clienttest.DeletePath, sent.Method+" "+sent.Path)
	assert.JSONEq(t, `{}`, sent.Body)
	assert.Empty(t, sent.Query)
}
