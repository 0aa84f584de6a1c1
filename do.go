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
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// Do calls an endpoint that has no method yet, with the same key, limits, retries and
// errors as the methods. The Op of an error is the HTTP method and the path.
//
// The method is GET, HEAD, OPTIONS, PUT, DELETE, POST or PATCH, in upper case. The path is
// relative to the base URL, as in "/v1/devboxes": Do does not add the /v1. It must already
// be escaped, as by [url.PathEscape], and may have a query.
//
// The body is encoded with encoding/json. If body is nil, or a nil pointer, map or slice,
// the request has no body.
//
// The result is a non-nil pointer, or nil to ignore the body. Do decodes the body of a
// successful response with encoding/json and replaces the whole value, so absent fields
// become zero. After an error, the value is unchanged. An empty body, null, and JSON of
// another type are errors that match [ErrInvalidResponse]. A missing field is not an error,
// because Do cannot know which fields are required. A number that is decoded into an any
// becomes a float64, so an integer above 2^53 loses digits: use a field of an integer type,
// [json.Number] or [json.RawMessage]. For HEAD, the result must be nil: use
// [WithResponseInto] for the headers.
//
// POST and PATCH may take effect twice if they are retried. Do retries them only if the
// API certainly did not receive the request or responded with 429, unless
// [WithIdempotent] is set. It retries the other methods after every transient error.
func (c *Client) Do(ctx context.Context, method, path string, body, result any, opts ...Option) error {
	resend, known := resendOf[method]
	if !known {
		instead := "GET, HEAD, OPTIONS, PUT, DELETE, POST or PATCH"
		upper := strings.ToUpper(strings.TrimSpace(method))
		if _, known := resendOf[upper]; known {
			instead = upper
		}
		return invalid("do", "method", quote(method)+" is not a supported method: write "+instead)
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
		Refusals:  updateRefusals,
	}
	var err error
	if r.Body, err = rawBody(body); err != nil {
		return invalid(r.Operation, "body", err.Error())
	}
	if result != nil {
		target := reflect.ValueOf(result)
		switch {
		case method == http.MethodHead:
			return invalid(r.Operation, "result", "a response to HEAD has no body: pass nil, and WithResponseInto for the headers")
		case target.Kind() != reflect.Pointer || target.IsNil():
			return invalid(r.Operation, "result", fmt.Sprintf("%T is not a pointer to decode into: pass one, as in &result", result))
		}
		r.Decode = func(body []byte, _ string) (struct{}, error) { return struct{}{}, decodeInto(target.Elem(), body) }
	}
	if new(settings).with(opts).idempotent {
		r.Resend = engine.ResendIdempotent
		// config rejects the option if it is still set, because only Do accepts it.
		opts = append(slices.Clip(opts), func(s *settings) { s.idempotent = false })
	}
	_, err = send(ctx, c, opts, r)
	return err
}

// resendOf states how each method may be retried, according to RFC 9110, section 9.2.2.
var resendOf = map[string]engine.Resend{
	http.MethodGet:     engine.ResendIdempotent,
	http.MethodHead:    engine.ResendIdempotent,
	http.MethodOptions: engine.ResendIdempotent,
	http.MethodPut:     engine.ResendIdempotent,
	http.MethodDelete:  engine.ResendIdempotent,
	http.MethodPost:    engine.ResendCareful,
	http.MethodPatch:   engine.ResendCareful,
}

// withoutSecrets returns the path for the text of an error, without a query or password.
func withoutSecrets(path string) string {
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	if strings.Contains(path, "@") {
		return "it"
	}
	return quote(path)
}

// splitPath splits a path from its query, or returns its problem.
func splitPath(path string) (route, query, problem string) {
	if strings.ContainsFunc(path, notVisibleASCII) {
		return "", "", "has a character that must be escaped: use url.PathEscape and url.Values"
	}
	u, err := url.Parse(path)
	switch {
	case err != nil:
		return "", "", "is not a valid path: escape it with url.PathEscape"
	case u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(path, "/"):
		return "", "", `is not relative to the base URL: write it as in "/v1/devboxes"`
	case u.Fragment != "":
		return "", "", "has a fragment, which is never sent: remove it"
	case hasDotSegment(u.Path):
		return "", "", "has a dot segment: write the resolved path"
	}
	return u.EscapedPath(), u.RawQuery, ""
}

// rawBody encodes the body of Do.
func rawBody(body any) (any, error) {
	if _, ends := pointee(body); !ends { // encoding/json of Go 1.27 overflows the stack
		return nil, fmt.Errorf("%T refers to itself: pass a value that JSON can represent", body)
	}
	data, err := json.Marshal(body)
	if string(data) == "null" && isNil(body) {
		return nil, nil
	}
	_, encodes := body.(json.Marshaler)
	_, reads := body.(io.Reader)
	switch {
	case encodes:
	case isBytes(reflect.TypeOf(body)):
		return nil, errors.New("bytes would be sent in base64: wrap JSON in json.RawMessage")
	case reads:
		return nil, fmt.Errorf("%T is a reader: pass the value to encode as JSON", body)
	}
	return jsontext.Value(data), err
}

// isBytes reports whether values of the type, or of the type that it points to, are
// encoded in base64.
func isBytes(t reflect.Type) bool {
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t != nil && t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

// decodeInto sets target to the value of the document. After an error, it is unchanged.
func decodeInto(target reflect.Value, document []byte) error {
	value := reflect.New(target.Type())
	// The first pass rejects duplicate names and invalid UTF-8, which encoding/json
	// accepts.
	err := decodeDocument(document, func(d decoder) error {
		if d.PeekKind() == 'n' {
			return errors.New("the JSON is null")
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
