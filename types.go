package runloop

import "time"

// A NetworkPolicy controls which hosts the attached devboxes may connect to.
//
// Its JSON form is the API's: times are Unix milliseconds, egress is an object.
// Marshalling a policy and unmarshalling the result gives an equal policy, including
// egress fields that this version of the SDK does not know.
type NetworkPolicy struct {
	// ID is assigned by the API and never changes. It is opaque.
	ID string
	// Name is unique within the account.
	Name string
	// Description is empty if the policy has none.
	Description string
	// Egress is what the policy allows.
	Egress EgressRules
	// CreateTime is in UTC, to the millisecond. It is zero if the API did not report it.
	CreateTime time.Time
	// UpdateTime is when the policy was last changed, in UTC, to the millisecond. It is
	// zero if the API did not report it.
	UpdateTime time.Time
}

// clone returns a copy that shares no list with p.
func (p *NetworkPolicy) clone() *NetworkPolicy {
	if p == nil {
		return nil
	}
	copied := *p
	copied.Egress = p.Egress.clone()
	return &copied
}

// EgressRules describes the allowed outbound traffic. Rules are additive: no rule
// revokes another. The zero value denies everything. A nil list is the same as an empty
// list: it allows nothing.
//
// Decoded rules keep the fields that this version of the SDK does not know. JSON, YAML, gob
// and every codec that uses [encoding.BinaryMarshaler] encode them again. Unknown fields
// are compared but cannot be sent: Validate rejects a field that may allow something.
type EgressRules struct {
	// AllowAll allows every destination. The API then ignores the other rules
	// and turns AllowDevboxToDevbox on.
	AllowAll bool
	// AllowDevboxToDevbox allows traffic between the account's own devboxes
	// through tunnels.
	AllowDevboxToDevbox bool
	// AllowedHostnames are DNS names without scheme, port or path: letters, digits,
	// "-", "_" and ".". International names are written in their xn-- form.
	//
	// The first label may be the wildcard "*". "*.npmjs.org" covers names one label
	// below npmjs.org, such as registry.npmjs.org. It does not cover npmjs.org itself.
	// Whether it covers deeper names, such as a.b.npmjs.org, is unspecified: list them.
	//
	// The API enforces names by the addresses that DNS returns for them. Other names on
	// the same address, as in a content delivery network, can therefore be reached too.
	AllowedHostnames []string
	// AllowAgentGateway allows the agent gateway, which adds credentials to
	// requests.
	AllowAgentGateway bool
	// AllowMCPGateway allows the MCP hub, which gives access to MCP servers.
	AllowMCPGateway bool
	// AllowRunloopMirrors allows Runloop's mirrors of package and image
	// registries. It was added after API version 0.1. Create sends it only if it is
	// true.
	AllowRunloopMirrors bool
	// AllowedCIDRs are IPv4 address ranges. The list was added after API version 0.1.
	// Create sends it only if it is not empty.
	AllowedCIDRs []AllowedCIDR

	unknown unknownFields
}

// An AllowedCIDR allows an IPv4 address range, on all ports or on some.
type AllowedCIDR struct {
	// CIDR is the range, such as "10.0.0.0/8". Its host bits must be zero.
	CIDR string
	// Ports are the allowed ports. An empty list allows every port and protocol.
	Ports []PortRule

	unknown unknownFields
}

// A PortRule allows one port or a range of ports, for one protocol.
type PortRule struct {
	// Port is the first port of the range, 1 to 65535.
	Port int
	// EndPort is the last port, at least Port. 0 means Port alone.
	EndPort int
	// Protocol is ProtocolTCP or ProtocolUDP, and required. For both, use two rules. It can
	// be empty in a policy that another client created; [EgressRules.Rules] then writes
	// "any".
	Protocol Protocol

	unknown unknownFields
}

// A Protocol is the transport protocol of a [PortRule].
type Protocol string

// The transport protocols of a [PortRule].
const (
	ProtocolTCP Protocol = "TCP" // the Transmission Control Protocol
	ProtocolUDP Protocol = "UDP" // the User Datagram Protocol
)

// NetworkPolicyCreateParams are the parameters of Create, Ensure and Apply.
//
// Their file form is a policy's JSON without its ID and times:
//
//	{
//	  "name": "build",
//	  "description": "package registries only",
//	  "egress": {
//	    "allowed_hostnames": ["github.com", "*.npmjs.org"],
//	    "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 443, "protocol": "TCP"}]}]
//	  }
//	}
//
// It decodes from JSON, and from YAML with go.yaml.in/yaml/v3 or sigs.k8s.io/yaml. Omitted
// fields of egress allow nothing. Decoding fails in the following cases, so that a mistake
// does not become a policy that denies everything:
//
//   - The name or egress is missing. To deny everything, write "egress": {}.
//   - A field is unknown, such as allowed_hostnames outside egress, or differs in
//     capitalization.
//   - A field occurs twice. (Unmarshal of sigs.k8s.io/yaml does not detect it: use its
//     UnmarshalStrict.)
//   - A value has another type, or is null. Only the description may be null.
//
// Decoding does not validate the rules. The methods do, and [EgressRules.Validate].
type NetworkPolicyCreateParams struct {
	// Name is required and unique within the account. It must not have surrounding
	// spaces or control characters.
	Name string
	// Description is optional.
	Description string
	// Egress is what the policy allows. The zero value denies everything.
	Egress EgressRules
}

// NetworkPolicyUpdateParams are the parameters of Update. A nil field leaves the value
// unchanged. A non-nil pointer sets the value, even to its zero value:
//
//	runloop.NetworkPolicyUpdateParams{
//		Description:      new(""),     // clear the description
//		AllowAll:         new(false),
//		AllowedHostnames: &[]string{}, // remove all host names
//	}
//
// To replace every rule, use [EgressRules.Update].
type NetworkPolicyUpdateParams struct {
	// Name renames the policy.
	Name *string
	// Description replaces the description. A pointer to "" clears it.
	Description *string
	// AllowAll is as in EgressRules.
	AllowAll *bool
	// AllowDevboxToDevbox is as in EgressRules. AllowAll turns it on, and it stays on
	// after AllowAll is turned off.
	AllowDevboxToDevbox *bool
	// AllowedHostnames replaces the whole list. A pointer to a nil or empty slice
	// removes all host names.
	AllowedHostnames *[]string
	// AllowAgentGateway is as in EgressRules.
	AllowAgentGateway *bool
	// AllowMCPGateway is as in EgressRules.
	AllowMCPGateway *bool
	// AllowRunloopMirrors is as in EgressRules.
	AllowRunloopMirrors *bool
	// AllowedCIDRs replaces the whole list. A pointer to a nil or empty slice removes
	// all address ranges.
	AllowedCIDRs *[]AllowedCIDR
}

// NetworkPolicyListParams are the parameters of List and All. The zero value selects every
// policy.
type NetworkPolicyListParams struct {
	// Name filters by substring of the name. To find one policy by its exact name,
	// use GetByName.
	Name string `url:"name,omitempty"`
	// ID filters by ID.
	ID string `url:"id,omitempty"`
	// Search filters by substring of the ID or name. It was added after API
	// version 0.1.
	Search string `url:"search,omitempty"`
	// Limit is the maximum number of policies per page, from 1 to 5000. 0 means 20 for List
	// (the API's default), 1000 for All.
	Limit int `url:"limit,omitempty"`
	// StartingAfter is the ID of the policy after which the list starts.
	StartingAfter string `url:"starting_after,omitempty"`
	// IncludeTotalCount controls whether the API counts all policies, which is slow. nil
	// means true for List (the API's default), false for All.
	IncludeTotalCount *bool `url:"include_total_count,omitempty"`
}

// A NetworkPolicyPage is one page of a list.
type NetworkPolicyPage struct {
	// NetworkPolicies are in the API's order, which is undocumented.
	NetworkPolicies []NetworkPolicy
	// HasMore reports whether there are policies after the last one of this page.
	HasMore bool
	// TotalCount is the total number of policies, or nil if the API did not count them.
	TotalCount *int
}

// NextCursor returns the StartingAfter of the next page, or "" if this page is the last.
func (p *NetworkPolicyPage) NextCursor() string {
	if p == nil || !p.HasMore || len(p.NetworkPolicies) == 0 {
		return ""
	}
	return p.NetworkPolicies[len(p.NetworkPolicies)-1].ID
}

func (p *NetworkPolicyPage) hasMore() bool { return p.HasMore }
