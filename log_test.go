package runloop_test

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
		call policyCall
		want string
	}{
		"create": {createCall, `level=DEBUG msg=attempt operation="create network policy" method=POST path=/v1/network-policies attempt=1 request_id=task-17 status=200`},
		"get":    {getCall, `level=DEBUG msg=attempt operation="get network policy" method=GET path=/v1/network-policies/{id} attempt=1 status=200`},
		"list":   {listCall, `level=DEBUG msg=attempt operation="list network policies" method=GET path=/v1/network-policies attempt=1 status=200`},
		"update": {updateCall, `level=DEBUG msg=attempt operation="update network policy" method=POST path=/v1/network-policies/{id} attempt=1 request_id=task-17 status=200`},
		"delete": {deleteCall, `level=DEBUG msg=attempt operation="delete network policy" method=POST path=/v1/network-policies/{id}/delete attempt=1 request_id=task-17 status=200`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			api, client := newAPI(t, runloop.WithLogger(logInto(&log, slog.LevelDebug)))
			api.answers(test.call.method, test.call.path, answer(200, test.call.success))
			_, err := test.call.do(t.Context(), client, runloop.WithIdempotencyKey("task-17"))
			require.NoError(t, err)
			assert.Equal(t, test.want+"\n", log.String())
		})
	}
}

func TestTheDurationOfAnAttemptIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	api, client := newAPI(t, runloop.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	api.answers(http.MethodGet, policyPath, answer(200, policyJSON))
	_, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
	require.NoError(t, err)
	assert.Regexp(t, ` duration=[0-9.]+[nµm]?s `, log.String())
}

func TestWhatALogOfFaultsSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		api, client := newAPI(t, runloop.WithLogger(logInto(&log, slog.LevelDebug)), runloop.WithMaxRetries(2))
		api.answers(http.MethodPost, policyPath,
			answer(503, `{"message": "try later"}`),
			httpmock.NewErrorResponder(errors.New("connection reset")),
			answer(200, `{"id": "npol_2", "egress": {}}`))

		_, err := updateCall.do(t.Context(), client, runloop.WithIdempotencyKey("task-17"))
		require.ErrorIs(t, err, runloop.ErrInvalidResponse)

		const call = `operation="update network policy" method=POST path=/v1/network-policies/{id} `
		assert.Equal(t, strings.Join([]string{
			`level=DEBUG msg=attempt ` + call + `attempt=1 request_id=task-17 status=503`,
			`level=DEBUG msg=attempt ` + call + `attempt=2 request_id=task-17 error="connection reset"`,
			`level=DEBUG msg=attempt ` + call + `attempt=3 request_id=task-17 status=200 error="invalid response: status 200, content type \"application/json\": it is about policy \"npol_2\", asked for was \"npol_1\""`,
			``,
		}, "\n"), log.String())
	})
}

func TestACallThatGaveUpIsLoggedAtWarn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		api, client := newAPI(t, runloop.WithLogger(logInto(&log, slog.LevelWarn)), runloop.WithMaxRetries(1))
		api.answers(http.MethodPost, policyPath, answer(503, `{"message": "try later"}`))
		api.answers(http.MethodGet, policyPath, httpmock.NewErrorResponder(errors.New("connection reset")))

		_, err := updateCall.do(t.Context(), client, runloop.WithIdempotencyKey("task-17"))
		require.ErrorIs(t, err, runloop.ErrServer)
		_, err = getCall.do(t.Context(), client)
		require.Error(t, err)

		assert.Equal(t, strings.Join([]string{
			`level=WARN msg="exhausted: no further attempt" operation="update network policy" method=POST path=/v1/network-policies/{id} attempt=2 request_id=task-17 maybe_applied=true status=503`,
			`level=WARN msg="exhausted: no further attempt" operation="get network policy" method=GET path=/v1/network-policies/{id} attempt=2 maybe_applied=false error="connection reset"`,
			``,
		}, "\n"), log.String())
	})
}

func TestAWriteThatWasFoundOutIsLoggedAtWarn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		api, client := newAPI(t, runloop.WithLogger(logInto(&log, slog.LevelWarn)))
		api.answers(http.MethodPost, deletePath, httpmock.NewErrorResponder(errors.New("connection reset")), answer(404, `{}`))

		policy, err := deleteCall.do(t.Context(), client, runloop.WithIdempotencyKey("task-17"))
		require.NoError(t, err)
		assert.Equal(t, &runloop.NetworkPolicy{ID: "npol_1"}, policy)

		assert.Equal(t, `level=WARN msg="recovered: the answer was lost, but the write took effect" operation="delete network policy" method=POST path=/v1/network-policies/{id}/delete attempt=2 request_id=task-17 maybe_applied=true status=404`+"\n", log.String())
	})
}

func TestAnErrorThatIsFinalIsNoWarning(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	for _, status := range []int{302, 400, 401, 404, 409, 501} {
		failWith(t, getCall, answer(status, `{}`), runloop.WithLogger(logInto(&log, slog.LevelInfo)), runloop.WithMaxRetries(3))
	}
	assert.Empty(t, log.String(), "the caller has the error")
}

func TestLogsHaveNoBodiesNoQueriesAndNoKey(t *testing.T) {
	t.Parallel()
	for name, key := range plantedKeys {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			servers := echoes(key)
			servers["no answer"] = func(r *http.Request) (*http.Response, error) {
				return nil, errors.New("cannot send " + r.URL.String() + " with " + r.Header.Get("Authorization"))
			}
			for _, transport := range servers {
				_, client := newAPI(t, runloop.WithAPIKey(key), runloop.WithMaxRetries(0),
					runloop.WithLogger(logInto(&log, slog.LevelDebug)), runloop.WithHTTPClient(&http.Client{Transport: transport}))
				for _, call := range policyCalls {
					_, err := call.do(t.Context(), client)
					require.Error(t, err)
				}
				require.Error(t, client.Do(t.Context(), http.MethodPut, "/v1/devboxes?name=build", "github.com", new(int)))
			}
			for _, secret := range []string{key, "?", "name=build", "limit=", "github.com", "bad key", "Bearer " + key} {
				assert.NotContains(t, log.String(), secret)
			}
			assert.Contains(t, log.String(), `operation="PUT /v1/devboxes" method=PUT path=/v1/devboxes`)
		})
	}
}

func TestALoggerIsSilentByDefault(t *testing.T) {
	before := slog.Default() // the whole process has one, so this test is not parallel
	defer slog.SetDefault(before)
	var log bytes.Buffer
	slog.SetDefault(logInto(&log, slog.LevelDebug)) // which the package log writes to as well
	failWith(t, getCall, answer(500, ``))
	failWith(t, getCall, fail("connection reset"))
	assert.Empty(t, log.String())
}
