package runloop_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What comes out of a value: by a verb of fmt, in a log, in JSON, by reflection.

// formsOf returns a text in the forms in which servers write it.
func formsOf(t *testing.T, s string) map[string]string {
	t.Helper()
	escaped, err := json.Marshal(s)
	require.NoError(t, err)
	quoted := strconv.Quote(s)
	forms := map[string]string{
		"in HTML":                html.EscapeString(s),
		"in JSON":                quoted[1 : len(quoted)-1],
		"in JSON for HTML":       string(escaped[1 : len(escaped)-1]),
		"in JSON by PHP":         strings.ReplaceAll(quoted[1:len(quoted)-1], "/", `\/`),
		"in a query":             url.QueryEscape(s),
		"in a path":              url.PathEscape(s),
		"in a query, lower case": strings.NewReplacer("%3C", "%3c", "%3E", "%3e", "%2F", "%2f", "%5C", "%5c", "%2B", "%2b", "%3D", "%3d").Replace(url.QueryEscape(s)),
	}
	maps.DeleteFunc(forms, func(_, form string) bool { return form == s })
	forms["as it is"] = s
	return forms
}

// prints returns everything that comes out of v.
func prints(v any) map[string]string {
	outputs := map[string]string{"fmt.Sprint": fmt.Sprint(v), "fmt.Sprintln": fmt.Sprintln(v), "panic": recovered(v)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "% X", "%d", "%t", "%p", "%T", "%10.300s"} {
		outputs[verb] = fmt.Sprintf(verb, v)
		outputs[verb+" in a struct"] = fmt.Sprintf(verb, struct{ V any }{v})
		outputs[verb+" in a slice"] = fmt.Sprintf(verb, []any{v})
	}
	var text, document bytes.Buffer
	options := &slog.HandlerOptions{Level: slog.LevelDebug}
	slog.New(slog.NewTextHandler(&text, options)).Error("failed", "v", v, slog.Group("g", "v", v))
	slog.New(slog.NewJSONHandler(&document, options)).Error("failed", "v", v, slog.Group("g", "v", v))
	outputs["slog text"], outputs["slog JSON"] = text.String(), document.String()
	marshalled, _ := json.Marshal(v) // []byte in it comes in base64, which dump decodes
	outputs["json.Marshal"] = string(marshalled)
	if err, ok := v.(error); ok {
		outputs["Error"] = err.Error()
		outputs["wrapped"] = fmt.Errorf("launching: %w", err).Error()
		outputs["joined"] = errors.Join(err, io.EOF).Error()
	}
	var dumped strings.Builder
	dump(&dumped, reflect.ValueOf(v), map[unsafe.Pointer]bool{})
	outputs["a dump by reflection"] = dumped.String()
	return outputs
}

func recovered(v any) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	panic(v)
}

// dump writes all that reflection reaches from v, unexported fields too.
func dump(w *strings.Builder, v reflect.Value, seen map[unsafe.Pointer]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || seen[v.UnsafePointer()] {
			return
		}
		seen[v.UnsafePointer()] = true
		dump(w, v.Elem(), seen)
	case reflect.Interface:
		dump(w, v.Elem(), seen)
	case reflect.Struct:
		for _, field := range v.Fields() {
			dump(w, field, seen)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			dump(w, key, seen)
			dump(w, v.MapIndex(key), seen)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 && v.Kind() == reflect.Slice {
			w.Write(v.Bytes())
		}
		for i := range v.Len() {
			dump(w, v.Index(i), seen)
		}
	case reflect.String:
		w.WriteString(v.String() + "\n")
	}
}

func TestDumpReachesEverything(t *testing.T) {
	t.Parallel()
	type inner struct{ text *string }
	v := &struct {
		m map[string]any
		b []byte
		p **inner
	}{m: map[string]any{"in a key": []any{"in a value"}}, b: []byte("in bytes"), p: new(&inner{new("behind pointers")})}
	var w strings.Builder
	dump(&w, reflect.ValueOf(v), map[unsafe.Pointer]bool{})
	for _, part := range []string{"in a key", "in a value", "in bytes", "behind pointers"} {
		assert.Contains(t, w.String(), part)
	}
}

// assertSecret says that no form of the key comes out of v.
func assertSecret(t *testing.T, key string, v any) {
	t.Helper()
	for output, text := range prints(v) {
		for form, written := range formsOf(t, key) {
			if strings.Contains(text, written) || strings.Contains(text, fmt.Sprintf("%x", written)) {
				t.Fatalf("%s shows the key of %T, %s: %s", output, v, form, text)
			}
		}
	}
}
