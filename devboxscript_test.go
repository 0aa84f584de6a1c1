package runloop_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// A step is a request that a script expects, and the response to it.
type step struct {
	request string // as in "GET /v1/devboxes/dbx_1"
	respond func(*http.Request) (*http.Response, error)
}

// A script is an API that lies: it expects certain requests, in this order, and responds
// as it is told. {tag} in a response is the request ID of the last create, as its body
// has it.
type script struct {
	t     *testing.T
	steps []step
	start time.Time

	sent  []clienttest.SentRequest
	times []time.Duration // of the requests, since the start
	tag   string
}

// newScript returns the script and a client of it. It must be called in a bubble. At the
// end of the test, every step must have been requested.
func newScript(t *testing.T, steps []step, opts ...runloop.Option) (*script, *runloop.Client) {
	s := &script{t: t, steps: steps, start: time.Now()}
	t.Cleanup(func() {
		assert.Len(t, s.sent, len(s.steps), "requests that the script expects")
	})
	return s, clienttest.NewClientOver(t, s, opts...)
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	s.sent = append(s.sent, clienttest.SentRequest{
		Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header.Clone(), Body: string(body),
	})
	s.times = append(s.times, time.Since(s.start))
	request := r.Method + " " + r.URL.EscapedPath()
	if status := r.URL.Query().Get("status"); status != "" {
		request += "?status=" + status
	}
	if id := r.URL.Query().Get("id"); id != "" {
		request += "?id=" + id
	}
	if _, after, found := strings.Cut(string(body), `"runloop-go-request-id":"`); found {
		s.tag, _, _ = strings.Cut(after, `"`)
	}
	if len(s.sent) > len(s.steps) {
		s.t.Errorf("request %d is not in the script: %s", len(s.sent), request)
		return nil, errors.New("not in the script")
	}
	step := s.steps[len(s.sent)-1]
	if !assert.Equal(s.t, step.request, request, "request %d", len(s.sent)) {
		return nil, errors.New("not in the script")
	}
	response, err := step.respond(r)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(strings.NewReader(strings.ReplaceAll(string(text), "{tag}", s.tag)))
	return response, nil
}

// on is a step.
func on(request string, respond func(*http.Request) (*http.Response, error)) step {
	return step{request, respond}
}

// times repeats a step.
func times(n int, s step) []step { return slices.Repeat([]step{s}, n) }

// after responds with a delay, or not at all if the request ends before.
func after(delay time.Duration, respond func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		select {
		case <-time.After(delay):
			return respond(r)
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

// never responds.
func never(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// first does something before it responds.
func first(do func(), respond func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		do()
		return respond(r)
	}
}

func ok(body string) func(*http.Request) (*http.Response, error) {
	return clienttest.Respond(200, body)
}

func refuse(status int, message string) func(*http.Request) (*http.Response, error) {
	return clienttest.Respond(status, fmt.Sprintf(`{"message":%q}`, message))
}

// htmlPage is what a proxy sends.
func htmlPage(status int) func(*http.Request) (*http.Response, error) {
	return clienttest.RespondWith(status, "<html><body>not found</body></html>", http.Header{"Content-Type": {"text/html"}})
}

// broken is a connection that breaks.
func broken(*http.Request) (*http.Response, error) {
	return nil, errors.New("connection reset by peer")
}

// The requests of a launch.
const (
	createBox   = "POST /v1/devboxes"
	getBox      = "GET /v1/devboxes/dbx_1"
	waitBox     = "POST /v1/devboxes/dbx_1/wait_for_status"
	shutdownBox = "POST /v1/devboxes/dbx_1/shutdown"

	listQueued       = "GET /v1/devboxes?status=queued"
	listProvisioning = "GET /v1/devboxes?status=provisioning"
	listInitializing = "GET /v1/devboxes?status=initializing"
	listRunning      = "GET /v1/devboxes?status=running"

	noBoxes = `{"devboxes":[],"has_more":false}`
)

// box returns dbx_1 as the API shows it, with the tag of the last create and npol_1.
func box(status string) string { return boxWith(status, `{"network_policy_id":"npol_1"}`) }

func boxWith(status, launchParameters string) string {
	return `{"id":"dbx_1","status":"` + status + `","metadata":{"runloop-go-request-id":"{tag}"},"launch_parameters":` + launchParameters + `}`
}

func boxes(views ...string) string {
	return `{"devboxes":[` + strings.Join(views, ",") + `],"has_more":false}`
}

// emptyLists is one search that finds nothing.
func emptyLists() []step {
	return []step{on(listQueued, ok(noBoxes)), on(listProvisioning, ok(noBoxes)), on(listInitializing, ok(noBoxes)), on(listRunning, ok(noBoxes))}
}

// asDevboxError returns err as the error of a launch that it must be.
func asDevboxError(t *testing.T, err error) *runloop.DevboxError {
	t.Helper()
	e, ok := errors.AsType[*runloop.DevboxError](err)
	require.Truef(t, ok, "%T is not a *DevboxError: %v", err, err)
	return e
}

// assertNothingInDoubt checks that no error of the chain leaves open whether a write
// took effect.
func assertNothingInDoubt(t *testing.T, err error) {
	t.Helper()
	assert.NotErrorIs(t, err, runloop.ErrMaybeApplied)
	if e, ok := errors.AsType[*runloop.APIError](err); ok {
		assert.False(t, e.MaybeApplied)
	}
	if e, ok := errors.AsType[*runloop.TransportError](err); ok {
		assert.False(t, e.MaybeApplied)
	}
}

// query returns the decoded query of a request.
func query(t *testing.T, r clienttest.SentRequest) url.Values {
	t.Helper()
	values, err := url.ParseQuery(r.Query)
	require.NoError(t, err)
	return values
}
