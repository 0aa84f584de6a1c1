package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A cause wraps an error of the transport with a text that is safe to print. The error's own text
// may contain secrets, so a function hides the error, as in a Secret. errors.Is and errors.As
// find the error, except for the errors of contexts: time limits of the transport, such as that
// of a dial, match those although the caller's context has not ended.
type cause struct {
	text string
	err  func() error
}

func (e *cause) Error() string      { return e.text }
func (e *cause) As(target any) bool { return errors.As(e.err(), target) }
func (e *cause) Is(target error) bool {
	return target != context.DeadlineExceeded && target != context.Canceled && errors.Is(e.err(), target)
}

// newCause returns the cause for err, with a short text without secrets.
func (c *call[T]) newCause(err error) *cause {
	const limit = 160
	text := redactor(c.cfg.Key, c.rawQuery).Replace(withoutResponse(err.Error()))
	return &cause{text: Printable(text, limit), err: func() error { return err }}
}

// withoutResponse removes the part of an invalid response that net/http quotes, which may be
// a line of a page.
func withoutResponse(text string) string {
	const broken = "transport connection broken: "
	before, what, found := strings.Cut(text, broken)
	if !found {
		return text
	}
	what, _, _ = strings.Cut(what, `"`)
	return before + broken + strings.TrimRight(what, ": ")
}

// attemptTimeout is the error of an attempt that exceeded its limit. It does not match
// context.DeadlineExceeded, because the caller's deadline has not passed.
type attemptTimeout struct{ limit time.Duration }

func (e *attemptTimeout) Error() string   { return fmt.Sprintf("no response within %s", e.limit) }
func (e *attemptTimeout) Timeout() bool   { return true }
func (e *attemptTimeout) Temporary() bool { return true }
