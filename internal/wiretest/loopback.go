package wiretest

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// Loopback is a server on a real socket, outside of any bubble.
type Loopback struct {
	*httptest.Server
	conns, requests atomic.Int32
}

// NewLoopback starts a server, which is closed when the test ends. Each prepare function
// may change the server before it starts, or start it, for example with StartTLS.
func NewLoopback(t testing.TB, handler http.HandlerFunc, prepare ...func(*httptest.Server)) *Loopback {
	t.Helper()
	l := &Loopback{}
	l.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.requests.Add(1)
		handler(w, r)
	}))
	l.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			l.conns.Add(1)
		}
	}
	for _, f := range prepare {
		f(l.Server)
	}
	if l.URL == "" {
		l.Start()
	}
	t.Cleanup(l.Close)
	return l
}

// Conns returns the number of connections to the server so far.
func (l *Loopback) Conns() int { return int(l.conns.Load()) }

// Requests returns the number of requests so far.
func (l *Loopback) Requests() int { return int(l.requests.Load()) }

// Reset ends the connection of a request with a TCP reset. The handler must then return.
func Reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}
