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
)

// Servers that take their time. An attempt has 30 s, from the dial to the last byte of
// the body. That is a limit of the SDK, and not the caller's deadline.

func Test29HeadersNeverCome(t *testing.T) {
	t.Parallel()
	each(t, repeatable, func(t *testing.T, c clienttest.PolicyCall) {
		server, client := script(t, fourTimes(c, wiretest.Stall(""))...)

		_, err := c.Policy(t.Context(), client)

		assertTimedOut(t, c, server, err)
		require.GreaterOrEqual(t, len(server.Requests()), 4)
		for i, at := range server.Times()[1:4] {
			assert.GreaterOrEqual(t, at-server.Times()[i], 30*time.Second)
		}
	})
}

// A create that timed out looks for its policy before it gives up.
func Test29HeadersNeverComeThoughCreated(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		api := newAccount(createCall)
		server, client := script(t, handleAndStall(api).Times(4), wiretest.Handle(api))

		policy, err := createCall.Policy(t.Context(), client)

		require.NoError(t, err)
		assert.Equal(t, api.Policies()[0].ID, policy.ID)
		assert.Equal(t, "POST POST POST POST GET", methods(server))
		assertTook(t, server, 30*time.Second)
		assertDone(t, createCall, api)
	})(t)
}

func Test30BodyTrickles(t *testing.T) {
	t.Parallel()
	each(t, repeatable, func(t *testing.T, c clienttest.PolicyCall) {
		server, client := script(t,
			fourTimes(c, wiretest.Trickle(wiretest.Response(200, "", "Content-Length: 900"), ' ', time.Second))...)

		policy, err := c.Policy(t.Context(), client)

		assertTimedOut(t, c, server, err)
		assert.Nil(t, policy)
	})
}

// P9: the library drains an error body without a bound in time. The status of an
// error is worth more than the rest of its body.
func Test31ErrorBodyTrickles(t *testing.T) {
	t.Parallel()
	each(t, repeatable, func(t *testing.T, c clienttest.PolicyCall) {
		head := wiretest.Response(503, `{"message":"`, "Content-Length: 900", "X-Runloop-Request-Id: req_1")
		server, client := script(t, fourTimes(c, wiretest.Trickle(head, 'x', 7*time.Second))...)

		_, err := c.Policy(t.Context(), client)

		require.ErrorIs(t, err, runloop.ErrServer)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		e := clienttest.AsAPIError(t, err)
		assert.Equal(t, 503, e.StatusCode)
		assert.Equal(t, "req_1", e.RequestID)
		assert.Equal(t, `{"message":"xxxxx`, string(e.Body))
		assert.Equal(t, 4, e.Attempts)
		assert.Equal(t, c.IsWrite(), e.MaybeApplied)
		assertTook(t, server, 30*time.Second)
	})
}

// A part of the request may have been read all the same, so this counts as sent.
func Test32RequestIsNotRead(t *testing.T) {
	t.Parallel()
	each(t, repeatable, func(t *testing.T, c clienttest.PolicyCall) {
		server, client := script(t, fourTimes(c, wiretest.Deaf())...)

		_, err := c.Policy(t.Context(), client)

		assertTimedOut(t, c, server, err)
		assert.GreaterOrEqual(t, server.Dials(), 4)
		for _, r := range server.Requests() {
			assert.Equal(t, "GET", r.Method, "the lookup alone is read")
		}
	})
}

// assertTimedOut checks the error of a call of which four attempts took too long.
func assertTimedOut(t testing.TB, c clienttest.PolicyCall, server *wiretest.Server, err error) {
	t.Helper()
	assertGaveUp(t, c, err)
	assert.True(t, clienttest.AsTransportError(t, err).Timeout())
	require.NotErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, err, "no response within 30s")
	assertTook(t, server, 30*time.Second)
}
