package engine

import (
	"math"
	"net/http"
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

// The rows that the retry library gets wrong come first.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	const ever = time.Duration(math.MaxInt64)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		header map[string]string
		want   time.Duration
	}{
		"0":                                {map[string]string{"Retry-After": "0"}, 0},
		"292 years":                        {map[string]string{"Retry-After": "9223372036"}, 9223372036 * time.Second},
		"a second more than a Duration":    {map[string]string{"Retry-After": "9223372037"}, ever},
		"the largest integer":              {map[string]string{"Retry-After": "9223372036854775807"}, ever},
		"larger than an integer":           {map[string]string{"Retry-After": "99999999999999999999"}, ever},
		"larger than a float":              {map[string]string{"Retry-After": "1e309"}, ever},
		"a fraction":                       {map[string]string{"Retry-After": "1.5"}, 1500 * time.Millisecond},
		"an exponent":                      {map[string]string{"Retry-After": "1e3"}, 1000 * time.Second},
		"a fraction of a nanosecond":       {map[string]string{"Retry-After": "1e-12"}, 1},
		"too small for a float":            {map[string]string{"Retry-After": "1e-999"}, 0},
		"leading blank":                    {map[string]string{"Retry-After": " 5"}, 5 * time.Second},
		"RFC 850 date":                     {map[string]string{"Retry-After": "Sunday, 01-Mar-26 12:00:30 GMT"}, 30 * time.Second},
		"asctime date":                     {map[string]string{"Retry-After": "Sun Mar  1 12:00:30 2026"}, 30 * time.Second},
		"IMF date of another zone":         {map[string]string{"Retry-After": "Sun, 01 Mar 2026 12:00:30 PST"}, 0},
		"date by the server's clock":       {map[string]string{"Retry-After": "Sun, 01 Mar 2026 17:00:30 GMT", "Date": "Sun, 01 Mar 2026 17:00:00 GMT"}, 30 * time.Second},
		"date and a Date that is none":     {map[string]string{"Retry-After": "Sun, 01 Mar 2026 12:00:30 GMT", "Date": "today"}, 30 * time.Second},
		"date beyond a Duration":           {map[string]string{"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, ever},
		"milliseconds":                     {map[string]string{"Retry-After-Ms": "1500"}, 1500 * time.Millisecond},
		"milliseconds before seconds":      {map[string]string{"Retry-After-Ms": "1500", "Retry-After": "9"}, 1500 * time.Millisecond},
		"milliseconds that are none":       {map[string]string{"Retry-After-Ms": "soon", "Retry-After": "9"}, 9 * time.Second},
		"5":                                {map[string]string{"Retry-After": "5"}, 5 * time.Second},
		"+5":                               {map[string]string{"Retry-After": "+5"}, 5 * time.Second},
		"-5":                               {map[string]string{"Retry-After": "-5"}, 0},
		"-1e999":                           {map[string]string{"Retry-After": "-1e999"}, 0},
		"a word":                           {map[string]string{"Retry-After": "abc"}, 0},
		"a list":                           {map[string]string{"Retry-After": "120, 60"}, 0},
		"NaN":                              {map[string]string{"Retry-After": "NaN"}, 0},
		"Inf":                              {map[string]string{"Retry-After": "Inf"}, 0},
		"hexadecimal":                      {map[string]string{"Retry-After": "0x10"}, 0},
		"underscores":                      {map[string]string{"Retry-After": "1_000"}, 0},
		"only signs":                       {map[string]string{"Retry-After": "+-"}, 0},
		"IMF date":                         {map[string]string{"Retry-After": "Sun, 01 Mar 2026 12:00:30 GMT"}, 30 * time.Second},
		"past date":                        {map[string]string{"Retry-After": "Sun, 01 Mar 2026 11:59:30 GMT"}, 0},
		"past date, by the server's clock": {map[string]string{"Retry-After": "Sun, 01 Mar 2026 12:00:30 GMT", "Date": "Sun, 01 Mar 2026 13:00:00 GMT"}, 0},
		"none":                             {nil, 0},
		"an empty one":                     {map[string]string{"Retry-After": ""}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for name, value := range tt.header {
				h.Set(name, value)
			}

			assert.Equal(t, tt.want, retryAfter(h, now))
		})
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
