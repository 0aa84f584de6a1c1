package runloop

import (
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The wire forms of requests. JSON of version 2 writes a nil slice as [].

type createBody struct {
	Name        string `json:"name"`
	Description string `json:"description,omitzero"`
	// Each flag and the host names are always there, so that no denial rests on a
	// server's default.
	AllowAll            bool     `json:"allow_all"`
	AllowDevboxToDevbox bool     `json:"allow_devbox_to_devbox"`
	AllowedHostnames    []string `json:"allowed_hostnames"`
	AllowAgentGateway   bool     `json:"allow_agent_gateway"`
	AllowMCPGateway     bool     `json:"allow_mcp_gateway"`
	// A server of version 0.1 refuses members that it does not know.
	AllowRunloopMirrors bool          `json:"allow_runloop_mirrors,omitzero"`
	AllowedCIDRs        []AllowedCIDR `json:"allowed_cidrs,omitempty"`
}

func newCreateBody(p NetworkPolicyCreateParams) createBody {
	return createBody{
		Name:                p.Name,
		Description:         p.Description,
		AllowAll:            p.Egress.AllowAll,
		AllowDevboxToDevbox: p.Egress.AllowDevboxToDevbox,
		AllowedHostnames:    p.Egress.AllowedHostnames,
		AllowAgentGateway:   p.Egress.AllowAgentGateway,
		AllowMCPGateway:     p.Egress.AllowMCPGateway,
		AllowRunloopMirrors: p.Egress.AllowRunloopMirrors,
		AllowedCIDRs:        p.Egress.AllowedCIDRs,
	}
}

// updateBody has what is set: the zero of a pointer is nil, and a pointer to an
// empty or nil slice is [].
type updateBody struct {
	Name                *string        `json:"name,omitzero"`
	Description         *string        `json:"description,omitzero"`
	AllowAll            *bool          `json:"allow_all,omitzero"`
	AllowDevboxToDevbox *bool          `json:"allow_devbox_to_devbox,omitzero"`
	AllowedHostnames    *[]string      `json:"allowed_hostnames,omitzero"`
	AllowAgentGateway   *bool          `json:"allow_agent_gateway,omitzero"`
	AllowMCPGateway     *bool          `json:"allow_mcp_gateway,omitzero"`
	AllowRunloopMirrors *bool          `json:"allow_runloop_mirrors,omitzero"`
	AllowedCIDRs        *[]AllowedCIDR `json:"allowed_cidrs,omitzero"`
}

// deleteBody is the empty object.
type deleteBody struct{}

// The wire forms of policies and rules, which are their JSON for users as well.

type policyView struct {
	ID           string      `json:"id"`
	Name         string      `json:"name"`
	Description  string      `json:"description,omitzero"`
	Egress       EgressRules `json:"egress"`
	CreateTimeMS int64       `json:"create_time_ms"`
	UpdateTimeMS int64       `json:"update_time_ms"`
}

type egressView struct {
	AllowAll            bool          `json:"allow_all"`
	AllowDevboxToDevbox bool          `json:"allow_devbox_to_devbox"`
	AllowedHostnames    []string      `json:"allowed_hostnames"`
	AllowAgentGateway   bool          `json:"allow_agent_gateway"`
	AllowMCPGateway     bool          `json:"allow_mcp_gateway"`
	AllowRunloopMirrors bool          `json:"allow_runloop_mirrors"`
	AllowedCIDRs        []AllowedCIDR `json:"allowed_cidrs"`
}

type cidrView struct {
	CIDR  string     `json:"cidr"`
	Ports []PortRule `json:"ports,omitempty"`
}

type portView struct {
	Port     int      `json:"port"`
	EndPort  int      `json:"end_port,omitzero"`
	Protocol Protocol `json:"protocol,omitzero"`
}

// MarshalJSON returns the policy as the API writes it.
func (p NetworkPolicy) MarshalJSON() ([]byte, error) {
	return json.Marshal(policyView{
		ID:           p.ID,
		Name:         p.Name,
		Description:  p.Description,
		Egress:       p.Egress,
		CreateTimeMS: p.CreateTime.UnixMilli(),
		UpdateTimeMS: p.UpdateTime.UnixMilli(),
	})
}

// MarshalJSON returns the rules as the API writes them.
func (r EgressRules) MarshalJSON() ([]byte, error) {
	return r.unknown.marshalWith(egressView{
		AllowAll:            r.AllowAll,
		AllowDevboxToDevbox: r.AllowDevboxToDevbox,
		AllowedHostnames:    r.AllowedHostnames,
		AllowAgentGateway:   r.AllowAgentGateway,
		AllowMCPGateway:     r.AllowMCPGateway,
		AllowRunloopMirrors: r.AllowRunloopMirrors,
		AllowedCIDRs:        r.AllowedCIDRs,
	})
}

// MarshalJSON returns the range as the API writes it.
func (c AllowedCIDR) MarshalJSON() ([]byte, error) {
	return c.unknown.marshalWith(cidrView{CIDR: c.CIDR, Ports: c.Ports})
}

// MarshalJSON returns the rule as the API writes it.
func (p PortRule) MarshalJSON() ([]byte, error) {
	return p.unknown.marshalWith(portView{Port: p.Port, EndPort: p.EndPort, Protocol: p.Protocol})
}

// UnmarshalJSON reads a policy as the API writes it. On an error p is unchanged.
func (p *NetworkPolicy) UnmarshalJSON(document []byte) error {
	return unmarshal(document, p, decoder.policy)
}

// UnmarshalJSON reads rules as the API writes them. On an error r is unchanged.
func (r *EgressRules) UnmarshalJSON(document []byte) error {
	return unmarshal(document, r, decoder.egress)
}

// UnmarshalJSON reads a range as the API writes it. On an error c is unchanged.
func (c *AllowedCIDR) UnmarshalJSON(document []byte) error {
	return unmarshal(document, c, decoder.cidr)
}

// UnmarshalJSON reads a rule as the API writes it. On an error p is unchanged.
func (p *PortRule) UnmarshalJSON(document []byte) error {
	return unmarshal(document, p, decoder.portRule)
}

// unmarshal sets dst, unless the document is null, to which UnmarshalJSON methods
// give no effect.
func unmarshal[T any](document []byte, dst *T, read func(decoder, *T) error) error {
	if string(document) == "null" {
		return nil
	}
	var value T
	err := decodeDocument(document, func(d decoder) error { return read(d, &value) })
	if err == nil {
		*dst = value
	}
	return err
}

// decodePolicy reads an answer that is a policy.
func decodePolicy(body []byte) (*NetworkPolicy, error) {
	p := new(NetworkPolicy)
	err := decodeDocument(body, func(d decoder) error { return d.policyAnswer(p) })
	if err != nil {
		return nil, err
	}
	return p, nil
}

// decodePage reads an answer that is a page of policies.
func decodePage(body []byte) (*NetworkPolicyPage, error) {
	p := new(NetworkPolicyPage)
	err := decodeDocument(body, func(d decoder) error { return d.page(p, len(body)) })
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (d decoder) page(p *NetworkPolicyPage, size int) error {
	var hasPolicies, hasMore bool
	err := d.object(func(name []byte) error {
		switch string(name) {
		case "network_policies":
			hasPolicies = d.PeekKind() != 'n'
			return d.policies(&p.NetworkPolicies, size)
		case "has_more":
			hasMore = d.PeekKind() != 'n'
			return d.boolean(&p.HasMore)
		case "total_count":
			if d.PeekKind() == 'n' {
				return d.SkipValue()
			}
			var n int64
			err := d.integer(&n, 32)
			p.TotalCount = new(int(n))
			return err
		}
		return d.SkipValue()
	})
	switch {
	case err != nil:
		return err
	case !hasPolicies:
		return d.missing("network_policies")
	case !hasMore:
		return d.missing("has_more")
	}
	return nil
}

// policies sizes the slice by the first policy and the document's length.
func (d decoder) policies(dst *[]NetworkPolicy, size int) error {
	start := d.InputOffset()
	return d.array(func() error {
		*dst = append(*dst, NetworkPolicy{})
		if err := d.policyAnswer(&(*dst)[len(*dst)-1]); err != nil {
			return err
		}
		if len(*dst) == 1 {
			each := d.InputOffset() - start
			rest := (int64(size) - d.InputOffset()) / each
			rest += rest / 8 // policies differ in length, and growing copies them all
			grown := make([]NetworkPolicy, 1, 1+min(rest, maxPageSize))
			grown[0] = (*dst)[0]
			*dst = grown
		}
		return nil
	})
}

// policyAnswer reads a policy that must have what identifies it and what it allows.
func (d decoder) policyAnswer(p *NetworkPolicy) error {
	var hasEgress bool
	if err := d.policyMembers(p, &hasEgress); err != nil {
		return err
	}
	switch {
	case p.ID == "":
		return d.missing("id")
	case !hasEgress:
		return d.missing("egress")
	}
	return nil
}

func (d decoder) policy(p *NetworkPolicy) error {
	return d.policyMembers(p, new(bool))
}

func (d decoder) policyMembers(p *NetworkPolicy, hasEgress *bool) error {
	return d.object(func(name []byte) error {
		switch string(name) {
		case "id":
			return d.text(&p.ID)
		case "name":
			return d.text(&p.Name)
		case "description":
			return d.text(&p.Description)
		case "egress":
			*hasEgress = true
			return d.egress(&p.Egress)
		case "create_time_ms":
			return d.time(&p.CreateTime)
		case "update_time_ms":
			return d.time(&p.UpdateTime)
		}
		return d.SkipValue()
	})
}

func (d decoder) time(dst *time.Time) error {
	if d.PeekKind() == 'n' {
		return d.SkipValue()
	}
	var ms int64
	err := d.integer(&ms, 64)
	*dst = time.UnixMilli(ms).UTC()
	return err
}

func (d decoder) egress(r *EgressRules) error {
	return d.object(func(name []byte) error {
		switch string(name) {
		case "allow_all":
			return d.boolean(&r.AllowAll)
		case "allow_devbox_to_devbox":
			return d.boolean(&r.AllowDevboxToDevbox)
		case "allowed_hostnames":
			return d.texts(&r.AllowedHostnames)
		case "allow_agent_gateway":
			return d.boolean(&r.AllowAgentGateway)
		case "allow_mcp_gateway":
			return d.boolean(&r.AllowMCPGateway)
		case "allow_runloop_mirrors":
			return d.boolean(&r.AllowRunloopMirrors)
		case "allowed_cidrs":
			return d.array(func() error {
				r.AllowedCIDRs = append(r.AllowedCIDRs, AllowedCIDR{})
				return d.cidr(&r.AllowedCIDRs[len(r.AllowedCIDRs)-1])
			})
		}
		return d.unknownMember(&r.unknown, name)
	})
}

func (d decoder) cidr(c *AllowedCIDR) error {
	return d.object(func(name []byte) error {
		switch string(name) {
		case "cidr":
			return d.text(&c.CIDR)
		case "ports":
			return d.array(func() error {
				c.Ports = append(c.Ports, PortRule{})
				return d.portRule(&c.Ports[len(c.Ports)-1])
			})
		}
		return d.unknownMember(&c.unknown, name)
	})
}

func (d decoder) portRule(p *PortRule) error {
	return d.object(func(name []byte) error {
		switch string(name) {
		case "port":
			return d.port(&p.Port)
		case "end_port":
			return d.port(&p.EndPort)
		case "protocol":
			return d.text((*string)(&p.Protocol))
		}
		return d.unknownMember(&p.unknown, name)
	})
}

func (d decoder) port(dst *int) error {
	var n int64
	err := d.integer(&n, 32)
	*dst = int(n)
	return err
}

func (d decoder) unknownMember(u *unknownMembers, name []byte) error {
	quoted, err := jsontext.AppendQuote(nil, name) // a copy: reading invalidates name
	if err != nil {
		return err
	}
	value, err := d.ReadValue()
	if err != nil {
		return err
	}
	u.add(quoted, value)
	return nil
}
