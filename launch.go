package runloop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/runloop-community/runloop-go/internal/engine"
)

const (
	// launchTimeout is how long Launch takes at most when its context has no deadline.
	// Devboxes take 30 to 180 seconds to start.
	launchTimeout = 5 * time.Minute
	// maxSearches is how often all lists are searched for a devbox.
	maxSearches = 3
)

// Launch creates a devbox, waits until it is running, and returns it. The devbox uses the
// policy of params: the API showed its ID in the response from which the result comes.
// What a policy allows may change at any time; name policies after their rules, as in
// "task-" + [EgressRules.Fingerprint].
//
// After an error, Launch shuts down what it created, for up to 30 seconds, even if the
// context has ended. What may be left is named by a [*DevboxError]. A policy that was
// created stays: [NetworkPoliciesService.Prune] deletes it. What a killed process leaves
// ends with its KeepAlive; with [WithIdempotencyKey], the same call finds it again.
//
// If the context has no deadline, Launch gives up after 5 minutes, with
// [context.DeadlineExceeded]. If the devbox fails or is shut down before it is running, the
// error matches [ErrDevboxFailed]. All other errors are those of
// [DevboxesService.Create] and [DevboxesService.AwaitRunning], which describe how Launch
// deals with faults.
func (s *DevboxesService) Launch(ctx context.Context, params DevboxCreateParams, opts ...Option) (*Devbox, error) {
	l, err := s.newLaunch(ctx, opLaunchDevbox, params, opts)
	if err != nil {
		return nil, err
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, launchTimeout)
		defer cancel()
	}
	devbox, err := l.create(ctx)
	if err != nil {
		return nil, err
	}
	return l.awaitRunning(ctx, devbox)
}

// Create creates a devbox and returns it before it is running. With NetworkPolicy, the
// policy is ensured first; if it is deleted before the devbox is created, Create tries
// again up to four times, with pauses. If NetworkPolicyID is unknown, the error matches
// [ErrNotFound].
//
// Create verifies that the devbox uses the policy, in the response or by reading the
// devbox up to three times. If that fails, it shuts the devbox down, and the error is a
// [*DevboxError], which matches [ErrPolicyNotAttached] if the devbox certainly does not
// use the policy. Launch commands and the entrypoint may have begun by then.
//
// A create is the one write that duplicates when repeated, so it is retried only if the
// API certainly did not process it. If a response is lost, Create looks for the devbox by
// the request ID in its metadata (see [MetadataRequestID]), in the lists of the queued,
// provisioning, initializing and running devboxes. If it is not found, the error is a
// [*DevboxError] with a RequestID and no Devbox, and matches [ErrMaybeApplied]: the devbox
// may exist, or still be created by a request that was delayed on the way. If the context
// ends meanwhile, what was created is shut down. A proxy that repeats requests by itself
// creates two devboxes with one request ID.
//
// With [WithIdempotencyKey], Create first looks in these lists for the devbox that an
// earlier call with the key created, and returns it, verified as above: one that uses
// another policy than these params is shut down. If the lists cannot be read, nothing is
// created. Only one call at a time may use a key. A devbox that is suspended, that the
// lists do not show yet, or whose create is still delayed on the way is not found: Create
// then creates a second one with the same request ID. [WithResponseInto] stores the
// response to the create.
func (s *DevboxesService) Create(ctx context.Context, params DevboxCreateParams, opts ...Option) (*Devbox, error) {
	l, err := s.newLaunch(ctx, opCreateDevbox, params, opts)
	if err != nil {
		return nil, err
	}
	return l.create(ctx)
}

// A launch is one call of Create or Launch.
type launch struct {
	s    *DevboxesService
	op   string
	opts []Option

	policy   *NetworkPolicyCreateParams // to ensure, or nil
	policyID string                     // empty for no policy
	body     devboxBody
	key      string // of WithIdempotencyKey

	requestID string // of the last create
	// cutShort is set when the context ended the search for the devbox.
	cutShort bool
}

// newLaunch checks and copies the parameters.
func (s *DevboxesService) newLaunch(ctx context.Context, op string, params DevboxCreateParams, opts []Option) (*launch, error) {
	// Encoded once: a json.Marshaler may return other JSON than was checked the next time.
	extra, extraProblems := encodeExtra(params.Extra)
	if err := params.validate(op, extraProblems); err != nil {
		return nil, err
	}
	_, settings, err := prepare(ctx, s.owner(), op, opts)
	if err != nil {
		return nil, err
	}
	l := &launch{
		s:        s,
		op:       op,
		opts:     opts,
		policyID: params.NetworkPolicyID,
		body:     newDevboxBody(params, extra),
		key:      settings.idempotencyKey,
	}
	if params.NetworkPolicy != nil {
		policy := *params.NetworkPolicy
		policy.Egress = policy.Egress.clone()
		l.policy = &policy
	}
	return l, nil
}

// create returns a devbox whose policy is verified. After an error, only what the error
// names may be left.
func (l *launch) create(ctx context.Context) (*Devbox, error) {
	if l.key != "" {
		l.requestID = l.key
		devbox, err := l.search(ctx, forRead(l.opts))
		switch {
		case devbox != nil:
			return l.adopt(ctx, devbox)
		case err != nil:
			return nil, &DevboxError{Op: l.op, RequestID: l.key, Problem: "it is unknown whether an earlier call created the devbox", cause: err}
		}
	}
	for round := 1; ; round++ {
		if err := l.ensurePolicy(ctx); err != nil {
			return nil, err
		}
		devbox, err := l.send(ctx)
		switch {
		case err == nil:
			return l.verified(ctx, devbox)
		case errors.Is(err, ErrMaybeApplied):
			return nil, l.inDoubt(ctx, err)
		}
		lacksPolicy, err := l.explain(ctx, err)
		if !lacksPolicy || l.policy == nil || round == maxRounds {
			return nil, err
		}
		engine.Wait(ctx, round)
	}
}

// adopt returns the devbox that an earlier call with the same key created.
func (l *launch) adopt(ctx context.Context, devbox *Devbox) (*Devbox, error) {
	if err := l.ensurePolicy(ctx); err != nil {
		return nil, l.fail(ctx, l.unverified(devbox, err))
	}
	return l.verified(ctx, devbox)
}

// ensurePolicy makes the policy exist, if that is up to the call. Calls without options
// share their requests with all others that ensure the policy.
func (l *launch) ensurePolicy(ctx context.Context) error {
	if l.policy == nil {
		return nil
	}
	opts := l.opts
	if len(opts) > 0 {
		opts = forRead(opts) // the key and the response are those of the create
	}
	policy, err := l.s.client.NetworkPolicies.Ensure(ctx, *l.policy, opts...)
	if err == nil {
		l.policyID = policy.ID
	}
	return err
}

// send sends one create.
func (l *launch) send(ctx context.Context) (*Devbox, error) {
	if l.key == "" {
		l.requestID = engine.NewRequestID()
	}
	l.body.set(l.policyID, l.requestID)
	return send(ctx, l.s.client, l.opts, engine.Request[*Devbox]{
		Operation: l.op,
		Method:    http.MethodPost,
		Route:     devboxesRoute,
		Body:      l.body,
		Resend:    engine.ResendCareful,
		RequestID: l.requestID,
		Decode:    decodeTaggedDevbox(l.requestID),
		Resolve:   l.resolve,
	})
}

// resolve looks for the devbox of a create whose response was lost.
func (l *launch) resolve(ctx context.Context, lost engine.Lost) (*Devbox, engine.Resolution) {
	if devbox := l.find(ctx, forLookup(l.opts, lost)); devbox != nil {
		return devbox, engine.Applied
	}
	return nil, engine.Unresolved
}

// find looks for the devbox with the request ID, several times because lists may lag
// behind. That it is not found proves nothing: the create may still be on its way.
func (l *launch) find(ctx context.Context, opts []Option) *Devbox {
	for search := 1; ; search++ {
		devbox, err := l.search(ctx, opts)
		l.cutShort = isEnd(err)
		if devbox != nil || search == maxSearches || err != nil && !errors.Is(err, ErrBadRequest) {
			return devbox
		}
		engine.Wait(ctx, search)
	}
}

// searchedStatuses are those of devboxes that have not ended, in the order in which a
// devbox goes through them: in any other, it could slip through as it advances.
var searchedStatuses = []DevboxStatus{DevboxQueued, DevboxProvisioning, DevboxInitializing, DevboxRunning}

// search looks once through the lists for the devbox with the request ID. It returns nil
// if they do not contain it. A list that is refused for its status does not end the
// search, but is its error if the others do not contain the devbox either.
func (l *launch) search(ctx context.Context, opts []Option) (*Devbox, error) {
	var found *Devbox
	var refused error
	for _, status := range searchedStatuses {
		pages := l.s.pages(ctx, l.op, DevboxListParams{Status: status}, goneRefusals, opts)
		err := search(pages, func() {}, func(page *DevboxPage) bool {
			i := slices.IndexFunc(page.Devboxes, func(d Devbox) bool { return d.Metadata[MetadataRequestID] == l.requestID })
			if i >= 0 {
				found = new(page.Devboxes[i]) // does not keep the page
			}
			return found == nil
		})
		switch {
		case found != nil:
			return found, nil
		case errors.Is(err, ErrBadRequest):
			refused = err
		case err != nil:
			return nil, err
		}
	}
	return nil, refused
}

// inDoubt is the error of a create that may have been applied. If the end of the context
// cut the search for the devbox short, the search begins again, to shut it down.
func (l *launch) inDoubt(ctx context.Context, err error) error {
	e := &DevboxError{Op: l.op, RequestID: l.requestID, Problem: "it is unknown whether the devbox was created", cause: err}
	if ctx.Err() == nil && !l.cutShort {
		return e
	}
	ctx, cancel := cleanUpContext(ctx)
	defer cancel()
	if devbox := l.find(ctx, cleanUpOptions(l.opts)); devbox != nil {
		e = l.failure(devbox, "the response to the create was lost", err)
		l.shutDown(ctx, e)
	}
	return e
}

// explain reports whether a create was refused because the policy does not exist. The
// error that it returns matches ErrNotFound if it is the caller's policy, or the context's
// error if that ended the lookup.
func (l *launch) explain(ctx context.Context, err error) (lacksPolicy bool, explained error) {
	refusal, ok := err.(*APIError)
	if !ok || l.policyID == "" || !isRefusal(err) || errors.Is(err, ErrForbidden) {
		return false, err
	}
	refusal = new(*refusal)
	listed, err := l.s.client.NetworkPolicies.isListed(ctx, l.op, l.policyID, forRead(l.opts))
	lacksPolicy = err == nil && !listed
	switch {
	case isEnd(err):
		ended := engine.Ended(ctx, l.op, false)
		refusal.cause, refusal.detail = ended.Cause, ended.Detail
	case lacksPolicy && l.policy == nil:
		refusal.meaning = ErrNotFound
	}
	return lacksPolicy, refusal
}

// verified returns the devbox once a response shows that it uses the policy. Otherwise
// it shuts the devbox down.
func (l *launch) verified(ctx context.Context, devbox *Devbox) (*Devbox, error) {
	if l.policyID == "" {
		return devbox, nil
	}
	var err error // of the last read
	for read := 0; devbox.NetworkPolicyID == "" && read < maxReads; read++ {
		if read > 0 {
			engine.Wait(ctx, read)
		}
		var seen *Devbox
		if seen, err = l.s.get(ctx, l.op, devbox.ID, byIDRefusals, forRead(l.opts)); err == nil {
			devbox = seen
		} else if isTransient(err) {
			break
		}
	}
	switch {
	case devbox.NetworkPolicyID == l.policyID:
		return devbox, nil
	case err != nil:
		return nil, l.fail(ctx, l.unverified(devbox, err))
	}
	has := "none"
	if devbox.NetworkPolicyID != "" {
		has = quoteResponse(devbox.NetworkPolicyID)
	}
	e := l.failure(devbox, fmt.Sprintf("policy %s is not attached: the devbox has %s", quoteResponse(l.policyID), has), nil)
	e.meaning = ErrPolicyNotAttached
	return nil, l.fail(ctx, e)
}

// awaitRunning returns the devbox once it is running and verified again: the response to
// the create may only repeat what was requested.
func (l *launch) awaitRunning(ctx context.Context, devbox *Devbox) (*Devbox, error) {
	running, err := l.s.await(ctx, l.op, devbox.ID, forRead(l.opts))
	if err != nil {
		e, ok := err.(*DevboxError)
		if !ok {
			e = l.failure(devbox, "the devbox was not seen running", err)
		}
		e.RequestID = l.requestID
		return nil, l.fail(ctx, e)
	}
	running, err = l.verified(ctx, running)
	if err == nil && running.Status != DevboxRunning { // it ended meanwhile
		return nil, l.fail(ctx, l.s.failed(l.op, running, l.opts))
	}
	return running, err
}

func (l *launch) unverified(devbox *Devbox, cause error) *DevboxError {
	return l.failure(devbox, "the policy could not be verified", cause)
}

// failure is the error of a devbox that is known, whatever its cause left open.
func (l *launch) failure(devbox *Devbox, problem string, cause error) *DevboxError {
	return &DevboxError{
		Op:        l.op,
		Devbox:    devbox,
		RequestID: l.requestID,
		Problem:   l.s.printable(l.opts, problem),
		cause:     settled(cause),
		subject:   l.s.printable(l.opts, devbox.ID),
	}
}

// How a launch cleans up: not under the context that may be the reason for it, and not
// with settings that give up early.
const (
	cleanUpTimeout    = 30 * time.Second
	maxCleanUpAttempt = 7500 * time.Millisecond
	minCleanUpRetries = 3
)

func cleanUpContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanUpTimeout)
}

func cleanUpOptions(opts []Option) []Option {
	return append(forRead(opts), func(s *settings) {
		s.timeout = min(cmp.Or(s.timeout, maxCleanUpAttempt), maxCleanUpAttempt)
		s.maxRetries = max(s.maxRetries, minCleanUpRetries)
		s.noBudget = true
	})
}

// fail shuts down the devbox of the error, and returns the error.
func (l *launch) fail(ctx context.Context, e *DevboxError) error {
	ctx, cancel := cleanUpContext(ctx)
	defer cancel()
	l.shutDown(ctx, e)
	return e
}

func (l *launch) shutDown(ctx context.Context, e *DevboxError) {
	if e.ShutDown {
		return
	}
	if _, err := l.s.shutdown(ctx, l.op, e.Devbox.ID, cleanUpOptions(l.opts)); err != nil {
		e.left = withoutOp(err, l.op)
		return
	}
	e.ShutDown = true
}

// isEnd reports whether a context ended the call.
func isEnd(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
