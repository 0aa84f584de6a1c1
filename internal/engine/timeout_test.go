package engine_test

import (
	"context"
	"net/http"
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

// assertTimedOut checks the error of a call whose four attempts all took too long.
func assertTimedOut(t *testing.T, server *wiretest.Server, limit time.Duration, err error) {
	t.Helper()
	e := clienttest.AsTransportError(t, err)
	assert.True(t, e.Timeout())
	assert.Equal(t, 4, e.Attempts)
	assert.NotErrorIs(t, err, context.DeadlineExceeded, "the caller has no deadline")
	assert.NotErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "no answer within "+limit.String())
	assert.GreaterOrEqual(t, server.Now(), 4*limit+1750*time.Millisecond)
	assert.LessOrEqual(t, server.Now(), 4*limit+3500*time.Millisecond)
}

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

			assertTimedOut(t, server, 30*time.Second, err)
			assert.Equal(t, tt.maybeApplied, clienttest.AsTransportError(t, err).MaybeApplied)
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

// P9: the library drains an error body without a bound in time.
func TestAnErrorBodyInATrickleIsPartOfTheAttempt(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		head := wiretest.Response(500, `{"message":"`, "Content-Length: 900", "X-Runloop-Request-Id: req_1")
		server := wiretest.NewServer(t, wiretest.Trickle(head, 'x', time.Second).Times(4))
		client := clienttest.NewWireClient(t, server)

		err := clienttest.UpdatePolicy(t.Context(), client)

		require.ErrorIs(t, err, runloop.ErrServer)
		e := clienttest.AsAPIError(t, err)
		assert.Equal(t, 4, e.Attempts)
		assert.Equal(t, "req_1", e.RequestID)
		assert.True(t, e.MaybeApplied)
		assert.NotErrorIs(t, err, context.DeadlineExceeded)
		assert.GreaterOrEqual(t, server.Now(), 121750*time.Millisecond)
		assert.LessOrEqual(t, server.Now(), 123500*time.Millisecond)
	})(t)
}

func TestTheTimeLimitOfAnAttempt(t *testing.T) {
	httpClient := func(s *wiretest.Server, timeout time.Duration) runloop.Option {
		return runloop.WithHTTPClient(&http.Client{Transport: s.Transport, Timeout: timeout})
	}
	for name, tt := range map[string]struct {
		client func(*wiretest.Server) []runloop.Option
		call   []runloop.Option
		want   time.Duration
	}{
		"of the http.Client": {
			func(s *wiretest.Server) []runloop.Option { return []runloop.Option{httpClient(s, 7*time.Second)} },
			nil, 7 * time.Second,
		},
		"of the client, before the http.Client's": {
			func(s *wiretest.Server) []runloop.Option {
				return []runloop.Option{httpClient(s, 7*time.Second), runloop.WithTimeout(40 * time.Second)}
			},
			nil, 40 * time.Second,
		},
		"of the call, before the client's": {
			func(s *wiretest.Server) []runloop.Option {
				return []runloop.Option{httpClient(s, 0), runloop.WithTimeout(40 * time.Second)}
			},
			[]runloop.Option{runloop.WithTimeout(2 * time.Second)}, 2 * time.Second,
		},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Stall("").Times(4))
			client := clienttest.NewWireClient(t, server, tt.client(server)...)

			err := clienttest.GetPolicy(t.Context(), client, tt.call...)

			assertTimedOut(t, server, tt.want, err)
		}))
	}
}

// A switch of protocols hands the connection over as the body, out of reach of any
// time limit.
func TestASwitchOfProtocolsIsAnInvalidAnswer(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Stall("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n"))
		client := clienttest.NewWireClient(t, server)

		err := clienttest.GetPolicy(t.Context(), client)

		require.ErrorIs(t, err, runloop.ErrInvalidResponse)
		assert.Zero(t, server.Now())
	})(t)
}
