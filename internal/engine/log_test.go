package engine_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

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

func TestEachAttemptIsLoggedAtDebug(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		call clienttest.PolicyCall
		want string
	}{
		"create": {clienttest.CreateCall, `level=DEBUG msg="runloop: attempt" operation="create network policy" method=POST path=/v1/network-policies attempt=1 request_id=task-17 status=200`},
		"get":    {clienttest.GetCall, `level=DEBUG msg="runloop: attempt" operation="get network policy" method=GET path=/v1/network-policies/{id} attempt=1 status=200`},
		"list":   {clienttest.ListCall, `level=DEBUG msg="runloop: attempt" operation="list network policies" method=GET path=/v1/network-policies attempt=1 status=200`},
		"update": {clienttest.UpdateCall, `level=DEBUG msg="runloop: attempt" operation="update network policy" method=POST path=/v1/network-policies/{id} attempt=1 request_id=task-17 status=200`},
		"delete": {clienttest.DeleteCall, `level=DEBUG msg="runloop: attempt" operation="delete network policy" method=POST path=/v1/network-policies/{id}/delete attempt=1 request_id=task-17 status=200`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			api, client := clienttest.NewAPI(t, runloop.WithLogger(logInto(&log, slog.LevelDebug)))
			api.On(test.call.Method, test.call.Path, clienttest.Respond(200, test.call.Success))
			_, err := test.call.Do(t.Context(), client, runloop.WithIdempotencyKey("task-17"))
			require.NoError(t, err)
			assert.Equal(t, test.want+"\n", log.String())
		})
	}
}

func TestTheDurationOfAnAttemptIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	api, client := clienttest.NewAPI(t, runloop.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))
	_, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
	require.NoError(t, err)
	assert.Regexp(t, ` duration=[0-9.]+[nµm]?s `, log.String())
}

func TestALogOfFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		api, client := clienttest.NewAPI(t, runloop.WithLogger(logInto(&log, slog.LevelDebug)), runloop.WithMaxRetries(2))
		api.On(http.MethodPost, clienttest.PolicyPath,
			clienttest.Respond(503, `{"message": "try later"}`),
			httpmock.NewErrorResponder(errors.New("connection reset")),
			clienttest.Respond(200, `{"id": "npol_2", "egress": {}}`))
		api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(403, `{}`))

		_, err := clienttest.UpdateCall.Do(t.Context(), client, runloop.WithIdempotencyKey("task-17"))
		require.ErrorIs(t, err, runloop.ErrInvalidResponse)

		const call = `operation="update network policy" method=POST path=/v1/network-policies/{id} `
		assert.Equal(t, strings.Join([]string{
			`level=DEBUG msg="runloop: attempt" ` + call + `attempt=1 request_id=task-17 status=503`,
			`level=DEBUG msg="runloop: attempt" ` + call + `attempt=2 request_id=task-17 error="connection reset"`,
			`level=DEBUG msg="runloop: attempt" ` + call + `attempt=3 request_id=task-17 status=200 error="invalid response: content type \"application/json\": the response has policy \"npol_2\" instead of \"npol_1\""`,
			`level=DEBUG msg="runloop: attempt" operation="update network policy" method=GET path=/v1/network-policies/{id} attempt=1 status=403`,
			``,
		}, "\n"), log.String())
	})
}

func TestACallThatGaveUpIsLoggedAtWarn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		api, client := clienttest.NewAPI(t, runloop.WithLogger(logInto(&log, slog.LevelWarn)), runloop.WithMaxRetries(1))
		api.On(http.MethodPost, clienttest.PolicyPath, clienttest.Respond(503, `{"message": "try later"}`))
		api.On(http.MethodGet, clienttest.PolicyPath, httpmock.NewErrorResponder(errors.New("connection reset")))

		_, err := clienttest.UpdateCall.Do(t.Context(), client, runloop.WithIdempotencyKey("task-17"))
		require.ErrorIs(t, err, runloop.ErrServer)
		_, err = clienttest.GetCall.Do(t.Context(), client)
		require.Error(t, err)

		assert.Equal(t, strings.Join([]string{
			`level=WARN msg="runloop: gave up" operation="update network policy" method=POST path=/v1/network-policies/{id} attempt=2 request_id=task-17 maybe_applied=true status=503`,
			`level=WARN msg="runloop: gave up" operation="get network policy" method=GET path=/v1/network-policies/{id} attempt=2 maybe_applied=false error="connection reset"`,
			``,
		}, "\n"), log.String())
	})
}

func TestAWriteThatTurnsOutToBeAppliedIsLoggedAtInfo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		api, client := clienttest.NewAPI(t, runloop.WithLogger(logInto(&log, slog.LevelInfo)))
		api.On(http.MethodPost, clienttest.DeletePath, httpmock.NewErrorResponder(errors.New("connection reset")), clienttest.Respond(404, `{}`))
		api.On(http.MethodGet, clienttest.PoliciesPath, clienttest.Respond(200, clienttest.EmptyPageJSON))

		policy, err := clienttest.DeleteCall.Do(t.Context(), client, runloop.WithIdempotencyKey("task-17"))
		require.NoError(t, err)
		assert.Equal(t, &runloop.NetworkPolicy{ID: "npol_1"}, policy)

		assert.Equal(t, `level=INFO msg="runloop: the response was lost, but the write took effect" operation="delete network policy" method=POST path=/v1/network-policies/{id}/delete attempt=2 request_id=task-17 maybe_applied=true status=404`+"\n", log.String())
	})
}

// A write that runs out of attempts, but turns out to be applied, is no warning.
func TestOutOfAttemptsButAppliedIsNoWarning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		api, client := clienttest.NewAPI(t, runloop.WithLogger(logInto(&log, slog.LevelWarn)))
		api.On(http.MethodPost, clienttest.PolicyPath, httpmock.NewErrorResponder(errors.New("connection reset")))
		api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))

		_, err := clienttest.UpdateCall.Do(t.Context(), client)

		require.NoError(t, err)
		assert.Len(t, api.Sent(), 5)
		assert.Empty(t, log.String())
	})
}

func TestAnErrorThatIsFinalIsNoWarning(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	for _, status := range []int{302, 400, 401, 404, 409, 501} {
		clienttest.FailWith(t, clienttest.GetCall, clienttest.Respond(status, `{}`), runloop.WithLogger(logInto(&log, slog.LevelInfo)), runloop.WithMaxRetries(3))
	}
	assert.Empty(t, log.String(), "the caller has the error")
}

func TestALoggerIsSilentByDefault(t *testing.T) {
	before := slog.Default() // the whole process has one, so this test is not parallel
	defer slog.SetDefault(before)
	var log bytes.Buffer
	slog.SetDefault(logInto(&log, slog.LevelDebug)) // which the package log writes to as well
	clienttest.FailWith(t, clienttest.GetCall, clienttest.Respond(500, ``))
	clienttest.FailWith(t, clienttest.GetCall, clienttest.Fail("connection reset"))
	assert.Empty(t, log.String())
}
