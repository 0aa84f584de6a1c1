package runloop

import (
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// unknownMembers are the members of an object in an answer that this version of
// the SDK does not know, as the text of a JSON object, or empty for none. Ignored,
// one that opens something would let a policy pass for a narrower one.
type unknownMembers string

// newUnknownMembers takes the members as decoder.unknownMember writes them.
func newUnknownMembers(members []byte) unknownMembers {
	if len(members) == 0 {
		return ""
	}
	members[0] = '{' // in place of the first comma
	return unknownMembers(append(members, '}'))
}

// marshalWith returns the JSON of known, which has members, and of those of u.
func (u unknownMembers) marshalWith(known any) ([]byte, error) {
	object, err := json.Marshal(known)
	if err != nil || u == "" {
		return object, err
	}
	object[len(object)-1] = ',' // in place of the closing brace
	return append(object, u[1:]...), nil
}

// rules returns a line for each member that may open something.
func (u unknownMembers) rules(prefix string) []string {
	var rules []string
	u.each(func(name string, value jsontext.Value) {
		if !opensNothing(value) {
			rules = append(rules, prefix+strconv.QuoteToASCII(name)+" "+string(value))
		}
	})
	return rules
}

// opensNothing reports whether a value means "off" whatever the member is.
func opensNothing(canonical jsontext.Value) bool {
	switch string(canonical) {
	case "null", "false", "0", `""`, "[]", "{}":
		return true
	}
	return false
}

// each visits the members, their values in the canonical form of RFC 8785.
func (u unknownMembers) each(visit func(name string, value jsontext.Value)) {
	if u == "" {
		return
	}
	// What newUnknownMembers put together is valid JSON, so this ends without an error.
	_ = decodeDocument([]byte(u), func(d decoder) error {
		return d.object(func(raw []byte) error {
			name := string(raw) // reading invalidates it
			value, err := d.ReadValue()
			if err != nil {
				return err
			}
			value = value.Clone()
			if err := value.Canonicalize(); err != nil {
				return err
			}
			visit(name, value)
			return nil
		})
	})
}

// Stubs until the rules are merged.
func (r EgressRules) ignoring([]string) EgressRules            { return r }
func (r EgressRules) diffWithoutValues(o EgressRules) []string { return r.Diff(o) }
