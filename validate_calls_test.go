package runloop_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// assertRefused expects the error of parameters that cannot be right, and that
// nothing was sent.
func assertRefused(t *testing.T, api *clienttest.API, err error, op, field, problem string) {
	t.Helper()
	assert.Equal(t, clienttest.Invalid(op, field, problem), err)
	assert.Empty(t, api.Sent())
}

// The operation is the caller's own: Ensure does not say "create".
func TestBadCreateParamsAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name           string
		params         runloop.NetworkPolicyCreateParams
		field, problem string
	}{
		{"no name", runloop.NetworkPolicyCreateParams{}, "Name", "must not be blank"},
		{"blank name", runloop.NetworkPolicyCreateParams{Name: " \t\n"}, "Name", "must not be blank"},
		{"name of invalid UTF-8", runloop.NetworkPolicyCreateParams{Name: "a\xff"}, "Name", `"a\xff" is not valid UTF-8`},
		{"blank before the name", runloop.NetworkPolicyCreateParams{Name: " build"}, "Name", `" build" has surrounding spaces: write "build"`},
		{"line break after the name", runloop.NetworkPolicyCreateParams{Name: "build\n"}, "Name", `"build\n" has a control character: write "build"`},
		{"byte order mark before the name", runloop.NetworkPolicyCreateParams{Name: "\ufeffbuild"}, "Name", `"\ufeffbuild" has surrounding spaces: write "build"`},
		{"space of no width after the name", runloop.NetworkPolicyCreateParams{Name: "build\u200b"}, "Name", `"build\u200b" has surrounding spaces: write "build"`},
		{"nothing but a space of no width", runloop.NetworkPolicyCreateParams{Name: "\u200b"}, "Name", "must not be blank"},
		{"no-break space after the name", runloop.NetworkPolicyCreateParams{Name: "build\u00a0"}, "Name", `"build\u00a0" has surrounding spaces: write "build"`},
		{"control characters in the name", runloop.NetworkPolicyCreateParams{Name: "bu\x00il\x1b\u0085d"}, "Name", `"bu\x00il\x1b\u0085d" has a control character: write "build"`},
		{"a name of control characters", runloop.NetworkPolicyCreateParams{Name: "\x00"}, "Name", `"\x00" has only control characters: write a name`},
		{"description of invalid UTF-8", runloop.NetworkPolicyCreateParams{Name: "a", Description: "\xc3"}, "Description", `"\xc3" is not valid UTF-8`},
		{"host name", runloop.NetworkPolicyCreateParams{Name: "a", Egress: hosts("a.example", "b.example", "https://github.com")},
			"Egress.AllowedHostnames[2]", `"https://github.com" has a scheme: write "github.com"`},
		{"range", runloop.NetworkPolicyCreateParams{Name: "a", Egress: cidrs(runloop.AllowedCIDR{CIDR: "10.0.0.1/8"})},
			"Egress.AllowedCIDRs[0].CIDR", `"10.0.0.1/8" has host bits that are not zero: write "10.0.0.0/8"`},
		{"last port", runloop.NetworkPolicyCreateParams{Name: "a", Egress: ports(runloop.PortRule{Port: 1, Protocol: "TCP"}, runloop.PortRule{Port: 9, EndPort: 1, Protocol: "TCP"})},
			"Egress.AllowedCIDRs[0].Ports[1].EndPort", "1 is not between Port, 9, and 65535: write 0 for Port alone"},
		{"unknown rules", runloop.NetworkPolicyCreateParams{Name: "a", Egress: gotRules(t, `{"new": {"x": 1}, "off": false}`)},
			"Egress", `this version of the SDK cannot send its unknown field "new": remove the field, or update the SDK`},
		{"an unknown field of a range", runloop.NetworkPolicyCreateParams{Name: "a", Egress: gotRules(t,
			`{"allow_all": true, "allowed_cidrs": [{"cidr": "10.0.0.0/8", "vlan": 7, "ports": [{"port": 1, "protocol": "TCP"}]}]}`)},
			"Egress.AllowedCIDRs[0]", `this version of the SDK cannot send its unknown field "vlan": remove the field, or update the SDK`},
		{"an unknown field of a port", runloop.NetworkPolicyCreateParams{Name: "a", Egress: gotRules(t,
			`{"allow_all": true, "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 1, "protocol": "TCP", "i\u000acmp": true}]}]}`)},
			"Egress.AllowedCIDRs[0].Ports[0]", `this version of the SDK cannot send its unknown field "\"i\\ncmp\"": remove the field, or update the SDK`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			for op, call := range map[string]func(context.Context, runloop.NetworkPolicyCreateParams, ...runloop.Option) (*runloop.NetworkPolicy, error){
				"create network policy": client.NetworkPolicies.Create,
				"ensure network policy": client.NetworkPolicies.Ensure,
				"apply network policy":  client.NetworkPolicies.Apply,
			} {
				policy, err := call(t.Context(), test.params)
				assert.Nil(t, policy)
				assertRefused(t, api, err, op, test.field, test.problem)
			}
		})
	}
}

func TestBadUpdateParamsAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name           string
		params         runloop.NetworkPolicyUpdateParams
		field, problem string
	}{
		{"blank after the name", runloop.NetworkPolicyUpdateParams{Name: new("build\t ")}, "Name", `"build\t " has a control character: write "build"`},
		{"unknown field of a range", runloop.NetworkPolicyUpdateParams{AllowedCIDRs: new(gotRules(t, `{"allowed_cidrs": [{"cidr": "10.0.0.0/8", "vlan": "s3cret"}]}`).AllowedCIDRs)},
			"AllowedCIDRs[0]", `this version of the SDK cannot send its unknown field "vlan": remove the field, or update the SDK`},
		{"empty name", runloop.NetworkPolicyUpdateParams{Name: new("")}, "Name", "must not be blank"},
		{"name of invalid UTF-8", runloop.NetworkPolicyUpdateParams{Name: new("\xff")}, "Name", `"\xff" is not valid UTF-8`},
		{"description of invalid UTF-8", runloop.NetworkPolicyUpdateParams{Description: new("\xff")}, "Description", `"\xff" is not valid UTF-8`},
		{"host name", runloop.NetworkPolicyUpdateParams{AllowedHostnames: &[]string{"a.example", "*"}},
			"AllowedHostnames[1]", `"*" matches every host: set AllowAll instead`},
		{"range", runloop.NetworkPolicyUpdateParams{AllowedCIDRs: &[]runloop.AllowedCIDR{{CIDR: "10.0.0.0"}}},
			"AllowedCIDRs[0].CIDR", `"10.0.0.0" has no prefix length: write "10.0.0.0/32"`},
		{"port", runloop.NetworkPolicyUpdateParams{AllowedCIDRs: &[]runloop.AllowedCIDR{{CIDR: "10.0.0.0/8", Ports: []runloop.PortRule{{Protocol: "TCP"}}}}},
			"AllowedCIDRs[0].Ports[0].Port", "0 is not between 1 and 65535: write a port"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			policy, err := client.NetworkPolicies.Update(t.Context(), "npol_1", test.params)
			assert.Nil(t, policy)
			assertRefused(t, api, err, "update network policy", test.field, test.problem)
		})
	}
}

func TestBadListParamsAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name           string
		params         runloop.NetworkPolicyListParams
		field, problem string
	}{
		{"negative limit", runloop.NetworkPolicyListParams{Limit: -1}, "Limit", "-1 is not between 0 and 5000: write 0 for the default"},
		{"limit above the API's", runloop.NetworkPolicyListParams{Limit: 5001}, "Limit", "5001 is not between 0 and 5000: write 0 for the default"},
		{"name", runloop.NetworkPolicyListParams{Name: "\xff"}, "Name", `"\xff" is not valid UTF-8`},
		{"ID", runloop.NetworkPolicyListParams{ID: "\xff"}, "ID", `"\xff" is not valid UTF-8`},
		{"search", runloop.NetworkPolicyListParams{Search: "\xff"}, "Search", `"\xff" is not valid UTF-8`},
		{"cursor", runloop.NetworkPolicyListParams{StartingAfter: "\xff"}, "StartingAfter", `"\xff" is not valid UTF-8`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			const op = "list network policies"

			page, err := client.NetworkPolicies.List(t.Context(), test.params)
			assert.Nil(t, page)
			assertRefused(t, api, err, op, test.field, test.problem)

			steps := 0
			for policy, err := range client.NetworkPolicies.All(t.Context(), test.params) {
				steps++
				assert.Nil(t, policy)
				assertRefused(t, api, err, op, test.field, test.problem)
			}
			assert.Equal(t, 1, steps)
		})
	}
}

func TestBadNamesAreRefusedByGetByName(t *testing.T) {
	t.Parallel()
	for name, problem := range map[string]string{
		"":     "must not be blank",
		" ":    "must not be blank",
		"\xff": `"\xff" is not valid UTF-8`,
		" a":   `" a" has surrounding spaces: write "a"`,
	} {
		api, client := clienttest.NewAPI(t)
		policy, err := client.NetworkPolicies.GetByName(t.Context(), name)
		assert.Nil(t, policy)
		assertRefused(t, api, err, "get network policy by name", "name", problem)
	}
}

// A value may be long or hostile: the error stays one short line.
func TestRefusalsAreShort(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"https://" + strings.Repeat("long.", 10_000),
		strings.Repeat("日本", 5_000) + "/x",
		"\x1b[2J\r\n\x00" + strings.Repeat("\"", 1_000),
		strings.Repeat("\xff", 1_000),
		strings.Repeat("\x80", 1_000), // not the start of a character anywhere
	} {
		err := hosts(text).Validate()
		require.Error(t, err)
		assert.Less(t, len(err.Error()), 300)
		assert.NotRegexp(t, `[\x00-\x1f\x7f]`, err.Error())
	}
}

func TestLimitsOfTheAPIAreAccepted(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{0, 1, 5000} {
		api, client := clienttest.NewAPI(t)
		api.On(http.MethodGet, clienttest.PoliciesPath, clienttest.Respond(200, `{"network_policies": [], "has_more": false}`))
		_, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{Limit: limit})
		require.NoError(t, err)
		assert.Len(t, api.Sent(), 1)
	}
}
