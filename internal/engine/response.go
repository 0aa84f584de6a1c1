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
	// maxBody limits a success body after decompression, to ten times the longest page of
	// 5,000 policies.
	maxBody = 32 << 20
	// maxErrorBody limits what is read of an error body, and kept of any body.
	maxErrorBody = 64 << 10
	// firstRead limits the memory that is allocated for a Content-Length.
	firstRead = 4 << 20
)

// errBlank is the error of a success without a body.
var errBlank = errors.New("the body is empty")

// receive reads the response up to its end or the limit, and stores the outcome in the attempt.
// A body that breaks off is a fault of the attempt.
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
		// The status counts, even if the body broke off.
		a.response = c.newResponse(resp, body, err)
		return
	case resp.StatusCode < 200:
		a.err = fmt.Errorf("%w: status %03d", ErrInvalidResponse, resp.StatusCode)
	case errors.Is(err, ErrResponseTooLarge):
		a.err = err
	case err != nil:
		a.err = attemptError(base.Context(), ctx, err)
		return // without a response, because it broke off
	case c.req.Decode != nil:
		a.err = c.decode(resp, body)
	}
	if a.err != nil {
		a.response = c.newResponse(resp, body, err)
	}
}

// A bodyReader reads a body into a buffer that later responses reuse. What is decoded or
// reported is a copy.
type bodyReader struct {
	limited io.LimitedReader
	buf     bytes.Buffer
}

var bodyReaders = sync.Pool{New: func() any { return new(bodyReader) }}

// read returns the body up to a limit, valid until release.
func (r *bodyReader) read(resp *http.Response) ([]byte, error) {
	if resp.Body == nil { // a RoundTripper other than net/http's
		return nil, nil
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 {
		return nil, nil // the body of a 101 is the connection
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

// release makes the buffer available for reuse, unless it is too large to keep.
func (r *bodyReader) release() {
	if r.buf.Cap() > 2*firstRead { // which a body of unknown length grows to
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

// keep returns the response for the caller, with a body that can be read again. Its request
// has no header, because that contains the API key.
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
