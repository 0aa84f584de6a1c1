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
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// What must not come out of an error or a log, beside the key: the query of a request, and
// the text of a page that stands where the API should.
const (
	plantedQuery = "planted-in-the-query"
	plantedPage  = "planted-on-a-page"

	// leakyPage is the page of a proxy that tells what it was sent.
	leakyPage = "<html><h1>" + plantedPage + "</h1><pre>Authorization: Bearer " + clienttest.APIKey + "</pre></html>"
)

type doFunc = func(context.Context, *runloop.Client) error

func listPlanted(ctx context.Context, client *runloop.Client) error {
	_, err := client.NetworkPolicies.List(ctx, runloop.NetworkPolicyListParams{Name: plantedQuery})
	return err
}

func within(d time.Duration) doFunc {
	return func(ctx context.Context, client *runloop.Client) error {
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		return listPlanted(ctx, client)
	}
}

// failAll makes a call fail in all the ways that there are, and returns the errors. It is
// for a bubble.
func failAll(t *testing.T, opts ...runloop.Option) map[string]error {
	t.Helper()
	const key, html = clienttest.APIKey, "Content-Type: text/html"
	errs := make(map[string]error)
	fail := func(name string, do doFunc, steps ...wiretest.Step) {
		server := wiretest.NewServer(t, steps...)
		errs[name] = do(t.Context(), clienttest.NewWireClient(t, server, opts...))
		require.Error(t, errs[name], name)
	}
	for name, step := range map[string]wiretest.Step{ // which is met four times
		"page with an error": wiretest.Reply(502, leakyPage, html),
		"refused":            wiretest.Refuse(),
		"dial that tells":    wiretest.DialError(errors.New("http://127.0.0.1/v1?name=" + plantedQuery + ": bad token " + key)),
		"no HTTP":            wiretest.Cut(leakyPage + "\r\n"),
		"no header":          wiretest.Cut("HTTP/1.1 200 OK\r\n" + leakyPage + "\r\n\r\n"),
		"no status":          wiretest.Cut("HTTP/1.1 " + leakyPage + "\r\n\r\n"),
		"no length":          wiretest.Reply(200, leakyPage, "Content-Length: "+plantedPage),
		"no chunks":          wiretest.Reply(200, leakyPage, "Transfer-Encoding: chunked"),
		"cut":                wiretest.Cut(wiretest.Response(200, leakyPage, "Content-Length: 999")),
		"bad gzip":           wiretest.Reply(200, leakyPage, "Content-Encoding: gzip"),
		"time limit":         wiretest.Stall(""),
	} {
		fail(name, listPlanted, step.Times(4))
	}
	for name, step := range map[string]wiretest.Step{ // which is met once
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
		_, err := clienttest.CreateCall.Do(ctx, client)
		return err
	}, wiretest.Reply(200, leakyPage, html).Times(2))
	fail("deadline", within(time.Second), wiretest.Stall(""))
	fail("deadline between attempts", within(time.Millisecond), wiretest.Reply(503, leakyPage, html))
	fail("deadline before", within(0))
	fail("response and error", func(ctx context.Context, client *runloop.Client) error {
		_, err := client.NetworkPolicies.List(ctx, runloop.NetworkPolicyListParams{Name: plantedQuery},
			runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(leakyPage))}, errors.New("bad token " + key)
			})}))
		return err
	})
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
			if e, ok := errors.AsType[*runloop.APIError](err); ok { // which keeps the page for who wants it
				assert.NotContains(t, string(e.Body), clienttest.APIKey, name)
			}
		}
	})(t)
}

// printsOf returns what comes out of err by the usual ways.
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

// assertClean checks that text has nothing that was planted, also not in hexadecimal.
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

// P1: the library logs each request with its whole URL to standard error, unless it is
// told not to, and net/http logs transports that break their contract.
func TestNothingComesToStandardErrorWhateverFails(t *testing.T) {
	if os.Getenv(inAnotherProcess) == "" {
		t.Parallel()
		assert.Empty(t, stderrOf(t))
		return
	}
	clienttest.InBubble(func(t *testing.T) { failAll(t) })(t)
}
