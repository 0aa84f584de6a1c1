package engine_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// The caller's context ends: what the error says, in each phase of a call.

// P20: the library makes an attempt, and counts it, when the context is over
// already.
func TestNoAttemptAfterTheEndOfTheContext(t *testing.T) {
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	expired, cancel := context.WithTimeout(context.Background(), -time.Second)
	defer cancel()
	for name, ctx := range map[string]context.Context{"canceled": canceled, "expired": expired} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(*http.Request) (*http.Response, error) {
				t.Error("a request was made")
				return nil, errors.New("no")
			}))

			err := clienttest.UpdatePolicy(ctx, client)

			require.ErrorIs(t, err, ctx.Err())
			e := clienttest.AsTransportError(t, err)
			assert.Zero(t, e.Attempts)
			assert.False(t, e.MaybeApplied)
		})
	}
}

func TestACancelWithinAnAttempt(t *testing.T) {
	for name, tt := range map[string]struct {
		phase        wiretest.Step
		maybeApplied bool
	}{
		"while dialling":        {wiretest.DialStall(), false},
		"while sending":         {wiretest.Deaf(), true},
		"before the headers":    {wiretest.Stall(""), true},
		"within the headers":    {wiretest.Stall("HTTP/1.1 200 OK\r\nContent-"), true},
		"within the body":       {wiretest.Stall(wiretest.Response(200, `{"id":`, "Content-Length: 900")), true},
		"within a trickle":      {wiretest.Trickle(wiretest.Response(200, "", "Content-Length: 900"), ' ', time.Second), true},
		"within an empty chunk": {wiretest.Stall("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), true},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, tt.phase.Times(2))
			client := clienttest.NewWireClient(t, server)

			for call, write := range map[*error]bool{new(error): true, new(error): false} {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(5*time.Second, cancel)
				start := server.Now()
				if write {
					*call = clienttest.UpdatePolicy(ctx, client)
				} else {
					*call = clienttest.GetPolicy(ctx, client)
				}

				require.ErrorIs(t, *call, context.Canceled)
				e := clienttest.AsTransportError(t, *call)
				assert.Equal(t, 1, e.Attempts)
				assert.Equal(t, write && tt.maybeApplied, e.MaybeApplied)
				assert.False(t, e.Timeout())
				assert.Equal(t, 5*time.Second, server.Now()-start)
			}
		}))
	}
}

func TestACancelWithinABackoffHasTheLastAnswer(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.HangUp(), wiretest.Reply(503, clienttest.BusyJSON, "Retry-After: 30"))
		client := clienttest.NewWireClient(t, server)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Second, cancel)

		err := clienttest.UpdatePolicy(ctx, client)

		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, runloop.ErrServer)
		e := clienttest.AsAPIError(t, err)
		assert.Equal(t, "come back later", e.Message)
		assert.Equal(t, 2, e.Attempts)
		assert.True(t, e.MaybeApplied)
		assert.Equal(t, 20*time.Second, server.Now())
	})(t)
}

func TestACancelWithinABackoffHasTheLastFault(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.HangUp())
		client := clienttest.NewWireClient(t, server)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)

		err := clienttest.UpdatePolicy(ctx, client)

		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, io.EOF)
		assert.True(t, clienttest.AsTransportError(t, err).MaybeApplied)
		assert.Equal(t, 100*time.Millisecond, server.Now())
	})(t)
}

func TestADeadlineWithinTheSecondAttempt(t *testing.T) {
	for name, tt := range map[string]struct {
		first wiretest.Step
		check func(*testing.T, error)
	}{
		"after an answer": {wiretest.Reply(503, clienttest.BusyJSON), func(t *testing.T, err error) {
			e := clienttest.AsAPIError(t, err)
			assert.Equal(t, 503, e.StatusCode)
			assert.Equal(t, 2, e.Attempts)
			assert.True(t, e.MaybeApplied)
		}},
		"after a fault": {wiretest.HangUp(), func(t *testing.T, err error) {
			require.ErrorIs(t, err, io.EOF)
			e := clienttest.AsTransportError(t, err)
			assert.Equal(t, 2, e.Attempts)
			assert.True(t, e.MaybeApplied)
			assert.True(t, e.Timeout())
		}},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, tt.first, wiretest.Stall(""))
			client := clienttest.NewWireClient(t, server)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()

			err := clienttest.UpdatePolicy(ctx, client)

			require.ErrorIs(t, err, context.DeadlineExceeded)
			tt.check(t, err)
			assert.Equal(t, 10*time.Second, server.Now())
		}))
	}
}

// The caller's deadline and the attempt's limit end in the same instant: it is the
// caller's that counts, and no attempt follows.
func TestADeadlineInTheInstantOfTheAttemptsLimit(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Stall(""))
		client := clienttest.NewWireClient(t, server)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()

		err := clienttest.GetPolicy(ctx, client)

		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 1, clienttest.AsTransportError(t, err).Attempts)
		assert.Equal(t, 30*time.Second, server.Now())
	})(t)
}

func TestTheCauseOfACancelIsReachable(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		shutdown := errors.New("the orchestrator shuts down")
		server := wiretest.NewServer(t, wiretest.Stall(""))
		client := clienttest.NewWireClient(t, server)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(shutdown) })

		err := clienttest.GetPolicy(ctx, client)

		require.ErrorIs(t, err, shutdown)
		require.ErrorIs(t, err, context.Canceled)
	})(t)
}

// All connections that the transport may have are in use.
func TestADeadlineWhileWaitingForAConnection(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Do("reply after 25 s", func(c *wiretest.Conn) {
			c.Read()
			c.Sleep(25 * time.Second)
			c.Write(wiretest.Response(200, clienttest.PolicyJSON))
		}))
		server.Transport.MaxConnsPerHost = 1
		client := clienttest.NewWireClient(t, server)
		first := make(chan error)
		go func() { first <- clienttest.GetPolicy(t.Context(), client) }()
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()

		err := clienttest.UpdatePolicy(ctx, client)

		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.False(t, clienttest.AsTransportError(t, err).MaybeApplied)
		assert.Equal(t, 6*time.Second, server.Now())
		require.NoError(t, <-first)
	})(t)
}

// P5: the library reports a success as cancelled when the context ends between the
// headers and its look at them. What the API did is what the caller must hear.
func TestAFinalAnswerOutlivesTheContext(t *testing.T) {
	tests := map[string]struct {
		status int
		body   string
		check  func(*testing.T, error)
	}{
		"success": {200, clienttest.PolicyJSON, func(t *testing.T, err error) {
			require.NoError(t, err)
		}},
		"a final error": {404, notFoundJSON, func(t *testing.T, err error) {
			require.ErrorIs(t, err, runloop.ErrNotFound)
			assert.NotErrorIs(t, err, context.Canceled)
		}},
		"an error worth a retry": {503, clienttest.BusyJSON, func(t *testing.T, err error) {
			require.ErrorIs(t, err, runloop.ErrServer)
			require.ErrorIs(t, err, context.Canceled)
			assert.Equal(t, 1, clienttest.AsAPIError(t, err).Attempts)
		}},
	}
	for name, tt := range tests {
		t.Run(name+", before the headers are seen", func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				cancel()
				return clienttest.Answer(tt.status, tt.body)(r)
			}))

			tt.check(t, clienttest.UpdatePolicy(ctx, client))
		})
		t.Run(name+", with the last byte of the body", func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				resp, err := clienttest.Answer(tt.status, tt.body)(r)
				resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(tt.body), readerFunc(func([]byte) (int, error) {
					cancel()
					return 0, io.EOF
				})))
				return resp, err
			}))

			tt.check(t, clienttest.UpdatePolicy(ctx, client))
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
