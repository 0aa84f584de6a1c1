package engine_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// Which connections a call takes, and which it leaves for the next.

// P6: the library closes all idle connections after each failed call, those of
// other calls, and in a transport that the caller hands in, of everything else as well.
func TestAFailedCallLeavesIdleConnectionsAlone(t *testing.T) {
	t.Run("when it gives up", clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.Reply(200, clienttest.PolicyJSON), wiretest.Reply(500, clienttest.BusyJSON).Times(4), wiretest.Reply(200, clienttest.PolicyJSON))
		client := clienttest.NewWireClient(t, server)

		require.NoError(t, clienttest.GetPolicy(t.Context(), client))
		require.ErrorIs(t, clienttest.UpdatePolicy(t.Context(), client), runloop.ErrServer)
		require.NoError(t, clienttest.GetPolicy(t.Context(), client))

		assert.Equal(t, 1, server.Dials())
	}))
	t.Run("when it is cancelled while it waits", clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.Reply(200, clienttest.PolicyJSON), wiretest.Reply(503, clienttest.BusyJSON, "Retry-After: 30"), wiretest.Reply(200, clienttest.PolicyJSON))
		client := clienttest.NewWireClient(t, server)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second, cancel)

		require.NoError(t, clienttest.GetPolicy(ctx, client))
		require.ErrorIs(t, clienttest.UpdatePolicy(ctx, client), context.Canceled)
		require.NoError(t, clienttest.GetPolicy(t.Context(), client))

		assert.Equal(t, 1, server.Dials())
	}))
	t.Run("when it loses its own", clienttest.InBubble(func(t *testing.T) {
		// Two calls at once make two connections, which then are idle.
		slow := wiretest.Do("reply when both are here", func(c *wiretest.Conn) {
			c.Read()
			c.Sleep(time.Second)
			c.Write(wiretest.Response(200, clienttest.PolicyJSON))
		})
		server := wiretest.NewServer(t, slow.Times(2), wiretest.HangUp(), wiretest.Reply(200, clienttest.PolicyJSON))
		client := clienttest.NewWireClient(t, server, runloop.WithMaxRetries(0))
		var calls sync.WaitGroup
		for range 2 {
			calls.Go(func() { assert.NoError(t, clienttest.GetPolicy(t.Context(), client)) })
		}
		calls.Wait()

		require.ErrorIs(t, clienttest.UpdatePolicy(t.Context(), client), io.EOF)
		require.NoError(t, clienttest.GetPolicy(t.Context(), client))

		assert.Equal(t, 2, server.Dials(), "the other one is still there")
	}))
	t.Run("when the API cannot be reached", clienttest.InBubble(func(t *testing.T) {
		transport := &closeCounter{RoundTripper: clienttest.RoundTripper(func(*http.Request) (*http.Response, error) {
			return nil, context.Canceled
		})}
		client := clienttest.NewClientOver(t, transport)

		require.Error(t, clienttest.UpdatePolicy(t.Context(), client))
		client.CloseIdleConnections()

		assert.Zero(t, transport.closes, "they are the caller's to close")
	}))
}

// A closeCounter is a transport that can be told to close its idle connections.
type closeCounter struct {
	http.RoundTripper
	closes int
}

func (c *closeCounter) CloseIdleConnections() { c.closes++ }

// P9: the library reads 4,096 bytes of an error body. With a longer one, each
// attempt takes a new connection.
func TestAttemptsShareAConnectionWhateverTheErrorBody(t *testing.T) {
	for name, size := range map[string]int{"4,097 bytes": 4097, "64 KiB": 64 << 10} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			page := wiretest.Reply(503, strings.Repeat("x", size), "Content-Type: text/html")
			server := wiretest.NewServer(t, page.Times(3), wiretest.Reply(200, clienttest.PolicyJSON))
			client := clienttest.NewWireClient(t, server)

			require.NoError(t, clienttest.GetPolicy(t.Context(), client))

			assert.Len(t, server.Requests(), 4)
			assert.Equal(t, 1, server.Dials())
		}))
	}
}

func TestAnUnusableResponseLeavesTheConnection(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.Reply(200, `<html>`), wiretest.Reply(404, notFoundJSON), wiretest.Reply(204, ""), wiretest.Reply(200, clienttest.PolicyJSON))
		client := clienttest.NewWireClient(t, server)

		require.ErrorIs(t, clienttest.GetPolicy(t.Context(), client), runloop.ErrInvalidResponse)
		require.ErrorIs(t, clienttest.GetPolicy(t.Context(), client), runloop.ErrNotFound)
		require.ErrorIs(t, clienttest.GetPolicy(t.Context(), client), runloop.ErrInvalidResponse)
		require.NoError(t, clienttest.GetPolicy(t.Context(), client))

		assert.Equal(t, 1, server.Dials())
	})(t)
}
