package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// What must not come out of an error or a log, beside the key: the query of a
// request, and the text of a page that stands where the API should.
const (
	plantedQuery = "planted-in-the-query"
	plantedPage  = "planted-on-a-page"

	// leakyPage is the page of a proxy that tells what it was sent.
	leakyPage = "<html><h1>" + plantedPage + "</h1><pre>Authorization: Bearer " + clienttest.APIKey + "</pre></html>"
)

// A failure is a call that fails.
type failure struct {
	name  string
	steps []wiretest.Step
	do    func(context.Context, *runloop.Client) error
}

func list(ctx context.Context, client *runloop.Client) error {
	_, err := client.NetworkPolicies.List(ctx, runloop.NetworkPolicyListParams{Name: plantedQuery})
	return err
}

func doWithQuery(ctx context.Context, client *runloop.Client) error {
	return client.Do(ctx, http.MethodGet, "/v1/devboxes?token="+plantedQuery, nil, nil)
}

// failures are of all the kinds that there are.
func failures() []failure {
	const html = "Content-Type: text/html"
	const url = "http://127.0.0.1/v1/network-policies?name=" + plantedQuery
	steps := func(steps ...wiretest.Step) []wiretest.Step { return steps }
	drifted := runlooptest.New(runlooptest.WithPolicies(runloop.NetworkPolicy{Name: "build", Egress: runloop.EgressRules{AllowAll: true}}))
	return []failure{
		{"API error", steps(wiretest.Reply(401, `{"message": "bad key `+clienttest.APIKey+`", "error": "`+clienttest.APIKey+`"}`, "X-Debug: Bearer "+clienttest.APIKey)), list},
		{"API error of Do", steps(wiretest.Reply(404, `{}`)), doWithQuery},
		{"page with an error", steps(wiretest.Reply(502, leakyPage, html).Times(4)), list},
		{"rate limited", steps(wiretest.Reply(429, leakyPage, html, "Retry-After: 3600")), list},
		{"redirect", steps(wiretest.Reply(302, leakyPage, html, "Location: https://other.test/"+clienttest.APIKey+"?"+plantedQuery)), list},
		{"refused", steps(wiretest.Refuse().Times(4)), list},
		{"dial that tells", steps(wiretest.DialError(errors.New(url + ": bad token " + clienttest.APIKey)).Times(4)), list},
		{"hang up", steps(wiretest.HangUp().Times(4)), doWithQuery},
		{"no HTTP", steps(wiretest.Cut(leakyPage + "\r\n").Times(4)), list},
		{"no header", steps(wiretest.Cut("HTTP/1.1 200 OK\r\n" + leakyPage + "\r\n\r\n").Times(4)), list},
		{"no status", steps(wiretest.Cut("HTTP/1.1 " + leakyPage + "\r\n\r\n").Times(4)), list},
		{"no length", steps(wiretest.Reply(200, leakyPage, "Content-Length: "+plantedPage).Times(4)), list},
		{"no chunks", steps(wiretest.Reply(200, leakyPage, "Transfer-Encoding: chunked").Times(4)), list},
		{"page with a success", steps(wiretest.Reply(200, leakyPage, html)), list},
		{"page with a success, in a create", steps(wiretest.Reply(200, leakyPage, html).Times(2)), func(ctx context.Context, client *runloop.Client) error {
			_, err := createCall.Policy(ctx, client)
			return err
		}},
		{"cut", steps(wiretest.Cut(wiretest.Response(200, leakyPage, "Content-Length: 999")).Times(4)), list},
		{"bad gzip", steps(wiretest.Reply(200, leakyPage, "Content-Encoding: gzip").Times(4)), list},
		{"attempts that time out", steps(wiretest.Stall("").Times(4)), list},
		{"deadline", steps(wiretest.Stall("")), func(ctx context.Context, client *runloop.Client) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return list(ctx, client)
		}},
		{"deadline between attempts", steps(wiretest.Reply(503, leakyPage, html)), func(ctx context.Context, client *runloop.Client) error {
			ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			return list(ctx, client)
		}},
		{"answer and error", nil, func(ctx context.Context, client *runloop.Client) error {
			_, err := client.NetworkPolicies.List(ctx, runloop.NetworkPolicyListParams{Name: plantedQuery},
				runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(*http.Request) (*http.Response, error) {
					body := io.NopCloser(strings.NewReader(leakyPage))
					return &http.Response{StatusCode: 200, Body: body}, errors.New("bad token " + clienttest.APIKey)
				})}))
			return err
		}},
		{"cancelled", nil, func(ctx context.Context, client *runloop.Client) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return list(ctx, client)
		}},
		{"drift", steps(wiretest.Handle(drifted)), func(ctx context.Context, client *runloop.Client) error {
			_, err := client.NetworkPolicies.Ensure(ctx, runloop.NetworkPolicyCreateParams{Name: "build"})
			return err
		}},
		{"invalid id", nil, func(ctx context.Context, client *runloop.Client) error {
			_, err := client.NetworkPolicies.Get(ctx, "..")
			return err
		}},
		{"invalid path", nil, func(ctx context.Context, client *runloop.Client) error {
			return client.Do(ctx, http.MethodGet, "/v1/devboxes?token="+plantedQuery+"#x", nil, nil)
		}},
		{"invalid key", nil, func(context.Context, *runloop.Client) error {
			_, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey + "\n"))
			return err
		}},
		{"password in the base URL", nil, func(context.Context, *runloop.Client) error {
			_, err := runloop.NewClient(runloop.WithAPIKey("x"), runloop.WithBaseURL("https://robot:"+clienttest.APIKey+"@api.example.test?"+plantedQuery))
			return err
		}},
		{"invalid header", nil, func(ctx context.Context, client *runloop.Client) error {
			_, err := client.NetworkPolicies.Get(ctx, "npol_1", runloop.WithHeader("X-Other-Key", clienttest.APIKey+"\n"))
			return err
		}},
	}
}

// fail makes all the failures, and returns their errors by name. It is for a bubble.
func fail(t *testing.T, opts ...runloop.Option) map[string]error {
	t.Helper()
	errs := make(map[string]error)
	for _, f := range failures() {
		server := wiretest.NewServer(t, f.steps...)
		err := f.do(t.Context(), clienttest.NewWireClient(t, server, opts...))
		require.Error(t, err, f.name)
		errs[f.name] = err
	}
	return errs
}

func Test77NothingLeaks(t *testing.T) {
	t.Parallel()
	t.Run("errors and log", clienttest.InBubble(func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))

		errs := fail(t, runloop.WithLogger(logger))

		assertClean(t, "the log", log.String())
		for name, err := range errs {
			for _, err := range chain(err) {
				for output, text := range prints(err) {
					assertClean(t, fmt.Sprintf("%s, %T by %s", name, err, output), text)
				}
			}
			assert.Less(t, len(err.Error()), 300, name)
			if e, ok := errors.AsType[*runloop.APIError](err); ok { // which keeps the page for who wants it
				assert.NotContains(t, string(e.Body), clienttest.APIKey, name)
			}
		}
	}))
	t.Run("response in a dump", clienttest.InBubble(func(t *testing.T) {
		_, client := script(t, wiretest.Reply(401, `{"message": "bad key `+clienttest.APIKey+`"}`, "X-Debug: Bearer "+clienttest.APIKey))
		var response *http.Response

		_, err := clienttest.GetCall.Policy(t.Context(), client, runloop.WithResponseInto(&response))

		require.ErrorIs(t, err, runloop.ErrUnauthorized)
		request, err := httputil.DumpRequestOut(response.Request, true)
		require.NoError(t, err)
		assertClean(t, "the request", string(request))
		dump, err := httputil.DumpResponse(response, true)
		require.NoError(t, err)
		assertClean(t, "the response", string(dump))
	}))
}

// assertClean checks that text has nothing that was planted, also not in hexadecimal.
func assertClean(t *testing.T, what, text string) {
	t.Helper()
	for _, planted := range []string{clienttest.APIKey, plantedQuery, plantedPage} {
		for _, form := range []string{planted, fmt.Sprintf("%x", planted)} {
			assert.NotContains(t, strings.ToLower(text), form, what)
		}
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

// prints returns what comes out of err by the usual ways.
func prints(err error) map[string]string {
	outputs := make(map[string]string)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X"} {
		outputs[verb] = fmt.Sprintf(verb, err)
		outputs[verb+" in a struct"] = fmt.Sprintf(verb, struct{ Err error }{err})
	}
	var text, document bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Error("failed", "err", err)
	slog.New(slog.NewJSONHandler(&document, nil)).Error("failed", "err", err)
	outputs["slog as text"], outputs["slog as JSON"] = text.String(), document.String()
	asJSON, _ := json.Marshal(err)
	outputs["json.Marshal"] = string(asJSON)
	func() {
		defer func() { outputs["panic"] = fmt.Sprint(recover()) }()
		panic(err)
	}()
	return outputs
}

// P1: the library logs each request with its whole URL to standard error, unless it is
// told not to, and net/http logs transports that break their contract. Only another
// process can see all of it: the test runs itself again.
func Test78SilentStderr(t *testing.T) {
	t.Parallel()
	const variable, end = "RUNLOOP_FAULTS_FAIL", "all have failed\n"
	if os.Getenv(variable) != "" { // this is the child
		synctest.Test(t, func(t *testing.T) { fail(t) })
		_, _ = io.WriteString(os.Stderr, end)
		return
	}
	var stderr, stdout bytes.Buffer
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), variable+"=1")
	child.Stdout, child.Stderr = &stdout, &stderr

	err := child.Run()

	require.NoError(t, err, stdout.String())
	assert.Equal(t, end, stderr.String())
}

func Test79KeyThatIsNone(t *testing.T) {
	t.Parallel()
	const secret = "planted_key"
	for name, key := range map[string]string{
		"CR": secret + "\r", "LF": secret + "\n", "header": secret + "\r\nX-Injected: 1", "NUL": secret + "\x00",
		"non-ASCII": secret + "é", "blank in it": secret + " x", "blank before it": " " + secret, "blanks": " \t", "empty": "",
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			_, err := runloop.NewClient(runloop.WithAPIKey(key))
			server, client := script(t)
			_, callErr := clienttest.GetCall.Policy(t.Context(), client, runloop.WithAPIKey(key))

			for _, err := range []error{err, callErr} {
				e, ok := errors.AsType[*runloop.ValidationError](err)
				require.True(t, ok, "%v", err)
				assert.Equal(t, "WithAPIKey", e.Field)
				for output, text := range prints(err) {
					assert.NotContains(t, text, secret, output)
				}
			}
			assert.Zero(t, server.Dials())
		}))
	}
}

const injection = "build\r\nX-Injected: 1\r\n\r\n{}"

func Test80InjectedHeader(t *testing.T) {
	t.Parallel()
	// What JSON and a query can carry is escaped.
	for name, do := range map[string]func(context.Context, *runloop.Client) error{
		"create": func(ctx context.Context, client *runloop.Client) error {
			_, err := client.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: "build", Description: injection})
			return err
		},
		"update": func(ctx context.Context, client *runloop.Client) error {
			_, err := client.NetworkPolicies.Update(ctx, "npol_1", runloop.NetworkPolicyUpdateParams{Description: new(injection)})
			return err
		},
		"list": func(ctx context.Context, client *runloop.Client) error {
			_, err := client.NetworkPolicies.List(ctx, runloop.NetworkPolicyListParams{Name: injection, Search: injection})
			return err
		},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			api := runlooptest.New(runlooptest.WithPolicies(runloop.NetworkPolicy{ID: "npol_1", Name: "other"}))
			server, client := script(t, wiretest.Handle(api))

			require.NoError(t, do(t.Context(), client))

			require.Len(t, server.Requests(), 1)
			request := server.Requests()[0]
			head, body, _ := strings.Cut(request.Raw, "\r\n\r\n")
			assert.NotContains(t, head, "\r\nX-Injected")
			assert.Equal(t, request.Body, body)
			if name == "list" {
				assert.Equal(t, "/v1/network-policies?name=build%0D%0AX-Injected%3A+1%0D%0A%0D%0A%7B%7D&search=build%0D%0AX-Injected%3A+1%0D%0A%0D%0A%7B%7D", request.Target)
				return
			}
			assert.Contains(t, body, `"description":"build\r\nX-Injected: 1\r\n\r\n{}"`)
			newest := api.Policies()[len(api.Policies())-1]
			assert.Equal(t, injection, newest.Description)
		}))
	}
	// What cannot be is refused.
	for field, do := range map[string]func(context.Context, *runloop.Client) error{
		"Name": func(ctx context.Context, client *runloop.Client) error {
			_, err := client.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: injection})
			return err
		},
		"id": func(ctx context.Context, client *runloop.Client) error {
			_, err := client.NetworkPolicies.Get(ctx, injection)
			return err
		},
		"path": func(ctx context.Context, client *runloop.Client) error {
			return client.Do(ctx, http.MethodGet, "/v1/"+injection, nil, nil)
		},
		"WithIdempotencyKey": func(ctx context.Context, client *runloop.Client) error {
			_, err := createCall.Policy(ctx, client, runloop.WithIdempotencyKey(injection))
			return err
		},
		"WithHeader": func(ctx context.Context, client *runloop.Client) error {
			_, err := clienttest.GetCall.Policy(ctx, client, runloop.WithHeader("X-Team", injection))
			return err
		},
		"WithUserAgent": func(ctx context.Context, client *runloop.Client) error {
			_, err := clienttest.GetCall.Policy(ctx, client, runloop.WithUserAgent(injection))
			return err
		},
	} {
		t.Run(field, clienttest.InBubble(func(t *testing.T) {
			server, client := script(t)

			err := do(t.Context(), client)

			e, ok := errors.AsType[*runloop.ValidationError](err)
			require.True(t, ok, "%v", err)
			assert.Equal(t, field, e.Field)
			assert.NotContains(t, err.Error(), "\n")
			assert.Zero(t, server.Dials())
		}))
	}
}
