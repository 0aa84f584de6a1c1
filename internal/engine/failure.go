package engine

import (
	"cmp"
	"context"
	"errors"
	"strings"
)

// A Failure describes a call that failed.
type Failure struct {
	Operation string
	// Invalid is set if the parameters are invalid. Nothing was sent then.
	Invalid *Problem
	// Attempts includes requests that could not be sent.
	Attempts int
	// MaybeApplied reports that a write may have taken effect anyway.
	MaybeApplied bool
	// Transient reports that the last attempt failed with a transient error.
	Transient bool
	// Response is the response to the last attempt, nil if there is none. If the context
	// ended the call, it is the last response to any attempt.
	Response *Response
	// Cause is why there is no usable response, or why the call ended with this one. It may
	// be nil if Response has an error status.
	Cause error
	// Detail describes Cause, and why there was no further attempt.
	Detail string
}

var (
	// ErrInvalidResponse marks a response that cannot be decoded.
	ErrInvalidResponse = errors.New("invalid response")
	// ErrResponseTooLarge marks a response that exceeds the limit.
	ErrResponseTooLarge = errors.New("response too large")
)

// contextError returns the error of a context that has ended and, if it differs, its cause.
// It returns nil for other contexts.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == nil || errors.Is(cause, err) {
		return cause
	}
	return errors.Join(err, cause)
}

// Ended returns the failure of a call whose context has ended while it waits, or whose
// deadline has passed although the context's timer has not fired yet.
func Ended(ctx context.Context, operation string, maybeApplied bool) *Failure {
	err := cmp.Or(contextError(ctx), context.DeadlineExceeded)
	return &Failure{Operation: operation, MaybeApplied: maybeApplied, Cause: err, Detail: describeEnd(err)}
}

// describeEnd returns the error of a context as one line.
func describeEnd(err error) string {
	return Printable(strings.ReplaceAll(err.Error(), "\n", ": "), 80)
}
