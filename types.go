package runloop

import "time"

// A NetworkPolicy says where the devboxes that it is attached to may connect to.
//
// Its JSON form is the API's: times are Unix milliseconds, egress is an object.
// Marshalling a policy and unmarshalling the result gives an equal policy back,
// egress members that this version of the SDK does not know included.
type NetworkPolicy struct {
	// ID is made by the API and never changes. Its form is opaque.
	ID string
	// Name is unique within the account.
	Name string
	// Description is empty when the policy has none.
	Description string
	// Egress is what the policy allows.
	Egress EgressRules
	// CreateTime is in UTC, to the millisecond. The zero time means that the API
	// did not say.
	CreateTime time.Time
	// UpdateTime is when the policy was last changed, in the same form.
	UpdateTime time.Time
}

// EgressRules says what outbound traffic a policy allows. Rules only ever add
// reach, none takes any away. The zero value allows nothing: it is "deny all".
//
// A nil list and an empty list mean the same here: nothing is allowed by it.
type EgressRules struct {
	// AllowAll allows every destination. The API then ignores the other rules
	// and turns AllowDevboxToDevbox on.
	AllowAll bool
	// AllowDevboxToDevbox allows traffic between the account's own devboxes
	// through tunnels.
	AllowDevboxToDevbox bool
	// AllowedHostnames are DNS names without scheme, port or path. The whole
	// first label may be a wildcard: "*.npmjs.org" covers the names below
	// npmjs.org, but not npmjs.org itself.
	AllowedHostnames []string
	// AllowAgentGateway allows the agent gateway, which adds credentials to
	// requests.
	AllowAgentGateway bool
	// AllowMCPGateway allows the MCP hub, which gives access to MCP servers.
	AllowMCPGateway bool
	// AllowRunloopMirrors allows Runloop's mirrors of package and image
	// registries. It is younger than version 0.1 of the API, and sent by
	// Create only when it is true.
	AllowRunloopMirrors bool
	// AllowedCIDRs are address ranges. The list is younger than version 0.1 of
	// the API, and sent by Create only when it is not empty.
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

// A PortRule allows one port or a range of ports.
type PortRule struct {
	// Port is the first port of the range, 1 to 65535.
	Port int
	// EndPort is the last port, at least Port. 0 means Port alone.
	EndPort int
	// Protocol is ProtocolTCP or ProtocolUDP. When it is empty it is not sent,
	// and the API decides.
	Protocol Protocol

	unknown unknownFields
}

// A Protocol is a transport protocol, as a [PortRule] names it.
type Protocol string

const (
	ProtocolTCP Protocol = "TCP" // the Transmission Control Protocol
	ProtocolUDP Protocol = "UDP" // the User Datagram Protocol
)

// NetworkPolicyCreateParams are the parameters of Create, Ensure and Apply.
type NetworkPolicyCreateParams struct {
	// Name is required, and unique within the account.
	Name string
	// Description is optional.
	Description string
	// Egress is what the policy is to allow. The zero value denies everything.
	Egress EgressRules
}

// NetworkPolicyUpdateParams are the parameters of Update. A nil field leaves
// what the policy has. A pointer sets it, to the zero value as to any other:
//
//	runloop.NetworkPolicyUpdateParams{
//		Description:      new(""),     // no description any more
//		AllowAll:         new(false),
//		AllowedHostnames: &[]string{}, // no host names any more
//	}
type NetworkPolicyUpdateParams struct {
	// Name renames the policy.
	Name *string
	// Description replaces the description. A pointer to "" takes it away.
	Description *string
	// AllowAll, like the other flags, is as in EgressRules.
	AllowAll *bool
	// AllowDevboxToDevbox stays on after AllowAll is turned off, until it is
	// turned off itself.
	AllowDevboxToDevbox *bool
	// AllowedHostnames replaces the whole list. A pointer to an empty or nil
	// slice allows no host name.
	AllowedHostnames *[]string
	// AllowAgentGateway is as in EgressRules.
	AllowAgentGateway *bool
	// AllowMCPGateway is as in EgressRules.
	AllowMCPGateway *bool
	// AllowRunloopMirrors is as in EgressRules.
	AllowRunloopMirrors *bool
	// AllowedCIDRs replaces the whole list. A pointer to an empty or nil slice
	// allows no address range.
	AllowedCIDRs *[]AllowedCIDR
}

// NetworkPolicyListParams are the parameters of List and All. The zero value
// asks for every policy.
type NetworkPolicyListParams struct {
	// Name keeps the policies whose name contains it. To find one policy by
	// its whole name, use GetByName.
	Name string `url:"name,omitempty"`
	// ID keeps the policy that has this ID.
	ID string `url:"id,omitempty"`
	// Search keeps the policies whose ID or name contains it. It is younger
	// than version 0.1 of the API.
	Search string `url:"search,omitempty"`
	// Limit is the size of a page, at most 5000. 0 is the default: 20 for List,
	// by the API, and 1000 for All.
	Limit int `url:"limit,omitempty"`
	// StartingAfter is the ID of the policy after which to start.
	StartingAfter string `url:"starting_after,omitempty"`
	// IncludeTotalCount says whether the API is to count all policies, which
	// costs it time. nil is the default: true for List, by the API, and false
	// for All.
	IncludeTotalCount *bool `url:"include_total_count,omitempty"`
}

// A NetworkPolicyPage is one page of a list.
type NetworkPolicyPage struct {
	// NetworkPolicies are in the API's order, which it does not document.
	NetworkPolicies []NetworkPolicy
	// HasMore says that there are policies after the last one of this page.
	HasMore bool
	// TotalCount is the number of policies in all, nil when the API did not count.
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

// LaunchParameters is the part of a devbox launch that attaches a policy: the
// member launch_parameters in the body of POST /v1/devboxes. To set other launch
// parameters too, embed it in a struct of your own.
type LaunchParameters struct {
	// NetworkPolicyID is the policy's ID. It is sent even when it is empty: a
	// devbox that is launched without a policy may connect to anything, so a
	// forgotten ID must not look like a wish for none.
	NetworkPolicyID string `json:"network_policy_id"`
}
