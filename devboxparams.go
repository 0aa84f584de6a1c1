package runloop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// What a create sends: the checks of its parameters, and its body.

// maxKeepAlive is the API's limit.
const maxKeepAlive = 48 * time.Hour

// validate also reports what encodeExtra found.
func (p DevboxCreateParams) validate(op string, extraProblems []string) error {
	ps := problems{op: op}
	ps.add("Name", textProblem(p.Name))
	ps.add("NetworkPolicyID", p.policyProblem())
	ps.add("NetworkPolicyID", textProblem(p.NetworkPolicyID))
	if p.NetworkPolicy != nil {
		p.NetworkPolicy.check(&ps, "NetworkPolicy.")
	}
	if n := countSet(p.BlueprintID != "", p.BlueprintName != "", p.SnapshotID != ""); n > 1 {
		ps.add("BlueprintID", "set at most one of BlueprintID, BlueprintName and SnapshotID")
	}
	ps.add("BlueprintID", textProblem(p.BlueprintID))
	ps.add("BlueprintName", textProblem(p.BlueprintName))
	ps.add("SnapshotID", textProblem(p.SnapshotID))
	ps.add("Entrypoint", secretTextProblem(p.Entrypoint))
	ps.add("EnvironmentVariables", secretMapProblem(p.EnvironmentVariables))
	ps.add("Metadata", secretMapProblem(p.Metadata))
	if _, set := p.Metadata[MetadataRequestID]; set {
		ps.add("Metadata", MetadataRequestID+" is set by the SDK: use WithIdempotencyKey to choose its value")
	}
	p.LaunchParameters.check(&ps)
	for _, problem := range extraProblems {
		ps.add("Extra", problem)
	}
	return ps.err()
}

func (p DevboxCreateParams) policyProblem() string {
	const choices = "one of NetworkPolicyID, NetworkPolicy and Unrestricted"
	id := strings.TrimSpace(p.NetworkPolicyID)
	switch n := countSet(p.NetworkPolicyID != "", p.NetworkPolicy != nil, p.Unrestricted); {
	case n == 0:
		return "a devbox without a policy may connect to anything: set " + choices
	case n > 1:
		return "set only " + choices
	case id == "" && p.NetworkPolicyID != "":
		return "must not be blank"
	case id != p.NetworkPolicyID:
		return "has surrounding blanks: write " + quote(id)
	}
	return ""
}

func (p DevboxLaunchParameters) check(ps *problems) {
	const field = "LaunchParameters."
	ps.add(field+"ResourceSize", textProblem(string(p.ResourceSize)))
	if !(p.CustomCPUCores >= 0) || math.IsInf(p.CustomCPUCores, 0) { // NaN as well
		ps.add(field+"CustomCPUCores", fmt.Sprintf("%v is not a number of cores", p.CustomCPUCores))
	}
	for _, f := range []struct {
		name  string
		value int
	}{{"CustomGBMemory", p.CustomGBMemory}, {"CustomDiskSize", p.CustomDiskSize}} {
		if f.value < 0 {
			ps.add(field+f.name, fmt.Sprintf("%d must not be negative", f.value))
		}
	}
	ps.add(field+"Architecture", textProblem(string(p.Architecture)))
	switch {
	case p.KeepAlive < 0 || p.KeepAlive > maxKeepAlive:
		ps.add(field+"KeepAlive", fmt.Sprintf("%s is not between 0 and %s: write 0 for the API's default", p.KeepAlive, maxKeepAlive))
	case p.KeepAlive%time.Second != 0:
		ps.add(field+"KeepAlive", fmt.Sprintf("%s is not a whole number of seconds: write it as in 90*time.Second", p.KeepAlive))
	}
	for i, command := range p.LaunchCommands {
		problem := secretTextProblem(command)
		if strings.TrimSpace(command) == "" {
			problem = "must not be blank"
		}
		ps.add(fmt.Sprintf("%sLaunchCommands[%d]", field, i), problem)
	}
}

func countSet(set ...bool) (n int) {
	for _, isSet := range set {
		if isSet {
			n++
		}
	}
	return n
}

// secretTextProblem is textProblem for a text that must not appear in an error.
func secretTextProblem(text string) string {
	if !utf8.ValidString(text) {
		return "must be valid UTF-8"
	}
	return ""
}

// secretMapProblem shows neither names nor values.
func secretMapProblem(m map[string]string) string {
	for name, value := range m {
		switch {
		case name == "":
			return "an entry has an empty name: remove it or name it"
		case !utf8.ValidString(name) || !utf8.ValidString(value):
			return "every name and value must be valid UTF-8"
		}
	}
	return ""
}

// The wire forms of requests.

type waitBody struct {
	Statuses       []DevboxStatus `json:"statuses"`
	TimeoutSeconds int            `json:"timeout_seconds"`
}

type devboxBody struct {
	Name                 string                    `json:"name,omitzero"`
	Metadata             map[string]string         `json:"metadata"`
	EnvironmentVariables map[string]string         `json:"environment_variables,omitempty"`
	Entrypoint           string                    `json:"entrypoint,omitzero"`
	BlueprintID          string                    `json:"blueprint_id,omitzero"`
	BlueprintName        string                    `json:"blueprint_name,omitzero"`
	SnapshotID           string                    `json:"snapshot_id,omitzero"`
	LaunchParameters     launchBody                `json:"launch_parameters,omitzero"`
	Extra                map[string]jsontext.Value `json:"-"`
}

type launchBody struct {
	NetworkPolicyID      string                    `json:"network_policy_id,omitzero"`
	ResourceSizeRequest  DevboxResourceSize        `json:"resource_size_request,omitzero"`
	CustomCPUCores       float64                   `json:"custom_cpu_cores,omitzero"`
	CustomGBMemory       int                       `json:"custom_gb_memory,omitzero"`
	CustomDiskSize       int                       `json:"custom_disk_size,omitzero"`
	Architecture         DevboxArchitecture        `json:"architecture,omitzero"`
	KeepAliveTimeSeconds int64                     `json:"keep_alive_time_seconds,omitzero"`
	LaunchCommands       []string                  `json:"launch_commands,omitempty"`
	Extra                map[string]jsontext.Value `json:"-"`
}

// MarshalJSON adds the fields of Extra. The tag option for that has changed its name
// between versions of package json.
func (b devboxBody) MarshalJSON() ([]byte, error) {
	type fields devboxBody // without this method
	return marshalWithExtra(fields(b), b.Extra)
}

// MarshalJSON adds the fields of Extra.
func (b launchBody) MarshalJSON() ([]byte, error) {
	type fields launchBody
	return marshalWithExtra(fields(b), b.Extra)
}

func marshalWithExtra(fields any, extra map[string]jsontext.Value) ([]byte, error) {
	object, err := jsonv2.Marshal(fields)
	if err != nil || len(extra) == 0 {
		return object, err
	}
	more, err := jsonv2.Marshal(extra)
	if err != nil || len(object) == len("{}") {
		return more, err
	}
	object[len(object)-1] = ',' // in place of the closing brace
	return append(object, more[1:]...), nil
}

// newDevboxBody returns the body of a create without the policy and the request ID. It
// shares nothing with the parameters, which must be valid.
func newDevboxBody(p DevboxCreateParams, extra extraFields) devboxBody {
	metadata := make(map[string]string, len(p.Metadata)+1)
	maps.Copy(metadata, p.Metadata)
	return devboxBody{
		Name:                 p.Name,
		Metadata:             metadata,
		EnvironmentVariables: maps.Clone(p.EnvironmentVariables),
		Entrypoint:           p.Entrypoint,
		BlueprintID:          p.BlueprintID,
		BlueprintName:        p.BlueprintName,
		SnapshotID:           p.SnapshotID,
		Extra:                extra.body,
		LaunchParameters: launchBody{
			ResourceSizeRequest:  p.LaunchParameters.ResourceSize,
			CustomCPUCores:       p.LaunchParameters.CustomCPUCores,
			CustomGBMemory:       p.LaunchParameters.CustomGBMemory,
			CustomDiskSize:       p.LaunchParameters.CustomDiskSize,
			Architecture:         p.LaunchParameters.Architecture,
			KeepAliveTimeSeconds: int64(p.LaunchParameters.KeepAlive / time.Second),
			LaunchCommands:       slices.Clone(p.LaunchParameters.LaunchCommands),
			Extra:                extra.launch,
		},
	}
}

// set completes the body for one create.
func (b *devboxBody) set(policyID, requestID string) {
	b.LaunchParameters.NetworkPolicyID = policyID
	b.Metadata[MetadataRequestID] = requestID
}

// extraFields are the fields of Extra, and those that it has for the launch parameters.
type extraFields struct{ body, launch map[string]jsontext.Value }

const fieldLaunchParameters = "launch_parameters"

// The fields that have a parameter, by their name without case and separators.
var (
	bodyFields = map[string]string{
		"name":                 "Name",
		"metadata":             "Metadata",
		"environmentvariables": "EnvironmentVariables",
		"entrypoint":           "Entrypoint",
		"blueprintid":          "BlueprintID",
		"blueprintname":        "BlueprintName",
		"snapshotid":           "SnapshotID",
		"launchparameters":     `LaunchParameters, or "launch_parameters"`,
	}
	launchFields = map[string]string{
		"resourcesizerequest":  "LaunchParameters.ResourceSize",
		"customcpucores":       "LaunchParameters.CustomCPUCores",
		"customgbmemory":       "LaunchParameters.CustomGBMemory",
		"customdisksize":       "LaunchParameters.CustomDiskSize",
		"architecture":         "LaunchParameters.Architecture",
		"keepalivetimeseconds": "LaunchParameters.KeepAlive",
		"launchcommands":       "LaunchParameters.LaunchCommands",
	}
)

// encodeExtra encodes Extra, or returns all that is wrong with it. It checks what is
// sent: the JSON, whatever it came from.
func encodeExtra(extra map[string]any) (fields extraFields, problems []string) {
	if len(extra) == 0 {
		return extraFields{}, nil
	}
	document, err := json.Marshal(extra)
	if err == nil {
		problems, err = policiesIn(document) // refuses duplicate names too
	}
	if err == nil {
		err = jsonv2.Unmarshal(document, &fields.body)
	}
	if err != nil {
		return extraFields{}, []string{"is not JSON: " + err.Error()}
	}
	if launch, ok := fields.body[fieldLaunchParameters]; ok {
		delete(fields.body, fieldLaunchParameters)
		if launch.Kind() != '{' {
			problems = append(problems, fieldLaunchParameters+" must be an object")
		} else if err := jsonv2.Unmarshal(launch, &fields.launch); err != nil {
			problems = append(problems, "is not JSON: "+err.Error())
		}
	}
	problems = append(problems, ownFields(fields.body, bodyFields)...)
	problems = append(problems, ownFields(fields.launch, launchFields)...)
	return fields, problems
}

// policiesIn returns a problem for each ID of a policy, on whatever level.
func policiesIn(document []byte) (problems []string, err error) {
	d := jsontext.NewDecoder(bytes.NewReader(document))
	for {
		token, err := d.ReadToken()
		switch {
		case err == io.EOF:
			return problems, nil
		case err != nil:
			return nil, err
		}
		kind, length := d.StackIndex(d.StackDepth())
		isName := kind == '{' && length%2 == 1 && token.Kind() == '"'
		if isName && plainName(token.String()) == "networkpolicyid" {
			problems = append(problems, quote(token.String())+" is not allowed: set NetworkPolicyID or NetworkPolicy")
		}
	}
}

// ownFields returns a problem for each field that has a parameter.
func ownFields(fields map[string]jsontext.Value, parameters map[string]string) (problems []string) {
	for _, name := range slices.Sorted(maps.Keys(fields)) { // for the same error each time
		if parameter := parameters[plainName(name)]; parameter != "" {
			problems = append(problems, fmt.Sprintf("%s is not allowed: set %s", quote(name), parameter))
		}
	}
	return problems
}

// plainName returns the name of a field without case and separators: networkPolicyId is
// network_policy_id.
func plainName(name string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(name))
}
