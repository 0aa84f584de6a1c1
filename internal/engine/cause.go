package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A cause stands for an error of the transport, with a text that is fit to print. The
// error's own may hold secrets, so it sits behind a function, like a Secret.
// What is inside is found by errors.Is and errors.As, but for the errors of contexts:
// limits of the transport, such as that of a dial, match those too, though the
// caller's context is not over.
type cause struct {
	text string
	err  func() error
}

func (e *cause) Error() string      { return e.text }
func (e *cause) As(target any) bool { return errors.As(e.err(), target) }
func (e *cause) Is(target error) bool {
	return target != context.DeadlineExceeded && target != context.Canceled && errors.Is(e.err(), target)
}

// newCause keeps secrets out of the text, and makes it short.
func (c *call[T]) newCause(err error) *cause {
	const limit = 160
	text := redactor(c.cfg.Key, c.rawQuery).Replace(withoutResponse(err.Error()))
	return &cause{text: Printable(text, limit), err: func() error { return err }}
}

// withoutResponse drops what net/http quotes of a response that is not HTTP: it can be a
// line of somebody's page.
func withoutResponse(text string) string {
	const broken = "transport connection broken: "
	before, what, found := strings.Cut(text, broken)
	if !found {
		return text
	}
	what, _, _ = strings.Cut(what, `"`)
	return before + broken + strings.TrimRight(what, ": ")
}

// attemptTimeout is the error of an attempt that took longer than its limit. It is
// no context.DeadlineExceeded: the caller's deadline has not passed.
type attemptTimeout struct{ limit time.Duration }

func (e *attemptTimeout) Error() string   { return fmt.Sprintf("no response within %s", e.limit) }
func (e *attemptTimeout) Timeout() bool   { return true }
func (e *attemptTimeout) Temporary() bool { return true }
