package runlooptest

import (
	"net/netip"
	"strings"
	"unicode"
)

// checkHostnames refuses only what is surely no host name, because nobody
// documents what else the API refuses.
func checkHostnames(items []*string) ([]string, error) {
	hostnames := make([]string, 0, len(items))
	for i, item := range items {
		if item == nil {
			return nil, badRequest("allowed_hostnames[%d] is null", i)
		}
		if *item == "" || strings.ContainsFunc(*item, isBlankOrControl) {
			return nil, badRequest("allowed_hostnames[%d] is not a host name: %q", i, *item)
		}
		if _, rest, _ := strings.Cut(*item, "."); strings.Contains(rest, "*") {
			return nil, badRequest("allowed_hostnames[%d]: wildcards are only allowed in the first label: %q", i, *item)
		}
		hostnames = append(hostnames, *item)
	}
	return hostnames, nil
}

func isBlankOrControl(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

func checkCIDRs(items []*cidrParams, defaultProtocol string) ([]cidrView, error) {
	cidrs := make([]cidrView, 0, len(items))
	for i, item := range items {
		if item == nil || item.CIDR == nil {
			return nil, badRequest("allowed_cidrs[%d].cidr is required", i)
		}
		prefix, err := netip.ParsePrefix(*item.CIDR)
		if err != nil || !prefix.Addr().Is4() {
			return nil, badRequest("allowed_cidrs[%d].cidr is not an IPv4 CIDR: %q", i, *item.CIDR)
		}
		if prefix != prefix.Masked() {
			return nil, badRequest("allowed_cidrs[%d].cidr is not canonical: %q, should be %q", i, *item.CIDR, prefix.Masked())
		}
		cidr := cidrView{CIDR: *item.CIDR}
		for j, port := range item.Ports {
			view, problem := checkPort(port)
			if problem != "" {
				return nil, badRequest("allowed_cidrs[%d].ports[%d]%s", i, j, problem)
			}
			if view.Protocol == nil && defaultProtocol != "" {
				view.Protocol = &defaultProtocol
			}
			cidr.Ports = append(cidr.Ports, view)
		}
		cidrs = append(cidrs, cidr)
	}
	return cidrs, nil
}

// checkPort returns the port rule, or what is wrong with it.
func checkPort(p *portParams) (view portView, problem string) {
	const maxPort = 65535
	switch {
	case p == nil || p.Port == nil:
		return portView{}, ".port is required"
	case *p.Port < 1 || *p.Port > maxPort:
		return portView{}, ".port is not between 1 and 65535"
	case p.EndPort != nil && (*p.EndPort < *p.Port || *p.EndPort > maxPort):
		return portView{}, ".end_port is not between port and 65535"
	case p.Protocol != nil && *p.Protocol != "TCP" && *p.Protocol != "UDP":
		return portView{}, ".protocol is neither TCP nor UDP"
	}
	return portView{Port: *p.Port, EndPort: p.EndPort, Protocol: p.Protocol}, ""
}
