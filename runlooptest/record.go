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

// A Request is a request that the fake got, and what became of it.
type Request struct {
	// ID was answered in the header X-Runloop-Request-Id: "req_000001" for the
	// first request, and so on.
	ID string
	// Time is when the request had arrived, by the clock of the API.
	Time time.Time
	// Operation is empty when the method and path are none of the API's.
	Operation Operation
	// Method is the HTTP method.
	Method string
	// Path is as it was sent, still escaped.
	Path string
	// Query is the query, decoded.
	Query url.Values
	// Header is whole, the Authorization header included.
	Header http.Header
	// Body ends at 1 MiB, the most that a request may have.
	Body []byte
	// Status is the answer's status. It is 0 when there was no answer: as long
	// as the request is under way, and after a disconnect.
	Status int
	// Fault describes the fault that the request met, as [Fault.String] does. It
	// is empty when there was none.
	Fault string
}

// Requests returns the requests so far, in the order in which they arrived: those
// of the given operations, or all of them when none is given. The record has a
// request with its status before the client has the answer.
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

// ResetRequests forgets the requests so far. Policies, devboxes and scripted
// faults stay.
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
