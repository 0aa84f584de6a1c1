package contract_test

import (
	"iter"

	"github.com/runloop-community/runloop-go"
)

// combinations yields every choice of settings, applied to the zero value in
// their order: the first is without any, the last has them all.
func combinations[T any](settings []func(*T)) iter.Seq[T] {
	return func(yield func(T) bool) {
		for choice := range 1 << len(settings) {
			var value T
			for i, set := range settings {
				if choice>>i&1 == 1 {
					set(&value)
				}
			}
			if !yield(value) {
				return
			}
		}
	}
}

// createSettings leave the name to the caller, since it has to be unique.
func (e *edition) createSettings() []func(*runloop.NetworkPolicyCreateParams) {
	type params = runloop.NetworkPolicyCreateParams
	settings := []func(*params){
		func(p *params) { p.Description = "of a test" },
		func(p *params) { p.Egress.AllowAll = true },
		func(p *params) { p.Egress.AllowDevboxToDevbox = true },
		func(p *params) { p.Egress.AllowedHostnames = []string{} },
		func(p *params) { p.Egress.AllowedHostnames = []string{"github.com", "*.npmjs.org"} },
		func(p *params) { p.Egress.AllowAgentGateway = true },
		func(p *params) { p.Egress.AllowMCPGateway = true },
	}
	if e.younger {
		settings = append(settings,
			func(p *params) { p.Egress.AllowRunloopMirrors = true },
			func(p *params) { p.Egress.AllowedCIDRs = []runloop.AllowedCIDR{} },
			func(p *params) { p.Egress.AllowedCIDRs = aPolicy("").Egress.AllowedCIDRs },
		)
	}
	return settings
}

// updateValues are what an update sets, for all fields that it sets.
type updateValues struct {
	description string
	flag        bool
	hostnames   []string
	cidrs       []runloop.AllowedCIDR
}

// variants have lists that are nil, empty, and neither.
var variants = []updateValues{
	{},
	{hostnames: []string{}, cidrs: []runloop.AllowedCIDR{}},
	{"updated", true, []string{"pypi.org"}, aPolicy("").Egress.AllowedCIDRs},
}

func (e *edition) updateSettings(v updateValues) []func(*runloop.NetworkPolicyUpdateParams) {
	type params = runloop.NetworkPolicyUpdateParams
	settings := []func(*params){
		func(p *params) { p.Name = new("renamed") },
		func(p *params) { p.Description = &v.description },
		func(p *params) { p.AllowAll = &v.flag },
		func(p *params) { p.AllowDevboxToDevbox = &v.flag },
		func(p *params) { p.AllowedHostnames = &v.hostnames },
		func(p *params) { p.AllowAgentGateway = &v.flag },
		func(p *params) { p.AllowMCPGateway = &v.flag },
	}
	if e.younger {
		settings = append(settings,
			func(p *params) { p.AllowRunloopMirrors = &v.flag },
			func(p *params) { p.AllowedCIDRs = &v.cidrs },
		)
	}
	return settings
}

// listSettings are for an account that has the policy.
func (e *edition) listSettings(policy runloop.NetworkPolicy) []func(*runloop.NetworkPolicyListParams) {
	type params = runloop.NetworkPolicyListParams
	settings := []func(*params){
		func(p *params) { p.Name = policy.Name },
		func(p *params) { p.ID = policy.ID },
		func(p *params) { p.Limit = 1 },
		func(p *params) { p.Limit = 5000 },
		func(p *params) { p.StartingAfter = policy.ID },
		func(p *params) { p.IncludeTotalCount = new(false) },
		func(p *params) { p.IncludeTotalCount = new(true) },
	}
	if e.younger {
		settings = append(settings, func(p *params) { p.Search = policy.ID })
	}
	return settings
}
