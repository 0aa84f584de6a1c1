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

// An exchange is a request that leads to an operation of the document, and later
// its response. It collects the items that they exercise.
type exchange struct {
	input *openapi3filter.RequestValidationInput
	items []Item
}

// exchange finds the operation of a request. The exchange owns the request.
func (d *Document) exchange(r *http.Request) (*exchange, error) {
	route, pathParams, err := d.router.FindRoute(r)
	if err != nil {
		return nil, err
	}
	return &exchange{input: &openapi3filter.RequestValidationInput{
		Request:    r,
		PathParams: pathParams,
		Route:      route,
		Options:    options(),
	}}, nil
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

func (x *exchange) operation() string { return x.input.Route.Operation.OperationID }

func (x *exchange) parameters() openapi3.Parameters {
	return slices.Concat(x.input.Route.PathItem.Parameters, x.input.Route.Operation.Parameters)
}

// checkRequest checks the request, whose body is given apart.
func (x *exchange) checkRequest(body []byte) error {
	r := x.input.Request
	r.Body, r.GetBody = io.NopCloser(bytes.NewReader(body)), nil
	r.ContentLength = int64(len(body))
	if err := errors.Join(
		openapi3filter.ValidateRequest(r.Context(), x.input),
		x.checkQuery(),
		x.checkHeader(),
	); err != nil {
		return err
	}
	x.items = append(x.items, operationItem(x.operation()))
	for _, p := range x.parameters() {
		if hasParameter(r, x.input.PathParams, p.Value) {
			x.items = append(x.items, parameterItem(x.operation(), p.Value))
		}
	}
	return x.addBody(body, func(place string) Item { return requestItem(x.operation(), place) })
}

// checkResponse checks the response, whose body is given apart.
func (x *exchange) checkResponse(res *http.Response, body []byte) error {
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: x.input,
		Status:                 res.StatusCode,
		Header:                 res.Header,
		Options:                x.input.Options,
	}
	input.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(x.input.Request.Context(), input); err != nil {
		return err
	}
	status := strconv.Itoa(res.StatusCode)
	x.items = append(x.items, statusItem(x.operation(), status))
	if mediaType, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";"); mediaType != jsonType {
		return nil
	}
	return x.addBody(body, func(place string) Item { return responseItem(x.operation(), status, place) })
}

// addBody adds an item for each place of a JSON body. It is stricter than the
// validation: a member that comes twice is an error.
func (x *exchange) addBody(body []byte, item func(place string) Item) error {
	if len(body) == 0 {
		return nil
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	valuePlaces(value, "", func(place string) { x.items = append(x.items, item(place)) })
	return nil
}

// checkQuery refuses parameters that the operation does not have: the validation
// only looks at those that it has.
func (x *exchange) checkQuery() error {
	values, err := url.ParseQuery(x.input.Request.URL.RawQuery)
	if err != nil {
		return err
	}
	for name, value := range values {
		p := x.parameters().GetByInAndName(openapi3.ParameterInQuery, name)
		switch {
		case p == nil:
			return fmt.Errorf("query parameter %s is not in the document", name)
		case len(value) > 1 && !p.Schema.Value.Type.Is(openapi3.TypeArray):
			return fmt.Errorf("query parameter %s comes %d times", name, len(value))
		}
	}
	return nil
}

// commonHeaders are those that every request may have.
var commonHeaders = []string{"Accept", "Authorization", "User-Agent"}

// writeHeaders are those that a POST may have besides. The document does not know
// X-Request-Id, in which all clients send the key that makes a write idempotent.
var writeHeaders = []string{"Content-Type", "X-Request-Id"}

// checkHeader refuses headers that are neither the operation's nor what every
// client sends.
func (x *exchange) checkHeader() error {
	r := x.input.Request
	for name := range r.Header {
		known := slices.Contains(commonHeaders, name) ||
			r.Method == http.MethodPost && slices.Contains(writeHeaders, name) ||
			slices.ContainsFunc(x.parameters(), func(p *openapi3.ParameterRef) bool {
				return p.Value.In == openapi3.ParameterInHeader && http.CanonicalHeaderKey(p.Value.Name) == name
			})
		if !known {
			return fmt.Errorf("header %s is not in the document", name)
		}
	}
	if accept := r.Header.Get("Accept"); accept != jsonType {
		return fmt.Errorf("header Accept is %q, want %q", accept, jsonType)
	}
	return nil
}

// bearer checks the credentials that the security scheme bearerAuth asks for.
func bearer(_ context.Context, input *openapi3filter.AuthenticationInput) error {
	scheme := input.SecurityScheme
	if scheme.Type != "http" || scheme.Scheme != "bearer" {
		return fmt.Errorf("security scheme %s is not bearer", input.SecuritySchemeName)
	}
	token, found := strings.CutPrefix(input.RequestValidationInput.Request.Header.Get("Authorization"), "Bearer ")
	if !found || token == "" {
		return errors.New("header Authorization has no bearer token")
	}
	return nil
}
