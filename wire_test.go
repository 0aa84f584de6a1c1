package runloop_test

import (
	"encoding/json"
	"net/http"
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

func TestCreateBody(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		params runloop.NetworkPolicyCreateParams
		body   string
	}{
		{
			"a name alone denies everything in so many words",
			runloop.NetworkPolicyCreateParams{Name: "build"},
			`{"name": "build", "allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [],
				"allow_agent_gateway": false, "allow_mcp_gateway": false}`,
		},
		{
			"empty lists are like nil ones",
			runloop.NetworkPolicyCreateParams{Name: "build", Egress: runloop.EgressRules{
				AllowedHostnames: []string{},
				AllowedCIDRs:     []runloop.AllowedCIDR{},
			}},
			`{"name": "build", "allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [],
				"allow_agent_gateway": false, "allow_mcp_gateway": false}`,
		},
		{
			"a description is sent when it is set",
			runloop.NetworkPolicyCreateParams{Name: "build", Description: "package registries only"},
			`{"name": "build", "description": "package registries only",
				"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [],
				"allow_agent_gateway": false, "allow_mcp_gateway": false}`,
		},
		{
			"host names keep their order, case and repetitions",
			runloop.NetworkPolicyCreateParams{Name: "build", Egress: runloop.EgressRules{
				AllowedHostnames: []string{"z.example", "*.npmjs.org", "GitHub.com.", "z.example"},
			}},
			`{"name": "build", "allow_all": false, "allow_devbox_to_devbox": false,
				"allowed_hostnames": ["z.example", "*.npmjs.org", "GitHub.com.", "z.example"],
				"allow_agent_gateway": false, "allow_mcp_gateway": false}`,
		},
		{
			"allow all does not hide the other rules",
			runloop.NetworkPolicyCreateParams{Name: "open", Egress: runloop.EgressRules{
				AllowAll: true, AllowedHostnames: []string{"github.com"},
			}},
			`{"name": "open", "allow_all": true, "allow_devbox_to_devbox": false, "allowed_hostnames": ["github.com"],
				"allow_agent_gateway": false, "allow_mcp_gateway": false}`,
		},
		{
			"the mirrors are sent when they are allowed",
			runloop.NetworkPolicyCreateParams{Name: "build", Egress: runloop.EgressRules{AllowRunloopMirrors: true}},
			`{"name": "build", "allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [],
				"allow_agent_gateway": false, "allow_mcp_gateway": false, "allow_runloop_mirrors": true}`,
		},
		{
			"address ranges have ports, last ports and protocols where they are set",
			runloop.NetworkPolicyCreateParams{Name: "build", Egress: runloop.EgressRules{
				AllowedCIDRs: []runloop.AllowedCIDR{
					{CIDR: "10.0.0.0/8"},
					{CIDR: "10.1.0.0/16", Ports: []runloop.PortRule{}},
					{CIDR: "192.0.2.1/32", Ports: []runloop.PortRule{
						{Port: 1, Protocol: runloop.ProtocolTCP},
						{Port: 443, EndPort: 443, Protocol: runloop.ProtocolTCP},
						{Port: 8000, EndPort: 65535, Protocol: runloop.ProtocolUDP},
						{Port: 53, Protocol: runloop.ProtocolUDP},
					}},
				},
			}},
			`{"name": "build", "allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [],
				"allow_agent_gateway": false, "allow_mcp_gateway": false, "allowed_cidrs": [
					{"cidr": "10.0.0.0/8"},
					{"cidr": "10.1.0.0/16"},
					{"cidr": "192.0.2.1/32", "ports": [
						{"port": 1, "protocol": "TCP"},
						{"port": 443, "end_port": 443, "protocol": "TCP"},
						{"port": 8000, "end_port": 65535, "protocol": "UDP"},
						{"port": 53, "protocol": "UDP"}]}]}`,
		},
		{
			"everything at once",
			runloop.NetworkPolicyCreateParams{Name: "all", Description: "d", Egress: runloop.EgressRules{
				AllowAll: true, AllowDevboxToDevbox: true, AllowedHostnames: []string{"github.com"},
				AllowAgentGateway: true, AllowMCPGateway: true, AllowRunloopMirrors: true,
				AllowedCIDRs: []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8"}},
			}},
			`{"name": "all", "description": "d", "allow_all": true, "allow_devbox_to_devbox": true,
				"allowed_hostnames": ["github.com"], "allow_agent_gateway": true, "allow_mcp_gateway": true,
				"allow_runloop_mirrors": true, "allowed_cidrs": [{"cidr": "10.0.0.0/8"}]}`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			api.On(http.MethodPost, clienttest.PoliciesPath, clienttest.Respond(200, policyNamed(t, test.params.Name)))

			_, err := client.NetworkPolicies.Create(t.Context(), test.params)

			require.NoError(t, err)
			assert.JSONEq(t, test.body, api.Only().Body)
		})
	}
}

// The same flag is false in every other body, so one at a time shows that none is
// mistaken for another.
func TestCreateSendsEachFlagUnderItsName(t *testing.T) {
	t.Parallel()
	for member, rules := range map[string]runloop.EgressRules{
		"allow_all":              {AllowAll: true},
		"allow_devbox_to_devbox": {AllowDevboxToDevbox: true},
		"allow_agent_gateway":    {AllowAgentGateway: true},
		"allow_mcp_gateway":      {AllowMCPGateway: true},
		"allow_runloop_mirrors":  {AllowRunloopMirrors: true},
	} {
		t.Run(member, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			api.On(http.MethodPost, clienttest.PoliciesPath, clienttest.Respond(200, clienttest.PolicyJSON))

			_, err := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build", Egress: rules})

			require.NoError(t, err)
			var body map[string]any
			require.NoError(t, json.Unmarshal([]byte(api.Only().Body), &body))
			var on []string
			for name, value := range body {
				if value == true {
					on = append(on, name)
				}
			}
			assert.Equal(t, []string{member}, on)
		})
	}
}

func TestCreateEscapesTexts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, json string }{
		{"quotes and backslashes", `"quoted" C:\dir`, `"\"quoted\" C:\\dir"`},
		{"what would end an object", `x"}, "allow_all": true, {"`, `"x\"}, \"allow_all\": true, {\""`},
		{"line breaks and tabs", "a\r\n\tb", `"a\r\n\tb"`},
		{"control characters", "a\x00b\x1b[31m\x7f", `"a\u0000b\u001b[31m\u007f"`},
		{"more than ASCII", "größe 日本語 🚀", `"gr\u00f6\u00dfe \u65e5\u672c\u8a9e \ud83d\ude80"`},
		{"HTML", "<b>&amp;</b>", `"<b>&amp;</b>"`},
		{"line separators", "a\u2028b\u2029c", `"a\u2028b\u2029c"`},
		{"a header", "x\r\nX-Evil: 1", `"x\r\nX-Evil: 1"`},
		{"a long text", strings.Repeat("long ", 20_000) + "end", `"` + strings.Repeat("long ", 20_000) + `end"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			api.On(http.MethodPost, clienttest.PoliciesPath, clienttest.Respond(200, clienttest.PolicyJSON))

			_, err := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build", Description: test.text})

			require.NoError(t, err)
			sent := api.Only()
			assert.JSONEq(t, `{"name": "build", "description": `+test.json+`, "allow_all": false,
				"allow_devbox_to_devbox": false, "allowed_hostnames": [], "allow_agent_gateway": false,
				"allow_mcp_gateway": false}`, sent.Body)
			assert.Empty(t, sent.Header.Get("X-Evil"))
		})
	}
}

func TestCreateEscapesNames(t *testing.T) {
	t.Parallel()
	for name, json := range map[string]string{
		`"quoted" C:\dir`:        `"\"quoted\" C:\\dir"`,
		`x"}, "allow_all": true`: `"x\"}, \"allow_all\": true"`,
		"größe 日本語 🚀":            `"gr\u00f6\u00dfe \u65e5\u672c\u8a9e \ud83d\ude80"`,
		"<b>&amp;</b>":           `"<b>&amp;</b>"`,
	} {
		api, client := clienttest.NewAPI(t)
		api.On(http.MethodPost, clienttest.PoliciesPath, clienttest.Respond(200, policyNamed(t, name)))

		policy, err := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: name})

		require.NoError(t, err)
		assert.Equal(t, name, policy.Name)
		assert.JSONEq(t, `{"name": `+json+`, "allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [],
			"allow_agent_gateway": false, "allow_mcp_gateway": false}`, api.Only().Body)
	}
}

func TestUpdateBody(t *testing.T) {
	t.Parallel()
	var noHosts []string
	var noCIDRs []runloop.AllowedCIDR
	for _, test := range []struct {
		name   string
		params runloop.NetworkPolicyUpdateParams
		body   string
	}{
		{"nothing", runloop.NetworkPolicyUpdateParams{}, `{}`},
		{"a name", runloop.NetworkPolicyUpdateParams{Name: new("new")}, `{"name": "new"}`},
		{"a description", runloop.NetworkPolicyUpdateParams{Description: new("new")}, `{"description": "new"}`},
		{"no description", runloop.NetworkPolicyUpdateParams{Description: new("")}, `{"description": ""}`},
		{"allow all on", runloop.NetworkPolicyUpdateParams{AllowAll: new(true)}, `{"allow_all": true}`},
		{"allow all off", runloop.NetworkPolicyUpdateParams{AllowAll: new(false)}, `{"allow_all": false}`},
		{"devbox to devbox on", runloop.NetworkPolicyUpdateParams{AllowDevboxToDevbox: new(true)}, `{"allow_devbox_to_devbox": true}`},
		{"devbox to devbox off", runloop.NetworkPolicyUpdateParams{AllowDevboxToDevbox: new(false)}, `{"allow_devbox_to_devbox": false}`},
		{"agent gateway on", runloop.NetworkPolicyUpdateParams{AllowAgentGateway: new(true)}, `{"allow_agent_gateway": true}`},
		{"agent gateway off", runloop.NetworkPolicyUpdateParams{AllowAgentGateway: new(false)}, `{"allow_agent_gateway": false}`},
		{"MCP gateway on", runloop.NetworkPolicyUpdateParams{AllowMCPGateway: new(true)}, `{"allow_mcp_gateway": true}`},
		{"MCP gateway off", runloop.NetworkPolicyUpdateParams{AllowMCPGateway: new(false)}, `{"allow_mcp_gateway": false}`},
		{"mirrors on", runloop.NetworkPolicyUpdateParams{AllowRunloopMirrors: new(true)}, `{"allow_runloop_mirrors": true}`},
		{"mirrors off", runloop.NetworkPolicyUpdateParams{AllowRunloopMirrors: new(false)}, `{"allow_runloop_mirrors": false}`},
		{"host names", runloop.NetworkPolicyUpdateParams{AllowedHostnames: &[]string{"b.example", "a.example"}},
			`{"allowed_hostnames": ["b.example", "a.example"]}`},
		{"an empty list of host names", runloop.NetworkPolicyUpdateParams{AllowedHostnames: &[]string{}}, `{"allowed_hostnames": []}`},
		{"a nil list of host names", runloop.NetworkPolicyUpdateParams{AllowedHostnames: &noHosts}, `{"allowed_hostnames": []}`},
		{"address ranges", runloop.NetworkPolicyUpdateParams{AllowedCIDRs: &[]runloop.AllowedCIDR{
			{CIDR: "10.0.0.0/8", Ports: []runloop.PortRule{{Port: 22, EndPort: 23, Protocol: runloop.ProtocolTCP}}}, {CIDR: "0.0.0.0/0"}}},
			`{"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 22, "end_port": 23, "protocol": "TCP"}]}, {"cidr": "0.0.0.0/0"}]}`},
		{"an empty list of address ranges", runloop.NetworkPolicyUpdateParams{AllowedCIDRs: &[]runloop.AllowedCIDR{}}, `{"allowed_cidrs": []}`},
		{"a nil list of address ranges", runloop.NetworkPolicyUpdateParams{AllowedCIDRs: &noCIDRs}, `{"allowed_cidrs": []}`},
		{
			"everything at once",
			runloop.NetworkPolicyUpdateParams{
				Name: new("n"), Description: new("d"), AllowAll: new(false), AllowDevboxToDevbox: new(true),
				AllowedHostnames: &[]string{"a.example"}, AllowAgentGateway: new(false), AllowMCPGateway: new(true),
				AllowRunloopMirrors: new(false), AllowedCIDRs: &[]runloop.AllowedCIDR{},
			},
			`{"name": "n", "description": "d", "allow_all": false, "allow_devbox_to_devbox": true,
				"allowed_hostnames": ["a.example"], "allow_agent_gateway": false, "allow_mcp_gateway": true,
				"allow_runloop_mirrors": false, "allowed_cidrs": []}`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			api.On(http.MethodPost, clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))

			policy, err := client.NetworkPolicies.Update(t.Context(), "npol_1", test.params)

			require.NoError(t, err)
			assert.Equal(t, "npol_1", policy.ID)
			sent := api.Only()
			assert.Equal(t, clienttest.PolicyPath, sent.Path)
			assert.JSONEq(t, test.body, sent.Body)
		})
	}
}

func TestDeleteSendsAnEmptyObject(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodPost, clienttest.DeletePath, clienttest.Respond(200, clienttest.PolicyJSON))

	policy, err := client.NetworkPolicies.Delete(t.Context(), "npol_1")

	require.NoError(t, err)
	assert.Equal(t, "build", policy.Name, "the policy as it was")
	sent := api.Only()
	assert.JSONEq(t, `{}`, sent.Body)
	assert.Empty(t, sent.Query)
}
