package runloop

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// What an error is about, for errors.Is. The package documentation has the table
// of which call returns which.
var (
	ErrBadRequest   = errors.New("bad request")    // status 400
	ErrUnauthorized = errors.New("unauthorized")   // status 401: the key is missing or wrong
	ErrForbidden    = errors.New("forbidden")      // status 403: the account may not do this
	ErrNotFound     = errors.New("not found")      // status 404, or 400 with a message that says so
	ErrConflict     = errors.New("conflict")       // status 409
	ErrRateLimited  = errors.New("rate limited")   // status 429
	ErrServer       = errors.New("server error")   // status 500 and above
	ErrNameTaken    = errors.New("name is taken")  // of a create or a rename: 409, or 400 with a message that says so
	ErrPolicyInUse  = errors.New("policy in use")  // of a delete: 400
	ErrDrift        = errors.New("policy differs") // of Ensure and Apply: from the rules asked for

	// ErrInvalidResponse is an answer that says success and cannot be read: no
	// JSON, or half of it, without a required member, or about another policy. A
	// connection that breaks within an answer is an error of the network instead.
	ErrInvalidResponse = engine.ErrInvalidResponse
	// ErrResponseTooLarge is an answer of more than 32 MiB.
	ErrResponseTooLarge = engine.ErrResponseTooLarge
)

// maxErrorText bounds the text of every error.
const maxErrorText = 299

// An APIError is an answer with an error status. errors.Is tells which by the
// sentinels, as in errors.Is(err, ErrNotFound). When the call ended because its
// context did, errors.Is finds the context's error as well.
//
// Its text has the operation, the status, the API's message and the number of
// attempts. All its fields are free of the API key.
type APIError struct {
	// Op is the call: "create network policy".
	Op string
	// StatusCode is the HTTP status, 300 or above.
	StatusCode int
	// Code is the API's word for the error, empty when the answer has none. The
	// API documents none: branch on the sentinels.
	Code string
	// Message is the API's, in words, empty when the answer has none.
	Message string
	// RequestID names the request in the API's logs. It is the ID that was sent
	// when the answer has none.
	RequestID string
	// RetryAfter is how long the API asks to wait, 0 when it does not say.
	RetryAfter time.Duration
	// Attempts is the number of requests made.
	Attempts int
	// MaybeApplied says that a write may have taken effect: this answer or an
	// earlier attempt leaves it open. Repeating a call of NetworkPolicies doubles
	// nothing, though a Create may find its own policy in the way, where Ensure
	// takes it. Repeating a Do may do its work twice.
	MaybeApplied bool
	// Header is the answer's.
	Header http.Header
	// Body is the answer's, cut at 64 KiB.
	Body []byte

	cause  error // the end of the context
	detail string
	not    error // a sentinel that fits the status, but not the request
}

// Error is the text, on one line and shorter than 300 bytes.
func (e *APIError) Error() string {
	status := strings.TrimSpace(fmt.Sprintf("%d %s", e.StatusCode, http.StatusText(e.StatusCode)))
	head := fmt.Sprintf("runloop: %s: %s", printable(e.Op, 80), status)
	notes := []string{attempts(e.Attempts)}
	if e.Code != "" {
		notes = append(notes, "code "+printable(e.Code, 40))
	}
	if e.RequestID != "" {
		notes = append(notes, "request "+printable(e.RequestID, 40))
	}
	if e.MaybeApplied {
		notes = append(notes, maybeApplied)
	}
	if e.detail != "" {
		notes = append(notes, printable(e.detail, 70))
	}
	tail := " (" + strings.Join(notes, ", ") + ")"
	message := printable(e.Message, maxErrorText-len(head)-len(tail)-len(": "))
	if message != "" {
		message = ": " + message
	}
	return printable(head+message+tail, maxErrorText)
}

// Is tells the sentinels that fit the status, the operation and the message.
func (e *APIError) Is(target error) bool {
	if target == e.not {
		return false
	}
	switch target {
	case ErrBadRequest:
		return e.StatusCode == http.StatusBadRequest
	case ErrUnauthorized:
		return e.StatusCode == http.StatusUnauthorized
	case ErrForbidden:
		return e.StatusCode == http.StatusForbidden
	case ErrNotFound:
		return e.StatusCode == http.StatusNotFound || e.saysNotFound()
	case ErrConflict:
		return e.StatusCode == http.StatusConflict
	case ErrRateLimited:
		return e.StatusCode == http.StatusTooManyRequests
	case ErrServer:
		return e.StatusCode >= 500
	case ErrNameTaken:
		return writesName(e.Op) && (e.StatusCode == http.StatusConflict || e.says400("already exists"))
	case ErrPolicyInUse:
		return e.Op == opDelete && e.StatusCode == http.StatusBadRequest && !e.saysNotFound()
	}
	return false
}

// saysNotFound knows the unknown IDs that the live API answers with 400.
func (e *APIError) saysNotFound() bool {
	return e.says400("not found", "does not exist", "doesn't exist")
}

func (e *APIError) says400(phrases ...string) bool {
	message := strings.ToLower(e.Message)
	for _, phrase := range phrases {
		if e.StatusCode == http.StatusBadRequest && strings.Contains(message, phrase) {
			return true
		}
	}
	return false
}

// Unwrap returns the end of the context, when that ended the call.
func (e *APIError) Unwrap() error { return e.cause }

// Format makes every verb print the text alone.
func (e APIError) Format(s fmt.State, verb rune) { formatText(s, verb, e.Error()) }

// LogValue is the text.
func (e APIError) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// A TransportError says that there is no usable answer: the API could not be
// reached, did not answer in time, or sent what cannot be read. errors.Is and
// errors.As find the cause: an error of package net, ErrInvalidResponse,
// ErrResponseTooLarge, the context's error.
type TransportError struct {
	// Op is the call: "create network policy".
	Op string
	// Attempts is the number of requests made, 0 when the context was over
	// before the first.
	Attempts int
	// MaybeApplied is as in APIError. It is false when the API surely has not
	// received the request.
	MaybeApplied bool

	cause  error
	detail string
}

// Error is the text, on one line and shorter than 300 bytes.
func (e *TransportError) Error() string {
	text := fmt.Sprintf("runloop: %s: no usable answer (%s", printable(e.Op, 80), attempts(e.Attempts))
	if e.MaybeApplied {
		text += ", " + maybeApplied
	}
	text += ")"
	if e.detail == "" {
		return text
	}
	return text + ": " + printable(e.detail, maxErrorText-len(text)-len(": "))
}

// Timeout reports whether time ran out: an attempt's, the network's or the
// caller's. An attempt that took too long is no context.DeadlineExceeded.
func (e *TransportError) Timeout() bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](e.cause)
	return ok && t.Timeout()
}

// Unwrap returns the cause, with a text that is as fit to print as this one's.
func (e *TransportError) Unwrap() error { return e.cause }

// Format makes every verb print the text alone.
func (e TransportError) Format(s fmt.State, verb rune) { formatText(s, verb, e.Error()) }

// LogValue is the text.
func (e TransportError) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// A ValidationError reports an invalid option or parameter. Nothing was sent.
type ValidationError struct {
	// Op is the call: "create network policy", or "new client".
	Op string
	// Field is what is invalid: an option, an environment variable, or a parameter
	// as in "Egress.AllowedHostnames[2]". With several problems, it is the first.
	Field string
	// Problem tells what is wrong with Field, and what to write instead.
	Problem string
	// Problems has a line for each problem, the first one included, as in
	// "Egress.AllowedHostnames[2]: must not be blank".
	Problems []string
}

// invalid returns the error of a call with one problem.
func invalid(op, field, problem string) *ValidationError {
	return &ValidationError{Op: op, Field: field, Problem: problem, Problems: []string{field + ": " + problem}}
}

// Error is the first problem, on one line and shorter than 300 bytes.
func (e *ValidationError) Error() string {
	text := fmt.Sprintf("runloop: %s: %s: %s", e.Op, e.Field, e.Problem)
	if len(e.Problems) < 2 {
		return printable(text, maxErrorText)
	}
	more := fmt.Sprintf(" (and %d more problems)", len(e.Problems)-1)
	return printable(text, maxErrorText-len(more)) + more
}

// A DriftError says that a policy has the name asked for, but other rules. It
// matches ErrDrift.
type DriftError struct {
	// Op is the call: "ensure network policy".
	Op string
	// Policy is the policy as it is.
	Policy *NetworkPolicy
	// Diff has a line for each difference, as [EgressRules.Diff] of the rules
	// asked for with the policy's.
	Diff []string
}

// Error is the text, on one line and shorter than 300 bytes.
func (e *DriftError) Error() string {
	var name, id string
	if e.Policy != nil {
		name, id = e.Policy.Name, e.Policy.ID
	}
	text := fmt.Sprintf("runloop: %s: policy %q (%s) differs from the rules asked for: %s",
		e.Op, printable(name, 60), printable(id, 40), strings.Join(e.Diff, ", "))
	return printable(text, maxErrorText)
}

// Is matches ErrDrift.
func (e *DriftError) Is(target error) bool { return target == ErrDrift }

// newError turns the engine's failure into the error that users see.
func newError(f *engine.Failure) error {
	if f.Answer == nil {
		return &TransportError{
			Op:           f.Operation,
			Attempts:     f.Attempts,
			MaybeApplied: f.MaybeApplied,
			cause:        f.Cause,
			detail:       f.Detail,
		}
	}
	return &APIError{
		Op:           f.Operation,
		StatusCode:   f.Answer.StatusCode,
		Code:         f.Answer.Code,
		Message:      f.Answer.Message,
		RequestID:    f.Answer.RequestID,
		RetryAfter:   f.Answer.RetryAfter,
		Attempts:     f.Attempts,
		MaybeApplied: f.MaybeApplied,
		Header:       f.Answer.Header,
		Body:         f.Answer.Body,
		cause:        f.Cause,
		detail:       f.Detail,
	}
}

// isNot keeps the answer that err may be from matching a sentinel.
func isNot(err, sentinel error) error {
	if e, ok := err.(*APIError); ok {
		e.not = sentinel
	}
	return err
}

const maybeApplied = "it may have been applied"

func attempts(n int) string {
	if n == 1 {
		return "1 attempt"
	}
	return fmt.Sprintf("%d attempts", n)
}

var printable = engine.Printable

func formatText(s fmt.State, verb rune, text string) {
	if verb != 'q' && verb != 'x' && verb != 'X' {
		verb = 's'
	}
	fmt.Fprintf(s, fmt.FormatString(s, verb), text)
}
