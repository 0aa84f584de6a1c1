package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/go-json-experiment/json"
)

// An exchange is a valid request to an operation of the document, and later its response. It
// collects the items that they exercise.
type exchange struct {
	input     *openapi3filter.RequestValidationInput
	operation string // its ID
	items     []Item
}

// exchange checks a request, which it owns. The body is given separately.
func (d *Document) exchange(r *http.Request, body []byte) (*exchange, error) {
	route, pathParams, err := d.router.FindRoute(r)
	if err != nil {
		return nil, err
	}
	r.Body, r.GetBody = io.NopCloser(bytes.NewReader(body)), nil
	r.ContentLength = int64(len(body))
	input := &openapi3filter.RequestValidationInput{Request: r, PathParams: pathParams, Route: route, Options: options()}
	parameters := slices.Concat(route.PathItem.Parameters, route.Operation.Parameters)
	if err := errors.Join(openapi3filter.ValidateRequest(r.Context(), input), checkQuery(r, parameters), checkHeader(r, parameters)); err != nil {
		return nil, err
	}
	id := route.Operation.OperationID
	x := &exchange{input: input, operation: id, items: []Item{Item(id)}}
	for _, p := range parameters {
		if hasParameter(r, pathParams, p.Value) {
			x.items = append(x.items, parameterItem(id, p.Value))
		}
	}
	return x, x.addBody(body, id+": request body")
}

func options() *openapi3filter.Options {
	o := &openapi3filter.Options{
		AuthenticationFunc:                bearer,
		IncludeResponseStatus:             true,
		RejectWhenRequestBodyNotSpecified: true,
		SkipSettingDefaults:               true,
	}
	// The default text repeats the whole schema.
	o.WithCustomSchemaErrorFunc(func(err *openapi3.SchemaError) string {
		return fmt.Sprintf("at /%s: %s", strings.Join(err.JSONPointer(), "/"), err.Reason)
	})
	return o
}

// checkResponse checks the response, whose body is given separately.
func (x *exchange) checkResponse(res *http.Response, body []byte) error {
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: x.input, Status: res.StatusCode, Header: res.Header, Options: x.input.Options,
	}
	input.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(x.input.Request.Context(), input); err != nil {
		return err
	}
	item := x.operation + ": status " + strconv.Itoa(res.StatusCode)
	x.items = append(x.items, Item(item))
	if mediaType, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";"); mediaType != jsonType {
		return nil
	}
	return x.addBody(body, item+" body")
}

// addBody adds an item for each place of a JSON body. It is stricter than the validation: a
// repeated field is an error.
func (x *exchange) addBody(body []byte, prefix string) error {
	if len(body) == 0 {
		return nil
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	valuePlaces(value, "", func(place string) { x.items = append(x.items, Item(prefix+place)) })
	return nil
}

// checkQuery rejects parameters that the operation does not have. The validation ignores them.
func checkQuery(r *http.Request, parameters openapi3.Parameters) error {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	for name, value := range values {
		p := parameters.GetByInAndName(openapi3.ParameterInQuery, name)
		switch {
		case p == nil:
			return fmt.Errorf("query parameter %s is not in the document", name)
		case len(value) > 1 && !p.Schema.Value.Type.Is(openapi3.TypeArray):
			return fmt.Errorf("query parameter %s appears %d times", name, len(value))
		}
	}
	return nil
}

// checkHeader rejects headers that are neither the operation's nor sent by every client. The
// document does not know X-Request-Id, the idempotency key of every write.
func checkHeader(r *http.Request, parameters openapi3.Parameters) error {
	known := []string{"Accept", "Authorization", "User-Agent"}
	if r.Method == http.MethodPost {
		known = append(known, "Content-Type", "X-Request-Id")
	}
	for _, p := range parameters {
		if p.Value.In == openapi3.ParameterInHeader {
			known = append(known, http.CanonicalHeaderKey(p.Value.Name))
		}
	}
	for name := range r.Header {
		if !slices.Contains(known, name) {
			return fmt.Errorf("header %s is not in the document", name)
		}
	}
	if accept := r.Header.Get("Accept"); accept != jsonType {
		return fmt.Errorf("header Accept is %q, want %q", accept, jsonType)
	}
	return nil
}

// bearer checks the credentials that the security scheme bearerAuth requires.
func bearer(_ context.Context, input *openapi3filter.AuthenticationInput) error {
	if scheme := input.SecurityScheme; scheme.Type != "http" || scheme.Scheme != "bearer" {
		return fmt.Errorf("security scheme %s is not bearer", input.SecuritySchemeName)
	}
	token, found := strings.CutPrefix(input.RequestValidationInput.Request.Header.Get("Authorization"), "Bearer ")
	if !found || token == "" {
		return errors.New("header Authorization has no bearer token")
	}
	return nil
}
