package contract

import (
	"net/http"
	"slices"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

// An Item is one thing that a document describes and that traffic can exercise: an operation,
// a parameter, a status, or a place in a body, such as
// "listNetworkPolicies: status 200 body .network_policies[].id".
type Item string

// A Recorder remembers what traffic has exercised. The zero value has recorded nothing. It may be
// used concurrently.
type Recorder struct {
	mu   sync.Mutex
	seen map[Item]bool
}

// Missing returns what the document describes and no traffic has exercised.
func (r *Recorder) Missing(d *Document) []Item {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(d.Items(), func(item Item) bool { return r.seen[item] })
}

func (r *Recorder) record(items []Item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[Item]bool{}
	}
	for _, item := range items {
		r.seen[item] = true
	}
}

const jsonType = "application/json"

func parameterItem(operation string, p *openapi3.Parameter) Item {
	return Item(operation + ": " + p.In + " parameter " + p.Name)
}

// Items returns all that the document describes, sorted. Schemas that no operation uses are
// among the items, so that nothing is overlooked.
func (d *Document) Items() []Item {
	var items []Item
	used := map[string]bool{}
	body := func(content openapi3.Content, prefix string) {
		for mediaType, media := range content {
			if mediaType != jsonType || media.Schema == nil {
				items = append(items, Item(prefix+" as "+mediaType))
				continue
			}
			places(media.Schema, "", func(ref, place string) {
				used[ref] = true
				items = append(items, Item(prefix+place))
			})
		}
	}
	for _, path := range d.spec.Paths.Map() {
		for _, operation := range path.Operations() {
			id := operation.OperationID
			items = append(items, Item(id))
			for _, p := range slices.Concat(path.Parameters, operation.Parameters) {
				items = append(items, parameterItem(id, p.Value))
			}
			if operation.RequestBody != nil {
				body(operation.RequestBody.Value.Content, id+": request body")
			}
			for status, response := range operation.Responses.Map() {
				items = append(items, Item(id+": status "+status))
				body(response.Value.Content, id+": status "+status+" body")
			}
		}
	}
	for name := range d.spec.Components.Schemas {
		if !used["#/components/schemas/"+name] {
			items = append(items, Item("unused schema "+name))
		}
	}
	slices.Sort(items)
	return slices.Compact(items)
}

// places visits every place that a value of the schema may have, with the reference that leads
// there, if any. A place reads " .egress.allowed_hostnames[]" and that of the whole value is
// empty.
func places(schema *openapi3.SchemaRef, place string, visit func(ref, place string)) {
	visit(schema.Ref, place)
	for name, property := range schema.Value.Properties {
		places(property, within(place)+"."+name, visit)
	}
	if schema.Value.Items != nil {
		places(schema.Value.Items, within(place)+"[]", visit)
	}
	for _, part := range slices.Concat(schema.Value.AllOf, schema.Value.AnyOf, schema.Value.OneOf) {
		places(part, place, visit)
	}
}

// valuePlaces visits every place in which a JSON value has something other than null.
func valuePlaces(value any, place string, visit func(place string)) {
	if value == nil {
		return
	}
	visit(place)
	switch value := value.(type) {
	case map[string]any:
		for name, field := range value {
			valuePlaces(field, within(place)+"."+name, visit)
		}
	case []any:
		for _, item := range value {
			valuePlaces(item, within(place)+"[]", visit)
		}
	}
}

// within returns the beginning of the places within a place.
func within(place string) string {
	if place == "" {
		return " "
	}
	return place
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
	}
	return false // a cookie, which no operation has
}
