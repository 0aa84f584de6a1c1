package runloop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// Bounds on the size of a decoded document. They are generous: an account has 100 policies,
// and a policy with 10,000 host names is large. Without them, a response of 32 MiB could
// take gigabytes of memory or many seconds of CPU time.
const (
	// maxTokens bounds the names of fields and the values of unknown fields in a
	// document. A long name counts as several tokens, because jsontext copies it to
	// find duplicates.
	maxTokens = 1 << 20
	// maxFields bounds the fields of one object.
	maxFields = 20_000

	maxHostnames         = 100_000   // of a policy
	maxHostnamesOfPage   = 1_000_000 // of all its policies
	maxRanges            = 20_000    // of a policy, port rules included
	maxRangesOfPage      = 50_000
	maxUnknownOfPage     = 50_000  // unknown fields of rules
	maxUnknownSize       = 1 << 20 // of the unknown fields of a policy's rules, in bytes
	maxUnknownSizeOfPage = 4 << 20
	maxUnknownDepth      = 64   // levels in the value of such a field
	maxUnknownNumber     = 400  // bytes of a number in it
	maxHostnameText      = 1000 // bytes of a host name
	maxToken             = 50   // bytes of a CIDR or a protocol

	maxMetadataOfPage = 200_000 // entries of all devboxes
)

// A decoder reads one JSON document token by token. Unlike reflection, it checks required
// fields, keeps unknown fields, and matches names exactly. The embedded jsontext decoder
// rejects invalid UTF-8, duplicate names and trailing data.
//
// The methods of decoder bound the cost of values. ReadValue of jsontext does not: use it
// only for strings, numbers and literals.
type decoder struct{ *documentReader }

// A documentReader decodes a document. It is reused for its buffers, because a new one
// costs as many allocations as the rest of a call.
type documentReader struct {
	jsontext.Decoder
	document []byte
	buffer   bytes.Buffer // on document: jsontext reads a Buffer in place
	decoding
}

// A decoding is the state of one document.
type decoding struct {
	// complete rejects CIDRs without an address range, and port rules without a port.
	complete bool
	// strict rejects null and unknown fields of rules.
	strict bool

	tokens               int // bounded by maxTokens
	inDocument, inPolicy ruleCount
	metadataEntries      int // in the document
}

// A ruleCount counts decoded rules.
type ruleCount struct{ hostnames, ranges, unknown, unknownSize int }

var documentReaders = sync.Pool{New: func() any { return new(documentReader) }}

// decodeDocument reads a whole document with read.
func decodeDocument(document []byte, read func(decoder) error) error {
	r := documentReaders.Get().(*documentReader)
	r.document, r.buffer, r.decoding = document, *bytes.NewBuffer(document), decoding{}
	r.Reset(&r.buffer)
	defer func() {
		r.document, r.buffer = nil, bytes.Buffer{} // do not keep the document
		r.Reset(&r.buffer)
		documentReaders.Put(r)
	}()
	d := decoder{r}
	if err := read(d); err != nil {
		return shortened(err)
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return errors.New("the JSON is followed by more data")
	}
	return nil
}

// shortened truncates the text of an error, which can contain a path of megabytes. The
// limit is long enough to keep an API key near the start whole, so that it is redacted.
func shortened(err error) error {
	const maxText = 4 * maxHeaderValue
	text := err.Error()
	if len(text) <= maxText {
		return err
	}
	return errors.New(engine.Truncate(text, maxText))
}

// object reads an object. The function field reads the value of each field.
func (d decoder) object(field func(name []byte) error) error {
	if err := d.open('{', "an object"); err != nil {
		return err
	}
	for fields := 0; d.PeekKind() == '"'; fields++ {
		raw, err := d.ReadValue()
		if err != nil {
			return err
		}
		if err := d.count(len(raw), fields); err != nil {
			return err
		}
		name, err := unquoted(raw)
		if err != nil {
			return err
		}
		if err := field(name); err != nil {
			return err
		}
	}
	_, err := d.ReadToken() // the end of the object, or a syntax error
	return err
}

// count counts a field by the size of its name.
func (d decoder) count(size, fieldsBefore int) error {
	d.tokens += 1 + size/8
	switch {
	case fieldsBefore >= maxFields:
		return fmt.Errorf("the JSON has an object with more than %d fields", maxFields)
	case d.tokens > maxTokens:
		return errTooManyValues
	}
	return nil
}

var errTooManyValues = fmt.Errorf("%w: the JSON has more than %d unknown values", ErrResponseTooLarge, maxTokens)

// SkipValue discards the next value.
func (d decoder) SkipValue() error { return d.skip(maxTokens, maxTokens) }

// skip is SkipValue with bounds on the value's levels and on the size of its numbers.
func (d decoder) skip(maxDepth, maxNumber int) error {
	outside := d.StackDepth()
	for {
		start := d.InputOffset()
		token, err := d.ReadToken()
		if err != nil {
			return err
		}
		d.tokens++
		depth, size := d.StackDepth(), int(d.InputOffset()-start)
		switch token.Kind() {
		case '"':
			if kind, length := d.StackIndex(depth); kind == '{' && length%2 == 1 && depth > outside {
				err = d.count(size, int(length/2))
			}
		case '0':
			if size > maxNumber {
				err = fmt.Errorf("%s has a number of more than %d bytes", d.place(), maxNumber)
			}
		}
		switch {
		case err != nil:
			return err
		case depth-outside > maxDepth:
			return fmt.Errorf("%s has more than %d levels", d.place(), maxDepth)
		case d.tokens > maxTokens:
			return errTooManyValues
		case depth <= outside:
			return nil
		}
	}
}

// array reads an array. The function element reads each element. null is empty.
func (d decoder) array(element func() error) error {
	if d.PeekKind() == 'n' && !d.strict {
		return d.SkipValue()
	}
	if err := d.open('[', "an array"); err != nil {
		return err
	}
	for kind := d.PeekKind(); kind != ']' && kind != 0; kind = d.PeekKind() {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

func (d decoder) open(kind jsontext.Kind, what string) error {
	if next := d.PeekKind(); next != kind && next != 0 {
		return d.mismatch(next, what)
	}
	_, err := d.ReadToken()
	return err
}

// text reads a string. null is "".
func (d decoder) text(dst *string) error { return d.shortText(dst, len(d.document)) }

// shortText is text for strings of up to maxSize bytes.
func (d decoder) shortText(dst *string, maxSize int) error {
	raw, err := d.scalar('"', "a string")
	if err != nil || raw.Kind() == 'n' {
		return err
	}
	value, err := unquoted(raw)
	if len(value) > maxSize {
		return d.tooLong(maxSize)
	}
	*dst = string(value)
	return err
}

// boolean reads true or false. null is false.
func (d decoder) boolean(dst *bool) error {
	switch next := d.PeekKind(); {
	case next == 't' || next == 'f':
		*dst = next == 't'
		_, err := d.ReadToken()
		return err
	default:
		_, err := d.scalar('f', "true or false")
		return err
	}
}

// integer reads a number that is written without a fraction and an exponent. null is 0.
func (d decoder) integer(dst *int64, bits int) error {
	const maxDigits = len("-9223372036854775808")
	what := "a 32-bit integer"
	if bits == 64 {
		what = "a 64-bit integer"
	}
	raw, err := d.scalar('0', what)
	if err != nil || raw.Kind() == 'n' {
		return err
	}
	if len(raw) <= maxDigits {
		if *dst, err = strconv.ParseInt(string(raw), 10, bits); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s must be %s, without a fraction or exponent", d.place(), what)
}

// scalar reads a value of the kind. It accepts null unless the decoder is strict.
func (d decoder) scalar(kind jsontext.Kind, what string) (jsontext.Value, error) {
	switch next := d.PeekKind(); {
	case next == 'n' && d.strict, next != 'n' && next != kind && next != 0:
		return nil, d.mismatch(next, what)
	}
	return d.ReadValue() // which returns the syntax errors
}

// texts reads an array of strings, in most cases with one allocation for all of their
// text. null is empty.
func (d decoder) texts(dst *[]string, most, maxSize int) error {
	if next := d.PeekKind(); next != '[' {
		_, err := d.scalar('n', "an array of strings")
		return err
	}
	n, isPlain := d.plainTexts()
	switch {
	case !isPlain:
		return d.array(func() error {
			if len(*dst) == most {
				return d.tooMany(most)
			}
			if next := d.PeekKind(); next != '"' && next != 0 {
				return d.mismatch(next, "a string")
			}
			*dst = append(*dst, "")
			return d.shortText(&(*dst)[len(*dst)-1], maxSize)
		})
	case n > most:
		return d.tooMany(most)
	}
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	rest := string(raw[1:]) // valid JSON
	if n > 0 {
		*dst = make([]string, 0, n)
	}
	for {
		for rest[0] == ',' || rest[0] <= ' ' {
			rest = rest[1:]
		}
		if rest[0] == ']' {
			return nil
		}
		if rest[0] != '"' {
			place := fmt.Sprintf("%s/%d", d.place(), len(*dst))
			return unexpected(place, jsontext.Value(rest[:1]).Kind(), "a string")
		}
		end := 1 + strings.IndexByte(rest[1:], '"')
		if end-1 > maxSize {
			return d.tooLong(maxSize)
		}
		*dst = append(*dst, rest[1:end])
		rest = rest[end+1:]
	}
}

// plainTexts returns the number of strings in the next value, an array, and whether it
// contains no arrays, objects or escapes.
func (d decoder) plainTexts() (n int, isPlain bool) {
	rest := d.document[d.InputOffset():]
	array := rest[:bytes.IndexByte(rest, ']')+1]
	quotes := bytes.Count(array, []byte{'"'})
	// If the number of quotes is odd, the bracket is part of a string.
	return quotes / 2, quotes%2 == 0 && bytes.IndexByte(array, '\\') < 0 &&
		bytes.IndexByte(array, '{') < 0 && bytes.Count(array, []byte{'['}) == 1
}

// unquoted returns the text of a JSON string, in place if it has no escapes.
func unquoted(raw jsontext.Value) ([]byte, error) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	return jsontext.AppendUnquote(nil, raw)
}

// mismatch returns the error for a value of the wrong kind.
func (d decoder) mismatch(kind jsontext.Kind, want string) error {
	if err := d.SkipValue(); err != nil { // place names the value that was read last
		return err
	}
	return unexpected(d.place(), kind, want)
}

func unexpected(place string, kind jsontext.Kind, want string) error {
	found := kind.String() // null, true or false
	switch kind {
	case '{':
		found = "an object"
	case '[':
		found = "an array"
	case '"':
		found = "a string"
	case '0':
		found = "a number"
	}
	return fmt.Errorf("%s must be %s, not %s", place, want, found)
}

func (d decoder) missing(name string) error {
	return fmt.Errorf("%s has no %q", d.place(), name)
}

func (d decoder) tooLong(maxSize int) error {
	return fmt.Errorf("%s has a string of more than %d bytes", d.place(), maxSize)
}

func (d decoder) tooMany(most int) error {
	return fmt.Errorf("%s has more than %d entries", d.place(), most)
}

// place names the value that was read last.
func (d decoder) place() string {
	if pointer := d.StackPointer(); pointer != "" {
		return printable(string(pointer), 2*maxHeaderValue)
	}
	return "the JSON"
}
