package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// checkRetry alone decides on a further attempt. It looks at the attempt before
// the context: an answer that is final stays so, even as the context ends.
func (c *call) checkRetry(ctx context.Context, _ *http.Response, err error) (bool, error) {
	if c.last == nil { // http.Client refused the request
		c.last = &attempt{err: err}
	}
	a := c.last
	c.logAttempt(ctx)
	if a.succeeded() {
		c.cfg.Budget.deposit(c.attempts)
		return false, nil
	}
	if a.answer != nil {
		c.answer = a.answer
	} else if ctx.Err() == nil {
		c.fault = a.err
	}
	c.maybeApplied = c.maybeApplied || c.isAmbiguous(a)
	c.waiting = c.mayRetry(ctx, a)
	return c.waiting, nil
}

// isAmbiguous reports whether a write may have taken effect although the attempt
// failed.
func (c *call) isAmbiguous(a *attempt) bool {
	switch {
	case !c.req.isWrite():
		return false
	case a.replayed():
		return true
	case a.answer != nil:
		return a.answer.StatusCode == http.StatusRequestTimeout || isServerFault(a.answer.StatusCode)
	default:
		return !a.surelyNotReceived()
	}
}

// mayRetry sets the wait before the next attempt, or the reason why a fault that
// is worth another attempt gets none.
func (c *call) mayRetry(ctx context.Context, a *attempt) bool {
	if !c.isTransient(a) {
		return false
	}
	if c.contextErr = contextError(ctx); c.contextErr != nil {
		return false
	}
	c.exhausted = true // until all that follows allows another attempt
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

// isTransient reports whether a further attempt may end better.
func (c *call) isTransient(a *attempt) bool {
	switch {
	case a.answer != nil:
		return a.answer.isTransient()
	case a.accepted() && c.req.Resend == ResendUnlessAccepted:
		return true // if it turns out not to be applied
	case errors.Is(a.err, errBlank):
		return !c.req.isWrite() && a.status != http.StatusNoContent
	case errors.Is(a.err, io.ErrUnexpectedEOF):
		return true // cut on the way, or by a proxy that then declared it complete
	case errors.Is(a.err, ErrInvalidResponse), errors.Is(a.err, ErrResponseTooLarge):
		return false
	default:
		return !hopeless(a.err)
	}
}

func (a *Answer) isTransient() bool {
	if a.StatusCode >= 400 {
		switch a.shouldRetry {
		case "true":
			return true
		case "false":
			return false
		}
	}
	switch a.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return isServerFault(a.StatusCode)
}

// isServerFault reports whether the server failed at the request, rather than
// refusing it: 501 and 505 say that it never will do such a thing.
func isServerFault(status int) bool {
	return status >= 500 && status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported
}

// mayResend applies the request's own rule.
func (c *call) mayResend(ctx context.Context, a *attempt) bool {
	switch c.req.Resend {
	case ResendCareful:
		throttled := a.answer != nil && a.answer.StatusCode == http.StatusTooManyRequests
		return a.surelyNotReceived() || throttled && !a.replayed()
	case ResendUnlessAccepted:
		return !a.accepted() || c.resolve(ctx) == NotApplied
	default:
		return true
	}
}

// findWait sets the time to wait: the backoff, or longer when the server says so.
// It is false when that is too long for the server's wish or the caller's deadline
// to be met, so that no call sleeps towards a sure failure.
func (c *call) findWait(ctx context.Context, a *attempt) bool {
	c.wait = backoff(c.attempts)
	if a.answer != nil {
		if a.answer.RetryAfter > maxRetryAfter {
			c.note = fmt.Sprintf("the API asks to wait %s", a.answer.RetryAfter)
			return false
		}
		c.wait = max(c.wait, a.answer.RetryAfter)
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= c.wait {
		c.contextErr = context.DeadlineExceeded
		c.note = fmt.Sprintf("the deadline comes before the next attempt, in %s", c.wait.Round(time.Millisecond))
		return false
	}
	return true
}
