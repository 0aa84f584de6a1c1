package engine_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// logInto returns a logger that writes text without times into w.
func logInto(w *bytes.Buffer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == "duration") {
				return slog.Attr{}
			}
			return a
		},
	}))
}

func TestLog(t *testing.T) {
	t.Parallel()
	ok, lost := clienttest.Respond(200, clienttest.PolicyJSON), clienttest.Fail("connection reset")
	other, empty := clienttest.Respond(200, `{"id": "npol_2", "egress": {}}`), clienttest.Respond(200, clienttest.EmptyPageJSON)
	denied, unavailable, missing := clienttest.Respond(403, `{}`), clienttest.Respond(503, `{"message": "try later"}`), clienttest.Respond(404, `{}`)
	const (
		attempt      = `level=DEBUG msg="runloop: attempt" operation=`
		gaveUp       = `level=WARN msg="runloop: gave up" operation=`
		create       = `"create network policy" method=POST path=/v1/network-policies `
		list         = `"list network policies" method=GET path=/v1/network-policies `
		get          = `"get network policy" method=GET path=/v1/network-policies/{id} `
		update       = `"update network policy" method=POST path=/v1/network-policies/{id} `
		updateLookup = `"update network policy" method=GET path=/v1/network-policies/{id} `
		del          = `"delete network policy" method=POST path=/v1/network-policies/{id}/delete `
	)
	type responses = []httpmock.Responder
	for name, tt := range map[string]struct {
		level     slog.Level
		call      clienttest.PolicyCall
		responses responses
		lookup    httpmock.Responder // of a write
		want      string
	}{
		"create": {slog.LevelDebug, clienttest.CreateCall, responses{ok}, nil, attempt + create + "attempt=1 request_id=task-17 status=200\n"},
		"get":    {slog.LevelDebug, clienttest.GetCall, responses{ok}, nil, attempt + get + "attempt=1 status=200\n"},
		"list":   {slog.LevelDebug, clienttest.ListCall, responses{empty}, nil, attempt + list + "attempt=1 status=200\n"},
		"update": {slog.LevelDebug, clienttest.UpdateCall, responses{ok}, nil, attempt + update + "attempt=1 request_id=task-17 status=200\n"},
		"delete": {slog.LevelDebug, clienttest.DeleteCall, responses{ok}, nil, attempt + del + "attempt=1 request_id=task-17 status=200\n"},
		"faults": {slog.LevelDebug, clienttest.UpdateCall, responses{unavailable, lost, other}, denied, "" +
			attempt + update + "attempt=1 request_id=task-17 status=503\n" +
			attempt + update + "attempt=2 request_id=task-17 error=\"connection reset\"\n" +
			attempt + update + `attempt=3 request_id=task-17 status=200 error="invalid response: content type \"application/json\": the response has policy \"npol_2\" instead of \"npol_1\""` + "\n" +
			attempt + updateLookup + "attempt=1 status=403\n"},
		"a write that gave up": {slog.LevelWarn, clienttest.UpdateCall, responses{unavailable}, denied,
			gaveUp + update + "attempt=4 request_id=task-17 maybe_applied=true status=503\n"},
		"a read that gave up": {slog.LevelWarn, clienttest.GetCall, responses{lost}, nil,
			gaveUp + get + "attempt=4 maybe_applied=false error=\"connection reset\"\n"},
		"a lost response": {slog.LevelInfo, clienttest.DeleteCall, responses{lost, missing}, empty,
			`level=INFO msg="runloop: the response was lost, but the write took effect" operation=` + del + "attempt=2 request_id=task-17 maybe_applied=true status=404\n"},
		"out of attempts, but applied": {slog.LevelWarn, clienttest.UpdateCall, responses{lost}, ok, ""},
		"a redirect is final":          {slog.LevelInfo, clienttest.GetCall, responses{clienttest.Respond(302, `{}`)}, nil, ""},
		"a client error is final":      {slog.LevelInfo, clienttest.GetCall, responses{missing}, nil, ""},
		"a final server error":         {slog.LevelInfo, clienttest.GetCall, responses{clienttest.Respond(501, `{}`)}, nil, ""},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			var log bytes.Buffer
			api, client := clienttest.NewAPI(t, runloop.WithLogger(logInto(&log, tt.level)))
			api.On(tt.call.Method, tt.call.Path, tt.responses...)
			if tt.lookup != nil {
				api.On(http.MethodGet, clienttest.PolicyPath, tt.lookup)
				api.On(http.MethodGet, clienttest.PoliciesPath, tt.lookup)
			}

			_, _ = tt.call.Do(t.Context(), client, runloop.WithIdempotencyKey("task-17"))

			assert.Equal(t, tt.want, log.String())
		}))
	}
}

func TestTheDurationOfAnAttemptIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	api, client := clienttest.NewAPI(t, runloop.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))
	require.NoError(t, clienttest.GetPolicy(t.Context(), client))
	assert.Regexp(t, ` duration=[0-9.]+[nµm]?s `, log.String())
}

func TestNothingIsLoggedByDefault(t *testing.T) {
	before := slog.Default() // of the whole process, so this test is not parallel
	defer slog.SetDefault(before)
	var log bytes.Buffer
	slog.SetDefault(logInto(&log, slog.LevelDebug)) // and the package log writes to it
	clienttest.FailWith(t, clienttest.GetCall, clienttest.Respond(500, ``))
	clienttest.FailWith(t, clienttest.GetCall, clienttest.Fail("connection reset"))
	assert.Empty(t, log.String())
}
