package engine

import (
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
)

// evidence is what net/http reports of a write on the wire. A RoundTripper can send
// requests of its own under the same context, for a token say, so each event must be
// shown to belong to this write: by its request ID, or by its host. Events can come
// when the attempt is over.
type evidence struct {
	requestID string
	transport *Transport
	hostPort  string // what this write asks a connection to: the API, or a proxy that is known

	wanted       atomic.Int32 // connections for this write
	wantedOthers atomic.Int32
	got          atomic.Int32 // connections, for whatever request
	sends        atomic.Int32 // of this write

	repeatable atomic.Bool // the request has a header that lets net/http repeat it
	conn       atomic.Pointer[net.Conn]
	sentOn     atomic.Pointer[net.Conn]
	sentHTTP2  atomic.Bool
	doubtful   atomic.Bool // what may have been processed was sent again
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

// wroteHeaderField is called for each header before anything of the request is on the
// wire. HTTP/2 alone writes names in lower case, with TLS or without.
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

// unprocessed reports whether the server certainly did nothing with the send on conn
// before, which is now repeated on conn. Only net/http's reasons are known.
func (e *evidence) unprocessed(before *net.Conn, isHTTP2 bool, conn *net.Conn) bool {
	if !e.transport.Direct || before == nil || conn == nil {
		return false
	}
	if isHTTP2 {
		// The server reported so by REFUSED_STREAM, on a connection that stays. On
		// another one, it may have been PROTOCOL_ERROR, which Go 1.26 repeats as well.
		return *before == *conn
	}
	// net/http repeats a write of which no byte was written.
	return !e.repeatable.Load()
}

// notReceived reports whether the write certainly reached no server. That there was no
// connection proves it only when net/http reported that it looked for one: another
// RoundTripper may report nothing.
func (e *evidence) notReceived() bool {
	return e != nil && e.wanted.Load() > 0 && e.sends.Load() == 0 && e.got.Load() <= e.wantedOthers.Load()
}

// repeated reports whether the transport sent the write again by itself although the
// server may have processed it.
func (e *evidence) repeated() bool { return e != nil && e.doubtful.Load() }

// unprocessedText knows the errors in which net/http reports that the server did
// nothing with a request that it cannot repeat.
func unprocessedText(text string) bool {
	return strings.Contains(text, "cannot retry err [") &&
		(strings.Contains(text, "REFUSED_STREAM") || strings.Contains(text, "graceful shutdown GOAWAY"))
}
