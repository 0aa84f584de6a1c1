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

// A Config holds the settings of calls. It is read-only.
type Config struct {
	BaseURL   string // without a trailing slash
	Key       Secret
	UserAgent string
	Header    http.Header
	Transport *Transport
	// Timeout limits one attempt, including the body of the response.
	Timeout    time.Duration
	MaxRetries int
	Budget     *Budget
	Logger     *slog.Logger
}

// A Transport sends requests.
type Transport struct {
	http.RoundTripper
	// Direct is set for an http.Transport without middleware.
	Direct bool
	// NetHTTP is the http.Transport that is used, directly or by middleware. It is nil for
	// another RoundTripper.
	NetHTTP *http.Transport

	http1 atomic.Bool // a write was sent over HTTP/1.1
}

// A Request describes one logical call with a result of type T.
type Request[T any] struct {
	// Operation is for errors and logs, such as "create network policy".
	Operation string
	Method    string
	// Route is the path. {id} in it stands for ID, which is then escaped.
	Route string
	ID    string
	// Query is a struct with url tags, Body a value that is sent as JSON. Each may be nil.
	Query any
	Body  any
	// RawQuery is an encoded query, for a nil Query.
	RawQuery string

	// OnlyReads marks a POST that changes nothing.
	OnlyReads bool
	// Resend states when a write may be retried.
	Resend Resend
	// Hold is how long the API may delay its response. It is added to the time limit of an
	// attempt.
	Hold time.Duration
	// ResultStatus is an error status that means the zero T as a result. 0 means none.
	ResultStatus int

	// Decode decodes the body of a 2xx response to a request with this ID. It is called once
	// per attempt, and its error makes the response invalid. If it is nil, the body is
	// ignored.
	Decode func(body []byte, id string) (T, error)
	// Refusals are the meanings of an error response to this operation.
	Refusals []Refusal
	// Resolve looks up whether a write took effect if that is unknown. It may be nil.
	Resolve func(context.Context, Lost) (T, Resolution)
	// InDoubt reports that an earlier request of the same call may have been applied.
	InDoubt bool
	// Clock learns the server's time from every response. It may be nil.
	Clock *Clock

	// RequestID is the x-request-id of a write, for every attempt. If it is empty, the write
	// gets a new one.
	RequestID string
	// ResponseInto receives the last response. It may be nil.
	ResponseInto **http.Response
}

// Resend states when a write may be retried. Reads may always be retried.
type Resend int

const (
	// ResendCareful is for writes that could take effect twice. They are retried only if the
	// API certainly did not receive them, or refused to process them.
	ResendCareful Resend = iota
	// ResendUnlessAccepted is for writes that the API refuses to repeat. After a success
	// response that cannot be used, Resolve decides on the retry.
	ResendUnlessAccepted
	// ResendIdempotent is for writes that have the same effect if repeated.
	ResendIdempotent
)

// Lost describes a write whose effect is unknown.
type Lost struct {
	// Retries limits the retries of each request of Resolve to those that the write has left.
	Retries int
}

// A Resolution is the result of Resolve.
type Resolution int

const (
	// Unresolved: the effect of the write remains unknown.
	Unresolved Resolution = iota
	// Applied: the write took effect. The call succeeds.
	Applied
	// NotApplied: the write has had no effect so far. It may be retried.
	NotApplied
	// Absent: the object of the write does not exist.
	Absent
)

// isWrite reports whether the request may change something. The methods that do not are the
// safe ones of RFC 9110, section 9.2.1, that the SDK sends.
func (r *Request[T]) isWrite() bool {
	return !r.OnlyReads && r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
}

// url returns the URL of the request, and the query separately.
func (r *Request[T]) url(base string) (url, rawQuery string, problem *Problem) {
	path := r.Route
	if before, after, found := strings.Cut(r.Route, "{id}"); found {
		segment, err := segment(r.ID)
		if err != nil {
			return "", "", &Problem{"id", fmt.Sprintf("%s %s: pass an ID as the API returns it", Quote(r.ID), err)}
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

// body returns the JSON of the body as a []byte, or nil.
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

// A Problem is an invalid parameter.
type Problem struct{ Field, Text string }
