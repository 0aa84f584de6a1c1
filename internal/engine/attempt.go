package engine

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"math"
	"net/http"
	"net/http/httptrace"
	"slices"
	"time"
)

// An attempt is one request on the wire, and its outcome.
type attempt struct {
	// response is the response if it is not a usable success. err is set if there is no
	// response, or none that can be used.
	response *Response
	err      error
	status   int // 0 if there is no response
	timeout  attemptTimeout
	duration time.Duration
	evidence *evidence // nil for a read
}

func (a *attempt) succeeded() bool { return a.response == nil && a.err == nil }

// refused reports whether the response has an error status.
func (a *attempt) refused() bool { return a.response != nil && a.err == nil }

// healthy reports whether the API works, even if it refused the request.
func (a *attempt) healthy() bool {
	return a.succeeded() || a.refused() && !a.response.isTransient() && !isServerFault(a.status)
}

// accepted reports whether the response has a success status but cannot be used.
func (a *attempt) accepted() bool {
	return a.err != nil && a.status >= 200 && a.status < 300
}

// RoundTrip makes one attempt, which includes reading the body: the call is the transport
// of the retryablehttp client that run builds.
func (c *call[T]) RoundTrip(base *http.Request) (*http.Response, error) {
	limit := c.cfg.Timeout + min(c.req.Hold, math.MaxInt64-c.cfg.Timeout)
	c.last = attempt{timeout: attemptTimeout{limit}}
	a := &c.last
	c.attempts++
	c.waiting = false

	start := time.Now()
	ctx, cancel := context.WithTimeoutCause(base.Context(), limit, &a.timeout)
	defer cancel()
	req := base.WithContext(ctx)
	if c.req.isWrite() {
		req = c.observe(base, ctx, a)
	}
	// A RoundTripper may change the header and the URL of an attempt.
	req.Header = c.header()
	req.URL = new(*base.URL)

	resp, err := c.cfg.Transport.RoundTrip(req)
	switch {
	case err != nil:
		if resp != nil && resp.Body != nil { // violates the contract of RoundTripper
			resp.Body.Close()
		}
		a.err = c.cfg.Transport.proxyRefusal(req, attemptError(base.Context(), ctx, err))
	case resp == nil:
		a.err = errors.New("the RoundTripper returned neither a response nor an error")
	default:
		c.receive(ctx, base, resp)
	}
	a.duration = time.Since(start)
	if a.status == 0 {
		return nil, a.err
	}
	resp.Body = http.NoBody
	return resp, nil
}

// observe returns the request of an attempt to write, and makes it gather evidence.
func (c *call[T]) observe(base *http.Request, ctx context.Context, a *attempt) *http.Request {
	a.evidence = &evidence{
		requestID: c.requestID,
		transport: c.cfg.Transport,
		hostPort:  hostPort(cmp.Or(c.cfg.Transport.proxyOf(base), base.URL)),
	}
	req := base.WithContext(httptrace.WithClientTrace(ctx, a.evidence.trace()))
	// Without GetBody, HTTP/2 does not repeat a request by itself, but reports why it
	// would. HTTP/1.1 repeats a request only if it has not begun to write it.
	speaksHTTP1 := base.URL.Scheme == "http" || c.cfg.Transport.http1.Load()
	if c.cfg.Transport.Direct && !speaksHTTP1 {
		req.GetBody = nil
	}
	return req
}

// notReceived reports whether the request certainly reached no server, or only one that
// reported it as unprocessed.
func (a *attempt) notReceived() bool {
	if a.evidence == nil || a.err == nil || a.status != 0 {
		return false
	}
	return a.evidence.notReceived() || a.evidence.transport.Direct && unprocessedText(a.err.Error())
}

// attemptError returns the error of an attempt that failed with err: the attempt's timeout,
// if that ended the attempt and the caller's context did not.
func attemptError(caller, attempt context.Context, err error) error {
	if caller.Err() == nil && attempt.Err() != nil {
		return context.Cause(attempt)
	}
	if tlsErr, ok := err.(tls.RecordHeaderError); ok && string(tlsErr.RecordHeader[:]) == "HTTP/" {
		return http.ErrSchemeMismatch // http.Client does the same, above the transport
	}
	return err
}

func (c *call[T]) header() http.Header {
	h := make(http.Header, len(c.cfg.Header)+5)
	for name, values := range c.cfg.Header {
		h[name] = slices.Clone(values)
	}
	values := make([]string, 0, 5) // one allocation for all values
	set := func(name, value string) {
		values = append(values, value)
		h[name] = slices.Clip(values[len(values)-1:])
	}
	set("Authorization", "Bearer "+c.cfg.Key.Reveal())
	set("Accept", "application/json")
	set("User-Agent", c.cfg.UserAgent)
	if c.req.Body != nil {
		set("Content-Type", "application/json")
	}
	if c.requestID != "" {
		set("X-Request-Id", c.requestID)
	}
	return h
}
