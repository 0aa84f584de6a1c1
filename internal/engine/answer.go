package engine

import (
	"encoding/json"
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

// An Answer is an error answer of the API, without secrets.
type Answer struct {
	StatusCode int
	// Code and Message are empty when the body has none.
	Code    string
	Message string
	// RequestID is the API's, or the one that was sent.
	RequestID  string
	RetryAfter time.Duration
	Header     http.Header
	// Body is cut at 64 KiB.
	Body []byte

	shouldRetry string // the header x-should-retry
}

func newAnswer(c *call, resp *http.Response, body []byte, cut bool) *Answer {
	clean := redactor(c.cfg, c.req.Query)
	header := redactHeader(clean, resp.Header)
	a := &Answer{
		StatusCode:  resp.StatusCode,
		RetryAfter:  retryAfter(resp.Header, time.Now()),
		Header:      header,
		Body:        redactBody(clean, c.cfg.Key, body, cut),
		shouldRetry: strings.ToLower(header.Get("X-Should-Retry")),
	}
	e := parseErrorBody(header.Get("Content-Type"), a.Body)
	a.Code = Printable(clean.Replace(firstOf(header.Get("X-Runloop-Error-Code"), e.code)), maxName)
	a.Message = Printable(clean.Replace(e.message), maxMessage)
	a.RequestID = Printable(clean.Replace(firstOf(header.Get("X-Runloop-Request-Id"), header.Get("X-Request-Id"), e.requestID, c.requestID)), maxName)
	if location := header.Get("Location"); location != "" && resp.StatusCode < 400 {
		location = withoutQuery(location)
		header.Set("Location", location)
		a.Message = Printable("redirects are not followed, this one leads to "+location, maxMessage)
	}
	return a
}

type errorBody struct{ code, message, requestID string }

// parseErrorBody reads what it can of an error body. The API documents no form.
// Its own envelope has message, error or code, and request_id, older answers nest
// an object under error, and proxies send text or pages.
func parseErrorBody(contentType string, body []byte) errorBody {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return errorBody{message: plainText(contentType, body)}
	}
	e := errorBody{
		code:      textOf(fields["code"]),
		message:   textOf(fields["message"]),
		requestID: textOf(fields["request_id"]),
	}
	var nested map[string]json.RawMessage
	if json.Unmarshal(fields["error"], &nested) == nil {
		e.code = firstOf(e.code, textOf(nested["code"]))
		e.message = firstOf(e.message, textOf(nested["message"]))
		return e
	}
	// A string under error is the code where there is a message, else the message.
	if text := textOf(fields["error"]); e.message == "" {
		e.message = text
	} else {
		e.code = firstOf(e.code, text)
	}
	return e
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

// plainText returns the first line of a text, and nothing of a page or of JSON
// that is no object.
func plainText(contentType string, body []byte) string {
	mediaType, _, _ := mime.ParseMediaType(contentType)
	if mediaType != "" && mediaType != "text/plain" {
		return ""
	}
	text := strings.TrimSpace(strings.TrimPrefix(string(body), "\ufeff"))
	if text == "" || strings.ContainsAny(text[:1], `<[{"`) || !utf8.ValidString(text) {
		return ""
	}
	line, _, _ := strings.Cut(text, "\n")
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
