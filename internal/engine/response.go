package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

const (
	// maxBody bounds a success body after decompression: ten times the longest
	// page of 5,000 policies.
	maxBody = 32 << 20
	// maxErrorBody bounds what is kept of an error body.
	maxErrorBody = 64 << 10
	// firstRead bounds the memory taken on the word of a Content-Length.
	firstRead = 4 << 20
)

// errBlank is the answer without an answer in it.
var errBlank = errors.New("the body is empty")

// receive reads the response to its end, or to the limit, within the attempt: a
// body that is cut is a fault of the attempt like any other.
func (c *call) receive(ctx context.Context, base *http.Request, resp *http.Response) {
	a := c.last
	a.status = resp.StatusCode
	body, err := readBody(resp)
	switch {
	case resp.StatusCode >= 300:
		// The status says what happened, whatever became of the body.
		a.answer = newAnswer(c, resp, body, err != nil)
	case resp.StatusCode < 200:
		a.err = fmt.Errorf("%w: status %03d", ErrInvalidResponse, resp.StatusCode)
	case err != nil:
		a.err = attemptError(base.Context(), ctx, err)
	case c.req.Decode != nil:
		a.err = c.decode(resp, body)
	}
	if c.req.Response != nil {
		*c.req.Response = c.keep(base, resp, body, err != nil)
	}
}

func readBody(resp *http.Response) ([]byte, error) {
	if resp.Body == nil { // a RoundTripper other than net/http's
		return nil, nil
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 {
		return nil, nil // after 101, it is the connection
	}
	limit := int64(maxBody)
	if resp.StatusCode >= 300 {
		limit = maxErrorBody
	}
	var buf bytes.Buffer
	buf.Grow(int(min(max(resp.ContentLength, 0), limit, firstRead)) + bytes.MinRead)
	_, err := buf.ReadFrom(io.LimitReader(resp.Body, limit+1))
	if int64(buf.Len()) > limit {
		return buf.Bytes()[:limit], fmt.Errorf("%w: more than %d MiB", ErrResponseTooLarge, maxBody>>20)
	}
	return buf.Bytes(), err
}

func (c *call) decode(resp *http.Response, body []byte) error {
	err := errBlank
	if len(bytes.TrimSpace(body)) > 0 {
		err = c.req.Decode(body)
	}
	if err == nil {
		return nil
	}
	contentType := redactor(c.cfg, "").Replace(resp.Header.Get("Content-Type")) // before it is cut
	return fmt.Errorf("%w: status %d, content type %.60q: %w", ErrInvalidResponse, resp.StatusCode, contentType, err)
}

// keep returns the response for the caller to keep: its body can be read once
// more, and its request has no header, because that holds the API key.
func (c *call) keep(base *http.Request, resp *http.Response, body []byte, cut bool) *http.Response {
	clean := redactor(c.cfg, "")
	kept := *resp
	kept.Request = &http.Request{Method: base.Method, URL: base.URL, Header: http.Header{}}
	kept.Status = clean.Replace(resp.Status)
	kept.Header = redactHeader(clean, resp.Header)
	kept.Trailer = redactHeader(clean, resp.Trailer)
	body = redactBody(clean, c.cfg.Key, body, cut)
	kept.Body = io.NopCloser(bytes.NewReader(body))
	if resp.ContentLength > 0 && base.Method != http.MethodHead {
		kept.ContentLength = int64(len(body)) // or it could not be dumped
	}
	return &kept
}
