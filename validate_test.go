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
	for _, test := range []struct{ name, hostname, problem string }{
		{"empty", "", `"" is blank: remove it`},
		{"blank", " \t", `" \t" is blank: remove it`},
		{"blank before", " github.com", `" github.com" has surrounding spaces: write "github.com"`},
		{"line break after", "github.com\n", `"github.com\n" has surrounding spaces: write "github.com"`},
		{"two in one", "a.example b.example", `"a.example b.example" contains a space or a control character: write one host name per entry`},
		{"two with a comma", "a.example,b.example", `"a.example,b.example" contains a separator or a quote: write one host name per entry`},
		{"in quotes", `"a.example"`, `"\"a.example\"" contains a separator or a quote: write one host name per entry`},
		{"NUL", "a\x00.example", `"a\x00.example" contains a space or a control character: write one host name per entry`},
		{"invalid UTF-8", "\xff.example", `"\xff.example" is not valid UTF-8`},

		{"URL", "https://github.com", `"https://github.com" has a scheme: write "github.com"`},
		{"URL with everything", "https://me:pw@github.com:443/a/b?c#d", `"https://me:pw@github.com:443/a/b?c#d" has a scheme: write "github.com"`},
		{"URL with a wildcard", "https://*.npmjs.org", `"https://*.npmjs.org" has a scheme: write "*.npmjs.org"`},
		{"URL of an address", "http://10.1.2.3:80/", `"http://10.1.2.3:80/" has a scheme: write "10.1.2.3/32" in AllowedCIDRs`},
		{"URL without a host", "https://", `"https://" has a scheme: ` + writeAlone},
		{"path", "github.com/runloopai", `"github.com/runloopai" has a path: write "github.com"`},
		{"slash", "github.com/", `"github.com/" has a path: write "github.com"`},
		{"only a path", "/etc/hosts", `"/etc/hosts" has a path: ` + writeAlone},
		{"backslash", `github.com\x`, `"github.com\\x" has a path: ` + writeAlone},
		{"query", "github.com?x=1", `"github.com?x=1" has a path: write "github.com"`},
		{"fragment", "github.com#x", `"github.com#x" has a path: write "github.com"`},
		{"user", "git@github.com", `"git@github.com" has a user name: write "github.com"`},
		{"scp path", "git@github.com:a", `"git@github.com:a" has a user name: ` + writeAlone},
		{"port", "github.com:443", `"github.com:443" has a port, but host names are allowed on every port: write "github.com"`},
		{"port of a wildcard", "*.npmjs.org:443", `"*.npmjs.org:443" has a port, but host names are allowed on every port: write "*.npmjs.org"`},
		{"empty port", "github.com:", `"github.com:" has a port, but host names are allowed on every port: write "github.com"`},
		{"port that is none", "github.com:https", `"github.com:https" has a port, but host names are allowed on every port: write "github.com"`},
		{"range of ports", "*.npmjs.org:8000-9000", `"*.npmjs.org:8000-9000" has a port, but host names are allowed on every port: write "*.npmjs.org"`},

		{"IPv4", "10.1.2.3", `"10.1.2.3" is an IP address: write "10.1.2.3/32" in AllowedCIDRs`},
		{"IPv4 with a port", "10.1.2.3:80", `"10.1.2.3:80" has a port, but host names are allowed on every port: write "10.1.2.3/32" in AllowedCIDRs`},
		{"IPv6", "2001:db8::1", `"2001:db8::1" is an IP address: the API supports IPv4 only, write an IPv4 CIDR in AllowedCIDRs or a host name`},
		{"IPv6 in brackets", "[::1]", `"[::1]" is an IP address: the API supports IPv4 only, write an IPv4 CIDR in AllowedCIDRs or a host name`},
		{"IPv6 with a port", "[::1]:80", `"[::1]:80" has a port, but host names are allowed on every port: the API supports IPv4 only, write an IPv4 CIDR in AllowedCIDRs or a host name`},
		{"IPv6 with a zone", "fe80::1%eth0", `"fe80::1%eth0" is an IP address: the API supports IPv4 only, write an IPv4 CIDR in AllowedCIDRs or a host name`},
		{"range", "10.0.0.0/8", `"10.0.0.0/8" is an address range: write "10.0.0.0/8" in AllowedCIDRs`},
		{"range with host bits", "10.1.2.3/8", `"10.1.2.3/8" is an address range: write "10.0.0.0/8" in AllowedCIDRs`},
		{"range of IPv6", "2001:db8::/32", `"2001:db8::/32" is an address range: the API supports IPv4 only, write an IPv4 CIDR in AllowedCIDRs or a host name`},

		{"byte order mark", "\ufeffgithub.com", `"\ufeffgithub.com" has the invisible character U+FEFF: write "github.com"`},
		{"zero width space", "git\u200bhub.com", `"git\u200bhub.com" has the invisible character U+200B: write "github.com"`},
		{"soft hyphen", "git\u00adhub.com", `"git\u00adhub.com" has the invisible character U+00AD: write "github.com"`},
		{"right to left", "\u202egithub.com", `"\u202egithub.com" has the invisible character U+202E: write "github.com"`},
		{"variation selector", "github\ufe0f.com", "\"github\ufe0f.com\" has the invisible character U+FE0F: write \"github.com\""},
		{"filler", "github\u3164.com", "\"github\u3164.com\" has the invisible character U+3164: write \"github.com\""},
		{"invisible and wrong", "\ufeffhttps://github.com", `"\ufeffhttps://github.com" has the invisible character U+FEFF: ` + writeAlone},
		{"ideographic full stop", "github。com", `"github。com" has the wide character U+3002: write "github.com"`},
		{"halfwidth full stop", "github｡com", `"github｡com" has the wide character U+FF61: write "github.com"`},
		{"fullwidth full stop", "github．com", `"github．com" has the wide character U+FF0E: write "github.com"`},
		{"fullwidth letters", "ｇｉｔｈｕｂ.com", `"ｇｉｔｈｕｂ.com" has the wide character U+FF47: write "github.com"`},
		{"fullwidth digits", "１０.0.0.1", `"１０.0.0.1" has the wide character U+FF11: ` + writeAlone},
		{"fullwidth colon", "github.com：443", `"github.com：443" has the wide character U+FF1A: ` + writeAlone},
		{"German", "bücher.de", `"bücher.de" is an international name: write "xn--bcher-kva.de"`},
		{"German in upper case", "BÜCHER.de", `"BÜCHER.de" is an international name: write "xn--bcher-kva.de"`},
		{"Japanese", "例え.テスト", `"例え.テスト" is an international name: write "xn--r8jz45g.xn--zckzah"`},
		{"Russian with a wildcard", "*.пример.рф", `"*.пример.рф" is an international name: write "*.xn--e1afmkfd.xn--p1ai"`},
		{"Korean", "세계의모든사람들이한국어를이해한다면.com", `"세계의모든사람들이한국어를이해한다면.com" is an international name: write "xn--989aomm9k97bua391bj7dz9bgnz01c5mb232a29emld0708cea54b.com"`},
		{"sharp s, which two standards map", "straße.de", `"straße.de" has U+00DF, which is not ASCII: write the name's "xn--" form`},
		{"combining mark", "bu\u0308cher.de", "\"bu\u0308cher.de\" has U+0308, which is not ASCII: write the name's \"xn--\" form"},
		{"Kelvin sign", "\u212aelvin.com", "\"\u212aelvin.com\" has U+212A, which is not ASCII: write the name's \"xn--\" form"},
		{"dotted I", "İstanbul.com", `"İstanbul.com" has U+0130, which is not ASCII: write the name's "xn--" form`},
		{"ligature", "o\ufb03ce.com", "\"o\ufb03ce.com\" has U+FB03, which is not ASCII: write the name's \"xn--\" form"},
		{"emoji", "🚀.example", `"🚀.example" has U+1F680, which is not ASCII: write the name's "xn--" form`},
		{"too long for an xn-- label", strings.Repeat("ü", 60) + ".de", `"` + strings.Repeat("ü", 38) + `..." has U+00FC, which is not ASCII: write the name's "xn--" form`},

		{"hyphen before", "-a.com", `"-a.com" has a label that starts or ends with "-": remove it`},
		{"hyphen after", "a-.com", `"a-.com" has a label that starts or ends with "-": remove it`},
		{"hyphen within", "a.-.com", `"a.-.com" has a label that starts or ends with "-": remove it`},
		{"scheme without slashes", "https:github.com", `"https:github.com" has a scheme: write "github.com"`},
		{"scheme with one slash", "HTTPS:/github.com/x", `"HTTPS:/github.com/x" has a scheme: write "github.com"`},
		{"URL of a name that is wrong", "https://bücher.de/x", `"https://bücher.de/x" has a scheme: ` + writeAlone},

		{"dot", ".", `"." has an empty label: write single dots between labels`},
		{"dot before", ".npmjs.org", `".npmjs.org" has an empty label: write "npmjs.org", or "*.npmjs.org" for the names below it`},
		{"two dots", "a..example", `"a..example" has an empty label: write single dots between labels`},
		{"two dots after", "a.example..", `"a.example.." has an empty label: write single dots between labels`},
		{"long label", strings.Repeat("a", 64) + ".example", `"` + strings.Repeat("a", 64) + `.example" has a label longer than 63 bytes: shorten it`},
		{"long name", strings.Repeat("a.", 126) + "aa", `"` + strings.Repeat("a.", 38) + `a..." is longer than the 253 bytes of a host name: shorten it`},
	} {
		field, problem := refusal(t, hosts("first.example", "*.second.example", test.hostname, "also wrong"))
		assert.Equal(t, "AllowedHostnames[2]", field, test.name)
		assert.Equal(t, test.problem, problem, test.name)
	}
	for problem, hostnames := range map[string][]string{
		"ends in a number and would be read as an IP address: write a CIDR in AllowedCIDRs": {"127.1", "2130706433", "0x7f.0x1", "*.1."},
		"matches every host: set AllowAll instead":                                          {"*", "*."},
		`has a wildcard that is not the whole first label: write it as in "*.npmjs.org"`: {
			"api.*.example", "github.*", "foo*.example", "*.*.example", "**.example",
		},
		`contains "!": write letters, digits, "-", "_" and "." only`: {"!evil.example.com"},
		`contains "$": write letters, digits, "-", "_" and "." only`: {"github.com$", "${HOST}"},
		`contains "(": write letters, digits, "-", "_" and "." only`: {"(a|b).example.com"},
		`contains "%": write letters, digits, "-", "_" and "." only`: {"%2a.example.com"},
		`contains "[": write letters, digits, "-", "_" and "." only`: {"[a-z].example.com"},
	} {
		for _, hostname := range hostnames {
			field, got := refusal(t, hosts("first.example", hostname))
			assert.Equal(t, "AllowedHostnames[1]", field)
			assert.Equal(t, strconv.Quote(hostname)+" "+problem, got)
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
	const isIPv6 = "is an IPv6 range, but the API supports IPv4 only: write an IPv4 CIDR, or a host name in AllowedHostnames"
	for problem, ranges := range map[string][]string{
		noCIDR: {
			"", "github.com", " 10.0.0.0/8", "10.0.0.0/255.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "010.0.0.0/8",
			"10.0.0/8", "256.0.0.0/8", "10.0.0.1-10.0.0.9", "10.0.0.0/8\xff",
		},
		isIPv6: {"2001:db8::/32", "::/0", "::ffff:10.0.0.0/104"},
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
	const port, endPort = "is not between 1 and 65535: write a port", "and 65535: write 0 for Port alone"
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
		`AllowedCIDRs[0].Ports[0].Port: 0 is not between 1 and 65535: write a port`,
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
