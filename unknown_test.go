package runloop_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

// Where an API newer than the SDK may put a member that widens a policy, and the
// rules that are left when it is overlooked.
var placesOfUnknownMembers = []struct {
	name, egress string
	overlooked   runloop.EgressRules
}{
	{"the rules", `{MEMBER, "allowed_hostnames": ["github.com"]}`, hosts("github.com")},
	{"no other rule", `{MEMBER}`, runloop.EgressRules{}},
	{"beside allow all", `{"allow_all": true, MEMBER}`, runloop.EgressRules{AllowAll: true}},
	{"a range", `{"allowed_cidrs": [{"cidr": "10.0.0.0/8", MEMBER}]}`, cidrs(runloop.AllowedCIDR{CIDR: "10.0.0.0/8"})},
	{"a port", `{"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 443, MEMBER}]}]}`, ports(runloop.PortRule{Port: 443})},
	{"a port beside all ports", `{"allowed_cidrs": [{"cidr": "10.0.0.0/8"}, {"cidr": "10.0.0.0/8", "ports": [{"port": 443, MEMBER}]}]}`,
		cidrs(runloop.AllowedCIDR{CIDR: "10.0.0.0/8"})},
	{"a range beside allow all", `{"allow_all": true, "allowed_cidrs": [{"cidr": "10.0.0.0/8", MEMBER}]}`, runloop.EgressRules{AllowAll: true}},
	{"a port beside allow all", `{"allow_all": true, "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 443, MEMBER}]}]}`,
		runloop.EgressRules{AllowAll: true}},
}

// rulesWith returns the rules with the member put in.
func rulesWith(t *testing.T, egress, member string) runloop.EgressRules {
	t.Helper()
	var rules runloop.EgressRules
	require.NoError(t, json.Unmarshal([]byte(strings.Replace(egress, "MEMBER", member, 1)), &rules))
	return rules
}

// A policy that a newer API widened must not pass for one that a program can write
// down, wherever the new member is.
func TestUnknownMembersFailClosed(t *testing.T) {
	t.Parallel()
	for _, place := range placesOfUnknownMembers {
		t.Run(place.name, func(t *testing.T) {
			t.Parallel()
			for _, value := range []string{
				`true`, `1`, `-1`, `0.5`, `1e400`, `1e-400`, `-1e-9223372036854775809`, `"x"`, `" "`, `"false"`, `"0"`, `"\u0000"`,
				`[0, true]`, `[[["x"]]]`, `{"a": {"b": [1e-999]}}`, `{"": " "}`, `[{"a": false}, {"a": true}]`,
			} {
				rules := rulesWith(t, place.egress, `"new": `+value)
				assertDifferent(t, rules, place.overlooked)
				assert.NotEqual(t, place.overlooked.String(), rules.String())
				assert.True(t, rules.Equal(rules), "it equals itself")
			}
			widened := rulesWith(t, place.egress, `"new": true`)
			forEachSeed(t, func(t *testing.T, g generator) { assert.False(t, widened.Equal(g.rules())) })
		})
	}
}

func TestUnknownMembersThatOpenNothingDoNotMatter(t *testing.T) {
	t.Parallel()
	for _, place := range placesOfUnknownMembers {
		t.Run(place.name, func(t *testing.T) {
			t.Parallel()
			for _, value := range []string{`false`, `null`, `0`, `0.0`, `-0`, `0e9`, `""`, `[]`, `[ ]`, `{}`, "{\n}",
				`0.000e+999999999999999999999`, `-0.0`, `[0]`, `[false, [], {}, ""]`, `[[]]`, `{"a": null}`, `{"a": false}`, `{"true": 0, "1": [""]}`,
				`{"audit": {"enabled": false, "\"x\"": -0}}`,
			} {
				rules := rulesWith(t, place.egress, `"new": `+value)
				assert.True(t, rules.Equal(place.overlooked), value)
				assert.Empty(t, rules.Diff(place.overlooked))
				assert.Equal(t, place.overlooked.Fingerprint(), rules.Fingerprint())
				assert.Equal(t, place.overlooked.String(), rules.String())
			}
		})
	}
}

func TestUnknownMembersAreComparedByTheirMeaning(t *testing.T) {
	t.Parallel()
	for _, place := range placesOfUnknownMembers {
		t.Run(place.name, func(t *testing.T) {
			t.Parallel()
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
		})
	}
}

// Numbers are what they are, not what a float64 makes of them.
func TestUnknownNumbersAreComparedExactly(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ a, b string }{
		{"9007199254740993", "9007199254740992"}, {"18446744073709551616", "18446744073709551617"}, {"1e-400", "1e-401"},
		{"1e400", "1e401"}, {"0.1", "0.1000000000000000055511151231257827"}, {"1", "-1"}, {"1e99999999999999999999", "1e99999999999999999998"},
	} {
		assertDifferent(t, rulesWith(t, `{MEMBER}`, `"new": `+test.a), rulesWith(t, `{MEMBER}`, `"new": `+test.b))
	}
	for _, same := range [][]string{
		{"1", "1.0", "1e0", "10e-1", "0.1E+1", "100000e-00005"},
		{"-12345678901234567890", "-1234567890123456789e1", "-1.234567890123456789e19"},
		{"1e21", "1000000000000000000000"}, {"1e-7", "0.0000001"}, {"12e99999999999999999999", "1.2e100000000000000000000"},
	} {
		for _, b := range same {
			assert.Empty(t, rulesWith(t, `{MEMBER}`, `"new": `+same[0]).Diff(rulesWith(t, `{MEMBER}`, `"new": `+b)))
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

// A member of another case is not the known one: it opens nothing that the SDK
// could name, so it counts as unknown.
func TestMembersOfAnotherCaseAreUnknown(t *testing.T) {
	t.Parallel()
	rules := rulesWith(t, `{MEMBER}`, `"Allow_All": true`)
	assert.False(t, rules.AllowAll)
	assert.Equal(t, []string{`+ unknown Allow_All true`}, runloop.EgressRules{}.Diff(rules))
}

func TestDiffShowsUnknownMembers(t *testing.T) {
	t.Parallel()
	for member, lines := range map[string][]string{
		`{"new": {"b": 1, "a": "é\n"}}`:                          {`+ unknown new {"a":"é\n","b":1}`},
		`{"n\new": true}`:                                        {`+ unknown "n\new" true`},
		`{"allowed_cidrs": [{"cidr": "10.0.0.0/8", "vlan": 7}]}`: {`+ cidr 10.0.0.0/8`, `+ cidr 10.0.0.0/8 unknown vlan 7`},
		`{"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 1, "icmp": true}]}]}`: {`+ cidr 10.0.0.0/8 any 1`, `+ cidr 10.0.0.0/8 any 1 unknown icmp true`},
	} {
		assert.Equal(t, lines, runloop.EgressRules{}.Diff(gotRules(t, member)))
	}
}

func assertDifferent(t *testing.T, a, b runloop.EgressRules) {
	t.Helper()
	assert.False(t, a.Equal(b))
	assert.False(t, b.Equal(a))
	assert.NotEmpty(t, a.Diff(b))
	assert.NotEqual(t, a.Fingerprint(), b.Fingerprint())
}
