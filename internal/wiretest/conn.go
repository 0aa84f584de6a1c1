package wiretest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// A Conn is the server's end of one connection.
type Conn struct {
	server *Server
	pipe   net.Conn
	out    io.Writer // to pipe, maybe through TLS
	in     *bufio.Reader
	raw    bytes.Buffer // the bytes of the current request that in has read
	closed bool
}

func newConn(s *Server, pipe net.Conn) *Conn {
	stream := pipe
	if s.tls != nil {
		stream = tls.Server(pipe, s.tls)
	}
	c := &Conn{server: s, pipe: pipe, out: stream}
	c.in = bufio.NewReader(io.TeeReader(stream, &c.raw))
	return c
}

// Read reads and records a request. It returns nil if the client hung up.
func (c *Conn) Read() *http.Request {
	r, err := http.ReadRequest(c.in)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(r.Body)
	}
	if err != nil {
		c.Close()
		return nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c.server.record(Request{Method: r.Method, Target: r.RequestURI, Header: r.Header, Body: string(body), Raw: c.raw.String()})
	c.raw.Reset()
	return r
}

// Write sends bytes unchanged. It returns false if the client hung up.
func (c *Conn) Write(bytes string) bool {
	_, err := io.WriteString(c.out, bytes)
	return err == nil
}

// Close hangs up. The connection takes no further step.
func (c *Conn) Close() {
	c.closed = true
	c.pipe.Close()
}

// Stall sends nothing more, and reads until the client hangs up.
func (c *Conn) Stall() {
	_, _ = io.Copy(io.Discard, c.in)
	c.Close()
}

// Sleep waits, at most until the end of the test.
func (c *Conn) Sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-c.server.ended.Done():
	}
}

// Response returns the bytes of a JSON response. Each header is a line such as
// "Retry-After: 2", and may replace the default Content-Type or Content-Length.
func Response(status int, body string, headers ...string) string {
	lines := "\r\n" + strings.Join(append(headers, ""), "\r\n")
	if !strings.Contains(lines, "\r\nContent-Type:") {
		lines = "\r\nContent-Type: application/json" + lines
	}
	if !strings.Contains(lines, "\r\nContent-Length:") && !strings.Contains(lines, "\r\nTransfer-Encoding:") && status != http.StatusNoContent {
		lines = fmt.Sprintf("\r\nContent-Length: %d%s", len(body), lines)
	}
	return fmt.Sprintf("HTTP/1.1 %03d %s%s\r\n%s", status, http.StatusText(status), lines, body)
}
