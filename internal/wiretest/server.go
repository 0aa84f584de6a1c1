package wiretest

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A Server responds to requests by a script, whatever their host is.
type Server struct {
	// Transport connects to the server. Before the first request, a test may change
	// any setting other than DialContext and DialTLSContext.
	Transport *http.Transport

	t     testing.TB
	start time.Time
	tls   *tls.Config
	ended context.Context // which ends with the test

	mu       sync.Mutex
	script   []Step
	requests []Request
	dials    int
}

// A Request is a request that the server received.
type Request struct {
	// At is the time between the creation of the server and the last byte of the request.
	At time.Duration
	// Target is the path and the query as they were sent.
	Method, Target string
	Header         http.Header
	Body           string
	// Raw is the whole request. It is empty for HTTP/2.
	Raw string
}

// NewServer returns a server that takes one step of script for each request or failed
// dial, on any connection.
func NewServer(t testing.TB, script ...Step) *Server {
	t.Helper()
	ended, end := context.WithCancel(context.Background())
	s := &Server{t: t, start: time.Now(), ended: ended}
	for _, step := range script {
		s.script = append(s.script, slices.Repeat([]Step{step}, max(1, step.times))...)
	}
	s.Transport = &http.Transport{DialContext: s.DialContext, DialTLSContext: s.DialContext}
	t.Cleanup(func() {
		end()
		s.Transport.CloseIdleConnections()
		synctest.Wait()
		if step, ok := s.next(); ok && !step.forever && !s.t.Skipped() {
			s.t.Errorf("wiretest: no request for the step %q and the %d after it", step.name, len(s.script))
		}
	})
	return s
}

// DialContext connects to the server. It is for the test's own transports.
func (s *Server) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	s.mu.Lock()
	s.dials++
	s.mu.Unlock()
	step, ok := s.next()
	if !ok {
		s.t.Errorf("wiretest: a dial has no step")
		step = Refuse()
	}
	if step.dial != nil {
		return nil, step.dial(ctx)
	}
	ours, theirs := net.Pipe()
	go s.serve(newConn(s, ours), step)
	return theirs, nil
}

// serve takes a step for each request until one end closes the connection. The first step
// begins with the connection, each other one with the first byte of a request.
func (s *Server) serve(c *Conn, step Step) {
	defer c.Close()
	defer context.AfterFunc(s.ended, func() { c.pipe.Close() })()
	for {
		step.serve(c)
		if c.closed {
			return
		}
		if _, err := c.in.Peek(1); err != nil {
			return
		}
		var ok bool
		if step, ok = s.next(); !ok || step.dial != nil {
			s.t.Errorf("wiretest: a request on an open connection has no step, but %q: %.80q", step.name, c.raw.String())
			return
		}
	}
}

// Requests returns the requests so far, in the order of their arrival.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Times returns the arrival times of the requests.
func (s *Server) Times() (times []time.Duration) {
	for _, r := range s.Requests() {
		times = append(times, r.At)
	}
	return times
}

// Dials returns the number of dials, failed ones included.
func (s *Server) Dials() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dials
}

// Now returns the time since the creation of the server.
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
