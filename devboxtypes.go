package runloop

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
)

// MetadataRequestID is the metadata key under which the SDK stores the ID of the request
// that created the devbox: a random UUID, or the key of [WithIdempotencyKey]. If a
// [*DevboxError] has no Devbox, find the devbox by comparing Metadata[MetadataRequestID] of
// all listed devboxes with the error's RequestID. The key is not allowed in
// [DevboxCreateParams].Metadata.
const MetadataRequestID = "runloop-go-request-id"

// A Devbox is a devbox as reported by the API.
//
// Every format verb prints only the ID and the status, because Raw can contain secrets.
// The JSON form is Raw.
type Devbox struct {
	// ID is assigned by the API and opaque.
	ID string
	// Name is empty if the devbox has no name. Names are not unique.
	Name string
	// Status is one of the constants, or a status added by a newer API.
	Status DevboxStatus
	// NetworkPolicyID is the ID of the policy that the devbox uses. It is empty if the
	// response shows none. The policy's rules can change at any time.
	NetworkPolicyID string
	// CreateTime is in UTC with millisecond precision. It is zero if the response has none.
	CreateTime time.Time
	// EndTime is when the devbox ended. It is zero until then.
	EndTime time.Time
	// FailureReason is the reason if Status is DevboxFailure, such as "out_of_memory".
	FailureReason string
	// ShutdownReason is the reason if Status is DevboxShutdown, such as "api_shutdown",
	// "keep_alive_timeout" or "entrypoint_exit".
	ShutdownReason string
	// Metadata is the metadata that the devbox was created with. If the SDK created it,
	// that includes MetadataRequestID.
	Metadata map[string]string
	// BlueprintID is the ID of the blueprint that the devbox was created from, or empty.
	BlueprintID string
	// SnapshotID is the ID of the snapshot that the devbox was created from, or empty.
	SnapshotID string
	// Raw is a copy of the complete JSON object from the response. It is nil if no response
	// showed the devbox.
	Raw json.RawMessage
}

// Format makes every verb print only the ID and the status.
func (d Devbox) Format(s fmt.State, verb rune) { formatText(s, verb, d.text()) }

// LogValue returns a group with the ID and the status only.
func (d Devbox) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", printable(d.ID, 80)), slog.String("status", printable(string(d.Status), 80)))
}

func (d Devbox) text() string {
	return fmt.Sprintf("%s (%s)", printable(d.ID, 80), printable(string(d.Status), 80))
}

// MarshalJSON returns Raw, or an object with the ID and the status if Raw is empty.
func (d Devbox) MarshalJSON() ([]byte, error) {
	if len(d.Raw) > 0 {
		return d.Raw, nil
	}
	return jsonv2.Marshal(struct {
		ID     string       `json:"id"`
		Status DevboxStatus `json:"status"`
	}{d.ID, d.Status})
}

// UnmarshalJSON decodes a devbox as the API encodes it, for use with [Client.Do]. If it
// returns an error, d is unchanged.
func (d *Devbox) UnmarshalJSON(document []byte) error {
	return unmarshal(document, d, func(r decoder, devbox *Devbox) error { return r.devbox(devbox, document) })
}

// A DevboxStatus is the stage of a devbox's life cycle. A newer API may report other
// statuses.
type DevboxStatus string

// The statuses of a devbox.
const (
	DevboxQueued       DevboxStatus = "queued"       // is waiting for capacity
	DevboxProvisioning DevboxStatus = "provisioning" // is being created
	DevboxInitializing DevboxStatus = "initializing" // runs its launch commands
	DevboxRunning      DevboxStatus = "running"      // is ready for use
	DevboxSuspending   DevboxStatus = "suspending"   // is being suspended
	DevboxSuspended    DevboxStatus = "suspended"    // can be resumed
	DevboxResuming     DevboxStatus = "resuming"     // is being resumed
	DevboxFailure      DevboxStatus = "failure"      // has failed permanently; see FailureReason
	DevboxShutdown     DevboxStatus = "shutdown"     // has ended; see ShutdownReason
)

// hasEnded reports whether a devbox with this status never runs again.
func (s DevboxStatus) hasEnded() bool { return s == DevboxFailure || s == DevboxShutdown }

// DevboxCreateParams are the parameters of Launch and Create. Exactly one of
// NetworkPolicyID, NetworkPolicy and Unrestricted must be set, and at most one of
// BlueprintID, BlueprintName and SnapshotID. All other fields are optional. Invalid
// parameters are a [*ValidationError], and nothing is sent.
//
// Every format verb prints only the name, because environment variables are often
// secrets.
type DevboxCreateParams struct {
	// Name is the name of the devbox. It need not be unique.
	Name string

	// NetworkPolicyID is the ID of an existing policy.
	NetworkPolicyID string
	// NetworkPolicy describes the policy to use. It is created if necessary, as by
	// [NetworkPoliciesService.Ensure].
	NetworkPolicy *NetworkPolicyCreateParams
	// Unrestricted creates the devbox without a policy, and verifies nothing. Unless its
	// blueprint has a policy, the devbox may connect to anything.
	Unrestricted bool

	// BlueprintID is the ID of the blueprint to create the devbox from.
	BlueprintID string
	// BlueprintName is the name of the blueprint to create the devbox from.
	BlueprintName string
	// SnapshotID is the ID of the snapshot to create the devbox from.
	SnapshotID string

	// Entrypoint is the command that the devbox runs. When the command exits, the devbox
	// ends.
	Entrypoint string
	// EnvironmentVariables are set in the devbox. The SDK writes them to no error and no log,
	// and formatted parameters do not show them. A message of the API may quote one.
	EnvironmentVariables map[string]string
	// Metadata is stored with the devbox and returned with it. The key MetadataRequestID is
	// reserved for the SDK.
	Metadata map[string]string
	// LaunchParameters set the size and the lifetime of the devbox.
	LaunchParameters DevboxLaunchParameters
	// Extra contains additional fields of the request body, such as "mounts" or "secrets".
	// Its values are encoded by encoding/json. The fields of an object under
	// "launch_parameters" are added to those of LaunchParameters. Fields that this struct
	// can set are not allowed, and network_policy_id is not allowed at any level.
	Extra map[string]any
}

// Format makes every verb print only the name.
func (p DevboxCreateParams) Format(s fmt.State, verb rune) { formatText(s, verb, p.text()) }

// LogValue returns only the name.
func (p DevboxCreateParams) LogValue() slog.Value { return slog.StringValue(p.text()) }

func (p DevboxCreateParams) text() string { return "devbox " + quote(p.Name) }

// DevboxLaunchParameters set the size and the lifetime of a devbox. Zero fields are not
// sent, so that the API's defaults apply.
type DevboxLaunchParameters struct {
	// ResourceSize is one of the constants. The API's default is DevboxSmall.
	ResourceSize DevboxResourceSize
	// CustomCPUCores is the number of cores if ResourceSize is DevboxCustomSize. Fractions
	// such as 0.5 are allowed.
	CustomCPUCores float64
	// CustomGBMemory is the memory in GB if ResourceSize is DevboxCustomSize.
	CustomGBMemory int
	// CustomDiskSize is the disk size in GB if ResourceSize is DevboxCustomSize.
	CustomDiskSize int
	// Architecture is DevboxX8664 or DevboxARM64.
	Architecture DevboxArchitecture
	// KeepAlive is the maximum lifetime of the devbox, in whole seconds and at most 48
	// hours. 0 means the API's default of one hour. It also bounds how long a devbox
	// outlives a killed process.
	KeepAlive time.Duration
	// LaunchCommands run before the status becomes DevboxRunning. They may begin before the
	// policy is verified.
	LaunchCommands []string
}

// A DevboxResourceSize is the size of a devbox. The API may accept others.
type DevboxResourceSize string

// The sizes of a devbox.
const (
	DevboxXSmall     DevboxResourceSize = "X_SMALL"     // the smallest
	DevboxSmall      DevboxResourceSize = "SMALL"       // the API's default
	DevboxMedium     DevboxResourceSize = "MEDIUM"      // larger than DevboxSmall
	DevboxLarge      DevboxResourceSize = "LARGE"       // larger than DevboxMedium
	DevboxXLarge     DevboxResourceSize = "X_LARGE"     // larger than DevboxLarge
	DevboxXXLarge    DevboxResourceSize = "XX_LARGE"    // the largest
	DevboxCustomSize DevboxResourceSize = "CUSTOM_SIZE" // the size given by the Custom fields
)

// A DevboxArchitecture is the processor architecture of a devbox. The API may accept
// others.
type DevboxArchitecture string

// The processor architectures of a devbox.
const (
	DevboxX8664 DevboxArchitecture = "x86_64" // 64-bit x86, amd64 in Go
	DevboxARM64 DevboxArchitecture = "arm64"  // 64-bit ARM
)

// DevboxListParams are the parameters of List and All. The zero value requests all
// devboxes, including those that have ended.
type DevboxListParams struct {
	// Status filters by status. Empty means any status.
	Status DevboxStatus `url:"status,omitempty"`
	// Limit is the maximum number of devboxes per page, from 1 to 5000. 0 means 20 for List
	// (the API's default), 1000 for All.
	Limit int `url:"limit,omitempty"`
	// StartingAfter is the ID of the devbox after which the list starts.
	StartingAfter string `url:"starting_after,omitempty"`
	// IncludeTotalCount controls whether the API counts all devboxes. nil means the API's
	// default for List, and false for All.
	IncludeTotalCount *bool `url:"include_total_count,omitempty"`
}

func (p DevboxListParams) validate(op string) error {
	ps := problems{op: op}
	if p.Limit < 0 || p.Limit > maxPageSize {
		ps.add("Limit", fmt.Sprintf("%d is not between 0 and %d: write 0 for the default", p.Limit, maxPageSize))
	}
	ps.add("Status", textProblem(string(p.Status)))
	ps.add("StartingAfter", textProblem(p.StartingAfter))
	return ps.err()
}

// A DevboxPage is one page of a list.
type DevboxPage struct {
	// Devboxes are in the API's order, which is undocumented.
	Devboxes []Devbox
	// HasMore reports whether there are devboxes after the last one of this page.
	HasMore bool
	// TotalCount is the total number of devboxes, or nil if the API did not count them.
	TotalCount *int
}

// NextCursor returns the StartingAfter of the next page, or "" if this is the last page.
func (p *DevboxPage) NextCursor() string {
	if p == nil || !p.HasMore || len(p.Devboxes) == 0 {
		return ""
	}
	return p.Devboxes[len(p.Devboxes)-1].ID
}

func (p *DevboxPage) hasMore() bool { return p.HasMore }
