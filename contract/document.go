package contract

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/go-json-experiment/json"
	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var version01 []byte

//go:embed overlay.yaml
var younger []byte

// A Document is an OpenAPI document that traffic can be checked against.
type Document struct {
	source []byte
	spec   *openapi3.T
	router routers.Router
}

// Version01 returns the document of version 0.1 of the API: openapi.yaml.
func Version01() (*Document, error) { return Parse(version01) }

// Live returns the document of the API as it is today: openapi.yaml with
// overlay.yaml applied.
func Live() (*Document, error) {
	d, err := Version01()
	if err != nil {
		return nil, err
	}
	return d.With(younger)
}

// Parse reads a document, YAML or JSON, and checks it.
func Parse(source []byte) (*Document, error) {
	spec, err := openapi3.NewLoader().LoadFromData(source)
	if err != nil {
		return nil, err
	}
	if err := spec.Validate(context.Background()); err != nil {
		return nil, err
	}
	router, err := gorillamux.NewRouter(spec)
	if err != nil {
		return nil, err
	}
	return &Document{source, spec, router}, nil
}

// With returns the document with an overlay applied. The overlay's actions may
// have updates only, and only names in their targets: $.paths['/v1/x'].get.
func (d *Document) With(overlay []byte) (*Document, error) {
	o, err := parseOverlay(overlay)
	if err != nil {
		return nil, fmt.Errorf("overlay: %w", err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(d.source, &tree); err != nil {
		return nil, err
	}
	if err := o.apply(tree); err != nil {
		return nil, fmt.Errorf("overlay: %w", err)
	}
	source, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	return Parse(source)
}

// Operations returns the ids of the operations, each with the statuses that are
// documented for it.
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
			slices.Sort(statuses)
			operations[operation.OperationID] = statuses
		}
	}
	return operations
}

// Properties returns the names of a component schema's properties, sorted. They
// are nil when there is no such schema.
func (d *Document) Properties(schema string) []string {
	ref := d.spec.Components.Schemas[schema]
	if ref == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(ref.Value.Properties))
}
