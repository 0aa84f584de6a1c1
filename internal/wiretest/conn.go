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
	number int
	in     *bufio.Reader
	raw    *bytes.Buffer // what in has read of the request so far
	closed bool
}

func newConn(s *Server, pipe net.Conn, number int) *Conn {
	stream := pipe
	if s.tls != nil {
		stream = tls.Server(pipe, s.tls)
	}
	c := &Conn{server: s, pipe: pipe, out: stream, number: number, raw: new(bytes.Buffer)}
	c.in = bufio.NewReader(io.TeeReader(stream, c.raw))
	return c
}

// serve takes a step for each request that comes, until an end is closed. The
// first step starts with the connection, those that follow with the first byte of
// a request.
func (c *Conn) serve(step Step) {
	defer c.server.forget(c)
	defer c.pipe.Close()
	for {
		step.serve(c)
		if c.closed {
			return
		}
		if _, err := c.in.Peek(1); err != nil {
			return
		}
		next, ok := c.server.next()
		switch {
		case !ok:
			c.server.t.Errorf("wiretest: a request on connection %d has no step: %.80q", c.number, c.raw)
			return
		case next.dial != nil:
			c.server.t.Errorf("wiretest: a request came on connection %d, where the step is %q", c.number, next.name)
			return
		}
		step = next
	}
}

// Read reads and records a request. It returns nil when there is none, because the
// client hung up.
func (c *Conn) Read() *http.Request {
	r, err := http.ReadRequest(c.in)
	if err != nil {
		c.Close()
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.Close()
		return nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c.server.record(Request{
		Conn:   c.number,
		Method: r.Method,
		Target: r.RequestURI,
		Header: r.Header,
		Body:   string(body),
		Raw:    c.raw.String(),
	})
	c.raw.Reset()
	return r
}

// Write sends bytes as they are. It is false when the client has hung up.
func (c *Conn) Write(bytes string) bool {
	_, err := io.WriteString(c.out, bytes)
	return err == nil
}

// Close hangs up. It ends the connection's part in the script.
func (c *Conn) Close() {
	c.closed = true
	c.pipe.Close()
}

// Stall says nothing more, and takes in whatever comes, until the client hangs up.
func (c *Conn) Stall() {
	_, _ = io.Copy(io.Discard, c.in)
	c.Close()
}

// Sleep waits, but not beyond the end of the test.
func (c *Conn) Sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-c.server.done:
	}
}

// Response is a JSON response as it is written to the wire. Each header is a line
// as in "Retry-After: 2". One of Content-Type or Content-Length replaces the own.
func Response(status int, body string, headers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %03d %s\r\n", status, http.StatusText(status))
	has := func(name string) bool {
		for _, h := range headers {
			if strings.HasPrefix(h, name+":") {
				return true
			}
		}
		return false
	}
	if !has("Content-Type") {
		b.WriteString("Content-Type: application/json\r\n")
	}
	if !has("Content-Length") && !has("Transfer-Encoding") && status != http.StatusNoContent {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	return b.String() + "\r\n" + body
}
