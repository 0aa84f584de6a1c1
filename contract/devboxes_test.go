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

// devboxFields tie each property of a create to a parameter of the SDK. Those without one
// are for Extra.
var devboxFields = map[string]struct {
	set  func(*runloop.DevboxCreateParams)
	json string
}{
	"name":                  {func(p *runloop.DevboxCreateParams) { p.Name = "set" }, `"set"`},
	"metadata":              {func(p *runloop.DevboxCreateParams) { p.Metadata = map[string]string{"a": "b"} }, `{"a": "b"}`},
	"environment_variables": {func(p *runloop.DevboxCreateParams) { p.EnvironmentVariables = map[string]string{"A": "b"} }, `{"A": "b"}`},
	"entrypoint":            {func(p *runloop.DevboxCreateParams) { p.Entrypoint = "sleep 1" }, `"sleep 1"`},
	"blueprint_id":          {func(p *runloop.DevboxCreateParams) { p.BlueprintID = "bp_1" }, `"bp_1"`},
	"blueprint_name":        {func(p *runloop.DevboxCreateParams) { p.BlueprintName = "go" }, `"go"`},
	"snapshot_id":           {func(p *runloop.DevboxCreateParams) { p.SnapshotID = "snp_1" }, `"snp_1"`},
	"secrets":               {extra("secrets", map[string]string{"A": "b"}), `{"A": "b"}`},
	"mounts":                {extra("mounts", []any{map[string]string{"type": "object_mount"}}), `[{"type": "object_mount"}]`},
	"tunnel":                {extra("tunnel", map[string]string{"auth_mode": "open"}), `{"auth_mode": "open"}`},
	"gateways":              {extra("gateways", map[string]any{"G": map[string]string{"gateway": "g"}}), `{"G": {"gateway": "g"}}`},
	"mcp":                   {extra("mcp", map[string]any{"M": map[string]string{"secret": "s"}}), `{"M": {"secret": "s"}}`},

	"launch_parameters.network_policy_id": {func(p *runloop.DevboxCreateParams) {
		p.NetworkPolicyID, p.Unrestricted = "npol_000001", false
	}, `"npol_000001"`},
	"launch_parameters.resource_size_request": {func(p *runloop.DevboxCreateParams) { p.LaunchParameters.ResourceSize = runloop.DevboxXSmall }, `"X_SMALL"`},
	"launch_parameters.custom_cpu_cores":      {func(p *runloop.DevboxCreateParams) { p.LaunchParameters.CustomCPUCores = 0.5 }, `0.5`},
	"launch_parameters.custom_gb_memory":      {func(p *runloop.DevboxCreateParams) { p.LaunchParameters.CustomGBMemory = 1 }, `1`},
	"launch_parameters.custom_disk_size":      {func(p *runloop.DevboxCreateParams) { p.LaunchParameters.CustomDiskSize = 2 }, `2`},
	"launch_parameters.architecture":          {func(p *runloop.DevboxCreateParams) { p.LaunchParameters.Architecture = runloop.DevboxARM64 }, `"arm64"`},
	"launch_parameters.keep_alive_time_seconds": {func(p *runloop.DevboxCreateParams) {
		p.LaunchParameters.KeepAlive = 48 * time.Hour
	}, `172800`},
	"launch_parameters.launch_commands":   {func(p *runloop.DevboxCreateParams) { p.LaunchParameters.LaunchCommands = []string{"true"} }, `["true"]`},
	"launch_parameters.lifecycle":         {launchExtra("lifecycle", map[string]any{}), `{}`},
	"launch_parameters.after_idle":        {launchExtra("after_idle", map[string]int{"idle_time_seconds": 60}), `{"idle_time_seconds": 60}`},
	"launch_parameters.user_parameters":   {launchExtra("user_parameters", map[string]string{"username": "u"}), `{"username": "u"}`},
	"launch_parameters.required_services": {launchExtra("required_services", []string{"db"}), `["db"]`},
	"launch_parameters.provisioning_tier": {launchExtra("provisioning_tier", "flex"), `"flex"`},
}

func extra(name string, value any) func(*runloop.DevboxCreateParams) {
	return func(p *runloop.DevboxCreateParams) { p.Extra = map[string]any{name: value} }
}

func launchExtra(name string, value any) func(*runloop.DevboxCreateParams) {
	return extra("launch_parameters", map[string]any{name: value})
}

func TestDevboxCreateNames(t *testing.T) {
	t.Parallel()
	properties := slices.DeleteFunc(live(t).Properties("DevboxCreateParameters"), func(name string) bool {
		return name == "launch_parameters"
	})
	for _, name := range live(t).Properties("DevboxLaunchParameters") {
		properties = append(properties, "launch_parameters."+name)
	}
	var fields []string
	for name := range devboxFields {
		fields = append(fields, name)
	}
	assert.ElementsMatch(t, properties, fields, "each property has its field")
}

// testDevboxes creates a devbox with each parameter, and lists with each.
func testDevboxes(t *testing.T, e *edition) {
	if !e.younger {
		t.Skip("version 0.1 has no devboxes")
	}
	a := e.account(t)
	a.has("policy")
	for name, field := range devboxFields {
		params := runloop.DevboxCreateParams{Unrestricted: true}
		field.set(&params)
		devbox, err := a.Devboxes.Create(t.Context(), params)
		require.NoError(t, err, name)
		requests := a.fake.Requests(runlooptest.CreateDevbox)
		sent := json.RawMessage(requests[len(requests)-1].Body)
		assert.Len(t, members(t, sent), len(slices.Compact([]string{"metadata", strings.Split(name, ".")[0]})), "%s sets nothing else", name)
		for step := range strings.SplitSeq(name, ".") {
			sent = members(t, sent)[step]
		}
		if name == "metadata" {
			assert.Equal(t, map[string]string{"a": "b", runloop.MetadataRequestID: devbox.Metadata[runloop.MetadataRequestID]}, devbox.Metadata)
			continue
		}
		assert.JSONEq(t, field.json, string(sent), name)
	}

	devboxes := a.fake.Devboxes()
	for params := range combinations([]func(*runloop.DevboxListParams){
		func(p *runloop.DevboxListParams) { p.Status = runloop.DevboxRunning },
		func(p *runloop.DevboxListParams) { p.Limit = 3 },
		func(p *runloop.DevboxListParams) { p.StartingAfter = devboxes[9].ID },
		func(p *runloop.DevboxListParams) { p.IncludeTotalCount = new(true) },
		func(p *runloop.DevboxListParams) { p.IncludeTotalCount = new(false) },
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

// testDevboxLife has every size, architecture, status and reason of the document.
func testDevboxLife(t *testing.T, e *edition) {
	if !e.younger {
		t.Skip("version 0.1 has no devboxes")
	}
	synctest.Test(t, func(t *testing.T) {
		a := e.account(t)
		for _, size := range e.document.Values("DevboxResourceSize") {
			_, err := a.Devboxes.Create(t.Context(), runloop.DevboxCreateParams{Unrestricted: true,
				LaunchParameters: runloop.DevboxLaunchParameters{ResourceSize: runloop.DevboxResourceSize(size)}})
			require.NoError(t, err, size)
		}
		for _, status := range e.document.Values("DevboxStatus") {
			scripts := []runlooptest.DevboxScript{{Statuses: []string{status}}}
			switch status {
			case "failure":
				for _, reason := range []string{"out_of_memory", "out_of_disk", "execution_failed", "health_check_failed"} {
					scripts = append(scripts, runlooptest.DevboxScript{Statuses: []string{status}, FailureReason: reason})
				}
			case "shutdown":
				for _, reason := range []string{"keep_alive_timeout", "entrypoint_exit", "idle", "ttl_expired"} {
					scripts = append(scripts, runlooptest.DevboxScript{Statuses: []string{status}, ShutdownReason: reason})
				}
			}
			a.fake.ScriptDevboxes(scripts...)
			var devbox *runloop.Devbox
			for range scripts {
				var err error
				devbox, err = a.Devboxes.Create(t.Context(), runloop.DevboxCreateParams{Unrestricted: true})
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
	if !e.younger {
		t.Skip("version 0.1 has no devboxes")
	}
	assert.Equal(t, e.document.Properties("DevboxView"), slices.Sorted(maps.Keys(members(t, []byte(fullDevbox)))))
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
	}), e.recorder)).Devboxes.Create(t.Context(), runloop.DevboxCreateParams{NetworkPolicyID: "npol_1"})
	require.NoError(t, err)
}

// The SDK's constants are the values of the document.
func TestDevboxValues(t *testing.T) {
	t.Parallel()
	assert.ElementsMatch(t, live(t).Values("DevboxStatus"), texts(
		runloop.DevboxQueued, runloop.DevboxProvisioning, runloop.DevboxInitializing, runloop.DevboxRunning,
		runloop.DevboxSuspending, runloop.DevboxSuspended, runloop.DevboxResuming, runloop.DevboxFailure, runloop.DevboxShutdown))
	assert.ElementsMatch(t, live(t).Values("DevboxResourceSize"), texts(
		runloop.DevboxXSmall, runloop.DevboxSmall, runloop.DevboxMedium, runloop.DevboxLarge,
		runloop.DevboxXLarge, runloop.DevboxXXLarge, runloop.DevboxCustomSize))
	assert.ElementsMatch(t, live(t).Values("DevboxArchitecture"), texts(runloop.DevboxX8664, runloop.DevboxARM64))
}

func texts[S ~string](values ...S) []string {
	var texts []string
	for _, value := range values {
		texts = append(texts, string(value))
	}
	return texts
}

func members(t *testing.T, object []byte) map[string]json.RawMessage {
	t.Helper()
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(object, &members), "%s", object)
	return members
}
