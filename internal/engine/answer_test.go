package engine

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestParseErrorBody(t *testing.T) {
	t.Parallel()
	const jsonType, text, page = "application/json", "text/plain; charset=utf-8", "text/html"
	for name, tt := range map[string]struct {
		contentType, body string
		want              errorBody
	}{
		"the API's own":                 {jsonType, `{"message":"no","code":"bad","request_id":"req_1"}`, errorBody{"bad", "no", "req_1"}},
		"a code under error":            {jsonType, `{"message":"no","error":"bad"}`, errorBody{code: "bad", message: "no"}},
		"code before error":             {jsonType, `{"message":"no","error":"bad","code":"worse"}`, errorBody{code: "worse", message: "no"}},
		"a message under error":         {jsonType, `{"error":"no"}`, errorBody{message: "no"}},
		"nested":                        {jsonType, `{"error":{"message":"no","code":"bad"}}`, errorBody{code: "bad", message: "no"}},
		"nested, and beside":            {jsonType, `{"message":"outer","error":{"message":"inner","code":1}}`, errorBody{code: "1", message: "outer"}},
		"a number as code":              {jsonType, `{"message":"no","code":40001}`, errorBody{code: "40001", message: "no"}},
		"other types":                   {jsonType, `{"message":["no"],"code":true,"error":null,"request_id":{}}`, errorBody{}},
		"null":                          {jsonType, `null`, errorBody{}},
		"an array":                      {jsonType, `[{"message":"no"}]`, errorBody{}},
		"a string":                      {jsonType, `"no"`, errorBody{}},
		"nothing":                       {jsonType, ``, errorBody{}},
		"cut JSON":                      {jsonType, `{"message":"n`, errorBody{}},
		"JSON that calls itself a page": {page, `{"message":"no"}`, errorBody{message: "no"}},
		"text":                          {text, "upstream connect error\nor disconnect", errorBody{message: "upstream connect error"}},
		"text of no type":               {"", "  not today \r\n", errorBody{message: "not today"}},
		"a page":                        {page, `<html><title>502</title>`, errorBody{}},
		"a page that calls itself text": {text, `<html>`, errorBody{}},
		"bytes":                         {text, "\xff\xfe", errorBody{}},
		"bytes of another type":         {"application/octet-stream", "abc", errorBody{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, parseErrorBody(tt.contentType, []byte(tt.body)))
		})
	}
}

func FuzzParseErrorBody(f *testing.F) {
	for _, seed := range []string{`{"message":"no","code":1}`, `{"error":{"message":"\u0000"}}`, `null`, `[`, "\xff", "<html>", "text\nmore"} {
		f.Add("application/json", []byte(seed))
		f.Add("", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		e := parseErrorBody(contentType, body)
		for _, field := range []string{e.code, e.message, e.requestID} {
			shown := Printable(field, 100)
			assert.LessOrEqual(t, len(shown), 100)
			assert.True(t, utf8.ValidString(shown))
			assert.False(t, strings.ContainsFunc(shown, unicode.IsControl), "%q", shown)
		}
	})
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain":                  "plain",
		"two\r\nlines":           "two  lines",
		"\x1b[31mred\x00":        "[31mred",
		"bad \xff byte":          "bad ? byte",
		"turn \u202e it":         "turn   it",
		"ééééé":                  "ééééé",
		"éééééé":                 "ééé...",
		"exactly 10":             "exactly 10",
		"exactly 11.":            "exactly...",
		"   blanks around      ": "blanks ...",
	} {
		assert.Equal(t, want, Printable(text, 10), "%q", text)
	}
}
