package engine

import (
	"cmp"
	"context"
	"errors"
	"strings"
)

// A Failure describes how a call ended that did not succeed.
type Failure struct {
	Operation string
	// Invalid is set when no request could be made of the parameters.
	Invalid *Problem
	// Attempts is the number of requests sent, or tried to be sent.
	Attempts int
	// MaybeApplied reports that a write may have taken effect anyway.
	MaybeApplied bool
	// Transient reports that the last attempt met a fault that may pass.
	Transient bool
	// Response is the last response, nil when the last attempt got none. A call that
	// its context ended has the last response of all.
	Response *Response
	// Cause is why there is no usable response, or why the call ended with this one.
	// It may be nil when Response is an error status.
	Cause error
	// Detail describes Cause, and why there was no further attempt.
	Detail string
}

var (
	// ErrInvalidResponse marks a response that cannot be decoded.
	ErrInvalidResponse = errors.New("invalid response")
	// ErrResponseTooLarge marks a response that is longer than the limit.
	ErrResponseTooLarge = errors.New("response too large")
)

// contextError returns why ctx is over: its error and, where it is another, its
// cause. It is nil while ctx is not over.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == nil || errors.Is(cause, err) {
		return cause
	}
	return errors.Join(err, cause)
}

// Ended returns the failure of a call whose context is over while it waits, or whose
// deadline has passed although the context's timer has not fired yet.
func Ended(ctx context.Context, operation string, maybeApplied bool) *Failure {
	err := cmp.Or(contextError(ctx), context.DeadlineExceeded)
	return &Failure{Operation: operation, MaybeApplied: maybeApplied, Cause: err, Detail: describeEnd(err)}
}

// describeEnd puts the end of a context on one line.
func describeEnd(err error) string {
	return Printable(strings.ReplaceAll(err.Error(), "\n", ": "), 80)
}
