package runloop

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"time"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// DevboxesService provides access to the Devboxes API. Use it through [Client].Devboxes.
type DevboxesService struct {
	client *Client
}

const (
	opLaunchDevbox   = "launch devbox"
	opCreateDevbox   = "create devbox"
	opAwaitDevbox    = "await running devbox"
	opGetDevbox      = "get devbox"
	opListDevboxes   = "list devboxes"
	opShutdownDevbox = "shut down devbox"

	devboxesRoute       = "/v1/devboxes"
	devboxRoute         = "/v1/devboxes/{id}"
	devboxWaitRoute     = "/v1/devboxes/{id}/wait_for_status"
	devboxShutdownRoute = "/v1/devboxes/{id}/shutdown"
)

// Get returns the devbox with the given ID. If the ID is unknown, the error matches
// [ErrNotFound].
func (s *DevboxesService) Get(ctx context.Context, id string, opts ...Option) (*Devbox, error) {
	return s.get(ctx, opGetDevbox, id, byIDRefusals, opts)
}

func (s *DevboxesService) get(ctx context.Context, op, id string, refusals []engine.Refusal, opts []Option) (*Devbox, error) {
	return send(ctx, s.owner(), opts, engine.Request[*Devbox]{
		Operation: op,
		Method:    http.MethodGet,
		Route:     devboxRoute,
		ID:        id,
		Decode:    decodeDevboxWithID,
		Refusals:  refusals,
	})
}

// List returns one page of devboxes in the API's order. To iterate over all pages, use
// [DevboxesService.All]. Unless params.Status is set, the list includes devboxes that have
// ended. The API filters by status only; to find a devbox by its name or metadata, iterate
// over all. If params.StartingAfter is unknown, the error matches [ErrNotFound].
func (s *DevboxesService) List(ctx context.Context, params DevboxListParams, opts ...Option) (*DevboxPage, error) {
	return s.list(ctx, opListDevboxes, params, byIDRefusals, opts)
}

func (s *DevboxesService) list(ctx context.Context, op string, params DevboxListParams, ofCursor []engine.Refusal, opts []Option) (*DevboxPage, error) {
	if err := params.validate(op); err != nil {
		return nil, err
	}
	request := engine.Request[*DevboxPage]{
		Operation: op,
		Method:    http.MethodGet,
		Route:     devboxesRoute,
		Query:     params,
		Decode:    decodeDevboxPage,
	}
	if params.StartingAfter != "" {
		request.Refusals = ofCursor
	}
	return send(ctx, s.owner(), opts, request)
}

// All returns an iterator over all matching devboxes, including those that have ended,
// unless params.Status is set. No request is sent before iteration begins, none after the
// loop ends, and each range starts over:
//
//	for devbox, err := range client.Devboxes.All(ctx, runloop.DevboxListParams{Status: runloop.DevboxRunning}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(devbox.ID, devbox.Name)
//	}
//
// An error is yielded once, with a nil devbox, and ends the loop. To resume, set
// StartingAfter to the ID of the last devbox yielded. A list that does not advance yields
// an error that matches [ErrInvalidResponse].
//
// The loop may shut down the devboxes it receives. If a devbox changes its status while the
// loop filters by status, it may be missed or yielded with its former status.
//
// Each request asks for params.Limit devboxes, or for 1000 if Limit is 0, and for fewer
// if the response would be too large. The API counts the total only if
// params.IncludeTotalCount is set to true.
func (s *DevboxesService) All(ctx context.Context, params DevboxListParams, opts ...Option) iter.Seq2[*Devbox, error] {
	return each(s.pages(ctx, opListDevboxes, params, byIDRefusals, opts), func(p *DevboxPage) []Devbox { return p.Devboxes })
}

// pages iterates over the pages of a list. ofCursor has the meanings of error responses to
// a request with a cursor.
func (s *DevboxesService) pages(ctx context.Context, op string, params DevboxListParams, ofCursor []engine.Refusal, opts []Option) iter.Seq2[*DevboxPage, error] {
	if params.IncludeTotalCount == nil {
		params.IncludeTotalCount = new(false)
	}
	start := cursor{after: params.StartingAfter, limit: params.Limit}
	return paginate(op, start, func(c cursor) (*DevboxPage, error) {
		params := params
		params.StartingAfter, params.Limit = c.after, c.limit
		return s.list(ctx, op, params, ofCursor, opts)
	})
}

// Shutdown shuts down the devbox and returns it. This cannot be undone. If the devbox has
// already ended, Shutdown succeeds. If the ID is unknown, the error matches [ErrNotFound].
//
// Shutdown is retried. If a response is lost, cannot be decoded or shows a devbox that has
// not ended, Shutdown reads the devbox up to three times. It succeeds if the devbox has
// ended, or if the API itself reports that the devbox does not exist; in the latter case
// only the ID and the Status of the result are set. Otherwise the error matches
// [ErrMaybeApplied].
//
// While a snapshot of the devbox is being taken, the API refuses the shutdown with status
// 409, and the error matches [ErrConflict]. To force the shutdown, send
// POST /v1/devboxes/{id}/shutdown?force=true with [Client.Do].
func (s *DevboxesService) Shutdown(ctx context.Context, id string, opts ...Option) (*Devbox, error) {
	return s.shutdown(ctx, opShutdownDevbox, id, opts)
}

func (s *DevboxesService) shutdown(ctx context.Context, op, id string, opts []Option) (*Devbox, error) {
	return send(ctx, s.owner(), opts, engine.Request[*Devbox]{
		Operation: op,
		Method:    http.MethodPost,
		Route:     devboxShutdownRoute,
		ID:        id,
		Resend:    engine.ResendIdempotent,
		Decode:    decodeEndedDevbox,
		Refusals:  []engine.Refusal{notFoundByWrite},
		Resolve: func(ctx context.Context, lost engine.Lost) (*Devbox, engine.Resolution) {
			return s.resolveShutdown(ctx, op, id, forLookup(opts, lost))
		},
	})
}

// maxReads limits how often a devbox is read to learn what a response did not show.
const maxReads = 3

// resolveShutdown reads the devbox until it has ended.
func (s *DevboxesService) resolveShutdown(ctx context.Context, op, id string, opts []Option) (*Devbox, engine.Resolution) {
	for read := 1; ; read++ {
		devbox, err := s.get(ctx, op, id, []engine.Refusal{devboxGone}, opts)
		switch {
		case err == nil && devbox.Status.hasEnded():
			return devbox, engine.Applied
		case errors.Is(err, errDevboxGone):
			return &Devbox{ID: id, Status: DevboxShutdown}, engine.Applied
		case err != nil, read == maxReads:
			return nil, engine.Unresolved
		}
		engine.Wait(ctx, read)
	}
}

// The longest and the shortest hold of a poll, in seconds.
const (
	maxHold = 30
	minHold = 5
)

const (
	// maxSilence is how long AwaitRunning continues if it gets only transient errors.
	maxSilence = 2 * time.Minute
	// quickPoll is the duration below which a poll was not held.
	quickPoll = time.Second
)

// awaitedStatuses end the wait.
var awaitedStatuses = []DevboxStatus{DevboxRunning, DevboxFailure, DevboxShutdown}

// AwaitRunning waits until the devbox is running and returns it. If the devbox fails or
// is shut down, the error is a [*DevboxError] that matches [ErrDevboxFailed]. That includes
// a devbox whose entrypoint finished before the devbox was seen running; see its
// ShutdownReason. If the ID is unknown, the error matches [ErrNotFound]. AwaitRunning does
// not verify the policy and does not shut down the devbox.
//
// AwaitRunning has no time limit; set a deadline on ctx. If ctx ends, the error matches the
// context's error. AwaitRunning keeps waiting while the devbox is suspended or has an
// unknown status. It retries transient errors, with pauses, until no request has succeeded
// for two minutes, and then returns the last error.
//
// Each request asks the API to wait for up to 30 seconds before it responds.
// [WithAttemptTimeout] limits the time beyond that. [WithMaxRetries] has no effect.
func (s *DevboxesService) AwaitRunning(ctx context.Context, id string, opts ...Option) (*Devbox, error) {
	if _, _, err := prepare(ctx, s.owner(), opAwaitDevbox, opts); err != nil {
		return nil, err
	}
	return s.await(ctx, opAwaitDevbox, id, opts)
}

func (s *DevboxesService) await(ctx context.Context, op, id string, opts []Option) (*Devbox, error) {
	opts = append(opts[:len(opts):len(opts)], WithMaxRetries(0)) // a poll is one attempt
	hold := maxHold
	heard := time.Now() // when the last response arrived that was not a transient error
	responded := false  // whether a response showed that the devbox was not running
	faults, quick := 0, 0
	for polls := 0; ; polls++ {
		if ctx.Err() != nil || left(ctx) <= 0 { // whatever the last response was
			ended := engine.Ended(ctx, op, false)
			ended.Attempts = polls
			err := newError(ended)
			if e, ok := err.(*TransportError); ok && responded {
				e.problem = "the devbox was not running yet"
			}
			return nil, err
		}
		start := time.Now()
		devbox, err := s.poll(ctx, op, id, min(hold, seconds(left(ctx))), opts)
		responded = responded || err == nil
		switch {
		case err == nil && devbox != nil && devbox.Status == DevboxRunning:
			return devbox, nil
		case ctx.Err() != nil || left(ctx) <= 0:
		case err == nil && devbox != nil && devbox.Status.hasEnded():
			return nil, s.failed(op, devbox, opts)
		case err == nil && time.Since(start) >= quickPoll:
			heard, faults, quick = time.Now(), 0, 0
		case err == nil:
			heard, faults, quick = time.Now(), 0, quick+1
			engine.Wait(ctx, quick)
		case !isTransient(err) || time.Since(heard) >= maxSilence:
			return nil, err
		default:
			faults++
			if !errors.Is(err, ErrRateLimited) { // a proxy may have cut off a long hold
				hold = max(hold/2, minHold)
			}
			waitAfter(ctx, faults, err)
		}
	}
}

// poll waits for one of awaitedStatuses, for up to hold seconds. It returns nil if the
// devbox has none of them by then.
func (s *DevboxesService) poll(ctx context.Context, op, id string, hold int, opts []Option) (*Devbox, error) {
	return send(ctx, s.owner(), opts, engine.Request[*Devbox]{
		Operation:    op,
		Method:       http.MethodPost,
		Route:        devboxWaitRoute,
		ID:           id,
		Body:         waitBody{awaitedStatuses, hold},
		OnlyReads:    true,
		Hold:         time.Duration(hold) * time.Second,
		ResultStatus: http.StatusRequestTimeout,
		Decode:       decodeDevboxWithID,
		Refusals:     byIDRefusals,
	})
}

// left returns how much time the context leaves.
func left(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return time.Until(deadline)
	}
	return maxSilence // more than any hold
}

// seconds returns a positive duration rounded up, and maxHold for a longer one.
func seconds(d time.Duration) int {
	return int((min(d, maxHold*time.Second)-1)/time.Second) + 1
}

// waitAfter waits as long as between two attempts, or longer if the API asks for it.
func waitAfter(ctx context.Context, fault int, err error) {
	const maxRetryAfter = time.Minute
	start := time.Now()
	engine.Wait(ctx, fault)
	e, ok := errors.AsType[*APIError](err)
	if !ok {
		return
	}
	select {
	case <-time.After(min(e.RetryAfter, maxRetryAfter) - time.Since(start)):
	case <-ctx.Done():
	}
}

// failed returns the error for a devbox that has ended.
func (s *DevboxesService) failed(op string, devbox *Devbox, opts []Option) *DevboxError {
	problem, reason := "the devbox failed", devbox.FailureReason
	if devbox.Status == DevboxShutdown {
		problem, reason = "the devbox was shut down", devbox.ShutdownReason
	}
	if reason != "" {
		problem += ": " + reason
	}
	return &DevboxError{
		Op:        op,
		Devbox:    devbox,
		RequestID: devbox.Metadata[MetadataRequestID],
		Problem:   s.printable(opts, problem),
		ShutDown:  devbox.Status == DevboxShutdown,
		meaning:   ErrDevboxFailed,
		subject:   s.printable(opts, devbox.ID),
	}
}

// printable returns text from a response on one line and without the call's API key.
func (s *DevboxesService) printable(opts []Option, text string) string {
	return printable(engine.Redact(s.client.settings.with(opts).apiKey, text), maxErrorText)
}

// owner returns the service's client, or nil if NewClient did not create it.
func (s *DevboxesService) owner() *Client {
	if s == nil {
		return nil
	}
	return s.client
}
