package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

const (
	// maxBody bounds a success body after decompression: ten times the longest
	// page of 5,000 policies.
	maxBody = 32 << 20
	// maxErrorBody bounds what is read of an error body, and kept of any body.
	maxErrorBody = 64 << 10
	// firstRead bounds the memory taken on the word of a Content-Length.
	firstRead = 4 << 20
)

// errBlank is the error of a success without a body.
var errBlank = errors.New("the body is empty")

// receive reads the response to its end, or to the limit, within the attempt: a
// body that is cut is a fault of the attempt like any other.
func (c *call[T]) receive(ctx context.Context, base *http.Request, resp *http.Response) {
	a := &c.last
	a.status = resp.StatusCode
	c.req.Clock.learn(resp.Header)
	reader := bodyReaders.Get().(*bodyReader)
	defer reader.release()
	body, err := reader.read(resp)
	if c.req.ResponseInto != nil {
		*c.req.ResponseInto = c.keep(base, resp, body, err != nil)
	}
	switch {
	case c.req.ResultStatus != 0 && resp.StatusCode == c.req.ResultStatus:
		return
	case resp.StatusCode >= 300:
		// The status tells what happened, whatever became of the body.
		a.response = c.newResponse(resp, body, err)
		return
	case resp.StatusCode < 200:
		a.err = fmt.Errorf("%w: status %03d", ErrInvalidResponse, resp.StatusCode)
	case errors.Is(err, ErrResponseTooLarge):
		a.err = err
	case err != nil:
		a.err = attemptError(base.Context(), ctx, err)
		return // it broke off: there is no whole response
	case c.req.Decode != nil:
		a.err = c.decode(resp, body)
	}
	if a.err != nil {
		a.response = c.newResponse(resp, body, err)
	}
}

// A bodyReader reads a body into a buffer that later responses use again. Nothing of
// the buffer is kept: what is decoded or reported is a copy.
type bodyReader struct {
	limited io.LimitedReader
	buf     bytes.Buffer
}

var bodyReaders = sync.Pool{New: func() any { return new(bodyReader) }}

// read returns the body up to a limit. It is valid until release.
func (r *bodyReader) read(resp *http.Response) ([]byte, error) {
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
	r.limited = io.LimitedReader{R: resp.Body, N: limit + 1}
	r.buf.Grow(int(min(max(resp.ContentLength, 0), limit, firstRead)) + bytes.MinRead)
	_, err := r.buf.ReadFrom(&r.limited)
	if int64(r.buf.Len()) > limit {
		return r.buf.Bytes()[:limit], fmt.Errorf("%w: more than %d MiB", ErrResponseTooLarge, maxBody>>20)
	}
	return r.buf.Bytes(), err
}

// release makes the buffer available again, unless it is too large to keep.
func (r *bodyReader) release() {
	if r.buf.Cap() > firstRead {
		return
	}
	r.limited.R = nil
	r.buf.Reset()
	bodyReaders.Put(r)
}

func (c *call[T]) decode(resp *http.Response, body []byte) (err error) {
	err = errBlank
	if len(bytes.TrimSpace(body)) > 0 {
		c.result, err = c.req.Decode(body, c.req.ID)
	}
	if err == nil {
		return nil
	}
	contentType := redactor(c.cfg.Key, "").Replace(resp.Header.Get("Content-Type")) // before it is cut
	return fmt.Errorf("%w: content type %.60q: %w", ErrInvalidResponse, contentType, err)
}

// keep returns the response for the caller to keep: its body can be read once
// more, and its request has no header, because that holds the API key.
func (c *call[T]) keep(base *http.Request, resp *http.Response, body []byte, cut bool) *http.Response {
	clean := redactor(c.cfg.Key, "")
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
