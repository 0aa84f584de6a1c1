package contract

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// An overlay is the part of the OpenAPI Overlay Specification that is needed here:
// actions that update what a chain of member names leads to.
type overlay struct {
	Overlay string
	Info    map[string]string
	Extends string
	Actions []action
}

type action struct {
	Target      string
	Description string
	Update      any
}

func parseOverlay(data []byte) (*overlay, error) {
	o := new(overlay)
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(o); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(o.Overlay, "1.") {
		return nil, fmt.Errorf("not an overlay of version 1: %q", o.Overlay)
	}
	return o, nil
}

// apply changes the document.
func (o *overlay) apply(document map[string]any) error {
	for _, a := range o.Actions {
		path, err := parseTarget(a.Target)
		if err == nil {
			_, err = update(document, path, a.Update)
		}
		if err != nil {
			return fmt.Errorf("target %s: %w", a.Target, err)
		}
	}
	return nil
}

var (
	targetPattern = regexp.MustCompile(`^\$(\.\w+|\['[^']+'\])*$`)
	memberPattern = regexp.MustCompile(`\.(\w+)|\['([^']+)'\]`)
)

// parseTarget returns the names of a JSONPath that has nothing but names.
func parseTarget(target string) ([]string, error) {
	if !targetPattern.MatchString(target) {
		return nil, fmt.Errorf("not of the form $.name['name']")
	}
	var path []string
	for _, member := range memberPattern.FindAllStringSubmatch(target, -1) {
		path = append(path, member[1]+member[2])
	}
	return path, nil
}

// update returns the node with the value merged into what the path leads to. A
// path that leads nowhere is an error, and not a no-op as the specification has
// it: it is a slip of the pen.
func update(node any, path []string, value any) (any, error) {
	if len(path) == 0 {
		return merge(node, value), nil
	}
	object, _ := node.(map[string]any)
	child, ok := object[path[0]]
	if !ok {
		return nil, fmt.Errorf("there is no %q", path[0])
	}
	updated, err := update(child, path[1:], value)
	if err != nil {
		return nil, err
	}
	object[path[0]] = updated
	return object, nil
}

// merge merges objects member by member, appends to lists, and replaces all else.
func merge(old, value any) any {
	switch old := old.(type) {
	case map[string]any:
		members, ok := value.(map[string]any)
		if !ok {
			return value
		}
		for name, member := range members {
			if existing, ok := old[name]; ok {
				member = merge(existing, member)
			}
			old[name] = member
		}
		return old
	case []any:
		if items, ok := value.([]any); ok {
			return append(old, items...)
		}
		return append(old, value)
	}
	return value
}
