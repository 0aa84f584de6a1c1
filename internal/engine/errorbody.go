package engine

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxMessage = 1 << 10
	maxName    = 64 // of a code, a request ID
)

// A Response is a response other than a usable success, without secrets.
type Response struct {
	StatusCode int
	// Meaning is the Err of the Refusal that the response matches, or nil.
	Meaning error
	// Code and Message are empty if the response has none.
	Code    string
	Message string
	// RequestID is the one that the API reports, or else the one that was sent.
	RequestID  string
	RetryAfter time.Duration
	Header     http.Header
	// Body has at most 64 KiB.
	Body []byte

	unproven    error  // the Meaning if no earlier attempt may have been applied
	shouldRetry string // the header x-should-retry
	brokeOff    bool   // the body is incomplete
}

// newResponse classifies the response before it removes secrets, because a key may be a word
// that matters to the meaning.
func (c *call[T]) newResponse(resp *http.Response, body []byte, err error) *Response {
	var e errorBody
	if resp.StatusCode >= 300 { // a success has no message, and can be long
		e = parseErrorBody(resp.Header.Get("Content-Type"), body)
		e.structured, e.silent = e.structured && err == nil, e.silent && err == nil
	}
	cut := err != nil && !errors.Is(err, ErrResponseTooLarge)
	r := &Response{
		StatusCode:  resp.StatusCode,
		RetryAfter:  retryAfter(resp.Header, time.Now()),
		shouldRetry: strings.ToLower(resp.Header.Get("X-Should-Retry")),
		brokeOff:    cut || err == nil && e.truncated,
	}
	if resp.StatusCode >= 300 {
		r.Meaning = meaning(c.req.Refusals, resp.StatusCode, e, c.maybeApplied || c.last.evidence.repeated())
		r.unproven = meaning(c.req.Refusals, resp.StatusCode, e, false)
	}
	clean := redactor(c.cfg.Key, c.rawQuery)
	r.Header = redactHeader(clean, resp.Header)
	r.Body = redactBody(clean, c.cfg.Key, body[:min(len(body), maxErrorBody)], err != nil || len(body) > maxErrorBody)
	r.Code = Printable(clean.Replace(cmp.Or(resp.Header.Get("X-Runloop-Error-Code"), e.code)), maxName)
	r.Message = Printable(string(redactBody(clean, c.cfg.Key, []byte(e.message), err != nil)), maxMessage)
	requestID := cmp.Or(resp.Header.Get("X-Runloop-Request-Id"), resp.Header.Get("X-Request-Id"), e.requestID, c.requestID)
	r.RequestID = Printable(clean.Replace(requestID), maxName)
	if location := r.Header.Get("Location"); location != "" && resp.StatusCode >= 300 && resp.StatusCode < 400 {
		location = withoutQuery(location)
		r.Header.Set("Location", location)
		r.Message = Printable("redirect to "+location+" not followed: check the base URL and the path", maxMessage)
	}
	return r
}

// An errorBody is the content of the body of an error response.
type errorBody struct {
	code, message, requestID string
	// structured is set if the body is empty or JSON. Other bodies may be a proxy's.
	structured bool
	silent     bool // structured, and without a message under any name
	truncated  bool // it is the beginning of JSON
}

// parseErrorBody parses an error body. The API does not document its form: current responses
// have message, error or code, and request_id, older ones have an object under error, and
// proxies send text or pages.
func parseErrorBody(contentType string, body []byte) errorBody {
	text := bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	if len(text) == 0 {
		return errorBody{structured: true, silent: true}
	}
	if !json.Valid(text) {
		return errorBody{message: plainText(contentType, text), truncated: isTruncatedJSON(text)}
	}
	e := errorBody{structured: true}
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		return e
	}
	e.code, e.message, e.requestID = textOf(fields["code"]), textOf(fields["message"]), textOf(fields["request_id"])
	var nested map[string]json.RawMessage
	if json.Unmarshal(fields["error"], &nested) == nil {
		delete(fields, "error")
		e.silent = !hasText(fields) && !hasText(nested)
		e.code = cmp.Or(e.code, textOf(nested["code"]))
		e.message = cmp.Or(e.message, textOf(nested["message"]))
		return e
	}
	e.silent = !hasText(fields)
	// A string under error is the code if there is a message, or else the message.
	if text := textOf(fields["error"]); e.message == "" {
		e.message = text
	} else {
		e.code = cmp.Or(e.code, text)
	}
	return e
}

// hasText reports whether a field other than a code or an ID may contain a message: a string,
// an object or an array that is not empty.
func hasText(fields map[string]json.RawMessage) bool {
	for name, value := range fields {
		if name != "code" && name != "request_id" && len(value) > 2 && strings.ContainsRune(`"{[`, rune(value[0])) {
			return true
		}
	}
	return false
}

// isTruncatedJSON reports whether the text is the beginning of an object or an array.
func isTruncatedJSON(text []byte) bool {
	if text[0] != '{' && text[0] != '[' {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(text))
	return errors.Is(d.Decode(new(json.RawMessage)), io.ErrUnexpectedEOF)
}

// textOf returns the text of a JSON string, the literal of a number, or else "".
func textOf(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(value, &n) == nil {
		return n.String()
	}
	return ""
}

// plainText returns the first line of a text, and "" for a page or invalid JSON.
func plainText(contentType string, text []byte) string {
	mediaType, _, _ := mime.ParseMediaType(contentType)
	if mediaType != "" && mediaType != "text/plain" {
		return ""
	}
	if bytes.ContainsAny(text[:1], `<[{"`) || !utf8.Valid(text) {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

// withoutQuery returns a URL's scheme, host and path.
func withoutQuery(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return "an invalid URL"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}
