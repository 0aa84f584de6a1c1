package contract

import (
	"context"
	_ "embed"
	"maps"
	"slices"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

//go:embed openapi.yaml
var version01 []byte

//go:embed today.yaml
var today []byte

// A Document is an OpenAPI document that traffic can be checked against.
type Document struct {
	spec   *openapi3.T
	router routers.Router
}

// Version01 returns the document of version 0.1 of the API: openapi.yaml.
func Version01() (*Document, error) { return Parse(version01) }

// Today returns the document of the current API: today.yaml.
func Today() (*Document, error) { return Parse(today) }

// Parse reads a document, YAML or JSON, and validates it.
func Parse(source []byte) (*Document, error) {
	spec, err := openapi3.NewLoader().LoadFromData(source)
	if err == nil {
		err = spec.Validate(context.Background())
	}
	if err != nil {
		return nil, err
	}
	router, err := gorillamux.NewRouter(spec)
	return &Document{spec, router}, err
}

// Operations returns the IDs of the operations, each with its documented statuses.
func (d *Document) Operations() map[string][]int {
	operations := map[string][]int{}
	for _, path := range d.spec.Paths.Map() {
		for _, operation := range path.Operations() {
			var statuses []int
			for code := range operation.Responses.Map() {
				if status, err := strconv.Atoi(code); err == nil {
					statuses = append(statuses, status)
				}
			}
			operations[operation.OperationID] = statuses
		}
	}
	return operations
}

// Properties returns the names of a component schema's properties, sorted, or nil if there is
// no such schema.
func (d *Document) Properties(schema string) []string {
	ref := d.spec.Components.Schemas[schema]
	if ref == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(ref.Value.Properties))
}

// Values returns the strings that a component schema allows.
func (d *Document) Values(schema string) []string {
	var values []string
	for _, value := range d.spec.Components.Schemas[schema].Value.Enum {
		values = append(values, value.(string))
	}
	return values
}
