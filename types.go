package runloop

import "time"

// A NetworkPolicy controls which hosts the attached devboxes may connect to.
//
// Its JSON form is the API's: times are Unix milliseconds, egress is an object.
// Marshalling a policy and unmarshalling the result gives an equal policy, including
// egress fields that this version of the SDK does not know.
type NetworkPolicy struct {
	// ID is assigned by the API and never changes. Its form is opaque.
	ID string
	// Name is unique within the account.
	Name string
	// Description is empty when the policy has none.
	Description string
	// Egress is what the policy allows.
	Egress EgressRules
	// CreateTime is in UTC, to the millisecond. The zero time means that the API
	// did not report it.
	CreateTime time.Time
	// UpdateTime is when the policy was last changed, in the same form.
	UpdateTime time.Time
}

// clone shares no list with p.
func (p *NetworkPolicy) clone() *NetworkPolicy {
	if p == nil {
		return nil
	}
	copied := *p
	copied.Egress = p.Egress.clone()
	return &copied
}

// EgressRules describes the allowed outbound traffic. Rules are additive: no rule
// revokes another. The zero value allows nothing: it is "deny all".
//
// A nil list and an empty list mean the same: nothing is allowed by it.
//
// Rules that were decoded, from a response or a file, keep the fields that this version
// of the SDK does not know, and write them again in JSON, YAML, gob and every codec that
// uses [encoding.BinaryMarshaler]. Such a field can be compared, but not sent: Validate
// refuses it unless it allows nothing.
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
	// The whole first label may be a wildcard. "*.npmjs.org" covers names one label
	// below npmjs.org, such as registry.npmjs.org. It does not cover npmjs.org itself.
	// Whether it covers deeper names, such as a.b.npmjs.org, is unspecified: list them.
	//
	// Names are enforced by the addresses that DNS returns for them, so other names
	// on the same address, as in a content delivery network, can be reached as well.
	AllowedHostnames []string
	// AllowAgentGateway allows the agent gateway, which adds credentials to
	// requests.
	AllowAgentGateway bool
	// AllowMCPGateway allows the MCP hub, which gives access to MCP servers.
	AllowMCPGateway bool
	// AllowRunloopMirrors allows Runloop's mirrors of package and image
	// registries. It was added after API version 0.1, and Create sends it only
	// when it is true.
	AllowRunloopMirrors bool
	// AllowedCIDRs are address ranges. The list was added after API version 0.1,
	// and Create sends it only when it is not empty.
	AllowedCIDRs []AllowedCIDR

	unknown unknownFields
}

// An AllowedCIDR allows an IPv4 address range, on some ports or on all of them.
type AllowedCIDR struct {
	// CIDR is in canonical form, the host bits zero: "10.0.0.0/8".
	CIDR string
	// Ports narrows the range. With none, every port and protocol is allowed.
	Ports []PortRule

	unknown unknownFields
}

// A PortRule allows one port or a range of ports, for one protocol.
type PortRule struct {
	// Port is the first port of the range, 1 to 65535.
	Port int
	// EndPort is the last port, at least Port. 0 means Port alone.
	EndPort int
	// Protocol is required: ProtocolTCP or ProtocolUDP. For both, use two rules. In
	// a policy that another client created it can be empty, which is written as "any".
	Protocol Protocol

	unknown unknownFields
}

// A Protocol is a transport protocol, as a [PortRule] names it.
type Protocol string

// The transport protocols of a [PortRule].
const (
	ProtocolTCP Protocol = "TCP" // the Transmission Control Protocol
	ProtocolUDP Protocol = "UDP" // the User Datagram Protocol
)

// NetworkPolicyCreateParams are the parameters of Create, Ensure and Apply.
//
// They have a file form, which is a policy's JSON without its ID and times:
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
// It decodes from JSON, and from YAML with go.yaml.in/yaml/v3 or sigs.k8s.io/yaml. Fields
// of egress that are left out allow nothing. So that no mistake becomes a policy that
// denies everything, these are errors: a missing name or egress (write "egress": {} to
// deny everything), an unknown field, such as allowed_hostnames outside of egress, a
// field in another case, a field that occurs twice, a value of another type, and null
// for anything but the description. (Unmarshal of sigs.k8s.io/yaml passes on the last of
// two fields: use its UnmarshalStrict.) Decoding does not check the rules: the calls do,
// and [EgressRules.Validate].
type NetworkPolicyCreateParams struct {
	// Name is required, and unique within the account. It has no surrounding blanks
	// and no control characters.
	Name string
	// Description is optional.
	Description string
	// Egress is what the policy allows. The zero value denies everything.
	Egress EgressRules
}

// NetworkPolicyUpdateParams are the parameters of Update. A nil field leaves the value
// unchanged. A non-nil pointer sets it, to the zero value as well:
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
	// AllowAll, like the other flags, is as in EgressRules.
	AllowAll *bool
	// AllowDevboxToDevbox stays on after AllowAll is turned off, until it is
	// turned off itself.
	AllowDevboxToDevbox *bool
	// AllowedHostnames replaces the whole list. A pointer to an empty or nil
	// slice removes all host names.
	AllowedHostnames *[]string
	// AllowAgentGateway is as in EgressRules.
	AllowAgentGateway *bool
	// AllowMCPGateway is as in EgressRules.
	AllowMCPGateway *bool
	// AllowRunloopMirrors is as in EgressRules.
	AllowRunloopMirrors *bool
	// AllowedCIDRs replaces the whole list. A pointer to an empty or nil slice
	// removes all address ranges.
	AllowedCIDRs *[]AllowedCIDR
}

// NetworkPolicyListParams are the parameters of List and All. The zero value
// asks for every policy.
type NetworkPolicyListParams struct {
	// Name filters by substring of the name. To find one policy by its exact name,
	// use GetByName.
	Name string `url:"name,omitempty"`
	// ID filters by ID.
	ID string `url:"id,omitempty"`
	// Search filters by substring of the ID or name. It was added after API
	// version 0.1.
	Search string `url:"search,omitempty"`
	// Limit is the size of a page, at most 5000. 0 is the default: 20 for List,
	// by the API, and 1000 for All.
	Limit int `url:"limit,omitempty"`
	// StartingAfter is the ID of the policy after which to start.
	StartingAfter string `url:"starting_after,omitempty"`
	// IncludeTotalCount makes the API count all policies, which takes it time. nil is
	// the default: true for List, by the API, and false for All.
	IncludeTotalCount *bool `url:"include_total_count,omitempty"`
}

// A NetworkPolicyPage is one page of a list.
type NetworkPolicyPage struct {
	// NetworkPolicies are in the API's order, which it does not document.
	NetworkPolicies []NetworkPolicy
	// HasMore is true if there are policies after the last one of this page.
	HasMore bool
	// TotalCount is the number of all policies, nil if the API did not count them.
	TotalCount *int
}

// NextCursor returns the StartingAfter of the next page, or "" when this page
// is the last.
func (p *NetworkPolicyPage) NextCursor() string {
	if p == nil || !p.HasMore || len(p.NetworkPolicies) == 0 {
		return ""
	}
	return p.NetworkPolicies[len(p.NetworkPolicies)-1].ID
}

func (p *NetworkPolicyPage) hasMore() bool { return p.HasMore }
