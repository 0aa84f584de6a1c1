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
type call struct {
	cfg *Config
	req *Request
	// requestID is the same on every attempt of a write, and empty for a read.
	requestID string

	client       http.Client // its transport is the call
	attempts     int
	last         *attempt
	answer       *Answer // the last answer that came
	fault        error   // the last fault that was no answer, while the context lasted
	maybeApplied bool

	waiting    bool // between two attempts
	wait       time.Duration
	exhausted  bool   // the last attempt was worth another, which is not to be
	note       string // and why
	contextErr error  // the end of the context, when that ended the call

	resolution Resolution
	resolvedAt int // the attempt that resolution is about
}

// Do makes the call. It returns nil when it succeeded.
func Do(ctx context.Context, cfg *Config, req *Request) *Failure {
	c := &call{cfg: cfg, req: req}
	if req.isWrite() {
		if c.requestID = req.RequestID; c.requestID == "" {
			c.requestID = newRequestID()
		}
	}
	if c.contextErr = contextError(ctx); c.contextErr != nil {
		return c.failure()
	}
	c.run(ctx)
	if c.waiting {
		c.contextErr = contextError(ctx)
	}
	return c.finish(ctx)
}

func (c *call) run(ctx context.Context) {
	var body any
	if c.req.Body != nil {
		body = c.req.Body
	}
	url := c.cfg.BaseURL + c.req.Path
	if c.req.Query != "" {
		url += "?" + c.req.Query
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, c.req.Method, url, body)
	if err != nil {
		c.last = &attempt{err: err}
		return
	}
	c.client = http.Client{Transport: c, CheckRedirect: refuseRedirect}
	client := retryablehttp.Client{ // one a call, for the callbacks to share its state
		HTTPClient:   &c.client,
		RetryMax:     math.MaxInt, // checkRetry counts
		CheckRetry:   c.checkRetry,
		Backoff:      c.backoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	_, _ = client.Do(req) // the outcome is in c, with more detail
}

// refuseRedirect makes a redirect the answer: following it would turn a POST into
// a GET, or carry headers to another host.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (c *call) backoff(time.Duration, time.Duration, int, *http.Response) time.Duration {
	return c.wait
}

// finish returns nil for a call that succeeded or turns out to have done so.
func (c *call) finish(ctx context.Context) *Failure {
	if c.contextErr == nil && c.last.succeeded() {
		return nil
	}
	f := c.failure()
	if c.maybeApplied && ctx.Err() == nil && c.resolve(ctx) == Applied {
		c.logEnd(ctx, "recovered: the answer was lost, but the write took effect", f)
		return nil
	}
	if c.exhausted {
		c.logEnd(ctx, "exhausted: no further attempt", f)
	}
	return f
}

// resolve asks once an attempt what became of the write.
func (c *call) resolve(ctx context.Context) Resolution {
	if c.req.Resolve == nil {
		return Unresolved
	}
	if c.resolvedAt != c.attempts {
		c.resolution, c.resolvedAt = c.req.Resolve(ctx, c.failure()), c.attempts
	}
	return c.resolution
}

// failure sums up what is known when the call ends without success.
func (c *call) failure() *Failure {
	f := &Failure{
		Operation:    c.req.Operation,
		Attempts:     c.attempts,
		MaybeApplied: c.maybeApplied,
	}
	var details []string
	switch {
	case c.contextErr != nil:
		f.Answer = c.answer
		f.Cause = c.contextErr
		details = append(details, Printable(strings.ReplaceAll(c.contextErr.Error(), "\n", ": "), 80))
		if c.answer == nil && c.fault != nil {
			fault := c.newCause(c.fault)
			f.Cause = errors.Join(c.contextErr, fault)
			details = append(details, fault.text)
		}
	case c.last.answer != nil:
		f.Answer = c.last.answer
	default:
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
