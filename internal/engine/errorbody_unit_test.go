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
		"the API's form":                      {jsonType, `{"message":"no","code":"bad","request_id":"req_1"}`, errorBody{code: "bad", message: "no", requestID: "req_1", structured: true}},
		"a code under error":                  {jsonType, `{"message":"no","error":"bad"}`, errorBody{code: "bad", message: "no", structured: true}},
		"code before error":                   {jsonType, `{"message":"no","error":"bad","code":"worse"}`, errorBody{code: "worse", message: "no", structured: true}},
		"a message under error":               {jsonType, `{"error":"no"}`, errorBody{message: "no", structured: true}},
		"nested":                              {jsonType, `{"error":{"message":"no","code":"bad"}}`, errorBody{code: "bad", message: "no", structured: true}},
		"nested, and not":                     {jsonType, `{"message":"outer","error":{"message":"inner","code":1}}`, errorBody{code: "1", message: "outer", structured: true}},
		"a number as code":                    {jsonType, `{"message":"no","code":40001}`, errorBody{code: "40001", message: "no", structured: true}},
		"other types":                         {jsonType, `{"message":["no"],"code":true,"error":null,"request_id":{}}`, errorBody{structured: true}},
		"null":                                {jsonType, `null`, errorBody{structured: true, silent: true}},
		"an array":                            {jsonType, `[{"message":"no"}]`, errorBody{structured: true}},
		"a string":                            {jsonType, `"no"`, errorBody{structured: true}},
		"nothing":                             {jsonType, ``, errorBody{structured: true, silent: true}},
		"cut JSON":                            {jsonType, `{"message":"n`, errorBody{truncated: true}},
		"JSON of type HTML":                   {page, `{"message":"no"}`, errorBody{message: "no", structured: true}},
		"text":                                {text, "upstream connect error\nor disconnect", errorBody{message: "upstream connect error"}},
		"text of no type":                     {"", "  not today \r\n", errorBody{message: "not today"}},
		"a page":                              {page, `<html><title>502</title>`, errorBody{}},
		"a page of type text":                 {text, `<html>`, errorBody{}},
		"bytes":                               {text, "\xff\xfe", errorBody{}},
		"invalid UTF-8":                       {text, "oops \xff", errorBody{}},
		"text of type HTML":                   {"text/html; charset=utf-8", "Bad Gateway", errorBody{}},
		"text of type JSON":                   {jsonType, "Bad Gateway", errorBody{}},
		"XML":                                 {"application/xml", "<Error><Message>x</Message></Error>", errorBody{}},
		"an invalid type":                     {";;;", "<html>", errorBody{}},
		"a second document":                   {jsonType, `{"message": "a"} {"message": "b"}`, errorBody{}},
		"another case":                        {jsonType, `{"Message": "m"}`, errorBody{structured: true}},
		"text of another type":                {"application/octet-stream", "abc", errorBody{}},
		"an empty object":                     {jsonType, `{}`, errorBody{structured: true, silent: true}},
		"fields without text":                 {jsonType, `{"status":400,"retryable":false,"detail":null,"title":"","errors":[],"at":1.5}`, errorBody{structured: true, silent: true}},
		"a code alone":                        {jsonType, `{"code":"bad","request_id":"req_1"}`, errorBody{code: "bad", requestID: "req_1", structured: true, silent: true}},
		"a nested code alone":                 {jsonType, `{"error":{"code":"bad"}}`, errorBody{code: "bad", structured: true, silent: true}},
		"an empty nested object":              {jsonType, `{"error":{}}`, errorBody{structured: true, silent: true}},
		"a message under another name":        {jsonType, `{"detail":"no"}`, errorBody{structured: true}},
		"a nested message under another name": {jsonType, `{"error":{"reason":"no"}}`, errorBody{structured: true}},
		"next to a nested code":               {jsonType, `{"error":{"code":"bad"},"title":"no"}`, errorBody{code: "bad", structured: true}},
		"errors":                              {jsonType, `{"errors":[{"message":"no"}]}`, errorBody{structured: true}},
		"a list under error":                  {jsonType, `{"error":["no"]}`, errorBody{structured: true}},
		"cut after a nested object":           {jsonType, `{"error":{"message":"no"}`, errorBody{truncated: true}},
		"an open brace":                       {jsonType, `{`, errorBody{truncated: true}},
		"an open list":                        {jsonType, `[`, errorBody{truncated: true}},
		"invalid JSON":                        {jsonType, `{"message":no}`, errorBody{}},
	} {
		assert.Equal(t, tt.want, parseErrorBody(tt.contentType, []byte(tt.body)), name)
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
