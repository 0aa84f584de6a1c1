package runloop_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// Which connections a call takes, and which it leaves for the next.

// P6: the library closes all idle connections after each failed call, those of
// other calls, and in a transport that the caller hands in, of everything else as well.
func TestAFailedCallLeavesIdleConnectionsAlone(t *testing.T) {
	t.Run("when it gives up", inBubble(func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.Reply(200, policyJSON), wiretest.Reply(500, busyJSON).Times(4), wiretest.Reply(200, policyJSON))
		client := newWireClient(t, server)

		require.NoError(t, getPolicy(t.Context(), client))
		require.ErrorIs(t, updatePolicy(t.Context(), client), runloop.ErrServer)
		require.NoError(t, getPolicy(t.Context(), client))

		assert.Equal(t, 1, server.Dials())
	}))
	t.Run("when it is cancelled while it waits", inBubble(func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.Reply(200, policyJSON), wiretest.Reply(503, busyJSON, "Retry-After: 30"), wiretest.Reply(200, policyJSON))
		client := newWireClient(t, server)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second, cancel)

		require.NoError(t, getPolicy(ctx, client))
		require.ErrorIs(t, updatePolicy(ctx, client), context.Canceled)
		require.NoError(t, getPolicy(t.Context(), client))

		assert.Equal(t, 1, server.Dials())
	}))
	t.Run("when the API cannot be reached", inBubble(func(t *testing.T) {
		transport := &closeCounter{RoundTripper: roundTripper(func(*http.Request) (*http.Response, error) {
			return nil, context.Canceled
		})}
		client := newClientOver(t, transport)

		require.Error(t, updatePolicy(t.Context(), client))
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
		t.Run(name, inBubble(func(t *testing.T) {
			page := wiretest.Reply(503, strings.Repeat("x", size), "Content-Type: text/html")
			server := wiretest.NewServer(t, page.Times(3), wiretest.Reply(200, policyJSON))
			client := newWireClient(t, server)

			require.NoError(t, getPolicy(t.Context(), client))

			assert.Len(t, server.Requests(), 4)
			assert.Equal(t, 1, server.Dials())
		}))
	}
}

func TestWhatIsNoAnswerLeavesTheConnection(t *testing.T) {
	inBubble(func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.Reply(200, `<html>`), wiretest.Reply(404, notFoundJSON), wiretest.Reply(204, ""), wiretest.Reply(200, policyJSON))
		client := newWireClient(t, server)

		require.ErrorIs(t, getPolicy(t.Context(), client), runloop.ErrInvalidResponse)
		require.ErrorIs(t, getPolicy(t.Context(), client), runloop.ErrNotFound)
		require.ErrorIs(t, getPolicy(t.Context(), client), runloop.ErrInvalidResponse)
		require.NoError(t, getPolicy(t.Context(), client))

		assert.Equal(t, 1, server.Dials())
	})(t)
}

// slowly answers a second after the request, so that requests of the same instant
// need a connection each.
func slowly(response string) wiretest.Step {
	return wiretest.Do("answer after a second", func(c *wiretest.Conn) {
		if c.Read() != nil {
			c.Sleep(time.Second)
			c.Write(response)
		}
	})
}

// P7: the library's pool keeps three connections on a small machine, net/http's two.
func TestThePoolKeepsAConnectionForEachOf256Goroutines(t *testing.T) {
	inBubble(func(t *testing.T) {
		const goroutines, rounds = 256, 3
		server := wiretest.NewServer(t, slowly(wiretest.Response(200, policyJSON)).Times(goroutines*rounds))
		client := newPoolClient(t, server)

		for range rounds {
			results := make(chan error)
			for range goroutines {
				go func() { results <- getPolicy(t.Context(), client) }()
			}
			for range goroutines {
				require.NoError(t, <-results)
			}
		}

		assert.Equal(t, goroutines, server.Dials())
		assert.Equal(t, rounds*time.Second, server.Now(), "all of a round are at work at once")
	})(t)
}

// Failures must not cost connections either: one call in ten fails for good here.
func TestThePoolSurvivesFailedCalls(t *testing.T) {
	inBubble(func(t *testing.T) {
		const goroutines, rounds = 20, 5
		var script []wiretest.Step
		for range rounds {
			script = append(script,
				slowly(wiretest.Response(200, policyJSON)).Times(goroutines-2),
				slowly(wiretest.Response(500, busyJSON)).Times(2))
		}
		server := wiretest.NewServer(t, script...)
		client := newPoolClient(t, server, runloop.WithMaxRetries(0))

		for range rounds {
			results := make(chan error)
			for range goroutines {
				go func() { results <- getPolicy(t.Context(), client) }()
			}
			failed := 0
			for range goroutines {
				if <-results != nil {
					failed++
				}
			}
			require.Equal(t, 2, failed)
		}

		assert.Equal(t, goroutines, server.Dials())
	})(t)
}

// Load balancers close a connection after a minute. A write that they close it
// under is lost, so the client must be the first.
func TestThePoolDropsAnIdleConnectionAfterThirtySeconds(t *testing.T) {
	inBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(200, policyJSON).Times(3))
		client := newPoolClient(t, server)

		require.NoError(t, getPolicy(t.Context(), client))
		time.Sleep(29 * time.Second)
		require.NoError(t, getPolicy(t.Context(), client))
		assert.Equal(t, 1, server.Dials())
		time.Sleep(31 * time.Second)
		require.NoError(t, getPolicy(t.Context(), client))
		assert.Equal(t, 2, server.Dials())
	})(t)
}

func TestCloseIdleConnectionsOfTheClientsOwnPool(t *testing.T) {
	inBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(200, policyJSON).Times(2))
		client := newPoolClient(t, server)

		require.NoError(t, getPolicy(t.Context(), client))
		client.CloseIdleConnections()
		require.NoError(t, getPolicy(t.Context(), client))

		assert.Equal(t, 2, server.Dials())
	})(t)
}

// On a real socket: the faults are resets, and a call that fails for good does not
// cost the connections of the others.
func TestConnectionsOverLoopback(t *testing.T) {
	t.Parallel()
	server := wiretest.NewLoopback(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Fault") == "reset":
			wiretest.Reset(w)
		case r.Header.Get("X-Fault") == "error":
			w.WriteHeader(500)
		default:
			_, _ = w.Write([]byte(policyJSON))
		}
	})
	client, err := runloop.NewClient(runloop.WithAPIKey(testKey), runloop.WithBaseURL(server.URL), runloop.WithMaxRetries(0))
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)

	for range 10 {
		require.NoError(t, getPolicy(t.Context(), client))
		require.ErrorIs(t, getPolicy(t.Context(), client, runloop.WithHeader("X-Fault", "error")), runloop.ErrServer)
	}
	assert.Equal(t, 1, server.Conns())
	assert.Equal(t, 20, server.Requests())

	reset := asTransportError(t, updatePolicy(t.Context(), client, runloop.WithHeader("X-Fault", "reset")))
	assert.True(t, reset.MaybeApplied)
	assert.Equal(t, 21, server.Requests())
}
