package runloop

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/google/go-querystring/query"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// A request is one call as a service describes it. Its result is a T.
type request[T any] struct {
	op     string
	method string
	// route is the path, with {id} where the id goes, escaped.
	route string
	id    string
	// query is a struct with url tags, body a value with a JSON form. Each may be nil.
	query any
	// rawQuery is a query that is encoded already.
	rawQuery string
	body     any
	// resend says when the engine may send the request again. Without it, the
	// method does: see resendOf.
	resend engine.Resend
	// decode turns the body of a success into the result. It is called once for
	// each attempt that got one. When it is nil, the body does not matter.
	decode func(body []byte) (T, error)
	// resolve finds out what became of a write whose answer was lost, and gives the
	// result of one that took effect. It may be nil.
	resolve func(ctx context.Context, lost error) (T, engine.Resolution)
}

// send makes the call that r describes.
func send[T any](ctx context.Context, c *Client, opts []Option, r request[T]) (T, error) {
	var result, none T
	cfg, s, err := c.configFor(r.op, opts)
	if err != nil {
		return none, err
	}
	if ctx == nil {
		return none, invalid(r.op, "ctx", "it is nil: pass context.Background()")
	}
	wire, err := r.build(s)
	if err != nil {
		return none, err
	}
	if r.decode != nil {
		wire.Decode = func(body []byte) (err error) {
			result, err = r.decode(body)
			return err
		}
	}
	if r.resolve != nil {
		wire.Resolve = func(ctx context.Context, lost *engine.Failure) (resolution engine.Resolution) {
			result, resolution = r.resolve(ctx, newError(lost))
			return resolution
		}
	}
	if failure := engine.Do(ctx, cfg, wire); failure != nil {
		return none, newError(failure)
	}
	return result, nil
}

// resendOf is how a method may be sent again when nothing more is known, after RFC
// 9110, section 9.2.2.
var resendOf = map[string]engine.Resend{
	http.MethodGet:     engine.ResendIdempotent,
	http.MethodHead:    engine.ResendIdempotent,
	http.MethodOptions: engine.ResendIdempotent,
	http.MethodPut:     engine.ResendIdempotent,
	http.MethodDelete:  engine.ResendIdempotent,
	http.MethodPost:    engine.ResendCareful,
	http.MethodPatch:   engine.ResendCareful,
}

const idPlaceholder = "{id}"

// build puts the request into the form that goes over the wire.
func (r *request[T]) build(s *settings) (*engine.Request, error) {
	wire := &engine.Request{
		Operation: r.op,
		Method:    r.method,
		Route:     r.route,
		Path:      r.route,
		Query:     r.rawQuery,
		RequestID: s.idempotencyKey,
		Resend:    cmp.Or(r.resend, resendOf[r.method]),
		Response:  s.response,
	}
	if before, after, found := strings.Cut(r.route, idPlaceholder); found {
		segment, err := engine.Segment(r.id)
		if err != nil {
			return nil, invalid(r.op, "id", quote(r.id)+" "+err.Error())
		}
		wire.Path = before + segment + after
	}
	if r.query != nil {
		values, err := query.Values(r.query)
		if err != nil {
			return nil, invalid(r.op, "query", err.Error())
		}
		wire.Query = values.Encode()
	}
	if r.body != nil {
		body, err := json.Marshal(r.body)
		if err != nil {
			return nil, invalid(r.op, "body", err.Error())
		}
		wire.Body = body
	}
	return wire, nil
}
