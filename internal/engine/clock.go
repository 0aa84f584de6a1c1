package engine

import (
	"net/http"
	"time"
)

// A Clock is the server's clock, by its Date headers. The zero Clock is the local one.
type Clock struct {
	ahead time.Duration // of the local clock, a lower bound
	known bool
}

// learn reads the Date of a response that has just been received. The Date is truncated to
// seconds, and is from when the response was sent. So the server is ahead by at least the
// difference, and the largest difference is the most exact.
func (c *Clock) learn(h http.Header) {
	if c == nil {
		return
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	if ahead := time.Until(date); !c.known || ahead > c.ahead {
		c.ahead, c.known = ahead, true
	}
}

// At returns the server's time at a moment of the local clock. It may be early, by up to a
// second and the time of a response.
func (c *Clock) At(local time.Time) time.Time { return local.Add(c.ahead) }
