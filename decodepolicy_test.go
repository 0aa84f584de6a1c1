package runloop_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// got returns the policy that Get decodes from a response.
func got(t *testing.T, body string) *runloop.NetworkPolicy {
	t.Helper()
	_, client := responding(t, body)
	policy, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
	require.NoError(t, err)
	return policy
}

// gotRules returns the rules that Get decodes from a response.
func gotRules(t *testing.T, egress string) runloop.EgressRules {
	t.Helper()
	return got(t, `{"id": "npol_1", "name": "build", "egress": `+egress+`, "create_time_ms": 1, "update_time_ms": 1}`).Egress
}

func TestDecodeAResponseOfTheLiveAPI(t *testing.T) {
	t.Parallel()
	policy := got(t, `{
		"id": "npol_1",
		"name": "build",
		"description": "package registries only",
		"egress": {
			"allow_all": false,
			"allow_devbox_to_devbox": true,
			"allowed_hostnames": ["github.com", "*.npmjs.org"],
			"allow_agent_gateway": true,
			"allow_mcp_gateway": true,
			"allow_runloop_mirrors": true,
			"allowed_cidrs": [
				{"cidr": "10.0.0.0/8", "ports": null},
				{"cidr": "10.1.0.0/16"},
				{"cidr": "10.2.0.0/16", "ports": []},
				{"cidr": "192.0.2.1/32", "ports": [
					{"port": 443, "end_port": null, "protocol": null},
					{"port": 8000, "end_port": 8080, "protocol": "TCP"},
					{"port": 53, "protocol": "UDP"}
				]}
			]
		},
		"create_time_ms": 1767225600123,
		"update_time_ms": 1767225601999
	}`)

	assert.Equal(t, &runloop.NetworkPolicy{
		ID:          "npol_1",
		Name:        "build",
		Description: "package registries only",
		Egress: runloop.EgressRules{
			AllowDevboxToDevbox: true,
			AllowedHostnames:    []string{"github.com", "*.npmjs.org"},
			AllowAgentGateway:   true,
			AllowMCPGateway:     true,
			AllowRunloopMirrors: true,
			AllowedCIDRs: []runloop.AllowedCIDR{
				{CIDR: "10.0.0.0/8"},
				{CIDR: "10.1.0.0/16"},
				{CIDR: "10.2.0.0/16"},
				{CIDR: "192.0.2.1/32", Ports: []runloop.PortRule{
					{Port: 443},
					{Port: 8000, EndPort: 8080, Protocol: runloop.ProtocolTCP},
					{Port: 53, Protocol: runloop.ProtocolUDP},
				}},
			},
		},
		CreateTime: time.Date(2026, 1, 1, 0, 0, 0, 123e6, time.UTC),
		UpdateTime: time.Date(2026, 1, 1, 0, 0, 1, 999e6, time.UTC),
	}, policy)
}

func TestDecodeEachFlag(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]runloop.EgressRules{
		"allow_all":              {AllowAll: true},
		"allow_devbox_to_devbox": {AllowDevboxToDevbox: true},
		"allow_agent_gateway":    {AllowAgentGateway: true},
		"allow_mcp_gateway":      {AllowMCPGateway: true},
		"allow_runloop_mirrors":  {AllowRunloopMirrors: true},
	} {
		assert.Equal(t, want, gotRules(t, `{"`+field+`": true}`))
		assert.Equal(t, runloop.EgressRules{}, gotRules(t, `{"`+field+`": false}`))
	}
}

func TestDecodeNull(t *testing.T) {
	t.Parallel()
	policy := got(t, `{"id": "npol_1", "name": null, "description": null, "egress": {
		"allow_all": null, "allow_devbox_to_devbox": null, "allowed_hostnames": null, "allow_agent_gateway": null,
		"allow_mcp_gateway": null, "allow_runloop_mirrors": null, "allowed_cidrs": null
	}, "create_time_ms": null, "update_time_ms": null}`)
	assert.Equal(t, &runloop.NetworkPolicy{ID: "npol_1"}, policy)
}

func TestUnknownFieldsOfAPolicyAreIgnored(t *testing.T) {
	t.Parallel()
	plain := got(t, clienttest.PolicyJSON)
	last := strings.LastIndex(clienttest.PolicyJSON, `}`)
	for _, field := range []string{
		`"owner": "me"`,
		`"labels": {"a": {"b": [1, {"id": "npol_2"}]}}`,
		`"tags": [[], {}, null, "x"]`,
		`"ID": "npol_2", "Name": "x", "Egress": {"allow_all": true}`,
		`"\u006eew\/member": 1`,
		`"": 1`,
		`"revision": 123456789012345678901234567890`,
		`"_id": null`,
		`"deep": ` + strings.Repeat("[", 500) + strings.Repeat("]", 500),
		`"notes": "` + strings.Repeat("long ", 10_000) + `"`,
		`"parent": {"egress": {"allow_all": true}}`,
	} {
		assert.Equal(t, plain, got(t, strings.Replace(clienttest.PolicyJSON, `{`, `{`+field+`, `, 1)), "first: %.40s", field)
		assert.Equal(t, plain, got(t, clienttest.PolicyJSON[:last]+`, `+field+`}`), "last: %.40s", field)
	}
}

// The API may trim a name or store it in another case.
func TestCreateWhoseNameComesBackInAnotherForm(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"build", "Build", "BUILD ", " build"} {
		_, client := responding(t, policyNamed(t, name))
		policy, err := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build"})
		require.NoError(t, err)
		assert.Equal(t, name, policy.Name)
	}
}

func TestTimesAreUTCToTheMillisecond(t *testing.T) {
	t.Parallel()
	for ms, want := range map[string]time.Time{
		"0":              time.Unix(0, 0).UTC(),
		"1":              time.Unix(0, 1e6).UTC(),
		"1767225600001":  time.Date(2026, 1, 1, 0, 0, 0, 1e6, time.UTC),
		"-1":             time.Date(1969, 12, 31, 23, 59, 59, 999e6, time.UTC),
		"4102444800999":  time.Date(2100, 1, 1, 0, 0, 0, 999e6, time.UTC),
		"-2208988800000": time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		policy := got(t, `{"id": "npol_1", "egress": {}, "create_time_ms": `+ms+`, "update_time_ms": `+ms+`}`)
		assert.Equal(t, want, policy.CreateTime)
		assert.Equal(t, want, policy.UpdateTime)
		assert.Equal(t, time.UTC, policy.CreateTime.Location())
	}
}

func TestDecodePages(t *testing.T) {
	t.Parallel()
	const first = `{"id": "npol_1", "name": "a", "egress": {}, "create_time_ms": 1, "update_time_ms": 1}`
	const second = `{"id": "npol_2", "name": "b", "egress": {}, "create_time_ms": 1, "update_time_ms": 1, "new": [1]}`
	for _, test := range []struct {
		json    string
		ids     []string
		hasMore bool
		total   *int
		cursor  string
	}{
		{`{"network_policies": [], "has_more": false}`, nil, false, nil, ""},
		{`{"network_policies": [` + first + `], "has_more": false, "total_count": 1}`, []string{"npol_1"}, false, new(1), ""},
		{`{"network_policies": [` + first + `, ` + second + `], "has_more": true, "total_count": 2147483647}`,
			[]string{"npol_1", "npol_2"}, true, new(2147483647), "npol_2"},
		{`{"network_policies": [` + first + `], "has_more": true, "total_count": null}`, []string{"npol_1"}, true, nil, "npol_1"},
		{`{"network_policies": [], "has_more": false, "total_count": 0}`, nil, false, new(0), ""},
		{`{"object": "list", "url": {"x": []}, "has_more": false, "network_policies": [` + second + `], "next": null}`, []string{"npol_2"}, false, nil, ""},
	} {
		_, client := responding(t, test.json)
		page, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{})
		require.NoError(t, err)
		var ids []string
		for _, policy := range page.NetworkPolicies {
			ids = append(ids, policy.ID)
		}
		assert.Equal(t, test.ids, ids)
		assert.Equal(t, test.hasMore, page.HasMore)
		assert.Equal(t, test.total, page.TotalCount)
		assert.Equal(t, test.cursor, page.NextCursor())
	}
}

// A decoded policy can be encoded, and then no longer changes.
func FuzzPolicyJSON(f *testing.F) {
	f.Add(clienttest.PolicyJSON)
	for _, place := range placesOfUnknownFields {
		f.Add(`{"egress": ` + strings.Replace(place.egress, "FIELD", `"n\u0065w": {"<b>": [1e400, -0.0, "\ud83d\ude80"]}`, 1) + `}`)
	}
	f.Add(`{"create_time_ms": -9223372036854775808, "update_time_ms": 9223372036854775807}`)
	f.Add(`{"\u0069d": "\/", "name": "\u0000", "egress": {"allowed_hostnames": ["\"", "\\"]}}`)
	f.Add(`null`)
	f.Add(`{"id": "npol_1"}{}`)

	f.Fuzz(func(t *testing.T, document string) {
		kept := runloop.NetworkPolicy{ID: "kept", Egress: runloop.EgressRules{AllowMCPGateway: true}}
		first := kept
		if err := json.Unmarshal([]byte(document), &first); err != nil {
			require.Equal(t, kept, first, "unchanged after an error")
			return
		}
		data, err := json.Marshal(first)
		require.NoError(t, err)
		var second runloop.NetworkPolicy
		require.NoError(t, json.Unmarshal(data, &second), "%s", data)
		again, err := json.Marshal(second)
		require.NoError(t, err)

		assert.Equal(t, string(data), string(again))
		assert.True(t, first.Egress.Equal(second.Egress), "%s", data)
		assert.Empty(t, first.Egress.Diff(second.Egress))
		assert.Equal(t, first.Egress.Fingerprint(), second.Egress.Fingerprint())
		assert.Equal(t, first.Egress.String(), second.Egress.String())
		assert.Equal(t, first.Egress.Validate(), second.Egress.Validate())
	})
}
