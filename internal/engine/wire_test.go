package engine_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// Faults of a connection that stands, and of the bytes on it. The matrix has those of
// which the effect on the account matters.

// garbled are responses that are cut or that are no HTTP, whatever the call.
var garbled = map[string]wiretest.Step{
	"nothing at all":            wiretest.HangUp(),
	"cut in the status line":    wiretest.Cut("HTTP/1.1 20"),
	"cut after the status line": wiretest.Cut("HTTP/1.1 200 OK\r\n"),
	"cut in a header":           wiretest.Cut("HTTP/1.1 200 OK\r\nContent-Ty"),
	"cut before the blank line": wiretest.Cut("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"),
	"two lengths":               wiretest.Raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"),
	"negative length":           wiretest.Raw("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"),
	"another protocol":          wiretest.Raw("SSH-2.0-OpenSSH_9.6\r\n"),
	"status of letters":         wiretest.Raw("HTTP/1.1 OK 200\r\n\r\n"),
	"no colon":                  wiretest.Raw("HTTP/1.1 200 OK\r\nContent-Length 2\r\n\r\n{}"),
	"NUL in a name":             wiretest.Raw("HTTP/1.1 200 OK\r\nX\x00Y: 1\r\nContent-Length: 2\r\n\r\n{}"),
	"name with no end":          wiretest.Cut("HTTP/1.1 200 OK\r\nX\x00Y\r\n\r\n"),
}

func TestAGarbledResponse(t *testing.T) {
	t.Parallel()
	for name, fault := range garbled {
		for _, call := range clienttest.PolicyCalls {
			t.Run("once/"+name+"/"+call.Name, clienttest.InBubble(func(t *testing.T) {
				server := wiretest.NewServer(t, fault, wiretest.Reply(200, call.Success))

				_, err := call.Do(t.Context(), clienttest.NewWireClient(t, server))

				require.NoError(t, err)
				require.Len(t, server.Requests(), 2)
				clienttest.AssertBackoff(t, server.Times())
			}))
			t.Run("always/"+name+"/"+call.Name, clienttest.InBubble(func(t *testing.T) {
				server := wiretest.NewServer(t, fault.Forever())

				_, err := call.Do(t.Context(), clienttest.NewWireClient(t, server))

				require.ErrorContains(t, err, "runloop: "+call.Op+": no usable response (4 attempts")
				assert.Less(t, len(err.Error()), 300)
				assert.Equal(t, call.IsWrite(), clienttest.AsTransportError(t, err).MaybeApplied)
				clienttest.AssertBackoff(t, server.Times()[:4])
			}))
		}
	}
}

// Some cuts leave no trace on the connection. Only the JSON tells.
func TestABodyThatIsAlwaysCut(t *testing.T) {
	t.Parallel()
	part := clienttest.PolicyJSON[:30]
	for name, cut := range map[string]wiretest.Step{
		"with the right length": wiretest.Reply(200, part),
		"without a length":      wiretest.Cut("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n" + part),
	} {
		for _, call := range []clienttest.PolicyCall{clienttest.GetCall, clienttest.UpdateCall, clienttest.DeleteCall} {
			t.Run(name+"/"+call.Name, clienttest.InBubble(func(t *testing.T) {
				script := []wiretest.Step{cut.Times(4)}
				if call.IsWrite() {
					script = append(script, wiretest.Reply(403, "")) // the lookup
				}
				server := wiretest.NewServer(t, script...)

				_, err := call.Do(t.Context(), clienttest.NewWireClient(t, server))

				require.ErrorIs(t, err, runloop.ErrInvalidResponse)
				assert.ErrorContains(t, err, "unexpected EOF")
				e := clienttest.AsAPIError(t, err)
				assert.Equal(t, part, string(e.Body))
				assert.Equal(t, 4, e.Attempts)
				assert.Equal(t, call.IsWrite(), e.MaybeApplied)
			}))
		}
	}
}

func TestAConnectionThatIsReset(t *testing.T) {
	t.Parallel()
	requests := 0
	server := wiretest.NewLoopback(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests++; requests == 1 {
			wiretest.Reset(w)
			return
		}
		_, _ = w.Write([]byte(clienttest.PolicyJSON))
	})
	client := clienttest.NewClientOver(t, server.Client().Transport, runloop.WithBaseURL(server.URL))

	require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))

	assert.Equal(t, 2, server.Requests())
	assert.Equal(t, 2, server.Conns())
}

func TestInterimResponsesAreSkipped(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Raw("HTTP/1.1 100 Continue\r\n\r\n"+
			"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"+
			wiretest.Response(200, clienttest.PolicyJSON)))

		require.NoError(t, clienttest.UpdatePolicy(t.Context(), clienttest.NewWireClient(t, server)))
	})(t)
}

// What follows a response that nobody asked for is not the response to the next request.
func TestBytesAfterTheBody(t *testing.T) {
	t.Parallel()
	for name, extra := range map[string]string{
		"garbage":          "\r\n<!-- served by proxy 7 -->",
		"another response": wiretest.Response(200, strings.Replace(clienttest.PolicyJSON, "build", "smuggled", 1)),
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t,
				wiretest.Raw(wiretest.Response(200, clienttest.PolicyJSON)+extra),
				wiretest.Reply(200, clienttest.PolicyJSON))
			client := clienttest.NewWireClient(t, server)

			for range 2 {
				policy, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
				require.NoError(t, err)
				assert.Equal(t, "build", policy.Name)
				synctest.Wait()
			}

			assert.Equal(t, 2, server.Dials(), "the connection is not used again")
		}))
	}
}

// The client's own pool takes headers of 1 MiB at most. More come again next time. (Over
// HTTP/2, net/http takes those of twice its limit and more for a broken connection.)
func TestHeadersOverOneMebibyte(t *testing.T) {
	t.Parallel()
	long := func(w http.ResponseWriter, _ *http.Request) {
		for range 3 {
			w.Header().Add("X-Padding", strings.Repeat("x", 400<<10))
		}
	}
	assertFinal := func(t *testing.T, server *wiretest.Loopback, client *runloop.Client, text string) {
		err := clienttest.UpdatePolicy(t.Context(), client)

		require.ErrorContains(t, err, text)
		assert.Equal(t, 1, clienttest.AsTransportError(t, err).Attempts)
		assert.True(t, clienttest.MaybeApplied(err))
		assert.Equal(t, 1, server.Requests())
	}
	t.Run("HTTP/1.1", func(t *testing.T) {
		t.Parallel()
		server := wiretest.NewLoopback(t, long)
		client, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), runloop.WithBaseURL(server.URL))
		require.NoError(t, err)
		t.Cleanup(client.CloseIdleConnections)
		assertFinal(t, server, client, "server response headers exceeded 1048576 bytes")
	})
	t.Run("HTTP/2", func(t *testing.T) {
		t.Parallel()
		wiretest.NeedHTTP2(t)
		server := wiretest.NewLoopback(t, long, func(s *httptest.Server) {
			s.EnableHTTP2 = true
			s.StartTLS()
		})
		server.Client().Transport.(*http.Transport).MaxResponseHeaderBytes = 1 << 20
		client := clienttest.NewClientOver(t, server.Client().Transport, runloop.WithBaseURL(server.URL))
		assertFinal(t, server, client, "response header list larger than advertised limit")
	})
}
