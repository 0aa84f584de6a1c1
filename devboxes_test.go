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

func TestGetDevbox(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On("GET", "/v1/devboxes/dbx_1", clienttest.Respond(200, " \n"+devboxJSON+"\n"))

	devbox, err := client.Devboxes.Get(t.Context(), "dbx_1")

	require.NoError(t, err)
	assert.Equal(t, wantDevbox(), devbox)
	sent := api.Only()
	assert.Empty(t, sent.Body)
	assert.Empty(t, sent.Query)
	assert.Empty(t, sent.Header.Get("X-Request-Id"))
}

func TestGetOfAnUnknownDevbox(t *testing.T) {
	t.Parallel()
	for _, response := range []func(*http.Request) (*http.Response, error){
		refuse(400, `Devbox with id "dbx_1" not found`), refuse(404, "gone"), htmlPage(404),
	} {
		api, client := clienttest.NewAPI(t)
		api.On("GET", "/v1/devboxes/dbx_1", response)
		_, err := client.Devboxes.Get(t.Context(), "dbx_1")
		assert.ErrorIs(t, err, runloop.ErrNotFound)
	}
}

func TestInvalidDevboxes(t *testing.T) {
	t.Parallel()
	for body, problem := range map[string]string{
		`{"status":"running"}`:                                    `the JSON has no "id"`,
		`{"id":"dbx_1"}`:                                          `the JSON has no "status"`,
		`{"id":"dbx_1","status":null}`:                            `the JSON has no "status"`,
		`{"id":"dbx_2","status":"running"}`:                       `it is about devbox "dbx_2", requested was "dbx_1"`,
		`{"id":"dbx_1","status":7}`:                               "/status must be",
		`{"id":"dbx_1","status":"running","metadata":{"a":{}}}`:   "/metadata/a must be",
		`{"id":"dbx_1","status":"running","launch_parameters":7}`: "/launch_parameters must be",
		`{"id":"dbx_1","id":"dbx_1","status":"running"}`:          "duplicate",
		`[]`: "must be an object, not",
	} {
		api, client := clienttest.NewAPI(t)
		api.On("GET", "/v1/devboxes/dbx_1", clienttest.Respond(200, body))
		devbox, err := client.Devboxes.Get(t.Context(), "dbx_1")
		assert.Nil(t, devbox)
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
}

func TestListDevboxesOfTheZeroParams(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On("GET", "/v1/devboxes", clienttest.Respond(200, noBoxes))
	page, err := client.Devboxes.List(t.Context(), runloop.DevboxListParams{})
	require.NoError(t, err)
	assert.Equal(t, &runloop.DevboxPage{}, page)
	assert.Empty(t, api.Only().Query)
}

func TestInvalidDevboxPages(t *testing.T) {
	t.Parallel()
	for body, problem := range map[string]string{
		`{"has_more":false}`:                   `the JSON has no "devboxes"`,
		`{"devboxes":null,"has_more":false}`:   `the JSON has no "devboxes"`,
		`{"devboxes":[]}`:                      `the JSON has no "has_more"`,
		`{"devboxes":[{}],"has_more":false}`:   `/devboxes/0 has no "id"`,
		`{"devboxes":[null],"has_more":false}`: "must be an object, not",
		`{"devboxes":[` + strings.Repeat(`{"id":"a","status":"b"},`, 5000) + `{"id":"a","status":"b"}],"has_more":false}`: "more than 5000 devboxes",
	} {
		api, client := clienttest.NewAPI(t)
		api.On("GET", "/v1/devboxes", clienttest.Respond(200, body))
		_, err := client.Devboxes.List(t.Context(), runloop.DevboxListParams{})
		require.ErrorIs(t, err, runloop.ErrInvalidResponse)
		assert.ErrorContains(t, err, problem)
	}
}

func TestListDevboxesRefusesInvalidParams(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	_, err := client.Devboxes.List(t.Context(), runloop.DevboxListParams{Limit: 5001, Status: "\xff", StartingAfter: "\xfe"})
	e, ok := errors.AsType[*runloop.ValidationError](err)
	require.True(t, ok)
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

func TestShutdown(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On("POST", "/v1/devboxes/dbx_1/shutdown", clienttest.Respond(200, devboxJSON))

	devbox, err := client.Devboxes.Shutdown(t.Context(), "dbx_1", runloop.WithIdempotencyKey("key-1"))

	require.NoError(t, err)
	assert.Equal(t, wantDevbox(), devbox)
	sent := api.Only()
	assert.Empty(t, sent.Body)
	assert.Empty(t, sent.Query)
	assert.Equal(t, "key-1", sent.Header.Get("X-Request-Id"))
}

func TestShutdowns(t *testing.T) {
	t.Parallel()
	notFound := refuse(400, `Devbox with id "dbx_1" not found`)
	shutdown := func(respond func(*http.Request) (*http.Response, error)) step { return on(shutdownBox, respond) }
	get := func(respond func(*http.Request) (*http.Response, error)) step { return on(getBox, respond) }
	for _, test := range []struct {
		name   string
		steps  []step
		status runloop.DevboxStatus // of the result
		is     []error              // what the error matches, instead
	}{
		{"a devbox that had ended", []step{shutdown(ok(box("shutdown")))}, "shutdown", nil},
		{"a devbox that had failed", []step{shutdown(ok(box("failure")))}, "failure", nil},
		{"retried", []step{shutdown(htmlPage(503)), shutdown(broken), shutdown(ok(box("shutdown")))}, "shutdown", nil},
		{"not found", []step{shutdown(notFound)}, "", []error{runloop.ErrNotFound}},
		{"a load balancer's 404", []step{shutdown(htmlPage(404))}, "", []error{runloop.ErrNotFound}},
		{"a snapshot is made", []step{shutdown(refuse(409, "snapshot in progress"))}, "", []error{runloop.ErrConflict}},
		{"lost, then over", []step{shutdown(broken), shutdown(ok(box("shutdown")))}, "shutdown", nil},
		{"lost, then gone by the API's own words",
			[]step{shutdown(broken), shutdown(notFound), get(notFound)}, "shutdown", nil},
		{"lost, then gone by a 404 with words",
			[]step{shutdown(broken), shutdown(htmlPage(404)), get(refuse(404, "no such devbox"))}, "shutdown", nil},
		{"lost, then a load balancer's 404",
			[]step{shutdown(broken), shutdown(htmlPage(404)), get(htmlPage(404))}, "", []error{runloop.ErrMaybeApplied}},
		{"lost, then a 404 without words",
			[]step{shutdown(broken), shutdown(htmlPage(404)), get(clienttest.Respond(404, ``))}, "", []error{runloop.ErrMaybeApplied}},
		{"lost, then not found, but it is there and has ended",
			[]step{shutdown(broken), shutdown(htmlPage(404)), get(ok(box("shutdown")))}, "shutdown", nil},
		{"still running, then ended",
			[]step{shutdown(ok(box("running"))), get(ok(box("running"))), get(ok(box("shutdown")))}, "shutdown", nil},
		{"still running, then gone",
			[]step{shutdown(ok(box("running"))), get(notFound)}, "shutdown", nil},
		{"runs on",
			append([]step{shutdown(ok(box("running")))}, times(3, get(ok(box("running"))))...),
			"", []error{runloop.ErrMaybeApplied, runloop.ErrInvalidResponse}},
		{"a response without a body", []step{shutdown(ok(``)), get(ok(box("shutdown")))}, "shutdown", nil},
		{"a response that is not JSON", []step{shutdown(ok(`done`)), get(ok(box("shutdown")))}, "shutdown", nil},
		{"a response about another devbox",
			[]step{shutdown(ok(`{"id":"dbx_2","status":"shutdown"}`)), get(ok(box("shutdown")))}, "shutdown", nil},
		{"a look that fails ends the looks",
			[]step{shutdown(ok(``)), get(refuse(403, "no"))}, "", []error{runloop.ErrMaybeApplied}},
		{"an outage: five requests",
			append(times(4, shutdown(broken)), get(broken)), "", []error{runloop.ErrMaybeApplied}},
		{"an outage of writes",
			append(times(4, shutdown(broken)), times(3, get(ok(box("running"))))...), "", []error{runloop.ErrMaybeApplied}},
		{"an outage of writes that took effect",
			append(times(4, shutdown(htmlPage(502))), get(ok(box("shutdown")))), "shutdown", nil},
	} {
		t.Run(test.name, clienttest.InBubble(func(t *testing.T) {
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

func TestAwaitRunning(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		s, client := newScript(t, []step{on(waitBox, after(20*time.Second, ok(box("running"))))})

		devbox, err := client.Devboxes.AwaitRunning(t.Context(), "dbx_1", runloop.WithIdempotencyKey("unused"))

		require.NoError(t, err)
		assert.Equal(t, runloop.DevboxRunning, devbox.Status)
		assert.Equal(t, "npol_1", devbox.NetworkPolicyID)
		assert.JSONEq(t, `{"statuses": ["running", "failure", "shutdown"], "timeout_seconds": 30}`, s.sent[0].Body)
		assert.Empty(t, s.sent[0].Header.Get("X-Request-Id"), "a poll only reads")
	})(t)
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

func wait(respond func(*http.Request) (*http.Response, error)) step { return on(waitBox, respond) }

// timedOut is the response to a poll whose hold is over.
func timedOut(hold time.Duration) step {
	return wait(after(hold, refuse(408, "the devbox did not reach the status")))
}

// The hold of a poll does not count against the time that the API may take.
func TestAHeldPollDoesNotTimeOut(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		s, client := newScript(t, []step{
			timedOut(30*time.Second + 999*time.Millisecond),
			wait(after(30*time.Second+999*time.Millisecond, ok(box("running")))),
		})
		_, err := client.Devboxes.AwaitRunning(t.Context(), "dbx_1", runloop.WithAttemptTimeout(time.Second))
		require.NoError(t, err)
		assert.Equal(t, []int{30, 30}, holds(t, s))
	})(t)
}

// math.MaxInt64 is what programs write for no limit.
func TestThePollsOfTheLongestAttemptTimeout(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		_, client := newScript(t, []step{timedOut(30 * time.Second), wait(after(time.Second, ok(box("running"))))})
		_, err := client.Devboxes.AwaitRunning(t.Context(), "dbx_1", runloop.WithAttemptTimeout(math.MaxInt64))
		require.NoError(t, err)
	})(t)
}

func TestATimeoutOfAPollIsNoFailure(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		var log bytes.Buffer
		s, client := newScript(t, append(times(20, timedOut(30*time.Second)), wait(ok(box("running")))),
			runloop.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		_, err := client.Devboxes.AwaitRunning(t.Context(), "dbx_1")
		require.NoError(t, err)
		assert.Equal(t, 600*time.Second, s.times[20], "no pauses")
		assert.Empty(t, log.String(), "no warnings")
	})(t)
}

func TestPollsThatAreNotHeldArePaused(t *testing.T) {
	for name, response := range map[string]func(*http.Request) (*http.Response, error){
		"a status that nobody knows": ok(box("warming")),
		"a status that goes on":      ok(box("provisioning")),
		"suspended":                  ok(box("suspended")),
		"a 408":                      refuse(408, "later"),
		"a proxy's 408":              htmlPage(408),
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			s, client := newScript(t, append(times(8, wait(response)), wait(ok(box("running")))))
			_, err := client.Devboxes.AwaitRunning(t.Context(), "dbx_1")
			require.NoError(t, err)
			clienttest.AssertBackoff(t, s.times)
		}))
	}
}

func TestAHeldPollWithAnotherStatusIsNotPaused(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		s, client := newScript(t, append(times(3, wait(after(30*time.Second, ok(box("warming"))))), wait(ok(box("running")))))
		_, err := client.Devboxes.AwaitRunning(t.Context(), "dbx_1")
		require.NoError(t, err)
		assert.Equal(t, 90*time.Second, s.times[3])
	})(t)
}

func TestAwaitRunningSurvivesTransientErrors(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		faults := []step{wait(broken), wait(htmlPage(503)), wait(htmlPage(502)), wait(refuse(500, "oops")), wait(refuse(429, "slow down")), wait(broken), wait(broken)}
		s, client := newScript(t, append(faults, wait(ok(box("running")))), runloop.WithMaxRetries(0))
		_, err := client.Devboxes.AwaitRunning(t.Context(), "dbx_1")
		require.NoError(t, err)
		clienttest.AssertBackoff(t, s.times)
		assert.Equal(t, []int{30, 15, 7, 5, 5, 5, 5, 5}, holds(t, s), "half the hold after what a proxy may have cut")
	})(t)
}

func TestAwaitRunningHalvesTheHoldOfPollsThatProxiesCut(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		cut := after(20*time.Second, broken)
		s, client := newScript(t, []step{wait(cut), timedOut(15 * time.Second), timedOut(15 * time.Second), wait(ok(box("running")))})
		_, err := client.Devboxes.AwaitRunning(t.Context(), "dbx_1")
		require.NoError(t, err)
		assert.Equal(t, []int{30, 15, 15, 15}, holds(t, s))
	})(t)
}

func TestA429DoesNotHalveTheHoldAndItsWaitIsKept(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		slow := clienttest.RespondWith(429, `{}`, http.Header{"Retry-After": {"20"}})
		s, client := newScript(t, []step{wait(slow), wait(ok(box("running")))})
		_, err := client.Devboxes.AwaitRunning(t.Context(), "dbx_1")
		require.NoError(t, err)
		assert.Equal(t, []int{30, 30}, holds(t, s))
		assert.Equal(t, 20*time.Second, s.times[1])
	})(t)
}

func TestARetryAfterOfHoursIsAMinute(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		slow := clienttest.RespondWith(503, `{}`, http.Header{"Retry-After": {"7200"}})
		s, client := newScript(t, []step{wait(slow), wait(ok(box("running")))})
		_, err := client.Devboxes.AwaitRunning(t.Context(), "dbx_1")
		require.NoError(t, err)
		assert.Equal(t, time.Minute, s.times[1])
	})(t)
}

// Any other response ends the silence: only two minutes of it in a row are too long.
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
		_, isDevboxError := errors.AsType[*runloop.DevboxError](err)
		assert.False(t, isDevboxError)
		assert.InDelta(t, (3 * time.Minute).Seconds(), time.Since(start).Seconds(), 30)
	})(t)
}

func TestAwaitRunningGivesUpOnPollsWithoutResponses(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		s, client := newScript(t, times(3, wait(never)))
		start := time.Now()
		_, err := client.Devboxes.AwaitRunning(t.Context(), "dbx_1")
		e := clienttest.AsTransportError(t, err)
		assert.True(t, e.Timeout())
		assert.False(t, e.MaybeApplied)
		assert.Equal(t, []int{30, 15, 7}, holds(t, s))
		assert.GreaterOrEqual(t, time.Since(start), 2*time.Minute)
		assert.Less(t, time.Since(start), 3*time.Minute)
	})(t)
}

// Whatever response comes last, a context that is over is the error.
func TestTheEndOfTheContextEndsAwaitRunning(t *testing.T) {
	for name, last := range map[string]step{
		"a 408":             timedOut(10 * time.Second),
		"another status":    wait(after(10*time.Second, ok(box("provisioning")))),
		"a failure":         wait(after(10*time.Second, ok(box("failure")))),
		"a 503":             wait(after(10*time.Second, htmlPage(503))),
		"a 404":             wait(after(10*time.Second, refuse(404, "not found"))),
		"no response":       wait(never),
		"a paused response": wait(after(9800*time.Millisecond, htmlPage(503))),
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			s, client := newScript(t, []step{last})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := client.Devboxes.AwaitRunning(ctx, "dbx_1")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.NotErrorIs(t, err, runloop.ErrDevboxFailed)
			assert.Equal(t, []int{10}, holds(t, s), "what is left of the context")
			problem := "no usable response"
			if name == "a 408" || name == "another status" || name == "a failure" {
				problem = "it was not running"
			}
			assert.EqualError(t, err, "runloop: await running devbox: "+problem+" (1 attempt): context deadline exceeded")
			assert.Equal(t, 1, clienttest.AsTransportError(t, err).Attempts)
			assert.Equal(t, 10*time.Second, time.Since(s.start))
		}))
	}
}

func TestACancelEndsThePausesOfAwaitRunning(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		slow := clienttest.RespondWith(429, `{}`, http.Header{"Retry-After": {"50"}})
		s, client := newScript(t, []step{wait(slow)})
		time.AfterFunc(5*time.Second, func() { cancel(errors.New("not needed any more")) })
		_, err := client.Devboxes.AwaitRunning(ctx, "dbx_1")
		require.ErrorIs(t, err, context.Canceled)
		assert.ErrorContains(t, err, "not needed any more")
		assert.Equal(t, 5*time.Second, time.Since(s.start))
	})(t)
}

func TestAContextThatIsOverSendsNoPoll(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		_, client := newScript(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := client.Devboxes.AwaitRunning(ctx, "dbx_1")
		require.ErrorIs(t, err, context.Canceled)
		assert.Zero(t, clienttest.AsTransportError(t, err).Attempts)
	})(t)
}

func TestAwaitRunningOfADevboxThatEnds(t *testing.T) {
	for _, test := range []struct {
		view, text string
		shutDown   bool
	}{
		{`{"id":"dbx_1","status":"failure","failure_reason":"out_of_memory"}`,
			"runloop: await running devbox: the status is failure: out_of_memory (devbox dbx_1 is not shut down)", false},
		{`{"id":"dbx_1","status":"shutdown","shutdown_reason":"entrypoint_exit"}`,
			"runloop: await running devbox: the status is shutdown: entrypoint_exit (devbox dbx_1 is shut down)", true},
		{`{"id":"dbx_1","status":"shutdown"}`,
			"runloop: await running devbox: the status is shutdown (devbox dbx_1 is shut down)", true},
	} {
		t.Run(test.view, clienttest.InBubble(func(t *testing.T) {
			_, client := newScript(t, []step{wait(ok(test.view))})
			devbox, err := client.Devboxes.AwaitRunning(t.Context(), "dbx_1")
			assert.Nil(t, devbox)
			require.ErrorIs(t, err, runloop.ErrDevboxFailed)
			assertNothingInDoubt(t, err)
			e := asDevboxError(t, err)
			assert.Equal(t, test.shutDown, e.ShutDown)
			assert.Equal(t, "dbx_1", e.Devbox.ID)
			assert.JSONEq(t, test.view, string(e.Devbox.Raw))
			assert.Empty(t, e.RequestID)
			assert.EqualError(t, err, test.text)
		}))
	}
}

func TestAwaitRunningReturnsFinalErrors(t *testing.T) {
	for name, test := range map[string]struct {
		respond func(*http.Request) (*http.Response, error)
		is      error
	}{
		"not found":      {refuse(400, "Devbox not found"), runloop.ErrNotFound},
		"unauthorized":   {refuse(401, "no"), runloop.ErrUnauthorized},
		"another devbox": {ok(`{"id":"dbx_2","status":"running"}`), runloop.ErrInvalidResponse},
		"no status":      {ok(`{"id":"dbx_1"}`), runloop.ErrInvalidResponse},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			_, client := newScript(t, []step{wait(test.respond)})
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

func TestADevboxWithoutRawHasAJSONForm(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(runloop.Devbox{ID: "dbx_1", Status: runloop.DevboxShutdown})
	require.NoError(t, err)
	assert.Equal(t, `{"id":"dbx_1","status":"shutdown"}`, string(data))
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

func TestTheServiceOfNoClient(t *testing.T) {
	t.Parallel()
	var none *runloop.DevboxesService
	params := runloop.DevboxCreateParams{Unrestricted: true}
	for _, service := range []*runloop.DevboxesService{none, new(runloop.DevboxesService)} {
		for name, call := range map[string]func(context.Context) error{
			"launch":   func(ctx context.Context) error { _, err := service.Launch(ctx, params); return err },
			"create":   func(ctx context.Context) error { _, err := service.Create(ctx, params); return err },
			"await":    func(ctx context.Context) error { _, err := service.AwaitRunning(ctx, "dbx_1"); return err },
			"get":      func(ctx context.Context) error { _, err := service.Get(ctx, "dbx_1"); return err },
			"shutdown": func(ctx context.Context) error { _, err := service.Shutdown(ctx, "dbx_1"); return err },
			"list": func(ctx context.Context) error {
				_, err := service.List(ctx, runloop.DevboxListParams{})
				return err
			},
		} {
			e, ok := errors.AsType[*runloop.ValidationError](call(t.Context()))
			require.True(t, ok, name)
			assert.Equal(t, "Client", e.Field, name)
		}
	}
}

func TestDevboxCallsRefuseANilContextAndABlankID(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	var none context.Context
	params := runloop.DevboxCreateParams{Unrestricted: true}
	for _, err := range []error{
		second(client.Devboxes.Launch(none, params)),
		second(client.Devboxes.Create(none, params)),
		second(client.Devboxes.AwaitRunning(none, "dbx_1")),
		second(client.Devboxes.Get(none, "dbx_1")),
		second(client.Devboxes.Shutdown(none, "dbx_1")),
	} {
		e, ok := errors.AsType[*runloop.ValidationError](err)
		require.True(t, ok, "%v", err)
		assert.Equal(t, "ctx", e.Field)
	}
	for _, id := range []string{"", " ", ".", ".."} {
		for _, err := range []error{
			second(client.Devboxes.AwaitRunning(t.Context(), id)),
			second(client.Devboxes.Get(t.Context(), id)),
			second(client.Devboxes.Shutdown(t.Context(), id)),
		} {
			e, ok := errors.AsType[*runloop.ValidationError](err)
			require.True(t, ok, "%v", err)
			assert.Equal(t, "id", e.Field)
		}
	}
	assert.Empty(t, api.Sent())
}

func second(_ *runloop.Devbox, err error) error { return err }
