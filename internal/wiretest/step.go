package wiretest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"time"
)

// A Step is what happens to one request, or to one dial.
type Step struct {
	name    string
	times   int
	forever bool
	dial    func(context.Context) error // of a dial that fails
	serve   func(*Conn)                 // of a connection that stands
}

// Times returns the step n times over.
func (s Step) Times(n int) Step {
	s.times = n
	return s
}

// Forever makes the step the last one, for all that comes from then on.
func (s Step) Forever() Step {
	s.forever = true
	return s
}

// Do is a step of the test's own. On a new connection it starts before there is a
// request, on a used one with the first byte of one: it calls [Conn.Read] when the
// request is to be read.
func Do(name string, serve func(*Conn)) Step { return Step{name: name, serve: serve} }

// Refuse fails a dial as a host does on which nothing listens.
func Refuse() Step {
	return DialError(&net.OpError{Op: "dial", Net: "tcp", Err: errRefused})
}

// DialError fails a dial.
func DialError(err error) Step {
	return Step{name: "dial: " + err.Error(), dial: func(context.Context) error { return err }}
}

// DialStall lets a dial hang until its context ends.
func DialStall() Step {
	return Step{name: "dial stalls", dial: func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}}
}

// Reply reads a request and answers it: see [Response].
func Reply(status int, body string, headers ...string) Step {
	return Raw(Response(status, body, headers...))
}

// Raw reads a request and sends bytes as they are, and keeps the connection.
func Raw(bytes string) Step {
	return Do(fmt.Sprintf("send %.40q", bytes), func(c *Conn) {
		if c.Read() != nil {
			c.Write(bytes)
		}
	})
}

// Cut reads a request, sends bytes as they are, and hangs up.
func Cut(bytes string) Step {
	return Do(fmt.Sprintf("send %.40q and hang up", bytes), func(c *Conn) {
		if c.Read() != nil {
			c.Write(bytes)
		}
		c.Close()
	})
}

// HangUp reads a request and hangs up.
func HangUp() Step {
	return Do("read and hang up", func(c *Conn) {
		c.Read()
		c.Close()
	})
}

// HangUpUnread hangs up on a new connection before there is a request, and on a
// used one within a request.
func HangUpUnread() Step { return Do("hang up unread", (*Conn).Close) }

// Stall reads a request, sends bytes, maybe none, and then nothing more.
func Stall(bytes string) Step {
	return Do(fmt.Sprintf("send %.40q and stall", bytes), func(c *Conn) {
		if c.Read() != nil {
			c.Write(bytes)
		}
		c.Stall()
	})
}

// Deaf reads nothing and says nothing, until the test ends.
func Deaf() Step {
	return Do("deaf", func(c *Conn) {
		<-c.server.done
		c.Close()
	})
}

// Trickle reads a request, sends head, and then filler, a byte each interval, until
// the client hangs up.
func Trickle(head string, filler byte, interval time.Duration) Step {
	return Do(fmt.Sprintf("send %.40q and trickle", head), func(c *Conn) {
		if c.Read() == nil || !c.Write(head) {
			return
		}
		for c.Write(string(filler)) {
			c.Sleep(interval)
		}
		c.Close()
	})
}

// Handle reads a request and sends what handler answers.
func Handle(handler http.Handler) Step {
	return Do("handler", func(c *Conn) {
		if r := c.Read(); r != nil {
			c.Write(responseOf(handler, r))
		}
	})
}

func responseOf(handler http.Handler, r *http.Request) string {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	var headers []string
	for name, values := range w.Header() {
		for _, value := range values {
			headers = append(headers, name+": "+value)
		}
	}
	return Response(w.Code, w.Body.String(), headers...)
}
