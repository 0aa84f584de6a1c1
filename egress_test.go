package runloop_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// cidrs returns rules that allow these ranges.
func cidrs(ranges ...runloop.AllowedCIDR) runloop.EgressRules {
	return runloop.EgressRules{AllowedCIDRs: ranges}
}

// ports returns rules that allow these ports of one range.
func ports(ports ...runloop.PortRule) runloop.EgressRules {
	return cidrs(runloop.AllowedCIDR{CIDR: "10.0.0.0/8", Ports: ports})
}

func hosts(names ...string) runloop.EgressRules { return runloop.EgressRules{AllowedHostnames: names} }

type (
	cidr  = runloop.AllowedCIDR
	port  = runloop.PortRule
	rules = runloop.EgressRules
)

func TestEqualAndDiff(t *testing.T) {
	t.Parallel()
	ten := cidr{CIDR: "10.0.0.0/8"}
	doc := cidr{CIDR: "192.0.2.0/24"}
	ten443, ten22 := cidr{CIDR: "10.0.0.0/8", Ports: []port{{Port: 443}}}, cidr{CIDR: "10.0.0.0/8", Ports: []port{{Port: 22}}}
	for _, test := range []struct {
		name string
		a, b rules
		diff []string // nil if the rules are equal
	}{
		{"nothing and nothing", rules{}, rules{}, nil},
		{"nil lists and empty lists", rules{}, rules{AllowedHostnames: []string{}, AllowedCIDRs: []cidr{}}, nil},
		{"order of host names", hosts("a.example", "b.example"), hosts("b.example", "a.example"), nil},
		{"duplicate host names", hosts("a.example"), hosts("a.example", "a.example"), nil},
		{"case of host names", hosts("GitHub.COM", "*.NPMjs.org"), hosts("github.com", "*.npmjs.org"), nil},
		{"trailing dot", hosts("github.com."), hosts("github.com"), nil},
		{"case beyond ASCII", hosts("BÜCHER.example"), hosts("bücher.example"), []string{`- host "b\u00dccher.example"`, `+ host "b\u00fccher.example"`}},
		{"other host name", hosts("a.example", "b.example"), hosts("b.example", "c.example"), []string{"- host a.example", "+ host c.example"}},
		{"wildcard and apex", hosts("*.npmjs.org"), hosts("npmjs.org"), []string{"- host *.npmjs.org", "+ host npmjs.org"}},
		{"wildcard and a name below", hosts("*.npmjs.org"), hosts("*.npmjs.org", "a.npmjs.org"), []string{"+ host a.npmjs.org"}},
		{"every switch", rules{}, rules{AllowDevboxToDevbox: true, AllowAgentGateway: true, AllowMCPGateway: true, AllowRunloopMirrors: true},
			[]string{"+ MCP gateway", "+ Runloop mirrors", "+ agent gateway", "+ devbox to devbox"}},
		{"allow all makes the rest irrelevant", rules{AllowAll: true},
			rules{AllowAll: true, AllowDevboxToDevbox: true, AllowedHostnames: []string{"github.com"}, AllowMCPGateway: true, AllowedCIDRs: []cidr{ten}}, nil},
		{"allow all and a list", rules{AllowAll: true}, hosts("github.com"), []string{"- allow all", "+ host github.com"}},
		{"order of ranges", cidrs(ten, doc), cidrs(doc, ten), nil},
		{"host bits", cidrs(cidr{CIDR: "10.1.2.3/8"}), cidrs(ten), nil},
		{"other prefix length", cidrs(ten), cidrs(cidr{CIDR: "10.0.0.0/16"}), []string{"- cidr 10.0.0.0/8", "+ cidr 10.0.0.0/16"}},
		{"all ports and one port", cidrs(ten), cidrs(ten443), []string{"- cidr 10.0.0.0/8", "+ cidr 10.0.0.0/8 any 443"}},
		{"all ports make one port irrelevant", cidrs(ten, ten443), cidrs(ten), nil},
		{"a port and a range of one", cidrs(ten443), ports(port{Port: 443, EndPort: 443}), nil},
		{"ports in one entry and in two", ports(port{Port: 22}, port{Port: 443}), cidrs(ten443, ten22), nil},
		{"case of protocols", ports(port{Port: 443, Protocol: "tcp"}), ports(port{Port: 443, Protocol: "TCP"}), nil},
		{"protocols", ports(port{Port: 53, Protocol: "TCP"}), ports(port{Port: 53, Protocol: "UDP"}, port{Port: 53}),
			[]string{"- cidr 10.0.0.0/8 TCP 53", "+ cidr 10.0.0.0/8 UDP 53", "+ cidr 10.0.0.0/8 any 53"}},
		{"invalid protocol", ports(port{Port: 1, Protocol: "icmp 1"}), ports(port{Port: 1}), []string{`- cidr 10.0.0.0/8 "ICMP 1" 1`, "+ cidr 10.0.0.0/8 any 1"}},
		{"last ports", ports(port{Port: 1, EndPort: 2}), ports(port{Port: 1, EndPort: 3}), []string{"- cidr 10.0.0.0/8 any 1-2", "+ cidr 10.0.0.0/8 any 1-3"}},
		{"a host name that looks like a rule", hosts("x\"\nallow all"), rules{AllowAll: true}, []string{`- host "x\"\nallow all"`, "+ allow all"}},
		{"invalid range", cidrs(cidr{CIDR: "x\ncidr 10.0.0.0/8"}), cidrs(ten), []string{`- cidr "x\ncidr 10.0.0.0/8"`, "+ cidr 10.0.0.0/8"}},
	} {
		assert.Equal(t, test.diff, slices.Clip(test.a.Diff(test.b)), test.name)
		assert.Equal(t, len(test.diff) == 0, test.a.Equal(test.b), test.name)
		assert.Equal(t, len(test.diff) == 0, test.a.Fingerprint() == test.b.Fingerprint(), test.name)
	}
}

// Equal is an equivalence, and Diff, Fingerprint and Rules agree with it.
func TestPropertiesOfRules(t *testing.T) {
	t.Parallel()
	flip := strings.NewReplacer("- ", "+ ", "+ ", "- ")
	forEachSeed(t, func(t *testing.T, g generator) {
		a, b, c := g.rules(), g.rules(), g.rules()
		same := g.rewritten(a)
		assert.True(t, a.Equal(a), "reflexive")
		assert.True(t, a.Equal(same), "%+v", same)
		assert.Equal(t, a.Equal(b), b.Equal(a), "symmetric")
		for _, next := range []rules{c, g.rewritten(b)} {
			if a.Equal(b) && b.Equal(next) {
				assert.True(t, a.Equal(next), "transitive: %+v", next)
			}
		}
		assert.Equal(t, a.Fingerprint(), same.Fingerprint())
		assert.Equal(t, a.String(), same.String())
		assert.Equal(t, a.Rules(), same.Rules())
		assert.Equal(t, a.Equal(b), a.Fingerprint() == b.Fingerprint())
		assert.Equal(t, a.Equal(b), slices.Equal(a.Rules(), b.Rules()))
		assert.True(t, slices.IsSorted(a.Rules()))
		for _, line := range a.Rules() {
			assert.Regexp(t, `^[ -~]+$`, line)
		}

		diff := a.Diff(b)
		assert.Equal(t, a.Equal(b), len(diff) == 0)
		assert.Empty(t, a.Diff(a))
		assert.Empty(t, a.Diff(same))
		var mirrored []string
		for _, line := range b.Diff(a) {
			mirrored = append(mirrored, flip.Replace(line[:2])+line[2:])
		}
		assert.ElementsMatch(t, diff, mirrored)
		assert.True(t, slices.IsSortedFunc(diff, func(a, b string) int { return strings.Compare(b[:1], a[:1]) }), "removed rules first: %q", diff)
		assert.Len(t, slices.Compact(slices.Clone(diff)), len(diff), "no duplicates: %q", diff)
		for _, line := range diff {
			assert.Regexp(t, `^[-+] [ -~]+$`, line)
		}
		if t.Failed() {
			t.Logf("%+v\n%+v", a, b)
		}
	})
}

func TestRules(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		rules runloop.EgressRules
		lines []string
	}{
		{"nothing", rules{AllowedHostnames: []string{}}, nil},
		{"allow all", rules{AllowAll: true, AllowDevboxToDevbox: true, AllowedHostnames: []string{"github.com"}}, []string{"allow all"}},
		{"switches", rules{AllowDevboxToDevbox: true, AllowAgentGateway: true, AllowMCPGateway: true, AllowRunloopMirrors: true},
			[]string{"MCP gateway", "Runloop mirrors", "agent gateway", "devbox to devbox"}},
		{"host names", hosts("GitHub.com.", "github.com", "*.npmjs.org", "_x.a-b"), []string{"host *.npmjs.org", "host _x.a-b", "host github.com"}},
		{"invalid names", hosts("", ".", "a b", "x\nallow all", "\u202ebücher.de", "\xff"),
			[]string{`host ""`, `host "\u202eb\u00fccher.de"`, `host "\xff"`, `host "a b"`, `host "x\nallow all"`}},
		{"ranges", cidrs(cidr{CIDR: "192.0.2.1/24"}, cidr{CIDR: "10.0.0.0/8", Ports: []port{
			{Port: 443, Protocol: "TCP"}, {Port: 443, EndPort: 443, Protocol: "TCP"}, {Port: 5000, EndPort: 5010, Protocol: "UDP"}, {Port: 1}, {Port: 2, Protocol: "s\x00"},
		}}), []string{`cidr 10.0.0.0/8 "S\x00" 2`, "cidr 10.0.0.0/8 TCP 443", "cidr 10.0.0.0/8 UDP 5000-5010", "cidr 10.0.0.0/8 any 1", "cidr 192.0.2.0/24"}},
		{"unknown rules", gotRules(t, `{"new": "s3cret", "off": [0], "a b\n": 1, "allow_all": true, "allowed_cidrs": [
			{"cidr": "10.0.0.0/8", "vlan": 7, "ports": [{"port": 1, "protocol": "TCP", "icmp": true}]}, {"cidr": "10.0.0.0/8", "vlan": 8}]}`),
			[]string{"allow all", "cidr 10.0.0.0/8 TCP 1 unknown icmp", "cidr 10.0.0.0/8 unknown vlan", `unknown "a b\n"`, "unknown new"}},
	} {
		assert.Equal(t, test.lines, test.rules.Rules(), test.name)
	}
}

// Update sets every rule, and does not share lists with the rules.
func TestUpdateReplacesEveryRule(t *testing.T) {
	t.Parallel()
	api, client := responding(t, clienttest.PolicyJSON)
	_, err := client.NetworkPolicies.Update(t.Context(), "npol_1", runloop.EgressRules{}.Update())
	require.NoError(t, err)
	rules := ports(runloop.PortRule{Port: 443, Protocol: "TCP"})
	rules.AllowMCPGateway, rules.AllowedHostnames = true, []string{"github.com"}
	update := rules.Update()
	rules.AllowMCPGateway, rules.AllowedHostnames[0], rules.AllowedCIDRs[0].CIDR, rules.AllowedCIDRs[0].Ports[0].Port = false, "", "", 0
	_, err = client.NetworkPolicies.Update(t.Context(), "npol_1", update)
	require.NoError(t, err)

	sent := api.Sent()
	assert.JSONEq(t, `{"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [], "allow_agent_gateway": false,
		"allow_mcp_gateway": false, "allow_runloop_mirrors": false, "allowed_cidrs": []}`, sent[0].Body)
	assert.JSONEq(t, `{"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": ["github.com"], "allow_agent_gateway": false,
		"allow_mcp_gateway": true, "allow_runloop_mirrors": false, "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 443, "protocol": "TCP"}]}]}`, sent[1].Body)
}

func TestString(t *testing.T) {
	t.Parallel()
	for want, rules := range map[string]rules{
		"deny all":             {},
		"allow all":            {AllowAll: true, AllowDevboxToDevbox: true, AllowedHostnames: []string{"github.com"}},
		"1 host":               hosts("github.com"),
		"2 hosts":              hosts("github.com", "*.npmjs.org", "GITHUB.com."),
		"devbox to devbox":     {AllowDevboxToDevbox: true},
		"2 hosts, MCP gateway": {AllowedHostnames: []string{"a.example", "b.example"}, AllowMCPGateway: true},
		"1 CIDR":               ports(port{Port: 22}, port{Port: 443}),
		"3 CIDRs": cidrs(cidr{CIDR: "10.0.0.0/8"}, cidr{CIDR: "10.0.0.0/16"},
			cidr{CIDR: "10.0.0.0/24", Ports: []port{{Port: 1}, {Port: 2}}}),
		"1 host, 1 CIDR, MCP gateway, Runloop mirrors, agent gateway, devbox to devbox": {
			AllowDevboxToDevbox: true, AllowedHostnames: []string{"github.com"}, AllowAgentGateway: true,
			AllowMCPGateway: true, AllowRunloopMirrors: true, AllowedCIDRs: []cidr{{CIDR: "0.0.0.0/0"}},
		},
	} {
		assert.Equal(t, want, rules.String())
	}
}

// Fingerprints are part of the names of existing policies: if one of these values changes,
// programs create all of their policies again.
func TestFingerprintsNeverChange(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fingerprint string
		rules       rules
	}{
		{"e3b0c44298fc1c14", rules{}},
		{"132e3dcaa09d5654", rules{AllowAll: true, AllowDevboxToDevbox: true}},
		{"01a79a337f79335a", rules{AllowDevboxToDevbox: true}},
		{"386dffc3b372c293", rules{AllowAgentGateway: true}},
		{"ec509b3bcabf6477", rules{AllowMCPGateway: true}},
		{"2c30abde9c391b4d", rules{AllowRunloopMirrors: true}},
		{"f81ace64145a4899", hosts("github.com")},
		{"824f54ea367e8936", hosts("GitHub.com.", "*.npmjs.org", "github.com")},
		{"dbbda662f13e2ce7", hosts("bücher.example")},
		{"4de9531ed07b8c34", cidrs(cidr{CIDR: "10.0.0.0/8"})},
		{"17a6574e7195e634", ports(port{Port: 22}, port{Port: 443, Protocol: "TCP"}, port{Port: 8000, EndPort: 8080, Protocol: "UDP"})},
		{"991caf42730d0982", rules{AllowDevboxToDevbox: true, AllowedHostnames: []string{"a.example"}, AllowAgentGateway: true, AllowMCPGateway: true,
			AllowRunloopMirrors: true, AllowedCIDRs: []cidr{{CIDR: "0.0.0.0/0"}}}},
	} {
		assert.Equal(t, test.fingerprint, test.rules.Fingerprint(), "%+v", test.rules)
	}
	for egress, fingerprint := range map[string]string{
		`{"allow_tunnels": true}`:                                                       "0c233340c0aebaa8",
		`{"allow_all": true, "new": {"b": 1.50, "a": []}}`:                              "f7a77bb1bd40c65e",
		`{"allowed_cidrs": [{"cidr": "10.0.0.0/8", "new": "x"}]}`:                       "ab20a8b3088e6f79",
		`{"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 1, "new": 7}]}]}`: "3cd9ffd64626a205",
		`{"allow_all": true, "allowed_cidrs": [{"cidr": "10.0.0.0/8", "new": "x"}]}`:    "dd9af63083005aca",
	} {
		assert.Equal(t, fingerprint, gotRules(t, egress).Fingerprint(), egress)
	}
}

// documentedFingerprint is written from the documentation of Fingerprint, as in another
// language.
func documentedFingerprint(r runloop.EgressRules) string {
	lines := map[string]bool{}
	if r.AllowAll {
		lines["allow all\n"] = true
	} else {
		for line, on := range map[string]bool{
			"MCP gateway\n":      r.AllowMCPGateway,
			"Runloop mirrors\n":  r.AllowRunloopMirrors,
			"agent gateway\n":    r.AllowAgentGateway,
			"devbox to devbox\n": r.AllowDevboxToDevbox,
		} {
			if on {
				lines[line] = true
			}
		}
		for _, name := range r.AllowedHostnames {
			lines[fmt.Sprintf("host \"%s\"\n", strings.TrimSuffix(strings.ToLower(name), "."))] = true
		}
		for _, c := range r.AllowedCIDRs {
			if len(c.Ports) == 0 {
				lines["cidr "+c.CIDR+"\n"] = true
			}
		}
		for _, c := range r.AllowedCIDRs {
			for _, p := range c.Ports {
				if !lines["cidr "+c.CIDR+"\n"] {
					lines[fmt.Sprintf("cidr %s %s %d-%d\n", c.CIDR, orElse(string(p.Protocol), "any"), p.Port, orElse(p.EndPort, p.Port))] = true
				}
			}
		}
	}
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(maps.Keys(lines)), "")))
	return hex.EncodeToString(sum[:])[:16]
}

func orElse[T comparable](value, instead T) T {
	if value == *new(T) {
		return instead
	}
	return value
}

func TestFingerprintIsAsDocumented(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, g generator) {
		rules := g.rules()
		assert.Equal(t, documentedFingerprint(rules), rules.Fingerprint(), "%+v", rules)
	})
}

// placesOfUnknownFields are the places where a newer API may add a field that widens a
// policy, and the rules without that field.
var placesOfUnknownFields = []struct {
	name, egress string
	known        runloop.EgressRules
}{
	{"the rules", `{FIELD, "allowed_hostnames": ["github.com"]}`, hosts("github.com")},
	{"no other rule", `{FIELD}`, runloop.EgressRules{}},
	{"next to allow all", `{"allow_all": true, FIELD}`, runloop.EgressRules{AllowAll: true}},
	{"a range", `{"allowed_cidrs": [{"cidr": "10.0.0.0/8", FIELD}]}`, cidrs(runloop.AllowedCIDR{CIDR: "10.0.0.0/8"})},
	{"a port", `{"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 443, FIELD}]}]}`, ports(runloop.PortRule{Port: 443})},
	{"a port next to all ports", `{"allowed_cidrs": [{"cidr": "10.0.0.0/8"}, {"cidr": "10.0.0.0/8", "ports": [{"port": 443, FIELD}]}]}`,
		cidrs(runloop.AllowedCIDR{CIDR: "10.0.0.0/8"})},
	{"a range next to allow all", `{"allow_all": true, "allowed_cidrs": [{"cidr": "10.0.0.0/8", FIELD}]}`, runloop.EgressRules{AllowAll: true}},
	{"a port next to allow all", `{"allow_all": true, "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 443, FIELD}]}]}`,
		runloop.EgressRules{AllowAll: true}},
}

// rulesWith returns the rules with the field inserted.
func rulesWith(t *testing.T, egress, field string) runloop.EgressRules {
	t.Helper()
	var rules runloop.EgressRules
	require.NoError(t, json.Unmarshal([]byte(strings.Replace(egress, "FIELD", field, 1)), &rules))
	return rules
}

// A policy that a newer API widened never equals rules that a program can express.
func TestUnknownFieldsFailClosed(t *testing.T) {
	t.Parallel()
	for _, place := range placesOfUnknownFields {
		for _, value := range []string{
			`true`, `1`, `-1`, `0.5`, `1e400`, `1e-400`, `-1e-9223372036854775809`, `"x"`, `" "`, `"false"`, `"0"`, `"\u0000"`,
			`[0, true]`, `[[["x"]]]`, `{"a": {"b": [1e-999]}}`, `{"": " "}`, `[{"a": false}, {"a": true}]`,
		} {
			rules := rulesWith(t, place.egress, `"new": `+value)
			assertDifferent(t, rules, place.known)
			assert.NotEqual(t, place.known.String(), rules.String())
			assert.True(t, rules.Equal(rules), "equal to themselves")
		}
		widened := rulesWith(t, place.egress, `"new": true`)
		forEachSeed(t, func(t *testing.T, g generator) { assert.False(t, widened.Equal(g.rules())) })
	}
}

func TestUnknownFieldsThatAllowNothing(t *testing.T) {
	t.Parallel()
	for _, place := range placesOfUnknownFields {
		for _, value := range []string{`false`, `null`, `0`, `0.0`, `-0`, `0e9`, `""`, `[]`, `[ ]`, `{}`, "{\n}",
			`0.000e+999999999999999999999`, `-0.0`, `[0]`, `[false, [], {}, ""]`, `[[]]`, `{"a": null}`, `{"a": false}`, `{"true": 0, "1": [""]}`,
			`{"audit": {"enabled": false, "\"x\"": -0}}`,
		} {
			rules := rulesWith(t, place.egress, `"new": `+value)
			assert.True(t, rules.Equal(place.known), value)
			assert.Empty(t, rules.Diff(place.known))
			assert.Equal(t, place.known.Fingerprint(), rules.Fingerprint())
			assert.Equal(t, place.known.String(), rules.String())
		}
	}
}

func TestUnknownFieldsAreComparedByTheirMeaning(t *testing.T) {
	t.Parallel()
	for _, place := range placesOfUnknownFields {
		rules := rulesWith(t, place.egress, `"new": {"a": 1, "b": ["x"]}, "also": true`)
		same := rulesWith(t, place.egress, `"also":true, "n\u0065w" : {"b":["\u0078"],"a":10.0e-1}, "off": {"x": [false]}`)
		assert.True(t, rules.Equal(same))
		assert.Equal(t, rules.Fingerprint(), same.Fingerprint())
		for _, other := range []string{
			`"new": {"a": 1, "b": ["y"]}, "also": true`,
			`"New": {"a": 1, "b": ["x"]}, "also": true`,
			`"new": {"a": 1, "b": ["x"]}`,
			`"new": {"a": 1.0000000000000000001, "b": ["x"]}, "also": true`,
			`"new": {"a": 1, "b": ["x"]}, "also": true, "more": 1`,
		} {
			assertDifferent(t, rules, rulesWith(t, place.egress, other))
		}
	}
}

// Numbers are compared exactly, not as float64.
func TestUnknownNumbersAreComparedExactly(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ a, b string }{
		{"9007199254740993", "9007199254740992"}, {"18446744073709551616", "18446744073709551617"}, {"1e-400", "1e-401"},
		{"1e400", "1e401"}, {"0.1", "0.1000000000000000055511151231257827"}, {"1", "-1"}, {"1e99999999999999999999", "1e99999999999999999998"},
	} {
		assertDifferent(t, rulesWith(t, `{FIELD}`, `"new": `+test.a), rulesWith(t, `{FIELD}`, `"new": `+test.b))
	}
	for _, same := range [][]string{
		{"1", "1.0", "1e0", "10e-1", "0.1E+1", "100000e-00005"},
		{"-12345678901234567890", "-1234567890123456789e1", "-1.234567890123456789e19"},
		{"1e21", "1000000000000000000000"}, {"1e-7", "0.0000001"}, {"12e99999999999999999999", "1.2e100000000000000000000"},
	} {
		for _, b := range same {
			assert.Empty(t, rulesWith(t, `{FIELD}`, `"new": `+same[0]).Diff(rulesWith(t, `{FIELD}`, `"new": `+b)))
		}
	}
}

func FuzzUnknownNumbers(f *testing.F) {
	for _, number := range []string{"0", "-0.0", "1", "1.0", "10e-1", "9007199254740993", "9007199254740992", "1e-400", "0e5", "-1e21", "1e22", "123.456e-3"} {
		f.Add(number, "1")
		f.Add(number, "9007199254740992.0")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		var values [2]*big.Rat
		var rules [2]runloop.EgressRules
		for i, number := range []string{a, b} {
			if len(number) > 20 || strings.Contains(number, "e") && len(number) > 8 || !json.Valid([]byte(number)) {
				return // math/big needs memory for large exponents
			}
			if err := rules[i].UnmarshalJSON([]byte(`{"new": ` + number + `}`)); err != nil {
				return
			}
			var ok bool
			if values[i], ok = new(big.Rat).SetString(number); !ok {
				return // no number
			}
		}
		assert.Equal(t, values[0].Cmp(values[1]) == 0, rules[0].Equal(rules[1]), "%s %s", a, b)
		assert.Equal(t, values[0].Sign() == 0, rules[0].Equal(runloop.EgressRules{}), "%s", a)
	})
}

func TestDiffShowsUnknownFields(t *testing.T) {
	t.Parallel()
	for egress, lines := range map[string][]string{
		`{"new": {"b": 1, "a": "é\n"}}`:                          {`+ unknown new {"a":"é\n","b":1}`},
		`{"n\new": true}`:                                        {`+ unknown "n\new" true`},
		`{"allowed_cidrs": [{"cidr": "10.0.0.0/8", "vlan": 7}]}`: {`+ cidr 10.0.0.0/8`, `+ cidr 10.0.0.0/8 unknown vlan 7`},
		`{"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 1, "icmp": true}]}]}`: {`+ cidr 10.0.0.0/8 any 1`, `+ cidr 10.0.0.0/8 any 1 unknown icmp true`},
		`{"Allow_All": true}`: {"+ unknown Allow_All true"}, // another case
	} {
		assert.Equal(t, lines, runloop.EgressRules{}.Diff(gotRules(t, egress)))
	}
}

func assertDifferent(t *testing.T, a, b runloop.EgressRules) {
	t.Helper()
	assert.False(t, a.Equal(b), "%+v\n%+v", a, b)
	assert.False(t, b.Equal(a), "%+v\n%+v", a, b)
	assert.NotEmpty(t, a.Diff(b), "%+v\n%+v", a, b)
	assert.NotEqual(t, a.Fingerprint(), b.Fingerprint(), "%+v\n%+v", a, b)
}
