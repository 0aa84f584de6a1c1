package engine_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// The clock of a bubble starts at midnight of 2000-01-01, UTC.

// P2: the library waits for ever on a large number, overflows into a hot loop on a
// larger one, retries at once on 0, and knows one of the three dates.
func TestRetryAfterIsWaitedFor(t *testing.T) {
	for name, tt := range map[string]struct {
		headers []string
		wait    time.Duration
	}{
		"seconds":                     {[]string{"Retry-After: 2"}, 2 * time.Second},
		"seconds with a sign":         {[]string{"Retry-After: +5"}, 5 * time.Second},
		"a fraction":                  {[]string{"Retry-After: 1.5"}, 1500 * time.Millisecond},
		"blanks around":               {[]string{"Retry-After:   7  "}, 7 * time.Second},
		"the longest":                 {[]string{"Retry-After: 60"}, time.Minute},
		"milliseconds":                {[]string{"Retry-After-Ms: 1500"}, 1500 * time.Millisecond},
		"milliseconds before seconds": {[]string{"Retry-After: 9", "Retry-After-Ms: 1500"}, 1500 * time.Millisecond},
		"the first of two":            {[]string{"Retry-After: 3", "Retry-After: 9"}, 3 * time.Second},
		"an IMF date":                 {[]string{"Retry-After: Sat, 01 Jan 2000 00:00:30 GMT"}, 30 * time.Second},
		"an RFC 850 date":             {[]string{"Retry-After: Saturday, 01-Jan-00 00:00:30 GMT"}, 30 * time.Second},
		"an asctime date":             {[]string{"Retry-After: Sat Jan  1 00:00:30 2000"}, 30 * time.Second},
		"a date by the server's clock": {[]string{
			"Date: Sat, 01 Jan 2000 05:00:00 GMT", "Retry-After: Sat, 01 Jan 2000 05:00:20 GMT",
		}, 20 * time.Second},
		"a date by a clock that is behind": {[]string{
			"Date: Fri, 31 Dec 1999 19:00:00 GMT", "Retry-After: Fri, 31 Dec 1999 19:00:20 GMT",
		}, 20 * time.Second},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Reply(429, clienttest.BusyJSON, tt.headers...), wiretest.Reply(200, clienttest.PolicyJSON))
			client := clienttest.NewWireClient(t, server)

			require.NoError(t, clienttest.GetPolicy(t.Context(), client))

			assert.Equal(t, []time.Duration{0, tt.wait}, server.Times())
		}))
	}
}

func TestRetryAfterThatMakesNoSenseLeavesTheBackoff(t *testing.T) {
	for name, header := range map[string]string{
		"zero":                   "0",
		"less than the backoff":  "0.1",
		"negative":               "-5",
		"a word":                 "abc",
		"NaN":                    "NaN",
		"infinity":               "Inf",
		"hexadecimal":            "0x10",
		"two numbers":            "120, 60",
		"a past date":            "Fri, 31 Dec 1999 23:00:00 GMT",
		"a date of another zone": "Sat, 01 Jan 2000 00:00:30 PST",
		"nothing":                "",
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t,
				wiretest.Reply(429, clienttest.BusyJSON, "Retry-After: "+header).Times(3), wiretest.Reply(200, clienttest.PolicyJSON))
			client := clienttest.NewWireClient(t, server)

			require.NoError(t, clienttest.GetPolicy(t.Context(), client))

			require.Len(t, server.Times(), 4)
			clienttest.AssertBackoff(t, server.Times())
		}))
	}
}

func TestRetryAfterBeyondAMinuteEndsTheCallAtOnce(t *testing.T) {
	const ever = time.Duration(1<<63 - 1)
	for name, tt := range map[string]struct {
		header string
		want   time.Duration
	}{
		"just beyond":                {"Retry-After: 61", 61 * time.Second},
		"a hair beyond":              {"Retry-After: 60.001", 60001 * time.Millisecond},
		"an hour":                    {"Retry-After: 3600", time.Hour},
		"with an exponent":           {"Retry-After: 1e3", 1000 * time.Second},
		"292 years":                  {"Retry-After: 9223372036", 9223372036 * time.Second},
		"one second more":            {"Retry-After: 9223372037", ever},
		"the largest integer":        {"Retry-After: 9223372036854775807", ever},
		"beyond all numbers":         {"Retry-After: 1e999", ever},
		"a date without the clock":   {"Retry-After: Sat, 01 Jan 2000 05:00:00 GMT", 5 * time.Hour},
		"the year 9999":              {"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT", ever},
		"milliseconds":               {"Retry-After-Ms: 60001", 60001 * time.Millisecond},
		"milliseconds that overflow": {"Retry-After-Ms: 1e300", ever},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Reply(429, clienttest.BusyJSON, tt.header))
			client := clienttest.NewWireClient(t, server)

			err := clienttest.UpdatePolicy(t.Context(), client)

			require.ErrorIs(t, err, runloop.ErrRateLimited)
			e := clienttest.AsAPIError(t, err)
			assert.Equal(t, tt.want, e.RetryAfter)
			assert.Equal(t, 1, e.Attempts)
			assert.Equal(t, "come back later", e.Message)
			assert.False(t, e.MaybeApplied)
			assert.Zero(t, server.Now())
		}))
	}
}

// P2: the library looks for the header on 429 and 503 alone.
func TestRetryAfterCountsOnEveryStatusThatIsRetried(t *testing.T) {
	for _, status := range []int{408, 425, 429, 500, 502, 503, 504, 599} {
		t.Run(strconv.Itoa(status), clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Reply(status, clienttest.BusyJSON, "Retry-After: 9"), wiretest.Reply(200, clienttest.PolicyJSON))
			client := clienttest.NewWireClient(t, server)

			require.NoError(t, clienttest.GetPolicy(t.Context(), client))

			assert.Equal(t, []time.Duration{0, 9 * time.Second}, server.Times())
		}))
	}
}

// P3 and P11: the library sleeps up to the deadline, and then returns it alone.
func TestNoSleepTowardsADeadline(t *testing.T) {
	for name, tt := range map[string]struct {
		deadline time.Duration
		header   string
	}{
		"Retry-After beyond the deadline": {5 * time.Second, "Retry-After: 20"},
		"Retry-After beyond all limits":   {300 * time.Millisecond, "Retry-After: 3600"},
		"Retry-After just at it":          {2 * time.Second, "Retry-After: 2"},
		"the backoff beyond the deadline": {250 * time.Millisecond, "X-None: 1"},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Reply(429, clienttest.BusyJSON, tt.header))
			client := clienttest.NewWireClient(t, server)
			ctx, cancel := context.WithTimeout(t.Context(), tt.deadline)
			defer cancel()

			err := clienttest.UpdatePolicy(ctx, client)

			require.ErrorIs(t, err, runloop.ErrRateLimited)
			if tt.deadline != 300*time.Millisecond { // there it is the header that ends the call
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
			e := clienttest.AsAPIError(t, err)
			assert.Equal(t, "come back later", e.Message)
			assert.Equal(t, 1, e.Attempts)
			assert.Zero(t, server.Now())
		}))
	}
}

// P11: on a fault of the wire the library's backoff is told nothing, not even that
// there is a deadline.
func TestNoSleepTowardsADeadlineAfterARefusedConnection(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Refuse())
		client := clienttest.NewWireClient(t, server)
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
		defer cancel()

		err := clienttest.UpdatePolicy(ctx, client)

		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, "connection refused")
		e := clienttest.AsTransportError(t, err)
		assert.Equal(t, 1, e.Attempts)
		assert.False(t, e.MaybeApplied)
		assert.Zero(t, server.Now())
	})(t)
}

func TestADeadlineThatCanBeMetIsWaitedFor(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(429, clienttest.BusyJSON, "Retry-After: 2"), wiretest.Reply(200, clienttest.PolicyJSON))
		client := clienttest.NewWireClient(t, server)
		ctx, cancel := context.WithTimeout(t.Context(), 2001*time.Millisecond)
		defer cancel()

		require.NoError(t, clienttest.GetPolicy(ctx, client))
	})(t)
}
