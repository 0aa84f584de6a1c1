package runloop_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// got returns what Get makes of an answer.
func got(t *testing.T, body string) *runloop.NetworkPolicy {
	t.Helper()
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(200, body))
	policy, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
	require.NoError(t, err)
	return policy
}

// gotRules returns what Get makes of the egress member of an answer.
func gotRules(t *testing.T, egress string) runloop.EgressRules {
	t.Helper()
	return got(t, `{"id": "npol_1", "name": "build", "egress": `+egress+`, "create_time_ms": 1, "update_time_ms": 1}`).Egress
}

func TestDecodeAnAnswerOfTheLiveAPI(t *testing.T) {
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

// An API of version 0.1 has neither mirrors nor address ranges.
func TestDecodeAnAnswerOfVersion01(t *testing.T) {
	t.Parallel()
	policy := got(t, `{"id":"npol_1","name":"open","description":null,"egress":{"allow_all":true,
		"allow_devbox_to_devbox":true,"allowed_hostnames":[],"allow_agent_gateway":false,"allow_mcp_gateway":false},
		"create_time_ms":1767225600000,"update_time_ms":1767225600000}`)

	assert.Empty(t, policy.Description)
	assert.Equal(t, runloop.EgressRules{AllowAll: true, AllowDevboxToDevbox: true}, policy.Egress)
}

func TestDecodeEachFlagUnderItsName(t *testing.T) {
	t.Parallel()
	for member, want := range map[string]runloop.EgressRules{
		"allow_all":              {AllowAll: true},
		"allow_devbox_to_devbox": {AllowDevboxToDevbox: true},
		"allow_agent_gateway":    {AllowAgentGateway: true},
		"allow_mcp_gateway":      {AllowMCPGateway: true},
		"allow_runloop_mirrors":  {AllowRunloopMirrors: true},
	} {
		assert.Equal(t, want, gotRules(t, `{"`+member+`": true}`))
		assert.Equal(t, runloop.EgressRules{}, gotRules(t, `{"`+member+`": false}`))
	}
}

func TestNullIsNothing(t *testing.T) {
	t.Parallel()
	policy := got(t, `{"id": "npol_1", "name": null, "description": null, "egress": {
		"allow_all": null, "allow_devbox_to_devbox": null, "allowed_hostnames": null, "allow_agent_gateway": null,
		"allow_mcp_gateway": null, "allow_runloop_mirrors": null, "allowed_cidrs": null
	}, "create_time_ms": null, "update_time_ms": null}`)

	assert.Equal(t, &runloop.NetworkPolicy{ID: "npol_1"}, policy)
	assert.True(t, policy.CreateTime.IsZero())
}

func TestUnknownMembersAreIgnored(t *testing.T) {
	t.Parallel()
	plain := got(t, clienttest.PolicyJSON)
	for name, member := range map[string]string{
		"a text":           `"owner": "me"`,
		"an object":        `"labels": {"a": {"b": [1, {"id": "npol_2"}]}}`,
		"a list":           `"tags": [[], {}, null, "x"]`,
		"another case":     `"ID": "npol_2", "Name": "x", "Egress": {"allow_all": true}`,
		"an escaped name":  `"\u006eew\/member": 1`,
		"an empty name":    `"": 1`,
		"a large number":   `"revision": 123456789012345678901234567890`,
		"beside id":        `"_id": null`,
		"deep nesting":     `"deep": ` + strings.Repeat("[", 500) + strings.Repeat("]", 500),
		"a long text":      `"notes": "` + strings.Repeat("long ", 10_000) + `"`,
		"egress elsewhere": `"parent": {"egress": {"allow_all": true}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, plain, got(t, strings.Replace(clienttest.PolicyJSON, `{`, `{`+member+`, `, 1)), "first")
			last := strings.LastIndex(clienttest.PolicyJSON, `}`)
			assert.Equal(t, plain, got(t, clienttest.PolicyJSON[:last]+`, `+member+`}`), "last")
		})
	}
}

// The API may trim a name, or keep it in another case: it is the policy created.
func TestCreateKnowsItsPolicyByAnotherForm(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"build", "Build", "BUILD ", " build"} {
		api, client := clienttest.NewAPI(t)
		api.On(http.MethodPost, clienttest.PoliciesPath, clienttest.Respond(200, policyNamed(t, name)))
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
		name, json string
		ids        []string
		hasMore    bool
		total      *int
		cursor     string
	}{
		{"empty", `{"network_policies": [], "has_more": false}`, nil, false, nil, ""},
		{"the last", `{"network_policies": [` + first + `], "has_more": false, "total_count": 1}`, []string{"npol_1"}, false, new(1), ""},
		{"one of several", `{"network_policies": [` + first + `, ` + second + `], "has_more": true, "total_count": 2147483647}`,
			[]string{"npol_1", "npol_2"}, true, new(2147483647), "npol_2"},
		{"not counted", `{"network_policies": [` + first + `], "has_more": true, "total_count": null}`, []string{"npol_1"}, true, nil, "npol_1"},
		{"none counted", `{"network_policies": [], "has_more": false, "total_count": 0}`, nil, false, new(0), ""},
		{"with unknown members", `{"object": "list", "url": {"x": []}, "has_more": false, "network_policies": [` + second + `], "next": null}`,
			[]string{"npol_2"}, false, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			api.On(http.MethodGet, clienttest.PoliciesPath, clienttest.Respond(200, test.json))

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
		})
	}
}

// What can be read can be written, and then stays as it is.
func FuzzPolicyJSON(f *testing.F) {
	f.Add(clienttest.PolicyJSON)
	for _, place := range placesOfUnknownMembers {
		f.Add(`{"egress": ` + strings.Replace(place.egress, "MEMBER", `"n\u0065w": {"<b>": [1e400, -0.0, "\ud83d\ude80"]}`, 1) + `}`)
	}
	f.Add(`{"create_time_ms": -9223372036854775808, "update_time_ms": 9223372036854775807}`)
	f.Add(`{"\u0069d": "\/", "name": "\u0000", "egress": {"allowed_hostnames": ["\"", "\\"]}}`)
	f.Add(`null`)
	f.Add(`{"id": "npol_1"}{}`)

	f.Fuzz(func(t *testing.T, document string) {
		kept := runloop.NetworkPolicy{ID: "kept", Egress: runloop.EgressRules{AllowMCPGateway: true}}
		first := kept
		if err := json.Unmarshal([]byte(document), &first); err != nil {
			require.Equal(t, kept, first, "an error changes nothing")
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
