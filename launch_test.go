package runloop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

const (
	createDevbox  = runlooptest.CreateDevbox
	listDevboxes  = runlooptest.ListDevboxes
	waitForDevbox = runlooptest.WaitForDevboxStatus
)

// underPolicy launches under the policy with the ID.
func underPolicy(id string) runloop.DevboxCreateParams {
	return runloop.DevboxCreateParams{Name: "task-17", NetworkPolicyID: id}
}

// underRules launches under a policy that is ensured.
func underRules() runloop.DevboxCreateParams {
	return runloop.DevboxCreateParams{
		Name:          "task-17",
		NetworkPolicy: &runloop.NetworkPolicyCreateParams{Name: "task-github", Egress: hosts("github.com")},
	}
}

// A launchCall is Launch or Create.
type launchCall func(*runloop.DevboxesService, context.Context, runloop.DevboxCreateParams, ...runloop.Option) (*runloop.Devbox, error)

var launchCalls = map[string]launchCall{
	"launch devbox": (*runloop.DevboxesService).Launch,
	"create devbox": (*runloop.DevboxesService).Create,
}

// eachLaunchCall runs test in a bubble for Launch and for Create.
func eachLaunchCall(t *testing.T, name string, test func(t *testing.T, op string, call launchCall)) {
	t.Helper()
	for op, call := range launchCalls {
		t.Run(name+"/"+op, clienttest.InBubble(func(t *testing.T) { test(t, op, call) }))
	}
}

// What is sent

func TestLaunchTakesThreeOrFourRequests(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		devboxes := fake.client.Devboxes
		for i, test := range []struct {
			call   launchCall
			params func() runloop.DevboxCreateParams
			want   []runlooptest.Operation
		}{
			{(*runloop.DevboxesService).Launch, underRules, []runlooptest.Operation{list, create, createDevbox, waitForDevbox}},
			{(*runloop.DevboxesService).Launch, underRules, []runlooptest.Operation{list, createDevbox, waitForDevbox}},
			{(*runloop.DevboxesService).Launch, func() runloop.DevboxCreateParams { return underPolicy(fake.one(t).ID) },
				[]runlooptest.Operation{createDevbox, waitForDevbox}},
			{(*runloop.DevboxesService).Create, func() runloop.DevboxCreateParams { return underPolicy(fake.one(t).ID) },
				[]runlooptest.Operation{createDevbox}},
		} {
			devbox, err := test.call(devboxes, t.Context(), test.params())
			require.NoError(t, err)
			assert.Equal(t, test.want, fake.operations())
			assert.Equal(t, fake.one(t).ID, devbox.NetworkPolicyID)
			assert.Equal(t, fake.one(t).ID, fake.Running()[0].NetworkPolicyID)
			assert.Equal(t, i < 3, devbox.Status == runloop.DevboxRunning)
			fake.ResetRequests()
		}
		assert.Len(t, fake.Running(), 4)
		assert.Zero(t, fake.warnings())
	})(t)
}

// A fickle value has a different JSON form each time.
type fickle struct{ forms *[]string }

func (f fickle) MarshalJSON() ([]byte, error) {
	form := (*f.forms)[0]
	*f.forms = (*f.forms)[1:]
	return []byte(form), nil
}

func TestTheBodyOfACreate(t *testing.T) {
	for name, test := range map[string]struct {
		params runloop.DevboxCreateParams
		body   string // without the metadata of the SDK
	}{
		"least":        {runloop.DevboxCreateParams{NetworkPolicyID: "npol_1"}, `"launch_parameters": {"network_policy_id": "npol_1"}`},
		"unrestricted": {runloop.DevboxCreateParams{Unrestricted: true}, ``},
		"all": {
			runloop.DevboxCreateParams{
				Name:                 "task-17",
				NetworkPolicyID:      "npol_1",
				BlueprintName:        "golang",
				Entrypoint:           "make test",
				EnvironmentVariables: map[string]string{"TOKEN": "secret", "EMPTY": ""},
				LaunchParameters: runloop.DevboxLaunchParameters{
					ResourceSize:   runloop.DevboxCustomSize,
					CustomCPUCores: 0.5,
					CustomGBMemory: 2,
					CustomDiskSize: 16,
					Architecture:   runloop.DevboxARM64,
					KeepAlive:      90 * time.Minute,
					LaunchCommands: []string{"go version"},
				},
				Extra: map[string]any{
					"mounts":            []map[string]string{{"metadata": "network_policy_id"}}, // at other levels, names are free
					"secrets":           json.RawMessage(`{"A": "b"}`),
					"big":               json.RawMessage(`12345678901234567890`),
					"launch_parameters": map[string]any{"after_idle": struct{ Seconds int }{60}, "provisioning_tier": "flex"},
				},
			},
			`"name": "task-17", "blueprint_name": "golang", "entrypoint": "make test",
				"environment_variables": {"TOKEN": "secret", "EMPTY": ""},
				"launch_parameters": {"network_policy_id": "npol_1", "resource_size_request": "CUSTOM_SIZE", "custom_cpu_cores": 0.5,
					"custom_gb_memory": 2, "custom_disk_size": 16, "architecture": "arm64", "keep_alive_time_seconds": 5400,
					"launch_commands": ["go version"], "after_idle": {"Seconds": 60}, "provisioning_tier": "flex"},
				"mounts": [{"metadata": "network_policy_id"}], "secrets": {"A": "b"}, "big": 12345678901234567890`,
		},
		"blueprint": {
			runloop.DevboxCreateParams{Unrestricted: true, BlueprintID: "bp_1", LaunchParameters: runloop.DevboxLaunchParameters{KeepAlive: 48 * time.Hour}},
			`"blueprint_id": "bp_1", "launch_parameters": {"keep_alive_time_seconds": 172800}`,
		},
		"snapshot": {
			runloop.DevboxCreateParams{NetworkPolicyID: "npol_1", SnapshotID: "snp_1", Extra: map[string]any{"launch_parameters": map[string]any{}}},
			`"snapshot_id": "snp_1", "launch_parameters": {"network_policy_id": "npol_1"}`,
		},
		"values of a newer API": {
			runloop.DevboxCreateParams{Unrestricted: true, LaunchParameters: runloop.DevboxLaunchParameters{
				ResourceSize: "XXX_LARGE", CustomGBMemory: 1, Architecture: "riscv64"}},
			`"launch_parameters": {"resource_size_request": "XXX_LARGE", "custom_gb_memory": 1, "architecture": "riscv64"}`,
		},
		"a custom size of the blueprint": {
			runloop.DevboxCreateParams{Unrestricted: true, LaunchParameters: runloop.DevboxLaunchParameters{CustomDiskSize: 1}},
			`"launch_parameters": {"custom_disk_size": 1}`,
		},
		"extra fields as they were checked": {
			runloop.DevboxCreateParams{Unrestricted: true, Extra: map[string]any{
				"launch_parameters": fickle{&[]string{`{"after_idle":null}`, `{"network_policy_id":"npol_2"}`}}}},
			`"launch_parameters": {"after_idle": null}`,
		},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			test.params.Metadata = map[string]string{"team": "infra"}
			s, client := newScript(t, created)
			devbox, err := client.Devboxes.Create(t.Context(), test.params)
			require.NoError(t, err)
			sent := s.sent[0]
			assert.Regexp(t, clienttest.UUID4, s.tag)
			assert.Equal(t, s.tag, sent.Header.Get("X-Request-Id"))
			assert.Equal(t, s.tag, devbox.Metadata[runloop.MetadataRequestID])
			want := `{"metadata": {"team": "infra", "runloop-go-request-id": "` + s.tag + `"}, ` + test.body
			assert.JSONEq(t, strings.TrimSuffix(want, ", ")+"}", sent.Body)
			assert.Equal(t, strings.Contains(test.body, "12345678901234567890"), strings.Contains(sent.Body, "12345678901234567890"))
			assert.Equal(t, "application/json", sent.Header.Get("Content-Type"))
			assert.NotContains(t, test.params.Metadata, runloop.MetadataRequestID, "the caller's map is not written to")
		}))
	}
}

// What the caller changes during the call is not sent.
func TestTheParametersAreCopied(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		params := underRules()
		params.Metadata = map[string]string{"a": "before"}
		params.EnvironmentVariables = map[string]string{"a": "before"}
		params.LaunchParameters.LaunchCommands = []string{"before"}
		extra := map[string]string{"a": "before"}
		params.Extra = map[string]any{"x": extra}
		change := func() {
			params.Metadata["a"], params.EnvironmentVariables["a"], extra["a"] = "after", "after", "after"
			params.LaunchParameters.LaunchCommands[0] = "after"
			params.Extra["y"] = "after"
			params.NetworkPolicy.Name = "after"
			params.NetworkPolicy.Egress.AllowedHostnames[0] = "after"
		}
		s, client := newScript(t, concat(policyListed, on(createBox, first(change, refuse(400, "no such policy"))), policyGone, policyListed, created))
		_, err := client.Devboxes.Create(t.Context(), params)
		require.NoError(t, err)
		for _, i := range []int{1, 4} {
			assert.Equal(t, 4, strings.Count(s.sent[i].Body, "before"))
			assert.NotContains(t, s.sent[i].Body, "after")
		}
		assert.Contains(t, s.sent[3].Query, "name=task-github")
	})(t)
}

func TestADevboxUnderNoPolicyIsNotVerified(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		_, client := newScript(t, concat(createdBare, on(waitBox, ok(boxWith("running", `{"network_policy_id":"npol_of_the_blueprint"}`)))))
		devbox, err := client.Devboxes.Launch(t.Context(), runloop.DevboxCreateParams{Unrestricted: true})
		require.NoError(t, err)
		assert.Equal(t, "npol_of_the_blueprint", devbox.NetworkPolicyID)
	})(t)
}

// Validation

func TestInvalidDevboxCreateParams(t *testing.T) {
	t.Parallel()
	with := func(p runloop.DevboxLaunchParameters) runloop.DevboxCreateParams {
		return runloop.DevboxCreateParams{Unrestricted: true, LaunchParameters: p}
	}
	for _, test := range []struct {
		params   runloop.DevboxCreateParams
		problems []string
	}{
		{runloop.DevboxCreateParams{}, []string{
			"NetworkPolicyID: a devbox without a policy may connect to anything: set one of NetworkPolicyID, NetworkPolicy and Unrestricted"}},
		{runloop.DevboxCreateParams{NetworkPolicyID: "npol_1", NetworkPolicy: &runloop.NetworkPolicyCreateParams{Name: "a"}, Unrestricted: true},
			[]string{"NetworkPolicyID: set only one of NetworkPolicyID, NetworkPolicy and Unrestricted"}},
		{underPolicy(" "), []string{"NetworkPolicyID: must not be blank: write the ID of a policy"}},
		{underPolicy(" npol_1\n"), []string{`NetworkPolicyID: has surrounding spaces: write "npol_1"`}},
		{runloop.DevboxCreateParams{
			Name:                 "\xff",
			NetworkPolicy:        &runloop.NetworkPolicyCreateParams{Egress: hosts("github.com:443")},
			BlueprintID:          "bp_1",
			BlueprintName:        "golang",
			SnapshotID:           "snp_1",
			Entrypoint:           "secret\xff",
			EnvironmentVariables: map[string]string{"TOKEN": "secret\xff"},
			Metadata:             map[string]string{runloop.MetadataRequestID: "secret", "": "secret"},
			LaunchParameters: runloop.DevboxLaunchParameters{
				ResourceSize: "\xff", CustomCPUCores: -1, CustomGBMemory: -2, CustomDiskSize: -3, Architecture: "\xfe",
				KeepAlive: 49 * time.Hour, LaunchCommands: []string{"ok", " ", "secret\xff"},
			},
			Extra: map[string]any{"name": "secret", "launch_parameters": []int{7}},
		}, []string{
			`Name: "\xff" is not valid UTF-8`,
			"NetworkPolicy.Name: must not be blank",
			`NetworkPolicy.Egress.AllowedHostnames[0]: "github.com:443" has a port, but host names are allowed on every port: write "github.com"`,
			"BlueprintID: set at most one of BlueprintID, BlueprintName and SnapshotID",
			"Entrypoint: must be valid UTF-8",
			"EnvironmentVariables: every name and value must be valid UTF-8",
			"Metadata: a name is empty: every entry needs one",
			"Metadata: runloop-go-request-id is set by the SDK: use WithIdempotencyKey to choose its value",
			`LaunchParameters.ResourceSize: "\xff" is not valid UTF-8`,
			"LaunchParameters.CustomCPUCores: -1 is not a number of cores: write a positive number, such as 0.5",
			"LaunchParameters.CustomGBMemory: -2 is negative: write the size in GB",
			"LaunchParameters.CustomDiskSize: -3 is negative: write the size in GB",
			`LaunchParameters.Architecture: "\xfe" is not valid UTF-8`,
			"LaunchParameters.KeepAlive: 49h0m0s is not between 0 and 48h0m0s: write 0 for the API's default",
			"LaunchParameters.LaunchCommands[1]: must not be blank",
			"LaunchParameters.LaunchCommands[2]: must be valid UTF-8",
			"Extra: launch_parameters must be a JSON object",
			`Extra: "name" is not allowed: set Name`,
		}},
		{runloop.DevboxCreateParams{Unrestricted: true, EnvironmentVariables: map[string]string{"A=secret": "b", "B\x00": "c"}},
			[]string{`EnvironmentVariables: a name contains "=", or a name or value contains a NUL byte: write the name as the key and the value as the value`}},
		{runloop.DevboxCreateParams{Unrestricted: true, EnvironmentVariables: map[string]string{"A": "b\x00"}, Entrypoint: "run\x00"}, []string{
			"Entrypoint: contains a NUL byte: remove it",
			`EnvironmentVariables: a name contains "=", or a name or value contains a NUL byte: write the name as the key and the value as the value`}},
		{with(runloop.DevboxLaunchParameters{CustomCPUCores: math.NaN()}),
			[]string{"LaunchParameters.CustomCPUCores: NaN is not a number of cores: write a positive number, such as 0.5"}},
		{with(runloop.DevboxLaunchParameters{CustomCPUCores: math.Inf(1)}),
			[]string{"LaunchParameters.CustomCPUCores: +Inf is not a number of cores: write a positive number, such as 0.5"}},
		{with(runloop.DevboxLaunchParameters{ResourceSize: "x-large", Architecture: "amd64"}), []string{
			`LaunchParameters.ResourceSize: "x-large" is not a value of the API: write "X_LARGE"`,
			`LaunchParameters.Architecture: "amd64" is not a value of the API: write "x86_64"`}},
		{with(runloop.DevboxLaunchParameters{ResourceSize: runloop.DevboxSmall, CustomGBMemory: 4}),
			[]string{`LaunchParameters.ResourceSize: "SMALL" has no custom cores, memory or disk: set DevboxCustomSize`}},
		{with(runloop.DevboxLaunchParameters{KeepAlive: 1500 * time.Millisecond}),
			[]string{"LaunchParameters.KeepAlive: 1.5s is not a whole number of seconds: write it as in 90*time.Second"}},
		{with(runloop.DevboxLaunchParameters{KeepAlive: -time.Second}),
			[]string{"LaunchParameters.KeepAlive: -1s is not between 0 and 48h0m0s: write 0 for the API's default"}},
	} {
		api, client := clienttest.NewAPI(t)
		for op, call := range launchCalls {
			_, err := call(client.Devboxes, t.Context(), test.params)
			e := asValidationError(t, err)
			assert.Equal(t, op, e.Op)
			assert.Equal(t, test.problems, e.Problems)
			assert.Equal(t, test.problems[0], e.Field+": "+e.Problem)
			assert.NotContains(t, strings.Join(e.Problems, "\n"), `secret\`)
		}
		assert.Empty(t, api.Sent())
	}
}

// What counts is the JSON that would be sent.
func TestExtraCannotSetWhatTheSDKSets(t *testing.T) {
	t.Parallel()
	type launchParameters struct {
		Policy string `json:"network_policy_id"`
	}
	under := func(value any) map[string]any { return map[string]any{"launch_parameters": value} }
	for _, test := range []struct {
		extra   map[string]any
		problem string
	}{
		{map[string]any{"network_policy_id": "npol_2"}, `"network_policy_id" is not allowed: set NetworkPolicyID or NetworkPolicy`},
		{map[string]any{"networkPolicyId": nil}, `"networkPolicyId" is not allowed: set NetworkPolicyID or NetworkPolicy`},
		{under(map[string]any{"Network-Policy-ID": ""}), `"Network-Policy-ID" is not allowed`},
		{under(launchParameters{"npol_2"}), `"network_policy_id" is not allowed`},
		{under(&launchParameters{}), `"network_policy_id" is not allowed`},
		{under(json.RawMessage(`{"network\u005fpolicy_id": "npol_2"}`)), `"network_policy_id" is not allowed`},
		{map[string]any{"launchParameters": json.RawMessage(`{}`)}, `"launchParameters" is not allowed: set LaunchParameters, or "launch_parameters"`},
		{map[string]any{"x": []any{map[string]any{"y": json.RawMessage(`[[{"NETWORK_POLICY_ID":1}]]`)}}}, `"NETWORK_POLICY_ID" is not allowed`},
		{map[string]any{"metadata": map[string]any{}}, `"metadata" is not allowed: set Metadata`},
		{map[string]any{"Metadata": 1}, `"Metadata" is not allowed: set Metadata`},
		{map[string]any{"environmentVariables": 1}, `"environmentVariables" is not allowed: set EnvironmentVariables`},
		{map[string]any{"snapshot_id": nil}, `"snapshot_id" is not allowed: set SnapshotID`},
		{under(map[string]any{"keepAliveTimeSeconds": 1}), `"keepAliveTimeSeconds" is not allowed: set LaunchParameters.KeepAlive`},
		{under(map[string]any{"launch_commands": nil}), `"launch_commands" is not allowed: set LaunchParameters.LaunchCommands`},
		{under(nil), "launch_parameters must be a JSON object"},
		{under(json.RawMessage(`{"a":1,"a":2}`)), "cannot be encoded as JSON: "},
		{map[string]any{"x": json.RawMessage(`{`)}, "cannot be encoded as JSON: "},
		{map[string]any{"x": json.RawMessage("\"\xff\"")}, "cannot be encoded as JSON: "},
		{map[string]any{"x": make(chan int)}, "cannot be encoded as JSON: "},
	} {
		api, client := clienttest.NewAPI(t)
		params := underPolicy("npol_1")
		params.Extra = test.extra
		_, err := client.Devboxes.Create(t.Context(), params)
		e := asValidationError(t, err)
		assert.Equal(t, "Extra", e.Field)
		assert.Contains(t, e.Problem, test.problem)
		assert.Empty(t, api.Sent())
	}
}

// Lost responses

// A create is repeated only if the API certainly did not process it. Otherwise, the lists
// are searched for the devbox by its tag. Its policy is verified in the response, or by
// reading the devbox.
func TestCreateReturnsItsDevbox(t *testing.T) {
	none := ok(noBoxes)
	response := func(respond responder) []step { return on(createBox, respond) }
	view := func(view string) []step { return on(createBox, ok(view)) }
	shown := on(getBox, ok(box("queued")))
	for name, steps := range map[string][]step{
		"429":          concat(response(refuse(429, "slow down")), created),
		"503":          concat(response(refuse(503, "maintenance")), found),
		"a 502 page":   concat(response(htmlPage(502)), found),
		"408":          concat(response(refuse(408, "timeout")), found),
		"no response":  concat(response(never), found),
		"a redirect":   concat(response(clienttest.RespondWith(302, ``, http.Header{"Location": {"https://elsewhere.example"}})), found),
		"an empty 200": concat(response(ok(``)), found),
		"204":          concat(response(clienttest.Respond(204, ``)), found),
		// A confused proxy's response must not make the SDK shut down someone else's
		// devbox.
		"another tag":   concat(view(`{"id":"dbx_9","status":"running","metadata":{"runloop-go-request-id":"x"},"launch_parameters":{"network_policy_id":"npol_9"}}`), found),
		"no tag":        concat(view(`{"id":"dbx_9","status":"running","metadata":{},"launch_parameters":{"network_policy_id":"npol_1"}}`), found),
		"no metadata":   concat(view(`{"id":"dbx_9","status":"running"}`), found),
		"null metadata": concat(view(`{"id":"dbx_9","status":"running","metadata":null}`), found),

		"lost, queued":            concat(createLost, on(listQueued, ok(boxes(otherBox, box("queued"))))),
		"lost, provisioning":      concat(createLost, search(none, ok(boxes(box("provisioning"))))),
		"lost, initializing":      concat(createLost, search(none, none, ok(boxes(box("initializing"))))),
		"lost, running":           concat(createLost, search(none, none, none, ok(boxes(box("running"))))),
		"lost, on a later page":   concat(createLost, on(listQueued, ok(`{"devboxes":[`+otherBox+`],"has_more":true}`)), found),
		"lost, second search":     concat(createLost, emptyLists, found),
		"lost, third search":      concat(createLost, emptyLists, emptyLists, found),
		"lost, a refused status":  concat(createLost, search(refuse(400, "unknown status"), ok(boxes(box("provisioning"))))),
		"lost, a transient error": concat(createLost, on(listQueued, htmlPage(503)), found),
		"lost, each list is 400":  concat(createLost, refusedLists, found),
		"lost, shown by a read":   concat(createLost, on(listQueued, ok(boxes(boxWith("queued", `{}`)))), shown),

		"shown in the response":      created,
		"shown by the first read":    concat(createdBare, shown),
		"shown by the third read":    concat(createdBare, bare, on(getBox, ok(boxWith("queued", `null`))), shown),
		"shown after a 404":          concat(createdBare, on(getBox, refuse(404, "not found")), shown),
		"shown after a 503":          concat(createdBare, on(getBox, htmlPage(503)), shown),
		"shown after invalid JSON":   concat(createdBare, on(getBox, ok(`{}`)), shown),
		"shown after another devbox": concat(createdBare, on(getBox, ok(`{"id":"dbx_2","status":"queued"}`)), shown),
		"shown after null":           concat(view(boxWith("queued", `{"network_policy_id":null}`)), shown),
		"shown after an empty ID":    concat(view(boxWith("queued", `{"network_policy_id":""}`)), shown),
		"no launch parameters":       concat(view(`{"id":"dbx_1","status":"queued","metadata":{"runloop-go-request-id":"{tag}"}}`), shown),
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			var log bytes.Buffer
			s, client := newScript(t, steps, runloop.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			devbox, err := client.Devboxes.Create(t.Context(), underPolicy("npol_1"))
			require.NoError(t, err)
			assert.Equal(t, "dbx_1", devbox.ID)
			assert.Equal(t, "npol_1", devbox.NetworkPolicyID)
			searched := 0
			for _, request := range s.sent[1:] {
				if request.Method == "POST" {
					assert.Equal(t, s.sent[0], request, "with the same request ID")
				} else if strings.HasSuffix(request.Path, "/devboxes") {
					assert.Contains(t, request.Query, "limit=1000")
					searched = 1
				}
			}
			assert.Equal(t, searched, strings.Count(log.String(), "level=INFO"))
		}))
	}
}

// The text contains each note once, and what to do, however long the response is.
func TestADevboxThatIsNotFoundStaysInDoubt(t *testing.T) {
	const lostText = "it is unknown whether the devbox was created: no usable response (1 attempt): connection reset by peer " +
		"(look for request ID {tag} in the devboxes' metadata, or repeat the call with it as WithIdempotencyKey; may have been applied)"
	const keyText = "it is unknown whether an earlier call created the devbox: "
	none, forbidden := ok(noBoxes), on(listQueued, refuse(403, "no"))
	tagElsewhere := ok(boxes(`{"id":"dbx_9","status":"queued","name":"{tag}","metadata":{"tag":"{tag}"}}`))
	for name, test := range map[string]struct {
		steps []step // of Create without a key, if the first one is a create
		is    error  // besides ErrMaybeApplied
		text  string
	}{
		"in three searches":              {concat(createLost, times(3, emptyLists)), nil, lostText},
		"every list is refused":          {concat(createLost, times(3, refusedLists)), nil, lostText},
		"an outage":                      {concat(createLost, times(4, on(listQueued, broken))), nil, lostText},
		"an outage that begins later":    {concat(createLost, noneQueued, times(4, on(listProvisioning, htmlPage(503)))), nil, lostText},
		"a list that may not be read":    {concat(createLost, forbidden), nil, lostText},
		"a list that cannot be decoded":  {concat(createLost, on(listQueued, ok(`{}`))), nil, lostText},
		"a list that is not found":       {concat(createLost, on(listQueued, htmlPage(404))), nil, lostText},
		"another tag":                    {concat(createLost, search(ok(boxes(otherBox)), none, none, none), times(2, emptyLists)), nil, lostText},
		"the tag in other fields":        {concat(createLost, search(tagElsewhere, none, none, none), times(2, emptyLists)), nil, lostText},
		"another devbox in the response": {concat(on(createBox, ok(otherBox)), times(3, emptyLists)), runloop.ErrInvalidResponse, "200 OK"},
		"a 503 of everything":            {concat(on(createBox, htmlPage(503)), times(4, on(listQueued, htmlPage(503)))), runloop.ErrServer, "503"},
		"a 503 of the last attempt": {concat(times(3, on(createBox, refuse(429, "slow down"))), on(createBox, htmlPage(503)), on(listQueued, htmlPage(503))),
			runloop.ErrServer, "503"},
		"a long message": {concat(on(createBox, refuse(500, strings.Repeat("long ", 100))), forbidden), runloop.ErrServer, "long long"},
		"not a devbox":   {concat(on(createBox, htmlPage(200)), forbidden), runloop.ErrInvalidResponse, "invalid response"},

		"a key and an outage":         {times(4, on(listQueued, broken)), nil, keyText},
		"a key and a refused list":    {search(refuse(400, "unknown status"), none, none, none), runloop.ErrBadRequest, keyText + "400"},
		"a key and a last list fails": {concat(search(none, none, none), times(4, on(listRunning, htmlPage(502)))), runloop.ErrServer, keyText + "502"},
		"a key and a forbidden list":  {forbidden, runloop.ErrForbidden, keyText + "403"},
		"a key and an invalid list":   {on(listQueued, ok(`{"devboxes":[]}`)), runloop.ErrInvalidResponse, keyText},
	} {
		eachLaunchCall(t, name, func(t *testing.T, op string, call launchCall) {
			s, client := newScript(t, test.steps)
			params, opts := underPolicy("npol_1"), []runloop.Option(nil)
			if test.steps[0].request != createBox {
				params, opts, s.tag = underRules(), []runloop.Option{runloop.WithIdempotencyKey("key-1")}, "key-1"
			}
			devbox, err := call(client.Devboxes, t.Context(), params, opts...)
			assert.Nil(t, devbox)
			e := asDevboxError(t, err)
			assert.Equal(t, op, e.Op)
			assert.Nil(t, e.Devbox)
			assert.Equal(t, s.tag, e.RequestID)
			assert.False(t, e.ShutDown)
			require.ErrorIs(t, err, runloop.ErrMaybeApplied)
			if test.is != nil {
				assert.ErrorIs(t, err, test.is)
			}
			text := err.Error()
			assert.Contains(t, text, "runloop: "+op+": it is unknown whether ")
			assert.Contains(t, text, strings.ReplaceAll(test.text, "{tag}", s.tag))
			assert.Equal(t, 1, strings.Count(text, "may have been applied"), text)
			assert.Equal(t, 1, strings.Count(text, s.tag), text)
			assert.Contains(t, text, "WithIdempotencyKey")
			assert.Less(t, len(text), 300)
			if failure, ok := errors.AsType[*runloop.APIError](err); ok && len(opts) == 0 {
				assert.True(t, failure.MaybeApplied)
				assert.Equal(t, s.tag, failure.RequestID)
			} else if len(opts) == 0 {
				assert.Equal(t, 1, clienttest.AsTransportError(t, err).Attempts)
			}
			if len(s.sent) == 13 {
				clienttest.AssertBackoff(t, []time.Duration{s.times[1], s.times[5], s.times[9]})
			}
		})
	}
}

func TestARefusedCreateLeavesNothing(t *testing.T) {
	byID, byRules, unrestricted := underPolicy("npol_1"), underRules(), runloop.DevboxCreateParams{Unrestricted: true}
	listed, refused := on(listPolicy, ok(clienttest.PageJSON)), on(createBox, refuse(400, "no such policy"))
	for name, test := range map[string]struct {
		params runloop.DevboxCreateParams
		steps  []step
		is     error
		status int
	}{
		"unauthorized":              {byID, on(createBox, refuse(401, "no")), runloop.ErrUnauthorized, 401},
		"forbidden":                 {byID, on(createBox, refuse(403, "no")), runloop.ErrForbidden, 403},
		"rate limited":              {byID, times(4, on(createBox, refuse(429, "slow down"))), runloop.ErrRateLimited, 429},
		"not implemented":           {byID, on(createBox, refuse(501, "no")), nil, 501},
		"bad blueprint":             {byID, concat(on(createBox, refuse(400, `Blueprint "x" not found`)), listed), runloop.ErrBadRequest, 400},
		"no list":                   {byID, concat(refused, times(4, on(listPolicy, broken))), runloop.ErrBadRequest, 400},
		"a list that is 404":        {byID, concat(refused, on(listPolicy, htmlPage(404))), runloop.ErrBadRequest, 400},
		"a load balancer 404":       {byID, concat(on(createBox, htmlPage(404)), listed), nil, 404},
		"no policy to list":         {unrestricted, refused, runloop.ErrBadRequest, 400},
		"an unknown policy":         {byID, concat(refused, policyGone), runloop.ErrNotFound, 400},
		"a cancelled list":          {byID, concat(refused, on(listPolicy, cancels)), context.Canceled, 400},
		"a cancelled list by rules": {byRules, concat(policyListed, refused, on(listPolicy, cancels)), context.Canceled, 400},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			_, client := newScript(t, test.steps)
			_, err := client.Devboxes.Launch(cancellable(t.Context()), test.params)
			failure := clienttest.AsAPIError(t, err)
			assert.Equal(t, "launch devbox", failure.Op)
			assert.Equal(t, test.status, failure.StatusCode)
			if test.is != nil {
				assert.ErrorIs(t, err, test.is)
			}
			assert.Equal(t, test.is == runloop.ErrNotFound, errors.Is(err, runloop.ErrNotFound))
			assert.Equal(t, test.is == context.Canceled, strings.Contains(err.Error(), "context canceled"))
			assertNoDevbox(t, err)
		}))
	}
}

// The policy

// Another program prunes the policy between the lookup and the create.
func TestAPolicyThatIsDeletedMeanwhileIsEnsuredAgain(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		other, err := fake.Client()
		require.NoError(t, err)
		prune := runlooptest.Before(func() {
			_, err := other.NetworkPolicies.Prune(t.Context(), runloop.PruneParams{NamePrefix: "task-"})
			assert.NoError(t, err)
		})
		fake.Inject(createDevbox, prune, prune)
		start := time.Now()
		devbox, err := fake.client.Devboxes.Launch(t.Context(), underRules())
		require.NoError(t, err)
		assert.Equal(t, "npol_000003", devbox.NetworkPolicyID)
		assert.Len(t, fake.Running(), 1)
		assert.GreaterOrEqual(t, time.Since(start), 750*time.Millisecond, "with the pauses of retries")
		tags := make(map[string]bool)
		for _, request := range fake.Requests(createDevbox) {
			tags[request.Header.Get("X-Request-Id")] = true
		}
		assert.Len(t, fake.Requests(createDevbox), 3)
		assert.Len(t, tags, 3, "each create has its own request ID")
	})(t)
}

func TestALaunchIsTriedAgainFourTimes(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		s, client := newScript(t, times(5, concat(policyListed, on(createBox, refuse(400, "no such policy")), policyGone)))
		_, err := client.Devboxes.Launch(t.Context(), underRules())
		require.ErrorIs(t, err, runloop.ErrBadRequest)
		assert.NotErrorIs(t, err, runloop.ErrNotFound, "the caller gave no ID")
		clienttest.AssertBackoff(t, []time.Duration{s.times[0], s.times[3], s.times[6], s.times[9], s.times[12]})
	})(t)
}

func TestAnEnsureThatFailsEndsTheLaunch(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.AddPolicy(runloop.NetworkPolicy{Name: "task-github"})
		_, err := fake.client.Devboxes.Launch(t.Context(), underRules())
		require.ErrorIs(t, err, runloop.ErrDrift)
		assert.Equal(t, []runlooptest.Operation{list}, fake.operations())
	})(t)
}

// Launches of one client share the lookup and the create of their policy.
func TestConcurrentLaunchesShareTheirEnsure(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				_, err := fake.client.Devboxes.Launch(t.Context(), underRules())
				assert.NoError(t, err)
			})
		}
		group.Wait()
		assert.LessOrEqual(t, len(fake.Requests(list, create)), 4)
		assert.Len(t, fake.Running(), 50)
		fake.one(t)
	}, runlooptest.WithLatency(20*time.Millisecond))(t)
}

// The key and the response are those of the create.
func TestOptionsOfALaunch(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		var response *http.Response
		devbox, err := fake.client.Devboxes.Launch(t.Context(), underRules(),
			runloop.WithIdempotencyKey("key-1"), runloop.WithResponseInto(&response), runloop.WithHeader("X-Team", "infra"))
		require.NoError(t, err)
		assert.Equal(t, "key-1", devbox.Metadata[runloop.MetadataRequestID])
		lists := slices.Repeat([]runlooptest.Operation{listDevboxes}, 4)
		assert.Equal(t, append(lists, list, create, createDevbox, waitForDevbox), fake.operations())
		for i, request := range fake.Requests() {
			assert.Equal(t, "infra", request.Header.Get("X-Team"))
			assert.Equal(t, request.Operation == createDevbox, request.Header.Get("X-Request-Id") == "key-1", i)
		}
		assert.Equal(t, "/v1/devboxes", response.Request.URL.Path)
		assert.Equal(t, "POST", response.Request.Method)
	})(t)
}

// Idempotency keys

func TestTheSameKeyReturnsTheSameDevbox(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		key := runloop.WithIdempotencyKey("task-17-attempt-1")
		created, err := fake.client.Devboxes.Create(t.Context(), underRules(), key)
		require.NoError(t, err)
		fake.ResetRequests()
		launched, err := fake.client.Devboxes.Launch(t.Context(), underRules(), key)
		require.NoError(t, err)
		assert.Equal(t, created.ID, launched.ID)
		assert.Len(t, fake.Devboxes(), 1)
		assert.Empty(t, fake.Requests(createDevbox))
	})(t)
}

// If it is unknown whether the policy was created, the devbox is still known.
func TestADriftErrorOfAKnownDevboxIsNotInDoubt(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.AddDevbox(runlooptest.Devbox{Metadata: map[string]string{runloop.MetadataRequestID: "key-1"}, NetworkPolicyID: "npol_0"})
		fake.Inject(create, runlooptest.Disconnect().Before(func() { fake.AddPolicy(runloop.NetworkPolicy{Name: "task-github"}) }))
		_, err := fake.client.Devboxes.Launch(t.Context(), underRules(), runloop.WithIdempotencyKey("key-1"))
		require.ErrorIs(t, err, runloop.ErrDrift)
		assertNothingInDoubt(t, err)
		assert.True(t, asDevboxError(t, err).ShutDown)
		assert.Empty(t, fake.Running())
	})(t)
}

// Failures

// A devbox that is known is shut down after an error, or named by it.
func TestADevboxThatIsNotReturnedIsShutDown(t *testing.T) {
	none := ok(noBoxes)
	ended := func(status, reason string) []step { // without metadata
		return on(waitBox, ok(`{"id":"dbx_1","status":"`+status+`","`+status+`_reason":"`+reason+`"}`))
	}
	waitFor := func(launchParameters string) []step {
		return concat(created, on(waitBox, ok(boxWith("running", launchParameters))))
	}
	revoked := refuse(401, "key revoked")
	opts := map[string][]runloop.Option{
		"another policy by the key":      {runloop.WithIdempotencyKey("key-1")},
		"no policy by the key":           {runloop.WithIdempotencyKey("key-1")},
		"shut down at the sixth attempt": {runloop.WithMaxRetries(5), runloop.WithAttemptTimeout(time.Second)},
		"not shut down in half a minute": {runloop.WithMaxRetries(50)},
	}
	const notAttached, other = `policy "npol_1" is not attached: the devbox uses `, `policy "npol_1" is not attached: the devbox uses "npol_2"`
	const unverified, left = "the policy could not be verified: ", "(devbox dbx_1 could not be shut down: "
	for name, test := range map[string]struct {
		steps []step
		is    error
		text  string
	}{
		"another policy in the response":  {concat(misplaced, cleanedUp), runloop.ErrPolicyNotAttached, other},
		"another policy in a read":        {concat(createdBare, on(getBox, ok(misplacedBox)), cleanedUp), runloop.ErrPolicyNotAttached, other},
		"another policy of a lost devbox": {concat(createLost, on(listQueued, ok(boxes(misplacedBox))), cleanedUp), runloop.ErrPolicyNotAttached, other},
		"another policy by the key":       {concat(search(none, ok(boxes(misplacedBox))), cleanedUp), runloop.ErrPolicyNotAttached, other},
		"no policy in three reads":        {concat(createdBare, times(3, bare), cleanedUp), runloop.ErrPolicyNotAttached, notAttached + "none"},
		"reads in an outage":              {concat(createdBare, times(4, on(getBox, htmlPage(503))), cleanedUp), runloop.ErrServer, unverified + "503"},
		"reads that are refused":          {concat(createdBare, times(3, on(getBox, htmlPage(404))), cleanedUp), runloop.ErrNotFound, unverified + "404"},
		"a last read that fails":          {concat(createdBare, times(2, bare), on(getBox, ok(`{}`)), cleanedUp), runloop.ErrInvalidResponse, unverified + "200"},
		"no policy by the key": {concat(search(none, none, none, ok(boxes(box("running")))), on(listPolicies, ok(clienttest.EmptyPageJSON)),
			on("POST /v1/network-policies", refuse(403, "no")), cleanedUp), runloop.ErrForbidden, unverified + "ensure network policy: 403"},

		"failed":                          {concat(created, ended("failure", "out_of_memory"), cleanedUp), runloop.ErrDevboxFailed, "the devbox failed: out_of_memory"},
		"shut down":                       {concat(created, ended("shutdown", "idle")), runloop.ErrDevboxFailed, "the devbox was shut down: idle"},
		"failed during the verification":  {concat(waitFor(`{}`), on(getBox, ok(box("failure"))), cleanedUp), runloop.ErrDevboxFailed, "the devbox failed"},
		"shut down during a verification": {concat(waitFor(`{}`), on(getBox, ok(box("shutdown")))), runloop.ErrDevboxFailed, "the devbox was shut down"},
		// The response to a create may merely echo the request.
		"no policy when it runs":      {concat(waitFor(`{}`), times(3, bare), cleanedUp), runloop.ErrPolicyNotAttached, notAttached + "none"},
		"another policy when it runs": {concat(waitFor(`{"network_policy_id":"npol_2"}`), cleanedUp), runloop.ErrPolicyNotAttached, other},
		"never seen running": {concat(created, on(waitBox, revoked), on(shutdownBox, revoked)), runloop.ErrUnauthorized, "the devbox was not seen running: " +
			"401 Unauthorized: key revoked (1 attempt) " + left + "401 Unauthorized: key revoked (1 attempt; request "},

		"shut down at the sixth attempt":       {concat(misplaced, times(5, on(shutdownBox, never)), cleanedUp), runloop.ErrPolicyNotAttached, other},
		"a load balancer's 404 proves nothing": {concat(misplaced, on(shutdownBox, htmlPage(404))), runloop.ErrPolicyNotAttached, left + "404"},
		"not shut down in half a minute":       {concat(misplaced, times(4, on(shutdownBox, never))), runloop.ErrPolicyNotAttached, left + "no usable response"},
	} {
		eachLaunchCall(t, name, func(t *testing.T, op string, call launchCall) {
			sends := func(request string) bool {
				return slices.ContainsFunc(test.steps, func(s step) bool { return s.request == request })
			}
			if sends(waitBox) && op == "create devbox" {
				return
			}
			params := underPolicy("npol_1")
			if sends(listPolicies) {
				params = underRules()
			}
			s, client := newScript(t, test.steps)
			s.tag = "key-1"
			e := s.failure(call(client.Devboxes, t.Context(), params, opts[name]...))
			assert.Equal(t, op, e.Op)
			assert.ErrorIs(t, e, test.is)
			assert.Equal(t, test.is == runloop.ErrPolicyNotAttached, errors.Is(e, runloop.ErrPolicyNotAttached))
			assert.Contains(t, e.Error(), test.text)
			assert.Equal(t, !strings.Contains(test.text, left), e.ShutDown)
			assert.Equal(t, e.ShutDown, strings.HasSuffix(e.Error(), "(devbox dbx_1 is shut down)"))
			switch name {
			case "no policy in three reads":
				assert.Equal(t, s.times[0], s.times[1])
				clienttest.AssertBackoff(t, s.times[1:4])
			case "shut down at the sixth attempt":
				assert.Less(t, s.times[2]-s.times[1], 2*time.Second)
			case "not shut down in half a minute":
				assert.Equal(t, 30*time.Second, time.Since(s.start))
			}
		})
	}
}

func TestLaunchGivesUpAfterFiveMinutes(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		fake.ScriptDevboxes(runlooptest.DevboxScript{Statuses: []string{"queued"}})
		start := time.Now()
		_, err := fake.client.Devboxes.Launch(t.Context(), underPolicy(fake.AddPolicy(buildPolicy(time.Hour)).ID))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.NotErrorIs(t, err, runloop.ErrDevboxFailed)
		e := asDevboxError(t, err)
		assert.True(t, e.ShutDown)
		assert.Equal(t, runloop.DevboxQueued, e.Devbox.Status)
		assert.Equal(t, 5*time.Minute, time.Since(start))
		assert.Empty(t, fake.Running())
	})(t)
}

func TestLaunchKeepsALongerDeadline(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := fake.client.Devboxes.Launch(ctx, underPolicy(fake.AddPolicy(buildPolicy(time.Hour)).ID))
		require.NoError(t, err)
	}, runlooptest.WithStartup(20*time.Minute))(t)
}

// The clean-up has neither the context nor the settings that ended the launch.
func TestACancelledLaunchCleansUp(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		ctx := context.WithValue(cancellable(t.Context()), t, "kept")
		sawValue := func(r *http.Request) (*http.Response, error) {
			assert.Equal(t, "kept", r.Context().Value(t))
			return broken(r)
		}
		s, client := newScript(t, concat(created, on(waitBox, cancels), on(shutdownBox, sawValue),
			on(shutdownBox, never), on(shutdownBox, htmlPage(503)), cleanedUp), runloop.WithMaxRetries(0), runloop.WithAttemptTimeout(time.Minute))
		e := s.failure(client.Devboxes.Launch(ctx, underPolicy("npol_1")))
		require.ErrorIs(t, e, context.Canceled)
		assert.True(t, e.ShutDown)
		assert.InDelta(t, 8.25, (s.times[4] - s.times[3]).Seconds(), 0.25, "7.5 s and the second pause")
	})(t)
}

// A client whose budget of retries is spent still cleans up.
func TestTheCleanUpHasNoBudget(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		attempts := 0
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			switch {
			case r.Method == "GET":
				return broken(r)
			case strings.HasSuffix(r.URL.Path, "/shutdown"):
				if attempts++; attempts < 4 {
					return broken(r)
				}
				return ok(`{"id":"dbx_1","status":"shutdown"}`)(r)
			}
			return ok(strings.ReplaceAll(misplacedBox, "{tag}", r.Header.Get("X-Request-Id")))(r)
		}))
		ctx, stop := context.WithCancel(t.Context())
		var group sync.WaitGroup
		defer group.Wait()
		defer stop()
		for range 200 { // they also keep it spent, although time refills it
			group.Go(func() {
				for ctx.Err() == nil {
					_, _ = client.Devboxes.Get(ctx, "dbx_0")
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		time.Sleep(10*time.Second + 50*time.Millisecond)
		_, err := client.Devboxes.Shutdown(t.Context(), "dbx_1")
		require.Equal(t, 1, attempts, "the budget is spent")
		require.Error(t, err)
		attempts = 0
		_, err = client.Devboxes.Create(t.Context(), underPolicy("npol_1"))
		assert.True(t, asDevboxError(t, err).ShutDown)
		assert.Equal(t, 4, attempts)
	})(t)
}

// The end of the context

func TestACancelDuringACreateIsFollowedByASearch(t *testing.T) {
	createCancelled := on(createBox, cancels)
	for name, test := range map[string]struct {
		steps    []step
		shutDown bool
	}{
		"found": {concat(createCancelled, emptyLists, noneQueued, on(listProvisioning, htmlPage(503)), on(listProvisioning, ok(boxes(box("provisioning")))),
			cleanedUp), true},
		"during the search":       {concat(createLost, noneQueued, on(listProvisioning, cancels), found, cleanedUp), true},
		"found and not shut down": {concat(createCancelled, found, times(4, on(shutdownBox, broken)), on(getBox, broken)), false},
		"during the verification": {concat(createdBare, on(getBox, cancels), cleanedUp), true},
		"no time for a retry":     {concat(createLost, on(listQueued, htmlPage(503)), found, cleanedUp), true},
	} {
		eachLaunchCall(t, name, func(t *testing.T, _ string, call launchCall) {
			ctx, opts := cancellable(t.Context()), []runloop.Option(nil)
			switch name {
			case "found":
				opts = append(opts, runloop.WithMaxRetries(0)) // which the clean-up ignores
			case "no time for a retry":
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
				defer cancel()
			}
			s, client := newScript(t, test.steps)
			e := s.failure(call(client.Devboxes, ctx, underPolicy("npol_1"), opts...))
			assert.Equal(t, test.shutDown, e.ShutDown)
			assert.NotErrorIs(t, e, runloop.ErrPolicyNotAttached)
			if name == "found" || name == "during the verification" {
				assert.ErrorIs(t, e, context.Canceled)
			}
			assert.Equal(t, name == "found", e.Devbox.Status == runloop.DevboxProvisioning)
		})
	}
}

func TestACancelDuringACreateThatIsNotFoundStaysInDoubt(t *testing.T) {
	eachLaunchCall(t, "", func(t *testing.T, _ string, call launchCall) {
		s, client := newScript(t, concat(on(createBox, cancels), times(3, emptyLists)))
		_, err := call(client.Devboxes, cancellable(t.Context()), underPolicy("npol_1"))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, runloop.ErrMaybeApplied)
		assert.Nil(t, asDevboxError(t, err).Devbox)
		assert.Equal(t, s.tag, asDevboxError(t, err).RequestID)
	})
}

func TestACancelBeforeTheCreateLeavesNothing(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_, client := newScript(t, on(listPolicies, first(cancel, policyListed[0].respond)))
		_, err := client.Devboxes.Launch(ctx, underRules())
		require.ErrorIs(t, err, context.Canceled)
		assertNoDevbox(t, err)
	})(t)
}

// Secrets

func TestEnvironmentVariablesAppearNowhere(t *testing.T) {
	const secret = "ENV-SECRET-0123456789"
	clienttest.InBubble(func(t *testing.T) {
		params := underPolicy("npol_1")
		params.EnvironmentVariables = map[string]string{"TOKEN": secret}
		params.Entrypoint = secret
		params.LaunchParameters.LaunchCommands = []string{secret}
		for output, text := range prints(params) {
			if output == "a dump by reflection" || output == "json.Marshal" || strings.HasPrefix(output, "%p") {
				continue // fmt calls no Formatter for %p, which vet rejects for structs
			}
			assert.NotContains(t, text, secret, output)
			assert.NotContains(t, text, fmt.Sprintf("%x", secret), output)
		}
		assert.Equal(t, `devbox "task-17"`, fmt.Sprint(params))
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		_, client := newScript(t, concat(createLost, times(3, emptyLists)), runloop.WithLogger(logger))
		_, err := client.Devboxes.Launch(t.Context(), params)
		require.Error(t, err)
		for output, text := range prints(err) {
			assert.NotContains(t, text, secret, output)
		}
		assert.NotContains(t, log.String(), secret)
		assert.Contains(t, log.String(), "runloop: attempt")
	})(t)
}

func TestADevboxErrorDoesNotShowTheKey(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		key := clienttest.APIKey
		for name, steps := range map[string][]step{
			"in the policy": concat(on(createBox, ok(boxWith("queued", `{"network_policy_id":"`+key+`"}`))), on(shutdownBox, refuse(400, "invalid "+key))),
			"in the reason": concat(created, on(waitBox, ok(`{"id":"dbx_1","status":"shutdown","shutdown_reason":"`+key+`"}`))),
			"in a message":  concat(created, on(waitBox, refuse(404, key)), on(shutdownBox, refuse(401, key))),
		} {
			_, client := newScript(t, steps)
			_, err := client.Devboxes.Launch(t.Context(), underPolicy("npol_1"))
			e := asDevboxError(t, err)
			for _, text := range []string{err.Error(), fmt.Sprintf("%+v %#v %q", err, e, *e), e.Problem} {
				assert.NotContains(t, text, key, name)
			}
		}
	})(t)
}

// Programs create errors for their own tests.
func TestDevboxErrorValuesWithoutACall(t *testing.T) {
	t.Parallel()
	e := &runloop.DevboxError{Op: "launch devbox", Devbox: &runloop.Devbox{ID: "dbx_1"}, Problem: "x"}
	assert.EqualError(t, e, "runloop: launch devbox: x (devbox dbx_1 is not shut down)")
	e.ShutDown = true
	assert.EqualError(t, e, "runloop: launch devbox: x (devbox dbx_1 is shut down)")
	e = &runloop.DevboxError{Op: strings.Repeat("o", 500), RequestID: strings.Repeat("i", 500), Problem: strings.Repeat("x\n", 500)}
	assert.Less(t, len(e.Error()), 300)
	assert.NotContains(t, e.Error(), "\n")
	assert.Contains(t, e.Error(), "may have been applied)")
	assert.ErrorIs(t, e, runloop.ErrMaybeApplied)
	assert.NotErrorIs(t, e, runloop.ErrDevboxFailed)
	assert.Equal(t, e.Error(), fmt.Sprintf("%+v", e))
	assert.Equal(t, e.Error(), e.LogValue().String())
	assert.NotPanics(t, func() { _ = new(runloop.DevboxError).Error() })
}
