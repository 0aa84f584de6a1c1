package runlooptest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/runloop-community/runloop-go"
)

// A store has the account's items of one kind.
type store[T any] struct {
	kind    string // in words
	prefix  string // of the IDs
	ordered []*T   // oldest first
	byID    map[string]*T
	count   int // of the IDs that newID returned
}

// newID returns the next ID that is not taken.
func (s *store[T]) newID() string {
	for {
		s.count++
		id := fmt.Sprintf("%s_%06d", s.prefix, s.count)
		if s.byID[id] == nil {
			return id
		}
	}
}

func (s *store[T]) add(id string, item *T) {
	s.ordered = append(s.ordered, item)
	s.byID[id] = item
}

func (s *store[T]) remove(id string) {
	i := slices.Index(s.ordered, s.byID[id])
	s.ordered = slices.Delete(s.ordered, i, i+1)
	delete(s.byID, id)
}

// Policies returns the account's policies, oldest first. Each is deeply equal to what a
// client of the SDK gets. The caller owns the result.
func (a *API) Policies() []runloop.NetworkPolicy {
	a.mu.Lock()
	defer a.mu.Unlock()
	policies := make([]runloop.NetworkPolicy, 0, len(a.policies.ordered))
	for _, view := range a.policies.ordered {
		policies = append(policies, view.policy())
	}
	return policies
}

// AddPolicy adds a policy to the account, as the newest, and returns it as stored. This
// records no request. An empty ID defaults to the fake's next ID, a zero CreateTime to
// now, and a zero UpdateTime to the CreateTime. The rules are not validated: an account
// may have policies that are older than the API's validation.
//
// AddPolicy panics if the name is blank, or if the name or ID is taken.
func (a *API) AddPolicy(p runloop.NetworkPolicy) runloop.NetworkPolicy {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case strings.TrimSpace(p.Name) == "":
		panic("runlooptest: the policy name is blank: set Name")
	case a.byName[p.Name] != nil:
		panic(fmt.Sprintf("runlooptest: the policy name %q is taken: use another", p.Name))
	case a.policies.byID[p.ID] != nil:
		panic(fmt.Sprintf("runlooptest: the policy ID %q is taken: use another, or none", p.ID))
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
	a.addPolicy(view)
	return view.policy()
}

// Devboxes returns the account's devboxes, oldest first, including those that have
// ended. It is not a read by a client, so it moves no devbox on. The caller owns the
// result.
func (a *API) Devboxes() []Devbox {
	a.mu.Lock()
	defer a.mu.Unlock()
	devboxes := make([]Devbox, 0, len(a.devboxes.ordered))
	for _, d := range a.devboxes.ordered {
		d.settle()
		devboxes = append(devboxes, d.copied())
	}
	return devboxes
}

// Running is like [API.Devboxes], but returns only the devboxes that have neither
// failed nor been shut down. To test for leaked devboxes, require that there are none.
func (a *API) Running() []Devbox {
	return slices.DeleteFunc(a.Devboxes(), func(d Devbox) bool { return d.over() })
}

// AddDevbox adds a devbox to the account, as the newest, and returns it as stored. This
// records no request and takes no script. The devbox keeps its status until it is shut
// down. An empty ID defaults to the fake's next ID, an empty Status to "running", and a
// zero CreateTime to now. If the devbox has ended, a zero EndTime defaults to the
// CreateTime. NetworkPolicyID is added to the launch parameters; the policy need not
// exist.
//
// AddDevbox panics if the ID is taken, if LaunchParameters is not a JSON object, or if two
// keys of Metadata are the same JSON.
func (a *API) AddDevbox(d Devbox) Devbox {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.devboxes.byID[d.ID] != nil {
		panic(fmt.Sprintf("runlooptest: the devbox ID %q is taken: use another, or none", d.ID))
	}
	stored := &devbox{Devbox: d, name: optional(d.Name), changed: make(chan struct{})}
	stored.Devbox = stored.copied()
	launch := jsontext.Value(stored.LaunchParameters)
	if launch != nil && (!launch.IsValid() || launch.Kind() != '{') {
		panic("runlooptest: the LaunchParameters are not a JSON object")
	}
	if d.NetworkPolicyID != "" {
		stored.LaunchParameters = json.RawMessage(echoing(launch, d.NetworkPolicyID))
	}
	if d.ID == "" {
		stored.ID = a.devboxes.newID()
	}
	stored.Status = cmp.Or(d.Status, statusRunning)
	if d.CreateTime.IsZero() {
		stored.CreateTime = a.config.clock()
	}
	stored.CreateTime = fromMS(stored.CreateTime.UnixMilli())
	stored.transitions = []transitionView{{stored.Status, stored.CreateTime.UnixMilli()}}
	if stored.over() && d.EndTime.IsZero() {
		stored.EndTime = stored.CreateTime
	}
	mustMarshal(stored.view()) // panics now rather than in a response
	a.devboxes.add(stored.ID, stored)
	return stored.copied()
}

// viewOf returns the view of a policy, sharing nothing that its owner may change.
func (a *API) viewOf(p runloop.NetworkPolicy) *policyView {
	view := a.emptyPolicy()
	view.ID = p.ID
	view.Name = p.Name
	view.CreateTimeMS = p.CreateTime.UnixMilli()
	view.UpdateTimeMS = p.UpdateTime.UnixMilli()
	view.Description = optional(p.Description)
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
	for _, c := range p.Egress.AllowedCIDRs {
		cidr := cidrView{CIDR: c.CIDR}
		for _, rule := range c.Ports {
			cidr.Ports = append(cidr.Ports, portView{rule.Port, optional(rule.EndPort), optional(string(rule.Protocol))})
		}
		e.AllowedCIDRs = append(e.AllowedCIDRs, cidr)
	}
	return view
}

// optional returns a pointer to v, or nil if v is the zero value.
func optional[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

// policy returns a policy that shares nothing with the view.
func (v *policyView) policy() runloop.NetworkPolicy {
	p := runloop.NetworkPolicy{
		ID:          v.ID,
		Name:        v.Name,
		Description: value(v.Description),
		Egress: runloop.EgressRules{
			AllowAll:            v.Egress.AllowAll,
			AllowDevboxToDevbox: v.Egress.AllowDevboxToDevbox,
			AllowedHostnames:    append([]string(nil), v.Egress.AllowedHostnames...),
			AllowAgentGateway:   v.Egress.AllowAgentGateway,
			AllowMCPGateway:     v.Egress.AllowMCPGateway,
			AllowRunloopMirrors: value(v.Egress.AllowRunloopMirrors),
		},
		CreateTime: fromMS(v.CreateTimeMS),
		UpdateTime: fromMS(v.UpdateTimeMS),
	}
	for _, c := range v.Egress.AllowedCIDRs {
		cidr := runloop.AllowedCIDR{CIDR: c.CIDR}
		for _, port := range c.Ports {
			cidr.Ports = append(cidr.Ports, runloop.PortRule{Port: port.Port, EndPort: value(port.EndPort), Protocol: runloop.Protocol(value(port.Protocol))})
		}
		p.Egress.AllowedCIDRs = append(p.Egress.AllowedCIDRs, cidr)
	}
	if v.Egress.unknown != nil {
		// Only the SDK's decoder can set the unknown fields.
		if err := p.Egress.UnmarshalJSON(mustMarshal(v.Egress)); err != nil {
			panic("runlooptest: the SDK cannot decode a policy of the fake: " + err.Error())
		}
	}
	return p
}
