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

// Sentinel errors, for use with [errors.Is]. The package documentation lists which call
// returns which.
var (
	ErrBadRequest   = errors.New("bad request")  // status 400
	ErrUnauthorized = errors.New("unauthorized") // status 401: the key is invalid
	ErrForbidden    = errors.New("forbidden")    // status 403: the key or account lacks a permission
	ErrConflict     = errors.New("conflict")     // status 409
	ErrRateLimited  = errors.New("rate limited") // status 429
	ErrServer       = errors.New("server error") // status 500 and above

	// ErrNotFound: the ID or cursor is unknown. The API responds with 404, or with 400 and
	// a message to that effect.
	ErrNotFound = errors.New("not found")
	// ErrNameTaken: another policy has the name passed to Create or Update. The API
	// responds with 400 or 409 and a message to that effect, or with 409 and no message.
	ErrNameTaken = errors.New("name is taken")
	// ErrPolicyInUse: Delete was refused because active devboxes use the policy. The API
	// responds with 400 or 409 and a message to that effect, or with 400 and no message.
	ErrPolicyInUse = errors.New("policy in use")
	// ErrPolicyLimit: no policy was created because the account is at its policy limit. See
	// [NetworkPoliciesService.Prune].
	ErrPolicyLimit = errors.New("policy limit reached")
	// ErrDrift: the existing policy differs from the parameters of Ensure, Apply, Plan or
	// Launch. See [DriftError].
	ErrDrift = errors.New("policy differs")

	// ErrDevboxFailed: a devbox failed or was shut down before it reached running. See
	// [DevboxError].
	ErrDevboxFailed = errors.New("devbox failed")
	// ErrPolicyNotAttached: a devbox was created but does not use its policy. See
	// [DevboxError].
	ErrPolicyNotAttached = errors.New("policy not attached")

	// ErrInvalidResponse: a success response could not be decoded: invalid or truncated
	// JSON, a missing field, or another policy or devbox. If the connection breaks during a
	// response, the error is a [TransportError] instead.
	ErrInvalidResponse = engine.ErrInvalidResponse
	// ErrResponseTooLarge: a success response is larger than 32 MiB, or has more items than
	// the SDK accepts. A list with a smaller Limit may succeed.
	ErrResponseTooLarge = engine.ErrResponseTooLarge

	// ErrMaybeApplied: a write failed, but may have taken effect or may still take effect.
	// Every error whose MaybeApplied is true matches it, and so do a DriftError of a call
	// that had already written and a DevboxError whose Devbox is nil.
	ErrMaybeApplied = errors.New("may have been applied")
)

// maxErrorText bounds the text of every error.
const maxErrorText = 299

// An APIError is an error response, or a success response that could not be decoded or is
// too large. In the latter cases, it wraps [ErrInvalidResponse] or [ErrResponseTooLarge].
// If the context ended the call, the error also matches the context's error.
//
// The text has the operation, the status, the API's message and the number of
// attempts. No field contains the API key.
type APIError struct {
	// Op is the call, such as "create network policy".
	Op string
	// StatusCode is the HTTP status.
	StatusCode int
	// Code is the API's error code, or "". The API documents no codes: use the sentinel
	// errors.
	Code string
	// Message is the API's error message, or "".
	Message string
	// RequestID identifies the request in the API's logs. It is the ID in the response,
	// or else the ID that was sent.
	RequestID string
	// RetryAfter is how long the API asks the client to wait, or 0 if it does not ask.
	RetryAfter time.Duration
	// Attempts is the number of attempts, including those that could not connect.
	Attempts int
	// MaybeApplied reports whether a write may have taken effect, according to this
	// response or an earlier attempt. The error then matches [ErrMaybeApplied]. Repeating a
	// call of NetworkPolicies is safe, although a repeated Create may report [ErrNameTaken]
	// for its own policy; Ensure does not. Repeating a call of Do may apply it twice.
	MaybeApplied bool
	// Header is the response's header.
	Header http.Header
	// Body is the response's body, truncated to 64 KiB.
	Body []byte

	meaning   error // the sentinel of the operation that the error matches
	transient bool
	cause     error // why the response is unusable, or the context's error
	detail    string
}

// Error returns the text, which is one line of fewer than 300 bytes.
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
	if message == "" || message == http.StatusText(e.StatusCode) {
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

// Is reports whether target is a sentinel error of the status or of the operation.
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

// Unwrap returns why a success response is unusable, or the context's error if the context
// ended the call.
func (e *APIError) Unwrap() error { return e.cause }

// Format prints only the text, whatever the verb.
func (e APIError) Format(s fmt.State, verb rune) { formatText(s, verb, e.Error()) }

// LogValue returns the text.
func (e APIError) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// A TransportError reports that no response was received, or a truncated one: the API could
// not be reached or did not respond in time, or a proxy, which the text names, refused the
// connection. It wraps the cause, such as an error of package net or the context's error.
// AwaitRunning also returns it if the context ends before the devbox reaches running.
type TransportError struct {
	// Op is the call, such as "create network policy".
	Op string
	// Attempts is the number of attempts, including those that could not connect. It is 0
	// if the context ended before the first one.
	Attempts int
	// MaybeApplied is as in APIError. It is false if the API certainly did not receive the
	// request.
	MaybeApplied bool

	transient bool
	problem   string // in place of "no usable response"
	cause     error
	detail    string
}

// Error returns the text, which is one line of fewer than 300 bytes.
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

// Is reports whether target is ErrMaybeApplied and MaybeApplied is true.
func (e *TransportError) Is(target error) bool { return target == ErrMaybeApplied && e.MaybeApplied }

// Timeout reports whether the error was a timeout of an attempt, of the network or of the
// context. Only a timeout of the context matches [context.DeadlineExceeded].
func (e *TransportError) Timeout() bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](e.cause)
	return ok && t.Timeout()
}

// Unwrap returns the cause, whose text is also safe to print.
func (e *TransportError) Unwrap() error { return e.cause }

// Format prints only the text, whatever the verb.
func (e TransportError) Format(s fmt.State, verb rune) { formatText(s, verb, e.Error()) }

// LogValue returns the text.
func (e TransportError) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// A ValidationError reports an invalid option or parameter. Nothing was sent.
type ValidationError struct {
	// Op is the call, such as "create network policy" or "new client".
	Op string
	// Field is the invalid option, environment variable or parameter, such as
	// "Egress.AllowedHostnames[2]". If several are invalid, it is the first.
	Field string
	// Problem describes what is wrong with Field, and what to write instead.
	Problem string
	// Problems has one line per problem, including the first, such as
	// "Name: must not be blank".
	Problems []string
}

// invalid returns the error of a call with one problem.
func invalid(op, field, problem string) *ValidationError {
	return &ValidationError{Op: op, Field: field, Problem: problem, Problems: []string{field + ": " + problem}}
}

// Error returns the first problem, as one line of fewer than 300 bytes.
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

// A DriftError reports that the existing policy has other rules than those passed to
// Ensure, Apply, Plan or Launch. It matches [ErrDrift].
type DriftError struct {
	// Op is the call, such as "ensure network policy".
	Op string
	// Policy is the existing policy.
	Policy *NetworkPolicy
	// Diff has one line per difference, as [EgressRules.Diff] writes them: "- " marks rules
	// that only the call has, "+ " rules that only the policy has. The lines contain
	// neither the API key nor the values of fields that this version of the SDK does not
	// know.
	Diff []string

	subject string // the policy, without the API key
	inDoubt bool
}

// Error returns the text, which is one line of fewer than 300 bytes.
func (e *DriftError) Error() string {
	subject := e.subject
	if subject == "" && e.Policy != nil {
		subject = describe(e.Policy.Name, e.Policy.ID)
	}
	differences := strings.NewReplacer("\n- ", ", lacks ", "\n+ ", ", has ").Replace("\n" + strings.Join(e.Diff, "\n"))
	text := fmt.Sprintf("runloop: %s: policy %s differs: %s", printable(e.Op, 80), printable(subject, 120), strings.TrimPrefix(differences, ", "))
	return printable(text, maxErrorText)
}

// describe names a policy in the text of an error.
func describe(name, id string) string {
	return fmt.Sprintf("%q (%s)", printable(name, 60), printable(id, 40))
}

// Is reports whether target is ErrDrift, or is ErrMaybeApplied and an earlier write of the
// call was or may have been applied.
func (e *DriftError) Is(target error) bool {
	return target == ErrDrift || target == ErrMaybeApplied && e.inDoubt
}

// newError returns the error for a failure of the engine.
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
