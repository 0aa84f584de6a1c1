package engine

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestHopeless(t *testing.T) {
	t.Parallel()
	inURLError := func(err error) error { return &url.Error{Op: "Get", URL: "http://localhost", Err: err} }
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"no such host":                   {&net.DNSError{IsNotFound: true}, true},
		"name server is down":            {&net.DNSError{IsTemporary: true}, false},
		"name server is slow":            {&net.DNSError{IsTimeout: true}, false},
		"certificate":                    {&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, true},
		"HTTP on the TLS port":           {tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, true},
		"HTTP on the TLS port, detected": {http.ErrSchemeMismatch, true},
		"TLS alert":                      {&net.OpError{Op: "remote error", Err: tls.AlertError(70)}, true},
		"TLS version":                    {errors.New("tls: server selected unsupported protocol version 301"), true},
		"headers too long":               {errors.New("net/http: server response headers exceeded 1048576 bytes; aborted"), true},
		"headers too long, HTTP/2":       {errors.New("http2: response header list larger than advertised limit"), true},
		"scheme":                         {errors.New(`unsupported protocol scheme "ftp"`), true},
		"no host":                        {errors.New("http: no Host in request URL"), true},
		"header that cannot be sent":     {errors.New(`net/http: invalid header field value for "X"`), true},
		"proxy that requires a password": {errors.New("Proxy Authentication Required"), true},
		"proxy that is down":             {errors.New("Bad Gateway"), false},
		"refused":                        {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, false},
		"reset":                          {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, false},
		"hung up":                        {io.EOF, false},
		"cut":                            {io.ErrUnexpectedEOF, false},
		"attempt timeout":                {&attemptTimeout{}, false},
		"malformed response":             {errors.New(`malformed HTTP status code "abc"`), false},
		"error of another RoundTripper":  {errors.New("the sidecar is not ready"), false},
	} {
		assert.Equal(t, tt.want, hopeless(tt.err), name)
		assert.Equal(t, tt.want, hopeless(inURLError(fmt.Errorf("wrapped: %w", tt.err))), name)
	}
}

func TestAmbiguousAttempts(t *testing.T) {
	t.Parallel()
	const own = "id-of-this-write"
	wanted := func(e *evidence) { e.getConn("localhost:80") }
	sent := func(e *evidence) {
		e.gotConn(httptrace.GotConnInfo{Conn: new(net.TCPConn)})
		e.wroteHeaderField("X-Request-Id", []string{own})
	}
	token := func(e *evidence) { // another request under the same context
		e.getConn("auth:443")
		e.gotConn(httptrace.GotConnInfo{Conn: new(net.TCPConn)})
		e.wroteHeaderField("User-Agent", []string{"token"})
		e.wroteHeaderField("X-Request-Id", []string{"another"})
	}
	repeatable := func(e *evidence) { e.wroteHeaderField("idempotency-key", []string{"k"}) }
	fault := errors.New("hung up")
	cannotRetry := func(reason string) *attempt {
		return &attempt{err: errors.New("http2: Transport: cannot retry err [" + reason + "] after Request.Body was written; define Request.GetBody to avoid this error")}
	}
	status := func(code int) *attempt { return &attempt{status: code, response: &Response{StatusCode: code}} }
	type events []func(*evidence)
	for name, tt := range map[string]struct {
		attempt *attempt
		events  events
		direct  bool
		want    bool
	}{
		"no connection":                           {&attempt{err: fault}, events{wanted}, true, false},
		"no connection, behind a RoundTripper":    {&attempt{err: fault}, events{wanted}, false, false},
		"no connection, after a token":            {&attempt{err: fault}, events{token, wanted}, false, false},
		"no connection for a token":               {&attempt{err: fault}, events{func(e *evidence) { e.getConn("auth:443") }}, false, true},
		"hung up after the request":               {&attempt{err: fault}, events{wanted, sent}, true, true},
		"hung up after a token and the request":   {&attempt{err: fault}, events{token, wanted, sent}, false, true},
		"a transport that reports nothing":        {&attempt{err: fault}, nil, false, true},
		"refused on the stream":                   {cannotRetry("stream error: stream ID 1; REFUSED_STREAM; received from peer"), events{wanted, sent}, true, false},
		"going away before the stream":            {cannotRetry("http2: Transport received Server's graceful shutdown GOAWAY"), events{wanted, sent}, true, false},
		"protocol error":                          {cannotRetry("stream error: stream ID 1; PROTOCOL_ERROR; received from peer"), events{wanted, sent}, true, true},
		"an invalid success":                      {&attempt{err: ErrInvalidResponse, status: 200, response: &Response{StatusCode: 200}}, events{wanted, sent}, true, true},
		"rate limit":                              {status(429), events{wanted, sent}, true, false},
		"client error after a token":              {status(403), events{token, wanted, sent}, false, false},
		"client error after a repeat by another":  {status(400), events{wanted, sent, sent}, false, true},
		"client error after an unwritten request": {status(400), events{wanted, sent, wanted, sent}, true, false},
		"client error after a repeat by net/http": {status(400), events{wanted, repeatable, sent, wanted, sent}, true, true},
		"gateway timeout":                         {status(504), events{wanted, sent}, true, true},
		"not implemented":                         {status(501), events{wanted, sent}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.attempt.evidence = &evidence{requestID: own, transport: &Transport{Direct: tt.direct}, hostPort: "localhost:80"}
			for _, event := range tt.events {
				event(tt.attempt.evidence)
			}
			for req, want := range map[*Request[int]]bool{
				{Method: http.MethodPost}:                  tt.want,
				{Method: http.MethodGet}:                   false,
				{Method: http.MethodPost, OnlyReads: true}: false,
			} {
				assert.Equal(t, want, (&call[int]{req: *req}).isAmbiguous(tt.attempt))
			}
		})
	}
}
