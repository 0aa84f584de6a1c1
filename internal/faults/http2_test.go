package faults

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// Faults of HTTP/2: of a stream, and of a connection that many streams share.

// script2 returns a server that speaks HTTP/2, with a step for each connection, and a
// client of it. It is for a bubble.
func script2(t testing.TB, conns ...func(*wiretest.HTTP2)) (*wiretest.Server, *runloop.Client) {
	t.Helper()
	var steps []wiretest.Step
	for _, conn := range conns {
		steps = append(steps, wiretest.HTTP2Conn("an HTTP/2 connection", conn))
	}
	server, client := script(t, steps...)
	server.UseHTTP2()
	return server, client
}

// answerOne answers the first request of a connection.
func answerOne(h *wiretest.HTTP2) { h.Reply(h.Read(), 200, policyJSON) }

// The API that shuts down says what it has not begun with. net/http sends that again
// by itself, which is no attempt of the SDK.
func Test34GoAwayBeforeTheStream(t *testing.T) {
	t.Parallel()
	each(t, calls, func(t *testing.T, c clienttest.PolicyCall) {
		server, client := script2(t, func(h *wiretest.HTTP2) {
			answerOne(h)
			h.Read()
			h.GoAway(1)
		}, answerOne)
		_, err := clienttest.GetCall.Policy(t.Context(), client)
		require.NoError(t, err)

		_, err = c.Policy(t.Context(), client)

		require.NoError(t, err)
		require.Len(t, server.Requests(), 3)
		assert.Equal(t, []int{1, 1, 2}, []int{server.Requests()[0].Conn, server.Requests()[1].Conn, server.Requests()[2].Conn})
		assert.Zero(t, server.Now())
	})
}

func Test35GoAwayAfterTheStreamAndClosed(t *testing.T) {
	t.Parallel()
	each(t, calls, func(t *testing.T, c clienttest.PolicyCall) {
		server, client := script2(t, func(h *wiretest.HTTP2) {
			stream := h.Read()
			h.GoAway(stream)
			h.Close()
		}, answerOne)

		_, err := c.Policy(t.Context(), client)

		require.NoError(t, err)
		require.Len(t, server.Requests(), 2)
		clienttest.AssertBackoff(t, server.Times())
	})
}

func Test35GoAwayAfterTheCreateAndClosed(t *testing.T) {
	assertCreateRecovers2(t, func(h *wiretest.HTTP2, stream uint32) bool {
		h.GoAway(stream)
		h.Close()
		return false
	})
}

func Test36StreamRefusedOnce(t *testing.T) {
	t.Parallel()
	each(t, calls, func(t *testing.T, c clienttest.PolicyCall) {
		server, client := script2(t, func(h *wiretest.HTTP2) {
			h.Reset(h.Read(), wiretest.RefusedStream)
			answerOne(h)
		})

		_, err := c.Policy(t.Context(), client)

		require.NoError(t, err)
		assert.Len(t, server.Requests(), 2)
		assert.Zero(t, server.Now(), "net/http sends it again by itself")
	})
}

// net/http goes on by itself, after 1, 2, 4 s and so on. Only the attempt's limit
// ends that. A write that was sent more than once counts as one that may have
// been applied.
func Test36StreamAlwaysRefused(t *testing.T) {
	t.Parallel()
	each(t, repeatable, func(t *testing.T, c clienttest.PolicyCall) {
		server, client := script2(t, func(h *wiretest.HTTP2) {
			for stream := h.Read(); stream != 0; stream = h.Read() {
				h.Reset(stream, wiretest.RefusedStream)
			}
		})

		_, err := c.Policy(t.Context(), client)

		assertGaveUp(t, c, err)
		assert.ErrorContains(t, err, "no response within 30s")
		attempts := 4
		if c.IsWrite() {
			attempts = 5 // the last one of the lookup
		}
		assert.LessOrEqual(t, len(server.Requests()), attempts*7)
		assert.LessOrEqual(t, server.Now(), time.Duration(attempts)*30*time.Second+3500*time.Millisecond)
	})
}

func Test37StreamReset(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]uint32{
		"INTERNAL_ERROR": wiretest.InternalError,
		"CANCEL":         wiretest.Cancel,
	} {
		t.Run(name, func(t *testing.T) {
			each(t, calls, func(t *testing.T, c clienttest.PolicyCall) {
				server, client := script2(t, func(h *wiretest.HTTP2) {
					h.Reset(h.Read(), code)
					answerOne(h)
				})

				_, err := c.Policy(t.Context(), client)

				require.NoError(t, err)
				require.Len(t, server.Requests(), 2)
				clienttest.AssertBackoff(t, server.Times())
				assert.Equal(t, 1, server.Dials(), "the connection is good")
			})
		})
	}
}

// net/http of Go 1.26 sends this again by itself, although the API may have done the
// work. From Go 1.27 on it is an attempt that failed.
func Test38CreateResetWithProtocolError(t *testing.T) {
	assertCreateRecovers2(t, func(h *wiretest.HTTP2, stream uint32) bool {
		h.Reset(stream, wiretest.ProtocolError)
		return true
	})
}

// assertCreateRecovers2 checks a create whose policy is made before fault strikes,
// which says whether the connection still stands.
func assertCreateRecovers2(t *testing.T, fault func(h *wiretest.HTTP2, stream uint32) bool) {
	t.Helper()
	clienttest.InBubble(func(t *testing.T) {
		api := newAccount(createCall)
		var server *wiretest.Server
		answer := func() (status int, body string) {
			sent := server.Requests()
			return createOrList(api, sent[len(sent)-1])
		}
		healthy := func(h *wiretest.HTTP2) {
			for stream := h.Read(); stream != 0; stream = h.Read() {
				status, body := answer()
				h.Reply(stream, status, body)
			}
		}
		faulty := func(h *wiretest.HTTP2) {
			stream := h.Read()
			answer()
			if fault(h, stream) {
				healthy(h)
			}
		}
		server = wiretest.NewServer(t, wiretest.HTTP2Conn("faulty", faulty), wiretest.HTTP2Conn("healthy", healthy).Forever())
		server.UseHTTP2()
		logTo, log := events()

		policy, err := createCall.Policy(t.Context(), clienttest.NewWireClient(t, server), logTo)

		require.NoError(t, err)
		assert.Equal(t, api.Policies()[0], *policy)
		assertDone(t, createCall, api)
		assert.Equal(t, "POST POST GET", methods(server))
		assertRecovered(t, log.String())
	})(t)
}

// createOrList lets the api answer a request of which only the body is known.
func createOrList(api *runlooptest.API, sent wiretest.Request) (status int, body string) {
	r := httptest.NewRequest(sent.Method, "/v1/network-policies", strings.NewReader(sent.Body))
	r.Header.Set("Authorization", "Bearer "+clienttest.APIKey)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// The network drops everything from one moment on, and resets nothing. The pings that
// the client's own pool sends find that out after 15 s.
func Test39BlackHole(t *testing.T) {
	t.Parallel()
	each(t, calls, func(t *testing.T, c clienttest.PolicyCall) {
		server, client := script2(t, answerOne, answerOne)
		server.Transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second}
		_, err := clienttest.GetCall.Policy(t.Context(), client)
		require.NoError(t, err)

		_, err = c.Policy(t.Context(), client)

		require.NoError(t, err)
		require.Len(t, server.Requests(), 2)
		assertSecondAttempt(t, server.Times()[1]-15*time.Second)
		assert.Equal(t, 2, server.Dials())
	})
}
