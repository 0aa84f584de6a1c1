package runloop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
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

// The requests of devboxes, as the tests write them down.
const (
	createDevbox   = runlooptest.CreateDevbox
	getDevbox      = runlooptest.GetDevbox
	listDevboxes   = runlooptest.ListDevboxes
	waitForDevbox  = runlooptest.WaitForDevboxStatus
	shutdownDevbox = runlooptest.ShutdownDevbox
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

func concat(steps ...[]step) []step { return slices.Concat(steps...) }

func one(request string, respond func(*http.Request) (*http.Response, error)) []step {
	return []step{on(request, respond)}
}

// What is sent

func TestLaunchTakesThreeOrFourRequests(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		devbox, err := fake.client.Devboxes.Launch(t.Context(), underRules())
		require.NoError(t, err)
		assert.Equal(t, []runlooptest.Operation{list, create, createDevbox, waitForDevbox}, fake.operations())
		assert.Equal(t, runloop.DevboxRunning, devbox.Status)
		assert.Equal(t, fake.one(t).ID, devbox.NetworkPolicyID)
		assert.Equal(t, fake.one(t).ID, fake.Running()[0].NetworkPolicyID)
		fake.ResetRequests()

		_, err = fake.client.Devboxes.Launch(t.Context(), underRules())
		require.NoError(t, err)
		assert.Equal(t, []runlooptest.Operation{list, createDevbox, waitForDevbox}, fake.operations())
		fake.ResetRequests()

		devbox, err = fake.client.Devboxes.Launch(t.Context(), underPolicy(devbox.NetworkPolicyID))
		require.NoError(t, err)
		assert.Equal(t, []runlooptest.Operation{createDevbox, waitForDevbox}, fake.operations())
		fake.ResetRequests()

		_, err = fake.client.Devboxes.Create(t.Context(), underPolicy(devbox.NetworkPolicyID))
		require.NoError(t, err)
		assert.Equal(t, []runlooptest.Operation{createDevbox}, fake.operations())
		assert.Len(t, fake.Running(), 4)
		assert.Zero(t, fake.warnings())
	})(t)
}

func TestTheBodyOfACreate(t *testing.T) {
	for name, test := range map[string]struct {
		params runloop.DevboxCreateParams
		body   string
	}{
		"least": {
			runloop.DevboxCreateParams{NetworkPolicyID: "npol_1"},
			`{"metadata": {"runloop-go-request-id": "{tag}"}, "launch_parameters": {"network_policy_id": "npol_1"}}`,
		},
		"unrestricted": {
			runloop.DevboxCreateParams{Unrestricted: true},
			`{"metadata": {"runloop-go-request-id": "{tag}"}}`,
		},
		"all": {
			runloop.DevboxCreateParams{
				Name:                 "task-17",
				NetworkPolicyID:      "npol_1",
				BlueprintName:        "golang",
				Entrypoint:           "make test",
				EnvironmentVariables: map[string]string{"TOKEN": "secret", "EMPTY": ""},
				Metadata:             map[string]string{"team": "infra"},
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
					"mounts":            []map[string]string{{"type": "object_mount"}},
					"secrets":           json.RawMessage(`{"A": "b"}`),
					"big":               json.RawMessage(`12345678901234567890`),
					"launch_parameters": map[string]any{"after_idle": struct{ Seconds int }{60}, "provisioning_tier": "flex"},
				},
			},
			`{"name": "task-17", "blueprint_name": "golang", "entrypoint": "make test",
				"environment_variables": {"TOKEN": "secret", "EMPTY": ""},
				"metadata": {"team": "infra", "runloop-go-request-id": "{tag}"},
				"launch_parameters": {"network_policy_id": "npol_1", "resource_size_request": "CUSTOM_SIZE", "custom_cpu_cores": 0.5,
					"custom_gb_memory": 2, "custom_disk_size": 16, "architecture": "arm64", "keep_alive_time_seconds": 5400,
					"launch_commands": ["go version"], "after_idle": {"Seconds": 60}, "provisioning_tier": "flex"},
				"mounts": [{"type": "object_mount"}], "secrets": {"A": "b"}, "big": 12345678901234567890}`,
		},
		"blueprint": {
			runloop.DevboxCreateParams{Unrestricted: true, BlueprintID: "bp_1", LaunchParameters: runloop.DevboxLaunchParameters{KeepAlive: 48 * time.Hour}},
			`{"metadata": {"runloop-go-request-id": "{tag}"}, "blueprint_id": "bp_1", "launch_parameters": {"keep_alive_time_seconds": 172800}}`,
		},
		"snapshot": {
			runloop.DevboxCreateParams{NetworkPolicyID: "npol_1", SnapshotID: "snp_1", Extra: map[string]any{"launch_parameters": map[string]any{}}},
			`{"metadata": {"runloop-go-request-id": "{tag}"}, "snapshot_id": "snp_1", "launch_parameters": {"network_policy_id": "npol_1"}}`,
		},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			s, client := newScript(t, one(createBox, ok(box("queued"))))
			devbox, err := client.Devboxes.Create(t.Context(), test.params)
			require.NoError(t, err)
			sent := s.sent[0]
			assert.Regexp(t, clienttest.UUID4, s.tag)
			assert.Equal(t, s.tag, sent.Header.Get("X-Request-Id"))
			assert.Equal(t, s.tag, devbox.Metadata[runloop.MetadataRequestID])
			assert.JSONEq(t, strings.ReplaceAll(test.body, "{tag}", s.tag), sent.Body)
			assert.Equal(t, strings.Contains(test.body, "12345678901234567890"), strings.Contains(sent.Body, "12345678901234567890"))
			assert.Equal(t, "application/json", sent.Header.Get("Content-Type"))
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
		policies := ok(`{"network_policies":[{"id":"npol_1","name":"task-github","egress":{"allowed_hostnames":["github.com"]}}],"has_more":false}`)
		s, client := newScript(t, []step{
			on("GET /v1/network-policies", policies),
			on(createBox, first(change, refuse(400, "no such policy"))),
			on("GET /v1/network-policies?id=npol_1", ok(clienttest.EmptyPageJSON)),
			on("GET /v1/network-policies", policies),
			on(createBox, ok(box("queued"))),
		})
		_, err := client.Devboxes.Create(t.Context(), params)
		require.NoError(t, err)
		for _, i := range []int{1, 4} {
			assert.Contains(t, s.sent[i].Body, "before")
			assert.NotContains(t, s.sent[i].Body, "after")
		}
		assert.Contains(t, s.sent[3].Query, "name=task-github")
		assert.NotContains(t, params.Metadata, runloop.MetadataRequestID, "the caller's map is not written to")
	})(t)
}

func TestACreateUnderNoPolicyIsNotVerified(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		_, client := newScript(t, []step{
			on(createBox, ok(boxWith("queued", `{}`))),
			on(waitBox, ok(boxWith("running", `{"network_policy_id":"npol_of_the_blueprint"}`))),
		})
		devbox, err := client.Devboxes.Launch(t.Context(), runloop.DevboxCreateParams{Unrestricted: true})
		require.NoError(t, err)
		assert.Equal(t, "npol_of_the_blueprint", devbox.NetworkPolicyID)
	})(t)
}

// Validation

func TestInvalidDevboxCreateParams(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		params   runloop.DevboxCreateParams
		problems []string
	}{
		{"none", runloop.DevboxCreateParams{}, []string{
			"NetworkPolicyID: a devbox without a policy may connect to anything: set one of NetworkPolicyID, NetworkPolicy and Unrestricted"}},
		{"all three", runloop.DevboxCreateParams{NetworkPolicyID: "npol_1", NetworkPolicy: &runloop.NetworkPolicyCreateParams{Name: "a"}, Unrestricted: true}, []string{
			"NetworkPolicyID: set only one of NetworkPolicyID, NetworkPolicy and Unrestricted"}},
		{"a blank ID", underPolicy(" "), []string{"NetworkPolicyID: must not be blank"}},
		{"blanks", underPolicy(" npol_1\n"), []string{`NetworkPolicyID: has surrounding blanks: write "npol_1"`}},
		{"everything else", runloop.DevboxCreateParams{
			Name:                 "\xff",
			NetworkPolicy:        &runloop.NetworkPolicyCreateParams{Egress: hosts("github.com:443")},
			BlueprintID:          "bp_1",
			BlueprintName:        "golang",
			SnapshotID:           "snp_1",
			Entrypoint:           "secret\xff",
			EnvironmentVariables: map[string]string{"TOKEN": "secret\xff"},
			Metadata:             map[string]string{runloop.MetadataRequestID: "secret", "": "secret"},
			LaunchParameters: runloop.DevboxLaunchParameters{
				CustomCPUCores: -1, CustomGBMemory: -2, CustomDiskSize: -3,
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
			"Metadata: an entry has an empty name: remove it or name it",
			"Metadata: runloop-go-request-id is set by the SDK: use WithIdempotencyKey to choose its value",
			"LaunchParameters.CustomCPUCores: -1 is not a number of cores",
			"LaunchParameters.CustomGBMemory: -2 must not be negative",
			"LaunchParameters.CustomDiskSize: -3 must not be negative",
			"LaunchParameters.KeepAlive: 49h0m0s is not between 0 and 48h0m0s: write 0 for the API's default",
			"LaunchParameters.LaunchCommands[1]: must not be blank",
			"LaunchParameters.LaunchCommands[2]: must be valid UTF-8",
			"Extra: launch_parameters must be an object",
			`Extra: "name" is not allowed: set Name`,
		}},
		{"half a second", runloop.DevboxCreateParams{Unrestricted: true, LaunchParameters: runloop.DevboxLaunchParameters{KeepAlive: 1500 * time.Millisecond}},
			[]string{"LaunchParameters.KeepAlive: 1.5s is not a whole number of seconds: write it as in 90*time.Second"}},
		{"a negative life", runloop.DevboxCreateParams{Unrestricted: true, LaunchParameters: runloop.DevboxLaunchParameters{KeepAlive: -time.Second}},
			[]string{"LaunchParameters.KeepAlive: -1s is not between 0 and 48h0m0s: write 0 for the API's default"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			for op, call := range map[string]func(context.Context, runloop.DevboxCreateParams, ...runloop.Option) (*runloop.Devbox, error){
				"launch devbox": client.Devboxes.Launch,
				"create devbox": client.Devboxes.Create,
			} {
				_, err := call(t.Context(), test.params)
				e, ok := errors.AsType[*runloop.ValidationError](err)
				require.True(t, ok, "%v", err)
				assert.Equal(t, op, e.Op)
				assert.Equal(t, test.problems, e.Problems)
				assert.Equal(t, test.problems[0], e.Field+": "+e.Problem)
				assert.NotContains(t, strings.Join(e.Problems, "\n"), `secret\`)
			}
			assert.Empty(t, api.Sent())
		})
	}
}

// What counts is the JSON that would be sent.
func TestExtraCannotSetWhatTheSDKSets(t *testing.T) {
	t.Parallel()
	type launchParameters struct {
		Policy string `json:"network_policy_id"`
	}
	for _, test := range []struct {
		extra   map[string]any
		problem string
	}{
		{map[string]any{"network_policy_id": "npol_2"}, `"network_policy_id" is not allowed: set NetworkPolicyID or NetworkPolicy`},
		{map[string]any{"networkPolicyId": nil}, `"networkPolicyId" is not allowed: set NetworkPolicyID or NetworkPolicy`},
		{map[string]any{"launch_parameters": map[string]any{"Network-Policy-ID": ""}}, `"Network-Policy-ID" is not allowed`},
		{map[string]any{"launch_parameters": launchParameters{"npol_2"}}, `"network_policy_id" is not allowed`},
		{map[string]any{"launch_parameters": &launchParameters{}}, `"network_policy_id" is not allowed`},
		{map[string]any{"launch_parameters": json.RawMessage(`{"network\u005fpolicy_id": "npol_2"}`)}, `"network_policy_id" is not allowed`},
		{map[string]any{"launchParameters": json.RawMessage(`{}`)}, `"launchParameters" is not allowed: set LaunchParameters, or "launch_parameters"`},
		{map[string]any{"x": []any{map[string]any{"y": json.RawMessage(`[[{"NETWORK_POLICY_ID":1}]]`)}}}, `"NETWORK_POLICY_ID" is not allowed`},
		{map[string]any{"metadata": map[string]any{}}, `"metadata" is not allowed: set Metadata`},
		{map[string]any{"Metadata": 1}, `"Metadata" is not allowed: set Metadata`},
		{map[string]any{"environmentVariables": 1}, `"environmentVariables" is not allowed: set EnvironmentVariables`},
		{map[string]any{"snapshot_id": nil}, `"snapshot_id" is not allowed: set SnapshotID`},
		{map[string]any{"launch_parameters": map[string]any{"keepAliveTimeSeconds": 1}}, `"keepAliveTimeSeconds" is not allowed: set LaunchParameters.KeepAlive`},
		{map[string]any{"launch_parameters": map[string]any{"launch_commands": nil}}, `"launch_commands" is not allowed: set LaunchParameters.LaunchCommands`},
		{map[string]any{"launch_parameters": nil}, "launch_parameters must be an object"},
		{map[string]any{"launch_parameters": json.RawMessage(`{"a":1,"a":2}`)}, "is not JSON: "},
		{map[string]any{"x": json.RawMessage(`{`)}, "is not JSON: "},
		{map[string]any{"x": json.RawMessage("\"\xff\"")}, "is not JSON: "},
		{map[string]any{"x": make(chan int)}, "is not JSON: "},
	} {
		api, client := clienttest.NewAPI(t)
		params := underPolicy("npol_1")
		params.Extra = test.extra
		_, err := client.Devboxes.Create(t.Context(), params)
		e, ok := errors.AsType[*runloop.ValidationError](err)
		require.True(t, ok, "%v: %v", test.extra, err)
		assert.Equal(t, "Extra", e.Field)
		assert.Contains(t, e.Problem, test.problem)
		assert.Empty(t, api.Sent())
	}
}

// fickle has another JSON form each time.
type fickle struct{ forms *[]string }

func (f fickle) MarshalJSON() ([]byte, error) {
	form := (*f.forms)[0]
	*f.forms = (*f.forms)[1:]
	return []byte(form), nil
}

func TestExtraIsSentAsItWasChecked(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		s, client := newScript(t, one(createBox, ok(box("queued"))))
		_, err := client.Devboxes.Create(t.Context(), runloop.DevboxCreateParams{
			Unrestricted: true,
			Extra: map[string]any{
				"launch_parameters": fickle{&[]string{`{"after_idle":null}`, `{"network_policy_id":"npol_2"}`}},
			},
		})
		require.NoError(t, err)
		assert.Contains(t, s.sent[0].Body, `"launch_parameters":{"after_idle":null}`)
	})(t)
}

func TestExtraMayHaveOtherFields(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		s, client := newScript(t, one(createBox, ok(box("queued"))))
		params := underPolicy("npol_1")
		params.Extra = map[string]any{
			"mounts": []any{map[string]any{"name": "a", "metadata": "network_policy_id"}}, // below other fields, names are free
		}
		_, err := client.Devboxes.Create(t.Context(), params)
		require.NoError(t, err)
		assert.Contains(t, s.sent[0].Body, `"mounts":[{"metadata":"network_policy_id","name":"a"}]`)
	})(t)
}

// Lost responses

func TestACreateIsRepeatedOnlyIfItWasNotProcessed(t *testing.T) {
	for name, test := range map[string]struct {
		response func(*http.Request) (*http.Response, error)
		repeated bool
	}{
		"429":              {refuse(429, "slow down"), true},
		"503":              {refuse(503, "maintenance"), false},
		"a 502 page":       {htmlPage(502), false},
		"408":              {refuse(408, "timeout"), false},
		"no response":      {never, false},
		"a cut connection": {broken, false},
		"a redirect":       {clienttest.RespondWith(302, ``, http.Header{"Location": {"https://elsewhere.example"}}), false},
		"an empty 200":     {ok(``), false},
		"204":              {clienttest.Respond(204, ``), false},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			steps := []step{on(createBox, test.response), on(createBox, ok(box("queued")))}
			if !test.repeated {
				steps[1] = on(listQueued, ok(boxes(box("queued"))))
			}
			s, client := newScript(t, steps)
			devbox, err := client.Devboxes.Create(t.Context(), underPolicy("npol_1"))
			require.NoError(t, err)
			assert.Equal(t, "dbx_1", devbox.ID)
			if test.repeated {
				assert.Equal(t, s.sent[0], s.sent[1], "with the same request ID")
			}
		}))
	}
}

func TestALostDevboxIsFoundByItsTag(t *testing.T) {
	other := `{"id":"dbx_0","status":"queued","metadata":{"runloop-go-request-id":"another"}}`
	for name, steps := range map[string][]step{
		"queued":       {on(listQueued, ok(boxes(other, box("queued"))))},
		"provisioning": {on(listQueued, ok(noBoxes)), on(listProvisioning, ok(boxes(box("provisioning"))))},
		"initializing": {on(listQueued, ok(noBoxes)), on(listProvisioning, ok(noBoxes)), on(listInitializing, ok(boxes(box("initializing"))))},
		"running": {on(listQueued, ok(noBoxes)), on(listProvisioning, ok(noBoxes)), on(listInitializing, ok(noBoxes)),
			on(listRunning, ok(boxes(box("running"))))},
		"on a later page": {on(listQueued, ok(`{"devboxes":[`+other+`],"has_more":true}`)),
			on(listQueued, ok(boxes(box("queued"))))},
		"by the second search":       append(emptyLists(), on(listQueued, ok(boxes(box("queued"))))),
		"by the third search":        append(append(emptyLists(), emptyLists()...), on(listQueued, ok(boxes(box("queued"))))),
		"after a refused status":     {on(listQueued, refuse(400, "unknown status")), on(listProvisioning, ok(boxes(box("provisioning"))))},
		"after a transient error":    {on(listQueued, htmlPage(503)), on(listQueued, ok(boxes(box("queued"))))},
		"although every one is 400":  {on(listQueued, refuse(400, "no")), on(listProvisioning, refuse(400, "no")), on(listInitializing, refuse(400, "no")), on(listRunning, refuse(400, "no")), on(listQueued, ok(boxes(box("queued"))))},
		"and verified by more looks": {on(listQueued, ok(boxes(boxWith("queued", `{}`)))), on(getBox, ok(box("queued")))},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			var log bytes.Buffer
			s, client := newScript(t, append(one(createBox, broken), steps...), runloop.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			devbox, err := client.Devboxes.Create(t.Context(), underPolicy("npol_1"))
			require.NoError(t, err)
			assert.Equal(t, "dbx_1", devbox.ID)
			assert.Equal(t, "npol_1", devbox.NetworkPolicyID)
			assert.Equal(t, 1, strings.Count(log.String(), "level=INFO"))
			for _, list := range s.sent[1:] {
				if strings.HasSuffix(list.Path, "/devboxes") {
					assert.Equal(t, "1000", query(t, list).Get("limit"))
				}
			}
		}))
	}
}

func TestADevboxThatIsNotFoundStaysInDoubt(t *testing.T) {
	allRefused := []step{on(listQueued, refuse(400, "no")), on(listProvisioning, refuse(400, "no")), on(listInitializing, refuse(400, "no")), on(listRunning, refuse(400, "no"))}
	for name, steps := range map[string][]step{
		"in three searches":                 concat(emptyLists(), emptyLists(), emptyLists()),
		"every list is refused":             concat(allRefused, allRefused, allRefused),
		"an outage":                         times(4, on(listQueued, broken)),
		"an outage that begins later":       append(one(listQueued, ok(noBoxes)), times(4, on(listProvisioning, htmlPage(503)))...),
		"a list that may not be read":       one(listQueued, refuse(403, "no")),
		"a list that cannot be decoded":     one(listQueued, ok(`{}`)),
		"a list that is not found":          one(listQueued, htmlPage(404)),
		"another's tag":                     concat(one(listQueued, ok(boxes(`{"id":"dbx_9","status":"queued","metadata":{"runloop-go-request-id":"x"}}`))), emptyLists()[1:], emptyLists(), emptyLists()),
		"the tag under another key, as not": concat(one(listQueued, ok(boxes(`{"id":"dbx_9","status":"queued","name":"{tag}","metadata":{"tag":"{tag}"}}`))), emptyLists()[1:], emptyLists(), emptyLists()),
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			for _, call := range []string{"create", "launch"} {
				s, client := newScript(t, append(one(createBox, broken), steps...))
				launch := client.Devboxes.Create
				if call == "launch" {
					launch = client.Devboxes.Launch
				}
				devbox, err := launch(t.Context(), underPolicy("npol_1"))
				assert.Nil(t, devbox)
				e := asDevboxError(t, err)
				assert.Equal(t, call+" devbox", e.Op)
				assert.Nil(t, e.Devbox)
				assert.Equal(t, s.tag, e.RequestID)
				assert.False(t, e.ShutDown)
				require.ErrorIs(t, err, runloop.ErrMaybeApplied)
				assert.Equal(t, 1, clienttest.AsTransportError(t, err).Attempts)
				assert.Equal(t, fmt.Sprintf("runloop: %s devbox: it is unknown whether the devbox was created: no usable response "+
					"(1 attempt): connection reset by peer (look for request ID %s in the devboxes' metadata, "+
					"or repeat the call with it as WithIdempotencyKey; may have been applied)", call, s.tag), err.Error())
			}
		}))
	}
}

// The text has each note once, and what to do, however long the response is.
func TestTheTextOfADevboxInDoubt(t *testing.T) {
	for name, response := range map[string]func(*http.Request) (*http.Response, error){
		"a 503":            htmlPage(503),
		"a long message":   refuse(500, strings.Repeat("long ", 100)),
		"no devbox at all": htmlPage(200),
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			s, client := newScript(t, []step{on(createBox, response), on(listQueued, refuse(403, "no"))})
			_, err := client.Devboxes.Create(t.Context(), underPolicy("npol_1"))
			require.ErrorIs(t, err, runloop.ErrMaybeApplied)
			assert.True(t, clienttest.AsAPIError(t, err).MaybeApplied)
			assert.Equal(t, s.tag, clienttest.AsAPIError(t, err).RequestID)
			text := err.Error()
			assert.Equal(t, 1, strings.Count(text, "may have been applied"), text)
			assert.Equal(t, 1, strings.Count(text, s.tag), text)
			assert.Contains(t, text, "WithIdempotencyKey")
			assert.Less(t, len(text), 300)
		}))
	}
}

func TestTheSearchesForADevboxPause(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		s, client := newScript(t, concat(one(createBox, broken), emptyLists(), emptyLists(), emptyLists()))
		_, err := client.Devboxes.Create(t.Context(), underPolicy("npol_1"))
		require.ErrorIs(t, err, runloop.ErrMaybeApplied)
		clienttest.AssertBackoff(t, []time.Duration{s.times[1], s.times[5], s.times[9]})
	})(t)
}

func TestAnOutageDuringACreateCostsFiveRequests(t *testing.T) {
	for name, steps := range map[string][]step{
		"at once":                   concat(one(createBox, htmlPage(503)), times(4, on(listQueued, htmlPage(503)))),
		"when all retries are used": concat(times(3, on(createBox, refuse(429, "slow down"))), one(createBox, htmlPage(503)), one(listQueued, htmlPage(503))),
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			_, client := newScript(t, steps)
			_, err := client.Devboxes.Launch(t.Context(), underPolicy("npol_1"))
			require.ErrorIs(t, err, runloop.ErrMaybeApplied)
			require.ErrorIs(t, err, runloop.ErrServer)
		}))
	}
}

// A confused proxy's response must not make the SDK shut down somebody else's devbox.
func TestAResponseWithoutTheTagIsInvalid(t *testing.T) {
	for name, response := range map[string]string{
		"another's":        `{"id":"dbx_9","status":"running","metadata":{"runloop-go-request-id":"x"},"launch_parameters":{"network_policy_id":"npol_9"}}`,
		"no tag":           `{"id":"dbx_9","status":"running","metadata":{},"launch_parameters":{"network_policy_id":"npol_1"}}`,
		"no metadata":      `{"id":"dbx_9","status":"running"}`,
		"null as metadata": `{"id":"dbx_9","status":"running","metadata":null}`,
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			_, client := newScript(t, []step{on(createBox, ok(response)), on(listQueued, ok(boxes(box("queued")))), on(waitBox, ok(box("running")))})
			devbox, err := client.Devboxes.Launch(t.Context(), underPolicy("npol_1"))
			require.NoError(t, err)
			assert.Equal(t, "dbx_1", devbox.ID)
		}))
		t.Run(name+", and not found", clienttest.InBubble(func(t *testing.T) {
			_, client := newScript(t, concat(one(createBox, ok(response)), emptyLists(), emptyLists(), emptyLists()))
			_, err := client.Devboxes.Launch(t.Context(), underPolicy("npol_1"))
			require.ErrorIs(t, err, runloop.ErrInvalidResponse)
			require.ErrorIs(t, err, runloop.ErrMaybeApplied)
			assert.Nil(t, asDevboxError(t, err).Devbox)
		}))
	}
}

// An error that leaves nothing is no DevboxError.
func TestARefusedCreateLeavesNothing(t *testing.T) {
	for name, test := range map[string]struct {
		steps []step
		is    error
	}{
		"unauthorized":        {one(createBox, refuse(401, "no")), runloop.ErrUnauthorized},
		"forbidden":           {one(createBox, refuse(403, "no")), runloop.ErrForbidden},
		"rate limited":        {times(4, on(createBox, refuse(429, "slow down"))), runloop.ErrRateLimited},
		"not implemented":     {one(createBox, refuse(501, "no")), nil},
		"bad blueprint":       {[]step{on(createBox, refuse(400, `Blueprint "x" not found`)), on("GET /v1/network-policies?id=npol_1", ok(clienttest.PageJSON))}, runloop.ErrBadRequest},
		"no list":             {append(one(createBox, refuse(400, "no")), times(4, on("GET /v1/network-policies?id=npol_1", broken))...), runloop.ErrBadRequest},
		"a list that is 404":  {[]step{on(createBox, refuse(400, "no")), on("GET /v1/network-policies?id=npol_1", htmlPage(404))}, runloop.ErrBadRequest},
		"a load balancer 404": {[]step{on(createBox, htmlPage(404)), on("GET /v1/network-policies?id=npol_1", ok(clienttest.PageJSON))}, nil},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			_, client := newScript(t, test.steps)
			_, err := client.Devboxes.Launch(t.Context(), underPolicy("npol_1"))
			e := clienttest.AsAPIError(t, err)
			assert.Equal(t, "launch devbox", e.Op)
			if test.is != nil {
				assert.ErrorIs(t, err, test.is)
			}
			assertNothingInDoubt(t, err)
			assert.NotErrorIs(t, err, runloop.ErrNotFound)
			_, isDevboxError := errors.AsType[*runloop.DevboxError](err)
			assert.False(t, isDevboxError)
		}))
	}
}

func TestACreateWithoutAPolicyAsksForNone(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		_, client := newScript(t, one(createBox, refuse(400, "no")))
		_, err := client.Devboxes.Create(t.Context(), runloop.DevboxCreateParams{Unrestricted: true})
		require.ErrorIs(t, err, runloop.ErrBadRequest)
	})(t)
}

// The policy

func TestAnUnknownPolicyIsNotFound(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		_, err := fake.client.Devboxes.Launch(t.Context(), underPolicy("npol_unknown"))
		require.ErrorIs(t, err, runloop.ErrNotFound)
		require.ErrorIs(t, err, runloop.ErrBadRequest)
		assert.Equal(t, []runlooptest.Operation{createDevbox, list}, fake.operations())
		assert.ErrorContains(t, err, "runloop: launch devbox: 400 Bad Request")
	})(t)
}

// Another program prunes the policy between the lookup and the create.
func TestACancelDuringTheLookupOfThePolicyEndsTheLaunch(t *testing.T) {
	for name, params := range map[string]runloop.DevboxCreateParams{"by ID": underPolicy("npol_1"), "by rules": underRules()} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			steps := concat(
				one(createBox, refuse(400, "no such policy")),
				one("GET /v1/network-policies?id=npol_1", first(cancel, never)))
			if params.NetworkPolicy != nil {
				steps = concat(one("GET /v1/network-policies",
					ok(`{"network_policies":[{"id":"npol_1","name":"task-github","egress":{"allowed_hostnames":["github.com"]}}],"has_more":false}`)), steps)
			}
			_, client := newScript(t, steps)
			_, err := client.Devboxes.Launch(ctx, params)
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, runloop.ErrBadRequest)
			assert.NotErrorIs(t, err, runloop.ErrNotFound, "nobody knows")
			assert.NotErrorIs(t, err, runloop.ErrMaybeApplied)
			assert.ErrorContains(t, err, "context canceled")
		}))
	}
}

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
		var tags []string
		for _, request := range fake.Requests(createDevbox) {
			tags = append(tags, request.Header.Get("X-Request-Id"))
		}
		assert.Len(t, tags, 3)
		assert.Len(t, slices.Compact(slices.Sorted(slices.Values(tags))), 3, "each create has its own request ID")
	})(t)
}

func TestALaunchIsTriedAgainFourTimes(t *testing.T) {
	policies := ok(`{"network_policies":[{"id":"npol_1","name":"task-github","egress":{"allowed_hostnames":["github.com"]}}],"has_more":false}`)
	round := []step{
		on("GET /v1/network-policies", policies),
		on(createBox, refuse(400, "no such policy")),
		on("GET /v1/network-policies?id=npol_1", ok(clienttest.EmptyPageJSON)),
	}
	clienttest.InBubble(func(t *testing.T) {
		s, client := newScript(t, concat(round, round, round, round, round))
		_, err := client.Devboxes.Launch(t.Context(), underRules())
		require.ErrorIs(t, err, runloop.ErrBadRequest)
		assert.NotErrorIs(t, err, runloop.ErrNotFound, "the caller named no ID")
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
		assert.Equal(t, []runlooptest.Operation{listDevboxes, listDevboxes, listDevboxes, listDevboxes, list, create, createDevbox, waitForDevbox}, fake.operations())
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

func TestADevboxThatIsFoundByItsKeyIsVerified(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		steps := []step{
			on(listQueued, ok(noBoxes)),
			on(listProvisioning, ok(boxes(`{"id":"dbx_1","status":"provisioning","metadata":{"runloop-go-request-id":"key-1"},"launch_parameters":{"network_policy_id":"npol_2"}}`))),
			on(shutdownBox, ok(box("shutdown"))),
		}
		_, client := newScript(t, steps)
		_, err := client.Devboxes.Create(t.Context(), underPolicy("npol_1"), runloop.WithIdempotencyKey("key-1"))
		require.ErrorIs(t, err, runloop.ErrPolicyNotAttached)
		assert.True(t, asDevboxError(t, err).ShutDown)
		assert.Equal(t, "key-1", asDevboxError(t, err).RequestID)
	})(t)
}

// The devbox of an earlier call is not left without a name when its policy cannot be
// ensured.
func TestADevboxThatIsFoundByItsKeyIsShutDownIfItCannotBeVerified(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		found := `{"id":"dbx_1","status":"running","metadata":{"runloop-go-request-id":"key-1"},"launch_parameters":{"network_policy_id":"npol_1"}}`
		steps := concat(emptyLists()[:3], one(listRunning, ok(boxes(found))),
			one("GET /v1/network-policies", ok(clienttest.EmptyPageJSON)),
			one("POST /v1/network-policies", refuse(403, "no")),
			one(shutdownBox, ok(box("shutdown"))))
		_, client := newScript(t, steps)
		_, err := client.Devboxes.Create(t.Context(), underRules(), runloop.WithIdempotencyKey("key-1"))
		require.ErrorIs(t, err, runloop.ErrForbidden)
		assert.NotErrorIs(t, err, runloop.ErrPolicyNotAttached)
		assertNothingInDoubt(t, err)
		assert.True(t, asDevboxError(t, err).ShutDown)
	})(t)
}

// What is in doubt about the policy leaves nothing open about the devbox.
func TestADriftInDoubtIsNotInDoubtOfADevboxThatIsKnown(t *testing.T) {
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

func TestWithoutASearchForTheKeyNothingIsCreated(t *testing.T) {
	for name, steps := range map[string][]step{
		"an outage":       times(4, on(listQueued, broken)),
		"a refused list":  {on(listQueued, refuse(400, "unknown status")), on(listProvisioning, ok(noBoxes)), on(listInitializing, ok(noBoxes)), on(listRunning, ok(noBoxes))},
		"the last fails":  append(emptyLists()[:3], times(4, on(listRunning, htmlPage(502)))...),
		"forbidden":       one(listQueued, refuse(403, "no")),
		"an invalid page": one(listQueued, ok(`{"devboxes":[]}`)),
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			_, client := newScript(t, steps)
			_, err := client.Devboxes.Launch(t.Context(), underRules(), runloop.WithIdempotencyKey("key-1"))
			e := asDevboxError(t, err)
			assert.Nil(t, e.Devbox)
			assert.Equal(t, "key-1", e.RequestID)
			assert.ErrorIs(t, err, runloop.ErrMaybeApplied, "an earlier call may have created it")
		}))
	}
}

// Verification

func TestThePolicyOfADevboxIsVerified(t *testing.T) {
	silent := boxWith("queued", `{}`)
	for name, looks := range map[string][]step{
		"in the response":            one(createBox, ok(box("queued"))),
		"by the first look":          {on(createBox, ok(silent)), on(getBox, ok(box("queued")))},
		"by the third look":          {on(createBox, ok(silent)), on(getBox, ok(silent)), on(getBox, ok(boxWith("queued", `null`))), on(getBox, ok(box("running")))},
		"after a look that is 404":   {on(createBox, ok(silent)), on(getBox, refuse(404, "not found")), on(getBox, ok(box("queued")))},
		"after a transient error":    {on(createBox, ok(silent)), on(getBox, htmlPage(503)), on(getBox, ok(box("queued")))},
		"after an invalid look":      {on(createBox, ok(silent)), on(getBox, ok(`{}`)), on(getBox, ok(box("queued")))},
		"after another devbox's":     {on(createBox, ok(silent)), on(getBox, ok(`{"id":"dbx_2","status":"queued"}`)), on(getBox, ok(box("queued")))},
		"with null as the policy":    {on(createBox, ok(boxWith("queued", `{"network_policy_id":null}`))), on(getBox, ok(box("queued")))},
		"without launch parameters":  {on(createBox, ok(`{"id":"dbx_1","status":"queued","metadata":{"runloop-go-request-id":"{tag}"}}`)), on(getBox, ok(box("queued")))},
		"with an empty string first": {on(createBox, ok(boxWith("queued", `{"network_policy_id":""}`))), on(getBox, ok(box("queued")))},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			_, client := newScript(t, looks)
			devbox, err := client.Devboxes.Create(t.Context(), underPolicy("npol_1"))
			require.NoError(t, err)
			assert.Equal(t, "npol_1", devbox.NetworkPolicyID)
		}))
	}
}

func TestADevboxWithoutItsPolicyIsShutDown(t *testing.T) {
	silent, other := boxWith("queued", `{}`), boxWith("queued", `{"network_policy_id":"npol_2"}`)
	for name, test := range map[string]struct {
		looks    []step
		is       error
		isKnown  bool
		contains string
	}{
		"another policy in the response": {one(createBox, ok(other)), nil, true, `policy "npol_1" is not attached: the devbox has "npol_2"`},
		"another policy in a look":       {[]step{on(createBox, ok(silent)), on(getBox, ok(other))}, nil, true, `the devbox has "npol_2"`},
		"no policy in three looks":       {append(one(createBox, ok(silent)), times(3, on(getBox, ok(silent)))...), nil, true, `policy "npol_1" is not attached: the devbox has none`},
		"looks in an outage":             {append(one(createBox, ok(silent)), times(4, on(getBox, htmlPage(503)))...), runloop.ErrServer, false, "the policy could not be verified: 503"},
		"looks that are refused":         {append(one(createBox, ok(silent)), times(3, on(getBox, htmlPage(404)))...), runloop.ErrNotFound, false, "the policy could not be verified: 404"},
		"a last look that fails":         {append(one(createBox, ok(silent)), on(getBox, ok(silent)), on(getBox, ok(silent)), on(getBox, ok(`{}`))), runloop.ErrInvalidResponse, false, "could not be verified"},
		"a lost devbox":                  {[]step{on(createBox, broken), on(listQueued, ok(boxes(other)))}, nil, true, `the devbox has "npol_2"`},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			s, client := newScript(t, append(test.looks, on(shutdownBox, ok(box("shutdown")))))
			devbox, err := client.Devboxes.Create(t.Context(), underPolicy("npol_1"))
			assert.Nil(t, devbox)
			e := asDevboxError(t, err)
			assert.Equal(t, "create devbox", e.Op)
			assert.Equal(t, "dbx_1", e.Devbox.ID)
			assert.Equal(t, s.tag, e.RequestID)
			assert.True(t, e.ShutDown)
			assert.Equal(t, test.isKnown, errors.Is(err, runloop.ErrPolicyNotAttached))
			if test.is != nil {
				assert.ErrorIs(t, err, test.is)
			}
			assertNothingInDoubt(t, err)
			assert.ErrorContains(t, err, test.contains)
			assert.ErrorContains(t, err, "(devbox dbx_1 is shut down)")
		}))
	}
}

// The response to a create may only repeat what was requested.
func TestLaunchVerifiesTheDevboxThatItReturns(t *testing.T) {
	none, other := "", "npol_other"
	for name, test := range map[string]struct {
		echo  *string
		looks []runlooptest.Operation
	}{
		"no policy":      {&none, []runlooptest.Operation{createDevbox, waitForDevbox, getDevbox, getDevbox, getDevbox, shutdownDevbox}},
		"another policy": {&other, []runlooptest.Operation{createDevbox, waitForDevbox, shutdownDevbox}},
	} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			id := fake.AddPolicy(buildPolicy(time.Hour)).ID
			fake.ScriptDevboxes(runlooptest.DevboxScript{Echo: test.echo, EchoFrom: 2})
			_, err := fake.client.Devboxes.Launch(t.Context(), underPolicy(id))
			require.ErrorIs(t, err, runloop.ErrPolicyNotAttached)
			assert.True(t, asDevboxError(t, err).ShutDown)
			assert.Equal(t, test.looks, fake.operations())
			assert.Empty(t, fake.Running())
		}))
	}
}

func TestNothingWaitsForADevboxThatIsNotVerified(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		id := fake.AddPolicy(buildPolicy(time.Hour)).ID
		fake.ScriptDevboxes(runlooptest.DevboxScript{Echo: new("")})
		_, err := fake.client.Devboxes.Launch(t.Context(), underPolicy(id))
		require.ErrorIs(t, err, runloop.ErrPolicyNotAttached)
		assert.Empty(t, fake.Requests(waitForDevbox))
		assert.Empty(t, fake.Running())
	})(t)
}

// A look that verifies the policy may show that the devbox has ended since.
func TestADevboxThatEndsDuringTheLastLookIsNotReturned(t *testing.T) {
	for status, cleanUp := range map[string][]step{
		"shutdown": nil,
		"failure":  one(shutdownBox, ok(box("failure"))),
	} {
		t.Run(status, clienttest.InBubble(func(t *testing.T) {
			_, client := newScript(t, concat(
				one(createBox, ok(box("queued"))),
				one(waitBox, ok(boxWith("running", `{}`))),
				one(getBox, ok(box(status))),
				cleanUp))
			_, err := client.Devboxes.Launch(t.Context(), underPolicy("npol_1"))
			require.ErrorIs(t, err, runloop.ErrDevboxFailed)
			assert.True(t, asDevboxError(t, err).ShutDown)
		}))
	}
}

func TestTheLooksAtADevboxPause(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		silent := boxWith("queued", `{}`)
		s, client := newScript(t, concat(one(createBox, ok(silent)), times(3, on(getBox, ok(silent))), one(shutdownBox, ok(box("shutdown")))))
		_, err := client.Devboxes.Create(t.Context(), underPolicy("npol_1"))
		require.ErrorIs(t, err, runloop.ErrPolicyNotAttached)
		assert.Equal(t, s.times[0], s.times[1])
		clienttest.AssertBackoff(t, s.times[1:4])
	})(t)
}

// Cleaning up

// The request ID is the create's, whatever the last view shows.
func TestAFailureWithoutMetadataHasTheRequestID(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		s, client := newScript(t, []step{
			on(createBox, ok(box("queued"))),
			on(waitBox, ok(`{"id":"dbx_1","status":"failure"}`)),
			on(shutdownBox, ok(`{"id":"dbx_1","status":"failure"}`)),
		})
		_, err := client.Devboxes.Launch(t.Context(), underPolicy("npol_1"))
		require.ErrorIs(t, err, runloop.ErrDevboxFailed)
		assert.Equal(t, s.tag, asDevboxError(t, err).RequestID)
		assert.True(t, asDevboxError(t, err).ShutDown)
	})(t)
}

func TestADevboxThatFailsIsShutDown(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		id := fake.AddPolicy(buildPolicy(time.Hour)).ID
		fake.ScriptDevboxes(runlooptest.DevboxScript{Statuses: []string{"provisioning", "failure"}, FailureReason: "out_of_memory"})
		_, err := fake.client.Devboxes.Launch(t.Context(), underPolicy(id))
		require.ErrorIs(t, err, runloop.ErrDevboxFailed)
		e := asDevboxError(t, err)
		assert.Equal(t, runloop.DevboxFailure, e.Devbox.Status)
		assert.Equal(t, "out_of_memory", e.Devbox.FailureReason)
		assert.True(t, e.ShutDown)
		assert.Equal(t, fake.Devboxes()[0].Metadata[runloop.MetadataRequestID], e.RequestID)
		assert.Equal(t, []runlooptest.Operation{createDevbox, waitForDevbox, shutdownDevbox}, fake.operations())
		assert.EqualError(t, err, "runloop: launch devbox: the status is failure: out_of_memory (devbox dbx_000001 is shut down)")
	})(t)
}

func TestADevboxThatIsShutDownNeedsNoMore(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		id := fake.AddPolicy(buildPolicy(time.Hour)).ID
		fake.ScriptDevboxes(runlooptest.DevboxScript{Statuses: []string{"provisioning", "shutdown"}, ShutdownReason: "entrypoint_exit"})
		_, err := fake.client.Devboxes.Launch(t.Context(), underPolicy(id))
		require.ErrorIs(t, err, runloop.ErrDevboxFailed)
		assert.True(t, asDevboxError(t, err).ShutDown)
		assert.Equal(t, "entrypoint_exit", asDevboxError(t, err).Devbox.ShutdownReason)
		assert.Equal(t, []runlooptest.Operation{createDevbox, waitForDevbox}, fake.operations())
	})(t)
}

func TestLaunchGivesUpAfterFiveMinutes(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		id := fake.AddPolicy(buildPolicy(time.Hour)).ID
		fake.ScriptDevboxes(runlooptest.DevboxScript{Statuses: []string{"queued"}})
		start := time.Now()
		_, err := fake.client.Devboxes.Launch(t.Context(), underPolicy(id))
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
		id := fake.AddPolicy(buildPolicy(time.Hour)).ID
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := fake.client.Devboxes.Launch(ctx, underPolicy(id))
		require.NoError(t, err)
	}, runlooptest.WithStartup(20*time.Minute))(t)
}

// The clean-up has neither the context nor the settings that ended the launch.
func TestACancelledLaunchCleansUp(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), t, "kept"))
		sawValue := func(r *http.Request) (*http.Response, error) {
			assert.Equal(t, "kept", r.Context().Value(t))
			return broken(r)
		}
		s, client := newScript(t, []step{
			on(createBox, ok(box("queued"))),
			on(waitBox, first(cancel, never)),
			on(shutdownBox, sawValue),
			on(shutdownBox, never),
			on(shutdownBox, htmlPage(503)),
			on(shutdownBox, ok(box("shutdown"))),
		}, runloop.WithMaxRetries(0), runloop.WithAttemptTimeout(time.Minute))
		_, err := client.Devboxes.Launch(ctx, underPolicy("npol_1"))
		require.ErrorIs(t, err, context.Canceled)
		assertNothingInDoubt(t, err)
		assert.True(t, asDevboxError(t, err).ShutDown)
		limit := s.times[4] - s.times[3]
		assert.GreaterOrEqual(t, limit, 7500*time.Millisecond+500*time.Millisecond)
		assert.LessOrEqual(t, limit, 7500*time.Millisecond+time.Second)
	})(t)
}

func TestTheCleanUpKeepsShorterLimitsAndMoreRetries(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		s, client := newScript(t, concat(
			one(createBox, ok(boxWith("queued", `{"network_policy_id":"npol_2"}`))),
			times(5, on(shutdownBox, never)),
			one(shutdownBox, ok(box("shutdown"))),
		), runloop.WithMaxRetries(5), runloop.WithAttemptTimeout(time.Second))
		_, err := client.Devboxes.Create(t.Context(), underPolicy("npol_1"))
		assert.True(t, asDevboxError(t, err).ShutDown)
		assert.Less(t, s.times[2]-s.times[1], 2*time.Second)
	})(t)
}

func TestTheCleanUpTakesHalfAMinuteAtMost(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		_, client := newScript(t, append(one(createBox, ok(boxWith("queued", `{"network_policy_id":"npol_2"}`))), times(4, on(shutdownBox, never))...))
		start := time.Now()
		_, err := client.Devboxes.Create(t.Context(), underPolicy("npol_1"), runloop.WithMaxRetries(50))
		e := asDevboxError(t, err)
		assert.False(t, e.ShutDown)
		assert.Equal(t, "dbx_1", e.Devbox.ID)
		assertNothingInDoubt(t, err)
		assert.Equal(t, 30*time.Second, time.Since(start))
		assert.ErrorContains(t, err, "(devbox dbx_1 could not be shut down: no usable response")
	})(t)
}

// A client that spent its budget of retries cleans up all the same.
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
			var body struct {
				Metadata map[string]string `json:"metadata"`
			}
			assert.NoError(t, json.NewDecoder(r.Body).Decode(&body))
			view := boxWith("queued", `{"network_policy_id":"npol_2"}`)
			return ok(strings.ReplaceAll(view, "{tag}", body.Metadata[runloop.MetadataRequestID]))(r)
		}))
		ctx, stop := context.WithCancel(t.Context())
		var group sync.WaitGroup
		defer group.Wait()
		defer stop()
		for range 200 { // and they keep it spent: time refills it
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

func TestADevboxThatCannotBeShutDownIsNamed(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		s, client := newScript(t, []step{
			on(createBox, ok(box("queued"))),
			on(waitBox, refuse(401, "key revoked")),
			on(shutdownBox, refuse(401, "key revoked")),
		})
		_, err := client.Devboxes.Launch(t.Context(), underPolicy("npol_1"))
		require.ErrorIs(t, err, runloop.ErrUnauthorized)
		e := asDevboxError(t, err)
		assert.False(t, e.ShutDown)
		assert.Equal(t, "dbx_1", e.Devbox.ID)
		assert.Equal(t, s.tag, e.RequestID)
		assert.ErrorContains(t, err, "runloop: launch devbox: the devbox was not seen running: 401 Unauthorized: key revoked (1 attempt) "+
			"(devbox dbx_1 could not be shut down: 401 Unauthorized: key revoked (1 attempt; request ")
	})(t)
}

// A load balancer's 404 does not prove that nothing is left.
func TestANotFoundOfTheCleanUpProvesNothing(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		_, client := newScript(t, []step{
			on(createBox, ok(boxWith("queued", `{"network_policy_id":"npol_2"}`))),
			on(shutdownBox, htmlPage(404)),
		})
		_, err := client.Devboxes.Launch(t.Context(), underPolicy("npol_1"))
		assert.False(t, asDevboxError(t, err).ShutDown)
	})(t)
}

// Cancelled creates

func TestACancelDuringTheCreateIsFollowedByASearch(t *testing.T) {
	for name, call := range map[string]func(*runloop.DevboxesService) func(context.Context, runloop.DevboxCreateParams, ...runloop.Option) (*runloop.Devbox, error){
		"create": func(s *runloop.DevboxesService) func(context.Context, runloop.DevboxCreateParams, ...runloop.Option) (*runloop.Devbox, error) {
			return s.Create
		},
		"launch": func(s *runloop.DevboxesService) func(context.Context, runloop.DevboxCreateParams, ...runloop.Option) (*runloop.Devbox, error) {
			return s.Launch
		},
	} {
		t.Run(name+", found", clienttest.InBubble(func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			s, client := newScript(t, concat(
				one(createBox, first(cancel, never)),
				emptyLists(),
				[]step{on(listQueued, ok(noBoxes)), on(listProvisioning, htmlPage(503)), on(listProvisioning, ok(boxes(box("provisioning")))), on(shutdownBox, ok(box("shutdown")))},
			), runloop.WithMaxRetries(0))
			_, err := call(client.Devboxes)(ctx, underPolicy("npol_1"))
			require.ErrorIs(t, err, context.Canceled)
			assertNothingInDoubt(t, err)
			e := asDevboxError(t, err)
			assert.Equal(t, "dbx_1", e.Devbox.ID)
			assert.Equal(t, s.tag, e.RequestID)
			assert.True(t, e.ShutDown)
			assert.Equal(t, runloop.DevboxProvisioning, e.Devbox.Status)
		}))
		t.Run(name+", not found", clienttest.InBubble(func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			s, client := newScript(t, concat(one(createBox, first(cancel, never)), emptyLists(), emptyLists(), emptyLists()))
			_, err := call(client.Devboxes)(ctx, underPolicy("npol_1"))
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, runloop.ErrMaybeApplied)
			e := asDevboxError(t, err)
			assert.Nil(t, e.Devbox)
			assert.Equal(t, s.tag, e.RequestID)
		}))
		t.Run(name+", during the search", clienttest.InBubble(func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			_, client := newScript(t, []step{
				on(createBox, broken), on(listQueued, ok(noBoxes)), on(listProvisioning, first(cancel, never)),
				on(listQueued, ok(boxes(box("queued")))), on(shutdownBox, ok(box("shutdown"))),
			})
			_, err := call(client.Devboxes)(ctx, underPolicy("npol_1"))
			assertNothingInDoubt(t, err)
			assert.True(t, asDevboxError(t, err).ShutDown)
		}))
		t.Run(name+", found and not shut down", clienttest.InBubble(func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			_, client := newScript(t, concat(
				one(createBox, first(cancel, never)), one(listQueued, ok(boxes(box("queued")))),
				times(4, on(shutdownBox, broken)), one(getBox, broken),
			))
			_, err := call(client.Devboxes)(ctx, underPolicy("npol_1"))
			assertNothingInDoubt(t, err)
			e := asDevboxError(t, err)
			assert.Equal(t, "dbx_1", e.Devbox.ID)
			assert.False(t, e.ShutDown)
		}))
	}
}

// The deadline is so close that no call waits for it: the search is cut short.
func TestADeadlineThatCutsTheSearchShort(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, client := newScript(t, []step{
			on(createBox, broken), on(listQueued, htmlPage(503)), // a retry would come too late
			on(listQueued, ok(boxes(box("queued")))), on(shutdownBox, ok(box("shutdown"))),
		})
		_, err := client.Devboxes.Launch(ctx, underPolicy("npol_1"))
		assertNothingInDoubt(t, err)
		assert.True(t, asDevboxError(t, err).ShutDown)
	})(t)
}

func TestACancelBeforeTheCreateLeavesNothing(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		policies := ok(`{"network_policies":[{"id":"npol_1","name":"task-github","egress":{"allowed_hostnames":["github.com"]}}],"has_more":false}`)
		_, client := newScript(t, one("GET /v1/network-policies", first(cancel, policies)))
		_, err := client.Devboxes.Launch(ctx, underRules())
		require.ErrorIs(t, err, context.Canceled)
		assert.NotErrorIs(t, err, runloop.ErrMaybeApplied)
		_, isDevboxError := errors.AsType[*runloop.DevboxError](err)
		assert.False(t, isDevboxError)
	})(t)
}

func TestACancelDuringTheVerificationCleansUp(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_, client := newScript(t, []step{
			on(createBox, ok(boxWith("queued", `{}`))), on(getBox, first(cancel, never)), on(shutdownBox, ok(box("shutdown"))),
		})
		_, err := client.Devboxes.Create(ctx, underPolicy("npol_1"))
		require.ErrorIs(t, err, context.Canceled)
		assert.NotErrorIs(t, err, runloop.ErrPolicyNotAttached)
		assert.True(t, asDevboxError(t, err).ShutDown)
	})(t)
}

// Faults of a fake with state

// A response that is lost after the commit makes no second devbox, and no error.
func TestALaunchSurvivesLostResponses(t *testing.T) {
	for _, op := range []runlooptest.Operation{list, create, createDevbox, waitForDevbox} {
		for name, fault := range map[string]runlooptest.Fault{
			"lost":        lost(),
			"cut":         runlooptest.CutBody(20),
			"a 502 after": runlooptest.Page(502).AfterCommit(),
			"slow":        runlooptest.Delay(40 * time.Second).AfterCommit(),
		} {
			t.Run(fmt.Sprint(op, " ", name), onFake(func(t *testing.T, fake *fakeAPI) {
				fake.Inject(op, fault)
				devbox, err := fake.client.Devboxes.Launch(t.Context(), underRules())
				require.NoError(t, err)
				assert.Equal(t, runloop.DevboxRunning, devbox.Status)
				assert.Equal(t, fake.one(t).ID, devbox.NetworkPolicyID)
				assert.Len(t, fake.Devboxes(), 1)
				assert.Len(t, fake.Requests(createDevbox), 1)
			}))
		}
	}
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
				continue // which fmt asks no Formatter about, and vet refuses for structs
			}
			assert.NotContains(t, text, secret, output)
			assert.NotContains(t, text, fmt.Sprintf("%x", secret), output)
		}
		assert.Equal(t, `devbox "task-17"`, fmt.Sprint(params))

		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		_, client := newScript(t, concat(one(createBox, broken), emptyLists(), emptyLists(), emptyLists()), runloop.WithLogger(logger))
		_, err := client.Devboxes.Launch(t.Context(), params)
		require.Error(t, err)
		for output, text := range prints(err) {
			assert.NotContains(t, text, secret, output)
		}
		assert.NotContains(t, log.String(), secret)
		assert.Contains(t, log.String(), "runloop: attempt")
	})(t)
}

func TestADevboxErrorKeepsTheKey(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		key := clienttest.APIKey
		for name, steps := range map[string][]step{
			"in the policy": {on(createBox, ok(boxWith("queued", `{"network_policy_id":"`+key+`"}`))), on(shutdownBox, refuse(400, "invalid "+key))},
			"in the reason": {on(createBox, ok(box("queued"))), on(waitBox, ok(`{"id":"dbx_1","status":"shutdown","shutdown_reason":"`+key+`"}`))},
			"in the status": {on(createBox, ok(box("queued"))), on(waitBox, refuse(404, key)), on(shutdownBox, refuse(401, key))},
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

// Errors that a program makes for its own tests have a text, too.
func TestDevboxErrorValuesWithoutACall(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "runloop: launch devbox: x (devbox dbx_1 is not shut down)",
		(&runloop.DevboxError{Op: "launch devbox", Devbox: &runloop.Devbox{ID: "dbx_1"}, Problem: "x"}).Error())
	assert.Equal(t, "runloop: launch devbox: x (devbox dbx_1 is shut down)",
		(&runloop.DevboxError{Op: "launch devbox", Devbox: &runloop.Devbox{ID: "dbx_1"}, Problem: "x", ShutDown: true}).Error())
	e := &runloop.DevboxError{Op: strings.Repeat("o", 500), RequestID: strings.Repeat("i", 500), Problem: strings.Repeat("x\n", 500)}
	assert.Less(t, len(e.Error()), 300)
	assert.NotContains(t, e.Error(), "\n")
	assert.Contains(t, e.Error(), "may have been applied)")
	assert.ErrorIs(t, e, runloop.ErrMaybeApplied)
	assert.NotErrorIs(t, e, runloop.ErrDevboxFailed)
	assert.Equal(t, e.Error(), fmt.Sprintf("%+v", e))
	assert.Equal(t, e.Error(), e.LogValue().String())
	assert.NotPanics(t, func() { _ = new(runloop.DevboxError).Error() })
}
