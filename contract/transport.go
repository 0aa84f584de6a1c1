package contract

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// A Transport is an [http.RoundTripper] that checks what passes through it. It
// changes nothing: what breaks the contract passes as well.
type Transport struct {
	// Document is the contract.
	Document *Document
	// Recorder gets to know what valid traffic exercises. It may be nil.
	Recorder *Recorder
	// Next carries requests out.
	Next http.RoundTripper
	// Report is called for each request and each response that breaks the
	// contract.
	Report func(error)
}

// RoundTrip carries the request out and checks it and its response.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := readAll(r.Body)
	if err != nil {
		return nil, err
	}
	x := t.checkRequest(r, body)
	sent := r.Clone(r.Context())
	if r.Body != nil {
		sent.Body = io.NopCloser(bytes.NewReader(body))
	}
	res, err := t.Next.RoundTrip(sent)
	if err != nil {
		return nil, err
	}
	if body, err = readAll(res.Body); err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	if x != nil {
		t.checkResponse(x, res, body)
	}
	return res, nil
}

// checkRequest returns the exchange that a valid request begins, and nil for any
// other.
func (t *Transport) checkRequest(r *http.Request, body []byte) *exchange {
	x, err := t.Document.exchange(r.Clone(r.Context()))
	if err == nil {
		err = x.checkRequest(body)
	}
	if err != nil {
		t.Report(fmt.Errorf("request %s %s %s: %w", r.Method, r.URL, body, err))
		return nil
	}
	return x
}

func (t *Transport) checkResponse(x *exchange, res *http.Response, body []byte) {
	if err := x.checkResponse(res, body); err != nil {
		t.Report(fmt.Errorf("response to %s: %s %s: %w", x.operation(), res.Status, body, err))
		return
	}
	if t.Recorder != nil {
		t.Recorder.record(x.items)
	}
}

// readAll reads a body and closes it.
func readAll(body io.ReadCloser) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	defer body.Close()
	return io.ReadAll(body)
}
