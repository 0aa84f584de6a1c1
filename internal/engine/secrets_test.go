package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// What an error or a log must not contain besides the key: the query of a request, and the
// text of a page that is not a response of the API.
const (
	plantedQuery = "planted-in-the-query"
	plantedPage  = "planted-on-a-page"

	// leakyPage is the page of a proxy that echoes the request.
	leakyPage = "<html><h1>" + plantedPage + "</h1><pre>Authorization: Bearer " + clienttest.APIKey + "</pre></html>"
)

func listPlanted(ctx context.Context, client *runloop.Client) error {
	_, err := client.NetworkPolicies.List(ctx, runloop.NetworkPolicyListParams{Name: plantedQuery})
	return err
}

func within(d time.Duration) func(context.Context, *runloop.Client) error {
	return func(ctx context.Context, client *runloop.Client) error {
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		return listPlanted(ctx, client)
	}
}

// failAll makes a call fail in every way, and returns the errors. It is for a bubble.
func failAll(t *testing.T, opts ...runloop.Option) map[string]error {
	t.Helper()
	const key, html = clienttest.APIKey, "Content-Type: text/html"
	errs := make(map[string]error)
	fail := func(name string, do func(context.Context, *runloop.Client) error, steps ...wiretest.Step) {
		server := wiretest.NewServer(t, steps...)
		errs[name] = do(t.Context(), clienttest.NewWireClient(t, server, opts...))
		require.Error(t, errs[name], name)
	}
	for name, step := range map[string]wiretest.Step{
		"page with an error":  wiretest.Reply(502, leakyPage, html).Times(4),
		"refused":             wiretest.Refuse().Times(4),
		"dial that leaks":     wiretest.DialError(errors.New("http://127.0.0.1/v1?name=" + plantedQuery + ": bad token " + key)).Times(4),
		"no HTTP":             wiretest.Cut(leakyPage + "\r\n").Times(4),
		"no header":           wiretest.Cut("HTTP/1.1 200 OK\r\n" + leakyPage + "\r\n\r\n").Times(4),
		"no status":           wiretest.Cut("HTTP/1.1 " + leakyPage + "\r\n\r\n").Times(4),
		"no length":           wiretest.Reply(200, leakyPage, "Content-Length: "+plantedPage).Times(4),
		"no chunks":           wiretest.Reply(200, leakyPage, "Transfer-Encoding: chunked").Times(4),
		"cut":                 wiretest.Cut(wiretest.Response(200, leakyPage, "Content-Length: 999")).Times(4),
		"bad gzip":            wiretest.Reply(200, leakyPage, "Content-Encoding: gzip").Times(4),
		"time limit":          wiretest.Stall("").Times(4),
		"refusal":             wiretest.Reply(401, `{"message": "bad key `+key+`", "error": "`+key+`"}`, "X-Debug: Bearer "+key),
		"rate limit":          wiretest.Reply(429, leakyPage, html, "Retry-After: 3600"),
		"redirect":            wiretest.Reply(302, leakyPage, html, "Location: https://other.test/"+key+"?"+plantedQuery),
		"page with a success": wiretest.Reply(200, leakyPage, html),
	} {
		fail(name, listPlanted, step)
	}
	fail("query of Do", func(ctx context.Context, client *runloop.Client) error {
		return client.Do(ctx, http.MethodGet, "/v1/devboxes?token="+plantedQuery, nil, nil)
	}, wiretest.HangUp().Times(4))
	fail("page after a create", func(ctx context.Context, client *runloop.Client) error {
		_, err := createCall.Do(ctx, client)
		return err
	}, wiretest.Reply(200, leakyPage, html).Times(2))
	fail("deadline", within(time.Second), wiretest.Stall(""))
	fail("deadline between attempts", within(time.Millisecond), wiretest.Reply(503, leakyPage, html))
	fail("deadline before", within(0))
	broken := clienttest.NewClientOver(t, clienttest.RoundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(leakyPage))}, errors.New("bad token " + key)
	}), opts...)
	fail("response and error", func(ctx context.Context, _ *runloop.Client) error { return listPlanted(ctx, broken) })
	return errs
}

func TestNothingLeaksWhateverFails(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		var log bytes.Buffer

		errs := failAll(t, runloop.WithLogger(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))

		assertClean(t, "the log", log.String())
		for name, err := range errs {
			assert.Less(t, len(err.Error()), 300, name)
			for _, err := range chain(err) {
				assertClean(t, name, printsOf(err))
			}
			if e, ok := errors.AsType[*runloop.APIError](err); ok { // Body holds the page
				assert.NotContains(t, string(e.Body), clienttest.APIKey, name)
			}
		}
	})(t)
}

// printsOf returns err as the usual ways print it.
func printsOf(err error) string {
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X"} {
		fmt.Fprintf(&out, verb+"\n", err)
		fmt.Fprintf(&out, verb+"\n", struct{ Err error }{err})
	}
	slog.New(slog.NewTextHandler(&out, nil)).Error("failed", "err", err)
	slog.New(slog.NewJSONHandler(&out, nil)).Error("failed", "err", err)
	asJSON, _ := json.Marshal(err)
	out.Write(asJSON)
	return out.String()
}

// assertClean checks that text contains nothing planted, in plain or in hexadecimal.
func assertClean(t *testing.T, what, text string) {
	t.Helper()
	text = strings.ToLower(text)
	for _, planted := range []string{clienttest.APIKey, plantedQuery, plantedPage} {
		assert.NotContains(t, text, planted, what)
		assert.NotContains(t, text, fmt.Sprintf("%x", planted), what)
	}
}

// chain returns err and all the errors in it.
func chain(err error) []error {
	errs := []error{err}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			errs = append(errs, chain(inner)...)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			errs = append(errs, chain(inner)...)
		}
	}
	return errs
}

// The test runs itself in another process, to see all that is printed.
func TestNothingIsPrintedToStandardErrorWhateverFails(t *testing.T) {
	const isChild = "RUNLOOP_TEST_IN_ANOTHER_PROCESS"
	if os.Getenv(isChild) != "" {
		clienttest.InBubble(func(t *testing.T) { failAll(t) })(t)
		return
	}
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), isChild+"=1", "GOCOVERDIR="+t.TempDir())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), "%s%s", &stdout, &stderr)
	require.Contains(t, stdout.String(), "PASS")
	assert.Empty(t, stderr.String())
}

// What an error matches does not depend on the API key, even if the key is a word of the
// message or of JSON.
func TestTheKeyDoesNotDecideWhatAnErrorMeans(t *testing.T) {
	t.Parallel()
	const key = "%KEY%" // in the message
	responses := map[string]struct {
		call      clienttest.PolicyCall
		status    int
		message   string
		sentinels []string
	}{
		"name taken": {clienttest.CreateCall, 400, "a network policy with this name already exists", []string{"ErrBadRequest", "ErrNameTaken"}},
		"conflict":   {clienttest.UpdateCall, 409, "the existing policy " + key + " already exists", []string{"ErrConflict", "ErrNameTaken"}},
		"in use":     {clienttest.DeleteCall, 409, "the policy is attached to 2 devboxes", []string{"ErrConflict", "ErrPolicyInUse"}},
		"not found":  {clienttest.GetCall, 400, "nonexistent network policy: " + key + " not found", []string{"ErrBadRequest", "ErrNotFound"}},
		"forbidden":  {clienttest.GetCall, 403, key, []string{"ErrForbidden"}},
	}
	for _, apiKey := range []string{
		"x", "a", "e", "t", "s", ":", "{", "name", "already", "exists", "found", "in", "message", "1234567", // no secrets: they are short
		"existing", "attached", "nonexistent", "12345678", "#KEY##KEY#", "rl_test_planted_key",
	} {
		for name, tt := range responses {
			t.Run(apiKey+"/"+name, func(t *testing.T) {
				t.Parallel()
				echo := apiKey + " and " + apiKey
				message := strings.ReplaceAll(tt.message, key, apiKey)
				err := clienttest.FailWith(t, tt.call,
					clienttest.RespondWith(tt.status, fmt.Sprintf(`{"message":%q,"code":%q}`, message, "c "+apiKey), http.Header{"X-Echo": {echo}}),
					runloop.WithAPIKey(apiKey))

				assert.Equal(t, tt.sentinels, clienttest.Sentinels(err))
				e := clienttest.AsAPIError(t, err)
				assert.False(t, e.MaybeApplied)
				if len(apiKey) < 8 {
					assert.Equal(t, message, e.Message)
					assert.Equal(t, echo, e.Header.Get("X-Echo"))
					assert.Equal(t, "c "+apiKey, e.Code)
					return
				}
				assert.Equal(t, "[REDACTED] and [REDACTED]", e.Header.Get("X-Echo"))
				for _, shown := range []string{err.Error(), e.Message, e.Code, string(e.Body), fmt.Sprint(e.Header), fmt.Sprintf("%+v", err)} {
					assert.NotContains(t, shown, apiKey)
				}
			})
		}
	}
}

func TestAKeyInEveryResponseBreaksNoSuccess(t *testing.T) {
	t.Parallel()
	for _, apiKey := range []string{"x", "a", "e", "t", "name", "egress", "npol_1", "build"} {
		api, client := clienttest.NewAPI(t, runloop.WithAPIKey(apiKey))
		api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))

		policy, err := clienttest.GetCall.Policy(t.Context(), client)

		require.NoError(t, err, apiKey)
		assert.Equal(t, "build", policy.Name)
	}
}

func TestTheKeyInAnErrorOfTheTransport(t *testing.T) {
	t.Parallel()
	for apiKey, want := range map[string]string{
		"reset":    "connection reset by peer",
		"e":        "connection reset by peer",
		"connecti": "[REDACTED]on reset by peer",
	} {
		err := clienttest.FailWith(t, clienttest.GetCall, clienttest.Fail("connection reset by peer"), runloop.WithAPIKey(apiKey))
		assert.EqualError(t, errors.Unwrap(err), want)
	}
}
