package runloop

import (
	"time"

	"github.com/go-json-experiment/json"
)

// The JSON of requests. The json package used here encodes a nil slice as [].

type createBody struct {
	Name        string `json:"name"`
	Description string `json:"description,omitzero"`
	// Every flag and the host names are always sent, so that no denial depends on a
	// server's default.
	AllowAll            bool     `json:"allow_all"`
	AllowDevboxToDevbox bool     `json:"allow_devbox_to_devbox"`
	AllowedHostnames    []string `json:"allowed_hostnames"`
	AllowAgentGateway   bool     `json:"allow_agent_gateway"`
	AllowMCPGateway     bool     `json:"allow_mcp_gateway"`
	// A server of version 0.1 rejects unknown fields.
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

// updateBody omits nil pointers. A pointer to a nil or empty slice is [].
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

// deleteBody is an empty object.
type deleteBody struct{}

// The JSON of policies and rules, both on the wire and for users.

type policyView struct {
	ID           string      `json:"id"`
	Name         string      `json:"name"`
	Description  string      `json:"description,omitzero"`
	Egress       EgressRules `json:"egress"`
	CreateTimeMS *int64      `json:"create_time_ms,omitzero"`
	UpdateTimeMS *int64      `json:"update_time_ms,omitzero"`
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

// MarshalJSON returns the policy in the API's form.
func (p NetworkPolicy) MarshalJSON() ([]byte, error) {
	return json.Marshal(policyView{
		ID:           p.ID,
		Name:         p.Name,
		Description:  p.Description,
		Egress:       p.Egress,
		CreateTimeMS: milliseconds(p.CreateTime),
		UpdateTimeMS: milliseconds(p.UpdateTime),
	})
}

// milliseconds returns nil for the zero time, which means that it is unknown.
func milliseconds(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	return new(t.UnixMilli())
}

// MarshalJSON returns the rules in the API's form.
func (r EgressRules) MarshalJSON() ([]byte, error) { return r.unknown.marshalWith(r.view()) }

// view returns the fields that the SDK knows.
func (r EgressRules) view() egressView {
	return egressView{
		AllowAll:            r.AllowAll,
		AllowDevboxToDevbox: r.AllowDevboxToDevbox,
		AllowedHostnames:    r.AllowedHostnames,
		AllowAgentGateway:   r.AllowAgentGateway,
		AllowMCPGateway:     r.AllowMCPGateway,
		AllowRunloopMirrors: r.AllowRunloopMirrors,
		AllowedCIDRs:        r.AllowedCIDRs,
	}
}

// MarshalJSON returns the range in the API's form.
func (c AllowedCIDR) MarshalJSON() ([]byte, error) {
	return c.unknown.marshalWith(cidrView{CIDR: c.CIDR, Ports: c.Ports})
}

// MarshalJSON returns the rule in the API's form.
func (p PortRule) MarshalJSON() ([]byte, error) {
	return p.unknown.marshalWith(portView{Port: p.Port, EndPort: p.EndPort, Protocol: p.Protocol})
}

// UnmarshalJSON decodes a policy in the API's form. On error, p is unchanged.
func (p *NetworkPolicy) UnmarshalJSON(document []byte) error {
	return unmarshal(document, p, decoder.policy)
}

// UnmarshalJSON decodes rules in the API's form. On error, r is unchanged.
func (r *EgressRules) UnmarshalJSON(document []byte) error {
	return unmarshal(document, r, decoder.egress)
}

// UnmarshalJSON decodes a range in the API's form. On error, c is unchanged.
func (c *AllowedCIDR) UnmarshalJSON(document []byte) error {
	return unmarshal(document, c, decoder.cidr)
}

// UnmarshalJSON decodes a rule in the API's form. On error, p is unchanged.
func (p *PortRule) UnmarshalJSON(document []byte) error {
	return unmarshal(document, p, decoder.portRule)
}

// The binary and YAML forms contain the JSON form, because a codec that uses exported
// fields would drop unknown rules, and a policy would look narrower than it is.

// MarshalBinary returns the JSON form, for gob and similar packages.
func (r EgressRules) MarshalBinary() ([]byte, error) { return r.MarshalJSON() }

// UnmarshalBinary decodes the JSON form.
func (r *EgressRules) UnmarshalBinary(data []byte) error { return r.UnmarshalJSON(data) }

// MarshalBinary returns the JSON form, for gob and similar packages.
func (c AllowedCIDR) MarshalBinary() ([]byte, error) { return c.MarshalJSON() }

// UnmarshalBinary decodes the JSON form.
func (c *AllowedCIDR) UnmarshalBinary(data []byte) error { return c.UnmarshalJSON(data) }

// MarshalBinary returns the JSON form, for gob and similar packages.
func (p PortRule) MarshalBinary() ([]byte, error) { return p.MarshalJSON() }

// UnmarshalBinary decodes the JSON form.
func (p *PortRule) UnmarshalBinary(data []byte) error { return p.UnmarshalJSON(data) }

// plainUpdateParams are NetworkPolicyUpdateParams without methods.
type plainUpdateParams NetworkPolicyUpdateParams

// MarshalBinary returns the parameters for gob, which by itself would turn pointers to zero
// values into nil pointers.
func (p NetworkPolicyUpdateParams) MarshalBinary() ([]byte, error) {
	return json.Marshal(plainUpdateParams(p))
}

// UnmarshalBinary decodes the result of MarshalBinary.
func (p *NetworkPolicyUpdateParams) UnmarshalBinary(data []byte) error {
	var plain plainUpdateParams
	err := json.Unmarshal(data, &plain)
	if err == nil {
		*p = NetworkPolicyUpdateParams(plain)
	}
	return err
}

// MarshalYAML returns the JSON form, for go.yaml.in/yaml and similar packages.
func (r EgressRules) MarshalYAML() (any, error) { return toYAML(r) }

// UnmarshalYAML decodes the JSON form, written in YAML. On error, r is unchanged.
func (r *EgressRules) UnmarshalYAML(unmarshal func(any) error) error {
	return fromYAML(unmarshal, r.UnmarshalJSON)
}

// unmarshal sets dst. A null document is a no-op, by the convention of UnmarshalJSON.
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
