package contract

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	yaml "go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"

	runloop "github.com/runloop-community/runloop-go"
)

// A yamlCodec is a YAML package that users may choose. The root module requires none, so the file
// form of policies is tested with them here.
type yamlCodec struct {
	name      string
	marshal   func(any) ([]byte, error)
	unmarshal func([]byte, any) error
}

var yamlCodecs = []yamlCodec{
	{"go.yaml.in/yaml/v3", yaml.Marshal, yaml.Unmarshal},
	{"sigs.k8s.io/yaml", sigsyaml.Marshal, func(data []byte, dst any) error { return sigsyaml.Unmarshal(data, dst) }},
	{"sigs.k8s.io/yaml, strict", sigsyaml.Marshal, func(data []byte, dst any) error { return sigsyaml.UnmarshalStrict(data, dst) }},
}

// A policiesFile is a configuration with policies in it.
type policiesFile struct {
	Policies []runloop.NetworkPolicyCreateParams `json:"policies" yaml:"policies"`
}

func TestPoliciesInYAML(t *testing.T) {
	t.Parallel()
	const document = `
policies:
- name: build
  description: package registries only
  egress: &registries
    allow_mcp_gateway: true
    allowed_hostnames: [github.com, "*.npmjs.org"]
    allowed_cidrs:
    - cidr: 10.0.0.0/8
      ports:
      - {port: 443, protocol: TCP}
      - {port: 5000, end_port: 5010, protocol: UDP}
- name: "123"
  description:
  egress: {}
- name: merged
  egress:
    <<: *registries
    allow_runloop_mirrors: true
`
	for _, codec := range yamlCodecs {
		t.Run(codec.name, func(t *testing.T) {
			t.Parallel()
			var file, back policiesFile
			require.NoError(t, codec.unmarshal([]byte(document), &file))
			rules := runloop.EgressRules{
				AllowMCPGateway:  true,
				AllowedHostnames: []string{"github.com", "*.npmjs.org"},
				AllowedCIDRs: []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8", Ports: []runloop.PortRule{
					{Port: 443, Protocol: runloop.ProtocolTCP}, {Port: 5000, EndPort: 5010, Protocol: runloop.ProtocolUDP}}}},
			}
			merged := rules
			merged.AllowRunloopMirrors = true
			assert.Equal(t, []runloop.NetworkPolicyCreateParams{
				{Name: "build", Description: "package registries only", Egress: rules},
				{Name: "123"},
				{Name: "merged", Egress: merged},
			}, file.Policies)

			data, err := codec.marshal(file)
			require.NoError(t, err)
			assert.Contains(t, string(data), "allowed_hostnames:")
			require.NoError(t, codec.unmarshal(data, &back), "%s", data)
			assert.Equal(t, file, back, "%s", data)
		})
	}
}

// A mistake in a file is an error, never a policy that denies everything.
func TestMistakesInYAML(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{
		"a number for the name":   "{name: 123, egress: {}}",
		"a boolean for the name":  "{name: true, egress: {}}",
		"null for the name":       "{name: ~, egress: {}}",
		"no name":                 "{egress: {}}",
		"no egress":               "{name: b}",
		"an empty egress":         "name: b\negress:\n",
		"every entry commented":   "name: b\negress:\n  allowed_hostnames:\n  # - github.com\n",
		"the API's flat form":     "name: b\nallowed_hostnames: [github.com]\n",
		"Go's names":              "name: b\negress:\n  AllowedHostnames: [github.com]\n",
		"yaml's lower case names": "name: b\negress:\n  allowedhostnames: [github.com]\n",
		"another case":            "Name: b\nEgress: {}\n",
		"a number as a host name": "{name: b, egress: {allowed_hostnames: [1.5]}}",
		"a text for a flag":       "{name: b, egress: {allow_all: 'no'}}",
		"a boolean as a key":      "{name: b, egress: {}, true: 1}",
		"yes as a key":            "{name: b, egress: {yes: 1}}",
		"on as a key":             "{name: b, egress: {on: 1}}",
		"a number as a key":       "{name: b, egress: {1: 1}}",
		"a name twice":            "name: b\negress: {}\negress: {allow_all: false}\n",
		"a text":                  "build",
		"a list":                  "[build]",
	} {
		for _, codec := range yamlCodecs {
			t.Run(name+"/"+codec.name, func(t *testing.T) {
				t.Parallel()
				if name == "a name twice" && codec.name == "sigs.k8s.io/yaml" {
					t.Skip("the package drops the first one before the SDK sees the file")
				}
				params := runloop.NetworkPolicyCreateParams{Name: "kept"}
				require.Error(t, codec.unmarshal([]byte(document), &params))
				assert.Equal(t, runloop.NetworkPolicyCreateParams{Name: "kept"}, params)
			})
		}
	}
}

// One package decodes a date as a time.Time, the other as a string.
func TestADateInYAML(t *testing.T) {
	t.Parallel()
	var params runloop.NetworkPolicyCreateParams
	require.ErrorContains(t, yaml.Unmarshal([]byte("{name: 2026-01-01, egress: {}}"), &params), "write it in quotes")
	require.NoError(t, sigsyaml.Unmarshal([]byte("{name: 2026-01-01, egress: {}}"), &params))
	assert.Equal(t, "2026-01-01", params.Name)
}

func TestRulesInYAMLKeepUnknownFields(t *testing.T) {
	t.Parallel()
	for _, codec := range yamlCodecs {
		var file, back struct {
			Egress runloop.EgressRules `json:"egress" yaml:"egress"`
		}
		require.NoError(t, codec.unmarshal([]byte("egress: {allowed_hostnames: [github.com], new: {a: [1, x]}}"), &file), codec.name)
		assert.Equal(t, []string{"host github.com", "unknown new"}, file.Egress.Rules())
		require.Error(t, file.Egress.Validate())
		data, err := codec.marshal(file)
		require.NoError(t, err)
		require.NoError(t, codec.unmarshal(data, &back))
		assert.Empty(t, file.Egress.Diff(back.Egress))
	}
}
