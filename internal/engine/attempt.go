package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync/atomic"
	"time"
)

// An attempt is one request on the wire and what came of it.
type attempt struct {
	// answer is set for an error status, err for everything else but success.
	answer *Answer
	err    error
	// status is the status line's, 0 when none came.
	status   int
	timeout  attemptTimeout
	duration time.Duration

	// What the transport told of the connection. It can still do so when the
	// attempt is over.
	connWanted, connGot atomic.Bool
	sends               atomic.Int32
	hooks               httptrace.ClientTrace
}

func (a *attempt) succeeded() bool { return a.answer == nil && a.err == nil }

// surelyNotReceived reports whether the request reached no server. That there was
// no connection proves it only when the transport said that it looked for one: a
// RoundTripper other than net/http's may tell nothing.
func (a *attempt) surelyNotReceived() bool {
	return a.connWanted.Load() && !a.connGot.Load()
}

// replayed reports whether net/http sent the request more than once by itself.
func (a *attempt) replayed() bool { return a.sends.Load() > 1 }

func (a *attempt) trace() *httptrace.ClientTrace {
	a.hooks = httptrace.ClientTrace{
		GetConn:      func(string) { a.connWanted.Store(true) },
		GotConn:      func(httptrace.GotConnInfo) { a.connGot.Store(true) },
		WroteHeaders: func() { a.sends.Add(1) },
	}
	return &a.hooks
}

// RoundTrip makes one attempt: the call is the transport of its own http.Client.
// So the attempt has its own time limit, which covers reading the body, and what
// the retry library does with the client (it closes all idle connections after
// each failed call) does not reach the transport that calls share.
func (c *call) RoundTrip(base *http.Request) (*http.Response, error) {
	a := &attempt{timeout: attemptTimeout{c.cfg.Timeout}}
	c.attempts++
	c.last, c.waiting = a, false

	start := time.Now()
	ctx, cancel := context.WithTimeoutCause(base.Context(), c.cfg.Timeout, &a.timeout)
	defer cancel()
	req := base.WithContext(httptrace.WithClientTrace(ctx, a.trace()))
	// Each attempt has its own header and URL, whatever a RoundTripper does with them.
	req.Header = c.header()
	req.URL = new(*base.URL)

	resp, err := c.cfg.RoundTrip(req)
	switch {
	case err != nil:
		if resp != nil && resp.Body != nil { // against the contract of RoundTripper
			resp.Body.Close()
		}
		a.err = attemptError(base.Context(), ctx, err)
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

// attemptError tells the end of the attempt's time from the end of the caller's
// context and from every other fault of the transport.
func attemptError(caller, attempt context.Context, err error) error {
	if caller.Err() == nil && attempt.Err() != nil {
		return context.Cause(attempt)
	}
	if tlsErr, ok := err.(tls.RecordHeaderError); ok && string(tlsErr.RecordHeader[:]) == "HTTP/" {
		return http.ErrSchemeMismatch // as http.Client says it, above the transport
	}
	return err
}

func (c *call) header() http.Header {
	h := make(http.Header, len(c.cfg.Header)+5)
	for name, values := range c.cfg.Header {
		h[name] = slices.Clone(values)
	}
	values := make([]string, 0, 5) // one allocation for the values of all
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

// accepted reports whether the API said that it did what was asked, in an answer
// that could not be read.
func (a *attempt) accepted() bool {
	return a.err != nil && a.status >= 200 && a.status < 300
}
