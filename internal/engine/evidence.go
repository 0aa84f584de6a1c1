package engine

import (
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
)

// evidence is what net/http reports of a write. A RoundTripper may send its own requests under
// the same context, for example for a token. So an event counts only if its request ID or its
// host shows that it belongs to this write. Events may occur after the attempt.
type evidence struct {
	requestID string
	transport *Transport
	hostPort  string // of the API, or of the proxy if it is known

	wanted       atomic.Int32 // connections for this write
	wantedOthers atomic.Int32
	got          atomic.Int32 // connections, for any request
	sends        atomic.Int32 // of this write

	repeatable atomic.Bool // a header allows net/http to repeat the request
	conn       atomic.Pointer[net.Conn]
	sentOn     atomic.Pointer[net.Conn]
	sentHTTP2  atomic.Bool
	doubtful   atomic.Bool // the write was repeated although it may have been processed
	hooks      httptrace.ClientTrace
}

func (e *evidence) trace() *httptrace.ClientTrace {
	e.hooks = httptrace.ClientTrace{
		GetConn:          e.getConn,
		GotConn:          e.gotConn,
		WroteHeaderField: e.wroteHeaderField,
	}
	return &e.hooks
}

func (e *evidence) getConn(hostPort string) {
	if e.transport.Direct || e.hostPort == hostPort {
		e.wanted.Add(1)
	} else {
		e.wantedOthers.Add(1)
	}
}

func (e *evidence) gotConn(info httptrace.GotConnInfo) {
	e.got.Add(1)
	e.conn.Store(&info.Conn)
}

// wroteHeaderField is called for each header, before the request is on the wire. Only HTTP/2
// writes names in lower case.
func (e *evidence) wroteHeaderField(name string, values []string) {
	switch http.CanonicalHeaderKey(name) {
	case "Idempotency-Key", "X-Idempotency-Key":
		e.repeatable.Store(true)
	case "X-Request-Id":
		if len(values) != 1 || values[0] != e.requestID {
			return
		}
		isHTTP2 := name != "X-Request-Id"
		if !isHTTP2 {
			e.transport.http1.Store(true)
		}
		conn := e.conn.Load()
		before, beforeHTTP2 := e.sentOn.Swap(conn), e.sentHTTP2.Swap(isHTTP2)
		if e.sends.Add(1) > 1 && !e.unprocessed(before, beforeHTTP2, conn) {
			e.doubtful.Store(true)
		}
	}
}

// unprocessed reports whether the server certainly did not process the request that was sent
// on the connection before, and is now repeated on conn. It knows only net/http's reasons.
func (e *evidence) unprocessed(before *net.Conn, isHTTP2 bool, conn *net.Conn) bool {
	if !e.transport.Direct || before == nil || conn == nil {
		return false
	}
	if isHTTP2 {
		// The reason is REFUSED_STREAM if the connection stays open. On another one, it
		// may be PROTOCOL_ERROR, after which Go 1.26 repeats a request as well.
		return *before == *conn
	}
	// net/http repeats a write if no byte of it was written.
	return !e.repeatable.Load()
}

// notReceived reports whether the write certainly reached no server. The lack of a connection
// proves it only if net/http reported that it wanted one: another RoundTripper may report
// nothing.
func (e *evidence) notReceived() bool {
	return e != nil && e.wanted.Load() > 0 && e.sends.Load() == 0 && e.got.Load() <= e.wantedOthers.Load()
}

// repeated reports whether the transport repeated the write by itself although the server may
// have processed it.
func (e *evidence) repeated() bool { return e != nil && e.doubtful.Load() }

// unprocessedText reports whether net/http's error is that the server did not process a
// request that cannot be repeated.
func unprocessedText(text string) bool {
	return strings.Contains(text, "cannot retry err [") &&
		(strings.Contains(text, "REFUSED_STREAM") || strings.Contains(text, "graceful shutdown GOAWAY"))
}
