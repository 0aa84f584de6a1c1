package engine

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// A call is the state of one logical call.
type call[T any] struct {
	cfg      *Config
	req      Request[T]
	rawQuery string
	// requestID is the same for every attempt of a write, and empty for a read.
	requestID string

	retryable    retryablehttp.Client
	client       http.Client // whose transport is the call
	attempts     int
	last         attempt
	result       T
	response     *Response // the last one other than a usable success
	fault        error     // the last error without a response and before the context ended
	maybeApplied bool
	accepted     int // attempts whose status was a success

	waiting    bool // between two attempts
	wait       time.Duration
	transient  bool   // the last attempt failed with a transient error
	exhausted  bool   // and is not retried
	note       string // the reason for that
	contextErr error  // the error of the context, if that ended the call

	resolution Resolution
	resolvedAt int // the attempt before the lookup
}

// Do makes the call. The failure is nil if the call succeeds.
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

// prepare builds the request.
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

// run makes the attempts. go-retryablehttp runs the loop: it rewinds the body, sends the
// request, and waits between attempts or until the context ends. The engine does the rest,
// because by default go-retryablehttp
//
//   - passes neither the request nor the attempt to its callbacks: each call has its own client,
//     whose callbacks are methods of the call;
//   - retries hopeless faults, and writes that could take effect twice: see checkRetry, which
//     also counts the attempts;
//   - reads Retry-After only for 429 and 503, overflows on large numbers, and waits beyond the
//     deadline: see findWait;
//   - has no time limit for an attempt, and does not retry if a body breaks off: RoundTrip reads
//     the body within the attempt, and more of it than the 4 KiB after which go-retryablehttp
//     abandons the connection;
//   - sends an empty body as a chunked one, and aliases a buffer: it gets a []byte or nil;
//   - shares one header and one URL among the attempts: RoundTrip copies them;
//   - closes the idle connections of its http.Client after a failed call: the transport of that
//     client is the call, which has none;
//   - replaces the last response with its own error, and a success with the error of a context
//     that has just ended: the outcome is in c, and the result of go-retryablehttp is ignored;
//   - makes an attempt although the context has ended: Do checks the context first;
//   - logs every URL to standard error: this client, unlike one of retryablehttp.NewClient, has no
//     logger.
func (c *call[T]) run(base *retryablehttp.Request) {
	c.client = http.Client{Transport: c, CheckRedirect: refuseRedirect}
	c.retryable = retryablehttp.Client{
		HTTPClient:   &c.client,
		RetryMax:     math.MaxInt,
		CheckRetry:   c.checkRetry,
		Backoff:      func(time.Duration, time.Duration, int, *http.Response) time.Duration { return c.wait },
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	_, _ = c.retryable.Do(base)
}

// refuseRedirect, because following a redirect could turn a POST into a GET, or send headers
// to another host.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// finish returns nil for a call that succeeded, by its response or by a lookup.
func (c *call[T]) finish(ctx context.Context) *Failure {
	if c.contextErr == nil && c.last.succeeded() {
		return nil
	}
	f := c.failure()
	if c.maybeApplied && ctx.Err() == nil {
		switch c.resolve(ctx) {
		case Applied:
			c.logEnd(ctx, slog.LevelInfo, "runloop: the response was lost, but the write took effect", f)
			return nil
		case Absent:
			if f.Response != nil {
				f.Response.Meaning = f.Response.unproven
			}
		}
	}
	if c.contextErr == nil && c.resolvedAt > 0 && c.resolvedAt == c.attempts && ctx.Err() != nil {
		c.contextErr = contextError(ctx) // it ended the lookup
		f = c.failure()
	}
	if c.exhausted && (c.attempts > 1 || c.note != "") {
		c.logEnd(ctx, slog.LevelWarn, "runloop: gave up", f)
	}
	return f
}

// resolve looks up whether the write took effect, at most once per attempt.
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

// failure returns what is known of a call that failed.
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
