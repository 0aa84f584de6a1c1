package engine

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-querystring/query"
)

// A Config is what calls share. It is only read.
type Config struct {
	// BaseURL has no trailing slash.
	BaseURL   string
	Key       Secret
	UserAgent string
	Header    http.Header
	Transport *Transport
	// Timeout is the time limit of one attempt, reading the body included.
	Timeout    time.Duration
	MaxRetries int
	Budget     *Budget
	Logger     *slog.Logger
}

// A Transport is where requests go.
type Transport struct {
	http.RoundTripper
	// Direct is set for net/http's own transport, without middleware.
	Direct bool
	// NetHTTP is the http.Transport that is used directly or through middleware. It is nil
	// for another RoundTripper.
	NetHTTP *http.Transport

	http1 atomic.Bool // it has sent a write over HTTP/1.1
}

// A Request is one logical call, whose result is a T.
type Request[T any] struct {
	// Operation is what the user calls it: "create network policy".
	Operation string
	Method    string
	// Route is the path. Where it has {id}, ID is put, escaped.
	Route string
	ID    string
	// Query is a struct with url tags, Body a value with a JSON form. Each may be nil.
	Query any
	Body  any
	// RawQuery is a query that is already encoded.
	RawQuery string

	// OnlyReads marks a POST that changes nothing.
	OnlyReads bool
	// Resend states when the request may be sent again.
	Resend Resend
	// Hold is how long the API may take to respond by design. It is added to the
	// time limit of an attempt.
	Hold time.Duration
	// ResultStatus is an error status that is a result: the zero T. 0 means none.
	ResultStatus int

	// Decode turns the body of a 2xx response to a request with this ID into the result. It is called once an
	// attempt, and its error makes the response invalid. When it is nil, the body
	// does not matter.
	Decode func(body []byte, id string) (T, error)
	// Refusals is what an error response to this operation means beside its status.
	Refusals []Refusal
	// Resolve finds out what became of a write whose effect is unknown. It may be nil.
	Resolve func(context.Context, Lost) (T, Resolution)
	// InDoubt reports that an earlier request of the same call may have been applied.
	InDoubt bool
	// Clock, when not nil, learns the server's time from every response.
	Clock *Clock

	// RequestID goes out as x-request-id of a write, the same on every attempt.
	// When it is empty, the write gets a new one.
	RequestID string
	// ResponseInto, when not nil, receives the last response.
	ResponseInto **http.Response
}

// Resend states when a write may be sent again. Requests that only read always may.
// The zero value is the most careful one.
type Resend int

const (
	// ResendCareful is for writes that could take effect twice. They are sent again
	// only when the API certainly did not receive them or refused to look at them.
	ResendCareful Resend = iota
	// ResendUnlessAccepted is for writes of which a second one would be refused.
	// Once the API reported success, in a response that could not be used, Resolve
	// decides before the write is sent again.
	ResendUnlessAccepted
	// ResendIdempotent is for writes that have the same effect when repeated.
	ResendIdempotent
)

// Lost describes a write whose effect is unknown.
type Lost struct {
	// Retries is how often a request of Resolve may be retried. So a call whose
	// attempts all failed does not start over with its lookup.
	Retries int
}

// A Resolution is what Resolve found out.
type Resolution int

const (
	// Unresolved: the effect of the write remains unknown.
	Unresolved Resolution = iota
	// Applied: the write has the effect that was asked for. The call succeeds.
	Applied
	// NotApplied: the write has no effect so far. It may be sent again.
	NotApplied
	// Absent: what the write is about does not exist.
	Absent
)

func (r *Request[T]) isWrite() bool { return !r.OnlyReads && !isSafe(r.Method) }

// isSafe follows RFC 9110, section 9.2.1, for the methods that the SDK sends.
func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

const idPlaceholder = "{id}"

// url returns the request's URL, and its query apart from it.
func (r *Request[T]) url(base string) (url, rawQuery string, problem *Problem) {
	path := r.Route
	if before, after, found := strings.Cut(r.Route, idPlaceholder); found {
		segment, err := segment(r.ID)
		if err != nil {
			return "", "", &Problem{"id", Quote(r.ID) + " " + err.Error()}
		}
		path = before + segment + after
	}
	rawQuery = r.RawQuery
	if r.Query != nil {
		values, err := query.Values(r.Query)
		if err != nil {
			return "", "", &Problem{"query", err.Error()}
		}
		rawQuery = values.Encode()
	}
	if rawQuery == "" {
		return base + path, "", nil
	}
	return base + path + "?" + rawQuery, rawQuery, nil
}

// body returns what retryablehttp takes as a body, nil for none.
func (r *Request[T]) body() (any, *Problem) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := json.Marshal(r.Body)
	if err != nil {
		return nil, &Problem{"body", err.Error()}
	}
	return body, nil
}

// A Problem is a parameter that no request can be made of.
type Problem struct{ Field, Text string }

func (p *Problem) Error() string { return fmt.Sprintf("%s: %s", p.Field, p.Text) }
