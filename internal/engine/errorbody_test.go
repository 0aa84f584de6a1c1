package engine_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// The API documents no form of its error bodies, and proxies have their own. What is read
// of them is in TestParseErrorBody; this is what is made of it.
func TestErrorBodiesOfAllKinds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body                     string
		message, code, requestID string
	}{
		"message":                   {body: `{"message": "no such policy"}`, message: "no such policy"},
		"the API's newer envelope":  {body: `{"error": "tunnel_unavailable", "message": "m", "retryable": true, "phase": "connect", "request_id": "req_1", "details": {"retry_after": 3}}`, message: "m", code: "tunnel_unavailable", requestID: "req_1"},
		"second document":           {body: `{"message": "a"} {"message": "b"}`},
		"line breaks":               {body: `{"message": "no such\r\n\tpolicy\n"}`, message: "no such   policy"},
		"NUL and escapes":           {body: `{"message": "no\u0000such\u001b[31mpolicy"}`, message: "no such [31mpolicy"},
		"text from right to left":   {body: `{"message": "policy\u202egnp.exe"}`, message: "policy gnp.exe"},
		"lone surrogate":            {body: `{"message": "no \ud800 policy"}`, message: "no � policy"},
		"invalid UTF-8":             {body: "{\"message\": \"no \xff policy\"}", message: "no � policy"},
		"other languages":           {body: `{"message": "Réseau introuvable – ネット"}`, message: "Réseau introuvable – ネット"},
		"long message":              {body: `{"message": "` + strings.Repeat("x", 5000) + `"}`, message: strings.Repeat("x", 1021) + "..."},
		"long code and ID":          {body: `{"code": "` + strings.Repeat("c", 100) + `", "request_id": "` + strings.Repeat("r", 100) + `"}`, code: strings.Repeat("c", 61) + "...", requestID: strings.Repeat("r", 61) + "..."},
		"nesting without an end":    {body: strings.Repeat(`{"error":`, 20_000)},
		"longer than what is kept":  {body: `{"message": "` + strings.Repeat("x", 70<<10) + `"}`},
		"message in another case":   {body: `{"Message": "m"}`},
		"HTML that claims to be it": {body: `<html><body>no such policy</body></html>`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := clienttest.FailWith(t, clienttest.GetCall, clienttest.Respond(404, test.body))
			got := clienttest.AsAPIError(t, err)
			assert.Equal(t, 404, got.StatusCode)
			assert.Equal(t, test.message, got.Message)
			assert.Equal(t, test.code, got.Code)
			assert.Equal(t, test.requestID, got.RequestID)
			assert.True(t, strings.HasPrefix(test.body, string(got.Body)), "the body is kept as it came")
		})
	}
}

func TestErrorBodiesThatAreNotJSON(t *testing.T) {
	t.Parallel()
	const page = "<!DOCTYPE html>\n<html><h1>502 Bad Gateway</h1></html>"
	for name, test := range map[string]struct{ contentType, body, message string }{
		"plain text":                 {"text/plain; charset=utf-8", "upstream connect error", "upstream connect error"},
		"plain text, no type":        {"", "upstream connect error", "upstream connect error"},
		"plain text, its first line": {"text/plain", "\n404 page not found\nsee the manual\n", "404 page not found"},
		"plain text, invalid UTF-8":  {"text/plain", "oops \xff", ""},
		"plain text with NUL":        {"text/plain", "oops\x00\x1b[2J", "oops  [2J"},
		"a page":                     {"text/html", page, ""},
		"a page that is called text": {"text/plain", page, ""},
		"a page without a type":      {"", page, ""},
		"a page behind a BOM":        {"", "\ufeff" + page, ""},
		"text that is called a page": {"text/html; charset=utf-8", "Bad Gateway", ""},
		"text that is called JSON":   {"application/json", "Bad Gateway", ""},
		"XML":                        {"application/xml", "<Error><Message>x</Message></Error>", ""},
		"a type that is none":        {";;;", page, ""},
		"JSON that is called text":   {"text/plain", `{"message": "no such policy"}`, "no such policy"},
		"bytes":                      {"application/octet-stream", "\x1f\x8b\x08\x00", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := clienttest.FailWith(t, clienttest.GetCall, clienttest.RespondWith(502, test.body, http.Header{"Content-Type": {test.contentType}}))
			got := clienttest.AsAPIError(t, err)
			assert.Equal(t, test.message, got.Message)
			assert.Equal(t, test.body, string(got.Body))
			assert.NotContains(t, err.Error(), "html")
		})
	}
}

func TestHeadersThatNameTheError(t *testing.T) {
	t.Parallel()
	const body = `{"message": "m", "error": "body_code", "request_id": "req_body"}`
	for name, test := range map[string]struct {
		header          http.Header
		code, requestID string
	}{
		"none":                {http.Header{}, "body_code", "req_body"},
		"the API's own":       {http.Header{"X-Runloop-Error-Code": {"header_code"}, "X-Runloop-Request-Id": {"req_header"}}, "header_code", "req_header"},
		"the common one":      {http.Header{"X-Request-Id": {"req_common"}}, "body_code", "req_common"},
		"both":                {http.Header{"X-Request-Id": {"req_common"}, "X-Runloop-Request-Id": {"req_header"}}, "body_code", "req_header"},
		"empty ones":          {http.Header{"X-Runloop-Error-Code": {""}, "X-Runloop-Request-Id": {""}}, "body_code", "req_body"},
		"ones with a control": {http.Header{"X-Runloop-Error-Code": {"a\x1bb"}, "X-Runloop-Request-Id": {"r\x00q"}}, "a b", "r q"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := clienttest.AsAPIError(t, clienttest.FailWith(t, clienttest.GetCall, clienttest.RespondWith(400, body, test.header)))
			assert.Equal(t, test.code, got.Code)
			assert.Equal(t, test.requestID, got.RequestID)
			assert.Equal(t, "m", got.Message)
		})
	}
}

func TestRequestIDOfAnErrorIsTheOneThatWasSentWhenTheAPINamesNone(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodPost, clienttest.PolicyPath, clienttest.Respond(403, `{}`))
	_, err := clienttest.UpdateCall.Do(t.Context(), client)
	assert.Equal(t, api.Only().Header.Get("X-Request-Id"), clienttest.AsAPIError(t, err).RequestID)

	assert.Empty(t, clienttest.AsAPIError(t, clienttest.FailWith(t, clienttest.GetCall, clienttest.Respond(403, `{}`))).RequestID, "a read sends none")
}

func TestAnErrorBodyThatBreaksOffKeepsItsStatus(t *testing.T) {
	t.Parallel()
	err := clienttest.FailWith(t, clienttest.GetCall, func(*http.Request) (*http.Response, error) {
		body := io.MultiReader(strings.NewReader("half of"), iotest.ErrReader(io.ErrUnexpectedEOF))
		return &http.Response{StatusCode: 404, Header: http.Header{}, Body: io.NopCloser(body)}, nil
	})
	require.ErrorIs(t, err, runloop.ErrNotFound)
	assert.Equal(t, "half of", string(clienttest.AsAPIError(t, err).Body))
}
