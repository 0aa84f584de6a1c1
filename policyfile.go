package runloop

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
)

// fileView is the file form of NetworkPolicyCreateParams.
type fileView struct {
	Name        string      `json:"name"`
	Description string      `json:"description,omitzero"`
	Egress      EgressRules `json:"egress"`
}

// MarshalJSON returns the file form: an object with name, description and egress. Rules that
// this version of the SDK does not know are an error, because no policy can be created with
// them.
func (p NetworkPolicyCreateParams) MarshalJSON() ([]byte, error) {
	known := p.Egress.known()
	if unknown := known.diffWithoutValues(p.Egress); len(unknown) > 0 {
		return nil, fmt.Errorf("runloop: write network policy: this version of the SDK does not know %s: remove them or upgrade the SDK",
			strings.ReplaceAll(strings.Join(unknown, ", "), "+ ", ""))
	}
	return json.Marshal(fileView{Name: p.Name, Description: p.Description, Egress: known})
}

// UnmarshalJSON decodes the file form. Name and egress are required, and unknown fields are
// an error. If it returns an error, p is unchanged.
func (p *NetworkPolicyCreateParams) UnmarshalJSON(document []byte) error {
	var params NetworkPolicyCreateParams
	if err := decodeDocument(document, func(d decoder) error { return d.file(&params) }); err != nil {
		return fmt.Errorf("runloop: read network policy: %w", err)
	}
	*p = params
	return nil
}

// MarshalYAML returns the file form, for go.yaml.in/yaml/v3 and compatible packages.
func (p NetworkPolicyCreateParams) MarshalYAML() (any, error) { return toYAML(p) }

// UnmarshalYAML decodes the file form like UnmarshalJSON, for go.yaml.in/yaml/v3 and
// compatible packages. If it returns an error, p is unchanged.
func (p *NetworkPolicyCreateParams) UnmarshalYAML(unmarshal func(any) error) error {
	return fromYAML(unmarshal, p.UnmarshalJSON)
}

func (d decoder) file(p *NetworkPolicyCreateParams) error {
	d.complete, d.strict = true, true
	var hasEgress bool
	err := d.object(func(name []byte) error {
		switch string(name) {
		case "name":
			return d.text(&p.Name)
		case "description":
			if d.PeekKind() == 'n' { // as the API writes it
				return d.SkipValue()
			}
			return d.text(&p.Description)
		case "egress":
			hasEgress = d.PeekKind() != 'n'
			if !hasEgress {
				return d.SkipValue()
			}
			return d.egress(&p.Egress)
		case "id", "create_time_ms", "update_time_ms":
			return fmt.Errorf("%s is set by the API: remove it", d.place())
		case "allow_all", "allow_devbox_to_devbox", "allowed_hostnames", "allow_agent_gateway", "allow_mcp_gateway",
			"allow_runloop_mirrors", "allowed_cidrs":
			return fmt.Errorf(`%s is a field of "egress": write it there`, d.place())
		}
		return fmt.Errorf(`%s is not a known field: the fields are "name", "description" and "egress"`, d.place())
	})
	switch {
	case err != nil:
		return err
	case p.Name == "":
		return d.missing("name")
	case !hasEgress:
		return fmt.Errorf(`%w: write "egress": {} to deny everything`, d.missing("egress"))
	}
	return nil
}

// fromYAML converts a YAML value to JSON and passes it to an UnmarshalJSON method.
func fromYAML(unmarshal func(any) error, unmarshalJSON func([]byte) error) error {
	var value any
	if err := unmarshal(&value); err != nil {
		return err
	}
	value, err := jsonValue(value)
	if err != nil {
		return fmt.Errorf("runloop: read YAML: %w", err)
	}
	document, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return unmarshalJSON(document)
}

// jsonValue returns a decoded YAML value as a value that JSON can represent.
func jsonValue(value any) (_ any, err error) {
	switch value := value.(type) {
	case nil, bool, string, int, int64, uint64, float64:
		return value, nil
	case []any:
		for i := range value {
			if value[i], err = jsonValue(value[i]); err != nil {
				return nil, fmt.Errorf("%d: %w", i, err)
			}
		}
		return value, nil
	case map[string]any:
		for name := range value {
			if value[name], err = jsonValue(value[name]); err != nil {
				return nil, fmt.Errorf("%s: %w", printable(name, 80), err)
			}
		}
		return value, nil
	case map[any]any:
		object := make(map[string]any, len(value))
		for key, field := range value {
			name, ok := key.(string)
			if !ok {
				return nil, fmt.Errorf("the field name %v is not a string: write it in quotes", key)
			}
			if object[name], err = jsonValue(field); err != nil {
				return nil, fmt.Errorf("%s: %w", printable(name, 80), err)
			}
		}
		return object, nil
	}
	return nil, fmt.Errorf("a %T is not a JSON value: write it in quotes", value)
}

// toYAML returns the JSON form of a value as a tree that YAML packages can encode.
func toYAML(value stdjson.Marshaler) (any, error) {
	document, err := value.MarshalJSON()
	if err != nil {
		return nil, err
	}
	decoder := stdjson.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return nil, err
	}
	return yamlValue(tree)
}

// yamlValue replaces the numbers of a JSON tree with Go numbers.
func yamlValue(tree any) (_ any, err error) {
	switch tree := tree.(type) {
	case []any:
		for i := range tree {
			if tree[i], err = yamlValue(tree[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for name := range tree {
			if tree[name], err = yamlValue(tree[name]); err != nil {
				return nil, err
			}
		}
	case stdjson.Number:
		number := canonicalNumber(tree.String())
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			return n, nil
		}
		f, err := strconv.ParseFloat(number, 64)
		if err != nil || canonicalNumber(strconv.FormatFloat(f, 'g', -1, 64)) != number {
			return nil, fmt.Errorf("runloop: write YAML: a number of %d digits cannot be written exactly", len(number))
		}
		return f, nil
	}
	return tree, nil
}
