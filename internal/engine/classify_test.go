package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
)

// P14: the library repeats most faults that will not pass, and tells them apart by
// the text.
func TestHopelessFaults(t *testing.T) {
	t.Parallel()
	inURLError := func(err error) error { return &url.Error{Op: "Get", URL: "http://localhost", Err: err} }
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"no such name":                  {&net.DNSError{IsNotFound: true}, true},
		"name server is away":           {&net.DNSError{IsTemporary: true}, false},
		"name server is slow":           {&net.DNSError{IsTimeout: true}, false},
		"certificate":                   {&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, true},
		"HTTP on the TLS port":          {tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, true},
		"HTTP on the TLS port, noticed": {http.ErrSchemeMismatch, true},
		"TLS alert":                     {&net.OpError{Op: "remote error", Err: tls.AlertError(70)}, true},
		"TLS version":                   {errors.New("tls: server selected unsupported protocol version 301"), true},
		"headers too long":              {errors.New("net/http: server response headers exceeded 1048576 bytes; aborted"), true},
		"headers too long, HTTP/2":      {errors.New("http2: response header list larger than advertised limit"), true},
		"scheme":                        {errors.New(`unsupported protocol scheme "ftp"`), true},
		"no host":                       {errors.New("http: no Host in request URL"), true},
		"header that cannot be sent":    {errors.New(`net/http: invalid header field value for "X"`), true},
		"proxy that wants a password":   {errors.New("Proxy Authentication Required"), true},
		"proxy that is down":            {errors.New("Bad Gateway"), false},
		"refused":                       {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, false},
		"reset":                         {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, false},
		"hung up":                       {io.EOF, false},
		"cut":                           {io.ErrUnexpectedEOF, false},
		"attempt took too long":         {&attemptTimeout{}, false},
		"malformed answer":              {errors.New(`malformed HTTP status code "abc"`), false},
		"another RoundTripper's":        {errors.New("the sidecar is not ready"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, hopeless(tt.err))
			assert.Equal(t, tt.want, hopeless(inURLError(fmt.Errorf("wrapped: %w", tt.err))))
		})
	}
}

func TestTransientAnswers(t *testing.T) {
	t.Parallel()
	for status := 300; status <= 999; status++ {
		want := status == 408 || status == 425 || status == 429 || status >= 500 && status != 501 && status != 505
		assert.Equal(t, want, (&Answer{StatusCode: status}).isTransient(), "%d", status)
	}
}

func TestAmbiguousAttempts(t *testing.T) {
	t.Parallel()
	attemptOf := func(a *attempt, trace ...func(*attempt)) *attempt {
		for _, f := range trace {
			f(a)
		}
		return a
	}
	wanted := func(a *attempt) { a.trace().GetConn("localhost:80") }
	sent := func(a *attempt) { a.connGot.Store(true); a.trace().WroteHeaders() }
	fault := errors.New("hung up")
	for name, tt := range map[string]struct {
		attempt *attempt
		want    bool
	}{
		"no connection":                      {attemptOf(&attempt{err: fault}, wanted), false},
		"hung up after the request":          {attemptOf(&attempt{err: fault}, wanted, sent), true},
		"a transport that tells nothing":     {attemptOf(&attempt{err: fault}), true},
		"a success that cannot be read":      {attemptOf(&attempt{err: ErrInvalidResponse, status: 200}, wanted, sent), true},
		"rate limit":                         {attemptOf(&attempt{answer: &Answer{StatusCode: 429}}, wanted, sent), false},
		"too early":                          {attemptOf(&attempt{answer: &Answer{StatusCode: 425}}, wanted, sent), false},
		"client error":                       {attemptOf(&attempt{answer: &Answer{StatusCode: 400}}, wanted, sent), false},
		"client error after a hidden repeat": {attemptOf(&attempt{answer: &Answer{StatusCode: 400}}, wanted, sent, sent), true},
		"timeout answer":                     {attemptOf(&attempt{answer: &Answer{StatusCode: 408}}, wanted, sent), true},
		"server error":                       {attemptOf(&attempt{answer: &Answer{StatusCode: 500}}, wanted, sent), true},
		"gateway timeout":                    {attemptOf(&attempt{answer: &Answer{StatusCode: 504}}, wanted, sent), true},
		"not implemented":                    {attemptOf(&attempt{answer: &Answer{StatusCode: 501}}, wanted, sent), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			write := &call{req: &Request{Method: http.MethodPost}}
			read := &call{req: &Request{Method: http.MethodGet}}

			assert.Equal(t, tt.want, write.isAmbiguous(tt.attempt))
			assert.False(t, read.isAmbiguous(tt.attempt), "a read changes nothing")
		})
	}
}

func TestContextErrorHasBothErrorAndCause(t *testing.T) {
	t.Parallel()
	shutdown := errors.New("shutdown")
	live, cancel := context.WithCancelCause(context.Background())
	assert.NoError(t, contextError(live))
	cancel(shutdown)

	err := contextError(live)

	assert.ErrorIs(t, err, shutdown)
	assert.ErrorIs(t, err, context.Canceled)
}
