package engine

import (
	"context"
	"log/slog"
)

// logAttempt writes one event an attempt: no body, no query, no header.
func (c *call) logAttempt(ctx context.Context) {
	if !c.cfg.Logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	a := c.last
	attrs := append(c.attrs(), slog.Duration("duration", a.duration))
	if a.status != 0 {
		attrs = append(attrs, slog.Int("status", a.status))
	}
	if a.err != nil {
		attrs = append(attrs, slog.String("error", c.newCause(a.err).text))
	}
	c.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "attempt", attrs...)
}

// logEnd warns of a call that needed more than one attempt and failed all the
// same, and of a write whose effect had to be found out.
func (c *call) logEnd(ctx context.Context, message string, f *Failure) {
	attrs := append(c.attrs(), slog.Bool("maybe_applied", f.MaybeApplied))
	if f.Detail != "" {
		attrs = append(attrs, slog.String("error", f.Detail))
	}
	if f.Answer != nil {
		attrs = append(attrs, slog.Int("status", f.Answer.StatusCode))
	}
	c.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, message, attrs...)
}

func (c *call) attrs() []slog.Attr {
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
