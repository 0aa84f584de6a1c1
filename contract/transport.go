package contract

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// A Transport is an [http.RoundTripper] that checks requests and responses. It changes nothing, and
// does not block traffic that violates the contract.
type Transport struct {
	// Document is the contract.
	Document *Document
	// Recorder records what valid traffic exercises. It may be nil.
	Recorder *Recorder
	// Next sends the requests.
	Next http.RoundTripper
	// Report is called for each request and each response that violates the contract.
	Report func(error)
}

// RoundTrip sends the request, and checks it and its response.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := readAll(r.Body)
	if err != nil {
		return nil, err
	}
	x, invalid := t.Document.exchange(r.Clone(r.Context()), body)
	if invalid != nil {
		t.Report(fmt.Errorf("request %s %s %s: %w", r.Method, r.URL, body, invalid))
	}
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
	if invalid != nil {
		return res, nil
	}
	if err := x.checkResponse(res, body); err != nil {
		t.Report(fmt.Errorf("response to %s: %s %s: %w", x.operation, res.Status, body, err))
	} else if t.Recorder != nil {
		t.Recorder.record(x.items)
	}
	return res, nil
}

// readAll reads a body and closes it.
func readAll(body io.ReadCloser) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	defer body.Close()
	return io.ReadAll(body)
}
