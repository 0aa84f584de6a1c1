package runlooptest

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// A Request is a request that the fake received, and its outcome.
type Request struct {
	// ID is the response header X-Runloop-Request-Id: "req_000001" for the first
	// request, and so on.
	ID string
	// Time is when the request arrived, by the clock of the API.
	Time time.Time
	// Operation is empty if the API has no such method and path.
	Operation Operation
	// Method is the HTTP method.
	Method string
	// Path is the path as sent, still escaped.
	Path string
	// Query is the decoded query.
	Query url.Values
	// Header has all headers, including Authorization.
	Header http.Header
	// Body is the body, or its first MiB.
	Body []byte
	// Status is the status of the response. It is 0 without a response, and while the
	// request is in progress.
	Status int
	// Fault is the String of the request's [Fault], or empty without one.
	Fault string
}

// Requests returns the requests so far in the order of their arrival: those of the
// given operations, or all if none is given. Once a client has its response, the record
// of the request is complete. The caller owns the result.
func (a *API) Requests(ops ...Operation) []Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	var requests []Request
	for _, r := range a.requests {
		if len(ops) == 0 || slices.Contains(ops, r.Operation) {
			c := *r
			c.Query = url.Values(http.Header(r.Query).Clone())
			c.Header = r.Header.Clone()
			c.Body = bytes.Clone(r.Body)
			requests = append(requests, c)
		}
	}
	return requests
}

// ResetRequests clears the record of requests. Nothing else changes; request IDs continue.
func (a *API) ResetRequests() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = nil
}

// log omits headers and bodies, which have the key and the user's rules.
func (r *Request) log(ctx context.Context, logger *slog.Logger, took time.Duration) {
	attrs := []slog.Attr{
		slog.String("method", r.Method),
		slog.String("path", r.Path),
		slog.String("operation", string(r.Operation)),
		slog.Int("status", r.Status),
		slog.Duration("took", took),
		slog.String("request_id", r.ID),
	}
	if len(r.Query) > 0 {
		attrs = append(attrs, slog.String("query", r.Query.Encode()))
	}
	if r.Fault != "" {
		attrs = append(attrs, slog.String("fault", r.Fault))
	}
	logger.LogAttrs(ctx, slog.LevelInfo, "request", attrs...)
}
