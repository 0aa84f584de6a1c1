package engine

import (
	"context"
	"log/slog"
)

// logAttempt logs an attempt, without its body, query and headers.
func (c *call[T]) logAttempt(ctx context.Context) {
	if !c.cfg.Logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	a := &c.last
	attrs := append(c.attrs(), slog.Duration("duration", a.duration))
	if a.status != 0 {
		attrs = append(attrs, slog.Int("status", a.status))
	}
	if a.err != nil {
		attrs = append(attrs, slog.String("error", c.newCause(a.err).text))
	}
	c.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "runloop: attempt", attrs...)
}

// logEnd logs the end of a call whose last attempt failed.
func (c *call[T]) logEnd(ctx context.Context, level slog.Level, message string, f *Failure) {
	attrs := append(c.attrs(), slog.Bool("maybe_applied", f.MaybeApplied))
	if f.Detail != "" {
		attrs = append(attrs, slog.String("error", f.Detail))
	}
	if f.Response != nil {
		attrs = append(attrs, slog.Int("status", f.Response.StatusCode))
	}
	c.cfg.Logger.LogAttrs(ctx, level, message, attrs...)
}

func (c *call[T]) attrs() []slog.Attr {
	attrs := []slog.Attr{
		slog.String("operation", c.req.Operation),
		slog.String("method", c.req.Method),
		slog.String("path", c.req.Route),
		slog.Int("attempt", c.attempts),
	}
	if c.requestID != "" {
		attrs = append(attrs, slog.String("request_id", c.requestID))
	}
	return attrs
}
