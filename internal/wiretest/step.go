package wiretest

import (
	"context"
	"fmt"
	"net"
	"time"
)

// A Step describes what happens to one request, or to one dial.
type Step struct {
	name    string
	times   int
	forever bool
	dial    func(context.Context) error // fails a dial
	serve   func(*Conn)                 // serves a request on an open connection
}

// Times returns the step repeated n times.
func (s Step) Times(n int) Step {
	s.times = n
	return s
}

// Forever returns the step repeated without end.
func (s Step) Forever() Step {
	s.forever = true
	return s
}

// Do returns a custom step. On a new connection it begins before there is a request, on a
// used one with the first byte of a request. It calls [Conn.Read] to read the request.
func Do(name string, serve func(*Conn)) Step { return Step{name: name, serve: serve} }

// Refuse fails a dial as if nothing listened on the host.
func Refuse() Step { return DialError(&net.OpError{Op: "dial", Net: "tcp", Err: errRefused}) }

// DialError fails a dial with err.
func DialError(err error) Step {
	return Step{name: "dial: " + err.Error(), dial: func(context.Context) error { return err }}
}

// DialStall makes a dial hang until its context ends.
func DialStall() Step {
	return Step{name: "dial stalls", dial: func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}}
}

// Reply reads a request and sends a [Response].
func Reply(status int, body string, headers ...string) Step {
	return Raw(Response(status, body, headers...))
}

// ReplyAfter reads a request and sends a [Response] after a delay.
func ReplyAfter(delay time.Duration, status int, body string) Step {
	return Do(fmt.Sprintf("reply %d after %s", status, delay), func(c *Conn) {
		if c.Read() != nil {
			c.Sleep(delay)
			c.Write(Response(status, body))
		}
	})
}

// Raw reads a request, sends bytes unchanged, and keeps the connection open.
func Raw(bytes string) Step { return send(bytes, "", func(*Conn) {}) }

// Cut reads a request, sends bytes unchanged, and hangs up.
func Cut(bytes string) Step { return send(bytes, " and hang up", (*Conn).Close) }

// HangUp reads a request and hangs up.
func HangUp() Step { return Cut("") }

// Stall reads a request, sends bytes unchanged, and then nothing more.
func Stall(bytes string) Step { return send(bytes, " and stall", (*Conn).Stall) }

func send(bytes, how string, then func(*Conn)) Step {
	return Do(fmt.Sprintf("send %.40q%s", bytes, how), func(c *Conn) {
		if c.Read() != nil {
			c.Write(bytes)
			then(c)
		}
	})
}

// HangUpUnread hangs up before it reads a request.
func HangUpUnread() Step { return Do("hang up unread", (*Conn).Close) }

// Deaf neither reads nor sends anything until the test ends.
func Deaf() Step {
	return Do("deaf", func(c *Conn) {
		<-c.server.ended.Done()
		c.Close()
	})
}

// Trickle reads a request, sends head, and then a blank each second until the client hangs
// up.
func Trickle(head string) Step {
	return Do("trickle", func(c *Conn) {
		for ok := c.Read() != nil && c.Write(head); ok; ok = c.Write(" ") {
			c.Sleep(time.Second)
		}
		c.Close()
	})
}
