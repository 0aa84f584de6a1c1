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
// the context: a response that is final stays so, even as the context ends.
func (c *call[T]) checkRetry(ctx context.Context, _ *http.Response, err error) (bool, error) {
	a := &c.last
	if c.attempts == 0 { // http.Client refused the request
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

// mayHideEffect reports whether a write may have taken effect although this status
// came back. A redirect may follow a write that was carried out, except those that
// ask for the same request elsewhere (RFC 9110, sections 15.4.8 and 15.4.9).
func mayHideEffect(status int) bool {
	switch status {
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return false
	case http.StatusRequestTimeout:
		return true
	}
	return status < 400 || isServerFault(status)
}

// mayRetry sets the wait before the next attempt, or the reason why a fault that
// is worth another attempt gets none.
func (c *call[T]) mayRetry(ctx context.Context, a *attempt) bool {
	if !c.transient {
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
func (c *call[T]) isTransient(a *attempt) bool {
	switch {
	case a.succeeded():
		return false
	case a.refused():
		return a.response.isTransient()
	case a.accepted() && c.req.isWrite() && c.req.Resend == ResendUnlessAccepted:
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

func (r *Response) isTransient() bool {
	if r.StatusCode >= 400 {
		switch r.shouldRetry {
		case "true":
			return true
		case "false":
			return false
		}
	}
	switch r.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return r.lostMeaning() || isServerFault(r.StatusCode)
}

// lostMeaning reports whether the response refused the request, but broke off before
// it told why.
func (r *Response) lostMeaning() bool {
	return r.brokeOff && r.StatusCode >= 400 && r.StatusCode < 500
}

// isServerFault reports whether the server failed at the request, rather than
// refusing it: 501 and 505 mean that it never will do such a thing.
func isServerFault(status int) bool {
	return status >= 500 && status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported
}

// mayResend applies the request's own rule.
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
		c.accepted++ // a server that does nothing but report success does not get better
		return c.accepted == 1 && c.resolve(ctx) == NotApplied
	default:
		return true
	}
}

// refusedUnprocessed reports whether the API refused the request without doing
// anything, for a reason that may pass.
func (a *attempt) refusedUnprocessed() bool {
	return a.refused() && (a.response.StatusCode == http.StatusTooManyRequests ||
		a.response.lostMeaning() && a.response.StatusCode != http.StatusRequestTimeout)
}

// findWait sets the time to wait: the backoff, or longer when the server asks for it.
// It is false when that is too long for the server's wish or the caller's deadline
// to be met, so that no call sleeps towards a sure failure.
func (c *call[T]) findWait(ctx context.Context, a *attempt) bool {
	c.wait = backoff(c.attempts)
	if a.response != nil {
		if a.response.RetryAfter > maxRetryAfter {
			c.note = fmt.Sprintf("the API asks to wait %s", a.response.RetryAfter)
			return false
		}
		c.wait = max(c.wait, a.response.RetryAfter)
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= c.wait {
		c.contextErr = context.DeadlineExceeded
		c.note = fmt.Sprintf("the deadline comes before the next attempt, in %s", c.wait.Round(time.Millisecond))
		return false
	}
	return true
}
