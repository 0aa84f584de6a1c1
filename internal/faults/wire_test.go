package faults

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// Faults of a connection that stands, and of the bytes on it.

func Test13ClosedBeforeRequestIsRead(t *testing.T) {
	t.Parallel()
	each(t, calls, func(t *testing.T, c clienttest.PolicyCall) {
		api := newAccount(c)
		server, client := script(t, wiretest.HangUpUnread(), wiretest.Handle(api))

		_, err := c.Policy(t.Context(), client)

		require.NoError(t, err)
		assert.Equal(t, 2, server.Dials())
		require.Len(t, server.Requests(), 1)
		assertSecondAttempt(t, server.Times()[0])
		assertDone(t, c, api)
	})
}

// Servers close connections that are idle for too long, maybe in the very moment in
// which the client uses one again. A GET is then sent again by net/http itself.
func Test14IdleConnectionClosedJustBeforeUse(t *testing.T) {
	t.Parallel()
	each(t, calls, func(t *testing.T, c clienttest.PolicyCall) {
		api := newAccount(c)
		server, client := script(t, wiretest.Handle(api), wiretest.HangUpUnread(), wiretest.Handle(api))
		_, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{})
		require.NoError(t, err)

		_, err = c.Policy(t.Context(), client)

		require.NoError(t, err)
		require.Len(t, server.Requests(), 2)
		if c.IsWrite() {
			assertSecondAttempt(t, server.Times()[1])
		} else {
			assert.Zero(t, server.Times()[1])
		}
		assertDone(t, c, api)
	})
}

func Test15ResetBeforeCommit(t *testing.T) {
	t.Parallel()
	for _, c := range calls {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			api := newAccount(c)
			var requests atomic.Int32
			server := wiretest.NewLoopback(t, func(w http.ResponseWriter, r *http.Request) {
				if requests.Add(1) == 1 {
					wiretest.Reset(w)
					return
				}
				api.ServeHTTP(w, r)
			})
			client := clienttest.NewClientOver(t, server.Client().Transport, runloop.WithBaseURL(server.URL))

			_, err := c.Policy(t.Context(), client)

			require.NoError(t, err)
			assert.Equal(t, 2, server.Requests())
			assert.Equal(t, 2, server.Conns())
			assertDone(t, c, api)
		})
	}
}

var cutHeads = map[string]wiretest.Step{
	"nothing at all":            wiretest.HangUp(),
	"within the status line":    wiretest.Cut("HTTP/1.1 20"),
	"after the status line":     wiretest.Cut("HTTP/1.1 200 OK\r\n"),
	"within a header":           wiretest.Cut("HTTP/1.1 200 OK\r\nContent-Ty"),
	"before the line that ends": wiretest.Cut("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"),
}

func Test20HeadersCutOnce(t *testing.T) {
	t.Parallel()
	assertRetried(t, calls, cutHeads)
}

func Test20HeadersCutAlways(t *testing.T) {
	t.Parallel()
	assertGivesUp(t, cutHeads)
}

func Test22BodyShorterThanItsLength(t *testing.T) {
	t.Parallel()
	assertRetried(t, repeatable, map[string]wiretest.Step{
		"nothing": wiretest.Cut(wiretest.Response(200, "", "Content-Length: 900")),
		"a part":  wiretest.Cut(wiretest.Response(200, policyJSON[:30], "Content-Length: 900")),
	})
}

// A proxy that buffers makes a cut body a whole one. Only the JSON tells.
func Test23BodyCutWithRightLength(t *testing.T) {
	t.Parallel()
	assertCutIsNoticed(t, wiretest.Reply(200, policyJSON[:30]))
}

// Without a length, the end of the connection is the end of the body.
func Test24BodyCutWithoutLength(t *testing.T) {
	t.Parallel()
	assertCutIsNoticed(t, wiretest.Cut("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n"+policyJSON[:30]))
}

func assertCutIsNoticed(t *testing.T, cut wiretest.Step) {
	t.Helper()
	assertRetried(t, repeatable, map[string]wiretest.Step{"once": cut})
	t.Run("always", func(t *testing.T) {
		each(t, repeatable, func(t *testing.T, c clienttest.PolicyCall) {
			server, client := script(t, fourTimes(c, cut)...)

			policy, err := c.Policy(t.Context(), client)

			require.ErrorIs(t, err, runloop.ErrInvalidResponse)
			assert.ErrorContains(t, err, "unexpected EOF")
			e := clienttest.AsAPIError(t, err)
			assert.Equal(t, 200, e.StatusCode)
			assert.Equal(t, policyJSON[:30], string(e.Body))
			assert.Equal(t, 4, e.Attempts)
			assert.Equal(t, c.IsWrite(), e.MaybeApplied)
			assert.Nil(t, policy)
			assertFourAttempts(t, c, server)
		})
	})
}

func Test25ChunkedBodyCutOrBroken(t *testing.T) {
	t.Parallel()
	chunked := wiretest.Response(200, "", "Transfer-Encoding: chunked")
	assertRetried(t, repeatable, map[string]wiretest.Step{
		"before a chunk":  wiretest.Cut(chunked),
		"within a chunk":  wiretest.Cut(chunked + "ff\r\n" + policyJSON[:30]),
		"after a chunk":   wiretest.Cut(chunked + "1e\r\n" + policyJSON[:30] + "\r\n"),
		"length is wrong": wiretest.Cut(chunked + "2\r\n" + policyJSON[:30] + "\r\n0\r\n\r\n"),
		"length is text":  wiretest.Cut(chunked + "many\r\n" + policyJSON[:30] + "\r\n0\r\n\r\n"),
	})
}

func Test26HeadersThatMakeNoSense(t *testing.T) {
	t.Parallel()
	assertGivesUp(t, map[string]wiretest.Step{
		"two lengths":       wiretest.Raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"),
		"negative length":   wiretest.Raw("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"),
		"another protocol":  wiretest.Raw("SSH-2.0-OpenSSH_9.6\r\n"),
		"status of letters": wiretest.Raw("HTTP/1.1 OK 200\r\n\r\n"),
		"no colon":          wiretest.Raw("HTTP/1.1 200 OK\r\nContent-Length 2\r\n\r\n{}"),
		"NUL in a name":     wiretest.Raw("HTTP/1.1 200 OK\r\nX\x00Y: 1\r\nContent-Length: 2\r\n\r\n{}"),
		"name with no end":  wiretest.Cut("HTTP/1.1 200 OK\r\nX\x00Y\r\n\r\n"),
	})
}

// assertRetried checks that a call whose first attempt meets one of the faults
// succeeds by the second.
func assertRetried(t *testing.T, calls []clienttest.PolicyCall, faults map[string]wiretest.Step) {
	t.Helper()
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			each(t, calls, func(t *testing.T, c clienttest.PolicyCall) {
				server, client := script(t, fault, wiretest.Reply(200, policyJSON))

				policy, err := c.Policy(t.Context(), client)

				require.NoError(t, err)
				assert.Equal(t, "npol_1", policy.ID)
				require.Len(t, server.Requests(), 2)
				clienttest.AssertBackoff(t, server.Times())
			})
		})
	}
}

// assertGivesUp checks a call that meets one of the faults again and again. A write is
// then looked up, in one attempt.
func assertGivesUp(t *testing.T, faults map[string]wiretest.Step) {
	t.Helper()
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			each(t, calls, func(t *testing.T, c clienttest.PolicyCall) {
				server, client := script(t, fault.Forever())

				policy, err := c.Policy(t.Context(), client)

				assertGaveUp(t, c, err)
				assert.Nil(t, policy)
				assertFourAttempts(t, c, server)
			})
		})
	}
}

func Test27InterimAnswers(t *testing.T) {
	t.Parallel()
	each(t, calls, func(t *testing.T, c clienttest.PolicyCall) {
		server, client := script(t, wiretest.Raw("HTTP/1.1 100 Continue\r\n\r\n"+
			"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"+
			wiretest.Response(200, policyJSON)))

		policy, err := c.Policy(t.Context(), client)

		require.NoError(t, err)
		assert.Equal(t, "npol_1", policy.ID)
		assert.Len(t, server.Requests(), 1)
	})
}

// What follows an answer that nobody asked for is not the answer to the next
// request. (net/http logs a line about it, the SDK does not.)
func Test28BytesAfterTheBody(t *testing.T) {
	t.Parallel()
	for name, extra := range map[string]string{
		"garbage":        "\r\n<!-- served by proxy 7 -->",
		"another answer": wiretest.Response(200, strings.Replace(policyJSON, "build", "smuggled", 1)),
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server, client := script(t,
				wiretest.Raw(wiretest.Response(200, policyJSON)+extra),
				wiretest.Reply(200, policyJSON))

			for range 2 {
				policy, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
				require.NoError(t, err)
				assert.Equal(t, "build", policy.Name)
				synctest.Wait()
			}

			require.Len(t, server.Requests(), 2)
			assert.Equal(t, 2, server.Requests()[1].Conn, "the connection is not used again")
			assert.Zero(t, server.Now())
		}))
	}
}

// The client's own pool takes headers of 1 MiB at most. More come again next time.
func Test33HeadersOverOneMebibyte(t *testing.T) {
	t.Parallel()
	for _, c := range calls {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			server := wiretest.NewLoopback(t, longHeader)
			client, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), runloop.WithBaseURL(server.URL))
			require.NoError(t, err)
			t.Cleanup(client.CloseIdleConnections)

			_, err = c.Policy(t.Context(), client)

			e := clienttest.AsTransportError(t, err)
			assert.ErrorContains(t, err, "server response headers exceeded 1048576 bytes")
			assert.Equal(t, 1, e.Attempts)
			assert.Equal(t, c.IsWrite(), e.MaybeApplied)
			if c.IsWrite() {
				assert.Equal(t, 2, server.Requests(), "the write, and its lookup")
			} else {
				assert.Equal(t, 1, server.Requests())
			}
		})
	}
}

func Test33HeadersOverOneMebibyteByHTTP2(t *testing.T) {
	t.Parallel()
	wiretest.NeedHTTP2(t)
	server := wiretest.NewLoopback(t, longHeader, func(s *httptest.Server) {
		s.EnableHTTP2 = true
		s.StartTLS()
	})
	transport := server.Client().Transport.(*http.Transport)
	transport.MaxResponseHeaderBytes = 1 << 20
	client := clienttest.NewClientOver(t, server.Client().Transport, runloop.WithBaseURL(server.URL))

	_, err := clienttest.UpdateCall.Policy(t.Context(), client)

	e := clienttest.AsTransportError(t, err)
	assert.ErrorContains(t, err, "response header list larger than advertised limit")
	assert.Equal(t, 1, e.Attempts)
	assert.True(t, e.MaybeApplied)
	assert.Equal(t, 2, server.Requests(), "the update, and its lookup")
}

// longHeader answers with headers of 1.2 MiB. (Over HTTP/2, net/http takes those of
// twice its limit and more for a connection that is broken.)
func longHeader(w http.ResponseWriter, _ *http.Request) {
	for range 3 {
		w.Header().Add("X-Padding", strings.Repeat("x", 400<<10))
	}
}
