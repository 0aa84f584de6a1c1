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

// maxKeepAlive is the API's limit.
const maxKeepAlive = 48 * time.Hour

// resourceSizes and architectures map spellings, as plainName returns them, to the
// spelling of the API.
var (
	resourceSizes = map[string]DevboxResourceSize{
		"xsmall": DevboxXSmall, "small": DevboxSmall, "medium": DevboxMedium, "large": DevboxLarge,
		"xlarge": DevboxXLarge, "xxlarge": DevboxXXLarge, "customsize": DevboxCustomSize, "custom": DevboxCustomSize,
	}
	architectures = map[string]DevboxArchitecture{
		"x8664": DevboxX8664, "amd64": DevboxX8664, "arm64": DevboxARM64, "aarch64": DevboxARM64,
	}
)

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
	for name, value := range p.EnvironmentVariables {
		if strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00") {
			ps.add("EnvironmentVariables", `a name contains "=", or a name or value contains a NUL byte: write the name as the key and the value as the value`)
			break
		}
	}
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
		return "must not be blank: write the ID of a policy"
	case id != p.NetworkPolicyID:
		return "has surrounding spaces: write " + quote(id)
	}
	return ""
}

func (p DevboxLaunchParameters) check(ps *problems) {
	const field = "LaunchParameters."
	ps.add(field+"ResourceSize", spellingProblem(p.ResourceSize, resourceSizes))
	size, isKnown := resourceSizes[plainName(string(p.ResourceSize))]
	hasCustom := p.CustomCPUCores != 0 || p.CustomGBMemory != 0 || p.CustomDiskSize != 0
	if hasCustom && isKnown && size != DevboxCustomSize {
		ps.add(field+"ResourceSize", fmt.Sprintf("%s has no custom cores, memory or disk: set DevboxCustomSize", quote(string(p.ResourceSize))))
	}
	if !(p.CustomCPUCores >= 0) || math.IsInf(p.CustomCPUCores, 0) { // includes NaN
		ps.add(field+"CustomCPUCores", fmt.Sprintf("%v is not a number of cores: write a positive number, such as 0.5", p.CustomCPUCores))
	}
	for _, f := range []struct {
		name  string
		value int
	}{{"CustomGBMemory", p.CustomGBMemory}, {"CustomDiskSize", p.CustomDiskSize}} {
		if f.value < 0 {
			ps.add(field+f.name, fmt.Sprintf("%d is negative: write the size in GB", f.value))
		}
	}
	ps.add(field+"Architecture", spellingProblem(p.Architecture, architectures))
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

// spellingProblem reports another spelling of a known value. Any other text may be a value
// of a newer API.
func spellingProblem[T ~string](value T, known map[string]T) string {
	if want, ok := known[plainName(string(value))]; ok && want != value {
		return fmt.Sprintf("%s is not a value of the API: write %s", quote(string(value)), quote(string(want)))
	}
	return textProblem(string(value))
}

func countSet(set ...bool) (n int) {
	for _, isSet := range set {
		if isSet {
			n++
		}
	}
	return n
}

// secretTextProblem is textProblem for a text that must not appear in errors.
func secretTextProblem(text string) string {
	switch {
	case !utf8.ValidString(text):
		return "must be valid UTF-8"
	case strings.Contains(text, "\x00"):
		return "contains a NUL byte: remove it"
	}
	return ""
}

// secretMapProblem reports a problem without the names and values.
func secretMapProblem(m map[string]string) string {
	for name, value := range m {
		switch {
		case name == "":
			return "a name is empty: every entry needs one"
		case !utf8.ValidString(name) || !utf8.ValidString(value):
			return "every name and value must be valid UTF-8"
		}
	}
	return ""
}

// The request bodies.

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

// MarshalJSON adds the fields of Extra, without a tag option, because its name differs
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

// newDevboxBody returns the body of a create without the policy ID and the request ID. The
// parameters must be valid. The body shares no memory with them.
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

// extraFields are the encoded fields of Extra and of its launch parameters.
type extraFields struct{ body, launch map[string]jsontext.Value }

const fieldLaunchParameters = "launch_parameters"

// The parameters of fields that have one, by the field's plainName.
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

// encodeExtra encodes Extra, or returns its problems. It checks the JSON that is sent,
// because values can have any JSON form.
func encodeExtra(extra map[string]any) (fields extraFields, problems []string) {
	if len(extra) == 0 {
		return extraFields{}, nil
	}
	document, err := json.Marshal(extra)
	if err == nil {
		problems, err = policiesIn(document) // which also rejects duplicate names
	}
	if err == nil {
		err = jsonv2.Unmarshal(document, &fields.body)
	}
	if err != nil {
		return extraFields{}, []string{"cannot be encoded as JSON: " + err.Error()}
	}
	if launch, ok := fields.body[fieldLaunchParameters]; ok {
		delete(fields.body, fieldLaunchParameters)
		if launch.Kind() != '{' {
			problems = append(problems, fieldLaunchParameters+" must be a JSON object")
		} else if err := jsonv2.Unmarshal(launch, &fields.launch); err != nil {
			problems = append(problems, "cannot be encoded as JSON: "+err.Error())
		}
	}
	problems = append(problems, ownFields(fields.body, bodyFields)...)
	problems = append(problems, ownFields(fields.launch, launchFields)...)
	return fields, problems
}

// policiesIn returns a problem for each policy ID at any level of the document.
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
	for _, name := range slices.Sorted(maps.Keys(fields)) { // so that the error is always the same
		if parameter := parameters[plainName(name)]; parameter != "" {
			problems = append(problems, fmt.Sprintf("%s is not allowed: set %s", quote(name), parameter))
		}
	}
	return problems
}

// plainName returns the name in lower case and without separators, so that networkPolicyId
// equals network_policy_id.
func plainName(name string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(name))
}
