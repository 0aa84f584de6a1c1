package runloop

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
)

// MetadataRequestID is the metadata key under which every created devbox has the
// request ID of its create: a random UUID, or the key of [WithIdempotencyKey]. To find
// the devbox that a [*DevboxError] without a Devbox is about, list the devboxes and
// compare Metadata[MetadataRequestID] with the error's RequestID.
//
// The SDK sets the key: it is not allowed in [DevboxCreateParams].
const MetadataRequestID = "runloop-go-request-id"

// A Devbox is a devbox as the API showed it in a response.
//
// Every format verb prints its ID and status only, because Raw can contain secrets. Its
// JSON form is Raw.
type Devbox struct {
	// ID is assigned by the API and opaque.
	ID string
	// Name is empty if the devbox has none. Names are not unique.
	Name string
	// Status is one of the constants, or one of a newer API.
	Status DevboxStatus
	// NetworkPolicyID is the policy that the devbox uses, empty if the response shows
	// none. The policy's rules may change at any time.
	NetworkPolicyID string
	// CreateTime is in UTC, to the millisecond. It is zero if the response has none.
	CreateTime time.Time
	// EndTime is when the devbox ended, and zero before.
	EndTime time.Time
	// FailureReason tells why Status is DevboxFailure, as in "out_of_memory".
	FailureReason string
	// ShutdownReason tells why Status is DevboxShutdown, as in "api_shutdown",
	// "keep_alive_timeout" or "entrypoint_exit".
	ShutdownReason string
	// Metadata is that of the create, and MetadataRequestID.
	Metadata map[string]string
	// BlueprintID is the blueprint that the devbox was created from, or empty.
	BlueprintID string
	// SnapshotID is the snapshot that the devbox was created from, or empty.
	SnapshotID string
	// Raw is the whole JSON object of the response, a copy. It is nil if no response
	// showed the devbox.
	Raw json.RawMessage
}

// Format makes every verb print the ID and the status only.
func (d Devbox) Format(s fmt.State, verb rune) { formatText(s, verb, d.text()) }

// LogValue has the ID and the status only.
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

// UnmarshalJSON reads a devbox as the API writes it, for [Client.Do]. On an error d is
// unchanged.
func (d *Devbox) UnmarshalJSON(document []byte) error {
	return unmarshal(document, d, func(r decoder, devbox *Devbox) error { return r.devbox(devbox, document) })
}

// A DevboxStatus is where a devbox is in its life. A newer API may use others.
type DevboxStatus string

// The statuses of a devbox.
const (
	DevboxQueued       DevboxStatus = "queued"       // waits for a place
	DevboxProvisioning DevboxStatus = "provisioning" // is being created
	DevboxInitializing DevboxStatus = "initializing" // runs its launch commands
	DevboxRunning      DevboxStatus = "running"      // is usable
	DevboxSuspending   DevboxStatus = "suspending"   // is being suspended
	DevboxSuspended    DevboxStatus = "suspended"    // can be resumed
	DevboxResuming     DevboxStatus = "resuming"     // is being resumed
	DevboxFailure      DevboxStatus = "failure"      // failed, for good: see FailureReason
	DevboxShutdown     DevboxStatus = "shutdown"     // ended: see ShutdownReason
)

// hasEnded reports whether a devbox with the status never runs again.
func (s DevboxStatus) hasEnded() bool { return s == DevboxFailure || s == DevboxShutdown }

// DevboxCreateParams are the parameters of Launch and Create. Exactly one of
// NetworkPolicyID, NetworkPolicy and Unrestricted must be set, and at most one of
// BlueprintID, BlueprintName and SnapshotID. All else is optional.
//
// Every format verb prints the name only, because environment variables are often
// secrets.
type DevboxCreateParams struct {
	// Name need not be unique.
	Name string

	// NetworkPolicyID is the ID of an existing policy.
	NetworkPolicyID string
	// NetworkPolicy is a policy that is ensured first, as by
	// [NetworkPoliciesService.Ensure].
	NetworkPolicy *NetworkPolicyCreateParams
	// Unrestricted sends no policy: the devbox may connect to anything that a policy of
	// its blueprint does not deny. Nothing is verified.
	Unrestricted bool

	// BlueprintID is the ID of the blueprint to create the devbox from.
	BlueprintID string
	// BlueprintName is the name of the blueprint to create the devbox from.
	BlueprintName string
	// SnapshotID is the ID of the snapshot to create the devbox from.
	SnapshotID string

	// Entrypoint is the command that the devbox runs, and ends with.
	Entrypoint string
	// EnvironmentVariables are set in the devbox. They never appear in errors, or when
	// the parameters are formatted or logged.
	EnvironmentVariables map[string]string
	// Metadata is stored with the devbox and returned with it. MetadataRequestID is set
	// by the SDK and not allowed here.
	Metadata map[string]string
	// LaunchParameters are the size and the life of the devbox.
	LaunchParameters DevboxLaunchParameters
	// Extra has further fields of the request's body, such as "mounts" or "secrets".
	// The values are encoded by encoding/json. An object under "launch_parameters" is
	// merged with LaunchParameters field by field. Fields that the SDK has a parameter
	// for are not allowed, and network_policy_id is not allowed on any level.
	Extra map[string]any
}

// Format makes every verb print the name only.
func (p DevboxCreateParams) Format(s fmt.State, verb rune) { formatText(s, verb, p.text()) }

// LogValue has the name only.
func (p DevboxCreateParams) LogValue() slog.Value { return slog.StringValue(p.text()) }

func (p DevboxCreateParams) text() string { return "devbox " + quote(p.Name) }

// DevboxLaunchParameters are the size and the life of a devbox. Zero fields are not sent
// and get the API's defaults.
type DevboxLaunchParameters struct {
	// ResourceSize is one of the constants. The API's default is DevboxSmall.
	ResourceSize DevboxResourceSize
	// CustomCPUCores is the number of cores of a DevboxCustomSize, 0.5 or more.
	CustomCPUCores float64
	// CustomGBMemory is the memory of a DevboxCustomSize, in GB.
	CustomGBMemory int
	// CustomDiskSize is the disk of a DevboxCustomSize, in GB.
	CustomDiskSize int
	// Architecture is DevboxX8664 or DevboxARM64.
	Architecture DevboxArchitecture
	// KeepAlive is how long the devbox lives at most, in whole seconds up to 48 hours.
	// 0 means the API's default of one hour. It also ends what a killed process leaves.
	KeepAlive time.Duration
	// LaunchCommands run before the devbox is running. They may begin before the policy
	// is verified.
	LaunchCommands []string
}

// A DevboxResourceSize is the size of a devbox. The API may accept others.
type DevboxResourceSize string

// The sizes of a devbox.
const (
	DevboxXSmall     DevboxResourceSize = "X_SMALL"     // the smallest
	DevboxSmall      DevboxResourceSize = "SMALL"       // the API's default
	DevboxMedium     DevboxResourceSize = "MEDIUM"      // above small
	DevboxLarge      DevboxResourceSize = "LARGE"       // above medium
	DevboxXLarge     DevboxResourceSize = "X_LARGE"     // above large
	DevboxXXLarge    DevboxResourceSize = "XX_LARGE"    // the largest
	DevboxCustomSize DevboxResourceSize = "CUSTOM_SIZE" // as the Custom fields have it
)

// A DevboxArchitecture is the processor architecture of a devbox. The API may accept
// others.
type DevboxArchitecture string

// The processor architectures of a devbox.
const (
	DevboxX8664 DevboxArchitecture = "x86_64" // 64-bit x86, amd64 in Go
	DevboxARM64 DevboxArchitecture = "arm64"  // 64-bit ARM
)

// DevboxListParams are the parameters of List and All. The zero value requests every
// devbox, those that have ended included.
type DevboxListParams struct {
	// Status filters by status. Empty means every status.
	Status DevboxStatus `url:"status,omitempty"`
	// Limit is the size of a page, at most 5000. 0 means the default: 20 for List, set
	// by the API, and 1000 for All.
	Limit int `url:"limit,omitempty"`
	// StartingAfter is the ID of the devbox after which the page begins.
	StartingAfter string `url:"starting_after,omitempty"`
	// IncludeTotalCount tells whether the API counts all devboxes. Nil means the
	// default: the API's for List, and false for All.
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
	// Devboxes are in the API's order, which it does not document.
	Devboxes []Devbox
	// HasMore reports whether there are devboxes after the last one of this page.
	HasMore bool
	// TotalCount is the number of devboxes in all, nil if the API did not count them.
	TotalCount *int
}

// NextCursor returns the StartingAfter of the next page, or "" if this page is the last.
func (p *DevboxPage) NextCursor() string {
	if p == nil || !p.HasMore || len(p.Devboxes) == 0 {
		return ""
	}
	return p.Devboxes[len(p.Devboxes)-1].ID
}

func (p *DevboxPage) hasMore() bool { return p.HasMore }
