package runloop

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Equal reports whether r and o have the same reach. The order, the case and the
// trailing dots of host names do not matter, nor does what is said twice, and
// AllowAll swallows the other rules. Rules that lie within others are not left out:
// 10.1.0.0/16 beside 10.0.0.0/8 is a difference, though it adds nothing.
//
// Rules that a newer API has and this version of the SDK does not know are a
// difference, unless they are false, null, 0 or empty: a policy widened by one
// never equals rules that a program can write down.
func (r EgressRules) Equal(o EgressRules) bool {
	return slices.Equal(r.canonical(), o.canonical())
}

// Diff says how o differs from r: a line for each rule that only r has, which
// starts with "- ", then one for each that only o has, which starts with "+ ". It
// is empty exactly when Equal.
func (r EgressRules) Diff(o EgressRules) []string {
	mine, theirs := r.canonical(), o.canonical()
	return append(without(mine, theirs, "- "), without(theirs, mine, "+ ")...)
}

// without returns the rules that are not among the sorted others, marked.
func without(rules, others []string, mark string) []string {
	var marked []string
	for _, rule := range rules {
		if _, found := slices.BinarySearch(others, rule); !found {
			marked = append(marked, mark+rule)
		}
	}
	return marked
}

// Fingerprint returns 16 hexadecimal digits. Rules that are Equal share them, and
// others, but for a collision of 64 bits, do not. It is made for names of policies:
// for the same rules it stays the same in every version of the SDK.
//
// It is the start of the SHA-256 of the rules in canonical form: one line a rule,
// ended by a line feed, each once, in the order of their bytes. The lines are
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
// where PROTOCOL is any, TCP or UDP, a host's NAME is in lower case without its
// trailing dot, names are quoted as by [strconv.QuoteToASCII], and VALUE is JSON in
// the form of RFC 8785. A range that is allowed on all ports has no lines for single
// ports. With "allow all" there are no lines beside it but the unknown ones. Rules
// that are unknown within a range follow its line or its port's:
// cidr RANGE unknown "NAME" VALUE.
func (r EgressRules) Fingerprint() string {
	var text strings.Builder
	for _, rule := range r.canonical() {
		text.WriteString(rule + "\n")
	}
	sum := sha256.Sum256([]byte(text.String()))
	return hex.EncodeToString(sum[:8])
}

// String sums the rules up: "deny all", "allow all", "2 hosts, agent gateway".
func (r EgressRules) String() string {
	var hosts, ranges, unknown int
	var switches []string
	var lastRange string
	for _, rule := range r.canonical() {
		kind, rest, _ := strings.Cut(rule, " ")
		switch kind {
		case "host":
			hosts++
		case "unknown":
			unknown++
		case "cidr":
			if strings.Contains(rest, ` unknown "`) {
				unknown++
				continue
			}
			// The rules are sorted, so those of one range are neighbours.
			if cidr, _, _ := strings.Cut(rest, " "); cidr != lastRange {
				ranges, lastRange = ranges+1, cidr
			}
		default:
			switches = append(switches, rule)
		}
	}
	parts := slices.Concat(
		count(hosts, "host"),
		count(ranges, "CIDR"),
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

// unknownRules returns the rules, on every level, that this version of the SDK
// does not know and that may open something.
func (r EgressRules) unknownRules() []string {
	rules := r.unknown.rules("")
	for _, c := range r.AllowedCIDRs {
		rules = append(rules, c.unknown.rules("")...)
		for _, p := range c.Ports {
			rules = append(rules, p.unknown.rules("")...)
		}
	}
	return rules
}

// clone shares no list with r. A call that sends more than one request works on one:
// what the caller does to its own meanwhile changes nothing.
func (r EgressRules) clone() EgressRules {
	r.AllowedHostnames = slices.Clone(r.AllowedHostnames)
	r.AllowedCIDRs = slices.Clone(r.AllowedCIDRs)
	for i := range r.AllowedCIDRs {
		r.AllowedCIDRs[i].Ports = slices.Clone(r.AllowedCIDRs[i].Ports)
	}
	return r
}

// withUnknownOf returns r with the unknown fields of o, which no update removes.
func (r EgressRules) withUnknownOf(o EgressRules) EgressRules {
	r.unknown = o.unknown
	return r
}
