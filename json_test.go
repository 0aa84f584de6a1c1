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
	{"go-json-experiment/json", func(v any) ([]byte, error) { return json.Marshal(v) }, func(data []byte, v any) error { return json.Unmarshal(data, v) }},
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

const denyAllJSON = `{"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [], "allow_agent_gateway": false,
	"allow_mcp_gateway": false, "allow_runloop_mirrors": false, "allowed_cidrs": []}`

func TestMarshal(t *testing.T) {
	t.Parallel()
	for value, want := range map[any]string{
		&runloop.EgressRules{}: denyAllJSON,
		// Delete may return a policy without times.
		&runloop.NetworkPolicy{ID: "npol_1"}: `{"id": "npol_1", "name": "", "egress": ` + denyAllJSON + `}`,
		&runloop.NetworkPolicy{
			ID: "npol_1", Name: "build", Description: "d",
			Egress: runloop.EgressRules{AllowMCPGateway: true, AllowedHostnames: []string{"github.com"}, AllowedCIDRs: []runloop.AllowedCIDR{
				{CIDR: "10.0.0.0/8"}, {CIDR: "192.0.2.1/32", Ports: []runloop.PortRule{{Port: 443}, {Port: 1, EndPort: 2, Protocol: runloop.ProtocolUDP}}},
			}},
			CreateTime: time.Date(2026, 1, 1, 1, 0, 0, 123_999_999, time.FixedZone("CET", 3600)),
			UpdateTime: time.UnixMilli(1767225601000),
		}: `{"id": "npol_1", "name": "build", "description": "d", "egress": {
			"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": ["github.com"],
			"allow_agent_gateway": false, "allow_mcp_gateway": true, "allow_runloop_mirrors": false,
			"allowed_cidrs": [{"cidr": "10.0.0.0/8"}, {"cidr": "192.0.2.1/32", "ports": [
				{"port": 443}, {"port": 1, "end_port": 2, "protocol": "UDP"}]}]},
			"create_time_ms": 1767225600123, "update_time_ms": 1767225601000}`,
	} {
		for _, c := range codecs {
			data, err := c.marshal(value)
			require.NoError(t, err, c.name)
			assert.JSONEq(t, want, string(data), c.name)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	forEachCodec(t, func(t *testing.T, c codec) {
		forEachSeed(t, func(t *testing.T, g generator) {
			want := runloop.NetworkPolicy{ID: "npol_1", Name: "n", Egress: g.rules(), CreateTime: time.UnixMilli(g.Int64N(4e12)).UTC()}
			data, err := c.marshal(want)
			require.NoError(t, err)
			var policy runloop.NetworkPolicy
			require.NoError(t, c.unmarshal(data, &policy), "%s", data)
			assert.Equal(t, want, policy)

			response := g.policyJSON()
			var first, second runloop.NetworkPolicy
			require.NoError(t, c.unmarshal([]byte(response), &first), "%s", response)
			data, err = c.marshal(first)
			require.NoError(t, err)
			require.NoError(t, c.unmarshal(data, &second), "%s", data)
			assert.True(t, first.Egress.Equal(second.Egress), "%s\n%s", response, data)
			again, err := c.marshal(second)
			require.NoError(t, err)
			assert.Equal(t, string(data), string(again))
		})
	})
}

// Ranges and ports are also used alone, in the configuration of programs.
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

func TestJSONKeepsUnknownFieldsOfRules(t *testing.T) {
	t.Parallel()
	const egress = `{"allow_tunnels": true, "n\u0065w": {"b": [1.50, null, "<&>\/"], "a": {}}, "off": false,
		"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [],
		"allow_agent_gateway": false, "allow_mcp_gateway": false, "allow_runloop_mirrors": false,
		"allowed_cidrs": [{"cidr": "10.0.0.0/8", "vlan": 7, "ports": [{"port": 1, "icmp": true}]}]}`
	forEachCodec(t, func(t *testing.T, c codec) {
		var policy runloop.NetworkPolicy
		require.NoError(t, c.unmarshal([]byte(`{"owner": "me", "egress": `+egress+`, "create_time_ms": 1, "update_time_ms": 2}`), &policy))
		data, err := c.marshal(policy)
		require.NoError(t, err)
		assert.JSONEq(t, `{"id": "", "name": "", "egress": `+egress+`, "create_time_ms": 1, "update_time_ms": 2}`, string(data))
	})
}

func TestUnmarshalReplacesTheWholeValue(t *testing.T) {
	t.Parallel()
	forEachCodec(t, func(t *testing.T, c codec) {
		rules := runloop.EgressRules{AllowAll: true, AllowedHostnames: []string{"github.com"}}
		require.NoError(t, c.unmarshal([]byte(`{"new": 1}`), &rules))
		require.NoError(t, c.unmarshal([]byte(`{"allow_mcp_gateway": true}`), &rules))
		assert.Equal(t, runloop.EgressRules{AllowMCPGateway: true}, rules)
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
	policy := func(field string) string { return `{"id": "npol_2", ` + field + `}` }
	egress := func(field string) string { return policy(`"egress": {` + field + `}`) }
	for _, document := range []string{
		``,
		`{"id": "npol_2", "egress": {"allow_all": true`,
		`["npol_2"]`,
		egress(`"allow_all": tru`),
		policy(`"create_time_ms": -`),
		policy(`"name": "\x"`),
		egress(`"allowed_hostnames": ["a" "b"]`),
		egress(`"new": `),
		policy(`"\ud83d": 1`),
		policy(`"name": 1`),
		egress(`"allow_all": "true"`),
		egress(`"allow_all": 1`),
		egress(`"allowed_hostnames": "github.com"`),
		egress(`"allowed_hostnames": ["github.com", null]`),
		egress(`"allowed_hostnames": [1]`),
		egress(`"allowed_hostnames": [["github.com"]]`),
		egress(`"allowed_cidrs": [null]`),
		egress(`"allowed_cidrs": ["10.0.0.0/8"]`),
		egress(`"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": "80"}]}]`),
		egress(`"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 80.5}]}]`),
		policy(`"create_time_ms": 1.5`),
		policy(`"create_time_ms": 1e3`),
		policy(`"create_time_ms": 9223372036854775808`),
		policy(`"create_time_ms": "2026-01-01T00:00:00Z"`),
		policy(`"id": "npol_3"`),
		policy(`"\u0069d": "npol_3"`),
		egress(`"allow_all": true, "allow_all": false`),
		egress(`"new": true, "new": false`),
		"{\"id\": \"npol_\xff\"}",
		policy(`"name": "\ud83d"`),
		egress(`"new": "\ud83d"`),
	} {
		for _, c := range codecs {
			kept := runloop.NetworkPolicy{ID: "npol_1", Egress: runloop.EgressRules{AllowedHostnames: []string{"github.com"}}}
			before := kept
			require.Error(t, c.unmarshal([]byte(document), &kept), "%s: %s", c.name, document)
			assert.Equal(t, before, kept, "%s: %s", c.name, document)
		}
		var zero runloop.NetworkPolicy
		require.Error(t, zero.UnmarshalJSON([]byte(document)), document)
		assert.Zero(t, zero, document)
	}
	for _, tail := range []string{`{}`, `null`, `x`, `,`, `}`} {
		var zero runloop.NetworkPolicy
		require.Error(t, zero.UnmarshalJSON([]byte(policy(`"name": "n"`)+tail)), tail)
		assert.Zero(t, zero)
	}
}

// Invalid UTF-8 is an error instead of a text that differs from the value.
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

// gob encodes exported fields only. Without the methods of the rules, it would drop unknown
// fields, which may allow something.
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
		throughGob(t, runloop.NetworkPolicyUpdateParams{AllowedHostnames: &noHosts}), "the list is still cleared")
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
