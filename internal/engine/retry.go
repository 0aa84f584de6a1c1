package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// checkRetry decides whether to retry. It checks the attempt before the context, so that a
// final response counts even if the context ends.
func (c *call[T]) checkRetry(ctx context.Context, _ *http.Response, err error) (bool, error) {
	a := &c.last
	if c.attempts == 0 { // http.Client rejected the request
		a.err = err
	}
	c.logAttempt(ctx)
	c.transient = c.isTransient(a)
	if a.healthy() {
		c.cfg.Budget.deposit(c.attempts)
	}
	if a.succeeded() {
		return false, nil
	}
	if a.response != nil {
		c.response = a.response
	} else if ctx.Err() == nil {
		c.fault = a.err
	}
	c.maybeApplied = c.maybeApplied || c.isAmbiguous(a)
	c.waiting = c.mayRetry(ctx, a)
	return c.waiting, nil
}

// isAmbiguous reports whether a write may have taken effect although the attempt
// failed.
func (c *call[T]) isAmbiguous(a *attempt) bool {
	switch {
	case !c.req.isWrite():
		return false
	case a.evidence.repeated():
		return true
	case a.refused():
		return mayHideEffect(a.response.StatusCode)
	default:
		return !a.notReceived()
	}
}

// mayHideEffect reports whether a write may have taken effect despite this status. A redirect
// may follow an applied write, unless it asks for the same request elsewhere (RFC 9110,
// sections 15.4.8 and 15.4.9).
func mayHideEffect(status int) bool {
	switch status {
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return false
	case http.StatusRequestTimeout:
		return true
	}
	return status < 400 || isServerFault(status)
}

// mayRetry sets the wait before the next attempt, or the reason why a transient error is not
// retried.
func (c *call[T]) mayRetry(ctx context.Context, a *attempt) bool {
	if !c.transient {
		return false
	}
	if c.contextErr = contextError(ctx); c.contextErr != nil {
		return false
	}
	c.exhausted = true // unless all that follows allows a retry
	if c.attempts > c.cfg.MaxRetries || !c.mayResend(ctx, a) || !c.findWait(ctx, a) {
		return false
	}
	if !c.cfg.Budget.withdraw() {
		c.note = "the client's retry budget is spent"
		return false
	}
	c.exhausted = false
	return true
}

// isTransient reports whether a retry may succeed.
func (c *call[T]) isTransient(a *attempt) bool {
	switch {
	case a.succeeded():
		return false
	case a.refused():
		return a.response.isTransient()
	case a.accepted() && c.req.isWrite() && c.req.Resend == ResendUnlessAccepted:
		return true // unless it was applied
	case errors.Is(a.err, errBlank):
		return !c.req.isWrite() && a.status != http.StatusNoContent
	case errors.Is(a.err, io.ErrUnexpectedEOF):
		return true // even if a proxy cut the body and corrected its length
	case errors.Is(a.err, ErrInvalidResponse), errors.Is(a.err, ErrResponseTooLarge):
		return false
	default:
		return !hopeless(a.err)
	}
}

func (r *Response) isTransient() bool {
	if r.StatusCode >= 400 {
		switch r.shouldRetry {
		case "true":
			return true
		case "false":
			return false
		}
	}
	return r.lostMeaning() || isTransientStatus(r.StatusCode)
}

func isTransientStatus(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooEarly || status == http.StatusTooManyRequests ||
		isServerFault(status)
}

// lostMeaning reports whether the response refused the request but broke off, so its reason is
// unknown.
func (r *Response) lostMeaning() bool {
	return r.brokeOff && r.StatusCode >= 400 && r.StatusCode < 500
}

// isServerFault reports whether the server failed to process the request. 501 and 505 mean that
// it does not support the request.
func isServerFault(status int) bool {
	return status >= 500 && status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported
}

// mayResend applies the Resend of the request.
func (c *call[T]) mayResend(ctx context.Context, a *attempt) bool {
	if !c.req.isWrite() {
		return true
	}
	switch c.req.Resend {
	case ResendCareful:
		return a.notReceived() || a.refusedUnprocessed() && !a.evidence.repeated()
	case ResendUnlessAccepted:
		if !a.accepted() {
			return true
		}
		c.accepted++ // once is enough: the next response will not be better
		return c.accepted == 1 && c.resolve(ctx) == NotApplied
	default:
		return true
	}
}

// refusedUnprocessed reports whether the API refused the request without processing it, for a
// transient reason.
func (a *attempt) refusedUnprocessed() bool {
	return a.refused() && (a.response.StatusCode == http.StatusTooManyRequests ||
		a.response.lostMeaning() && a.response.StatusCode != http.StatusRequestTimeout)
}

// findWait sets the wait: the backoff, or longer if the server asks for it. It reports false if
// the wait would exceed maxRetryAfter or the caller's deadline.
func (c *call[T]) findWait(ctx context.Context, a *attempt) bool {
	c.wait = backoff(c.attempts)
	if a.response != nil {
		if a.response.RetryAfter > maxRetryAfter {
			c.note = fmt.Sprintf("the API asks the client to wait %s", a.response.RetryAfter)
			return false
		}
		c.wait = max(c.wait, a.response.RetryAfter)
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= c.wait {
		c.contextErr = context.DeadlineExceeded
		c.note = fmt.Sprintf("the deadline is earlier than the next attempt, in %s", c.wait.Round(time.Millisecond))
		return false
	}
	return true
}
