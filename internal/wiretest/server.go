package wiretest

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A Server answers requests by a script. It speaks for every address.
type Server struct {
	// Transport connects to the server. Settings other than DialContext and
	// DialTLSContext are the test's to change before the first request.
	Transport *http.Transport

	t     testing.TB
	start time.Time
	tls   *tls.Config

	mu       sync.Mutex
	script   []Step
	requests []Request
	dials    int
	open     map[*Conn]bool
	done     chan struct{} // closed when the test ends
}

// A Request is one that arrived at the server.
type Request struct {
	// At is when its last byte arrived, since the server was made.
	At time.Duration
	// Conn counts connections, from 1.
	Conn int
	// Target is the path and query as they were sent.
	Method, Target string
	Header         http.Header
	Body           string
	// Raw is the request byte by byte. It is empty for HTTP/2.
	Raw string
}

// NewServer returns a server that takes script step by step, one for each request
// or failed dial, on whatever connection it comes.
func NewServer(t testing.TB, script ...Step) *Server {
	t.Helper()
	s := &Server{t: t, start: time.Now(), open: make(map[*Conn]bool), done: make(chan struct{})}
	for _, step := range script {
		for range max(1, step.times) {
			s.script = append(s.script, step)
		}
	}
	s.Transport = &http.Transport{DialContext: s.DialContext, DialTLSContext: s.DialContext}
	t.Cleanup(s.finish)
	return s
}

// Client returns an http.Client with the server's Transport and no other setting.
func (s *Server) Client() *http.Client { return &http.Client{Transport: s.Transport} }

// DialContext connects to the server, for a transport of the test's own.
func (s *Server) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	s.mu.Lock()
	s.dials++
	number := s.dials
	s.mu.Unlock()
	step, ok := s.next()
	if !ok {
		s.t.Errorf("wiretest: dial %d has no step", number)
		step = Refuse()
	}
	if step.dial != nil {
		return nil, step.dial(ctx)
	}
	ours, theirs := net.Pipe()
	conn := newConn(s, ours, number)
	s.mu.Lock()
	s.open[conn] = true
	s.mu.Unlock()
	go conn.serve(step)
	return theirs, nil
}

// Requests returns the requests so far, in the order of their arrival.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Times returns when the requests arrived.
func (s *Server) Times() []time.Duration {
	var times []time.Duration
	for _, r := range s.Requests() {
		times = append(times, r.At)
	}
	return times
}

// Dials returns how often a connection was asked for.
func (s *Server) Dials() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dials
}

// Now returns the time since the server was made.
func (s *Server) Now() time.Duration { return time.Since(s.start) }

func (s *Server) next() (Step, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.script) == 0 {
		return Step{}, false
	}
	step := s.script[0]
	if !step.forever {
		s.script = s.script[1:]
	}
	return step, true
}

func (s *Server) record(r Request) {
	r.At = s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
}

func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// finish hangs up, so that the bubble can end, and looks for what was not used.
func (s *Server) finish() {
	close(s.done)
	s.mu.Lock()
	for conn := range s.open {
		conn.pipe.Close()
	}
	s.mu.Unlock()
	s.Transport.CloseIdleConnections()
	synctest.Wait()
	if step, ok := s.next(); ok && !step.forever && !s.t.Skipped() {
		s.t.Errorf("wiretest: nothing came for the step %q and the %d after it", step.name, len(s.script))
	}
}
