package runlooptest

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The structs of this file are the bodies on the wire. They are not the SDK's, so that
// a mistake in the SDK's encoding shows.

// policyParams is the body of create and update. A nil field was absent or null. Lists
// have pointers, so that a null item can be refused.
type policyParams struct {
	policyParamsV01
	AllowRunloopMirrors *bool         `json:"allow_runloop_mirrors"`
	AllowedCIDRs        []*cidrParams `json:"allowed_cidrs"`
}

// policyParamsV01 has the fields of version 0.1 of the API.
type policyParamsV01 struct {
	Name                *string   `json:"name"`
	Description         *string   `json:"description"`
	AllowAll            *bool     `json:"allow_all"`
	AllowDevboxToDevbox *bool     `json:"allow_devbox_to_devbox"`
	AllowedHostnames    []*string `json:"allowed_hostnames"`
	AllowAgentGateway   *bool     `json:"allow_agent_gateway"`
	AllowMCPGateway     *bool     `json:"allow_mcp_gateway"`
}

type cidrParams struct {
	CIDR  *string       `json:"cidr"`
	Ports []*portParams `json:"ports"`
}

type portParams struct {
	Port     *int    `json:"port"`
	EndPort  *int    `json:"end_port"`
	Protocol *string `json:"protocol"`
}

// policyView is a policy as responses show it, and as the fake stores it.
type policyView struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`
	Description  *string    `json:"description"`
	Egress       egressView `json:"egress"`
	CreateTimeMS int64      `json:"create_time_ms"`
	UpdateTimeMS int64      `json:"update_time_ms"`
}

// egressView has the rules of a policy. The fields that version 0.1 does not have are
// nil, and left out, in that version only.
type egressView struct {
	AllowAll            bool       `json:"allow_all"`
	AllowDevboxToDevbox bool       `json:"allow_devbox_to_devbox"`
	AllowedHostnames    []string   `json:"allowed_hostnames"`
	AllowAgentGateway   bool       `json:"allow_agent_gateway"`
	AllowMCPGateway     bool       `json:"allow_mcp_gateway"`
	AllowRunloopMirrors *bool      `json:"allow_runloop_mirrors,omitzero"`
	AllowedCIDRs        []cidrView `json:"allowed_cidrs,omitzero"`

	unknown jsontext.Value // an object with further fields, or nil
}

// MarshalJSON adds the unknown fields. The encoder refuses duplicates.
func (e egressView) MarshalJSON() ([]byte, error) {
	type known egressView
	object, err := json.Marshal(known(e), jsontext.AllowInvalidUTF8(true))
	if err != nil || e.unknown == nil {
		return object, err
	}
	object[len(object)-1] = ',' // replaces the closing brace
	return append(object, e.unknown[1:]...), nil
}

type cidrView struct {
	CIDR  string     `json:"cidr"`
	Ports []portView `json:"ports"`
}

type portView struct {
	Port     int     `json:"port"`
	EndPort  *int    `json:"end_port"`
	Protocol *string `json:"protocol"`
}

type policyListView struct {
	NetworkPolicies []*policyView `json:"network_policies"`
	HasMore         bool          `json:"has_more"`
	TotalCount      *int          `json:"total_count,omitzero"`
}

// devboxParams has the fields of a launch that the fake uses.
type devboxParams struct {
	Name                 *string           `json:"name"`
	Metadata             map[string]string `json:"metadata"`
	EnvironmentVariables map[string]string `json:"environment_variables"`
	Entrypoint           string            `json:"entrypoint"`
	BlueprintID          *string           `json:"blueprint_id"`
	BlueprintName        *string           `json:"blueprint_name"`
	SnapshotID           *string           `json:"snapshot_id"`
	LaunchParameters     jsontext.Value    `json:"launch_parameters"`
}

// launchParams has the launch parameters whose types the fake checks.
type launchParams struct {
	NetworkPolicyID      *string  `json:"network_policy_id"`
	ResourceSizeRequest  *string  `json:"resource_size_request"`
	CustomCPUCores       *float64 `json:"custom_cpu_cores"`
	CustomGBMemory       *float64 `json:"custom_gb_memory"`
	CustomDiskSize       *float64 `json:"custom_disk_size"`
	Architecture         *string  `json:"architecture"`
	KeepAliveTimeSeconds *int64   `json:"keep_alive_time_seconds"`
	LaunchCommands       []string `json:"launch_commands"`
}

type waitParams struct {
	Statuses       []string `json:"statuses"`
	TimeoutSeconds *int     `json:"timeout_seconds"`
}

type devboxView struct {
	ID               string            `json:"id"`
	Name             *string           `json:"name,omitzero"`
	Status           string            `json:"status"`
	BlueprintID      string            `json:"blueprint_id,omitzero"`
	SnapshotID       string            `json:"snapshot_id,omitzero"`
	Capabilities     []string          `json:"capabilities"`
	CreateTimeMS     int64             `json:"create_time_ms"`
	EndTimeMS        *int64            `json:"end_time_ms"`
	LaunchParameters jsontext.Value    `json:"launch_parameters"`
	Metadata         map[string]string `json:"metadata"`
	StateTransitions []transitionView  `json:"state_transitions"`
	FailureReason    string            `json:"failure_reason,omitzero"`
	ShutdownReason   string            `json:"shutdown_reason,omitzero"`
}

type transitionView struct {
	Status           string `json:"status"`
	TransitionTimeMS int64  `json:"transition_time_ms"`
}

type devboxListView struct {
	Devboxes   []*devboxView `json:"devboxes"`
	HasMore    bool          `json:"has_more"`
	TotalCount *int          `json:"total_count,omitzero"`
}
