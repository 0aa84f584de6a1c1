package runloop_test

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/engine"
)

// refusal returns the field and the problem of Validate's error, or "" if there is none.
func refusal(t *testing.T, rules runloop.EgressRules) (field, problem string) {
	t.Helper()
	err := rules.Validate()
	if err == nil {
		return "", ""
	}
	refused, ok := errors.AsType[*runloop.ValidationError](err)
	require.True(t, ok, "%T", err)
	assert.Equal(t, "validate egress rules", refused.Op)
	return refused.Field, refused.Problem
}

func TestValidHostNames(t *testing.T) {
	t.Parallel()
	for _, hostname := range []string{
		"github.com", "GitHub.com", "github.com.", "a.b.c.d.e.f.example", "localhost", "*.npmjs.org", "*.com", "*.a.b.example.",
		"a.1_0", "a.0b1", "a.0xyz", "xn--bcher-kva.example", "_dmarc.example.com", "a-b.example", "a--b.example",
		"1.example", "1password.com", "3com.com", "10.example", "v1.2.3.example", "api.runloop.internal",
		strings.Repeat("a", 63) + ".example",
		strings.Repeat("a.", 126) + "a",  // 253 bytes
		strings.Repeat("a.", 126) + "a.", // and the root's dot
	} {
		field, problem := refusal(t, hosts("first.example", hostname))
		assert.Empty(t, field+problem, hostname)
	}
}

func TestInvalidHostNames(t *testing.T) {
	t.Parallel()
	const writeAlone = `write the host name alone, as in "github.com"`
	const (
		hasPort     = "has a port, but host names are allowed on every port: "
		ipv4Only    = "the API supports IPv4 only: write an IPv4 CIDR in AllowedCIDRs, or a host name"
		perEntry    = "write one host name per entry"
		lettersOnly = `: write letters, digits, "-", "_" and "." only`
		xn          = `, which is not ASCII: write the name's "xn--" form`
	)
	for problem, hostnames := range map[string][]string{
		"is blank: remove it":                                  {"", " \t"},
		`has surrounding spaces: write "github.com"`:           {" github.com", "github.com\n"},
		"contains a space or a control character: " + perEntry: {"a.example b.example", "a\x00.example"},
		"contains a separator or a quote: " + perEntry:         {"a.example,b.example", `"a.example"`, "'a.example'", "a.example;b.example"},
		"is not valid UTF-8":                                   {"\xff.example"},

		`has a scheme: write "github.com"`: {
			"https://github.com", "https://me:pw@github.com:443/a/b?c#d", "https:github.com", "HTTPS:/github.com/x",
		},
		`has a scheme: write "*.npmjs.org"`:                 {"https://*.npmjs.org"},
		`has a scheme: write "10.1.2.3/32" in AllowedCIDRs`: {"http://10.1.2.3:80/"},
		"has a scheme: " + writeAlone:                       {"https://", "https://bücher.de/x", "https://user:p%zz@github.com"},
		`has a path: write "github.com"`:                    {"github.com/runloopai", "github.com/", "github.com?x=1", "github.com#x"},
		"has a path: " + writeAlone:                         {"/etc/hosts", `github.com\x`},
		`has a user name: write "github.com"`:               {"git@github.com"},
		"has a user name: " + writeAlone:                    {"git@github.com:a"},
		hasPort + `write "github.com"`:                      {"github.com:443", "github.com:", "github.com:https"},
		hasPort + `write "*.npmjs.org"`:                     {"*.npmjs.org:443", "*.npmjs.org:8000-9000"},

		`is an IP address: write "10.1.2.3/32" in AllowedCIDRs`:                             {"10.1.2.3"},
		hasPort + `write "10.1.2.3/32" in AllowedCIDRs`:                                     {"10.1.2.3:80"},
		"is an IP address: " + ipv4Only:                                                     {"2001:db8::1", "[::1]", "fe80::1%eth0"},
		hasPort + ipv4Only:                                                                  {"[::1]:80"},
		`is an address range: write "10.0.0.0/8" in AllowedCIDRs`:                           {"10.0.0.0/8", "10.1.2.3/8"},
		"is an address range: " + ipv4Only:                                                  {"2001:db8::/32"},
		"ends in a number and would be read as an IP address: write a CIDR in AllowedCIDRs": {"127.1", "2130706433", "0x7f.0x1", "*.1."},

		`has the invisible character U+FEFF: write "github.com"`: {"\ufeffgithub.com"},
		`has the invisible character U+200B: write "github.com"`: {"git\u200bhub.com"},
		`has the invisible character U+00AD: write "github.com"`: {"git\u00adhub.com"},
		`has the invisible character U+202E: write "github.com"`: {"\u202egithub.com"},
		`has the invisible character U+FE0F: write "github.com"`: {"github\ufe0f.com"},
		`has the invisible character U+3164: write "github.com"`: {"github\u3164.com"},
		"has the invisible character U+FEFF: " + writeAlone:      {"\ufeffhttps://github.com"},
		`has the wide character U+3002: write "github.com"`:      {"github。com"},
		`has the wide character U+FF61: write "github.com"`:      {"github｡com"},
		`has the wide character U+FF0E: write "github.com"`:      {"github．com"},
		`has the wide character U+FF47: write "github.com"`:      {"ｇｉｔｈｕｂ.com"},
		"has the wide character U+FF11: " + writeAlone:           {"１０.0.0.1"},
		"has the wide character U+FF1A: " + writeAlone:           {"github.com：443"},

		`is an international name: write "xn--bcher-kva.de"`:                                              {"bücher.de", "BÜCHER.de"},
		`is an international name: write "xn--r8jz45g.xn--zckzah"`:                                        {"例え.テスト"},
		`is an international name: write "*.xn--e1afmkfd.xn--p1ai"`:                                       {"*.пример.рф"},
		`is an international name: write "xn--989aomm9k97bua391bj7dz9bgnz01c5mb232a29emld0708cea54b.com"`: {"세계의모든사람들이한국어를이해한다면.com"},
		"has U+00DF" + xn:  {"straße.de"}, // IDNA 2003 and 2008 differ
		"has U+0308" + xn:  {"bu\u0308cher.de"},
		"has U+212A" + xn:  {"\u212aelvin.com"},
		"has U+0130" + xn:  {"İstanbul.com"},
		"has U+FB03" + xn:  {"o\ufb03ce.com"},
		"has U+1F680" + xn: {"🚀.example"},
		"has U+00FC" + xn:  {strings.Repeat("ü", 60) + ".de"}, // too long for an xn-- label

		`contains "!"` + lettersOnly: {"!evil.example.com"},
		`contains "$"` + lettersOnly: {"github.com$", "${HOST}"},
		`contains "("` + lettersOnly: {"(a|b).example.com"},
		`contains "%"` + lettersOnly: {"%2a.example.com"},
		`contains "["` + lettersOnly: {"[a-z].example.com"},

		`has a label that starts or ends with "-": remove it`: {"-a.com", "a-.com", "a.-.com"},
		"matches every host: set AllowAll instead":            {"*", "*."},
		`has a wildcard that is not the whole first label: write it as in "*.npmjs.org"`: {
			"api.*.example", "github.*", "foo*.example", "*.*.example", "**.example",
		},
		`has an empty label: write "npmjs.org", or "*.npmjs.org" for the names below it`: {".npmjs.org"},
		"has an empty label: write single dots between labels":                           {".", "a..example", "a.example.."},
		"has a label longer than 63 bytes: shorten it":                                   {strings.Repeat("a", 64) + ".example"},
		"is longer than the 253 bytes of a host name: shorten it":                        {strings.Repeat("a.", 126) + "aa"},
	} {
		for _, hostname := range hostnames {
			field, got := refusal(t, hosts("first.example", "*.second.example", hostname, "also wrong"))
			assert.Equal(t, "AllowedHostnames[2]", field)
			assert.Equal(t, engine.Quote(hostname)+" "+problem, got)
		}
	}
}

func TestValidRanges(t *testing.T) {
	t.Parallel()
	for _, cidr := range []string{"0.0.0.0/0", "10.0.0.0/8", "192.0.2.128/25", "192.0.2.1/32", "255.255.255.255/32"} {
		field, problem := refusal(t, cidrs(runloop.AllowedCIDR{CIDR: cidr}))
		assert.Empty(t, field+problem, cidr)
	}
	for _, port := range []runloop.PortRule{
		{Port: 1}, {Port: 65535}, {Port: 443, EndPort: 443}, {Port: 1, EndPort: 65535}, {Port: 65535, EndPort: 65535},
	} {
		for _, port.Protocol = range []runloop.Protocol{runloop.ProtocolTCP, runloop.ProtocolUDP} {
			field, problem := refusal(t, ports(port))
			assert.Empty(t, field+problem, port)
		}
	}
}

func TestInvalidRanges(t *testing.T) {
	t.Parallel()
	const noCIDR = `is not a CIDR: write one like "10.0.0.0/8"`
	const isIPv6 = "is IPv6, but the API supports IPv4 only: write an IPv4 CIDR, or a host name in AllowedHostnames"
	for problem, ranges := range map[string][]string{
		noCIDR: {
			"", "github.com", " 10.0.0.0/8", "10.0.0.0/255.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "010.0.0.0/8",
			"10.0.0/8", "256.0.0.0/8", "10.0.0.1-10.0.0.9", "10.0.0.0/8\xff",
		},
		isIPv6: {"2001:db8::/32", "2001:db8::1", "::/0", "::ffff:10.0.0.0/104"},
		`has no prefix length: write "10.1.2.3/32"`:             {"10.1.2.3"},
		`has host bits that are not zero: write "10.0.0.0/8"`:   {"10.1.2.3/8"},
		`has host bits that are not zero: write "192.0.2.0/31"`: {"192.0.2.1/31"},
		`has host bits that are not zero: write "0.0.0.0/0"`:    {"1.2.3.4/0"},
	} {
		for _, cidr := range ranges {
			field, got := refusal(t, cidrs(runloop.AllowedCIDR{CIDR: "10.0.0.0/8"}, runloop.AllowedCIDR{CIDR: cidr}))
			assert.Equal(t, "AllowedCIDRs[1].CIDR", field)
			assert.Equal(t, strconv.Quote(cidr)+" "+problem, got)
		}
	}
}

// What a rule without a protocol allows is not documented: the API reports TCP for it.
func TestInvalidPorts(t *testing.T) {
	t.Parallel()
	const port, endPort = "is not between 1 and 65535: write a port, or omit Ports for every port", "and 65535: write 0 for Port alone"
	for _, test := range []struct {
		port           runloop.PortRule
		field, problem string
	}{
		{runloop.PortRule{Protocol: "TCP"}, "Port", "0 " + port},
		{runloop.PortRule{EndPort: 80, Protocol: "TCP"}, "Port", "0 " + port},
		{runloop.PortRule{Port: -1, Protocol: "TCP"}, "Port", "-1 " + port},
		{runloop.PortRule{Port: 65536, Protocol: "TCP"}, "Port", "65536 " + port},
		{runloop.PortRule{Port: 443, EndPort: 80, Protocol: "TCP"}, "EndPort", "80 is not between Port, 443, " + endPort},
		{runloop.PortRule{Port: 1, EndPort: 65536, Protocol: "TCP"}, "EndPort", "65536 is not between Port, 1, " + endPort},
		{runloop.PortRule{Port: 1, EndPort: -1, Protocol: "TCP"}, "EndPort", "-1 is not between Port, 1, " + endPort},
		{runloop.PortRule{Port: 1}, "Protocol", `must not be empty: write "TCP" or "UDP", or a rule for each`},
		{runloop.PortRule{Port: 1, Protocol: "tcp"}, "Protocol", `"tcp" is not in upper case: write "TCP"`},
		{runloop.PortRule{Port: 1, Protocol: "Udp"}, "Protocol", `"Udp" is not in upper case: write "UDP"`},
		{runloop.PortRule{Port: 1, Protocol: "ICMP"}, "Protocol", `"ICMP" is not supported: write "TCP" or "UDP"`},
	} {
		field, problem := refusal(t, ports(runloop.PortRule{Port: 1, Protocol: "UDP"}, test.port))
		assert.Equal(t, "AllowedCIDRs[0].Ports[1]."+test.field, field)
		assert.Equal(t, test.problem, problem)
	}
}

func TestValidateReportsEveryProblem(t *testing.T) {
	t.Parallel()
	rules := gotRules(t, `{"new": true, "off": {"x": false}, "allowed_hostnames": ["", "github.com", "*"],
		"allowed_cidrs": [{"cidr": "10.0.0.0", "ports": [{"port": 0, "secret": "s3cret"}, {"port": 1, "protocol": "TCP"}]}]}`)
	refused, ok := errors.AsType[*runloop.ValidationError](rules.Validate())
	require.True(t, ok)
	assert.Equal(t, []string{
		`EgressRules: this version of the SDK cannot send its unknown field "new": remove the field, or update the SDK`,
		`AllowedHostnames[0]: "" is blank: remove it`,
		`AllowedHostnames[2]: "*" matches every host: set AllowAll instead`,
		`AllowedCIDRs[0].CIDR: "10.0.0.0" has no prefix length: write "10.0.0.0/32"`,
		`AllowedCIDRs[0].Ports[0]: this version of the SDK cannot send its unknown field "secret": remove the field, or update the SDK`,
		`AllowedCIDRs[0].Ports[0].Port: 0 is not between 1 and 65535: write a port, or omit Ports for every port`,
		`AllowedCIDRs[0].Ports[0].Protocol: must not be empty: write "TCP" or "UDP", or a rule for each`,
	}, refused.Problems)
	assert.Equal(t, refused.Problems[0], refused.Field+": "+refused.Problem)
}

func TestTheListOfProblemsIsBounded(t *testing.T) {
	t.Parallel()
	refused, ok := errors.AsType[*runloop.ValidationError](hosts(make([]string, 1000)...).Validate())
	require.True(t, ok)
	require.Len(t, refused.Problems, 101)
	assert.Equal(t, `AllowedHostnames[99]: "" is blank: remove it`, refused.Problems[99])
	assert.Equal(t, "and 900 more problems", refused.Problems[100])
}

// With AllowAll, the API ignores the other rules, but it still validates them.
func TestValidateChecksRulesNextToAllowAll(t *testing.T) {
	t.Parallel()
	field, _ := refusal(t, runloop.EgressRules{AllowAll: true, AllowedHostnames: []string{"https://github.com"}})
	assert.Equal(t, "AllowedHostnames[0]", field)
}

// An error shows the value and tells what to write instead, and that is valid.
func FuzzHostnames(f *testing.F) {
	for _, hostname := range []string{
		"github.com", "*.npmjs.org", "*", "", " ", "bücher.de", "github。com", "git\u200bhub.com", "-a.com", "https:github.com", "//[a:b]", "İ.com", "https://github.com/x", "10.1.2.3", "[::1]:80", "10.0.0.0/8", "::/0", "git@github.com:x",
		"a..b", "foo*.x", "a\\b", "%zz.com/", "https://[", "\xff", "a\x00b", strings.Repeat("x", 64) + ".com", "//", "?", "@", ":", "[]", "fe80::1%25eth0",
		strings.Repeat("\x80", 100),
	} {
		f.Add(hostname)
	}
	valid := regexp.MustCompile(`^(\*\.)?([A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?\.?$`)
	writeName := regexp.MustCompile(`: write ("[^"]*")$`)
	advice := regexp.MustCompile(`: write |: remove it$|: set AllowAll instead$|: the API supports IPv4 only|is not valid UTF-8$|: shorten it$`)
	writeRange := regexp.MustCompile(`: write "([^"]*)" in AllowedCIDRs$`)
	f.Fuzz(func(t *testing.T, hostname string) {
		rules := runloop.EgressRules{AllowedHostnames: []string{hostname}}
		rules.Fingerprint()
		assert.True(t, rules.Equal(rules))
		err := rules.Validate()
		if err == nil {
			assert.Regexp(t, valid, hostname)
			assert.Equal(t, []string{"host " + strings.TrimSuffix(strings.ToLower(hostname), ".")}, rules.Rules())
			return
		}
		refused, ok := errors.AsType[*runloop.ValidationError](err)
		require.True(t, ok)
		assert.Equal(t, "AllowedHostnames[0]", refused.Field)
		assert.Regexp(t, `^"`, refused.Problem, "the value")
		assert.Regexp(t, advice, refused.Problem)
		assert.Less(t, len(err.Error()), 300)

		if write := writeName.FindStringSubmatch(refused.Problem); write != nil && !strings.Contains(refused.Problem, "surrounding spaces") {
			name, err := strconv.Unquote(write[1])
			require.NoError(t, err)
			if !strings.HasSuffix(name, "...") { // cut
				assert.NoError(t, hosts(name).Validate(), "the advice is good")
			}
		}
		if write := writeRange.FindStringSubmatch(refused.Problem); write != nil {
			assert.NoError(t, cidrs(runloop.AllowedCIDR{CIDR: write[1]}).Validate(), "the advice is good")
		}
	})
}

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
		{runloop.NetworkPolicyUpdateParams{AllowedCIDRs: &noPort}, "AllowedCIDRs[0].Ports[0].Port", "0 is not between 1 and 65535: write a port, or omit Ports for every port"},
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
