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
	// ID is that of the response header X-Runloop-Request-Id: "req_000001" for the
	// first request, and so on.
	ID string
	// Time is when the request arrived, by the clock of the API.
	Time time.Time
	// Operation is empty when the API does not have the method and path.
	Operation Operation
	// Method is the HTTP method.
	Method string
	// Path is the path as it was sent, still escaped.
	Path string
	// Query is the query, decoded.
	Query url.Values
	// Header has all headers, including Authorization.
	Header http.Header
	// Body is the body, up to 1 MiB, the most that a request may have.
	Body []byte
	// Status is the status of the response. It is 0 while the request is in
	// progress, and when there was no response.
	Status int
	// Fault describes the fault that the request met, as [Fault.String] does. It is
	// empty if there was none.
	Fault string
}

// Requests returns the requests so far in the order of their arrival: those of the
// given operations, or all of them if none is given. A request has its status in the
// record before the client has the response.
func (a *API) Requests(ops ...Operation) []Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	var requests []Request
	for _, r := range a.requests {
		if len(ops) == 0 || slices.Contains(ops, r.Operation) {
			requests = append(requests, r.clone())
		}
	}
	return requests
}

// ResetRequests clears the record of requests. Policies, devboxes, scripts and
// request IDs continue.
func (a *API) ResetRequests() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = nil
}

func (r *Request) clone() Request {
	c := *r
	c.Query = url.Values(http.Header(r.Query).Clone())
	c.Header = r.Header.Clone()
	c.Body = bytes.Clone(r.Body)
	return c
}

// log writes the request without its headers and body, which hold the key and
// the user's rules.
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
