package engine

import (
	"bytes"
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

// A Response is one that is not a usable success, without secrets.
type Response struct {
	StatusCode int
	// Meaning is what the status and the message mean to the operation: the Err of a
	// Refusal, or nil.
	Meaning error
	// Code and Message are empty when the body has none.
	Code    string
	Message string
	// RequestID is the API's, or the one that was sent.
	RequestID  string
	RetryAfter time.Duration
	Header     http.Header
	// Body is cut at 64 KiB.
	Body []byte

	unproven    error  // what Meaning is without a doubt
	shouldRetry string // the header x-should-retry
	brokeOff    bool   // the body has no end
}

// newResponse classifies what was received first, and removes secrets last: a key
// that is a word must not change what a message means.
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
	r.Code = Printable(clean.Replace(firstOf(resp.Header.Get("X-Runloop-Error-Code"), e.code)), maxName)
	r.Message = Printable(string(redactBody(clean, c.cfg.Key, []byte(e.message), err != nil)), maxMessage)
	r.RequestID = Printable(clean.Replace(firstOf(resp.Header.Get("X-Runloop-Request-Id"), resp.Header.Get("X-Request-Id"), e.requestID, c.requestID)), maxName)
	if location := r.Header.Get("Location"); location != "" && resp.StatusCode >= 300 && resp.StatusCode < 400 {
		location = withoutQuery(location)
		r.Header.Set("Location", location)
		r.Message = Printable("redirects are not followed, this one leads to "+location, maxMessage)
	}
	return r
}

// An errorBody is what can be read of the body of an error response.
type errorBody struct {
	code, message, requestID string
	// structured is set for an empty body and for one of JSON: its message is the
	// API's own. Everything else can be a proxy's.
	structured bool
	silent     bool // and it has no message, under whatever name
	truncated  bool // it begins like JSON, and ends before that does
}

// parseErrorBody reads what it can of an error body. The API documents no form.
// Its own envelope has message, error or code, and request_id, older responses nest
// an object under error, and proxies send text or pages.
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
		e.code = firstOf(e.code, textOf(nested["code"]))
		e.message = firstOf(e.message, textOf(nested["message"]))
		return e
	}
	e.silent = !hasText(fields)
	// A string under error is the code where there is a message, else the message.
	if text := textOf(fields["error"]); e.message == "" {
		e.message = text
	} else {
		e.code = firstOf(e.code, text)
	}
	return e
}

// hasText reports whether a field can have a message: a string, an object or an array
// that is neither empty nor a code or an ID.
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

// textOf returns a JSON string's text, a number as it is written, and "" for
// everything else.
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

// plainText returns the first line of a text, and nothing of a page or of broken JSON.
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

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// withoutQuery returns a URL's scheme, host and path.
func withoutQuery(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return "an invalid URL"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}
