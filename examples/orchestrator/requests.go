package main

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
)

// A requestCounter is a log handler that counts what the client logs: it writes one
// event for each request.
type requestCounter struct {
	sent    atomic.Int64
	created atomic.Int64
}

func (c *requestCounter) Handle(_ context.Context, event slog.Record) error {
	if event.Level != slog.LevelDebug {
		return nil
	}
	c.sent.Add(1)
	attrs := make(map[string]slog.Value)
	event.Attrs(func(a slog.Attr) bool {
		attrs[a.Key] = a.Value
		return true
	})
	if attrs["method"].String() == http.MethodPost && attrs["status"].Equal(slog.IntValue(http.StatusOK)) {
		c.created.Add(1)
	}
	return nil
}

func (c *requestCounter) Enabled(context.Context, slog.Level) bool { return true }
func (c *requestCounter) WithAttrs([]slog.Attr) slog.Handler       { return c }
func (c *requestCounter) WithGroup(string) slog.Handler            { return c }
