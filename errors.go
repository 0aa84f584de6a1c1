package runloop

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// Sentinels for [errors.Is]. The package documentation has the table of which call
// returns which.
var (
	ErrBadRequest   = errors.New("bad request")  // status 400
	ErrUnauthorized = errors.New("unauthorized") // status 401: the key is missing or wrong
	ErrForbidden    = errors.New("forbidden")    // status 403: the account may not do this
	ErrConflict     = errors.New("conflict")     // status 409
	ErrRateLimited  = errors.New("rate limited") // status 429
	ErrServer       = errors.New("server error") // status 500 and above

	// ErrNotFound: the ID or cursor is unknown. The API responds with 404, or with a
	// 400 whose message reports so.
	ErrNotFound = errors.New("not found")
	// ErrNameTaken: Create or Update would give a policy the name of another. The API
	// responds with 400 or 409 and a message that reports so, or with 409 and no message.
	ErrNameTaken = errors.New("name is taken")
	// ErrPolicyInUse: Delete was refused because active devboxes use the policy. The
	// API responds with 400 or 409 and a message that reports so, or with 400 and no
	// message.
	ErrPolicyInUse = errors.New("policy in use")
	// ErrPolicyLimit: Create was refused because the account has as many policies as
	// it may. See [NetworkPoliciesService.Prune].
	ErrPolicyLimit = errors.New("policy limit reached")
	// ErrDrift: the policy differs from the rules that Ensure or Apply was called with.
	ErrDrift = errors.New("policy differs")

	// ErrDevboxFailed: a devbox failed or was shut down before it was running. See
	// [DevboxError].
	ErrDevboxFailed = errors.New("devbox failed")
	// ErrPolicyNotAttached: a devbox was created, but does not use its policy. See
	// [DevboxError].
	ErrPolicyNotAttached = errors.New("policy not attached")

	// ErrInvalidResponse: a success response could not be decoded: invalid or
	// truncated JSON, a missing field, or another policy. A connection that breaks
	// within a response is a network error instead.
	ErrInvalidResponse = engine.ErrInvalidResponse
	// ErrResponseTooLarge: a success response has more than 32 MiB, or more items than
	// a call accepts. A list with a smaller Limit may succeed.
	ErrResponseTooLarge = engine.ErrResponseTooLarge

	// ErrMaybeApplied: a write failed but may have taken effect, or may still do so.
	// It matches every error whose MaybeApplied is true, and a DriftError after a write of
	// the call.
	ErrMaybeApplied = errors.New("may have been applied")
)

// maxErrorText bounds the text of every error.
const maxErrorText = 299

// An APIError is a response that is not a usable success: an error status, or a
// success that could not be decoded or is too large. The latter wraps
// [ErrInvalidResponse] or [ErrResponseTooLarge]. If the context ended the call, the
// error also matches the context's error.
//
// The text has the operation, the status, the API's message and the number of
// attempts. No field contains the API key.
type APIError struct {
	// Op is the call: "create network policy".
	Op string
	// StatusCode is the HTTP status.
	StatusCode int
	// Code is the API's error code, empty when the response has none. The API
	// documents no codes: use the sentinels.
	Code string
	// Message is the API's error message, empty when the response has none.
	Message string
	// RequestID identifies the request in the API's logs. It is the ID that was sent
	// when the response has none.
	RequestID string
	// RetryAfter is how long the API asks to wait, 0 when it does not.
	RetryAfter time.Duration
	// Attempts is the number of requests sent.
	Attempts int
	// MaybeApplied reports that a write may have taken effect: this response or an
	// earlier attempt leaves it open. The error then matches [ErrMaybeApplied].
	// Repeating a call of NetworkPolicies is safe, although a repeated Create may
	// report [ErrNameTaken] for its own policy; Ensure does not. Repeating a Do may
	// apply it twice.
	MaybeApplied bool
	// Header is the response's header.
	Header http.Header
	// Body is the response's body, cut at 64 KiB.
	Body []byte

	meaning   error // what the response means to the operation
	transient bool  // a fault that may pass
	cause     error // why the response is unusable, or the end of the context
	detail    string
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
		notes = append(notes, ErrMaybeApplied.Error())
	}
	message := e.Message
	if message == "" {
		message = e.detail
	} else if e.detail != "" {
		notes = append(notes, printable(e.detail, 70))
	}
	tail := " (" + strings.Join(notes, "; ") + ")"
	message = printable(message, maxErrorText-len(head)-len(tail)-len(": "))
	if message != "" {
		message = ": " + message
	}
	return printable(head+message+tail, maxErrorText)
}

// Is matches the sentinels of the status, and what the response means to the operation.
func (e *APIError) Is(target error) bool {
	switch target {
	case ErrBadRequest:
		return e.StatusCode == http.StatusBadRequest
	case ErrUnauthorized:
		return e.StatusCode == http.StatusUnauthorized
	case ErrForbidden:
		return e.StatusCode == http.StatusForbidden
	case ErrConflict:
		return e.StatusCode == http.StatusConflict
	case ErrRateLimited:
		return e.StatusCode == http.StatusTooManyRequests
	case ErrServer:
		return e.StatusCode >= 500
	case ErrMaybeApplied:
		return e.MaybeApplied
	}
	return e.meaning != nil && target == e.meaning
}

// Unwrap returns why a success response is unusable, or the end of the context when
// that ended the call.
func (e *APIError) Unwrap() error { return e.cause }

// Format makes every verb print the text alone.
func (e APIError) Format(s fmt.State, verb rune) { formatText(s, verb, e.Error()) }

// LogValue is the text.
func (e APIError) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// A TransportError reports that no response was received, or one that broke off: the
// API could not be reached, did not respond in time, or a proxy refused the
// connection, which the text then names. errors.Is and errors.AsType find the cause: an
// error of package net, or the context's error. AwaitRunning also returns it if the context
// ends before the devbox is running.
type TransportError struct {
	// Op is the call: "create network policy".
	Op string
	// Attempts is the number of requests sent, 0 when the context was over before the
	// first one.
	Attempts int
	// MaybeApplied is as in APIError. It is false when the API certainly has not
	// received the request.
	MaybeApplied bool

	transient bool   // a fault that may pass
	problem   string // if it is not that no usable response came
	cause     error
	detail    string
}

// Error is the text, on one line and shorter than 300 bytes.
func (e *TransportError) Error() string {
	text := fmt.Sprintf("runloop: %s: %s (%s", printable(e.Op, 80), cmp.Or(e.problem, "no usable response"), attempts(e.Attempts))
	if e.MaybeApplied {
		text += "; " + ErrMaybeApplied.Error()
	}
	text += ")"
	if e.detail == "" {
		return text
	}
	return text + ": " + printable(e.detail, maxErrorText-len(text)-len(": "))
}

// Is matches ErrMaybeApplied when MaybeApplied is set.
func (e *TransportError) Is(target error) bool { return target == ErrMaybeApplied && e.MaybeApplied }

// Timeout reports whether the error was a timeout: of an attempt, of the network or
// of the caller's context. An attempt that took too long is not a
// context.DeadlineExceeded.
func (e *TransportError) Timeout() bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](e.cause)
	return ok && t.Timeout()
}

// Unwrap returns the cause, whose text is also safe to print.
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
	more := " (and 1 more problem)"
	if n := len(e.Problems) - 1; n > 1 {
		more = fmt.Sprintf(" (and %d more problems)", n)
	}
	return printable(text, maxErrorText-len(more)) + more
}

// A DriftError reports that another policy has the name: one with other rules than
// Ensure or Apply was called with. It matches ErrDrift.
type DriftError struct {
	// Op is the call: "ensure network policy".
	Op string
	// Policy is the policy as it is.
	Policy *NetworkPolicy
	// Diff has a line for each difference, as [EgressRules.Diff] of the rules of the
	// call with the policy's, but without the API key and without the values of fields
	// that this version of the SDK does not know.
	Diff []string

	subject string // the policy, without the API key
	inDoubt bool
}

// Error is the text, on one line and shorter than 300 bytes.
func (e *DriftError) Error() string {
	subject := e.subject
	if subject == "" && e.Policy != nil {
		subject = describe(e.Policy.Name, e.Policy.ID)
	}
	text := fmt.Sprintf("runloop: %s: policy %s differs: %s", printable(e.Op, 80), printable(subject, 120), strings.Join(e.Diff, ", "))
	return printable(text, maxErrorText)
}

// describe names a policy in the text of an error.
func describe(name, id string) string {
	return fmt.Sprintf("%q (%s)", printable(name, 60), printable(id, 40))
}

// Is matches ErrDrift, and ErrMaybeApplied if a write of the call was or may have been
// applied before.
func (e *DriftError) Is(target error) bool {
	return target == ErrDrift || target == ErrMaybeApplied && e.inDoubt
}

// newError turns the engine's failure into the error that users see.
func newError(f *engine.Failure) error {
	switch {
	case f.Invalid != nil:
		return invalid(f.Operation, f.Invalid.Field, f.Invalid.Text)
	case f.Response == nil:
		return &TransportError{
			Op:           f.Operation,
			Attempts:     f.Attempts,
			MaybeApplied: f.MaybeApplied,
			transient:    f.Transient,
			cause:        f.Cause,
			detail:       f.Detail,
		}
	}
	return &APIError{
		Op:           f.Operation,
		StatusCode:   f.Response.StatusCode,
		Code:         f.Response.Code,
		Message:      f.Response.Message,
		RequestID:    f.Response.RequestID,
		RetryAfter:   f.Response.RetryAfter,
		Attempts:     f.Attempts,
		MaybeApplied: f.MaybeApplied,
		Header:       f.Response.Header,
		Body:         f.Response.Body,
		meaning:      f.Response.Meaning,
		transient:    f.Transient,
		cause:        f.Cause,
		detail:       f.Detail,
	}
}

// isTransient reports whether the same call may succeed later.
func isTransient(err error) bool {
	if e, ok := errors.AsType[*APIError](err); ok {
		return e.transient
	}
	e, ok := errors.AsType[*TransportError](err)
	return ok && e.transient
}

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
