package runloop

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Equal reports whether r and o allow the same traffic. It ignores the order, case and
// trailing dots of host names, and duplicates. AllowAll makes the other rules irrelevant. A
// redundant rule counts: 10.1.0.0/16 in addition to 10.0.0.0/8 is a difference, although it
// allows nothing more.
//
// A field that this version of the SDK does not know is a difference unless it allows
// nothing. It allows nothing if its value is false, null, 0 or empty, or an object or array
// of such values.
func (r EgressRules) Equal(o EgressRules) bool {
	mine, theirs := r.canonical(true), o.canonical(true)
	return slices.EqualFunc(mine.hosts, theirs.hosts, func(a, b string) bool { return compareHosts(a, b) == 0 }) &&
		slices.Equal(mine.others, theirs.others)
}

// Diff returns how o differs from r: a line that starts with "- " for each rule that only r
// has, then a line that starts with "+ " for each rule that only o has. The rules are
// written as by [EgressRules.Rules], and the value of an unknown field follows its name. The
// result is empty exactly if r and o are Equal.
func (r EgressRules) Diff(o EgressRules) []string { return r.diff(o, true) }

// diffWithoutValues is Diff without the values of unknown fields, which may be secrets.
func (r EgressRules) diffWithoutValues(o EgressRules) []string { return r.diff(o, false) }

func (r EgressRules) diff(o EgressRules, values bool) []string {
	mine, theirs := r.canonical(false), o.canonical(false)
	gone := mine.without(theirs).lines("- ", false, values)
	added := theirs.without(mine).lines("+ ", false, values)
	if len(gone) == 0 {
		return added
	}
	return append(gone, added...)
}

// Fingerprint returns 16 hexadecimal digits for use in policy names. Equal rules have equal
// fingerprints; others differ, barring a 64-bit collision. For rules without unknown
// fields, all versions of the SDK return the same fingerprint.
//
// It is the start of the SHA-256 of the rules in canonical form: one line per rule, each
// ended by a line feed, without duplicates, sorted by bytes. The lines are
//
//	MCP gateway
//	Runloop mirrors
//	agent gateway
//	allow all
//	cidr RANGE
//	cidr RANGE PROTOCOL FIRST-LAST
//	devbox to devbox
//	host "NAME"
//	unknown "NAME" VALUE
//
// PROTOCOL is any, TCP or UDP. The NAME of a host is in lower case, without a trailing dot.
// Names are quoted as by [strconv.QuoteToASCII]. A range that is allowed on all ports has no
// lines for single ports. If "allow all" is present, the only other lines are those of
// unknown fields. The line of an unknown field of a range or port starts with the line of
// that range or port: cidr RANGE unknown "NAME" VALUE. VALUE is JSON in the form of RFC
// 8785, except that numbers keep all their digits.
func (r EgressRules) Fingerprint() string {
	hash := sha256.New()
	var text []byte
	for _, line := range r.canonical(true).lines("", true, true) {
		text = append(append(text[:0], line...), '\n')
		hash.Write(text)
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

// Rules returns one line per rule, for people and audit logs:
//
//	agent gateway
//	cidr 10.0.0.0/8 TCP 443
//	cidr 10.0.0.0/8 UDP 5000-5010
//	host github.com
//
// The other lines are "allow all", "devbox to devbox", "MCP gateway", "Runloop mirrors",
// "cidr 192.0.2.0/24" for all ports and protocols, and "unknown NAME" for a field that
// this version of the SDK does not know and that may allow something. Names with unusual
// characters are quoted. The lines are sorted, printable, and without duplicates. The
// result is empty if the rules allow nothing. Equal rules have the same lines; rules with
// the same lines are Equal, except for the values of unknown fields.
func (r EgressRules) Rules() []string { return r.canonical(false).lines("", false, false) }

// Update returns parameters that replace every rule of a policy with r. They set every
// field. A server of API version 0.1 rejects the fields that were added later. Fields that
// this version of the SDK does not know are not set: the policy keeps them.
func (r EgressRules) Update() NetworkPolicyUpdateParams {
	r = r.clone()
	return NetworkPolicyUpdateParams{
		AllowAll:            &r.AllowAll,
		AllowDevboxToDevbox: &r.AllowDevboxToDevbox,
		AllowedHostnames:    &r.AllowedHostnames,
		AllowAgentGateway:   &r.AllowAgentGateway,
		AllowMCPGateway:     &r.AllowMCPGateway,
		AllowRunloopMirrors: &r.AllowRunloopMirrors,
		AllowedCIDRs:        &r.AllowedCIDRs,
	}
}

// String returns a summary such as "deny all", "allow all" or "2 hosts, agent gateway".
func (r EgressRules) String() string {
	rules := r.canonical(true)
	var unknown int
	var cidrs, switches []string
	for _, rule := range rules.others {
		if rule.value != "" {
			unknown++
		} else if !strings.HasPrefix(rule.text, "cidr ") {
			switches = append(switches, rule.text)
		}
	}
	if !r.AllowAll {
		for _, c := range r.AllowedCIDRs {
			cidrs = append(cidrs, canonicalCIDR(c.CIDR))
		}
	}
	parts := slices.Concat(
		count(len(rules.hosts), "host"),
		count(len(sortedSet(cidrs, strings.Compare)), "CIDR"),
		switches,
		count(unknown, "unknown rule"),
	)
	if len(parts) == 0 {
		return "deny all"
	}
	return strings.Join(parts, ", ")
}

func count(n int, noun string) []string {
	switch n {
	case 0:
		return nil
	case 1:
		return []string{"1 " + noun}
	}
	return []string{fmt.Sprintf("%d %ss", n, noun)}
}

// canonicalRules are sorted rules without duplicates. They are equal exactly if they allow
// the same traffic. Host names, of which there may be many, are not copied: compareHosts
// compares their canonical form.
type canonicalRules struct {
	hosts  []string
	others []rule
}

// A rule is a rule other than a host name.
type rule struct {
	text  string
	value string // JSON of an unknown field; empty for a known rule
}

func (r rule) compare(o rule) int {
	return cmp.Or(strings.Compare(r.text, o.text), strings.Compare(r.value, o.value))
}

// canonical returns the rules in the form of Fingerprint if quoted, and of Rules if not.
func (r EgressRules) canonical(quoted bool) canonicalRules {
	var c canonicalRules
	var cidrs []rule
	cidrs, c.others = canonicalCIDRs(r.AllowedCIDRs, quoted)
	c.others = append(c.others, r.unknown.rules("unknown ", quoted)...)
	if r.AllowAll {
		c.others = append(c.others, rule{text: "allow all"})
	} else {
		for _, s := range []struct {
			on   bool
			text string
		}{
			{r.AllowMCPGateway, "MCP gateway"},
			{r.AllowRunloopMirrors, "Runloop mirrors"},
			{r.AllowAgentGateway, "agent gateway"},
			{r.AllowDevboxToDevbox, "devbox to devbox"},
		} {
			if s.on {
				c.others = append(c.others, rule{text: s.text})
			}
		}
		c.others = append(c.others, cidrs...)
		c.hosts = slices.Clone(r.AllowedHostnames)
	}
	c.hosts = sortedSet(c.hosts, compareHosts)
	c.others = sortedSet(c.others, rule.compare)
	return c
}

func sortedSet[T any](values []T, compare func(T, T) int) []T {
	slices.SortFunc(values, compare)
	return slices.CompactFunc(values, func(a, b T) bool { return compare(a, b) == 0 })
}

// lines returns the rules as sorted lines after a mark, each once.
func (c canonicalRules) lines(mark string, quoted, values bool) []string {
	if len(c.hosts)+len(c.others) == 0 {
		return nil
	}
	lines := make([]string, 0, len(c.hosts)+len(c.others))
	var line, name []byte // reused between host names
	for _, host := range c.hosts {
		line = append(append(line[:0], mark...), "host "...)
		name = appendCanonicalHost(name[:0], host)
		if name := string(name); quoted || !isPlain(name) {
			line = strconv.AppendQuoteToASCII(line, name)
		} else {
			line = append(line, name...)
		}
		lines = append(lines, string(line))
	}
	for _, rule := range c.others {
		text := mark + rule.text
		if rule.value != "" && values {
			text += " " + rule.value
		}
		lines = append(lines, text)
	}
	return sortedSet(lines, strings.Compare)
}

// without returns the rules that are not in o.
func (c canonicalRules) without(o canonicalRules) canonicalRules {
	return canonicalRules{
		hosts:  missingFrom(o.hosts, c.hosts, compareHosts),
		others: missingFrom(o.others, c.others, rule.compare),
	}
}

// missingFrom returns the values that are not in the sorted others.
func missingFrom[T any](others, values []T, compare func(T, T) int) []T {
	if len(others) == 0 {
		return values
	}
	var missing []T
	for _, value := range values {
		if _, found := slices.BinarySearchFunc(others, value, compare); !found {
			missing = append(missing, value)
		}
	}
	return missing
}

// compareHosts compares host names in their canonical form: in lower case, without the
// trailing dot.
func compareHosts(a, b string) int {
	a, b = strings.TrimSuffix(a, "."), strings.TrimSuffix(b, ".")
	const step = 64 // comparing equal parts as a whole is faster
	for len(a) >= step && len(b) >= step && a[:step] == b[:step] {
		a, b = a[step:], b[step:]
	}
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			if c := cmp.Compare(lower(a[i]), lower(b[i])); c != 0 {
				return c
			}
		}
	}
	return cmp.Compare(len(a), len(b))
}

func appendCanonicalHost(dst []byte, host string) []byte {
	for _, c := range []byte(strings.TrimSuffix(host, ".")) {
		dst = append(dst, lower(c))
	}
	return dst
}

// lower maps ASCII only, because the lower case of Unicode changes between versions.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// isPlain reports whether a name needs no quotes, because it cannot look like another rule.
func isPlain(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return !isHostnameRune(r) && r != '*' })
}

// canonicalCIDRs returns the rules of the ranges and, separately, their unknown fields,
// which AllowAll does not make irrelevant.
func canonicalCIDRs(cidrs []AllowedCIDR, quoted bool) (rules, unknown []rule) {
	onAllPorts := make(map[string]bool)
	for _, c := range cidrs {
		if len(c.Ports) == 0 {
			onAllPorts[canonicalCIDR(c.CIDR)] = true
		}
	}
	for _, c := range cidrs {
		cidr := canonicalCIDR(c.CIDR)
		text := "cidr " + cidr
		unknown = append(unknown, c.unknown.rules(text+" unknown ", quoted)...)
		if onAllPorts[cidr] {
			rules = append(rules, rule{text: text})
		}
		for _, p := range c.Ports {
			text := text + " " + p.canonical(quoted)
			unknown = append(unknown, p.unknown.rules(text+" unknown ", quoted)...)
			if !onAllPorts[cidr] {
				rules = append(rules, rule{text: text})
			}
		}
	}
	return rules, unknown
}

func canonicalCIDR(cidr string) string {
	prefix, err := netip.ParsePrefix(cidr)
	if err != nil {
		return strconv.QuoteToASCII(cidr)
	}
	return prefix.Masked().String()
}

func (p PortRule) canonical(quoted bool) string {
	protocol := strings.ToUpper(string(p.Protocol))
	switch Protocol(protocol) {
	case "":
		protocol = "any"
	case ProtocolTCP, ProtocolUDP:
	default:
		protocol = strconv.QuoteToASCII(protocol)
	}
	first, last := strconv.Itoa(p.Port), strconv.Itoa(max(p.Port, p.EndPort))
	if first == last && !quoted {
		return protocol + " " + first
	}
	return protocol + " " + first + "-" + last
}

// ignoring returns r without the unknown fields of these names.
func (r EgressRules) ignoring(names []string) EgressRules {
	if len(names) == 0 {
		return r
	}
	return r.withUnknown(func(u unknownFields) unknownFields { return u.without(names) })
}

// known returns r without unknown fields.
func (r EgressRules) known() EgressRules {
	return r.withUnknown(func(unknownFields) unknownFields { return "" })
}

// withUnknown returns r with other unknown fields, including those of its CIDRs and ports.
func (r EgressRules) withUnknown(other func(unknownFields) unknownFields) EgressRules {
	r = r.clone()
	r.unknown = other(r.unknown)
	for i := range r.AllowedCIDRs {
		c := &r.AllowedCIDRs[i]
		c.unknown = other(c.unknown)
		for j := range c.Ports {
			c.Ports[j].unknown = other(c.Ports[j].unknown)
		}
	}
	return r
}

// clone returns a copy that shares no list with r. A call that sends several requests uses
// a copy, because the caller may modify its lists in the meantime.
func (r EgressRules) clone() EgressRules {
	r.AllowedHostnames = slices.Clone(r.AllowedHostnames)
	r.AllowedCIDRs = slices.Clone(r.AllowedCIDRs)
	for i := range r.AllowedCIDRs {
		r.AllowedCIDRs[i].Ports = slices.Clone(r.AllowedCIDRs[i].Ports)
	}
	return r
}

// withUnknownOf returns r with the unknown fields of o, which an update does not remove.
func (r EgressRules) withUnknownOf(o EgressRules) EgressRules {
	r.unknown = o.unknown
	return r
}
