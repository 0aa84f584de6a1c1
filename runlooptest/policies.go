package runlooptest

import (
	"cmp"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
)

// The methods that serve operations expect that a.mu is held.

func (a *API) createPolicy(c *call) (any, *refusal) {
	params, err := a.decodePolicy(c)
	if err != nil {
		return nil, err
	}
	if params.Name == nil {
		return nil, badRequest("name is required")
	}
	view := a.emptyPolicy()
	if err := params.applyTo(view, &a.config); err != nil {
		return nil, err
	}
	if a.byName[view.Name] != nil {
		return nil, a.nameTaken(view.Name)
	}
	if limit := a.config.policyLimit; limit > 0 && len(a.policies.ordered) >= limit {
		return nil, refuse(http.StatusBadRequest, "limit_exceeded", "The account's limit of %d network policies is reached", limit)
	}
	view.ID = a.policies.newID()
	view.CreateTimeMS = a.nowMS()
	view.UpdateTimeMS = view.CreateTimeMS
	a.addPolicy(view)
	return view, nil
}

func (a *API) getPolicy(c *call) (any, *refusal) {
	return a.findPolicy(c.id)
}

func (a *API) updatePolicy(c *call) (any, *refusal) {
	params, err := a.decodePolicy(c)
	if err != nil {
		return nil, err
	}
	view, err := a.findPolicy(c.id)
	if err != nil {
		return nil, err
	}
	updated := *view
	if err := params.applyTo(&updated, &a.config); err != nil {
		return nil, err
	}
	if other := a.byName[updated.Name]; other != nil && other != view {
		return nil, a.nameTaken(updated.Name)
	}
	updated.UpdateTimeMS = a.nowMS()
	delete(a.byName, view.Name)
	*view = updated
	a.byName[view.Name] = view
	return view, nil
}

func (a *API) deletePolicy(c *call) (any, *refusal) {
	if err := c.decode(new(struct{}), json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	view, err := a.findPolicy(c.id)
	if err != nil {
		return nil, err
	}
	inUse := slices.ContainsFunc(a.devboxes.ordered, func(d *devbox) bool {
		d.settle()
		return d.NetworkPolicyID == c.id && !d.over()
	})
	if inUse {
		return nil, refuse(http.StatusBadRequest, "in_use", "Network policy %q is in use by active devboxes", c.id)
	}
	a.policies.remove(c.id)
	delete(a.byName, view.Name)
	return view, nil
}

func (a *API) listPolicies(c *call) (any, *refusal) {
	var name, id, search string
	filters := map[string]*string{"name": &name, "id": &id, "search": &search}
	if a.config.v01 {
		delete(filters, "search")
	}
	q, err := parseList(c, &a.policies, filters)
	if err != nil {
		return nil, err
	}
	// Partial matches ignore case, the wider of the two readings of the API's
	// description: a client that wants one exact name has to compare names.
	policies, total, more := q.page(a, c, func(p *policyView) bool {
		return containsFold(p.Name, name) && (id == "" || p.ID == id) && (containsFold(p.ID, search) || containsFold(p.Name, search))
	})
	return &policyListView{NetworkPolicies: policies, HasMore: more, TotalCount: total}, nil
}

func containsFold(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}

// findPolicy returns the policy with the ID, or a refusal.
func (a *API) findPolicy(id string) (*policyView, *refusal) {
	view := a.policies.byID[id]
	if view == nil {
		return nil, refuse(a.config.unknownIDStatus, "not_found", "Network policy with id %q not found", id)
	}
	return view, nil
}

func (a *API) nameTaken(name string) *refusal {
	return refuse(a.config.conflictStatus, "already_exists", "Network policy with name %q already exists", name)
}

func (a *API) addPolicy(view *policyView) {
	a.policies.add(view.ID, view)
	a.byName[view.Name] = view
}

func (a *API) decodePolicy(c *call) (*policyParams, *refusal) {
	params := new(policyParams)
	var into any = params
	if a.config.v01 {
		into = &params.policyParamsV01
	}
	return params, c.decode(into, json.RejectUnknownMembers(true))
}

// emptyPolicy returns a policy that allows nothing.
func (a *API) emptyPolicy() *policyView {
	view := &policyView{Egress: egressView{AllowedHostnames: []string{}}}
	if !a.config.v01 {
		view.Egress.AllowRunloopMirrors = new(bool)
		view.Egress.AllowedCIDRs = []cidrView{}
	}
	if len(a.config.unknownFields) > 0 {
		view.Egress.unknown = mustMarshal(a.config.unknownFields)
	}
	return view
}

// applyTo sets in v the fields that the params have. Lists are replaced as a whole.
func (p *policyParams) applyTo(v *policyView, c *config) *refusal {
	if p.Name != nil {
		name := *p.Name
		if c.normalizeName != nil {
			name = c.normalizeName(name)
		}
		if strings.TrimSpace(name) == "" {
			return badRequest("name must not be blank")
		}
		v.Name = name
	}
	v.Description = cmp.Or(p.Description, v.Description)
	e := &v.Egress
	e.AllowAll = *cmp.Or(p.AllowAll, &e.AllowAll)
	e.AllowDevboxToDevbox = *cmp.Or(p.AllowDevboxToDevbox, &e.AllowDevboxToDevbox)
	e.AllowAgentGateway = *cmp.Or(p.AllowAgentGateway, &e.AllowAgentGateway)
	e.AllowMCPGateway = *cmp.Or(p.AllowMCPGateway, &e.AllowMCPGateway)
	e.AllowRunloopMirrors = cmp.Or(p.AllowRunloopMirrors, e.AllowRunloopMirrors)
	// The API stores what allow_all implies: it stays on when allow_all is turned off.
	e.AllowDevboxToDevbox = e.AllowDevboxToDevbox || e.AllowAll

	var err *refusal
	if p.AllowedHostnames != nil {
		e.AllowedHostnames, err = checkHostnames(p.AllowedHostnames)
	}
	if p.AllowedCIDRs != nil && err == nil {
		e.AllowedCIDRs, err = checkCIDRs(p.AllowedCIDRs, string(c.defaultProtocol))
	}
	return err
}

// checkHostnames refuses only what is certainly not a host name, because the API does
// not document what else it refuses.
func checkHostnames(items []*string) ([]string, *refusal) {
	hostnames := make([]string, 0, len(items))
	for i, item := range items {
		if item == nil {
			return nil, badRequest("allowed_hostnames[%d] is null", i)
		}
		if *item == "" || strings.ContainsFunc(*item, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
			return nil, badRequest("allowed_hostnames[%d] is not a host name: %q", i, *item)
		}
		if _, rest, _ := strings.Cut(*item, "."); strings.Contains(rest, "*") {
			return nil, badRequest("allowed_hostnames[%d]: wildcards are only allowed in the first label: %q", i, *item)
		}
		hostnames = append(hostnames, *item)
	}
	return hostnames, nil
}

func checkCIDRs(items []*cidrParams, defaultProtocol string) ([]cidrView, *refusal) {
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
			if problem := port.problem(); problem != "" {
				return nil, badRequest("allowed_cidrs[%d].ports[%d]%s", i, j, problem)
			}
			view := portView{Port: *port.Port, EndPort: port.EndPort, Protocol: port.Protocol}
			if view.Protocol == nil && defaultProtocol != "" {
				view.Protocol = &defaultProtocol
			}
			cidr.Ports = append(cidr.Ports, view)
		}
		cidrs = append(cidrs, cidr)
	}
	return cidrs, nil
}

// problem returns what is wrong with the port rule, or "".
func (p *portParams) problem() string {
	const maxPort = 65535
	switch {
	case p == nil || p.Port == nil:
		return ".port is required"
	case *p.Port < 1 || *p.Port > maxPort:
		return ".port is not between 1 and 65535"
	case p.EndPort != nil && (*p.EndPort < *p.Port || *p.EndPort > maxPort):
		return ".end_port is not between port and 65535"
	case p.Protocol != nil && *p.Protocol != "TCP" && *p.Protocol != "UDP":
		return ".protocol is neither TCP nor UDP"
	}
	return ""
}
