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

// placesOfUnknownFields are the places where a newer API may add a field that widens a
// policy, and the rules without that field.
var placesOfUnknownFields = []struct {
	name, egress string
	known        runloop.EgressRules
}{
	{"the rules", `{FIELD, "allowed_hostnames": ["github.com"]}`, hosts("github.com")},
	{"no other rule", `{FIELD}`, runloop.EgressRules{}},
	{"beside allow all", `{"allow_all": true, FIELD}`, runloop.EgressRules{AllowAll: true}},
	{"a range", `{"allowed_cidrs": [{"cidr": "10.0.0.0/8", FIELD}]}`, cidrs(runloop.AllowedCIDR{CIDR: "10.0.0.0/8"})},
	{"a port", `{"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 443, FIELD}]}]}`, ports(runloop.PortRule{Port: 443})},
	{"a port beside all ports", `{"allowed_cidrs": [{"cidr": "10.0.0.0/8"}, {"cidr": "10.0.0.0/8", "ports": [{"port": 443, FIELD}]}]}`,
		cidrs(runloop.AllowedCIDR{CIDR: "10.0.0.0/8"})},
	{"a range beside allow all", `{"allow_all": true, "allowed_cidrs": [{"cidr": "10.0.0.0/8", FIELD}]}`, runloop.EgressRules{AllowAll: true}},
	{"a port beside allow all", `{"allow_all": true, "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 443, FIELD}]}]}`,
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
		t.Run(place.name, func(t *testing.T) {
			t.Parallel()
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
		})
	}
}

func TestUnknownFieldsThatAllowNothing(t *testing.T) {
	t.Parallel()
	for _, place := range placesOfUnknownFields {
		t.Run(place.name, func(t *testing.T) {
			t.Parallel()
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
		})
	}
}

func TestUnknownFieldsAreComparedByTheirMeaning(t *testing.T) {
	t.Parallel()
	for _, place := range placesOfUnknownFields {
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
	assert.False(t, a.Equal(b))
	assert.False(t, b.Equal(a))
	assert.NotEmpty(t, a.Diff(b))
	assert.NotEqual(t, a.Fingerprint(), b.Fingerprint())
}
