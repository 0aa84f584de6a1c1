package contract

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// An Item is one thing that a document describes and that traffic can exercise:
// an operation, a parameter, a status, or a place in a body. It reads
// "listNetworkPolicies: status 200 body .network_policies[].id".
type Item string

func operationItem(operation string) Item { return Item(operation) }

func parameterItem(operation string, p *openapi3.Parameter) Item {
	return Item(fmt.Sprintf("%s: %s parameter %s", operation, p.In, p.Name))
}

func statusItem(operation, status string) Item {
	return Item(fmt.Sprintf("%s: status %s", operation, status))
}

func requestItem(operation, place string) Item {
	return Item(fmt.Sprintf("%s: request body%s", operation, place))
}

func responseItem(operation, status, place string) Item {
	return Item(fmt.Sprintf("%s: status %s body%s", operation, status, place))
}

func schemaItem(name string) Item { return Item("unused schema " + name) }

const jsonType = "application/json"

// Items returns all that the document describes, sorted. Schemas that no
// operation leads to are among the items, so that nothing goes unseen.
func (d *Document) Items() []Item {
	var items []Item
	reached := map[string]bool{}
	body := func(content openapi3.Content, item func(place string) Item) {
		for mediaType, media := range content {
			if mediaType != jsonType || media.Schema == nil {
				items = append(items, item(" as "+mediaType))
				continue
			}
			places(media.Schema, "", func(ref, place string) {
				reached[ref] = true
				items = append(items, item(place))
			})
		}
	}
	for _, path := range d.spec.Paths.Map() {
		for _, operation := range path.Operations() {
			id := operation.OperationID
			items = append(items, operationItem(id))
			for _, p := range slices.Concat(path.Parameters, operation.Parameters) {
				items = append(items, parameterItem(id, p.Value))
			}
			if operation.RequestBody != nil {
				body(operation.RequestBody.Value.Content, func(place string) Item {
					return requestItem(id, place)
				})
			}
			for status, response := range operation.Responses.Map() {
				items = append(items, statusItem(id, status))
				body(response.Value.Content, func(place string) Item {
					return responseItem(id, status, place)
				})
			}
		}
	}
	for name := range d.spec.Components.Schemas {
		if !reached["#/components/schemas/"+name] {
			items = append(items, schemaItem(name))
		}
	}
	slices.Sort(items)
	return slices.Compact(items)
}

// places visits every place that a value of the schema may have, with the
// reference that leads there, if any. A place reads " .egress.allowed_hostnames[]"
// and that of the whole value is empty.
func places(schema *openapi3.SchemaRef, place string, visit func(ref, place string)) {
	visit(schema.Ref, place)
	for name, property := range schema.Value.Properties {
		places(property, memberPlace(place, name), visit)
	}
	if schema.Value.Items != nil {
		places(schema.Value.Items, itemPlace(place), visit)
	}
	for _, part := range slices.Concat(schema.Value.AllOf, schema.Value.AnyOf, schema.Value.OneOf) {
		places(part, place, visit)
	}
}

// valuePlaces visits every place that a JSON value has something other than null in.
func valuePlaces(value any, place string, visit func(place string)) {
	if value == nil {
		return
	}
	visit(place)
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			valuePlaces(member, memberPlace(place, name), visit)
		}
	case []any:
		for _, item := range value {
			valuePlaces(item, itemPlace(place), visit)
		}
	}
}

func memberPlace(place, name string) string {
	if place == "" {
		return " ." + name
	}
	return place + "." + name
}

func itemPlace(place string) string {
	if place == "" {
		return " []"
	}
	return place + "[]"
}

// hasParameter reports whether the request gives the parameter a value.
func hasParameter(r *http.Request, pathParams map[string]string, p *openapi3.Parameter) bool {
	switch p.In {
	case openapi3.ParameterInPath:
		return pathParams[p.Name] != ""
	case openapi3.ParameterInQuery:
		return r.URL.Query().Has(p.Name)
	case openapi3.ParameterInHeader:
		return r.Header.Get(p.Name) != ""
	case openapi3.ParameterInCookie:
		_, err := r.Cookie(p.Name)
		return err == nil
	}
	return false
}
