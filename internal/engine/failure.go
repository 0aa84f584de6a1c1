package engine

import (
	"context"
	"errors"
)

// A Failure is how a call ended that did not succeed.
type Failure struct {
	Operation string
	// Attempts is the number of requests sent, or tried to be sent.
	Attempts int
	// MaybeApplied says that a write may have taken effect all the same.
	MaybeApplied bool
	// Answer is the API's error answer, nil when the last attempt got none.
	// A call that its context ended has the last answer that came at all.
	Answer *Answer
	// Cause is why there is no usable answer, or why the call ended with this one:
	// the end of the context. It may be nil when Answer is not.
	Cause error
	// Detail says Cause, and why there was no further attempt.
	Detail string
}

var (
	// ErrInvalidResponse marks an answer that cannot be read.
	ErrInvalidResponse = errors.New("invalid response")
	// ErrResponseTooLarge marks an answer that is longer than the limit.
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
