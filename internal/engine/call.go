package engine

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// A call is the state of one logical call. The callbacks of the retry library
// share it: they are told neither the request nor the attempt.
type call[T any] struct {
	cfg      *Config
	req      Request[T]
	rawQuery string
	// requestID is the same on every attempt of a write, and empty for a read.
	requestID string

	library      retryablehttp.Client // one a call, for the callbacks to share its state
	client       http.Client          // its transport is the call
	attempts     int
	last         attempt
	result       T
	response     *Response // the last one that came without being a usable success
	fault        error     // the last fault without a response, while the context lasted
	maybeApplied bool
	accepted     int // attempts that a server reported to be a success

	waiting    bool // between two attempts
	wait       time.Duration
	transient  bool   // the last attempt met a fault that may pass
	exhausted  bool   // and there is no further attempt
	note       string // and why
	contextErr error  // the end of the context, when that ended the call

	resolution Resolution
	resolvedAt int // the attempt that resolution is about
}

// Do makes the call. The failure is nil when it succeeded.
func Do[T any](ctx context.Context, cfg *Config, req Request[T]) (T, *Failure) {
	c := &call[T]{cfg: cfg, req: req, maybeApplied: req.InDoubt}
	var none T
	base, problem := c.prepare(ctx)
	if problem != nil {
		return none, &Failure{Operation: req.Operation, Invalid: problem}
	}
	if c.contextErr = contextError(ctx); c.contextErr != nil {
		return none, c.failure()
	}
	c.run(base)
	if c.waiting {
		c.contextErr = contextError(ctx)
	}
	if failure := c.finish(ctx); failure != nil {
		return none, failure
	}
	return c.result, nil
}

// prepare puts the request together.
func (c *call[T]) prepare(ctx context.Context) (*retryablehttp.Request, *Problem) {
	if c.req.isWrite() {
		if c.requestID = c.req.RequestID; c.requestID == "" {
			c.requestID = NewRequestID()
		}
	}
	url, rawQuery, problem := c.req.url(c.cfg.BaseURL)
	if problem != nil {
		return nil, problem
	}
	c.rawQuery = rawQuery
	body, problem := c.req.body()
	if problem != nil {
		return nil, problem
	}
	base, err := retryablehttp.NewRequestWithContext(ctx, c.req.Method, url, body)
	if err != nil {
		return nil, &Problem{"request", c.newCause(err).text}
	}
	return base, nil
}

func (c *call[T]) run(base *retryablehttp.Request) {
	c.client = http.Client{Transport: c, CheckRedirect: refuseRedirect}
	c.library = retryablehttp.Client{
		HTTPClient:   &c.client,
		RetryMax:     math.MaxInt, // checkRetry counts
		CheckRetry:   c.checkRetry,
		Backoff:      c.backoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	_, _ = c.library.Do(base) // the outcome is in c, with more detail
}

// refuseRedirect makes a redirect the response: following it would turn a POST into
// a GET, or carry headers to another host.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (c *call[T]) backoff(time.Duration, time.Duration, int, *http.Response) time.Duration {
	return c.wait
}

// finish returns nil for a call that succeeded or turns out to have done so.
func (c *call[T]) finish(ctx context.Context) *Failure {
	if c.contextErr == nil && c.last.succeeded() {
		return nil
	}
	f := c.failure()
	if c.maybeApplied && ctx.Err() == nil {
		switch c.resolve(ctx) {
		case Applied:
			c.logRecovered(ctx, f)
			return nil
		case Absent:
			if f.Response != nil {
				f.Response.Meaning = f.Response.unproven
			}
		}
	}
	if c.contextErr == nil && c.resolvedAt > 0 && c.resolvedAt == c.attempts && ctx.Err() != nil {
		c.contextErr = contextError(ctx) // which ended the lookup
		f = c.failure()
	}
	if c.exhausted && (c.attempts > 1 || c.note != "") {
		c.logGaveUp(ctx, f)
	}
	return f
}

// resolve asks once an attempt what became of the write.
func (c *call[T]) resolve(ctx context.Context) Resolution {
	if c.req.Resolve == nil {
		return Unresolved
	}
	if c.resolvedAt != c.attempts {
		lost := Lost{Retries: max(0, c.cfg.MaxRetries+1-c.attempts)}
		c.result, c.resolution = c.req.Resolve(ctx, lost)
		c.resolvedAt = c.attempts
	}
	return c.resolution
}

// failure sums up what is known when the call ends without success.
func (c *call[T]) failure() *Failure {
	f := &Failure{
		Operation:    c.req.Operation,
		Attempts:     c.attempts,
		MaybeApplied: c.maybeApplied,
		Transient:    c.transient,
	}
	var details []string
	switch {
	case c.contextErr != nil:
		f.Response = c.response
		f.Cause = c.contextErr
		details = append(details, describeEnd(c.contextErr))
		if c.response == nil && c.fault != nil {
			fault := c.newCause(c.fault)
			f.Cause = errors.Join(c.contextErr, fault)
			details = append(details, fault.text)
		}
	case c.last.refused():
		f.Response = c.last.response
	default:
		f.Response = c.last.response
		fault := c.newCause(c.last.err)
		f.Cause = fault
		details = append(details, fault.text)
	}
	if c.note != "" {
		details = append(details, c.note)
	}
	f.Detail = strings.Join(details, "; ")
	return f
}
