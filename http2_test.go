package runloop_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
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
	inBubble(func(t *testing.T) {
		server := newHTTP2Server(t, wiretest.HTTP2Conn("refuse a stream", func(h *wiretest.HTTP2) {
			h.Reset(h.Read(), wiretest.RefusedStream)
			h.Reply(h.Read(), 200, policyJSON)
		}))
		client := newWireClient(t, server)

		require.NoError(t, updatePolicy(t.Context(), client))

		assert.Len(t, server.Requests(), 2)
	})(t)
}

// N1: net/http repeats it for longer and longer. Only the limit of an attempt ends
// that.
func TestHTTP2RefusedStreamsForEver(t *testing.T) {
	inBubble(func(t *testing.T) {
		server := newHTTP2Server(t, wiretest.HTTP2Conn("refuse all streams", func(h *wiretest.HTTP2) {
			for {
				stream := h.Read()
				if stream == 0 {
					return
				}
				h.Reset(stream, wiretest.RefusedStream)
			}
		}))
		client := newWireClient(t, server, runloop.WithMaxRetries(1))

		err := updatePolicy(t.Context(), client)

		e := asTransportError(t, err)
		assert.Equal(t, 2, e.Attempts)
		assert.True(t, e.Timeout())
		assert.GreaterOrEqual(t, server.Now(), 60250*time.Millisecond)
		assert.LessOrEqual(t, server.Now(), 60500*time.Millisecond)
	})(t)
}

func TestHTTP2GoAway(t *testing.T) {
	t.Run("before the stream: net/http repeats it", inBubble(func(t *testing.T) {
		server := newHTTP2Server(t,
			wiretest.HTTP2Conn("go away", func(h *wiretest.HTTP2) {
				h.Read()
				h.GoAway(0)
				h.Close()
			}),
			wiretest.HTTP2Conn("reply", func(h *wiretest.HTTP2) { h.Reply(h.Read(), 200, policyJSON) }))
		client := newWireClient(t, server, runloop.WithMaxRetries(0))

		require.NoError(t, updatePolicy(t.Context(), client))

		assert.Len(t, server.Requests(), 2)
	}))
	t.Run("with the stream: it may have been applied", inBubble(func(t *testing.T) {
		server := newHTTP2Server(t, wiretest.HTTP2Conn("go away", func(h *wiretest.HTTP2) {
			h.GoAway(h.Read())
			h.Close()
		}))
		client := newWireClient(t, server, runloop.WithMaxRetries(0))

		err := updatePolicy(t.Context(), client)

		assert.True(t, asTransportError(t, err).MaybeApplied)
		assert.Len(t, server.Requests(), 1)
	}))
}

func TestHTTP2StreamsThatAreReset(t *testing.T) {
	for name, code := range map[string]uint32{"internal error": wiretest.InternalError, "cancel": wiretest.Cancel} {
		t.Run(name, inBubble(func(t *testing.T) {
			server := newHTTP2Server(t, wiretest.HTTP2Conn("reset a stream", func(h *wiretest.HTTP2) {
				h.Reset(h.Read(), code)
				h.Reply(h.Read(), 200, policyJSON)
			}))
			client := newWireClient(t, server)

			require.NoError(t, updatePolicy(t.Context(), client))

			require.Len(t, server.Times(), 2)
			assertBackoff(t, server.Times())
		}))
	}
}

// N1: some releases of net/http repeat a stream that was reset for a protocol error,
// though nothing says that it was not processed.
func TestHTTP2ProtocolErrorAfterACreate(t *testing.T) {
	inBubble(func(t *testing.T) {
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
		client := newWireClient(t, server)

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

// N2: a connection that goes dead silently stays in use, attempt after attempt. The
// pool pings it.
func TestHTTP2ConnectionThatGoesDead(t *testing.T) {
	inBubble(func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.HTTP2Conn("reply, and then go dead", func(h *wiretest.HTTP2) { h.Reply(h.Read(), 200, policyJSON) }),
			wiretest.HTTP2Conn("reply", func(h *wiretest.HTTP2) { h.Reply(h.Read(), 200, policyJSON) }))
		client := newPoolClient(t, server)
		pool := runloop.PoolOf(client)
		pool.Protocols = new(http.Protocols)
		pool.Protocols.SetUnencryptedHTTP2(true)
		require.NoError(t, getPolicy(t.Context(), client))

		require.NoError(t, updatePolicy(t.Context(), client))

		assert.Equal(t, 2, server.Dials())
		assert.GreaterOrEqual(t, server.Now(), 15250*time.Millisecond, "ten seconds of silence, five for the ping, the backoff")
		assert.LessOrEqual(t, server.Now(), 15500*time.Millisecond)
	})(t)
}

// A dialer of its own keeps net/http from HTTP/2, unless it is told otherwise.
func TestThePoolSpeaksHTTP2(t *testing.T) {
	t.Parallel()
	var protocol string
	server := wiretest.NewLoopback(t, func(w http.ResponseWriter, r *http.Request) {
		protocol = r.Proto
		_, _ = w.Write([]byte(policyJSON))
	}, func(s *httptest.Server) {
		s.EnableHTTP2 = true
		s.StartTLS()
	})
	client, err := runloop.NewClient(runloop.WithAPIKey(testKey), runloop.WithBaseURL(server.URL))
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	runloop.PoolOf(client).TLSClientConfig = &tls.Config{RootCAs: roots}

	require.NoError(t, getPolicy(t.Context(), client))

	assert.Equal(t, "HTTP/2.0", protocol)
}
