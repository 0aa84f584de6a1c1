package wiretest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// UseHTTP2 makes the server's Transport speak HTTP/2, without TLS, and nothing else. It
// skips the test if HTTP/2 is disabled.
func (s *Server) UseHTTP2() {
	NeedHTTP2(s.t)
	s.Transport.Protocols = new(http.Protocols)
	s.Transport.Protocols.SetUnencryptedHTTP2(true)
}

// The error codes of HTTP/2 that tests reset a stream with.
const (
	ProtocolError uint32 = 0x1
	InternalError uint32 = 0x2
	RefusedStream uint32 = 0x7
	Cancel        uint32 = 0x8
)

const (
	frameData     = 0x0
	frameHeaders  = 0x1
	frameReset    = 0x3
	frameSettings = 0x4
	framePing     = 0x6
	frameGoAway   = 0x7

	flagAck        = 0x1
	flagEndStream  = 0x1
	flagEndHeaders = 0x4
)

// HTTP2 is a connection on which a step writes HTTP/2 frames by hand. The step has
// the connection to its end.
type HTTP2 struct {
	conn *Conn
	// out has the frames to write. Both ends of HTTP/2 write at any time, which on
	// a pipe without a buffer would block each by the other.
	out     chan string
	written chan struct{}
}

// HTTP2Conn is a step that speaks HTTP/2 on a new connection.
func HTTP2Conn(name string, serve func(*HTTP2)) Step {
	return Do(name, func(c *Conn) {
		const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
		if _, err := io.ReadFull(c.in, make([]byte, len(preface))); err == nil {
			h := &HTTP2{conn: c, out: make(chan string, 1000), written: make(chan struct{})}
			go h.flush()
			h.write(frameSettings, 0, 0, nil)
			serve(h)
			if !c.closed {
				c.Stall()
				h.Close()
			}
		}
		c.Close()
	})
}

// Read reads frames up to the end of a request, which it records, and returns the
// request's stream. It is 0 when the client hung up. Headers are not decoded: the
// record says POST of a request that has a body and GET of one that has none.
func (h *HTTP2) Read() (stream uint32) {
	r := Request{Conn: h.conn.number, Method: http.MethodGet}
	for {
		var head [9]byte
		if _, err := io.ReadFull(h.conn.in, head[:]); err != nil {
			return 0
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(h.conn.in, payload); err != nil {
			return 0
		}
		kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		switch {
		case kind == frameSettings && flags&flagAck == 0:
			h.write(frameSettings, flagAck, 0, nil)
		case kind == framePing && flags&flagAck == 0:
			h.write(framePing, flagAck, 0, payload)
		case kind == frameData:
			r.Method = http.MethodPost
			r.Body += string(payload)
		}
		if (kind == frameHeaders || kind == frameData) && flags&flagEndStream != 0 {
			h.conn.raw.Reset()
			h.conn.server.record(r)
			return stream
		}
	}
}

// Reply answers the request of a stream.
func (h *HTTP2) Reply(stream uint32, status int, body string) {
	// Two literal fields, by the index of their names in the static table.
	const statusField, contentType = "\x08\x03%03d", "\x0f\x10\x10application/json"
	h.write(frameHeaders, flagEndHeaders, stream, []byte(fmt.Sprintf(statusField, status)+contentType))
	h.write(frameData, flagEndStream, stream, []byte(body))
}

// Reset ends a stream with an error code.
func (h *HTTP2) Reset(stream, code uint32) {
	h.write(frameReset, 0, stream, binary.BigEndian.AppendUint32(nil, code))
}

// GoAway says that no stream after last is processed.
func (h *HTTP2) GoAway(last uint32) {
	h.write(frameGoAway, 0, 0, binary.BigEndian.AppendUint64(nil, uint64(last)<<32))
}

// Close hangs up, after all that was written.
func (h *HTTP2) Close() {
	go io.Copy(io.Discard, h.conn.in) // the client may have to write before it reads
	close(h.out)
	<-h.written
	h.conn.Close()
}

func (h *HTTP2) flush() {
	defer close(h.written)
	for frame := range h.out {
		h.conn.Write(frame)
	}
}

func (h *HTTP2) write(kind, flags byte, stream uint32, payload []byte) {
	if len(payload) >= 1<<14 {
		panic("wiretest: longer than a frame: " + strconv.Itoa(len(payload)))
	}
	frame := []byte{0, byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	frame = binary.BigEndian.AppendUint32(frame, stream)
	h.out <- string(append(frame, payload...))
}
