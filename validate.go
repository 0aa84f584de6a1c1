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

const maxPageSize = 5000 // of the API

// Validate returns nil if the rules are valid. Otherwise it returns a [*ValidationError]
// that lists every rule that the API would reject or misinterpret, and what to write
// instead. Create, Update, Ensure and Apply perform the same checks before they send
// anything. A field that this version of the SDK does not know is rejected if it may allow
// something, because it cannot be sent. Validate does not check whether host names exist.
func (r EgressRules) Validate() error {
	ps := problems{op: "validate egress rules"}
	ps.checkEgress("EgressRules", "", r)
	return ps.err()
}

func (p NetworkPolicyCreateParams) validate(op string) error {
	ps := problems{op: op}
	p.check(&ps, "")
	return ps.err()
}

// check checks the parameters. The names of their fields begin with prefix.
func (p NetworkPolicyCreateParams) check(ps *problems, prefix string) {
	ps.add(prefix+"Name", nameProblem(p.Name))
	ps.add(prefix+"Description", textProblem(p.Description))
	ps.checkEgress(prefix+"Egress", prefix+"Egress.", p.Egress)
}

func (p NetworkPolicyUpdateParams) validate(op string) error {
	ps := problems{op: op}
	if p.Name != nil {
		ps.add("Name", nameProblem(*p.Name))
	}
	if p.Description != nil {
		ps.add("Description", textProblem(*p.Description))
	}
	if p.AllowedHostnames != nil {
		ps.checkHostnames("AllowedHostnames", *p.AllowedHostnames)
	}
	if p.AllowedCIDRs != nil {
		ps.checkCIDRs("AllowedCIDRs", *p.AllowedCIDRs)
	}
	return ps.err()
}

// problems collects the problems of the parameters of one call.
type problems struct {
	op    string
	found *ValidationError
	more  int // problems that are not listed
}

// maxProblems bounds ValidationError.Problems.
const maxProblems = 100

// add adds a problem, unless it is "".
func (ps *problems) add(field, problem string) {
	switch {
	case problem == "":
	case ps.found == nil:
		ps.found = invalid(ps.op, field, problem)
	case len(ps.found.Problems) < maxProblems:
		ps.found.Problems = append(ps.found.Problems, field+": "+problem)
	default:
		ps.more++
	}
}

func (ps *problems) err() error {
	if ps.found == nil {
		return nil // not a typed nil
	}
	if ps.more > 0 {
		ps.found.Problems = append(ps.found.Problems, fmt.Sprintf("and %d more problems", ps.more))
	}
	return ps.found
}

// checkEgress checks the rules in field. The names of their own fields begin with prefix.
func (ps *problems) checkEgress(field, prefix string, r EgressRules) {
	ps.checkUnknown(field, r.unknown)
	ps.checkHostnames(prefix+"AllowedHostnames", r.AllowedHostnames)
	ps.checkCIDRs(prefix+"AllowedCIDRs", r.AllowedCIDRs)
}

func (ps *problems) checkUnknown(field string, u unknownFields) {
	for _, name := range u.names() {
		ps.add(field, fmt.Sprintf("this version of the SDK cannot send its unknown field %s: remove the field, or update the SDK", quote(name)))
	}
}

func (ps *problems) checkHostnames(field string, hostnames []string) {
	for i, hostname := range hostnames {
		if problem := hostnameProblem(hostname); problem != "" {
			ps.add(fmt.Sprintf("%s[%d]", field, i), quote(hostname)+" "+problem)
		}
	}
}

func (ps *problems) checkCIDRs(field string, cidrs []AllowedCIDR) {
	for i, c := range cidrs {
		if c.unknown == "" && len(c.Ports) == 0 && cidrProblem(c.CIDR) == "" {
			continue // without allocating a name
		}
		field := fmt.Sprintf("%s[%d]", field, i)
		ps.checkUnknown(field, c.unknown)
		if problem := cidrProblem(c.CIDR); problem != "" {
			ps.add(field+".CIDR", quote(c.CIDR)+" "+problem)
		}
		for j, p := range c.Ports {
			field := fmt.Sprintf("%s.Ports[%d]", field, j)
			ps.checkUnknown(field, p.unknown)
			p.check(func(name, problem string) { ps.add(field+"."+name, problem) })
		}
	}
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

// nameProblem rejects names that the API would store in another form, and names with
// invisible characters.
func nameProblem(name string) string {
	if strings.TrimFunc(name, isBlank) == "" {
		return "must not be blank"
	}
	if problem := textProblem(name); problem != "" {
		return problem
	}
	clean := strings.TrimFunc(strings.Map(dropIf(unicode.IsControl), name), isBlank)
	switch {
	case clean == name:
		return ""
	case clean == "":
		return quote(name) + " has only control characters: write a name"
	case strings.ContainsFunc(name, unicode.IsControl):
		return quote(name) + " has a control character: write " + quote(clean)
	default:
		return quote(name) + " has surrounding spaces: write " + quote(clean)
	}
}

// isBlank reports whether r is invisible at the edge of a name: a space, a space of zero
// width, or a byte order mark.
func isBlank(r rune) bool {
	return unicode.IsSpace(r) || r == '\u200b' || r == '\u2060' || r == '\ufeff'
}

// dropIf returns a mapping for strings.Map.
func dropIf(drop func(rune) bool) func(rune) rune {
	return func(r rune) rune {
		if drop(r) {
			return -1
		}
		return r
	}
}

// textProblem rejects text that JSON cannot represent.
func textProblem(text string) string {
	if !utf8.ValidString(text) {
		return quote(text) + " is not valid UTF-8"
	}
	return ""
}

// hostnameProblem accepts letters, digits, "-", "_" and ".", and a wildcard as the whole
// first label. For anything else, it returns what to write.
func hostnameProblem(hostname string) string {
	if !strings.ContainsFunc(hostname, func(r rune) bool { return !isHostnameRune(r) && r != '*' }) {
		if addr, err := netip.ParseAddr(hostname); err == nil {
			return "is an IP address: " + writeCIDROf(netip.PrefixFrom(addr, addr.BitLen()))
		}
		if hostname != "" {
			return labelsProblem(hostname)
		}
	}
	switch {
	case strings.TrimSpace(hostname) == "":
		return "is blank: remove it"
	case !utf8.ValidString(hostname):
		return "is not valid UTF-8"
	case strings.TrimSpace(hostname) != hostname:
		return "has surrounding spaces: write " + quote(strings.TrimSpace(hostname))
	case strings.ContainsFunc(hostname, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return "contains a space or a control character: write one host name per entry"
	}
	if i := strings.IndexFunc(hostname, isInvisible); i >= 0 {
		return fmt.Sprintf("has the invisible character %s: %s", codePoint(hostname[i:]), writeHost(strings.Map(dropIf(isInvisible), hostname)))
	}
	if narrow := strings.Map(narrowRune, hostname); narrow != hostname {
		i := strings.IndexFunc(hostname, func(r rune) bool { return narrowRune(r) != r })
		return fmt.Sprintf("has the wide character %s: %s", codePoint(hostname[i:]), writeHost(narrow))
	}
	if strings.ContainsAny(hostname, ",;\"'") {
		return "contains a separator or a quote: write one host name per entry"
	}
	if scheme, rest, _ := strings.Cut(hostname, ":"); strings.HasPrefix(rest, "//") || isScheme(scheme) {
		return "has a scheme: " + writeHostOf(strings.TrimLeft(rest, "/"))
	}
	if prefix, err := netip.ParsePrefix(hostname); err == nil {
		return "is an address range: " + writeCIDROf(prefix)
	}
	if addr, err := netip.ParseAddr(strings.Trim(hostname, "[]")); err == nil {
		return "is an IP address: " + writeCIDROf(netip.PrefixFrom(addr, addr.BitLen()))
	}
	switch {
	case strings.ContainsAny(hostname, `/\?#`):
		return "has a path: " + writeHostOf(hostname)
	case strings.Contains(hostname, "@"):
		return "has a user name: " + writeHostOf(hostname)
	case strings.Contains(hostname, ":"):
		return "has a port, but host names are allowed on every port: " + writeHostOf(hostname)
	}
	i := strings.IndexFunc(hostname, func(r rune) bool { return !isHostnameRune(r) && r != '*' })
	if r, _ := utf8.DecodeRuneInString(hostname[i:]); r < utf8.RuneSelf {
		return fmt.Sprintf(`contains %q: write letters, digits, "-", "_" and "." only`, string(r))
	}
	if ascii, ok := punycodeHost(hostname); ok && hostnameProblem(ascii) == "" {
		return "is an international name: write " + quote(ascii)
	}
	return fmt.Sprintf(`has %s, which is not ASCII: write the name's "xn--" form`, codePoint(hostname[i:]))
}

func isHostnameRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.'
}

// isInvisible reports whether r is invisible: a byte order mark, a soft hyphen, a direction
// mark, a variation selector, or a filler.
func isInvisible(r rune) bool {
	return !unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// narrowRune returns the ASCII character if r is its wide form, or else r. Full stops of
// other scripts also separate labels.
func narrowRune(r rune) rune {
	switch {
	case '\uff01' <= r && r <= '\uff5e':
		return r - '\uff01' + '!'
	case r == '\u3002', r == '\uff61':
		return '.'
	}
	return r
}

// codePoint returns the code point of the first character of text, such as U+200B.
func codePoint(text string) string {
	r, _ := utf8.DecodeRuneInString(text)
	return fmt.Sprintf("%U", r)
}

func isScheme(text string) bool {
	switch strings.ToLower(text) {
	case "http", "https", "ws", "wss", "ftp", "ssh", "git", "tcp", "dns":
		return true
	}
	return false
}

const maxHostname = 253

// labelsProblem checks the labels of a name: their sizes, after RFC 1035, and the wildcard.
func labelsProblem(hostname string) string {
	const maxLabel = 63
	name := strings.TrimSuffix(hostname, ".")
	if len(name) > maxHostname {
		return fmt.Sprintf("is longer than the %d bytes of a host name: shorten it", maxHostname)
	}
	labels := strings.Split(name, ".")
	for i, label := range labels {
		switch {
		case label == "*" && i == 0 && len(labels) > 1:
		case label == "*" && len(labels) == 1:
			return "matches every host: set AllowAll instead"
		case strings.Contains(label, "*"):
			return `has a wildcard that is not the whole first label: write it as in "*.npmjs.org"`
		case label == "" && i == 0 && len(labels) > 1 && hostnameProblem(name[1:]) == "":
			return fmt.Sprintf("has an empty label: write %q, or %q for the names below it", name[1:], "*"+name)
		case label == "":
			return "has an empty label: write single dots between labels"
		case len(label) > maxLabel:
			return fmt.Sprintf("has a label longer than %d bytes: shorten it", maxLabel)
		case label[0] == '-' || label[len(label)-1] == '-':
			return `has a label that starts or ends with "-": remove it`
		}
	}
	if isNumber(labels[len(labels)-1]) {
		return "ends in a number and would be read as an IP address: write a CIDR in AllowedCIDRs"
	}
	return ""
}

// isNumber reports whether inet_aton accepts the label, as in the addresses 127.1 and
// 0x7f000001.
func isNumber(label string) bool {
	const decimal, hexadecimal = "0123456789", "0123456789abcdefABCDEF"
	digits, isHex := strings.CutPrefix(strings.ToLower(label), "0x")
	return strings.Trim(label, decimal) == "" || isHex && strings.Trim(digits, hexadecimal) == ""
}

// writeHostOf returns the advice to write the host of a URL without its scheme.
func writeHostOf(rest string) string {
	u, err := url.Parse("//" + rest)
	if err != nil {
		host, _, hasPort := strings.Cut(rest, ":") // such as a range of ports
		if !hasPort || strings.Contains(rest, "@") {
			host = ""
		}
		return writeHost(host)
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		return writeCIDROf(netip.PrefixFrom(addr, addr.BitLen()))
	}
	return writeHost(u.Hostname())
}

// writeHost returns the advice to write the host name, if that is valid.
func writeHost(hostname string) string {
	if hostnameProblem(hostname) != "" {
		return `write the host name alone, as in "github.com"`
	}
	return "write " + quote(hostname)
}

func writeCIDROf(prefix netip.Prefix) string {
	if !prefix.Addr().Is4() {
		return "the API supports IPv4 only: write an IPv4 CIDR in AllowedCIDRs, or a host name"
	}
	return "write " + quote(prefix.Masked().String()) + " in AllowedCIDRs"
}

func cidrProblem(cidr string) string {
	const onlyIPv4 = "is IPv6, but the API supports IPv4 only: write an IPv4 CIDR, or a host name in AllowedHostnames"
	prefix, err := netip.ParsePrefix(cidr)
	if err != nil {
		addr, err := netip.ParseAddr(cidr)
		switch {
		case err != nil:
			return `is not a CIDR: write one like "10.0.0.0/8"`
		case addr.Is4():
			return "has no prefix length: write " + quote(addr.String()+"/32")
		}
		return onlyIPv4
	}
	if !prefix.Addr().Is4() {
		return onlyIPv4
	}
	if prefix != prefix.Masked() {
		return "has host bits that are not zero: write " + quote(prefix.Masked().String())
	}
	return ""
}

// check reports the invalid fields.
func (p PortRule) check(report func(field, problem string)) {
	const maxPort = 65535
	if p.Port < 1 || p.Port > maxPort {
		report("Port", fmt.Sprintf("%d is not between 1 and %d: write a port, or omit Ports for every port", p.Port, maxPort))
	} else if p.EndPort != 0 && (p.EndPort < p.Port || p.EndPort > maxPort) {
		report("EndPort", fmt.Sprintf("%d is not between Port, %d, and %d: write 0 for Port alone", p.EndPort, p.Port, maxPort))
	}
	switch upper := Protocol(strings.ToUpper(string(p.Protocol))); {
	case p.Protocol == "":
		report("Protocol", `must not be empty: write "TCP" or "UDP", or a rule for each`)
	case upper != ProtocolTCP && upper != ProtocolUDP:
		report("Protocol", quote(string(p.Protocol))+` is not supported: write "TCP" or "UDP"`)
	case upper != p.Protocol:
		report("Protocol", quote(string(p.Protocol))+" is not in upper case: write "+quote(string(upper)))
	}
}

var quote = engine.Quote
