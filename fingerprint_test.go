package runloop_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	runloop "github.com/runloop-community/runloop-go"
)

// Fingerprints are in the names of policies that exist. Whoever changes one of
// these values makes every program create its policies anew.
func TestFingerprintsStayForEver(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fingerprint string
		rules       runloop.EgressRules
	}{
		{"e3b0c44298fc1c14", runloop.EgressRules{}},
		{"132e3dcaa09d5654", runloop.EgressRules{AllowAll: true, AllowDevboxToDevbox: true}},
		{"01a79a337f79335a", runloop.EgressRules{AllowDevboxToDevbox: true}},
		{"386dffc3b372c293", runloop.EgressRules{AllowAgentGateway: true}},
		{"ec509b3bcabf6477", runloop.EgressRules{AllowMCPGateway: true}},
		{"2c30abde9c391b4d", runloop.EgressRules{AllowRunloopMirrors: true}},
		{"f81ace64145a4899", hosts("github.com")},
		{"824f54ea367e8936", hosts("GitHub.com.", "*.npmjs.org", "github.com")},
		{"dbbda662f13e2ce7", hosts("bücher.example")},
		{"4de9531ed07b8c34", cidrs(runloop.AllowedCIDR{CIDR: "10.0.0.0/8"})},
		{"17a6574e7195e634", ports(runloop.PortRule{Port: 22}, runloop.PortRule{Port: 443, Protocol: "TCP"}, runloop.PortRule{Port: 8000, EndPort: 8080, Protocol: "UDP"})},
		{"991caf42730d0982", runloop.EgressRules{AllowDevboxToDevbox: true, AllowedHostnames: []string{"a.example"}, AllowAgentGateway: true, AllowMCPGateway: true,
			AllowRunloopMirrors: true, AllowedCIDRs: []runloop.AllowedCIDR{{CIDR: "0.0.0.0/0"}}}},
	} {
		assert.Equal(t, test.fingerprint, test.rules.Fingerprint(), "%+v", test.rules)
	}
}

func TestFingerprintOfUnknownRulesStaysForEver(t *testing.T) {
	t.Parallel()
	for egress, fingerprint := range map[string]string{
		`{"allow_tunnels": true}`:                                                       "0c233340c0aebaa8",
		`{"allow_all": true, "new": {"b": 1.50, "a": []}}`:                              "f7a77bb1bd40c65e",
		`{"allowed_cidrs": [{"cidr": "10.0.0.0/8", "new": "x"}]}`:                       "ab20a8b3088e6f79",
		`{"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 1, "new": 7}]}]}`: "3cd9ffd64626a205",
		`{"allow_all": true, "allowed_cidrs": [{"cidr": "10.0.0.0/8", "new": "x"}]}`:    "dd9af63083005aca",
	} {
		assert.Equal(t, fingerprint, gotRules(t, egress).Fingerprint(), egress)
	}
}

// documentedFingerprint follows the words of Fingerprint's documentation, for
// programs in other languages that have to find the same name.
func documentedFingerprint(r runloop.EgressRules) string {
	lines := map[string]bool{}
	if r.AllowAll {
		lines["allow all\n"] = true
	} else {
		for line, on := range map[string]bool{
			"MCP gateway\n":      r.AllowMCPGateway,
			"Runloop mirrors\n":  r.AllowRunloopMirrors,
			"agent gateway\n":    r.AllowAgentGateway,
			"devbox to devbox\n": r.AllowDevboxToDevbox,
		} {
			if on {
				lines[line] = true
			}
		}
		for _, name := range r.AllowedHostnames {
			lines[fmt.Sprintf("host \"%s\"\n", strings.TrimSuffix(strings.ToLower(name), "."))] = true
		}
		for _, c := range r.AllowedCIDRs {
			if len(c.Ports) == 0 {
				lines["cidr "+c.CIDR+"\n"] = true
			}
		}
		for _, c := range r.AllowedCIDRs {
			for _, p := range c.Ports {
				if !lines["cidr "+c.CIDR+"\n"] {
					lines[fmt.Sprintf("cidr %s %s %d-%d\n", c.CIDR, orElse(string(p.Protocol), "any"), p.Port, orElse(p.EndPort, p.Port))] = true
				}
			}
		}
	}
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(maps.Keys(lines)), "")))
	return hex.EncodeToString(sum[:])[:16]
}

func orElse[T comparable](value, instead T) T {
	if value == *new(T) {
		return instead
	}
	return value
}

func TestFingerprintIsThatOfItsDocumentation(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, g generator) {
		rules := g.rules()
		assert.Equal(t, documentedFingerprint(rules), rules.Fingerprint(), "%+v", rules)
	})
}
