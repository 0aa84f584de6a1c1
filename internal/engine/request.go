package engine

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// A Config is what calls share. It is only read.
type Config struct {
	// BaseURL has no trailing slash.
	BaseURL   string
	Key       Secret
	UserAgent string
	Header    http.Header
	// RoundTrip sends a request. It is a function, because a connection keeps what
	// it has sent, the key included, where a dump by reflection would show it.
	RoundTrip func(*http.Request) (*http.Response, error)
	// Timeout is the time limit of one attempt, reading the body included.
	Timeout    time.Duration
	MaxRetries int
	Budget     *Budget
	Logger     *slog.Logger
}

// A Request is one logical call.
type Request struct {
	// Operation is what the user calls it: "create network policy".
	Operation string
	Method    string
	// Route is the path's template, for the log. Path is the escaped path.
	Route string
	Path  string
	Query string
	// Body is JSON, or nil.
	Body []byte
	// RequestID goes out as x-request-id of a write, the same on every attempt.
	// When it is empty, the write gets a new one.
	RequestID string
	Resend    Resend
	// Decode takes the body of a 2xx answer. It is called once an attempt, and
	// its error makes the answer an invalid one.
	Decode func(body []byte) error
	// Resolve finds out what became of a write after an attempt whose effect is
	// unknown. It may be nil.
	Resolve func(context.Context, *Failure) Resolution
	// Response, when not nil, receives the last answer.
	Response **http.Response
}

// Resend says when a request may be sent again. The zero value is the most careful.
type Resend int

const (
	// ResendCareful is for writes of which a second one could do the work twice.
	// They are sent again only when they surely were not received, or on 429.
	ResendCareful Resend = iota
	// ResendUnlessAccepted is for writes of which a second one would be refused.
	// Once the API accepted one, by a status that arrived before an answer that
	// could not be read, Resolve decides before it is sent again.
	ResendUnlessAccepted
	// ResendIdempotent is for requests that have the same effect when they are
	// repeated: reads, and writes that set or delete something.
	ResendIdempotent
)

// A Resolution is what Resolve found out.
type Resolution int

const (
	// Unresolved: the effect of the write stays unknown, or it has none.
	Unresolved Resolution = iota
	// Applied: the write has the effect that was asked for. The call succeeds.
	Applied
	// NotApplied: the write has no effect so far. It may be sent again.
	NotApplied
)

func (r *Request) isWrite() bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
}
