package faults

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

const slowDownJSON = `{"message": "slow down", "error": "rate_limited"}`

// The clock of a bubble starts at midnight of Saturday, 2000-01-01, UTC.

// assertWait checks that a get that is answered once with status and headers
// succeeds by a second request, which comes after wait.
func assertWait(t *testing.T, wait time.Duration, status int, headers ...string) {
	t.Helper()
	server, client := script(t, wiretest.Reply(status, slowDownJSON, headers...), wiretest.Reply(200, policyJSON))

	policy, err := clienttest.GetCall.Policy(t.Context(), client)

	require.NoError(t, err)
	assert.Equal(t, "npol_1", policy.ID)
	assert.Equal(t, []time.Duration{0, wait}, server.Times())
}

// assertStop checks that an update that is answered with 429 and headers ends at
// once, and that the error says how long the API asks to wait.
func assertStop(t *testing.T, wait time.Duration, headers ...string) {
	t.Helper()
	server, client := script(t, wiretest.Reply(429, slowDownJSON, headers...))

	_, err := clienttest.UpdateCall.Policy(t.Context(), client)

	require.ErrorIs(t, err, runloop.ErrRateLimited)
	e := clienttest.AsAPIError(t, err)
	assert.Equal(t, wait, e.RetryAfter)
	assert.Equal(t, 1, e.Attempts)
	assert.False(t, e.MaybeApplied)
	assert.Equal(t, "slow down", e.Message)
	assert.ErrorContains(t, err, "the API asks to wait "+wait.String())
	assert.Len(t, server.Requests(), 1)
	assert.Zero(t, server.Now())
}

func Test41RateLimitedOnce(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		api := runlooptest.New()
		server, client := script(t, wiretest.Reply(429, slowDownJSON), wiretest.Handle(api))

		policy, err := createCall.Policy(t.Context(), client)

		require.NoError(t, err)
		require.Len(t, server.Requests(), 2)
		clienttest.AssertBackoff(t, server.Times())
		assert.Equal(t, []runloop.NetworkPolicy{*policy}, api.Policies())
	})(t)
}

func Test42RetryAfterSeconds(t *testing.T) {
	t.Parallel()
	for header, wait := range map[string]time.Duration{
		"Retry-After: 2":       2 * time.Second,
		"Retry-After: 1.5":     1500 * time.Millisecond,
		"Retry-After-Ms: 1500": 1500 * time.Millisecond,
	} {
		t.Run(header, clienttest.InBubble(func(t *testing.T) { assertWait(t, wait, 429, header) }))
	}
}

func Test43RetryAfterDate(t *testing.T) {
	t.Parallel()
	for name, date := range map[string]string{
		"IMF-fixdate": "Sat, 01 Jan 2000 00:00:30 GMT",
		"RFC 850":     "Saturday, 01-Jan-00 00:00:30 GMT",
		"asctime":     "Sat Jan  1 00:00:30 2000",
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) { assertWait(t, 30*time.Second, 429, "Retry-After: "+date) }))
	}
}

func Test44RetryAfterWithoutSense(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"0", "Fri, 31 Dec 1999 23:59:00 GMT", "-5", "abc", "NaN", ""} {
		t.Run(value, clienttest.InBubble(func(t *testing.T) {
			server, client := script(t,
				wiretest.Reply(429, slowDownJSON, "Retry-After: "+value).Times(3), wiretest.Reply(200, policyJSON))

			_, err := clienttest.GetCall.Policy(t.Context(), client)

			require.NoError(t, err)
			require.Len(t, server.Requests(), 4)
			clienttest.AssertBackoff(t, server.Times()) // never at once
		}))
	}
	t.Run("1e300", clienttest.InBubble(func(t *testing.T) { assertStop(t, forever, "Retry-After: 1e300") }))
}

// forever is 292 years.
const forever = time.Duration(1<<63 - 1)

func Test45RetryAfterOneMinute(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) { assertWait(t, time.Minute, 429, "Retry-After: 60") })(t)
}

func Test46RetryAfterTooLong(t *testing.T) {
	t.Parallel()
	for value, wait := range map[string]time.Duration{
		"61":                            61 * time.Second,
		"3600":                          time.Hour,
		"9223372037":                    forever, // a second beyond it
		"Fri, 31 Dec 9999 23:59:59 GMT": forever,
	} {
		t.Run(value, clienttest.InBubble(func(t *testing.T) { assertStop(t, wait, "Retry-After: "+value) }))
	}
}

func Test47RetryAfterBeyondTheDeadline(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server, client := script(t, wiretest.Reply(429, slowDownJSON, "Retry-After: 20"))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()

		_, err := clienttest.UpdateCall.Policy(ctx, client)

		require.ErrorIs(t, err, runloop.ErrRateLimited)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		e := clienttest.AsAPIError(t, err)
		assert.Equal(t, 20*time.Second, e.RetryAfter)
		assert.Equal(t, 1, e.Attempts)
		assert.False(t, e.MaybeApplied)
		assert.Len(t, server.Requests(), 1)
		assert.Zero(t, server.Now(), "the time is the caller's to use")
	})(t)
}

func Test48RateLimitedForLong(t *testing.T) {
	t.Parallel()
	for _, call := range calls {
		t.Run(call.Name, clienttest.InBubble(func(t *testing.T) {
			server, client := script(t, wiretest.Reply(429, slowDownJSON).Times(4))

			policy, err := call.Policy(t.Context(), client)

			assert.Nil(t, policy)
			require.ErrorIs(t, err, runloop.ErrRateLimited)
			assert.ErrorContains(t, err, call.Op+": 429 Too Many Requests: slow down (4 attempts; code rate_limited")
			e := clienttest.AsAPIError(t, err)
			assert.Equal(t, 4, e.Attempts)
			assert.False(t, e.MaybeApplied, "the API refused, four times")
			assert.JSONEq(t, slowDownJSON, string(e.Body))
			require.Len(t, server.Requests(), 4)
			clienttest.AssertBackoff(t, server.Times())
		}))
	}
}

func Test49RetryAfterTwiceAndOnOtherStatuses(t *testing.T) {
	t.Parallel()
	t.Run("the first of two", clienttest.InBubble(func(t *testing.T) { assertWait(t, 3*time.Second, 429, "Retry-After: 3", "Retry-After: 9") }))
	t.Run("502", clienttest.InBubble(func(t *testing.T) { assertWait(t, 9*time.Second, 502, "Retry-After: 9") }))
}

func Test50RetryAfterDateByAnotherClock(t *testing.T) {
	t.Parallel()
	t.Run("hours ahead, with its time", clienttest.InBubble(func(t *testing.T) {
		assertWait(t, 20*time.Second, 429, "Date: Sat, 01 Jan 2000 05:00:00 GMT", "Retry-After: Sat, 01 Jan 2000 05:00:20 GMT")
	}))
	t.Run("hours behind, with its time", clienttest.InBubble(func(t *testing.T) {
		assertWait(t, 20*time.Second, 429, "Date: Fri, 31 Dec 1999 19:00:00 GMT", "Retry-After: Fri, 31 Dec 1999 19:00:20 GMT")
	}))
	t.Run("hours ahead", clienttest.InBubble(func(t *testing.T) { assertStop(t, 5*time.Hour, "Retry-After: Sat, 01 Jan 2000 05:00:00 GMT") }))
}
