package engine_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// HTTP/2, whose repeats by net/http no hook of the retries counts.

func newHTTP2Server(t testing.TB, script ...wiretest.Step) *wiretest.Server {
	server := wiretest.NewServer(t, script...)
	server.UseHTTP2()
	return server
}

func TestHTTP2GoAway(t *testing.T) {
	t.Run("before the stream: net/http repeats it", clienttest.InBubble(func(t *testing.T) {
		server := newHTTP2Server(t,
			wiretest.HTTP2Conn("go away", func(h *wiretest.HTTP2) {
				h.Read()
				h.GoAway(0)
				h.Close()
			}),
			wiretest.HTTP2Conn("reply", func(h *wiretest.HTTP2) { h.Reply(h.Read(), 200, clienttest.PolicyJSON) }))
		client := clienttest.NewWireClient(t, server, runloop.WithMaxRetries(0))

		require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))

		assert.Len(t, server.Requests(), 2)
	}))
	t.Run("with the stream: it may have been applied", clienttest.InBubble(func(t *testing.T) {
		server := newHTTP2Server(t, wiretest.HTTP2Conn("go away", func(h *wiretest.HTTP2) {
			h.GoAway(h.Read())
			h.Close()
		}))
		client := clienttest.NewWireClient(t, server, runloop.WithMaxRetries(0))

		err := clienttest.UpdatePolicy(t.Context(), client)

		assert.True(t, clienttest.AsTransportError(t, err).MaybeApplied)
		assert.Len(t, server.Requests(), 1)
	}))
}
