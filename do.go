package runloop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// Do calls an endpoint that the SDK does not wrap yet, with the same key, limits
// and errors as its own calls. The errors' Op is the method and the path.
//
// The path is below the base URL and starts with a slash. It is escaped already
// ([url.PathEscape]), and may have a query. The body is sent as JSON by
// encoding/json; nil sends none. A success is decoded by encoding/json and replaces
// the value that result points to, as a whole: what the answer does not have is zero.
// On an error the value is unchanged; with nil, the body does not matter. An
// empty body, null, and what is no JSON for result are errors that match
// [ErrInvalidResponse]. A member that is missing is none: Do does not know which
// must be there.
//
// POST and PATCH may do their work twice when they are sent twice. They are sent
// again only when the API surely did not receive the request, or answered 429. The
// other methods are sent again after each fault that may pass.
func (c *Client) Do(ctx context.Context, method, path string, body, result any, opts ...Option) error {
	resend, known := resendOf[method]
	if !known {
		return invalid("do", "method", quote(method)+" is none of GET, HEAD, OPTIONS, PUT, DELETE, POST and PATCH")
	}
	route, query, problem := splitPath(path)
	if problem != "" {
		return invalid("do", "path", withoutSecrets(path)+" "+problem)
	}
	r := engine.Request[struct{}]{
		Operation: method + " " + engine.Truncate(route, 70),
		Method:    method,
		Route:     route,
		RawQuery:  query,
		Resend:    resend,
		Refusals:  byIDRefusals,
	}
	var err error
	if r.Body, err = rawBody(body); err != nil {
		return invalid(r.Operation, "body", err.Error())
	}
	if result != nil {
		target := reflect.ValueOf(result)
		if target.Kind() != reflect.Pointer || target.IsNil() {
			return invalid(r.Operation, "result", fmt.Sprintf("%T is not a pointer to decode into", result))
		}
		r.Decode = func(body []byte) (struct{}, error) { return struct{}{}, decodeInto(target.Elem(), body) }
	}
	_, err = send(ctx, c, opts, r)
	return err
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

// withoutSecrets shows what was given as a path, but no query and no password.
func withoutSecrets(path string) string {
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	if strings.Contains(path, "@") {
		return "it"
	}
	return quote(path)
}

// splitPath takes a path and its query apart, or says what is wrong.
func splitPath(path string) (route, query, problem string) {
	if strings.ContainsFunc(path, notVisibleASCII) {
		return "", "", "has a character that must be escaped: use url.PathEscape and url.Values"
	}
	u, err := url.Parse(path)
	switch {
	case err != nil:
		return "", "", "is not a path"
	case u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(path, "/"):
		return "", "", `is not below the base URL: write it as in "/v1/devboxes"`
	case u.Fragment != "":
		return "", "", "has a fragment, which is never sent"
	case hasDotSegment(u.Path):
		return "", "", "has a dot segment: write the path that it leads to"
	}
	return u.EscapedPath(), u.RawQuery, ""
}

// rawBody encodes the body of Do.
func rawBody(body any) (any, error) {
	switch body.(type) {
	case nil:
		return nil, nil
	case []byte:
		return nil, errors.New("[]byte would be sent in base64: wrap JSON into json.RawMessage")
	case io.Reader:
		return nil, fmt.Errorf("%T is a reader: pass the value that is to be sent as JSON", body)
	}
	data, err := json.Marshal(body)
	return jsontext.Value(data), err
}

// decodeInto sets target to the value of the document, or leaves it as it is.
func decodeInto(target reflect.Value, document []byte) error {
	value := reflect.New(target.Type())
	// The first pass refuses what encoding/json would put up with: duplicate
	// names, invalid UTF-8.
	err := decodeDocument(document, func(d decoder) error {
		if d.PeekKind() == 'n' {
			return errors.New("it is null")
		}
		return d.SkipValue()
	})
	if err == nil {
		err = json.Unmarshal(document, value.Interface())
	}
	if err == nil {
		target.Set(value.Elem())
	}
	return err
}
