package runloop

import (
	"cmp"
	"context"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// send makes the call that r describes, with the settings of the client and opts.
func send[T any](ctx context.Context, c *Client, opts []Option, r engine.Request[T]) (T, error) {
	var none T
	cfg, s, err := c.configFor(r.Operation, opts)
	if err != nil {
		return none, err
	}
	if ctx == nil {
		return none, invalid(r.Operation, "ctx", "nil context: pass context.Background()")
	}
	r.RequestID = cmp.Or(r.RequestID, s.idempotencyKey)
	r.ResponseInto, r.InDoubt = s.response, s.inDoubt
	result, failure := engine.Do(ctx, cfg, &r)
	if failure != nil {
		return none, newError(failure)
	}
	return result, nil
}
