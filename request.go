package runloop

import (
	"cmp"
	"context"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// send makes the call r with the settings of the client and opts.
func send[T any](ctx context.Context, c *Client, opts []Option, r engine.Request[T]) (T, error) {
	var none T
	cfg, s, err := prepare(ctx, c, r.Operation, opts)
	if err != nil {
		return none, err
	}
	r.RequestID = cmp.Or(r.RequestID, s.idempotencyKey)
	r.ResponseInto, r.InDoubt = s.response, s.inDoubt
	result, failure := engine.Do(ctx, cfg, r)
	if failure != nil {
		return none, newError(failure)
	}
	return result, nil
}

// prepare returns the settings of a call, or the error that prevents the call.
func prepare(ctx context.Context, c *Client, op string, opts []Option) (*engine.Config, *settings, error) {
	cfg, s, err := c.configFor(op, opts)
	if err == nil && ctx == nil {
		err = invalid(op, "ctx", "nil context: pass context.Background()")
	}
	return cfg, s, err
}
