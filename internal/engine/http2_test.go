package engine_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// HTTP/2, whose faults are of single requests, and whose repeats by net/http no
// hook of the retries counts.

func newHTTP2Server(t testing.TB, script ...wiretest.Step) *wiretest.Server {
	server := wiretest.NewServer(t, script...)
	server.UseHTTP2()
	return server
}

// N1: a stream that the server refused was not processed, so net/http may repeat it.
func TestHTTP2RefusedStream(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := newHTTP2Server(t, wiretest.HTTP2Conn("refuse a stream", func(h *wiretest.HTTP2) {
			h.Reset(h.Read(), wiretest.RefusedStream)
			h.Reply(h.Read(), 200, clienttest.PolicyJSON)
		}))
		client := clienttest.NewWireClient(t, server)

		require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))

		assert.Len(t, server.Requests(), 2)
	})(t)
}

// N1: net/http repeats it for longer and longer. Only the limit of an attempt ends
// that.
func TestHTTP2RefusedStreamsForEver(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := newHTTP2Server(t, wiretest.HTTP2Conn("refuse all streams", func(h *wiretest.HTTP2) {
			for {
				stream := h.Read()
				if stream == 0 {
					return
				}
				h.Reset(stream, wiretest.RefusedStream)
			}
		}))
		client := clienttest.NewWireClient(t, server, runloop.WithMaxRetries(1))

		err := clienttest.UpdatePolicy(t.Context(), client)

		e := clienttest.AsTransportError(t, err)
		assert.Equal(t, 2, e.Attempts)
		assert.True(t, e.Timeout())
		assert.GreaterOrEqual(t, server.Now(), 60250*time.Millisecond)
		assert.LessOrEqual(t, server.Now(), 60500*time.Millisecond)
	})(t)
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

func TestHTTP2StreamsThatAreReset(t *testing.T) {
	for name, code := range map[string]uint32{"internal error": wiretest.InternalError, "cancel": wiretest.Cancel} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server := newHTTP2Server(t, wiretest.HTTP2Conn("reset a stream", func(h *wiretest.HTTP2) {
				h.Reset(h.Read(), code)
				h.Reply(h.Read(), 200, clienttest.PolicyJSON)
			}))
			client := clienttest.NewWireClient(t, server)

			require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))

			require.Len(t, server.Times(), 2)
			clienttest.AssertBackoff(t, server.Times())
		}))
	}
}

// N1: some releases of net/http repeat a stream that was reset for a protocol error,
// though nothing says that it was not processed.
func TestHTTP2ProtocolErrorAfterACreate(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		answers := []func(*wiretest.HTTP2, uint32){
			func(h *wiretest.HTTP2, stream uint32) { h.Reset(stream, wiretest.ProtocolError) },
			func(h *wiretest.HTTP2, stream uint32) { h.Reply(stream, 400, takenJSON) },
			func(h *wiretest.HTTP2, stream uint32) {
				h.Reply(stream, 200, `{"network_policies":[`+policyOfNowJSON+`],"has_more":false}`)
			},
		}
		server := newHTTP2Server(t, wiretest.HTTP2Conn("the next answer", func(h *wiretest.HTTP2) {
			for stream := h.Read(); stream != 0; stream = h.Read() {
				next := answers[0]
				answers = answers[1:]
				next(h, stream)
			}
		}).Forever())
		client := clienttest.NewWireClient(t, server)

		policy, err := createPolicy(t, client)

		require.NoError(t, err)
		assert.Equal(t, "npol_1", policy.ID)
		var methods []string
		for _, request := range server.Requests() {
			methods = append(methods, request.Method)
		}
		assert.Equal(t, []string{"POST", "POST", "GET"}, methods)
	})(t)
}
