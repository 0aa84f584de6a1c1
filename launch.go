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
	// launchTimeout limits Launch if its context has no deadline. Devboxes take 30 to 180
	// seconds to start.
	launchTimeout = 5 * time.Minute
	// maxSearches limits how often the lists are searched for a devbox.
	maxSearches = 3
)

// Launch creates a devbox, waits until it is running, and returns it. Unless Unrestricted
// is set, Launch verifies that the devbox uses the policy of params: the API must report
// the policy's ID. The rules of a policy can change at any time; to tell policies apart by
// their rules, name them after the rules, as in "task-" + [EgressRules.Fingerprint].
//
// After an error, Launch shuts down the devbox that it created. The clean-up takes up to 30
// seconds, even if ctx has ended. If a devbox may be left, the error is a [*DevboxError]
// that identifies it. Launch keeps a policy that it created; use
// [NetworkPoliciesService.Prune] to delete it. If the process is killed, the devbox ends
// after its KeepAlive. If the call had [WithIdempotencyKey], repeating it with the same key
// finds the devbox again.
//
// If ctx has no deadline, Launch times out after 5 minutes, and the error matches
// [context.DeadlineExceeded]. If the devbox fails or is shut down before it reaches
// running, the error matches [ErrDevboxFailed]. See [DevboxesService.Create] and
// [DevboxesService.AwaitRunning] for retries and other errors.
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

// Create creates a devbox and returns it, usually before it is running. If NetworkPolicy is
// set, Create ensures the policy first; if another program then deletes the policy before
// the devbox is created, Create tries again up to four times, with pauses. If
// NetworkPolicyID is unknown, the error matches [ErrNotFound].
//
// Create verifies that the devbox uses the policy. If the response shows no policy, Create
// reads the devbox up to three times. If the policy cannot be verified, Create shuts down
// the devbox and returns a [*DevboxError], which matches [ErrPolicyNotAttached] if the
// devbox is known not to use the policy. By then, the launch commands and the entrypoint
// may already have started.
//
// Repeating the request could create a second devbox, so Create retries it only if the API
// certainly did not process it. If a response is lost, Create searches the lists of queued,
// provisioning, initializing and running devboxes for the request ID in the metadata (see
// [MetadataRequestID]). If it does not find the devbox, the error is a [*DevboxError] with
// a RequestID and without a Devbox, and matches [ErrMaybeApplied]: the devbox may exist, or
// may yet be created by a delayed request. If ctx ends, Create still searches for the
// devbox, and shuts it down if it finds it. Create cannot prevent a proxy from repeating
// the request, which would create two devboxes with one request ID.
//
// If [WithIdempotencyKey] is set, Create first searches these lists for a devbox that an
// earlier call with the same key created. If it finds one, it verifies the policy as above
// and returns the devbox, or shuts it down if it uses another policy. If the lists cannot
// be read, Create creates no devbox. Only one call at a time may use a key. The search
// misses a devbox that is suspended or not listed yet, or whose create request is delayed;
// Create then creates a second devbox with the same request ID. [WithResponseInto] stores
// the response to the create request.
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

	policy   *NetworkPolicyCreateParams // the policy to ensure, or nil
	policyID string                     // empty if there is no policy
	body     devboxBody
	key      string // of WithIdempotencyKey

	requestID string // of the last create
	// cutShort reports that the context ended the search for the devbox.
	cutShort bool
}

// newLaunch checks and copies the parameters.
func (s *DevboxesService) newLaunch(ctx context.Context, op string, params DevboxCreateParams, opts []Option) (*launch, error) {
	// Extra is encoded only once, because a json.Marshaler may return different JSON later.
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

// create returns a devbox whose policy is verified. If it fails, the error identifies any
// devbox that may be left.
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

// ensurePolicy ensures the policy, if there is one to ensure. Without options, the calls of
// a client share the requests for it.
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

// find searches for the devbox with the request ID, several times because lists can lag
// behind. Not finding it proves nothing: the create may still be in progress.
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

// searchedStatuses are the statuses to search, in the order in which a devbox passes
// through them. In any other order, a search could miss a devbox that advances.
var searchedStatuses = []DevboxStatus{DevboxQueued, DevboxProvisioning, DevboxInitializing, DevboxRunning}

// search searches the lists once for the devbox with the request ID, and returns nil if
// they do not contain it. If the API refuses one status, the search continues with the
// others, and returns the refusal if it does not find the devbox.
func (l *launch) search(ctx context.Context, opts []Option) (*Devbox, error) {
	var found *Devbox
	var refused error
	for _, status := range searchedStatuses {
		pages := l.s.pages(ctx, l.op, DevboxListParams{Status: status}, goneRefusals, opts)
		err := search(pages, func() {}, func(page *DevboxPage) bool {
			i := slices.IndexFunc(page.Devboxes, func(d Devbox) bool { return d.Metadata[MetadataRequestID] == l.requestID })
			if i >= 0 {
				found = new(page.Devboxes[i]) // a copy, which does not keep the page in memory
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

// inDoubt returns the error of a create that may have been applied. If the context cut the
// search for the devbox short, inDoubt searches again, in order to shut down the devbox.
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
// returned error matches ErrNotFound if the caller gave the policy's ID, or the context's
// error if the context ended the lookup.
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

// verified returns the devbox if a response shows that it uses the policy. Otherwise it
// shuts down the devbox.
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
	uses := "none"
	if devbox.NetworkPolicyID != "" {
		uses = quoteResponse(devbox.NetworkPolicyID)
	}
	e := l.failure(devbox, fmt.Sprintf("policy %s is not attached: the devbox uses %s", quoteResponse(l.policyID), uses), nil)
	e.meaning = ErrPolicyNotAttached
	return nil, l.fail(ctx, e)
}

// awaitRunning returns the devbox once it is running. It verifies the policy again, because
// the response to the create may merely echo the request.
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
	if err == nil && running.Status != DevboxRunning { // it ended in the meantime
		return nil, l.fail(ctx, l.s.failed(l.op, running, l.opts))
	}
	return running, err
}

func (l *launch) unverified(devbox *Devbox, cause error) *DevboxError {
	return l.failure(devbox, "the policy could not be verified", cause)
}

// failure returns the error for a devbox that is known to exist.
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

// A clean-up has its own context, because the caller's may have ended, and settings that do
// not give up early.
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
