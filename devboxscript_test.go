package runloop_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

type responder = httpmock.Responder

// A step is a request that a script expects, and the response to it.
type step struct {
	request string // as in "GET /v1/devboxes/dbx_1"
	respond responder
}

// on returns a script of one step.
func on(request string, respond responder) []step { return []step{{request, respond}} }

func concat(scripts ...[]step) []step { return slices.Concat(scripts...) }

func times(n int, steps []step) []step { return slices.Repeat(steps, n) }

// A script is an API that expects certain requests in a certain order and sends the given
// responses. {tag} in a response stands for the request ID in the body of the last create.
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
	t.Cleanup(func() { assert.Len(t, s.sent, len(s.steps), "requests that the script expects") })
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
	if len(s.sent) > len(s.steps) || s.steps[len(s.sent)-1].request != request {
		s.t.Errorf("request %d is not in the script: %s", len(s.sent), request)
		return nil, errors.New("not in the script")
	}
	response, err := s.steps[len(s.sent)-1].respond(r)
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

// failure takes the results of Launch or Create. It checks that they report dbx_1 by its ID
// and its tag and leave nothing in doubt, and returns the error.
func (s *script) failure(devbox *runloop.Devbox, err error) *runloop.DevboxError {
	s.t.Helper()
	assert.Nil(s.t, devbox)
	assertNothingInDoubt(s.t, err)
	e := asDevboxError(s.t, err)
	require.NotNil(s.t, e.Devbox)
	assert.Equal(s.t, "dbx_1", e.Devbox.ID)
	assert.Equal(s.t, s.tag, e.RequestID)
	return e
}

// after responds after a delay, unless the request ends before.
func after(delay time.Duration, respond responder) responder {
	return func(r *http.Request) (*http.Response, error) {
		select {
		case <-time.After(delay):
			return respond(r)
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

// never does not respond.
func never(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

type cancelKey struct{}

// cancellable returns a context that cancels ends.
func cancellable(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	return context.WithValue(ctx, cancelKey{}, cancel)
}

// cancels ends the context of the call and does not respond.
func cancels(r *http.Request) (*http.Response, error) {
	r.Context().Value(cancelKey{}).(context.CancelFunc)()
	return never(r)
}

// first calls do before it responds.
func first(do func(), respond responder) responder {
	return func(r *http.Request) (*http.Response, error) {
		do()
		return respond(r)
	}
}

func ok(body string) responder { return clienttest.Respond(200, body) }

func refuse(status int, message string) responder {
	return clienttest.Respond(status, fmt.Sprintf(`{"message":%q}`, message))
}

// htmlPage responds like a proxy.
func htmlPage(status int) responder {
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

	listPolicies = "GET /v1/network-policies"
	listPolicy   = "GET /v1/network-policies?id=npol_1"

	noBoxes  = `{"devboxes":[],"has_more":false}`
	otherBox = `{"id":"dbx_9","status":"queued","metadata":{"runloop-go-request-id":"another"}}`
)

// Parts of scripts.
var (
	misplacedBox = boxWith("queued", `{"network_policy_id":"npol_2"}`)

	created     = on(createBox, ok(box("queued")))
	createdBare = on(createBox, ok(boxWith("queued", `{}`))) // the response shows no policy
	misplaced   = on(createBox, ok(misplacedBox))            // under another policy
	createLost  = on(createBox, broken)
	bare        = on(getBox, ok(boxWith("queued", `{}`)))
	cleanedUp   = on(shutdownBox, ok(box("shutdown")))
	found       = on(listQueued, ok(boxes(box("queued"))))
	noneQueued  = on(listQueued, ok(noBoxes))

	// emptyLists is a search that finds nothing, and refusedLists one that may not look.
	emptyLists   = search(ok(noBoxes), ok(noBoxes), ok(noBoxes), ok(noBoxes))
	refusedLists = search(refuse(400, "no"), refuse(400, "no"), refuse(400, "no"), refuse(400, "no"))

	// policyListed is the policy that underRules ensures.
	policyListed = on(listPolicies, ok(`{"network_policies":[{"id":"npol_1","name":"task-github","egress":{"allowed_hostnames":["github.com"]}}],"has_more":false}`))
	policyGone   = on(listPolicy, ok(clienttest.EmptyPageJSON))
)

// search is a search for a devbox that reads as many lists as there are responses.
func search(responses ...responder) (steps []step) {
	for i, status := range []string{listQueued, listProvisioning, listInitializing, listRunning}[:len(responses)] {
		steps = append(steps, step{status, responses[i]})
	}
	return steps
}

// box returns dbx_1 as the API shows it, with the tag of the last create and npol_1.
func box(status string) string { return boxWith(status, `{"network_policy_id":"npol_1"}`) }

func boxWith(status, launchParameters string) string {
	return `{"id":"dbx_1","status":"` + status + `","metadata":{"runloop-go-request-id":"{tag}"},"launch_parameters":` + launchParameters + `}`
}

func boxes(views ...string) string {
	return `{"devboxes":[` + strings.Join(views, ",") + `],"has_more":false}`
}

// asDevboxError returns err as the *DevboxError that it must be.
func asDevboxError(t *testing.T, err error) *runloop.DevboxError {
	t.Helper()
	e, ok := errors.AsType[*runloop.DevboxError](err)
	require.Truef(t, ok, "%T is not a *DevboxError: %v", err, err)
	return e
}

// asValidationError returns err as the *ValidationError that it must be.
func asValidationError(t *testing.T, err error) *runloop.ValidationError {
	t.Helper()
	e, ok := errors.AsType[*runloop.ValidationError](err)
	require.Truef(t, ok, "%T is not a *ValidationError: %v", err, err)
	return e
}

// assertNoDevbox checks that an error leaves no devbox.
func assertNoDevbox(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	assertNothingInDoubt(t, err)
	_, isDevboxError := errors.AsType[*runloop.DevboxError](err)
	assert.False(t, isDevboxError)
}

// assertNothingInDoubt checks that no error of the chain leaves open whether a write took
// effect.
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
