package clienttest

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

const apiURL = "https://api.example.test"

// An API is an httpmock transport that records the requests. A request without a responder
// fails the test.
type API struct {
	*httpmock.MockTransport
	t testing.TB

	mu       sync.Mutex
	requests []SentRequest
}

// A SentRequest is a request as the server received it.
type SentRequest struct {
	Method string
	Path   string // escaped
	Query  string
	Header http.Header
	Body   string
}

// NewAPI returns an API and a client of it, with APIKey and opts.
func NewAPI(t testing.TB, opts ...runloop.Option) (*API, *runloop.Client) {
	t.Helper()
	a := &API{MockTransport: httpmock.NewMockTransport(), t: t}
	a.RegisterNoResponder(func(r *http.Request) (*http.Response, error) {
		t.Errorf("unexpected request: %s %s", r.Method, r.URL)
		return httpmock.NewStringResponse(http.StatusTeapot, ""), nil
	})
	return a, NewClientOver(t, a, append([]runloop.Option{runloop.WithBaseURL(apiURL)}, opts...)...)
}

// RoundTrip records the request and passes it to httpmock.
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

// On sets the responses to the requests with the method and path: one per request, and the
// last one for all that follow.
func (a *API) On(method, path string, responders ...httpmock.Responder) {
	var calls atomic.Int64
	a.RegisterResponder(method, apiURL+path, func(r *http.Request) (*http.Response, error) {
		return responders[min(int(calls.Add(1)), len(responders))-1](r)
	})
}

// Sent returns the requests so far.
func (a *API) Sent() []SentRequest {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.requests)
}

// Only returns the request if there was exactly one.
func (a *API) Only() SentRequest {
	a.t.Helper()
	sent := a.Sent()
	require.Len(a.t, sent, 1)
	return sent[0]
}

// Respond returns a JSON response.
func Respond(status int, body string) httpmock.Responder {
	return RespondWith(status, body, http.Header{"Content-Type": {"application/json"}})
}

// RespondWith returns a response with exactly these headers.
func RespondWith(status int, body string, header http.Header) httpmock.Responder {
	return httpmock.NewStringResponder(status, body).HeaderSet(header)
}

// Fail returns an error of the transport with the text.
func Fail(text string) httpmock.Responder { return httpmock.NewErrorResponder(errors.New(text)) }
