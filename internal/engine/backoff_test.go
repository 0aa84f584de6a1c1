package engine

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestBackoffDoublesUpToEightSeconds(t *testing.T) {
	t.Parallel()
	for attempt, limit := range map[int]time.Duration{
		1:             500 * time.Millisecond,
		2:             time.Second,
		3:             2 * time.Second,
		4:             4 * time.Second,
		5:             8 * time.Second,
		6:             8 * time.Second,
		101:           8 * time.Second,
		math.MaxInt32: 8 * time.Second,
	} {
		shortest, longest := time.Hour, time.Duration(0)
		for range 2000 {
			wait := backoff(attempt)
			shortest, longest = min(shortest, wait), max(longest, wait)
		}
		assert.GreaterOrEqual(t, shortest, limit/2, "attempt %d", attempt)
		assert.LessOrEqual(t, longest, limit, "attempt %d", attempt)
		// The jitter spreads over all of that.
		assert.Less(t, shortest, limit*55/100, "attempt %d", attempt)
		assert.Greater(t, longest, limit*95/100, "attempt %d", attempt)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	const ever = time.Duration(math.MaxInt64)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for headers, want := range map[string]time.Duration{
		"":                                  0,
		"Retry-After: 0":                    0,
		"Retry-After: 9223372036":           9223372036 * time.Second, // 292 years
		"Retry-After: 9223372037":           ever,                     // a second more than a Duration
		"Retry-After: 9223372036854775807":  ever,
		"Retry-After: 99999999999999999999": ever,
		"Retry-After: 1e309":                ever, // larger than a float
		"Retry-After: 1.5":                  1500 * time.Millisecond,
		"Retry-After: 1e3":                  1000 * time.Second,
		"Retry-After: 1e-12":                1, // a fraction of a nanosecond
		"Retry-After: 1e-999":               0, // too small for a float
		"Retry-After:  5":                   5 * time.Second,
		"Retry-After: Sunday, 01-Mar-26 12:00:30 GMT":                                    30 * time.Second,
		"Retry-After: Sun Mar  1 12:00:30 2026":                                          30 * time.Second,
		"Retry-After: Sun, 01 Mar 2026 12:00:30 PST":                                     0, // IMF date of another zone
		"Retry-After: Sun, 01 Mar 2026 17:00:30 GMT|Date: Sun, 01 Mar 2026 17:00:00 GMT": 30 * time.Second,
		"Retry-After: Sun, 01 Mar 2026 12:00:30 GMT|Date: today":                         30 * time.Second,
		"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT":                                     ever, // date beyond a Duration
		"Retry-After-Ms: 1500":                                                           1500 * time.Millisecond,
		"Retry-After-Ms: 1500|Retry-After: 9":                                            1500 * time.Millisecond,
		"Retry-After-Ms: soon|Retry-After: 9":                                            9 * time.Second,
		"Retry-After: 5":                                                                 5 * time.Second,
		"Retry-After: +5":                                                                5 * time.Second,
		"Retry-After: -5":                                                                0,
		"Retry-After: -1e999":                                                            0,
		"Retry-After: abc":                                                               0,
		"Retry-After: 120, 60":                                                           0,
		"Retry-After: NaN":                                                               0,
		"Retry-After: Inf":                                                               0,
		"Retry-After: 0x10":                                                              0,
		"Retry-After: 1_000":                                                             0,
		"Retry-After: +-":                                                                0,
		"Retry-After: Sun, 01 Mar 2026 12:00:30 GMT":                                     30 * time.Second,
		"Retry-After: Sun, 01 Mar 2026 11:59:30 GMT":                                     0,
		"Retry-After: Sun, 01 Mar 2026 12:00:30 GMT|Date: Sun, 01 Mar 2026 13:00:00 GMT": 0,
		"Retry-After: ": 0,
	} {
		h := http.Header{}
		for header := range strings.SplitSeq(headers, "|") {
			name, value, _ := strings.Cut(header, ": ")
			h.Set(name, value)
		}
		assert.Equal(t, want, retryAfter(h, now), headers)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"5", "-5", "1e300", "9223372037", "NaN", "Sun, 01 Mar 2026 12:00:30 GMT"} {
		f.Add(seed)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		for _, name := range []string{"Retry-After", "Retry-After-Ms"} {
			wait := retryAfter(http.Header{name: {value}}, now)
			assert.GreaterOrEqual(t, wait, time.Duration(0), "a negative wait is a hot loop")
		}
	})
}
