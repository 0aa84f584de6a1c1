package wiretest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// NeedHTTP2 skips a test if HTTP/2 is disabled in this process.
func NeedHTTP2(t testing.TB) {
	t.Helper()
	if debug := os.Getenv("GODEBUG"); strings.Contains(debug, "http2client=0") || strings.Contains(debug, "http2server=0") {
		t.Skip("GODEBUG disables HTTP/2")
	}
}

// UseHTTP2 makes the server's Transport use HTTP/2 only, without TLS. It skips the test if
// HTTP/2 is disabled.
func (s *Server) UseHTTP2() {
	NeedHTTP2(s.t)
	s.Transport.Protocols = new(http.Protocols)
	s.Transport.Protocols.SetUnencryptedHTTP2(true)
}

// Error codes for [HTTP2.Reset].
const (
	ProtocolError uint32 = 1
	InternalError uint32 = 2
	RefusedStream uint32 = 7
	Cancel        uint32 = 8
)

const (
	frameData, frameHeaders, frameReset, frameSettings, frameGoAway = 0, 1, 3, 4, 7
	flagEndStream, flagEndHeaders                                   = 1, 4
)

// HTTP2 is a connection on which a step writes HTTP/2 frames. The step owns the connection
// until it is closed.
type HTTP2 struct {
	conn    *Conn
	streams chan uint32 // of the requests, closed when the client hangs up
}

// HTTP2Conn returns a step that serves a new connection over HTTP/2.
func HTTP2Conn(name string, serve func(*HTTP2)) Step {
	return Do(name, func(c *Conn) {
		defer c.Close()
		h := &HTTP2{conn: c, streams: make(chan uint32, 100)}
		go h.readFrames() // at any time: the client may have to write before it reads
		h.write(frameSettings, 0, 0, "")
		serve(h)
		for range h.streams {
		}
	})
}

// readFrames records the requests. It does not decode headers: the method is POST for a
// request with a body, and GET for one without. The client does not need the acknowledgment
// of its settings and pings.
func (h *HTTP2) readFrames() {
	defer close(h.streams)
	_, err := h.conn.in.Discard(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	bodies := map[uint32]string{}
	for err == nil {
		var head [9]byte
		if _, err = io.ReadFull(h.conn.in, head[:]); err != nil {
			break
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		_, err = io.ReadFull(h.conn.in, payload)
		kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		if kind == frameData {
			bodies[stream] += string(payload)
		}
		if (kind == frameHeaders || kind == frameData) && flags&flagEndStream != 0 {
			method := http.MethodGet
			if kind == frameData {
				method = http.MethodPost
			}
			h.conn.server.record(Request{Method: method, Body: bodies[stream]})
			h.streams <- stream
		}
	}
}

// Read returns the stream of the next request, or 0 if the client hung up.
func (h *HTTP2) Read() (stream uint32) { return <-h.streams }

// Reply sends the response of a stream.
func (h *HTTP2) Reply(stream uint32, status int, body string) {
	// Two literal fields, by the index of their names in the static table.
	const statusField, contentType = "\x08\x03%03d", "\x0f\x10\x10application/json"
	h.write(frameHeaders, flagEndHeaders, stream, fmt.Sprintf(statusField, status)+contentType)
	h.write(frameData, flagEndStream, stream, body)
}

// Reset ends a stream with an error code.
func (h *HTTP2) Reset(stream, code uint32) {
	h.write(frameReset, 0, stream, string(binary.BigEndian.AppendUint32(nil, code)))
}

// GoAway reports that no stream after last is processed.
func (h *HTTP2) GoAway(last uint32) {
	h.write(frameGoAway, 0, 0, string(binary.BigEndian.AppendUint64(nil, uint64(last)<<32)))
}

// Close hangs up.
func (h *HTTP2) Close() { h.conn.Close() }

func (h *HTTP2) write(kind, flags byte, stream uint32, payload string) {
	frame := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	h.conn.Write(string(binary.BigEndian.AppendUint32(frame, stream)) + payload)
}
