package runloop_test

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

// filePolicy has a value in every field, and fileJSON is its file form.
var filePolicy = runloop.NetworkPolicyCreateParams{Name: "build", Description: "d", Egress: runloop.EgressRules{
	AllowAll: true, AllowDevboxToDevbox: true, AllowAgentGateway: true, AllowMCPGateway: true, AllowRunloopMirrors: true,
	AllowedHostnames: []string{"github.com"},
	AllowedCIDRs: []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8"}, {CIDR: "192.0.2.0/24", Ports: []runloop.PortRule{
		{Port: 1, Protocol: runloop.ProtocolUDP}, {Port: 2, EndPort: 3, Protocol: runloop.ProtocolTCP},
	}}},
}}

const fileJSON = `{"name": "build", "description": "d", "egress": {"allow_all": true, "allow_devbox_to_devbox": true,
	"allowed_hostnames": ["github.com"], "allow_agent_gateway": true, "allow_mcp_gateway": true, "allow_runloop_mirrors": true,
	"allowed_cidrs": [{"cidr": "10.0.0.0/8"}, {"cidr": "192.0.2.0/24", "ports": [
		{"port": 1, "protocol": "UDP"}, {"port": 2, "end_port": 3, "protocol": "TCP"}]}]}}`

func TestFileForm(t *testing.T) {
	t.Parallel()
	forEachCodec(t, func(t *testing.T, c codec) {
		var params runloop.NetworkPolicyCreateParams
		require.NoError(t, c.unmarshal([]byte(fileJSON), &params))
		assert.Equal(t, filePolicy, params)
		document, err := c.marshal(filePolicy)
		require.NoError(t, err)
		assert.JSONEq(t, fileJSON, string(document))

		// A shorter file replaces everything: missing rules are denied.
		require.NoError(t, c.unmarshal([]byte(`{"egress": {"allow_mcp_gateway": true}, "description": null, "name": "b"}`), &params))
		assert.Equal(t, runloop.NetworkPolicyCreateParams{Name: "b", Egress: runloop.EgressRules{AllowMCPGateway: true}}, params)
		require.NoError(t, c.unmarshal([]byte(`{"name": "b", "egress": {}}`), &params))
		assert.Equal(t, runloop.NetworkPolicyCreateParams{Name: "b"}, params)
	})
}

// A mistake is never a policy that denies everything.
func TestFilesOfTheWrongForm(t *testing.T) {
	t.Parallel()
	for document, problem := range map[string]string{
		`null`:                          "the JSON must be an object, not null",
		`[]`:                            "the JSON must be an object, not an array",
		`{}`:                            `the JSON has no "name"`,
		`{"name": "", "egress": {}}`:    `the JSON has no "name"`,
		`{"egress": {}}`:                `the JSON has no "name"`,
		`{"name": null, "egress": {}}`:  "/name must be a string, not null",
		`{"name": 123, "egress": {}}`:   "/name must be a string, not a number",
		`{"name": true, "egress": {}}`:  "/name must be a string, not true",
		`{"name": "b"}`:                 `the JSON has no "egress": write "egress": {} to deny everything`,
		`{"name": "b", "egress": null}`: `the JSON has no "egress": write "egress": {} to deny everything`,
		`{"name": "b", "egress": []}`:   "/egress must be an object, not an array",
		`{"name": "b", "egress": {}, "egress": {}}`:                          "duplicate",
		`{"name": "b", "egress": {}, "description": 1}`:                      "/description must be a string, not a number",
		`{"name": "b", "allowed_hostnames": ["github.com"]}`:                 `/allowed_hostnames is a field of "egress": write it there`,
		`{"name": "b", "egress": {}, "allowed_cidrs": null}`:                 `/allowed_cidrs is a field of "egress": write it there`,
		`{"name": "b", "egress": {}, "allow_all": false}`:                    `/allow_all is a field of "egress": write it there`,
		`{"id": "npol_1", "name": "b", "egress": {}}`:                        "/id is set by the API: remove it",
		`{"name": "b", "egress": {}, "create_time_ms": 1}`:                   "/create_time_ms is set by the API: remove it",
		`{"Name": "b", "egress": {}}`:                                        `/Name is not a known field: the fields are "name", "description" and "egress"`,
		`{"name": "b", "Egress": {}}`:                                        `/Egress is not a known field: the fields are "name", "description" and "egress"`,
		`{"name": "b", "egress": {"AllowedHostnames": ["github.com"]}}`:      "/egress/AllowedHostnames is not a known field",
		`{"name": "b", "egress": {"allowed_hosts": null}}`:                   "/egress/allowed_hosts is not a known field",
		`{"name": "b", "egress": {"allow_all": null}}`:                       "/egress/allow_all must be true or false, not null",
		`{"name": "b", "egress": {"allow_all": "yes"}}`:                      "/egress/allow_all must be true or false, not a string",
		`{"name": "b", "egress": {"allowed_hostnames": null}}`:               "/egress/allowed_hostnames must be an array of strings, not null",
		`{"name": "b", "egress": {"allowed_hostnames": "github.com"}}`:       "/egress/allowed_hostnames must be an array of strings, not a string",
		`{"name": "b", "egress": {"allowed_hostnames": [null]}}`:             "/egress/allowed_hostnames/0 must be a string, not null",
		`{"name": "b", "egress": {"allowed_cidrs": null}}`:                   "/egress/allowed_cidrs must be an array, not null",
		`{"name": "b", "egress": {"allowed_cidrs": ["10.0.0.0/8"]}}`:         "/egress/allowed_cidrs/0 must be an object, not a string",
		`{"name": "b", "egress": {"allowed_cidrs": [{"CIDR": "x"}]}}`:        "/egress/allowed_cidrs/0/CIDR is not a known field",
		`{"name": "b", "egress": {"allowed_cidrs": [{}]}}`:                   `/egress/allowed_cidrs/0 has no "cidr"`,
		`{"name": "b", "egress": {"allowed_cidrs": [{"cidr": null}]}}`:       "/egress/allowed_cidrs/0/cidr must be a string, not null",
		`{"name": "b", "egress": {"allowed_cidrs": [{"ports": null}]}}`:      "/egress/allowed_cidrs/0/ports must be an array, not null",
		`{"name": "b", "egress": {"allowed_cidrs": [{"ports": [{}]}]}}`:      `/egress/allowed_cidrs/0/ports/0 has no "port"`,
		`{"name": "b", "egress": {"allowed_cidrs": [{"ports": [443]}]}}`:     "/egress/allowed_cidrs/0/ports/0 must be an object, not a number",
		`{"name": "b", "egress": {"allowed_cidrs": [{"ports": [{"x":1}]}]}}`: "/egress/allowed_cidrs/0/ports/0/x is not a known field",
	} {
		for _, c := range codecs {
			params := filePolicy
			require.ErrorContains(t, c.unmarshal([]byte(document), &params), problem, "%s %s", c.name, document)
			assert.Equal(t, filePolicy, params, "an error changes nothing")
		}
		params := filePolicy
		err := params.UnmarshalYAML(func(value any) error { return json.Unmarshal([]byte(document), value) })
		if problem != "duplicate" { // which is for the YAML package to find
			require.ErrorContains(t, err, problem, document)
			assert.Equal(t, filePolicy, params)
		}
	}
}

// A file contains only what Create can send.
func TestFilesHaveNoUnknownRules(t *testing.T) {
	t.Parallel()
	params := runloop.NetworkPolicyCreateParams{Name: "b", Egress: gotRules(t, `{"new": "s3cret", "allowed_cidrs": [{"cidr": "10.0.0.0/8", "vlan": 7}]}`)}
	_, err := params.MarshalJSON()
	require.EqualError(t, err, `runloop: write network policy: this version of the SDK does not know cidr 10.0.0.0/8 unknown vlan, unknown new: remove them or upgrade the SDK`)
	_, err = params.MarshalYAML()
	require.Error(t, err)
	params.Egress = gotRules(t, `{"new": [false], "allowed_cidrs": [{"cidr": "10.0.0.0/8", "vlan": 0}]}`)
	document, err := params.MarshalJSON()
	require.NoError(t, err)
	var back runloop.NetworkPolicyCreateParams
	require.NoError(t, back.UnmarshalJSON(document))
	assert.True(t, back.Egress.Equal(params.Egress))
}

// yamlOf returns a parameter of UnmarshalYAML that decodes to a value.
func yamlOf(value any) func(any) error {
	return func(dst any) error {
		*dst.(*any) = value
		return nil
	}
}

func TestYAMLValues(t *testing.T) {
	t.Parallel()
	port := func(port any) any {
		return map[string]any{"name": "b", "egress": map[any]any{"allowed_cidrs": []any{
			map[string]any{"cidr": "10.0.0.0/8", "ports": []any{map[any]any{"port": port, "protocol": "TCP"}}}}}}
	}
	for _, value := range []any{443, int64(443), uint64(443), 443.0} {
		var params runloop.NetworkPolicyCreateParams
		require.NoError(t, params.UnmarshalYAML(yamlOf(port(value))))
		assert.Equal(t, []string{"cidr 10.0.0.0/8 TCP 443"}, params.Egress.Rules())
	}
	for problem, value := range map[string]any{
		"/egress/allowed_cidrs/0/ports/0/port must be a 32-bit integer, without a fraction or exponent":                           port(443.5),
		`/egress/allowed_cidrs/0/ports/0/port must be a number (for a range, write "port": 8000, "end_port": 9000), not a string`: port("443"),
		"NaN": port(math.NaN()),
		"the field name true is not a string: write it in quotes": map[any]any{"name": "b", "egress": map[any]any{true: 1}},
		"the field name 1 is not a string: write it in quotes":    map[any]any{"name": "b", "egress": map[any]any{}, 1: 1},
		"runloop: read YAML: name: a time.Time is not a JSON value: write it in quotes": map[string]any{
			"name": time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), "egress": map[string]any{}},
		"the JSON must be an object, not null":     nil,
		"the JSON must be an object, not a string": "build",
	} {
		params := filePolicy
		require.ErrorContains(t, params.UnmarshalYAML(yamlOf(value)), problem)
		assert.Equal(t, filePolicy, params)
	}
	broken := errors.New("line 1: did not find expected key")
	params := filePolicy
	require.Equal(t, broken, params.UnmarshalYAML(func(any) error { return broken }))
}

// Rules in a user's own configuration keep unknown fields.
func TestYAMLOfRules(t *testing.T) {
	t.Parallel()
	rules := gotRules(t, `{"allowed_hostnames": ["github.com"], "new": {"n": [9007199254740993, -1, 0.5, 1e300]}}`)
	value, err := rules.MarshalYAML()
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"n": []any{int64(9007199254740993), int64(-1), 0.5, 1e300}}, value.(map[string]any)["new"])
	var back runloop.EgressRules
	require.NoError(t, back.UnmarshalYAML(yamlOf(value)))
	assert.Empty(t, rules.Diff(back))
	for _, number := range []string{"1e400", "18446744073709551617", "0.1000000000000000055511151231257827"} {
		_, err := gotRules(t, `{"new": `+number+`}`).MarshalYAML()
		require.ErrorContains(t, err, "cannot be written exactly")
	}
	require.ErrorContains(t, back.UnmarshalYAML(yamlOf(map[string]any{"allow_all": "yes"})), "/allow_all must be true or false, not a string")
	require.NoError(t, back.UnmarshalYAML(yamlOf(map[string]any{"allowedhostnames": []any{"github.com"}})))
	require.Error(t, back.Validate(), "a wrong name is not a silent denial")
}

func FuzzFiles(f *testing.F) {
	f.Add(fileJSON)
	f.Add(`{"name": "b", "egress": {}}`)
	f.Add(`{"name": "\u0000", "egress": {"allowed_hostnames": ["\"", "\\"], "allowed_cidrs": [{"cidr": "", "ports": [{"port": -1}]}]}}`)
	f.Fuzz(func(t *testing.T, document string) {
		var params, fromJSON, fromYAML runloop.NetworkPolicyCreateParams
		if params.UnmarshalJSON([]byte(document)) != nil {
			assert.Zero(t, params)
			return
		}
		assert.NotEmpty(t, params.Name)
		data, err := json.Marshal(params)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &fromJSON))
		again, err := json.Marshal(fromJSON)
		require.NoError(t, err)
		assert.Equal(t, string(data), string(again))
		assert.Empty(t, params.Egress.Diff(fromJSON.Egress))
		tree, err := params.MarshalYAML()
		require.NoError(t, err)
		require.NoError(t, fromYAML.UnmarshalYAML(yamlOf(tree)))
		assert.Equal(t, fromJSON, fromYAML)
		var policy runloop.NetworkPolicy // has the same form
		require.NoError(t, json.Unmarshal(data, &policy))
		assert.Equal(t, fromJSON, runloop.NetworkPolicyCreateParams{Name: policy.Name, Description: policy.Description, Egress: policy.Egress})
	})
}
