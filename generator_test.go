package runloop_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	runloop "github.com/runloop-community/runloop-go"
)

// A generator generates random rules, the same in every run. It has few names and values,
// so that equal rules, and rules with one difference, are frequent.
type generator struct{ *rand.Rand }

// forEachSeed checks a property with many generators. A failure reports the seed.
func forEachSeed(t *testing.T, property func(*testing.T, generator)) {
	t.Helper()
	for seed := range uint64(300) {
		property(t, generator{rand.New(rand.NewPCG(seed, 0))})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func pick[T any](g generator, values ...T) T { return values[g.IntN(len(values))] }

// some returns up to n values, or nil.
func some[T any](g generator, n int, value func() T) []T {
	var values []T
	for range g.IntN(n + 1) {
		values = append(values, value())
	}
	return values
}

func (g generator) rules() runloop.EgressRules {
	return runloop.EgressRules{
		AllowAll:            g.IntN(8) == 0,
		AllowDevboxToDevbox: g.IntN(4) == 0,
		AllowedHostnames:    some(g, 3, g.hostname),
		AllowAgentGateway:   g.IntN(4) == 0,
		AllowMCPGateway:     g.IntN(4) == 0,
		AllowRunloopMirrors: g.IntN(4) == 0,
		AllowedCIDRs:        some(g, 2, g.cidr),
	}
}

func (g generator) hostname() string {
	return pick(g, "github.com", "*.npmjs.org", "npmjs.org", "a-b.example", "xn--bcher-kva.example")
}

func (g generator) cidr() runloop.AllowedCIDR {
	return runloop.AllowedCIDR{
		CIDR:  pick(g, "10.0.0.0/8", "10.0.0.0/16", "192.0.2.1/32", "0.0.0.0/0"),
		Ports: some(g, 2, g.port),
	}
}

func (g generator) port() runloop.PortRule {
	p := runloop.PortRule{Port: pick(g, 22, 443), Protocol: pick(g, "", runloop.ProtocolTCP, runloop.ProtocolUDP)}
	p.EndPort = pick(g, 0, 0, p.Port, 8080)
	return p
}

// rewritten returns rules that allow the same traffic in another form.
func (g generator) rewritten(r runloop.EgressRules) runloop.EgressRules {
	if r.AllowAll {
		r = g.rules()
		r.AllowAll = true
	}
	r.AllowedHostnames = repeated(g, r.AllowedHostnames)
	for i, hostname := range r.AllowedHostnames {
		r.AllowedHostnames[i] = pick(g, strings.ToUpper(hostname), hostname, hostname+".")
	}
	var cidrs []runloop.AllowedCIDR
	for _, c := range r.AllowedCIDRs {
		ports := slices.Clone(c.Ports)
		for i, p := range ports {
			if p.EndPort == 0 || p.EndPort == p.Port {
				ports[i].EndPort = pick(g, 0, p.Port)
			}
		}
		if len(ports) == 0 { // all ports: another port adds nothing
			cidrs = append(cidrs, runloop.AllowedCIDR{CIDR: c.CIDR, Ports: []runloop.PortRule{}},
				runloop.AllowedCIDR{CIDR: c.CIDR, Ports: []runloop.PortRule{g.port()}})
			continue
		}
		cut := g.IntN(len(ports)) // one entry or two are the same
		if cut > 0 {
			cidrs = append(cidrs, runloop.AllowedCIDR{CIDR: c.CIDR, Ports: ports[:cut]})
		}
		cidrs = append(cidrs, runloop.AllowedCIDR{CIDR: c.CIDR, Ports: repeated(g, ports[cut:])})
	}
	g.Shuffle(len(cidrs), func(i, j int) { cidrs[i], cidrs[j] = cidrs[j], cidrs[i] })
	r.AllowedCIDRs = cidrs
	return r
}

// repeated returns the values in another order, with duplicates.
func repeated[T any](g generator, values []T) []T {
	all := slices.Clone(values)
	for _, value := range values {
		if g.IntN(2) == 0 {
			all = append(all, value)
		}
	}
	g.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// policyJSON returns a policy of the API whose rules have unknown fields.
func (g generator) policyJSON() string {
	unknown := pick(g, ``, `, "allow_tunnels": true`, `, "new": {"b": [1, "x"], "a": null}, "other": 0`)
	host := pick(g, `"github.com"`, `"*.npmjs.org"`, `"\u0067ithub.com"`, `"日本.example"`)
	port := fmt.Sprintf(`{"port": %d%s%s}`, g.IntN(65535)+1, pick(g, ``, `, "end_port": null`, `, "protocol": "TCP"`), unknown)
	cidr := fmt.Sprintf(`{"cidr": "10.%d.0.0/16"%s%s}`, g.IntN(256), pick(g, ``, `, "ports": null`, `, "ports": [`+port+`]`), unknown)
	return fmt.Sprintf(`{"id": "npol_%d", "name": %s, "description": %s, "egress": {"allow_all": %t, "allow_mcp_gateway": %t,
		"allowed_hostnames": [%s], "allowed_cidrs": %s%s}, "create_time_ms": %d, "update_time_ms": %d, "owner": "me"}`,
		g.IntN(100), pick(g, `"a"`, `"größe"`, `"\u0000\"\\"`), pick(g, `null`, `""`, `"d"`), g.IntN(2) == 0, g.IntN(2) == 0,
		pick(g, ``, host, host+`, `+host), pick(g, `null`, `[]`, `[`+cidr+`]`), unknown, g.Int64N(4e12), g.Int64N(4e12)-2e12)
}
