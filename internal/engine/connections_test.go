package engine_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// Which connections a call uses, and which it leaves open.

func TestAFailedCallClosesNoIdleConnection(t *testing.T) {
	for name, tt := range map[string]struct {
		fault wiretest.Step
		is    error
	}{
		"out of attempts":         {busy(500).Times(4), runloop.ErrServer},
		"canceled while it waits": {busy(503, "Retry-After: 30"), context.Canceled},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server, client := newServer(t, policyOK, tt.fault, policyOK)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(10*time.Second, cancel)

			require.NoError(t, clienttest.GetPolicy(ctx, client))
			require.ErrorIs(t, clienttest.UpdatePolicy(ctx, client), tt.is)
			require.NoError(t, clienttest.GetPolicy(t.Context(), client))

			assert.Equal(t, 1, server.Dials())
		}))
	}
	t.Run("a lost connection", clienttest.InBubble(func(t *testing.T) {
		slow := wiretest.ReplyAfter(time.Second, 200, clienttest.PolicyJSON)
		server, client := newServer(t, slow.Times(2), wiretest.HangUp(), policyOK)
		for range 2 {
			go func() { assert.NoError(t, clienttest.GetPolicy(t.Context(), client)) }()
		}
		time.Sleep(time.Second)
		synctest.Wait()

		require.ErrorIs(t, clienttest.UpdatePolicy(t.Context(), client, runloop.WithMaxRetries(0)), io.EOF)
		require.NoError(t, clienttest.GetPolicy(t.Context(), client))

		assert.Equal(t, 2, server.Dials(), "the other connection is still open")
	}))
	t.Run("a transport of the caller's", clienttest.InBubble(func(t *testing.T) {
		transport := &closeCounter{RoundTripper: clienttest.RoundTripper(clienttest.Fail("connection refused"))}
		client := clienttest.NewClientOver(t, transport)

		require.Error(t, clienttest.UpdatePolicy(t.Context(), client))
		client.CloseIdleConnections()

		assert.Zero(t, transport.closes)
	}))
}

// A closeCounter is a transport that counts how often it is told to close its connections.
type closeCounter struct {
	http.RoundTripper
	closes int
}

func (c *closeCounter) CloseIdleConnections() { c.closes++ }

func TestAttemptsShareAConnectionAfterALongErrorBody(t *testing.T) {
	for name, size := range map[string]int{"4,097 bytes": 4097, "64 KiB": 64 << 10} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			page := wiretest.Reply(503, strings.Repeat("x", size), "Content-Type: text/html")
			server, client := newServer(t, page.Times(3), policyOK)

			require.NoError(t, clienttest.GetPolicy(t.Context(), client))

			assert.Len(t, server.Requests(), 4)
			assert.Equal(t, 1, server.Dials())
		}))
	}
}

func TestAnUnusableResponseLeavesTheConnectionOpen(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server, client := newServer(t, wiretest.Reply(200, `<html>`), wiretest.Reply(404, notFoundJSON), wiretest.Reply(204, ""), policyOK)

		for _, want := range []error{runloop.ErrInvalidResponse, runloop.ErrNotFound, runloop.ErrInvalidResponse, nil} {
			require.ErrorIs(t, clienttest.GetPolicy(t.Context(), client), want)
		}

		assert.Equal(t, 1, server.Dials())
	})(t)
}

// If a server closes an idle connection while a write begins, net/http reports an error. It
// repeats a GET by itself, and a write only if it has an Idempotency-Key.
func TestAnIdleConnectionThatTheServerCloses(t *testing.T) {
	hangUpAfter := wiretest.Cut(wiretest.Response(200, clienttest.PolicyJSON))
	for name, tt := range map[string]struct {
		closing []wiretest.Step
		dials   int
		waits   bool // for a retry of the SDK
	}{
		"before the request":               {[]wiretest.Step{hangUpAfter}, 2, false},
		"before the request, and restarts": {[]wiretest.Step{hangUpAfter, wiretest.Refuse().Times(2)}, 4, true},
		"within the request":               {[]wiretest.Step{policyOK, wiretest.HangUpUnread()}, 2, true},
		"after the request":                {[]wiretest.Step{policyOK, wiretest.HangUp()}, 2, true},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server, client := newServer(t, append(tt.closing, wiretest.Reply(200, policyOfNowJSON))...)
			require.NoError(t, clienttest.GetPolicy(t.Context(), client))
			time.Sleep(20 * time.Second)

			_, err := createCall.Do(t.Context(), client)

			require.NoError(t, err)
			assert.Equal(t, tt.dials, server.Dials())
			assert.Equal(t, tt.waits, server.Now() > 20*time.Second)
		}))
	}
	// Middleware may add the header. The API then reports a name as taken by the first POST.
	t.Run("with an Idempotency-Key", clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, policyOK,
			wiretest.HangUp(), // the policy is created, the response lost
			wiretest.Reply(400, takenJSON), wiretest.Reply(200, pageOfNowJSON))
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.Header.Set("Idempotency-Key", "of-a-middleware")
			return server.Transport.RoundTrip(r)
		}))
		require.NoError(t, clienttest.GetPolicy(t.Context(), client))

		policy, err := createCall.Policy(t.Context(), client)

		require.NoError(t, err)
		assert.Equal(t, "npol_1", policy.ID)
		sent := server.Requests()
		require.Len(t, sent, 4)
		assert.Equal(t, "POST POST", sent[1].Method+" "+sent[2].Method)
		assert.Equal(t, sent[1].At, sent[2].At, "net/http repeats without a wait")
		assert.Equal(t, sent[1].Header["X-Request-Id"], sent[2].Header["X-Request-Id"])
	}))
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
