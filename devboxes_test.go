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
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// devboxJSON is a view with every field that the SDK knows, and one that it does not.
const devboxJSON = `{
	"id": "dbx_1",
	"name": "task-17",
	"status": "shutdown",
	"create_time_ms": 1767225600000,
	"end_time_ms": 1767225601000,
	"metadata": {"team": "infra", "empty": null},
	"launch_parameters": {"resource_size_request": "SMALL", "network_policy_id": "npol_1", "user_parameters": null},
	"capabilities": [],
	"state_transitions": [{"status": "shutdown", "transition_time_ms": 1767225601000}],
	"blueprint_id": "bp_1",
	"snapshot_id": null,
	"failure_reason": null,
	"shutdown_reason": "keep_alive_timeout",
	"tunnel": {"token": "tunnel-secret"}
}`

func wantDevbox() *runloop.Devbox {
	return &runloop.Devbox{
		ID:              "dbx_1",
		Name:            "task-17",
		Status:          runloop.DevboxShutdown,
		NetworkPolicyID: "npol_1",
		CreateTime:      time.UnixMilli(1767225600000).UTC(),
		EndTime:         time.UnixMilli(1767225601000).UTC(),
		ShutdownReason:  "keep_alive_timeout",
		Metadata:        map[string]string{"team": "infra", "empty": ""},
		BlueprintID:     "bp_1",
		Raw:             json.RawMessage(devboxJSON),
	}
}

func TestGetAndShutdown(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On("GET", "/v1/devboxes/dbx_1", ok(" \n"+devboxJSON+"\n"))
	api.On("POST", "/v1/devboxes/dbx_1/shutdown", ok(devboxJSON))
	devbox, err := client.Devboxes.Get(t.Context(), "dbx_1", runloop.WithIdempotencyKey("unused"))
	require.NoError(t, err)
	assert.Equal(t, wantDevbox(), devbox)
	devbox, err = client.Devboxes.Shutdown(t.Context(), "dbx_1", runloop.WithIdempotencyKey("key-1"))
	require.NoError(t, err)
	assert.Equal(t, wantDevbox(), devbox)
	for i, sent := range api.Sent() {
		assert.Empty(t, sent.Body)
		assert.Empty(t, sent.Query)
		assert.Equal(t, []string{"", "key-1"}[i], sent.Header.Get("X-Request-Id"))
	}
}

func TestGetOfAnUnknownDevbox(t *testing.T) {
	t.Parallel()
	for _, response := range []responder{refuse(400, `Devbox with id "dbx_1" not found`), refuse(404, "gone"), htmlPage(404)} {
		api, client := clienttest.NewAPI(t)
		api.On("GET", "/v1/devboxes/dbx_1", response)
		_, err := client.Devboxes.Get(t.Context(), "dbx_1")
		assert.ErrorIs(t, err, runloop.ErrNotFound)
	}
}

func TestInvalidDevboxResponses(t *testing.T) {
	t.Parallel()
	for body, problem := range map[string]string{
		`{"status":"running"}`:                                    `the JSON has no "id"`,
		`{"id":"dbx_1"}`:                                          `the JSON has no "status"`,
		`{"id":"dbx_1","status":null}`:                            `the JSON has no "status"`,
		`{"id":"dbx_2","status":"running"}`:                       `the response has devbox "dbx_2" instead of "dbx_1"`,
		`{"id":"dbx_1","status":7}`:                               "/status must be",
		`{"id":"dbx_1","status":"running","metadata":{"a":{}}}`:   "/metadata/a must be",
		`{"id":"dbx_1","status":"running","launch_parameters":7}`: "/launch_parameters must be",
		`{"id":"dbx_1","id":"dbx_1","status":"running"}`:          "duplicate",
		`[]`:                                   "must be an object, not",
		`{"has_more":false}`:                   `the JSON has no "devboxes"`,
		`{"devboxes":null,"has_more":false}`:   `the JSON has no "devboxes"`,
		`{"devboxes":[]}`:                      `the JSON has no "has_more"`,
		`{"devboxes":[{}],"has_more":false}`:   `/devboxes/0 has no "id"`,
		`{"devboxes":[null],"has_more":false}`: "must be an object, not",
		`{"devboxes":[` + strings.Repeat(`{"id":"a","status":"b"},`, 5000) + `{"id":"a","status":"b"}],"has_more":false}`: "more than 5000 devboxes",
	} {
		api, client := clienttest.NewAPI(t)
		var err error
		if strings.Contains(body, `has_more`) || strings.Contains(body, `devboxes`) {
			api.On("GET", "/v1/devboxes", ok(body))
			_, err = client.Devboxes.List(t.Context(), runloop.DevboxListParams{})
		} else {
			api.On("GET", "/v1/devboxes/dbx_1", ok(body))
			_, err = client.Devboxes.Get(t.Context(), "dbx_1")
		}
		require.ErrorIs(t, err, runloop.ErrInvalidResponse, body)
		assert.ErrorContains(t, err, problem)
	}
}

func TestListDevboxes(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On("GET", "/v1/devboxes", clienttest.Respond(200, `{"devboxes": [ `+devboxJSON+` ,{"id":"dbx_2","status":"warming"}], "has_more": true, "total_count": 7, "new": 1}`))
	page, err := client.Devboxes.List(t.Context(), runloop.DevboxListParams{
		Status: runloop.DevboxRunning, Limit: 2, StartingAfter: "dbx_0", IncludeTotalCount: new(true),
	})
	require.NoError(t, err)
	assert.Equal(t, &runloop.DevboxPage{
		Devboxes: []runloop.Devbox{
			*wantDevbox(),
			{ID: "dbx_2", Status: "warming", Raw: json.RawMessage(`{"id":"dbx_2","status":"warming"}`)},
		},
		HasMore:    true,
		TotalCount: new(7),
	}, page)
	assert.Equal(t, "dbx_2", page.NextCursor())
	assert.Equal(t, "include_total_count=true&limit=2&starting_after=dbx_0&status=running", api.Only().Query)
	api, client = clienttest.NewAPI(t)
	api.On("GET", "/v1/devboxes", clienttest.Respond(200, noBoxes))
	page, err = client.Devboxes.List(t.Context(), runloop.DevboxListParams{})
	require.NoError(t, err)
	assert.Equal(t, &runloop.DevboxPage{}, page)
	assert.Empty(t, api.Only().Query)
}

func TestListDevboxesRefusesInvalidParams(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	_, err := client.Devboxes.List(t.Context(), runloop.DevboxListParams{Limit: 5001, Status: "\xff", StartingAfter: "\xfe"})
	e := asValidationError(t, err)
	assert.Equal(t, "list devboxes", e.Op)
	assert.Equal(t, []string{
		"Limit: 5001 is not between 0 and 5000: write 0 for the default",
		`Status: "\xff" is not valid UTF-8`,
		`StartingAfter: "\xfe" is not valid UTF-8`,
	}, e.Problems)
	assert.Empty(t, api.Sent())
}

func TestListDevboxesAfterAnUnknownCursor(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On("GET", "/v1/devboxes", refuse(400, "starting_after: devbox not found"))
	_, err := client.Devboxes.List(t.Context(), runloop.DevboxListParams{StartingAfter: "dbx_0"})
	require.ErrorIs(t, err, runloop.ErrNotFound)
	_, err = client.Devboxes.List(t.Context(), runloop.DevboxListParams{})
	assert.NotErrorIs(t, err, runloop.ErrNotFound, "nothing was named that could be missing")
}

func TestAllDevboxes(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On("GET", "/v1/devboxes",
		clienttest.Respond(200, `{"devboxes":[{"id":"dbx_1","status":"running"},{"id":"dbx_2","status":"running"}],"has_more":true}`),
		clienttest.Respond(200, `{"devboxes":[{"id":"dbx_3","status":"running"}],"has_more":false}`))
	var ids []string
	for devbox, err := range client.Devboxes.All(t.Context(), runloop.DevboxListParams{Status: runloop.DevboxRunning}) {
		require.NoError(t, err)
		ids = append(ids, devbox.ID)
	}
	assert.Equal(t, []string{"dbx_1", "dbx_2", "dbx_3"}, ids)
	sent := api.Sent()
	require.Len(t, sent, 2)
	assert.Equal(t, "include_total_count=false&limit=1000&status=running", sent[0].Query)
	assert.Equal(t, "include_total_count=false&limit=1000&starting_after=dbx_2&status=running", sent[1].Query)
}

// Shutdown

func TestShutdowns(t *testing.T) {
	shutdown := func(respond responder) []step { return on(shutdownBox, respond) }
	get := func(respond responder) []step { return on(getBox, respond) }
	notFound := refuse(400, `Devbox with id "dbx_1" not found`)
	ended, runs := get(ok(box("shutdown"))), get(ok(box("running")))
	stillRuns, lost, gone := shutdown(ok(box("running"))), shutdown(broken), shutdown(htmlPage(404))
	for name, test := range map[string]struct {
		steps  []step
		status runloop.DevboxStatus // of the result
		is     []error              // what the error matches, if there is no result
	}{
		"a devbox that had ended":                {cleanedUp, "shutdown", nil},
		"a devbox that had failed":               {shutdown(ok(box("failure"))), "failure", nil},
		"retried":                                {concat(shutdown(htmlPage(503)), lost, cleanedUp), "shutdown", nil},
		"not found":                              {shutdown(notFound), "", []error{runloop.ErrNotFound}},
		"a load balancer's 404":                  {gone, "", []error{runloop.ErrNotFound}},
		"a snapshot is being taken":              {shutdown(refuse(409, "snapshot in progress")), "", []error{runloop.ErrConflict}},
		"lost, then ended":                       {concat(lost, cleanedUp), "shutdown", nil},
		"lost, then gone by the API's message":   {concat(lost, shutdown(notFound), get(notFound)), "shutdown", nil},
		"lost, then gone by a 404 with words":    {concat(lost, gone, get(refuse(404, "no such devbox"))), "shutdown", nil},
		"lost, then a load balancer's 404":       {concat(lost, gone, get(htmlPage(404))), "", []error{runloop.ErrMaybeApplied}},
		"lost, then a 404 without words":         {concat(lost, gone, get(clienttest.Respond(404, ``))), "", []error{runloop.ErrMaybeApplied}},
		"lost, then not found, but it has ended": {concat(lost, gone, ended), "shutdown", nil},
		"still running, then ended":              {concat(stillRuns, runs, ended), "shutdown", nil},
		"still running, then gone":               {concat(stillRuns, get(notFound)), "shutdown", nil},
		"keeps running":                          {concat(stillRuns, times(3, runs)), "", []error{runloop.ErrMaybeApplied, runloop.ErrInvalidResponse}},
		"a response without a body":              {concat(shutdown(ok(``)), ended), "shutdown", nil},
		"a response that is not JSON":            {concat(shutdown(ok(`done`)), ended), "shutdown", nil},
		"a response about another devbox":        {concat(shutdown(ok(`{"id":"dbx_2","status":"shutdown"}`)), ended), "shutdown", nil},
		"a read that fails ends the reads":       {concat(shutdown(ok(``)), get(refuse(403, "no"))), "", []error{runloop.ErrMaybeApplied}},
		"an outage: five requests":               {concat(times(4, lost), get(broken)), "", []error{runloop.ErrMaybeApplied}},
		"an outage of writes":                    {concat(times(4, lost), times(3, runs)), "", []error{runloop.ErrMaybeApplied}},
		"an outage of writes that took effect":   {concat(times(4, shutdown(htmlPage(502))), ended), "shutdown", nil},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			_, client := newScript(t, test.steps)
			devbox, err := client.Devboxes.Shutdown(t.Context(), "dbx_1")
			if test.is == nil {
				require.NoError(t, err)
				assert.Equal(t, "dbx_1", devbox.ID)
				assert.Equal(t, test.status, devbox.Status)
				return
			}
			assert.Nil(t, devbox)
			for _, target := range test.is {
				assert.ErrorIs(t, err, target)
			}
			assert.Equal(t, test.is[0] == runloop.ErrMaybeApplied, errors.Is(err, runloop.ErrMaybeApplied))
			assert.Equal(t, test.is[0] == runloop.ErrNotFound, errors.Is(err, runloop.ErrNotFound), "a not found in doubt proves nothing")
		}))
	}
}

// AwaitRunning

func wait(respond responder) []step { return on(waitBox, respond) }

// timedOut is a poll whose hold has ended.
func timedOut(hold time.Duration) []step {
	return wait(after(hold, refuse(408, "the devbox did not reach the status")))
}

// holds returns the timeout_seconds of the polls.
func holds(t *testing.T, s *script) (holds []int) {
	t.Helper()
	for _, r := range s.sent {
		var body struct {
			TimeoutSeconds int `json:"timeout_seconds"`
		}
		require.NoError(t, json.Unmarshal([]byte(r.Body), &body))
		holds = append(holds, body.TimeoutSeconds)
	}
	return holds
}

func TestAwaitRunning(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		s, client := newScript(t, wait(after(20*time.Second, ok(box("running")))))
		devbox, err := client.Devboxes.AwaitRunning(t.Context(), "dbx_1", runloop.WithIdempotencyKey("unused"))
		require.NoError(t, err)
		assert.Equal(t, runloop.DevboxRunning, devbox.Status)
		assert.Equal(t, "npol_1", devbox.NetworkPolicyID)
		assert.JSONEq(t, `{"statuses": ["running", "failure", "shutdown"], "timeout_seconds": 30}`, s.sent[0].Body)
		assert.Empty(t, s.sent[0].Header.Get("X-Request-Id"), "a poll only reads")
	})(t)
}

// A poll is one attempt. Its hold is halved only after an attempt that a proxy may have cut
// off, and does not count against the time limit of an attempt.
func TestPolls(t *testing.T) {
	const almostASecond = 999 * time.Millisecond
	held := 30*time.Second + almostASecond
	faults := concat(wait(broken), wait(htmlPage(503)), wait(htmlPage(502)), wait(refuse(500, "oops")), wait(refuse(429, "slow down")), times(2, wait(broken)))
	retryAfter := func(status int, seconds string) []step {
		return wait(clienttest.RespondWith(status, `{}`, http.Header{"Retry-After": {seconds}}))
	}
	unpaused := func(response responder) []step { return times(8, wait(response)) }
	nine := slices.Repeat([]int{30}, 9)
	const paused, anyTime = -1, -2
	for name, test := range map[string]struct {
		steps   []step // before the devbox is running
		timeout time.Duration
		holds   []int
		last    time.Duration // when the last poll begins, or paused if the polls are paused like retries
	}{
		"held":                     {timedOut(held), time.Second, []int{30, 30}, held},
		"held without a limit":     {timedOut(30 * time.Second), math.MaxInt64, []int{30, 30}, 30 * time.Second},
		"held 20 times":            {times(20, timedOut(30*time.Second)), 0, slices.Repeat([]int{30}, 21), 600 * time.Second},
		"held with another status": {times(3, wait(after(30*time.Second, ok(box("warming"))))), 0, []int{30, 30, 30, 30}, 90 * time.Second},
		"an unknown status":        {unpaused(ok(box("warming"))), 0, nine, paused},
		"a status that continues":  {unpaused(ok(box("provisioning"))), 0, nine, paused},
		"suspended":                {unpaused(ok(box("suspended"))), 0, nine, paused},
		"a quick 408":              {unpaused(refuse(408, "later")), 0, nine, paused},
		"a proxy's 408":            {unpaused(htmlPage(408)), 0, nine, paused},
		"transient errors":         {faults, 0, []int{30, 15, 7, 5, 5, 5, 5, 5}, paused},
		"a 429 with a wait":        {retryAfter(429, "20"), 0, []int{30, 30}, 20 * time.Second},
		"cut off by a proxy":       {concat(wait(after(20*time.Second, broken)), times(2, timedOut(15*time.Second))), 0, []int{30, 15, 15, 15}, anyTime},
		"a wait of hours":          {retryAfter(503, "7200"), 0, []int{30, 15}, time.Minute},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			var log bytes.Buffer
			opts := []runloop.Option{runloop.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))}
			if name == "transient errors" {
				opts = append(opts, runloop.WithMaxRetries(0)) // which has no effect
			}
			if test.timeout != 0 {
				opts = append(opts, runloop.WithAttemptTimeout(test.timeout))
			}
			s, client := newScript(t, concat(test.steps, wait(after(almostASecond, ok(box("running"))))), opts...)
			_, err := client.Devboxes.AwaitRunning(t.Context(), "dbx_1")
			require.NoError(t, err)
			assert.Equal(t, test.holds, holds(t, s))
			switch test.last {
			case paused:
				clienttest.AssertBackoff(t, s.times)
			case anyTime:
			default:
				assert.Equal(t, test.last, s.times[len(s.times)-1])
			}
			if strings.HasPrefix(name, "held") {
				assert.Empty(t, log.String(), "no warnings")
			}
		}))
	}
}

// Any other response ends the silence: the two minutes begin again.
func TestAwaitRunningGivesUpAfterTwoMinutesOfSilence(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		polls := 0
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if polls++; polls == 10 {
				return refuse(408, "later")(r)
			}
			return htmlPage(503)(r)
		}))
		start := time.Now()
		_, err := client.Devboxes.AwaitRunning(t.Context(), "dbx_1")
		require.ErrorIs(t, err, runloop.ErrServer)
		assert.Equal(t, 503, clienttest.AsAPIError(t, err).StatusCode)
		assertNoDevbox(t, err)
		assert.InDelta(t, (3 * time.Minute).Seconds(), time.Since(start).Seconds(), 30)
	})(t)
}

func TestAwaitRunningGivesUpOnPollsWithoutResponses(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		s, client := newScript(t, times(3, wait(never)))
		_, err := client.Devboxes.AwaitRunning(t.Context(), "dbx_1")
		e := clienttest.AsTransportError(t, err)
		assert.True(t, e.Timeout())
		assert.False(t, e.MaybeApplied)
		assert.Equal(t, []int{30, 15, 7}, holds(t, s))
		assert.GreaterOrEqual(t, time.Since(s.start), 2*time.Minute)
		assert.Less(t, time.Since(s.start), 3*time.Minute)
	})(t)
}

// Whatever the last response is, the error is that of a context that has ended.
func TestTheEndOfTheContextEndsAwaitRunning(t *testing.T) {
	const notRunning, noResponse = "the devbox was not running yet", "no usable response"
	for name, test := range map[string]struct {
		last    []step
		problem string
	}{
		"a 408":             {timedOut(10 * time.Second), notRunning},
		"another status":    {wait(after(10*time.Second, ok(box("provisioning")))), notRunning},
		"a failure":         {wait(after(10*time.Second, ok(box("failure")))), notRunning},
		"a 503":             {wait(after(10*time.Second, htmlPage(503))), noResponse},
		"a 404":             {wait(after(10*time.Second, refuse(404, "not found"))), noResponse},
		"no response":       {wait(never), noResponse},
		"a paused response": {wait(after(9800*time.Millisecond, htmlPage(503))), noResponse},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			s, client := newScript(t, test.last)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := client.Devboxes.AwaitRunning(ctx, "dbx_1")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.NotErrorIs(t, err, runloop.ErrDevboxFailed)
			assert.Equal(t, []int{10}, holds(t, s), "what is left of the context")
			assert.EqualError(t, err, "runloop: await running devbox: "+test.problem+" (1 attempt): context deadline exceeded")
			assert.Equal(t, 1, clienttest.AsTransportError(t, err).Attempts)
			assert.Equal(t, 10*time.Second, time.Since(s.start))
		}))
	}
}

func TestACancelEndsAwaitRunning(t *testing.T) {
	for name, test := range map[string]struct {
		steps []step
		after time.Duration
	}{
		"in a pause":            {wait(clienttest.RespondWith(429, `{}`, http.Header{"Retry-After": {"50"}})), 5 * time.Second},
		"before the first poll": {nil, 0},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			s, client := newScript(t, test.steps)
			cause := errors.New("no longer needed")
			if test.after == 0 {
				cancel(cause)
			}
			time.AfterFunc(test.after, func() { cancel(cause) })
			_, err := client.Devboxes.AwaitRunning(ctx, "dbx_1")
			require.ErrorIs(t, err, context.Canceled)
			assert.ErrorContains(t, err, "no longer needed")
			assert.Equal(t, len(test.steps), clienttest.AsTransportError(t, err).Attempts)
			assert.Equal(t, test.after, time.Since(s.start))
		}))
	}
}

func TestAwaitRunningOfADevboxThatEnds(t *testing.T) {
	for _, test := range []struct {
		view, text string
		shutDown   bool
	}{
		{`{"id":"dbx_1","status":"failure","failure_reason":"out_of_memory"}`, "the devbox failed: out_of_memory (devbox dbx_1 is not shut down)", false},
		{`{"id":"dbx_1","status":"shutdown","shutdown_reason":"idle"}`, "the devbox was shut down: idle (devbox dbx_1 is shut down)", true},
		{`{"id":"dbx_1","status":"shutdown"}`, "the devbox was shut down (devbox dbx_1 is shut down)", true},
	} {
		t.Run(test.view, clienttest.InBubble(func(t *testing.T) {
			s, client := newScript(t, wait(ok(test.view)))
			e := s.failure(client.Devboxes.AwaitRunning(t.Context(), "dbx_1"))
			require.ErrorIs(t, e, runloop.ErrDevboxFailed)
			assert.Equal(t, test.shutDown, e.ShutDown)
			assert.JSONEq(t, test.view, string(e.Devbox.Raw))
			assert.EqualError(t, e, "runloop: await running devbox: "+test.text)
		}))
	}
}

func TestAwaitRunningReturnsFinalErrors(t *testing.T) {
	for name, test := range map[string]struct {
		respond responder
		is      error
	}{
		"not found":      {refuse(400, "Devbox not found"), runloop.ErrNotFound},
		"unauthorized":   {refuse(401, "no"), runloop.ErrUnauthorized},
		"another devbox": {ok(`{"id":"dbx_2","status":"running"}`), runloop.ErrInvalidResponse},
		"no status":      {ok(`{"id":"dbx_1"}`), runloop.ErrInvalidResponse},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			_, client := newScript(t, wait(test.respond))
			_, err := client.Devboxes.AwaitRunning(t.Context(), "dbx_1")
			require.ErrorIs(t, err, test.is)
			assert.Equal(t, "await running devbox", clienttest.AsAPIError(t, err).Op)
		}))
	}
}

// Values

func TestADevboxPrintsItsIDAndStatusOnly(t *testing.T) {
	t.Parallel()
	devbox := wantDevbox()
	for output, text := range prints(devbox) {
		switch output {
		case "json.Marshal":
			assert.JSONEq(t, devboxJSON, text)
		case "a dump by reflection":
		default:
			assert.NotContains(t, text, "tunnel-secret", output)
			assert.NotContains(t, text, "infra", output)
			assert.NotContains(t, text, fmt.Sprintf("%x", "tunnel-secret"), output)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		assert.Equal(t, "dbx_1 (shutdown)", fmt.Sprintf(verb, devbox))
		assert.Equal(t, "dbx_1 (shutdown)", fmt.Sprintf(verb, *devbox))
		assert.Contains(t, fmt.Sprintf(verb, runloop.DevboxPage{Devboxes: []runloop.Devbox{*devbox}}), "dbx_1 (shutdown)")
	}
	assert.Equal(t, "<nil>", fmt.Sprint((*runloop.Devbox)(nil)))
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("launched", "devbox", devbox)
	assert.Contains(t, log.String(), "devbox.id=dbx_1 devbox.status=shutdown")
}

// A devbox that Do or a file decodes must not lack its policy.
func TestADevboxDecodesFromItsJSON(t *testing.T) {
	t.Parallel()
	want := wantDevbox()
	api, client := clienttest.NewAPI(t)
	api.On("POST", "/v1/devboxes/dbx_1/resume", clienttest.Respond(200, devboxJSON))
	var resumed runloop.Devbox
	require.NoError(t, client.Do(t.Context(), "POST", "/v1/devboxes/dbx_1/resume", nil, &resumed))
	assert.Equal(t, want.NetworkPolicyID, resumed.NetworkPolicyID)
	assert.Equal(t, want.CreateTime, resumed.CreateTime)
	data, err := json.Marshal(resumed)
	require.NoError(t, err)
	var decoded runloop.Devbox
	require.NoError(t, json.Unmarshal(data, &decoded))
	assert.Equal(t, resumed.NetworkPolicyID, decoded.NetworkPolicyID)
	require.Error(t, json.Unmarshal([]byte(`{"id":"dbx_2"}`), &decoded))
	assert.Equal(t, "dbx_1", decoded.ID)
	data, err = json.Marshal(runloop.Devbox{ID: "dbx_1", Status: runloop.DevboxShutdown}) // without Raw
	require.NoError(t, err)
	assert.Equal(t, `{"id":"dbx_1","status":"shutdown"}`, string(data))
}

func TestADevboxPrintsOneShortLine(t *testing.T) {
	t.Parallel()
	devbox := runloop.Devbox{ID: "dbx\n\x1b[31m" + strings.Repeat("1", 1000), Status: runloop.DevboxStatus(strings.Repeat("new\n", 1000))}
	for _, text := range []string{fmt.Sprint(devbox), devbox.LogValue().String()} {
		assert.NotContains(t, text, "\n")
		assert.NotContains(t, text, "\x1b")
		assert.Less(t, len(text), 300)
	}
}

// Raw is a copy: neither a page nor a pooled buffer may be behind it.
func TestRawIsACopy(t *testing.T) {
	t.Parallel()
	page := `{"devboxes":[{"id":"dbx_1","status":"running"},{"id":"dbx_2","status":"running"}],"has_more":false}`
	api, client := clienttest.NewAPI(t)
	api.On("GET", "/v1/devboxes", clienttest.Respond(200, page))
	got, err := client.Devboxes.List(t.Context(), runloop.DevboxListParams{})
	require.NoError(t, err)
	raw := got.Devboxes[0].Raw
	_ = append(raw[:len(raw):cap(raw)][:len(raw)], "overwritten"...)
	assert.Equal(t, `{"id":"dbx_2","status":"running"}`, string(got.Devboxes[1].Raw))
	assert.Less(t, cap(raw), len(page))
}

// The calls of devboxes. The last three take no ID.
var devboxCalls = []func(context.Context, *runloop.DevboxesService, string) error{
	func(ctx context.Context, s *runloop.DevboxesService, id string) error {
		return errOf(s.AwaitRunning(ctx, id))
	},
	func(ctx context.Context, s *runloop.DevboxesService, id string) error { return errOf(s.Get(ctx, id)) },
	func(ctx context.Context, s *runloop.DevboxesService, id string) error {
		return errOf(s.Shutdown(ctx, id))
	},
	func(ctx context.Context, s *runloop.DevboxesService, _ string) error {
		return errOf(s.Launch(ctx, runloop.DevboxCreateParams{Unrestricted: true}))
	},
	func(ctx context.Context, s *runloop.DevboxesService, _ string) error {
		return errOf(s.Create(ctx, runloop.DevboxCreateParams{Unrestricted: true}))
	},
	func(ctx context.Context, s *runloop.DevboxesService, _ string) error {
		return errOf(s.List(ctx, runloop.DevboxListParams{}))
	},
}

func TestInvalidDevboxCalls(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	var noContext context.Context
	for i, call := range devboxCalls {
		for _, service := range []*runloop.DevboxesService{nil, new(runloop.DevboxesService)} {
			assert.Equal(t, "Client", asValidationError(t, call(t.Context(), service, "dbx_1")).Field)
		}
		assert.Equal(t, "ctx", asValidationError(t, call(noContext, client.Devboxes, "dbx_1")).Field)
		if i > 2 {
			continue
		}
		for _, id := range []string{"", " ", ".", ".."} {
			assert.Equal(t, "id", asValidationError(t, call(t.Context(), client.Devboxes, id)).Field)
		}
	}
	assert.Empty(t, api.Sent())
}
