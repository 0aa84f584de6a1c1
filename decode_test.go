package runloop_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

// got returns what Get makes of an answer.
func got(t *testing.T, body string) *runloop.NetworkPolicy {
	t.Helper()
	api, client := newAPI(t)
	api.answers(http.MethodGet, policyPath, answer(200, body))
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
	plain := got(t, policyJSON)
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
			assert.Equal(t, plain, got(t, strings.Replace(policyJSON, `{`, `{`+member+`, `, 1)), "first")
			last := strings.LastIndex(policyJSON, `}`)
			assert.Equal(t, plain, got(t, policyJSON[:last]+`, `+member+`}`), "last")
		})
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

// JSON has many ways to write one text, in names of members as in values.
func TestDecodeEscapes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, json, text string }{
		{"none", `"build"`, "build"},
		{"a letter", `"buil\u0064"`, "build"},
		{"a slash", `"a\/b"`, "a/b"},
		{"quotes and backslashes", `"\"\\"`, `"\`},
		{"control characters", `"\b\f\n\r\t\u0000"`, "\b\f\n\r\t\x00"},
		{"more than ASCII", `"é日"`, "é日"},
		{"more than ASCII, escaped", `"\u00e9\u65E5"`, "é日"},
		{"a surrogate pair", `"\ud83d\uDE80"`, "🚀"},
		{"a backslash at the end", `"x\\"`, `x\`},
		{"the replacement character itself", `"\ufffd"`, "\ufffd"},
		{"empty", `""`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			policy := got(t, `{"\u0069d": "npol\u005f1", "n\u0061me": `+test.json+`, "description": `+test.json+`,
				"\u0065gress": {"allowed\u005fhostnames": ["plain.example", `+test.json+`, "*.example", `+test.json+`],
				"allow\u005fall": true, "allowed_cidrs": [{"\u0063idr": `+test.json+`, "ports": [{"protocol": `+test.json+`}]}]}}`)

			assert.Equal(t, "npol_1", policy.ID)
			assert.Equal(t, test.text, policy.Name)
			assert.Equal(t, test.text, policy.Description)
			assert.True(t, policy.Egress.AllowAll)
			assert.Equal(t, []string{"plain.example", test.text, "*.example", test.text}, policy.Egress.AllowedHostnames)
			assert.Equal(t, test.text, policy.Egress.AllowedCIDRs[0].CIDR)
			assert.Equal(t, runloop.Protocol(test.text), policy.Egress.AllowedCIDRs[0].Ports[0].Protocol)
		})
	}
}

func TestDecodeHostLists(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, json string
		hosts      []string
	}{
		{"empty", `[]`, nil},
		{"blanks only", "[ \t\r\n ]", nil},
		{"one", `["github.com"]`, []string{"github.com"}},
		{"blanks between", "[\n\t\"a\" ,\r\n \"b\"\n]", []string{"a", "b"}},
		{"separators in a text", `["a,b", "]", "[", "{\"x\":1}"]`, []string{"a,b", "]", "[", `{"x":1}`}},
		{"quotes in a text", `["\"", "\\\"", "\\", "\\\\"]`, []string{`"`, `\"`, `\`, `\\`}},
		{"empty texts", `["", "", "a", ""]`, []string{"", "", "a", ""}},
		{"repetitions", `["a", "a"]`, []string{"a", "a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.hosts, gotRules(t, `{"allowed_hostnames": `+test.json+`}`).AllowedHostnames)
		})
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
			api, client := newAPI(t)
			api.answers(http.MethodGet, policiesPath, answer(200, test.json))

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
