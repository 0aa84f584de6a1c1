package clienttest

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

const apiURL = "https://api.example.test"

// An API is the other side of a client: it answers as it is told, and keeps every
// request. A request that it has no answer for fails the test.
type API struct {
	*httpmock.MockTransport
	t testing.TB

	mu       sync.Mutex
	requests []SentRequest
}

// A SentRequest is a request as the server saw it.
type SentRequest struct {
	Method string
	Path   string // escaped
	Query  string
	Header http.Header
	Body   string
}

// NewAPI returns an API and a client of it, which has APIKey and opts.
func NewAPI(t testing.TB, opts ...runloop.Option) (*API, *runloop.Client) {
	t.Helper()
	a := &API{MockTransport: httpmock.NewMockTransport(), t: t}
	a.RegisterNoResponder(func(r *http.Request) (*http.Response, error) {
		t.Errorf("unexpected request: %s %s", r.Method, r.URL)
		return httpmock.NewStringResponse(http.StatusTeapot, ""), nil
	})
	return a, NewClientOver(t, a, append([]runloop.Option{runloop.WithBaseURL(apiURL)}, opts...)...)
}

// RoundTrip keeps the request and lets the mock answer it.
func (a *API) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := SentRequest{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header.Clone()}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			a.t.Errorf("reading the request: %v", err)
		}
		r.Body.Close()
		sent.Body = string(body)
	}
	a.mu.Lock()
	a.requests = append(a.requests, sent)
	a.mu.Unlock()
	return a.MockTransport.RoundTrip(r)
}

// On makes the i-th request of a method and path get the i-th answer; the last
// one is for all that follow.
func (a *API) On(method, path string, answers ...httpmock.Responder) {
	var calls atomic.Int64
	a.RegisterResponder(method, apiURL+path, func(r *http.Request) (*http.Response, error) {
		i := min(int(calls.Add(1)), len(answers)) - 1
		return answers[i](r)
	})
}

// Sent returns the requests so far.
func (a *API) Sent() []SentRequest {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]SentRequest(nil), a.requests...)
}

// Only returns the one request that was made.
func (a *API) Only() SentRequest {
	a.t.Helper()
	sent := a.Sent()
	require.Len(a.t, sent, 1)
	return sent[0]
}

// Respond is an answer of the API.
func Respond(status int, body string) httpmock.Responder {
	return func(*http.Request) (*http.Response, error) {
		r := httpmock.NewStringResponse(status, body)
		r.Header.Set("Content-Type", "application/json")
		return r, nil
	}
}

// RespondWith is an answer that has these headers and no other.
func RespondWith(status int, body string, header http.Header) httpmock.Responder {
	return func(*http.Request) (*http.Response, error) {
		r := httpmock.NewStringResponse(status, body)
		r.Header = header
		return r, nil
	}
}

// Fail is a fault that says text.
func Fail(text string) httpmock.Responder { return httpmock.NewErrorResponder(errors.New(text)) }
