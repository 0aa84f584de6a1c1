package faults

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// A lostAnswer is a way in which the answer to a request gets lost.
type lostAnswer struct {
	name string
	send func(*wiretest.Conn)
}

var lostAnswers = []lostAnswer{
	{"connection close", (*wiretest.Conn).Close},
	{"hang", (*wiretest.Conn).Stall},
	{"cut headers", thenClose("HTTP/1.1 200 OK\r\nContent-")},
	cutBody,
	{"408", status(408)},
	{"429", status(429)},
	{"500", status(500)},
	{"502", status(502)},
	{"503", status(503)},
	{"504", status(504)},
}

// cutBody is the one of them that says success.
var cutBody = lostAnswer{"cut body", thenClose(wiretest.Response(200, `{"id": "npol_`, "Content-Length: 400"))}

func status(code int) func(*wiretest.Conn) {
	return func(c *wiretest.Conn) { c.Write(wiretest.Response(code, clienttest.BusyJSON)) }
}

func thenClose(bytes string) func(*wiretest.Conn) {
	return func(c *wiretest.Conn) {
		c.Write(bytes)
		c.Close()
	}
}

// A strike is what happens to one request: it is carried out, unless unserved, and
// its answer is lost, if lost says how.
type strike struct {
	lost     *lostAnswer
	unserved bool
}

// faulty is a step for every request from now on. It lets api answer, as far as draw,
// which is asked about one request at a time, has no other fate for the request.
func faulty(api http.Handler, draw func(*http.Request) strike) wiretest.Step {
	var drawing sync.Mutex
	return wiretest.Do("the API, or a fault", func(c *wiretest.Conn) {
		r := c.Read()
		if r == nil {
			return
		}
		drawing.Lock()
		strike := draw(r)
		drawing.Unlock()
		answer := httptest.NewRecorder()
		if !strike.unserved {
			api.ServeHTTP(answer, r)
		}
		if strike.lost != nil {
			strike.lost.send(c)
			return
		}
		c.Write(wiretest.Response(answer.Code, answer.Body.String()))
	}).Forever()
}

// faultyServer returns a server that has every request answered by api or meet its
// fate, and the account behind it. It is for a bubble.
func faultyServer(t testing.TB, draw func(*http.Request) strike) (*wiretest.Server, *runlooptest.API) {
	t.Helper()
	api := runlooptest.New(runlooptest.WithPolicyLimit(0))
	server := wiretest.NewServer(t, faulty(api, draw))
	// The race detector can follow 8,000 goroutines, and each connection has four.
	server.Transport.MaxConnsPerHost = 100
	server.Transport.MaxIdleConnsPerHost = 100
	return server, api
}

// atMostInARow bounds how often in a row draw strikes the requests that have the same
// header X-Call. One that is struck as often as it is sent must fail.
func atMostInARow(limit int, draw func(*http.Request) strike) func(*http.Request) strike {
	inARow := map[string]int{}
	return func(r *http.Request) strike {
		s, call := draw(r), r.Header.Get("X-Call")
		if s.lost == nil || inARow[call] == limit {
			inARow[call] = 0
			return strike{}
		}
		inARow[call]++
		return s
	}
}
