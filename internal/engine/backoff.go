package engine

import (
	"context"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	backoffBase = 500 * time.Millisecond
	backoffMax  = 8 * time.Second
	// maxRetryAfter is the longest wait that a server can ask for. A longer one ends the
	// call, so that the caller can decide what to do.
	maxRetryAfter = 60 * time.Second
)

// backoff returns the wait after the given attempt, counted from 1. It doubles from 0.5 s
// up to 8 s, less a random part of up to one half.
func backoff(attempt int) time.Duration {
	limit := backoffMax
	if doublings := attempt - 1; doublings < 4 { // 0.5 s x 2^4 is 8 s
		limit = backoffBase << doublings
	}
	return limit/2 + rand.N(limit/2+1)
}

// Wait waits as long as a call does after the given attempt, or until the context ends.
func Wait(ctx context.Context, attempt int) {
	select {
	case <-time.After(backoff(attempt)):
	case <-ctx.Done():
	}
}

// retryAfter returns how long the server asks the client to wait: by Retry-After-Ms, or
// else by Retry-After, in seconds or as one of the three HTTP dates. It returns 0 if the
// header is missing, invalid or negative.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if wait, ok := parseDuration(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return wait
	}
	value := h.Get("Retry-After")
	if wait, ok := parseDuration(value, time.Second); ok {
		return wait
	}
	if at, err := http.ParseTime(strings.TrimSpace(value)); err == nil {
		// The date is by the server's clock, which can be hours apart from the local one.
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			now = date
		}
		return max(0, at.Sub(now)) // Sub saturates
	}
	return 0
}

// parseDuration parses a non-negative decimal number of units. It returns the longest
// Duration for a number that is too large.
func parseDuration(s string, unit time.Duration) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	if s == "" || strings.Trim(s, "0123456789.eE+-") != "" {
		return 0, false // ParseFloat also accepts inf, NaN, 0x and underscores
	}
	n, err := strconv.ParseFloat(s, 64)
	if math.IsInf(n, 1) {
		return math.MaxInt64, true // and err is set: it is out of range
	}
	if err != nil || n < 0 {
		return 0, false
	}
	if d := n * float64(unit); d < math.MaxInt64 {
		return time.Duration(math.Ceil(d)), true
	}
	return math.MaxInt64, true
}
