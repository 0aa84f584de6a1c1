package runloop

import (
	"context"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/google/go-querystring/query"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// A request is one call as a service describes it.
type request struct {
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
	// resend says when the engine may send the request again.
	resend engine.Resend
	// decode takes the body of a success. It is called once for each attempt
	// that got one.
	decode func(body []byte) error
	// resolve finds out what became of a write whose answer was lost, or is nil.
	resolve func(ctx context.Context, lost error) engine.Resolution
}

const idPlaceholder = "{id}"

// build puts the request into the form that goes over the wire.
func (r *request) build(s *settings) (*engine.Request, error) {
	wire := &engine.Request{
		Operation: r.op,
		Method:    r.method,
		Route:     r.route,
		Path:      r.route,
		Query:     r.rawQuery,
		RequestID: s.idempotencyKey,
		Resend:    r.resend,
		Decode:    r.decode,
		Response:  s.response,
	}
	if before, after, found := strings.Cut(r.route, idPlaceholder); found {
		segment, err := engine.Segment(r.id)
		if err != nil {
			return nil, &ValidationError{r.op, "id", quote(r.id) + " " + err.Error()}
		}
		wire.Path = before + segment + after
	}
	if r.query != nil {
		values, err := query.Values(r.query)
		if err != nil {
			return nil, &ValidationError{r.op, "query", err.Error()}
		}
		wire.Query = values.Encode()
	}
	if r.body != nil {
		body, err := json.Marshal(r.body)
		if err != nil {
			return nil, &ValidationError{r.op, "body", err.Error()}
		}
		wire.Body = body
	}
	if r.resolve != nil {
		wire.Resolve = func(ctx context.Context, f *engine.Failure) engine.Resolution {
			return r.resolve(ctx, newError(f))
		}
	}
	return wire, nil
}
