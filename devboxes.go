package runloop

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"time"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// DevboxesService launches devboxes under network policies. Use it through
// [Client].Devboxes.
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

// Get returns the devbox with the ID, or an error that matches [ErrNotFound].
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

// List returns one page of devboxes, in the API's order. To iterate over all pages, use
// [DevboxesService.All]. The API filters by status only: to find a devbox by its name or
// metadata, iterate. If StartingAfter is unknown, the error matches [ErrNotFound].
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

// All returns an iterator over all matching devboxes. No request is sent before iteration
// begins, none after the loop ends, and each range starts over:
//
//	for devbox, err := range client.Devboxes.All(ctx, runloop.DevboxListParams{Status: runloop.DevboxRunning}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(devbox.ID, devbox.Name)
//	}
//
// An error is yielded once, with a nil devbox, and ends the loop. To continue from there,
// set StartingAfter to the ID of the last devbox yielded. The loop may shut down the
// devboxes that it gets. A devbox whose status changes while a loop filters by status may
// be missed, or yielded with its former status. A page has params.Limit devboxes, 1000 if
// that is 0. The total is not counted unless params.IncludeTotalCount is set.
func (s *DevboxesService) All(ctx context.Context, params DevboxListParams, opts ...Option) iter.Seq2[*Devbox, error] {
	return each(s.pages(ctx, opListDevboxes, params, byIDRefusals, opts), func(p *DevboxPage) []Devbox { return p.Devboxes })
}

// pages iterates over the pages of a list. ofCursor is what an error response to a page
// after the first one means.
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

// Shutdown shuts the devbox down and returns it. This cannot be undone. A devbox that
// has already ended is a success; an unknown ID is an error that matches [ErrNotFound].
//
// Shutdown is retried. If a response is lost, cannot be decoded or shows a devbox that
// has not ended, Shutdown reads the devbox, up to three times. It succeeds if the devbox
// has ended or the API itself reports that there is no such devbox; in that case only ID
// and Status of the result are set. Otherwise the error matches [ErrMaybeApplied].
//
// While a snapshot is made, the API refuses the shutdown with a 409, which matches
// [ErrConflict]. To force it, call POST /v1/devboxes/{id}/shutdown?force=true with
// [Client.Do].
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

// maxReads is how often a devbox is read to see what a response did not show.
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

// How many seconds AwaitRunning lets the API hold a poll.
const (
	maxHold = 30
	minHold = 5
)

const (
	// maxSilence is how long AwaitRunning goes on while there are only transient errors.
	maxSilence = 2 * time.Minute
	// quickPoll is the time below which a response came without being held.
	quickPoll = time.Second
)

// awaitedStatuses end the wait.
var awaitedStatuses = []DevboxStatus{DevboxRunning, DevboxFailure, DevboxShutdown}

// AwaitRunning waits until the devbox is running, and returns it. If the devbox fails or
// is shut down, the error is a [*DevboxError] that matches [ErrDevboxFailed], also when
// an entrypoint did its work before the devbox was seen running: ShutdownReason tells.
// If the ID is unknown, the error matches [ErrNotFound]. AwaitRunning verifies no
// policy, and shuts down nothing.
//
// It has no time limit of its own: use a context. Once the context ends, the error
// matches the context's. A suspended devbox and an unknown status are waited for.
// Transient errors are retried, with pauses, until the API has been silent for two
// minutes; then the last of them is returned.
//
// AwaitRunning polls: each request lets the API hold the response for up to 30 seconds.
// [WithAttemptTimeout] limits the time beyond that; [WithMaxRetries] has no effect.
func (s *DevboxesService) AwaitRunning(ctx context.Context, id string, opts ...Option) (*Devbox, error) {
	if _, _, err := prepare(ctx, s.owner(), opAwaitDevbox, opts); err != nil {
		return nil, err
	}
	return s.await(ctx, opAwaitDevbox, id, opts)
}

func (s *DevboxesService) await(ctx context.Context, op, id string, opts []Option) (*Devbox, error) {
	opts = append(opts[:len(opts):len(opts)], WithMaxRetries(0)) // a poll is one attempt
	hold := maxHold
	heard := time.Now() // the last response that was not a transient error
	responded := false  // a response came that showed no running devbox
	faults, quick := 0, 0
	for polls := 0; ; polls++ {
		if ctx.Err() != nil || left(ctx) <= 0 { // whatever came last
			ended := engine.Ended(ctx, op, false)
			ended.Attempts = polls
			err := newError(ended)
			if e, ok := err.(*TransportError); ok && responded {
				e.problem = "it was not running"
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
			if !errors.Is(err, ErrRateLimited) { // a proxy may have cut what it held for too long
				hold = max(hold/2, minHold)
			}
			waitAfter(ctx, faults, err)
		}
	}
}

// poll waits for one of awaitedStatuses, at most for so many seconds. It returns nil if
// the devbox has none of them by then.
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

// waitAfter waits as between two attempts, longer if the API asks for it.
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

// failed is the error of a devbox that has ended.
func (s *DevboxesService) failed(op string, devbox *Devbox, opts []Option) *DevboxError {
	reason := devbox.FailureReason
	if devbox.Status == DevboxShutdown {
		reason = devbox.ShutdownReason
	}
	problem := "the status is " + string(devbox.Status)
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

// printable returns a text from a response without the API key of the call, on one line.
func (s *DevboxesService) printable(opts []Option, text string) string {
	return printable(engine.Redact(s.client.settings.with(opts).apiKey, text), maxErrorText)
}

// owner returns the service's client, or nil when NewClient did not make it.
func (s *DevboxesService) owner() *Client {
	if s == nil {
		return nil
	}
	return s.client
}
