package engine

import (
	"net/http"
	"time"
)

// A Clock is the server's clock as its Date headers show it. The zero Clock is the
// local one.
type Clock struct {
	ahead time.Duration // of the local clock, at least
	known bool
}

// learn takes the Date of a response that has just been received. It is cut to the
// second and as old as the response, so the server is ahead by at least the
// difference, and the largest of several differences is the closest.
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

// At returns the server's time at a moment of the local clock, or up to a second and
// the time of a response earlier.
func (c *Clock) At(local time.Time) time.Time { return local.Add(c.ahead) }
