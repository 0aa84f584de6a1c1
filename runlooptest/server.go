package runlooptest

import (
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
)

// A Server is an [API] that serves HTTP: on loopback ([NewServer],
// [NewLoopbackServer]) or in memory ([NewTestServer]).
type Server struct {
	*API
	// URL is the base URL, "http://127.0.0.1:port". In memory it is
	// "http://127.0.0.1", where only the server's own clients reach the server.
	URL string

	server    *http.Server
	transport *http.Transport
	accepting chan struct{}  // closed when connections are no longer accepted
	conns     sync.WaitGroup // the connections that are being served
}

// TB is the part of [testing.TB] that a server for a test needs.
type TB interface {
	Helper()                           // see testing.TB
	Errorf(format string, args ...any) // called once if faults did not fire
	Cleanup(func())                    // called once, with what closes the server
}

// NewServer starts a fake API on a free port of 127.0.0.1, which any program on
// the machine can reach. The caller has to close it. NewServer panics when no port is
// available.
func NewServer(opts ...Option) *Server {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic("runlooptest: " + err.Error())
	}
	return serve(New(opts...), listener, "http://"+listener.Addr().String(), new(http.Transport))
}

// NewTestServer starts a fake API for one test, on a network in memory. Only the
// server's own clients reach it: [Server.Client] and [Server.HTTPClient]. In a
// [testing/synctest] bubble, create it inside the bubble, with the bubble's t.
//
// When the test ends, the server is closed, and the test fails if [API.Unfired]
// returns anything.
func NewTestServer(tb TB, opts ...Option) *Server {
	tb.Helper()
	network := newPipeNetwork()
	s := serve(New(opts...), network, "http://127.0.0.1", &http.Transport{DialContext: network.DialContext})
	s.closeAfter(tb)
	return s
}

// NewLoopbackServer starts a fake API for one test like [NewTestServer], but on a
// port of 127.0.0.1 like [NewServer]. It does not work in a bubble, where time
// stands still while a socket waits.
func NewLoopbackServer(tb TB, opts ...Option) *Server {
	tb.Helper()
	s := NewServer(opts...)
	s.closeAfter(tb)
	return s
}

func serve(api *API, listener net.Listener, url string, transport *http.Transport) *Server {
	// Keeps the connections of a burst.
	transport.MaxIdleConnsPerHost = 256
	s := &Server{API: api, URL: url, transport: transport, accepting: make(chan struct{})}
	// Some clients speak HTTP/2 to every server, even without TLS.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s.server = &http.Server{
		Handler:   api,
		Protocols: protocols,
		ConnState: s.countConn,
		ErrorLog:  log.New(io.Discard, "", 0), // clients that break off are what it is for
	}
	go func() {
		defer close(s.accepting)
		_ = s.server.Serve(listener) // always an error: the server was closed
	}()
	return s
}

// countConn counts the connections whose goroutine has not ended. New ones are
// reported by the goroutine that accepts them.
func (s *Server) countConn(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateClosed:
		s.conns.Done()
	}
}

// Close stops the server. Requests in progress lose their connection, and Close waits
// until the last of them has ended. It may be called more than once.
func (s *Server) Close() {
	_ = s.server.Close()
	s.transport.CloseIdleConnections()
	<-s.accepting
	s.conns.Wait()
}

func (s *Server) closeAfter(tb TB) {
	tb.Cleanup(func() {
		tb.Helper()
		s.Close()
		if unfired := s.Unfired(); len(unfired) > 0 {
			tb.Errorf("runlooptest: scripted faults did not fire:\n\t%s", strings.Join(unfired, "\n\t"))
		}
	})
}

// HTTPClient returns a new HTTP client that reaches the server. It sends no API key.
// Its Transport is an [*http.Transport] that all of these clients share; a Clone of
// it reaches the server too.
func (s *Server) HTTPClient() *http.Client {
	return &http.Client{Transport: s.transport}
}
