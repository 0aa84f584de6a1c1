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

// These tests check what an error contains of its body. TestParseErrorBody has the forms of
// bodies.
func TestErrorBodies(t *testing.T) {
	t.Parallel()
	const jsonType = "application/json"
	const page = "<!DOCTYPE html>\n<html><h1>502 Bad Gateway</h1></html>"
	x := strings.Repeat("x", 5000)
	for name, tt := range map[string]struct {
		contentType, body        string
		message, code, requestID string
	}{
		"the API's envelope":       {jsonType, `{"error": "tunnel_unavailable", "message": "m", "retryable": true, "phase": "connect", "request_id": "req_1", "details": {"retry_after": 3}}`, "m", "tunnel_unavailable", "req_1"},
		"line breaks":              {jsonType, `{"message": "no such\r\n\tpolicy\n"}`, "no such   policy", "", ""},
		"NUL and escapes":          {jsonType, `{"message": "no\u0000such\u001b[31mpolicy"}`, "no such [31mpolicy", "", ""},
		"right to left":            {jsonType, `{"message": "policy\u202egnp.exe"}`, "policy gnp.exe", "", ""},
		"lone surrogate":           {jsonType, `{"message": "no \ud800 policy"}`, "no � policy", "", ""},
		"invalid UTF-8":            {jsonType, "{\"message\": \"no \xff policy\"}", "no � policy", "", ""},
		"other languages":          {jsonType, `{"message": "Réseau introuvable – ネット"}`, "Réseau introuvable – ネット", "", ""},
		"long message":             {jsonType, `{"message": "` + x + `"}`, x[:1021] + "...", "", ""},
		"long code and ID":         {jsonType, `{"code": "` + x + `", "request_id": "` + x + `"}`, "", x[:61] + "...", x[:61] + "..."},
		"deep nesting":             {jsonType, strings.Repeat(`{"error":`, 20_000), "", "", ""},
		"longer than what is kept": {jsonType, `{"message": "` + strings.Repeat("x", 70<<10) + `"}`, "", "", ""},
		"plain text":               {"text/plain; charset=utf-8", "\n404 page not found\nsee the manual\n", "404 page not found", "", ""},
		"plain text with NUL":      {"text/plain", "oops\x00\x1b[2J", "oops  [2J", "", ""},
		"a page":                   {"text/html", page, "", "", ""},
		"a page of type text":      {"text/plain", page, "", "", ""},
		"a page behind a BOM":      {"", "\ufeff" + page, "", "", ""},
		"bytes":                    {"application/octet-stream", "\x1f\x8b\x08\x00", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := clienttest.FailWith(t, clienttest.GetCall, clienttest.RespondWith(502, tt.body, http.Header{"Content-Type": {tt.contentType}}))
			got := clienttest.AsAPIError(t, err)
			assert.Equal(t, 502, got.StatusCode)
			assert.Equal(t, tt.message, got.Message)
			assert.Equal(t, tt.code, got.Code)
			assert.Equal(t, tt.requestID, got.RequestID)
			assert.True(t, strings.HasPrefix(tt.body, string(got.Body)), "the body is unchanged")
			assert.NotContains(t, err.Error(), "html")
		})
	}
}

func TestHeadersOfAnError(t *testing.T) {
	t.Parallel()
	const body = `{"message": "m", "error": "body_code", "request_id": "req_body"}`
	for name, tt := range map[string]struct {
		header          http.Header
		code, requestID string
	}{
		"none":               {http.Header{}, "body_code", "req_body"},
		"the API's":          {http.Header{"X-Runloop-Error-Code": {"header_code"}, "X-Runloop-Request-Id": {"req_header"}}, "header_code", "req_header"},
		"the usual one":      {http.Header{"X-Request-Id": {"req_usual"}}, "body_code", "req_usual"},
		"both":               {http.Header{"X-Request-Id": {"req_usual"}, "X-Runloop-Request-Id": {"req_header"}}, "body_code", "req_header"},
		"empty ones":         {http.Header{"X-Runloop-Error-Code": {""}, "X-Runloop-Request-Id": {""}}, "body_code", "req_body"},
		"control characters": {http.Header{"X-Runloop-Error-Code": {"a\x1bb"}, "X-Runloop-Request-Id": {"r\x00q"}}, "a b", "r q"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := clienttest.AsAPIError(t, clienttest.FailWith(t, clienttest.GetCall, clienttest.RespondWith(400, body, tt.header)))
			assert.Equal(t, tt.code, got.Code)
			assert.Equal(t, tt.requestID, got.RequestID)
			assert.Equal(t, "m", got.Message)
		})
	}
}

func TestTheRequestIDOfAnErrorDefaultsToTheOneSent(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodPost, clienttest.PolicyPath, clienttest.Respond(403, `{}`))
	_, err := clienttest.UpdateCall.Do(t.Context(), client)
	assert.Equal(t, api.Only().Header.Get("X-Request-Id"), clienttest.AsAPIError(t, err).RequestID)

	assert.Empty(t, clienttest.AsAPIError(t, clienttest.FailWith(t, clienttest.GetCall, clienttest.Respond(403, `{}`))).RequestID, "a read sends none")
}

func TestACutErrorBodyKeepsItsStatus(t *testing.T) {
	t.Parallel()
	err := clienttest.FailWith(t, clienttest.GetCall, func(*http.Request) (*http.Response, error) {
		body := io.MultiReader(strings.NewReader("half of"), iotest.ErrReader(io.ErrUnexpectedEOF))
		return &http.Response{StatusCode: 404, Header: http.Header{}, Body: io.NopCloser(body)}, nil
	})
	require.ErrorIs(t, err, runloop.ErrNotFound)
	assert.Equal(t, "half of", string(clienttest.AsAPIError(t, err).Body))
}
