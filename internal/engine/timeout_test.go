package engine_test

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

// P16: the library has no time limit for an attempt, and http.Client's looks like
// the caller's deadline.

func TestAnAttemptTakesThirtySecondsAtMost(t *testing.T) {
	for name, tt := range map[string]struct {
		fault        wiretest.Step
		maybeApplied bool
	}{
		"dial hangs":              {wiretest.DialStall(), false},
		"request is not read":     {wiretest.Deaf(), true},
		"nothing comes":           {wiretest.Stall(""), true},
		"headers stop":            {wiretest.Stall("HTTP/1.1 200 OK\r\nContent-"), true},
		"body does not come":      {wiretest.Stall(wiretest.Response(200, "", "Content-Length: 9")), true},
		"body stops":              {wiretest.Stall(wiretest.Response(200, `{"id":`, "Content-Length: 900")), true},
		"body comes in a trickle": {wiretest.Trickle(wiretest.Response(200, "", "Content-Length: 900"), ' ', time.Second), true},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, tt.fault.Times(4))
			client := clienttest.NewWireClient(t, server)

			err := clienttest.UpdatePolicy(t.Context(), client)

			e := clienttest.AsTransportError(t, err)
			assert.True(t, e.Timeout())
			assert.Equal(t, 4, e.Attempts)
			assert.Equal(t, tt.maybeApplied, e.MaybeApplied)
			assert.NotErrorIs(t, err, context.DeadlineExceeded, "the caller has no deadline")
			assert.NotErrorIs(t, err, context.Canceled)
			assert.ErrorContains(t, err, "no response within 30s")
			assert.GreaterOrEqual(t, server.Now(), 121750*time.Millisecond)
			assert.LessOrEqual(t, server.Now(), 123500*time.Millisecond)
		}))
	}
}

func TestAnAttemptAfterATimeoutCanSucceed(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Stall(wiretest.Response(200, `{"id":`, "Content-Length: 900")), wiretest.Reply(200, clienttest.PolicyJSON))
		client := clienttest.NewWireClient(t, server)

		require.NoError(t, clienttest.GetPolicy(t.Context(), client))

		require.Len(t, server.Times(), 2)
		clienttest.AssertBackoff(t, []time.Duration{30 * time.Second, server.Times()[1]})
	})(t)
}

// A switch of protocols hands the connection over as the body, out of reach of any
// time limit.
func TestASwitchOfProtocolsIsAnInvalidResponse(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Stall("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n"))
		client := clienttest.NewWireClient(t, server)

		err := clienttest.GetPolicy(t.Context(), client)

		require.ErrorIs(t, err, runloop.ErrInvalidResponse)
		assert.Zero(t, server.Now())
	})(t)
}
