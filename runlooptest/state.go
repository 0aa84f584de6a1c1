package runlooptest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/runloop-community/runloop-go"
)

// Policies returns the account's current policies, oldest first. Each is deeply equal
// to what a client of the SDK gets. The caller owns them.
func (a *API) Policies() []runloop.NetworkPolicy {
	a.mu.Lock()
	defer a.mu.Unlock()
	policies := make([]runloop.NetworkPolicy, 0, len(a.policies.ordered))
	for _, view := range a.policies.ordered {
		policies = append(policies, view.policy())
	}
	return policies
}

// AddPolicy adds a policy to the account, as its newest, and returns it as it is
// stored. No request is recorded. An empty ID gets the next one in the fake's order,
// a zero CreateTime is now, and a zero UpdateTime is the CreateTime.
//
// AddPolicy panics when the name is blank, or the name or ID is taken. The rules are
// not checked: an account may have policies that are older than the API's checks.
func (a *API) AddPolicy(p runloop.NetworkPolicy) runloop.NetworkPolicy {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case strings.TrimSpace(p.Name) == "":
		panic("runlooptest: a policy needs a name")
	case a.policies.byName[p.Name] != nil:
		panic(fmt.Sprintf("runlooptest: the policy name %q is taken", p.Name))
	case a.policies.byID[p.ID] != nil:
		panic(fmt.Sprintf("runlooptest: the policy id %q is taken", p.ID))
	}
	if p.ID == "" {
		p.ID = a.policies.newID()
	}
	if p.CreateTime.IsZero() {
		p.CreateTime = a.config.clock()
	}
	if p.UpdateTime.IsZero() {
		p.UpdateTime = p.CreateTime
	}
	view := a.viewOf(p)
	a.policies.add(view)
	return view.policy()
}

// Devboxes returns the account's devboxes, oldest first, including those that have
// ended. It is not a look: it moves no devbox on. The caller owns them.
func (a *API) Devboxes() []Devbox {
	return a.devboxesThat(func(*devbox) bool { return true })
}

// Running returns the devboxes that have not ended, oldest first: all whose status is
// neither "failure" nor "shutdown". A test for leaks requires that there are none.
func (a *API) Running() []Devbox {
	return a.devboxesThat(func(d *devbox) bool { return !d.over() })
}

func (a *API) devboxesThat(keep func(*devbox) bool) []Devbox {
	a.mu.Lock()
	defer a.mu.Unlock()
	devboxes := make([]Devbox, 0, len(a.devboxes.ordered))
	for _, d := range a.devboxes.ordered {
		d.settle()
		if keep(d) {
			devboxes = append(devboxes, d.copied())
		}
	}
	return devboxes
}

// AddDevbox adds a devbox to the account, as its newest, and returns it as it is
// stored. No request is recorded, no script is taken, and the devbox keeps its status
// until it is shut down. An empty ID gets the next one in the fake's order, an empty
// Status is "running", a zero CreateTime is now, and a zero EndTime of a devbox that
// has ended is the CreateTime. The policy of NetworkPolicyID need not exist; it is
// added to the launch parameters.
//
// AddDevbox panics when the ID is taken or the LaunchParameters are not a JSON
// object.
func (a *API) AddDevbox(d Devbox) Devbox {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.devboxes.byID[d.ID] != nil {
		panic(fmt.Sprintf("runlooptest: the devbox ID %q is taken", d.ID))
	}
	stored := &devbox{Devbox: d, changed: make(chan struct{})}
	stored.Devbox = stored.copied()
	launch := jsontext.Value(stored.LaunchParameters)
	if launch != nil && (!launch.IsValid() || launch.Kind() != '{') {
		panic("runlooptest: the launch parameters are not a JSON object")
	}
	if d.NetworkPolicyID != "" {
		if launch == nil {
			launch = jsontext.Value("{}")
		}
		stored.LaunchParameters = json.RawMessage(echoing(launch, d.NetworkPolicyID))
	}
	if d.ID == "" {
		stored.ID = a.devboxes.newID()
	}
	if d.Name != "" {
		stored.name = &stored.Name
	}
	if d.Status == "" {
		stored.Status = statusRunning
	}
	if d.CreateTime.IsZero() {
		stored.CreateTime = a.config.clock()
	}
	stored.CreateTime = fromMS(stored.CreateTime.UnixMilli())
	stored.transitions = []transitionView{{stored.Status, stored.CreateTime.UnixMilli()}}
	if stored.over() && d.EndTime.IsZero() {
		stored.EndTime = stored.CreateTime
	}
	a.devboxes.add(stored.ID, stored)
	return stored.copied()
}

// viewOf returns the view of a policy that is not the API's.
func (a *API) viewOf(p runloop.NetworkPolicy) *policyView {
	view := a.emptyPolicy()
	view.ID = p.ID
	view.Name = p.Name
	view.CreateTimeMS = p.CreateTime.UnixMilli()
	view.UpdateTimeMS = p.UpdateTime.UnixMilli()
	if p.Description != "" {
		view.Description = &p.Description
	}
	e := &view.Egress
	e.AllowAll = p.Egress.AllowAll
	e.AllowDevboxToDevbox = p.Egress.AllowDevboxToDevbox || p.Egress.AllowAll
	e.AllowedHostnames = append(e.AllowedHostnames, p.Egress.AllowedHostnames...)
	e.AllowAgentGateway = p.Egress.AllowAgentGateway
	e.AllowMCPGateway = p.Egress.AllowMCPGateway
	if a.config.v01 {
		return view
	}
	e.AllowRunloopMirrors = &p.Egress.AllowRunloopMirrors
	for _, cidr := range p.Egress.AllowedCIDRs {
		e.AllowedCIDRs = append(e.AllowedCIDRs, cidrViewOf(cidr))
	}
	return view
}

func cidrViewOf(c runloop.AllowedCIDR) cidrView {
	view := cidrView{CIDR: c.CIDR}
	for _, rule := range c.Ports {
		port := portView{Port: rule.Port}
		if rule.EndPort != 0 {
			port.EndPort = &rule.EndPort
		}
		if rule.Protocol != "" {
			port.Protocol = new(string(rule.Protocol))
		}
		view.Ports = append(view.Ports, port)
	}
	return view
}

// policy returns a policy that shares nothing with the view.
func (v *policyView) policy() runloop.NetworkPolicy {
	p := runloop.NetworkPolicy{
		ID:   v.ID,
		Name: v.Name,
		Egress: runloop.EgressRules{
			AllowAll:            v.Egress.AllowAll,
			AllowDevboxToDevbox: v.Egress.AllowDevboxToDevbox,
			AllowedHostnames:    append([]string(nil), v.Egress.AllowedHostnames...),
			AllowAgentGateway:   v.Egress.AllowAgentGateway,
			AllowMCPGateway:     v.Egress.AllowMCPGateway,
		},
		CreateTime: fromMS(v.CreateTimeMS),
		UpdateTime: fromMS(v.UpdateTimeMS),
	}
	if v.Description != nil {
		p.Description = *v.Description
	}
	if v.Egress.AllowRunloopMirrors != nil {
		p.Egress.AllowRunloopMirrors = *v.Egress.AllowRunloopMirrors
	}
	for _, cidr := range v.Egress.AllowedCIDRs {
		p.Egress.AllowedCIDRs = append(p.Egress.AllowedCIDRs, cidr.allowedCIDR())
	}
	if v.Egress.unknown != nil {
		// Only a decoder of the SDK can set them.
		if err := p.Egress.UnmarshalJSON(mustMarshal(v.Egress)); err != nil {
			panic("runlooptest: the SDK cannot decode a policy of the fake: " + err.Error())
		}
	}
	return p
}

func (v cidrView) allowedCIDR() runloop.AllowedCIDR {
	cidr := runloop.AllowedCIDR{CIDR: v.CIDR}
	for _, port := range v.Ports {
		rule := runloop.PortRule{Port: port.Port}
		if port.EndPort != nil {
			rule.EndPort = *port.EndPort
		}
		if port.Protocol != nil {
			rule.Protocol = runloop.Protocol(*port.Protocol)
		}
		cidr.Ports = append(cidr.Ports, rule)
	}
	return cidr
}
