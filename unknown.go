package runloop

import (
	"bytes"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// unknownFields are the fields of an object that this version of the SDK does not know: a
// JSON object, or "" for none. They are kept, because a policy with a field that allows
// something must not look like a narrower policy.
type unknownFields string

// newUnknownFields converts the fields that decoder.unknownField has written.
func newUnknownFields(fields []byte) unknownFields {
	if len(fields) == 0 {
		return ""
	}
	fields[0] = '{' // in place of the first comma
	return unknownFields(append(fields, '}'))
}

// marshalWith returns the JSON object of known, which has fields, with the fields of u.
func (u unknownFields) marshalWith(known any) ([]byte, error) {
	object, err := json.Marshal(known)
	if err != nil || u == "" {
		return object, err
	}
	object[len(object)-1] = ',' // in place of the closing brace
	return append(object, u[1:]...), nil
}

// each calls visit for every field.
func (u unknownFields) each(visit func(name string, value jsontext.Value)) {
	if u == "" {
		return
	}
	// There is no error, because newUnknownFields returns valid JSON.
	_ = decodeDocument([]byte(u), func(d decoder) error {
		return d.object(func(raw []byte) error {
			name := string(raw) // reading invalidates it
			value, err := d.ReadValue()
			if err == nil {
				visit(name, value)
			}
			return err
		})
	})
}

// names returns the names of the fields that allow something.
func (u unknownFields) names() []string {
	var names []string
	for _, rule := range u.rules("", false) {
		names = append(names, rule.text)
	}
	return names
}

// rules returns a rule for each field that allows something.
func (u unknownFields) rules(prefix string, quoted bool) []rule {
	var rules []rule
	u.each(func(name string, value jsontext.Value) {
		if canonical, allows := canonicalValue(value); allows {
			if quoted || !isPlain(name) {
				name = strconv.QuoteToASCII(name)
			}
			rules = append(rules, rule{prefix + name, canonical})
		}
	})
	return rules
}

// without returns u without the fields of these names.
func (u unknownFields) without(names []string) unknownFields {
	var kept []byte
	u.each(func(name string, value jsontext.Value) {
		if !slices.Contains(names, name) {
			// There is no error, because the name is valid UTF-8.
			kept, _ = jsontext.AppendQuote(append(kept, ','), name)
			kept = append(append(kept, ':'), value...)
		}
	})
	return newUnknownFields(kept)
}

// canonicalValue returns a value in the form of RFC 8785, except that numbers keep all
// their digits, and whether it may allow something. A value allows nothing if it is false,
// null, 0 or empty, or contains only such values.
func canonicalValue(value jsontext.Value) (canonical string, allows bool) {
	value = value.Clone()
	// There is no error, because the value was decoded before.
	_ = value.Canonicalize(jsontext.CanonicalizeRawInts(false), jsontext.CanonicalizeRawFloats(false))
	text := make([]byte, 0, len(value))
	for rest := []byte(value); len(rest) > 0; {
		n := 1
		switch c := rest[0]; {
		case c == '"':
			for ; rest[n] != '"'; n++ {
				if rest[n] == '\\' {
					n++
				}
			}
			n++
			isName := n < len(rest) && rest[n] == ':'
			allows = allows || n > len(`""`) && !isName
		case c == '-' || '0' <= c && c <= '9':
			for n < len(rest) && bytes.IndexByte([]byte("+-.0123456789Ee"), rest[n]) >= 0 {
				n++
			}
			number := canonicalNumber(string(rest[:n]))
			allows = allows || number != "0"
			text, rest = append(text, number...), rest[n:]
			continue
		case c == 't':
			n, allows = len("true"), true
		case c == 'f':
			n = len("false")
		case c == 'n':
			n = len("null")
		}
		text, rest = append(text, rest[:n]...), rest[n:]
	}
	return string(text), allows
}

// canonicalNumber returns a JSON number in the form of RFC 8785, but with all its digits.
// Numbers have the same text exactly if they have the same value.
func canonicalNumber(number string) string {
	mantissa, exponent := number, "0"
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		mantissa, exponent = number[:i], number[i+1:]
	}
	mantissa, isNegative := strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return "0"
	}
	// The number is 0.DIGITS times ten to the power of point, which may be any integer.
	point, _ := new(big.Int).SetString(exponent, 10)
	point.Add(point, big.NewInt(int64(len(digits)-len(fraction))))
	digits = strings.TrimRight(digits, "0")
	sign := ""
	if isNegative {
		sign = "-"
	}
	if !point.IsInt64() || point.Int64() <= -6 || point.Int64() > 21 {
		first, rest := digits[:1], digits[1:]
		if rest != "" {
			rest = "." + rest
		}
		return sign + first + rest + "e" + fmt.Sprintf("%+d", point.Sub(point, big.NewInt(1)))
	}
	switch n := int(point.Int64()); {
	case n <= 0:
		return sign + "0." + strings.Repeat("0", -n) + digits
	case n < len(digits):
		return sign + digits[:n] + "." + digits[n:]
	default:
		return sign + digits + strings.Repeat("0", n-len(digits))
	}
}
