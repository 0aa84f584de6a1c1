package runloop_test

import (
	"bytes"
	"encoding/gob"
	stdjson "encoding/json"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

// A codec is a JSON package that users may choose.
type codec struct {
	name      string
	marshal   func(any) ([]byte, error)
	unmarshal func([]byte, any) error
}

var codecs = []codec{
	{"encoding/json", stdjson.Marshal, stdjson.Unmarshal},
	{
		"go-json-experiment/json",
		func(v any) ([]byte, error) { return json.Marshal(v) },
		func(data []byte, v any) error { return json.Unmarshal(data, v) },
	},
}

func forEachCodec(t *testing.T, test func(*testing.T, codec)) {
	t.Helper()
	for _, c := range codecs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

func TestMarshalAPolicy(t *testing.T) {
	t.Parallel()
	forEachCodec(t, func(t *testing.T, c codec) {
		data, err := c.marshal(runloop.NetworkPolicy{
			ID:          "npol_1",
			Name:        "build",
			Description: "d",
			Egress: runloop.EgressRules{
				AllowMCPGateway:  true,
				AllowedHostnames: []string{"github.com"},
				AllowedCIDRs: []runloop.AllowedCIDR{
					{CIDR: "10.0.0.0/8"},
					{CIDR: "192.0.2.1/32", Ports: []runloop.PortRule{{Port: 443}, {Port: 1, EndPort: 2, Protocol: runloop.ProtocolUDP}}},
				},
			},
			CreateTime: time.Date(2026, 1, 1, 1, 0, 0, 123_999_999, time.FixedZone("CET", 3600)),
			UpdateTime: time.UnixMilli(1767225601000),
		})

		require.NoError(t, err)
		assert.JSONEq(t, `{"id": "npol_1", "name": "build", "description": "d", "egress": {
			"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": ["github.com"],
			"allow_agent_gateway": false, "allow_mcp_gateway": true, "allow_runloop_mirrors": false,
			"allowed_cidrs": [{"cidr": "10.0.0.0/8"}, {"cidr": "192.0.2.1/32", "ports": [
				{"port": 443}, {"port": 1, "end_port": 2, "protocol": "UDP"}]}]},
			"create_time_ms": 1767225600123, "update_time_ms": 1767225601000}`, string(data))
	})
}

func TestMarshalRulesThatAllowNothing(t *testing.T) {
	t.Parallel()
	forEachCodec(t, func(t *testing.T, c codec) {
		data, err := c.marshal(&runloop.EgressRules{})

		require.NoError(t, err)
		assert.JSONEq(t, `{"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [],
			"allow_agent_gateway": false, "allow_mcp_gateway": false, "allow_runloop_mirrors": false,
			"allowed_cidrs": []}`, string(data))
	})
}

// A caller may keep policies where it likes: what comes back is what went in.
func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	forEachCodec(t, func(t *testing.T, c codec) {
		forEachSeed(t, func(t *testing.T, g generator) {
			want := runloop.NetworkPolicy{
				ID: "npol_1", Name: "n", Egress: g.rules(), CreateTime: time.UnixMilli(g.Int64N(4e12)).UTC(),
			}
			data, err := c.marshal(want)
			require.NoError(t, err)
			var policy runloop.NetworkPolicy
			require.NoError(t, c.unmarshal(data, &policy), "%s", data)
			assert.Equal(t, want, policy)
		})
	})
}

func TestJSONRoundTripOfAnswers(t *testing.T) {
	t.Parallel()
	forEachCodec(t, func(t *testing.T, c codec) {
		forEachSeed(t, func(t *testing.T, g generator) {
			answer := g.policyJSON()
			var first, second runloop.NetworkPolicy
			require.NoError(t, c.unmarshal([]byte(answer), &first), "%s", answer)
			data, err := c.marshal(first)
			require.NoError(t, err)
			require.NoError(t, c.unmarshal(data, &second), "%s", data)
			assert.True(t, first.Egress.Equal(second.Egress), "%s\n%s", answer, data)
			again, err := c.marshal(second)
			require.NoError(t, err)
			assert.Equal(t, string(data), string(again))
		})
	})
}

// Ranges and ports have a JSON form of their own, for lists of them in a configuration.
func TestJSONRoundTripOfRanges(t *testing.T) {
	t.Parallel()
	const document = `[{"cidr": "10.0.0.0/8", "vlan": 7, "ports": [{"port": 443, "protocol": "TCP", "icmp": true}, {"port": 1, "end_port": 9}]}]`
	forEachCodec(t, func(t *testing.T, c codec) {
		var ranges []runloop.AllowedCIDR
		require.NoError(t, c.unmarshal([]byte(document), &ranges))
		assert.Equal(t, runloop.ProtocolTCP, ranges[0].Ports[0].Protocol)
		assert.Equal(t, runloop.PortRule{Port: 1, EndPort: 9}, ranges[0].Ports[1])
		data, err := c.marshal(ranges)
		require.NoError(t, err)
		assert.JSONEq(t, document, string(data))

		for _, bad := range []string{`{"cidr": 1}`, `[]`, `{"ports": [{"port": 1e1}]}`, `{"cidr": "a", "cidr": "b"}`} {
			kept := ranges[0]
			require.Error(t, c.unmarshal([]byte(bad), &kept), bad)
			assert.Equal(t, ranges[0], kept)
		}
		port := ranges[0].Ports[0]
		require.Error(t, c.unmarshal([]byte(`{"port": 2147483648}`), &port))
		assert.Equal(t, ranges[0].Ports[0], port)
	})
}

func TestJSONKeepsUnknownEgressMembers(t *testing.T) {
	t.Parallel()
	const document = `{"id": "", "name": "", "egress": {
		"allow_tunnels": true, "n\u0065w": {"b": [1.50, null, "<&>\/"], "a": {}}, "off": false,
		"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [],
		"allow_agent_gateway": false, "allow_mcp_gateway": false, "allow_runloop_mirrors": false,
		"allowed_cidrs": [{"cidr": "10.0.0.0/8", "vlan": 7, "ports": [{"port": 1, "icmp": true}]}]
	}, "create_time_ms": 1, "update_time_ms": 2}`
	forEachCodec(t, func(t *testing.T, c codec) {
		var policy runloop.NetworkPolicy
		require.NoError(t, c.unmarshal([]byte(document), &policy))

		data, err := c.marshal(policy)

		require.NoError(t, err)
		assert.JSONEq(t, document, string(data))
	})
}

// Beside egress a member that is not known says nothing about what is allowed.
func TestJSONDropsOtherUnknownMembers(t *testing.T) {
	t.Parallel()
	forEachCodec(t, func(t *testing.T, c codec) {
		var policy runloop.NetworkPolicy
		require.NoError(t, c.unmarshal([]byte(`{"id": "npol_1", "owner": "me"}`), &policy))
		assert.Equal(t, runloop.NetworkPolicy{ID: "npol_1"}, policy)
	})
}

func TestUnmarshalReplacesTheWholeValue(t *testing.T) {
	t.Parallel()
	forEachCodec(t, func(t *testing.T, c codec) {
		rules := runloop.EgressRules{AllowAll: true, AllowedHostnames: []string{"github.com"}}
		require.NoError(t, c.unmarshal([]byte(`{"new": 1}`), &rules))
		require.NoError(t, c.unmarshal([]byte(`{"allow_mcp_gateway": true}`), &rules))
		assert.Equal(t, runloop.EgressRules{AllowMCPGateway: true}, rules, "nothing is left of before")
	})
}

func TestUnmarshalNullIsNoChange(t *testing.T) {
	t.Parallel()
	forEachCodec(t, func(t *testing.T, c codec) {
		var kept struct {
			Policy *runloop.NetworkPolicy
			Rules  []runloop.EgressRules
		}
		require.NoError(t, c.unmarshal([]byte(`{"Policy": null, "Rules": [{"allow_all": true}, {}]}`), &kept))
		assert.Nil(t, kept.Policy)
		assert.Equal(t, []runloop.EgressRules{{AllowAll: true}, {}}, kept.Rules)
	})
	policy := runloop.NetworkPolicy{ID: "npol_1"}
	require.NoError(t, policy.UnmarshalJSON([]byte(`null`)))
	assert.Equal(t, "npol_1", policy.ID)
}

func TestUnmarshalThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, json string }{
		{"nothing", ``},
		{"cut", `{"id": "npol_2", "egress": {"allow_all": true`},
		{"no object", `["npol_2"]`},
		{"a broken flag", `{"id": "npol_2", "egress": {"allow_all": tru}}`},
		{"a broken number", `{"id": "npol_2", "create_time_ms": -}`},
		{"a broken text", `{"id": "npol_2", "name": "\x"}`},
		{"a broken list", `{"id": "npol_2", "egress": {"allowed_hostnames": ["a" "b"]}}`},
		{"a broken member", `{"id": "npol_2", "egress": {"new": }}`},
		{"a broken name", `{"id": "npol_2", "\ud83d": 1}`},
		{"a number for a text", `{"id": "npol_2", "name": 1}`},
		{"a text for a flag", `{"id": "npol_2", "egress": {"allow_all": "true"}}`},
		{"a number for a flag", `{"id": "npol_2", "egress": {"allow_all": 1}}`},
		{"a text for a list", `{"id": "npol_2", "egress": {"allowed_hostnames": "github.com"}}`},
		{"null as a host name", `{"id": "npol_2", "egress": {"allowed_hostnames": ["github.com", null]}}`},
		{"a number as a host name", `{"id": "npol_2", "egress": {"allowed_hostnames": [1]}}`},
		{"a list as a host name", `{"id": "npol_2", "egress": {"allowed_hostnames": [["github.com"]]}}`},
		{"null as a range", `{"id": "npol_2", "egress": {"allowed_cidrs": [null]}}`},
		{"a text as a range", `{"id": "npol_2", "egress": {"allowed_cidrs": ["10.0.0.0/8"]}}`},
		{"a text for a port", `{"id": "npol_2", "egress": {"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": "80"}]}]}}`},
		{"a broken port", `{"id": "npol_2", "egress": {"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 80.5}]}]}}`},
		{"a fraction for a time", `{"id": "npol_2", "create_time_ms": 1.5}`},
		{"an exponent for a time", `{"id": "npol_2", "create_time_ms": 1e3}`},
		{"a time out of range", `{"id": "npol_2", "create_time_ms": 9223372036854775808}`},
		{"a text for a time", `{"id": "npol_2", "create_time_ms": "2026-01-01T00:00:00Z"}`},
		{"a name twice", `{"id": "npol_2", "id": "npol_3"}`},
		{"a name twice, escaped", `{"id": "npol_2", "\u0069d": "npol_3"}`},
		{"a flag twice", `{"egress": {"allow_all": true, "allow_all": false}}`},
		{"an unknown member twice", `{"egress": {"new": true, "new": false}}`},
		{"invalid UTF-8", "{\"id\": \"npol_\xff\"}"},
		{"half a surrogate pair", `{"id": "npol_2", "name": "\ud83d"}`},
		{"half a surrogate pair in an unknown member", `{"egress": {"new": "\ud83d"}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range codecs {
				policy := runloop.NetworkPolicy{ID: "npol_1", Egress: runloop.EgressRules{AllowedHostnames: []string{"github.com"}}}
				before := policy
				require.Error(t, c.unmarshal([]byte(test.json), &policy), c.name)
				assert.Equal(t, before, policy, c.name)
			}
			var policy runloop.NetworkPolicy
			require.Error(t, policy.UnmarshalJSON([]byte(test.json)))
			assert.Zero(t, policy)
		})
	}
}

func TestUnmarshalRefusesWhatFollows(t *testing.T) {
	t.Parallel()
	for _, tail := range []string{`{}`, `null`, `x`, `,`, `}`} {
		var rules runloop.EgressRules
		require.Error(t, rules.UnmarshalJSON([]byte(`{"allow_all": true}`+tail)))
		assert.Zero(t, rules)
	}
}

// What cannot be written is an error, and no text that differs from the value.
func TestMarshalRefusesInvalidUTF8(t *testing.T) {
	t.Parallel()
	forEachCodec(t, func(t *testing.T, c codec) {
		var rules runloop.EgressRules
		require.NoError(t, c.unmarshal([]byte(`{"new": 1, "allowed_cidrs": [{"new": 1, "ports": [{"new": 1}]}]}`), &rules))
		for _, spoil := range []func(*runloop.EgressRules){
			func(r *runloop.EgressRules) { r.AllowedHostnames = []string{"\xff"} },
			func(r *runloop.EgressRules) { r.AllowedCIDRs[0].CIDR = "\xff" },
			func(r *runloop.EgressRules) { r.AllowedCIDRs[0].Ports[0].Protocol = "\xff" },
		} {
			spoil(&rules)
			data, err := c.marshal(rules)
			require.Error(t, err)
			assert.Empty(t, data)
		}
	})
}

// A policy of which only the ID is known, as Delete may return it, claims no times.
func TestAPolicyWithoutTimesHasNoneInJSON(t *testing.T) {
	t.Parallel()
	policy := runloop.NetworkPolicy{ID: "npol_1"}

	document, err := json.Marshal(policy)
	require.NoError(t, err)
	assert.JSONEq(t, `{"id": "npol_1", "name": "", "egress": {
		"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [], "allow_agent_gateway": false,
		"allow_mcp_gateway": false, "allow_runloop_mirrors": false, "allowed_cidrs": []}}`, string(document))

	var back runloop.NetworkPolicy
	require.NoError(t, json.Unmarshal(document, &back))
	assert.True(t, back.CreateTime.IsZero())
	assert.True(t, back.UpdateTime.IsZero())
}

// gob goes by exported fields: without methods of their own, it would drop what makes
// rules wider than they look.
func TestGobRoundTrip(t *testing.T) {
	t.Parallel()
	rules := gotRules(t, `{"new": {"x": 9007199254740993}, "allowed_hostnames": ["github.com"],
		"allowed_cidrs": [{"cidr": "10.0.0.0/8", "vlan": 7, "ports": [{"port": 1, "icmp": true}]}]}`)
	policy := runloop.NetworkPolicy{ID: "npol_1", Name: "n", Egress: rules, CreateTime: time.UnixMilli(1).UTC()}
	assert.Equal(t, policy, throughGob(t, policy))
	assert.Equal(t, runloop.NetworkPolicy{}, throughGob(t, runloop.NetworkPolicy{}))
	assert.Equal(t, []runloop.NetworkPolicy{policy, {}}, throughGob(t, []runloop.NetworkPolicy{policy, {}}))
	assert.Equal(t, rules.AllowedCIDRs, throughGob(t, rules.AllowedCIDRs))
	assert.Equal(t, rules.AllowedCIDRs[0].Ports, throughGob(t, rules.AllowedCIDRs[0].Ports))
	page := runloop.NetworkPolicyPage{NetworkPolicies: []runloop.NetworkPolicy{policy}, HasMore: true, TotalCount: new(1)}
	assert.Equal(t, page, throughGob(t, page))

	create := runloop.NetworkPolicyCreateParams{Name: "n", Egress: rules}
	assert.Equal(t, create, throughGob(t, create))
	for _, update := range []runloop.NetworkPolicyUpdateParams{
		{},
		{Description: new(""), AllowAll: new(false), AllowedHostnames: &[]string{}, AllowedCIDRs: &[]runloop.AllowedCIDR{}},
		{Name: new("n"), AllowMCPGateway: new(true), AllowedCIDRs: &rules.AllowedCIDRs},
	} {
		assert.Equal(t, update, throughGob(t, update))
	}
	var noHosts []string
	assert.Equal(t, runloop.NetworkPolicyUpdateParams{AllowedHostnames: &[]string{}},
		throughGob(t, runloop.NetworkPolicyUpdateParams{AllowedHostnames: &noHosts}), "it still clears the list")
	forEachSeed(t, func(t *testing.T, g generator) {
		rules := g.rules()
		assert.Equal(t, rules, throughGob(t, rules))
	})
}

func throughGob[T any](t *testing.T, value T) (back T) {
	t.Helper()
	var data bytes.Buffer
	require.NoError(t, gob.NewEncoder(&data).Encode(value))
	require.NoError(t, gob.NewDecoder(&data).Decode(&back))
	return back
}
