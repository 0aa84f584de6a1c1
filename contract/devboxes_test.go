package contract_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

type devboxParams = runloop.DevboxCreateParams

// devboxFields are those of a create. Properties without a parameter are for Extra.
var devboxFields = []field[devboxParams]{
	{"name", func(p *devboxParams) { p.Name = "set" }, `"set"`},
	{"metadata", func(p *devboxParams) { p.Metadata = map[string]string{"a": "b"} }, `{"a": "b"}`},
	{"environment_variables", func(p *devboxParams) { p.EnvironmentVariables = map[string]string{"A": "b"} }, `{"A": "b"}`},
	{"entrypoint", func(p *devboxParams) { p.Entrypoint = "sleep 1" }, `"sleep 1"`},
	{"blueprint_id", func(p *devboxParams) { p.BlueprintID = "bp_1" }, `"bp_1"`},
	{"blueprint_name", func(p *devboxParams) { p.BlueprintName = "go" }, `"go"`},
	{"snapshot_id", func(p *devboxParams) { p.SnapshotID = "snp_1" }, `"snp_1"`},
	extra("secrets", `{"A": "b"}`),
	extra("mounts", `[{"type": "object_mount"}]`),
	extra("tunnel", `{"auth_mode": "open"}`),
	extra("gateways", `{"G": {"gateway": "g"}}`),
	extra("mcp", `{"M": {"secret": "s"}}`),

	{"launch_parameters.network_policy_id", func(p *devboxParams) { p.NetworkPolicyID, p.Unrestricted = "npol_000001", false }, `"npol_000001"`},
	{"launch_parameters.resource_size_request", func(p *devboxParams) { p.LaunchParameters.ResourceSize = runloop.DevboxXSmall }, `"X_SMALL"`},
	{"launch_parameters.custom_cpu_cores", func(p *devboxParams) { p.LaunchParameters.CustomCPUCores = 0.5 }, `0.5`},
	{"launch_parameters.custom_gb_memory", func(p *devboxParams) { p.LaunchParameters.CustomGBMemory = 1 }, `1`},
	{"launch_parameters.custom_disk_size", func(p *devboxParams) { p.LaunchParameters.CustomDiskSize = 2 }, `2`},
	{"launch_parameters.architecture", func(p *devboxParams) { p.LaunchParameters.Architecture = runloop.DevboxARM64 }, `"arm64"`},
	{"launch_parameters.keep_alive_time_seconds", func(p *devboxParams) { p.LaunchParameters.KeepAlive = 48 * time.Hour }, `172800`},
	{"launch_parameters.launch_commands", func(p *devboxParams) { p.LaunchParameters.LaunchCommands = []string{"true"} }, `["true"]`},
	extra("launch_parameters.lifecycle", `{}`),
	extra("launch_parameters.after_idle", `{"idle_time_seconds": 60}`),
	extra("launch_parameters.user_parameters", `{"username": "u"}`),
	extra("launch_parameters.required_services", `["db"]`),
	extra("launch_parameters.provisioning_tier", `"flex"`),
}

func extra(name, value string) field[devboxParams] {
	inner, isLaunch := strings.CutPrefix(name, "launch_parameters.")
	fields := map[string]any{inner: json.RawMessage(value)}
	if isLaunch {
		fields = map[string]any{"launch_parameters": fields}
	}
	return field[devboxParams]{name, func(p *devboxParams) { p.Extra = fields }, value}
}

func TestDevboxCreateNames(t *testing.T) {
	t.Parallel()
	isObject := func(name string) bool { return name == "launch_parameters" }
	properties := slices.DeleteFunc(today(t).Properties("DevboxCreateParameters"), isObject)
	for _, name := range today(t).Properties("DevboxLaunchParameters") {
		properties = append(properties, "launch_parameters."+name)
	}
	requireNames(t, properties, devboxFields)
}

func requireDevboxes(t *testing.T, e *edition) {
	if !e.isToday {
		t.Skip("version 0.1 has no devboxes")
	}
}

// testDevboxes creates a devbox with each parameter, and lists with each.
func testDevboxes(t *testing.T, e *edition) {
	requireDevboxes(t, e)
	a := e.account(t)
	a.has("policy")
	for _, field := range devboxFields {
		params := devboxParams{Unrestricted: true}
		field.set(&params)
		devbox, err := a.Devboxes.Create(t.Context(), params)
		require.NoError(t, err, field.name)
		requests := a.fake.Requests(runlooptest.CreateDevbox)
		sent := json.RawMessage(requests[len(requests)-1].Body)
		path := strings.Split(field.name, ".")
		assert.Len(t, object(t, sent), len(slices.Compact([]string{"metadata", path[0]})), "%s sets nothing else", field.name)
		for _, step := range path {
			sent = object(t, sent)[step]
		}
		if field.name == "metadata" {
			assert.Equal(t, map[string]string{"a": "b", runloop.MetadataRequestID: devbox.Metadata[runloop.MetadataRequestID]}, devbox.Metadata)
			continue
		}
		assert.JSONEq(t, field.want, string(sent), field.name)
	}

	devboxes := a.fake.Devboxes()
	type listParams = runloop.DevboxListParams
	for params := range combinations(e, []field[listParams]{
		{"status", func(p *listParams) { p.Status = runloop.DevboxRunning }, ""},
		{"limit", func(p *listParams) { p.Limit = 3 }, ""},
		{"starting_after", func(p *listParams) { p.StartingAfter = devboxes[9].ID }, ""},
		{"include_total_count", func(p *listParams) { p.IncludeTotalCount = new(true) }, ""},
		{"include_total_count", func(p *listParams) { p.IncludeTotalCount = new(false) }, ""},
	}) {
		page, err := a.Devboxes.List(t.Context(), params)
		require.NoError(t, err, "%+v", params)
		assert.NotEmpty(t, page.Devboxes)
	}
	found := 0
	for _, err := range a.Devboxes.All(t.Context(), runloop.DevboxListParams{Limit: 4}) {
		require.NoError(t, err)
		found++
	}
	assert.Equal(t, len(devboxFields), found)
}

var reasonsOf = map[string][]string{
	"failure":  {"out_of_memory", "out_of_disk", "execution_failed", "health_check_failed"},
	"shutdown": {"keep_alive_timeout", "entrypoint_exit", "idle", "ttl_expired"},
}

// testDevboxLife uses every size, architecture, status and reason in the document.
func testDevboxLife(t *testing.T, e *edition) {
	requireDevboxes(t, e)
	synctest.Test(t, func(t *testing.T) {
		a := e.account(t)
		for _, size := range e.document.Values("DevboxResourceSize") {
			_, err := a.Devboxes.Create(t.Context(), devboxParams{Unrestricted: true,
				LaunchParameters: runloop.DevboxLaunchParameters{ResourceSize: runloop.DevboxResourceSize(size)}})
			require.NoError(t, err, size)
		}
		for _, status := range e.document.Values("DevboxStatus") {
			scripts := []runlooptest.DevboxScript{{Statuses: []string{status}}}
			for _, reason := range reasonsOf[status] {
				script := runlooptest.DevboxScript{Statuses: []string{status}, FailureReason: reason}
				if status == "shutdown" {
					script.FailureReason, script.ShutdownReason = "", reason
				}
				scripts = append(scripts, script)
			}
			a.fake.ScriptDevboxes(scripts...)
			var devbox *runloop.Devbox
			for range scripts {
				var err error
				devbox, err = a.Devboxes.Create(t.Context(), devboxParams{Unrestricted: true})
				require.NoError(t, err, status)
				assert.Equal(t, status, string(devbox.Status))
			}
			page, err := a.Devboxes.List(t.Context(), runloop.DevboxListParams{Status: devbox.Status, Limit: 1})
			require.NoError(t, err, status)
			assert.Equal(t, devbox.ID, page.Devboxes[0].ID)
			wait(t, a, devbox)
			err = a.Do(t.Context(), http.MethodPost, "/v1/devboxes/"+devbox.ID+"/shutdown?force=true", nil, nil)
			require.NoError(t, err, status)
			_, err = a.Devboxes.Shutdown(t.Context(), devbox.ID)
			require.NoError(t, err, status)
			_, err = a.Devboxes.Get(t.Context(), devbox.ID)
			require.NoError(t, err, status)
		}
		assert.Empty(t, slices.DeleteFunc(a.fake.Running(), func(d runlooptest.Devbox) bool { return d.LaunchParameters != nil }))
	})
}

// wait awaits the devbox for 45 seconds, in which the API holds one poll to its end.
func wait(t *testing.T, a *account, devbox *runloop.Devbox) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
	defer cancel()
	_, err := a.Devboxes.AwaitRunning(ctx, devbox.ID)
	switch devbox.Status {
	case runloop.DevboxRunning:
		require.NoError(t, err)
	case runloop.DevboxFailure, runloop.DevboxShutdown:
		require.ErrorIs(t, err, runloop.ErrDevboxFailed)
	default:
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
}

// fullDevbox has something in every property of the view.
const fullDevbox = `{
	"id": "dbx_1", "name": "set", "status": "running", "create_time_ms": 86400001, "end_time_ms": 86400002,
	"metadata": {"a": "b"}, "capabilities": ["docker"], "blueprint_id": "bp_1", "snapshot_id": "snp_1",
	"state_transitions": [{"status": "running", "transition_time_ms": 1}],
	"failure_reason": "out_of_disk", "shutdown_reason": "idle", "initiator_type": "invocation", "initiator_id": "inv_1",
	"tunnel": {}, "gateway_specs": {}, "mcp_specs": {}, "launch_parameters": {
		"network_policy_id": "npol_1", "resource_size_request": "X_SMALL", "custom_cpu_cores": 0.5, "custom_gb_memory": 1,
		"custom_disk_size": 2, "architecture": "arm64", "keep_alive_time_seconds": 60, "launch_commands": ["true"],
		"lifecycle": {}, "after_idle": {}, "user_parameters": {}, "required_services": ["db"], "provisioning_tier": "flex"
	}
}`

// testFullDevbox has the properties that the fake never shows in every response, and ties
// each to a field. What has no field is in Raw.
func testFullDevbox(t *testing.T, e *edition) {
	requireDevboxes(t, e)
	assert.Equal(t, e.document.Properties("DevboxView"), slices.Sorted(maps.Keys(object(t, []byte(fullDevbox)))))
	client := func(response string) *runloop.Client {
		return clientOver(t, e.over(t, canned(http.StatusOK, response), e.recorder))
	}
	got, err := client(fullDevbox).Devboxes.Get(t.Context(), "dbx_1")
	require.NoError(t, err)
	want := runloop.Devbox{
		ID: "dbx_1", Name: "set", Status: runloop.DevboxRunning, NetworkPolicyID: "npol_1",
		CreateTime:    time.Date(1970, 1, 2, 0, 0, 0, 1e6, time.UTC),
		EndTime:       time.Date(1970, 1, 2, 0, 0, 0, 2e6, time.UTC),
		FailureReason: "out_of_disk", ShutdownReason: "idle", Metadata: map[string]string{"a": "b"},
		BlueprintID: "bp_1", SnapshotID: "snp_1", Raw: json.RawMessage(fullDevbox),
	}
	assert.Equal(t, want, *got)
	for _, field := range reflect.VisibleFields(reflect.TypeFor[runloop.Devbox]()) {
		assert.False(t, reflect.ValueOf(want).FieldByIndex(field.Index).IsZero(), "no property sets %s", field.Name)
	}

	got, err = client(fullDevbox).Devboxes.AwaitRunning(t.Context(), "dbx_1")
	require.NoError(t, err)
	assert.Equal(t, want, *got)
	page, err := client(`{"devboxes": [`+fullDevbox+`], "has_more": true, "total_count": 7}`).Devboxes.List(t.Context(), runloop.DevboxListParams{})
	require.NoError(t, err)
	assert.Equal(t, runloop.DevboxPage{Devboxes: []runloop.Devbox{want}, HasMore: true, TotalCount: new(7)}, *page)
	ended := strings.Replace(fullDevbox, `"running"`, `"shutdown"`, 1)
	_, err = client(ended).Devboxes.Shutdown(t.Context(), "dbx_1")
	require.NoError(t, err)
	_, err = clientOver(t, e.over(t, stub(func(r *http.Request) (int, string) {
		tag := fmt.Sprintf("{%q: %q}", runloop.MetadataRequestID, r.Header.Get("X-Request-Id"))
		return http.StatusOK, strings.Replace(fullDevbox, `{"a": "b"}`, tag, 1)
	}), e.recorder)).Devboxes.Create(t.Context(), devboxParams{NetworkPolicyID: "npol_1"})
	require.NoError(t, err)
}

// The SDK's constants are the values of the document.
func TestDevboxValues(t *testing.T) {
	t.Parallel()
	assert.ElementsMatch(t, today(t).Values("DevboxStatus"), texts(
		runloop.DevboxQueued, runloop.DevboxProvisioning, runloop.DevboxInitializing, runloop.DevboxRunning,
		runloop.DevboxSuspending, runloop.DevboxSuspended, runloop.DevboxResuming, runloop.DevboxFailure, runloop.DevboxShutdown))
	assert.ElementsMatch(t, today(t).Values("DevboxResourceSize"), texts(
		runloop.DevboxXSmall, runloop.DevboxSmall, runloop.DevboxMedium, runloop.DevboxLarge,
		runloop.DevboxXLarge, runloop.DevboxXXLarge, runloop.DevboxCustomSize))
	assert.ElementsMatch(t, today(t).Values("DevboxArchitecture"), texts(runloop.DevboxX8664, runloop.DevboxARM64))
}

func texts[S ~string](values ...S) []string {
	var texts []string
	for _, value := range values {
		texts = append(texts, string(value))
	}
	return texts
}
