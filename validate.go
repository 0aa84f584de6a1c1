package runloop

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/runloop-community/runloop-go/internal/engine"
)

const maxPageSize = 5000 // of the API, by its contract

// Validate reports the first rule that the API would refuse or misread, as a
// [*ValidationError] that says what to write instead. Create, Update, Ensure and
// Apply call it before they send anything. What only the API can know, such as
// whether a host name exists, is left to it.
func (r EgressRules) Validate() error {
	return r.validate("validate egress rules", "")
}

// validate checks the rules under the name that they have in op.
func (r EgressRules) validate(op, field string) error {
	if err := validateHostnames(op, field+"AllowedHostnames", r.AllowedHostnames); err != nil {
		return err
	}
	return validateCIDRs(op, field+"AllowedCIDRs", r.AllowedCIDRs)
}

func (p NetworkPolicyCreateParams) validate(op string) error {
	if problem := nameProblem(p.Name); problem != "" {
		return invalid(op, "Name", problem)
	}
	if problem := textProblem(p.Description); problem != "" {
		return invalid(op, "Description", problem)
	}
	if unknown := p.Egress.unknownRules(); len(unknown) > 0 {
		return invalid(op, "Egress", fmt.Sprintf("it has rules that this version of the SDK does not know and cannot send: %s", strings.Join(unknown, ", ")))
	}
	return p.Egress.validate(op, "Egress.")
}

func (p NetworkPolicyUpdateParams) validate(op string) error {
	if p.Name != nil {
		if problem := nameProblem(*p.Name); problem != "" {
			return invalid(op, "Name", problem)
		}
	}
	if p.Description != nil {
		if problem := textProblem(*p.Description); problem != "" {
			return invalid(op, "Description", problem)
		}
	}
	if p.AllowedHostnames != nil {
		if err := validateHostnames(op, "AllowedHostnames", *p.AllowedHostnames); err != nil {
			return err
		}
	}
	if p.AllowedCIDRs != nil {
		return validateCIDRs(op, "AllowedCIDRs", *p.AllowedCIDRs)
	}
	return nil
}

func (p NetworkPolicyListParams) validate(op string) error {
	if p.Limit < 0 || p.Limit > maxPageSize {
		return invalid(op, "Limit", fmt.Sprintf("%d is not between 0 and %d: write 0 for the default", p.Limit, maxPageSize))
	}
	for _, f := range []struct{ name, value string }{
		{"Name", p.Name}, {"ID", p.ID}, {"Search", p.Search}, {"StartingAfter", p.StartingAfter},
	} {
		if problem := textProblem(f.value); problem != "" {
			return invalid(op, f.name, problem)
		}
	}
	return nil
}

func nameProblem(name string) string {
	if strings.TrimSpace(name) == "" {
		return "it is blank: every policy has a name"
	}
	return textProblem(name)
}

// textProblem refuses what JSON cannot carry and an encoder would rewrite.
func textProblem(text string) string {
	if !utf8.ValidString(text) {
		return quote(text) + " is not valid UTF-8"
	}
	return ""
}

func validateHostnames(op, field string, hostnames []string) error {
	for i, hostname := range hostnames {
		if problem := hostnameProblem(hostname); problem != "" {
			return invalid(op, fmt.Sprintf("%s[%d]", field, i), quote(hostname)+" "+problem)
		}
	}
	return nil
}

func hostnameProblem(hostname string) string {
	switch {
	case strings.TrimSpace(hostname) == "":
		return "is blank: leave it out"
	case !utf8.ValidString(hostname):
		return "is not valid UTF-8"
	case strings.TrimSpace(hostname) != hostname:
		return "has blanks around it: write " + quote(strings.TrimSpace(hostname))
	case strings.ContainsFunc(hostname, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return "has a blank or a control character in it: write one host name an entry"
	case strings.ContainsAny(hostname, ",;\"'"):
		return "has a separator or a quote in it: write one host name an entry"
	case strings.Contains(hostname, "://"):
		return "has a scheme: " + writeHostOf(hostname)
	}
	if prefix, err := netip.ParsePrefix(hostname); err == nil {
		return "is an address range: " + writeCIDROf(prefix)
	}
	if addr, err := netip.ParseAddr(strings.Trim(hostname, "[]")); err == nil {
		return "is an IP address: " + writeCIDROf(netip.PrefixFrom(addr, addr.BitLen()))
	}
	switch {
	case strings.ContainsAny(hostname, `/\?#`):
		return "has a path: " + writeHostOf("//"+hostname)
	case strings.Contains(hostname, "@"):
		return "has a user name: " + writeHostOf("//"+hostname)
	case strings.Contains(hostname, ":"):
		return "has a port, and host names are allowed on every port: " + writeHostOf("//"+hostname)
	}
	return labelsProblem(hostname)
}

// labelsProblem checks a name against RFC 1035's sizes and the API's one wildcard.
func labelsProblem(hostname string) string {
	const maxName, maxLabel = 253, 63
	name := strings.TrimSuffix(hostname, ".")
	if len(name) > maxName {
		return fmt.Sprintf("is longer than %d bytes", maxName)
	}
	labels := strings.Split(name, ".")
	for i, label := range labels {
		switch {
		case label == "*" && i == 0 && len(labels) > 1:
		case label == "*" && len(labels) == 1:
			return "is every host: set AllowAll instead"
		case strings.Contains(label, "*"):
			return `has a wildcard that is not the whole first label: write it as in "*.npmjs.org"`
		case label == "":
			return "has an empty label: write single dots between labels"
		case len(label) > maxLabel:
			return fmt.Sprintf("has a label longer than %d bytes", maxLabel)
		}
	}
	if isNumber(labels[len(labels)-1]) {
		return "ends in a number, so it would be read as an IP address: write that as a CIDR into AllowedCIDRs"
	}
	return ""
}

// isNumber knows the numbers that inet_aton takes: 127.1 and 0x7f000001 are addresses.
func isNumber(label string) bool {
	const decimal, hexadecimal = "0123456789", "0123456789abcdefABCDEF"
	digits, isHex := strings.CutPrefix(strings.ToLower(label), "0x")
	return strings.Trim(label, decimal) == "" || isHex && strings.Trim(digits, hexadecimal) == ""
}

// writeHostOf says to write the host of a URL.
func writeHostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.Hostname() == "" {
		return `write the host name alone, as in "github.com"`
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		return writeCIDROf(netip.PrefixFrom(addr, addr.BitLen()))
	}
	return "write " + quote(u.Hostname())
}

func writeCIDROf(prefix netip.Prefix) string {
	if !prefix.Addr().Is4() {
		return "the API allows IPv4 ranges only, in AllowedCIDRs"
	}
	return "write " + quote(prefix.Masked().String()) + " into AllowedCIDRs"
}

func validateCIDRs(op, field string, cidrs []AllowedCIDR) error {
	for i, c := range cidrs {
		field := fmt.Sprintf("%s[%d]", field, i)
		if problem := cidrProblem(c.CIDR); problem != "" {
			return invalid(op, field+".CIDR", quote(c.CIDR)+" "+problem)
		}
		for j, p := range c.Ports {
			field := fmt.Sprintf("%s.Ports[%d]", field, j)
			if name, problem := p.problem(); problem != "" {
				return invalid(op, field+"."+name, problem)
			}
		}
	}
	return nil
}

func cidrProblem(cidr string) string {
	prefix, err := netip.ParsePrefix(cidr)
	if err != nil {
		if addr, err := netip.ParseAddr(cidr); err == nil && addr.Is4() {
			return "has no prefix length: write " + quote(addr.String()+"/32")
		}
		return `is no CIDR: write one like "10.0.0.0/8"`
	}
	if !prefix.Addr().Is4() {
		return "is not IPv4, and the API allows no other ranges"
	}
	if prefix != prefix.Masked() {
		return "has host bits that are not zero: write " + quote(prefix.Masked().String())
	}
	return ""
}

// problem names the field that is wrong, and says why.
func (p PortRule) problem() (field, problem string) {
	const maxPort = 65535
	switch {
	case p.Port < 1 || p.Port > maxPort:
		return "Port", fmt.Sprintf("%d is not between 1 and %d", p.Port, maxPort)
	case p.EndPort != 0 && (p.EndPort < p.Port || p.EndPort > maxPort):
		return "EndPort", fmt.Sprintf("%d is not between Port, %d, and %d: write 0 for Port alone", p.EndPort, p.Port, maxPort)
	case p.Protocol != "" && p.Protocol != ProtocolTCP && p.Protocol != ProtocolUDP:
		return "Protocol", fmt.Sprintf("%s is not ProtocolTCP, %q, or ProtocolUDP, %q", quote(string(p.Protocol)), ProtocolTCP, ProtocolUDP)
	}
	return "", ""
}

var quote = engine.Quote
