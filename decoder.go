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
)

// A decoder reads one JSON document token by token. That settles in one place what
// reflection leaves open: members that must be there, members that are not known,
// exact names, no half-filled values. The jsontext decoder below refuses invalid
// UTF-8, duplicate names and trailing data.
type decoder struct{ *jsontext.Decoder }

// A documentReader is what decodes a document. It is kept for its buffers: a new one
// costs as many allocations as the rest of a call.
type documentReader struct {
	document bytes.Buffer // jsontext reads a Buffer in place
	decoder  jsontext.Decoder
}

var documentReaders = sync.Pool{New: func() any { return new(documentReader) }}

// decodeDocument reads a whole document with read.
func decodeDocument(document []byte, read func(decoder) error) error {
	r := documentReaders.Get().(*documentReader)
	r.document = *bytes.NewBuffer(document)
	r.decoder.Reset(&r.document)
	defer func() {
		r.document = bytes.Buffer{} // do not keep the document
		r.decoder.Reset(&r.document)
		documentReaders.Put(r)
	}()
	d := decoder{&r.decoder}
	if err := read(d); err != nil {
		return err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return errors.New("there is more after the end")
	}
	return nil
}

// object reads an object, and has member read the value of each member.
func (d decoder) object(member func(name []byte) error) error {
	if err := d.open('{', "an object"); err != nil {
		return err
	}
	for d.PeekKind() == '"' {
		raw, err := d.ReadValue()
		if err != nil {
			return err
		}
		name, err := unquoted(raw)
		if err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := d.ReadToken() // the end, or the error of what is there instead
	return err
}

// array reads an array, and has element read each of its elements. null is empty.
func (d decoder) array(element func() error) error {
	if d.PeekKind() == 'n' {
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
		if err := d.SkipValue(); err != nil { // read, it is what place names
			return err
		}
		return d.unexpected(next, what)
	}
	_, err := d.ReadToken()
	return err
}

// text reads a string. null is "".
func (d decoder) text(dst *string) error {
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	switch raw.Kind() {
	case 'n':
		return nil
	case '"':
		value, err := unquoted(raw)
		*dst = string(value)
		return err
	}
	return d.unexpected(raw.Kind(), "a string")
}

// boolean reads true or false. null is false.
func (d decoder) boolean(dst *bool) error {
	token, err := d.ReadToken()
	if err != nil {
		return err
	}
	switch token.Kind() {
	case 't':
		*dst = true
		return nil
	case 'f', 'n':
		return nil
	}
	return d.unexpected(token.Kind(), "true or false")
}

// integer reads a whole number that is written as one: no fraction, no exponent.
// null is 0.
func (d decoder) integer(dst *int64, bits int) error {
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	switch raw.Kind() {
	case 'n':
		return nil
	case '0':
		if *dst, err = strconv.ParseInt(string(raw), 10, bits); err == nil {
			return nil
		}
	}
	return d.unexpected(raw.Kind(), fmt.Sprintf("an integer of %d bits", bits))
}

// texts reads an array of strings into one allocation for them all. null is empty.
func (d decoder) texts(dst *[]string) error {
	raw, err := d.ReadValue()
	if err != nil || raw.Kind() == 'n' {
		return err
	}
	if raw.Kind() != '[' {
		return d.unexpected(raw.Kind(), "an array of strings")
	}
	rest := string(raw[1:]) // valid JSON
	escapes := strings.Contains(rest, `\`)
	if n := strings.Count(rest, `"`) / 2; n > 0 {
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
			return d.unexpected(jsontext.Value(rest).Kind(), "a string")
		}
		end := 1 + strings.IndexByte(rest[1:], '"')
		text := rest[1:end]
		if escapes && strings.Contains(text, `\`) { // then that quote may be an escaped one
			for end = 1; rest[end] != '"'; end++ {
				if rest[end] == '\\' {
					end++
				}
			}
			unescaped, err := jsontext.AppendUnquote(nil, rest[:end+1])
			if err != nil {
				return err
			}
			text = string(unescaped)
		}
		*dst = append(*dst, text)
		rest = rest[end+1:]
	}
}

// unquoted returns the text of a JSON string, in place where it can.
func unquoted(raw jsontext.Value) ([]byte, error) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	return jsontext.AppendUnquote(nil, raw)
}

func (d decoder) unexpected(kind jsontext.Kind, want string) error {
	return fmt.Errorf("%s has %s where %s belongs", d.place(), kind, want)
}

func (d decoder) missing(name string) error {
	return fmt.Errorf("%s has no %q", d.place(), name)
}

// place names the value that was read last.
func (d decoder) place() string {
	if pointer := d.StackPointer(); pointer != "" {
		return string(pointer)
	}
	return "it"
}
