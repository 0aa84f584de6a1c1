package runloop_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

const cannotSend = `this version of the SDK cannot send its unknown field %s: remove the field, or update the SDK`

func unsendable(name string) string { return strings.Replace(cannotSend, "%s", name, 1) }

// invalidNames are policy names that no call accepts.
var invalidNames = map[string]string{
	"":            "must not be blank",
	" \t\n":       "must not be blank",
	"\u200b":      "must not be blank",
	"a\xff":       `"a\xff" is not valid UTF-8`,
	" build":      `" build" has surrounding spaces: write "build"`,
	"\ufeffbuild": `"\ufeffbuild" has surrounding spaces: write "build"`,
	"build\u200b": `"build\u200b" has surrounding spaces: write "build"`,
	"build\u00a0": `"build\u00a0" has surrounding spaces: write "build"`,
	"build\n":     `"build\n" has a control character: write "build"`,
	"build\t ":    `"build\t " has a control character: write "build"`,
	"\x00":        `"\x00" has only control characters: write a name`,

	"bu\x00il\x1b\u0085d": `"bu\x00il\x1b\u0085d" has a control character: write "build"`,
}

func TestInvalidNames(t *testing.T) {
	t.Parallel()
	for name, problem := range invalidNames {
		api, client := clienttest.NewAPI(t)
		rejectedByCreates(t, api, client, runloop.NetworkPolicyCreateParams{Name: name}, "Name", problem)
		_, err := client.NetworkPolicies.Update(t.Context(), "npol_1", runloop.NetworkPolicyUpdateParams{Name: &name})
		assert.Equal(t, clienttest.Invalid("update network policy", "Name", problem), err)
		policy, err := client.NetworkPolicies.GetByName(t.Context(), name)
		assert.Nil(t, policy)
		assert.Equal(t, clienttest.Invalid("get network policy by name", "name", problem), err)
		assert.Empty(t, api.Sent())
	}
}

// rejectedByCreates checks that Create, Ensure and Apply return the error, each with its
// own operation, and that nothing is sent.
func rejectedByCreates(t *testing.T, api *clienttest.API, c *runloop.Client, params runloop.NetworkPolicyCreateParams, field, problem string) {
	t.Helper()
	for op, call := range map[string]func(context.Context, runloop.NetworkPolicyCreateParams, ...runloop.Option) (*runloop.NetworkPolicy, error){
		"create network policy": c.NetworkPolicies.Create,
		"ensure network policy": c.NetworkPolicies.Ensure,
		"apply network policy":  c.NetworkPolicies.Apply,
	} {
		policy, err := call(t.Context(), params)
		assert.Nil(t, policy)
		assert.Equal(t, clienttest.Invalid(op, field, problem), err)
	}
	assert.Empty(t, api.Sent())
}

func TestInvalidRulesOfACreate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		egress         runloop.EgressRules
		field, problem string
	}{
		{hosts("a.example", "b.example", "https://github.com"), "AllowedHostnames[2]", `"https://github.com" has a scheme: write "github.com"`},
		{cidrs(runloop.AllowedCIDR{CIDR: "10.0.0.1/8"}), "AllowedCIDRs[0].CIDR", `"10.0.0.1/8" has host bits that are not zero: write "10.0.0.0/8"`},
		{ports(runloop.PortRule{Port: 1, Protocol: "TCP"}, runloop.PortRule{Port: 9, EndPort: 1, Protocol: "TCP"}),
			"AllowedCIDRs[0].Ports[1].EndPort", "1 is not between Port, 9, and 65535: write 0 for Port alone"},
		{gotRules(t, `{"new": {"x": 1}, "off": false}`), "", unsendable(`"new"`)},
		{gotRules(t, `{"allow_all": true, "allowed_cidrs": [{"cidr": "10.0.0.0/8", "vlan": 7, "ports": [{"port": 1, "protocol": "TCP"}]}]}`),
			"AllowedCIDRs[0]", unsendable(`"vlan"`)},
		{gotRules(t, `{"allow_all": true, "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 1, "protocol": "TCP", "i\u000acmp": true}]}]}`),
			"AllowedCIDRs[0].Ports[0]", unsendable(`"\"i\\ncmp\""`)},
	} {
		api, client := clienttest.NewAPI(t)
		field := strings.TrimSuffix("Egress."+test.field, ".")
		rejectedByCreates(t, api, client, runloop.NetworkPolicyCreateParams{Name: "a", Egress: test.egress}, field, test.problem)
	}
	api, client := clienttest.NewAPI(t)
	rejectedByCreates(t, api, client, runloop.NetworkPolicyCreateParams{Name: "a", Description: "\xc3"}, "Description", `"\xc3" is not valid UTF-8`)
}

func TestInvalidUpdateParams(t *testing.T) {
	t.Parallel()
	vlan := gotRules(t, `{"allowed_cidrs": [{"cidr": "10.0.0.0/8", "vlan": "s3cret"}]}`).AllowedCIDRs
	noPort := ports(runloop.PortRule{Protocol: "TCP"}).AllowedCIDRs
	for _, test := range []struct {
		params         runloop.NetworkPolicyUpdateParams
		field, problem string
	}{
		{runloop.NetworkPolicyUpdateParams{AllowedCIDRs: &vlan}, "AllowedCIDRs[0]", unsendable(`"vlan"`)},
		{runloop.NetworkPolicyUpdateParams{Description: new("\xff")}, "Description", `"\xff" is not valid UTF-8`},
		{runloop.NetworkPolicyUpdateParams{AllowedHostnames: &[]string{"a.example", "*"}}, "AllowedHostnames[1]", `"*" matches every host: set AllowAll instead`},
		{runloop.NetworkPolicyUpdateParams{AllowedCIDRs: &[]runloop.AllowedCIDR{{CIDR: "10.0.0.0"}}},
			"AllowedCIDRs[0].CIDR", `"10.0.0.0" has no prefix length: write "10.0.0.0/32"`},
		{runloop.NetworkPolicyUpdateParams{AllowedCIDRs: &noPort}, "AllowedCIDRs[0].Ports[0].Port", "0 is not between 1 and 65535: write a port"},
	} {
		api, client := clienttest.NewAPI(t)
		policy, err := client.NetworkPolicies.Update(t.Context(), "npol_1", test.params)
		assert.Nil(t, policy)
		assert.Equal(t, clienttest.Invalid("update network policy", test.field, test.problem), err)
		assert.Empty(t, api.Sent())
	}
}

func TestInvalidListParams(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		params         runloop.NetworkPolicyListParams
		field, problem string
	}{
		{runloop.NetworkPolicyListParams{Limit: -1}, "Limit", "-1 is not between 0 and 5000: write 0 for the default"},
		{runloop.NetworkPolicyListParams{Limit: 5001}, "Limit", "5001 is not between 0 and 5000: write 0 for the default"},
		{runloop.NetworkPolicyListParams{Name: "\xff"}, "Name", `"\xff" is not valid UTF-8`},
		{runloop.NetworkPolicyListParams{ID: "\xff"}, "ID", `"\xff" is not valid UTF-8`},
		{runloop.NetworkPolicyListParams{Search: "\xff"}, "Search", `"\xff" is not valid UTF-8`},
		{runloop.NetworkPolicyListParams{StartingAfter: "\xff"}, "StartingAfter", `"\xff" is not valid UTF-8`},
	} {
		api, client := clienttest.NewAPI(t)
		want := clienttest.Invalid("list network policies", test.field, test.problem)
		page, err := client.NetworkPolicies.List(t.Context(), test.params)
		assert.Nil(t, page)
		assert.Equal(t, want, err)
		steps := 0
		for policy, err := range client.NetworkPolicies.All(t.Context(), test.params) {
			steps++
			assert.Nil(t, policy)
			assert.Equal(t, want, err)
		}
		assert.Equal(t, 1, steps)
		assert.Empty(t, api.Sent())
	}
	for _, limit := range []int{0, 1, 5000} {
		api, client := responding(t, clienttest.EmptyPageJSON)
		_, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{Limit: limit})
		require.NoError(t, err)
		api.Only()
	}
}

// A value may be long or hostile: the error stays one short line.
func TestValidationErrorsAreShort(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"https://" + strings.Repeat("long.", 10_000),
		strings.Repeat("日本", 5_000) + "/x",
		"\x1b[2J\r\n\x00" + strings.Repeat("\"", 1_000),
		strings.Repeat("\xff", 1_000),
		strings.Repeat("\x80", 1_000), // never the start of a character
	} {
		err := hosts(text).Validate()
		require.Error(t, err)
		assert.Less(t, len(err.Error()), 300)
		assert.NotRegexp(t, `[\x00-\x1f\x7f]`, err.Error())
	}
}
