package runlooptest

import (
	"fmt"
	"strings"
	"time"

	"github.com/runloop-community/runloop-go"
)

// Policies returns the account's policies as they are now, oldest first, each of
// them deeply equal to what a client of the SDK gets. The caller owns them.
func (a *API) Policies() []runloop.NetworkPolicy {
	a.mu.Lock()
	defer a.mu.Unlock()
	policies := make([]runloop.NetworkPolicy, 0, len(a.policies.ordered))
	for _, view := range a.policies.ordered {
		policies = append(policies, view.policy())
	}
	return policies
}

// AddPolicy puts a policy into the account, as its newest, and returns it as it is
// stored. No request is recorded. An empty ID gets the next one that the fake
// makes, a zero CreateTime is now, and a zero UpdateTime is the CreateTime.
//
// AddPolicy panics when the name is blank, or the name or id is taken. The rules
// are not checked: an account may have policies from before the API did.
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

// A Devbox is a devbox that was launched in the fake.
type Devbox struct {
	// ID is "dbx_000001" for the first devbox, and so on.
	ID string
	// Name is empty when the devbox has none.
	Name string
	// Status is "running", or "shutdown" once the devbox is shut down.
	Status string
	// NetworkPolicyID is empty when the devbox was launched without a policy.
	NetworkPolicyID string
	// CreateTime is in UTC, to the millisecond.
	CreateTime time.Time
}

// Devboxes returns the account's devboxes as they are now, those that are shut
// down included, oldest first.
func (a *API) Devboxes() []Devbox {
	a.mu.Lock()
	defer a.mu.Unlock()
	devboxes := make([]Devbox, 0, len(a.devboxes))
	for _, view := range a.devboxes {
		devbox := Devbox{
			ID:              view.ID,
			Status:          view.Status,
			NetworkPolicyID: view.policyID,
			CreateTime:      time.UnixMilli(view.CreateTimeMS).UTC(),
		}
		if view.Name != nil {
			devbox.Name = *view.Name
		}
		devboxes = append(devboxes, devbox)
	}
	return devboxes
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
		CreateTime: time.UnixMilli(v.CreateTimeMS).UTC(),
		UpdateTime: time.UnixMilli(v.UpdateTimeMS).UTC(),
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
