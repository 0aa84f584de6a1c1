package runlooptest

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/noenv"
)

// A Server is an [API] that serves HTTP/1.1 and HTTP/2, both without TLS: on a port
// ([NewServer], [NewLoopbackServer]) or in memory ([NewTestServer]).
type Server struct {
	*API
	// URL is the base URL, "http://127.0.0.1:port". In memory it is "http://127.0.0.1",
	// which only the server's own clients reach.
	URL string

	server    *http.Server
	transport *http.Transport
	accepting chan struct{}  // closed when no more connections are accepted
	conns     sync.WaitGroup // the connections that are being served
}

// TB is the part of [testing.TB] that the server of a test uses.
type TB interface {
	Helper()                           // see testing.TB
	Errorf(format string, args ...any) // called once if a fault did not fire
	Cleanup(func())                    // called once with a function that closes the server
}

// NewServer starts a fake API on a free port of 127.0.0.1, which any program on the
// machine can reach. The caller must close it. NewServer panics if no port is available.
func NewServer(opts ...Option) *Server {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic("runlooptest: " + err.Error())
	}
	return serve(New(opts...), listener, "http://"+listener.Addr().String(), new(http.Transport))
}

// NewTestServer starts a fake API for one test, in memory: only [Server.Client] and
// [Server.HTTPClient] reach it. In a [testing/synctest] bubble, create it inside the
// bubble, with the bubble's t.
//
// When the test ends, the server closes, and the test fails if [API.Unfired] returns
// anything.
func NewTestServer(tb TB, opts ...Option) *Server {
	tb.Helper()
	network := newPipeNetwork()
	return serve(New(opts...), network, "http://127.0.0.1", &http.Transport{DialContext: network.DialContext}).closeAfter(tb)
}

// NewLoopbackServer starts a fake API for one test like [NewTestServer], but on a port
// like [NewServer]. It does not work in a bubble.
func NewLoopbackServer(tb TB, opts ...Option) *Server {
	tb.Helper()
	return NewServer(opts...).closeAfter(tb)
}

func serve(api *API, listener net.Listener, url string, transport *http.Transport) *Server {
	transport.MaxIdleConnsPerHost = 256 // keeps the connections of a burst
	s := &Server{API: api, URL: url, transport: transport, accepting: make(chan struct{})}
	// Some clients, such as Runloop's for TypeScript, use HTTP/2 even without TLS.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s.server = &http.Server{
		Handler:   api,
		Protocols: protocols,
		ConnState: s.countConn,
		ErrorLog:  log.New(io.Discard, "", 0), // tests disconnect on purpose
	}
	go func() {
		defer close(s.accepting)
		_ = s.server.Serve(listener) // the error is always that the server is closed
	}()
	return s
}

// countConn counts the connections whose goroutine has not ended.
func (s *Server) countConn(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateClosed:
		s.conns.Done()
	}
}

// Close stops the server, disconnects the requests in progress, and waits until they
// have ended. Further calls do nothing.
func (s *Server) Close() {
	_ = s.server.Close()
	s.transport.CloseIdleConnections()
	<-s.accepting
	s.conns.Wait()
}

func (s *Server) closeAfter(tb TB) *Server {
	tb.Cleanup(func() {
		tb.Helper()
		s.Close()
		const shown = 10
		unfired := s.Unfired()
		if more := len(unfired) - shown; more > 0 {
			unfired = append(unfired[:shown:shown], fmt.Sprintf("and %d more", more))
		}
		if len(unfired) > 0 {
			tb.Errorf("runlooptest: scripted faults did not fire:\n\t%s", strings.Join(unfired, "\n\t"))
		}
	})
	return s
}

// HTTPClient returns a new HTTP client that reaches the server. It sends no API key. Its
// Transport is an [*http.Transport] that all of these clients share; a Clone of it
// reaches the server too.
func (s *Server) HTTPClient() *http.Client {
	return &http.Client{Transport: s.transport}
}

// Client returns a client of the SDK for the server, with its URL, a valid key, and
// [Server.HTTPClient]. It ignores the environment variables RUNLOOP_*. The options
// override these settings. The error is that of [runloop.NewClient].
func (s *Server) Client(opts ...runloop.Option) (*runloop.Client, error) {
	key := s.config.apiKey
	if key == "" {
		key = "test-key" // any key is accepted
	}
	return runloop.NewClient(append([]runloop.Option{
		noenv.Option.(runloop.Option),
		runloop.WithBaseURL(s.URL),
		runloop.WithAPIKey(key),
		runloop.WithHTTPClient(s.HTTPClient()),
	}, opts...)...)
}

// A pipeNetwork is a listener in memory. Its connections, unlike sockets, let the time
// of a synctest bubble advance while they wait.
type pipeNetwork struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func() // closes closed, once
}

func newPipeNetwork() *pipeNetwork {
	n := &pipeNetwork{conns: make(chan net.Conn), closed: make(chan struct{})}
	n.close = sync.OnceFunc(func() { close(n.closed) })
	return n
}

// DialContext connects to the listener, whatever the address, until it is closed.
func (n *pipeNetwork) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	err := ctx.Err() // first, because select picks any case that is ready
	if err == nil {
		client, server := net.Pipe()
		select {
		case n.conns <- server:
			return client, nil
		case <-n.closed:
			err = errRefused
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return nil, &net.OpError{Op: "dial", Net: network, Addr: n.Addr(), Err: err}
}

func (n *pipeNetwork) Accept() (net.Conn, error) {
	select {
	case conn := <-n.conns:
		return conn, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *pipeNetwork) Close() error {
	n.close()
	return nil
}

func (n *pipeNetwork) Addr() net.Addr { return &net.UnixAddr{Name: "in memory", Net: "pipe"} }
