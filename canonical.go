package runloop

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// canonical returns one line for each rule, sorted, as Fingerprint documents them.
func (r EgressRules) canonical() []string {
	cidrs, unknown := canonicalCIDRs(r.AllowedCIDRs)
	rules := append(r.unknown.rules("unknown "), unknown...)
	if r.AllowAll {
		rules = append(rules, "allow all")
	} else {
		for _, s := range []struct {
			on   bool
			rule string
		}{
			{r.AllowMCPGateway, "MCP gateway"},
			{r.AllowRunloopMirrors, "Runloop mirrors"},
			{r.AllowAgentGateway, "agent gateway"},
			{r.AllowDevboxToDevbox, "devbox to devbox"},
		} {
			if s.on {
				rules = append(rules, s.rule)
			}
		}
		for _, hostname := range r.AllowedHostnames {
			rules = append(rules, "host "+canonicalHostname(hostname))
		}
		rules = append(rules, cidrs...)
	}
	slices.Sort(rules)
	return slices.Compact(rules)
}

// canonicalHostname quotes, so that no name can look like another rule. Both the
// lower case and the quotes are of ASCII, for those of Unicode change.
func canonicalHostname(hostname string) string {
	lower := strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, hostname)
	return strconv.QuoteToASCII(strings.TrimSuffix(lower, "."))
}

// canonicalCIDRs returns the rules of the ranges and, apart from them because
// nothing swallows those, the unknown ones within.
func canonicalCIDRs(cidrs []AllowedCIDR) (rules, unknown []string) {
	onAllPorts := make(map[string]bool)
	for _, c := range cidrs {
		if len(c.Ports) == 0 {
			onAllPorts[canonicalCIDR(c.CIDR)] = true
		}
	}
	for _, c := range cidrs {
		cidr := canonicalCIDR(c.CIDR)
		unknown = append(unknown, c.unknown.rules("cidr "+cidr+" unknown ")...)
		if onAllPorts[cidr] {
			rules = append(rules, "cidr "+cidr)
		}
		for _, p := range c.Ports {
			rule := "cidr " + cidr + " " + p.canonical()
			unknown = append(unknown, p.unknown.rules(rule+" unknown ")...)
			if !onAllPorts[cidr] {
				rules = append(rules, rule)
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

func (p PortRule) canonical() string {
	protocol := strings.ToUpper(string(p.Protocol))
	switch Protocol(protocol) {
	case "":
		protocol = "any"
	case ProtocolTCP, ProtocolUDP:
	default:
		protocol = strconv.QuoteToASCII(protocol)
	}
	return fmt.Sprintf("%s %d-%d", protocol, p.Port, max(p.Port, p.EndPort))
}
