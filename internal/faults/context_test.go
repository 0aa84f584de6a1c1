package faults

import (
	"context"
	"crypto/tls"
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

// The caller's context ends: what the caller learns of the call that it ended.

// cancelAfter returns a context of the test that somebody cancels later.
func cancelAfter(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(d, cancel)
	return ctx
}

func Test97ContextEndedBeforeTheCall(t *testing.T) {
	for _, call := range calls {
		t.Run(call.Name, clienttest.InBubble(func(t *testing.T) {
			_, client := script(t) // a request would have no step
			ctx, cancel := context.WithCancel(t.Context())
			cancel()

			_, err := call.Policy(ctx, client)

			require.ErrorIs(t, err, context.Canceled)
			assert.Zero(t, clienttest.AsTransportError(t, err).Attempts)
			assert.False(t, clienttest.MaybeApplied(err))
			assert.EqualError(t, err, "runloop: "+call.Op+": no usable response (0 attempts): context canceled")
		}))
	}
}

func Test98CancelBeforeThereIsAConnection(t *testing.T) {
	for name, tt := range map[string]struct {
		step    wiretest.Step
		baseURL string
	}{
		"while dialling":    {wiretest.DialStall(), "http://127.0.0.1"},
		"while shaking TLS": {wiretest.Do("silent about TLS", (*wiretest.Conn).Stall), "https://127.0.0.1"},
	} {
		for _, call := range calls {
			t.Run(name+"/"+call.Name, clienttest.InBubble(func(t *testing.T) {
				server := wiretest.NewServer(t, tt.step)
				server.Transport.DialTLSContext = nil // TLS over DialContext
				server.Transport.TLSClientConfig = &tls.Config{}
				client := clienttest.NewWireClient(t, server, runloop.WithBaseURL(tt.baseURL))

				_, err := call.Policy(cancelAfter(t, 5*time.Second), client)

				require.ErrorIs(t, err, context.Canceled)
				assert.Equal(t, 1, clienttest.AsTransportError(t, err).Attempts)
				assert.False(t, clienttest.MaybeApplied(err), "nothing was sent")
				assert.Equal(t, 5*time.Second, server.Now())
				assert.Empty(t, server.Requests())
			}))
		}
	}
}

// assertCancelWithinAnAnswer cancels calls whose answer stops in the middle.
func assertCancelWithinAnAnswer(t *testing.T, start string) {
	t.Helper()
	for _, call := range calls {
		t.Run(call.Name, clienttest.InBubble(func(t *testing.T) {
			server, client := script(t, wiretest.Stall(start))

			_, err := call.Policy(cancelAfter(t, 5*time.Second), client)

			require.ErrorIs(t, err, context.Canceled)
			e := clienttest.AsTransportError(t, err)
			assert.Equal(t, 1, e.Attempts)
			assert.Equal(t, call.IsWrite(), e.MaybeApplied)
			assert.False(t, e.Timeout(), "a cancel is no timeout")
			assert.Equal(t, 5*time.Second, server.Now())
			assert.Len(t, server.Requests(), 1, "and no look-up, which the context forbids")
		}))
	}
}

func Test99CancelBeforeTheHeaders(t *testing.T) {
	assertCancelWithinAnAnswer(t, "")
}

func Test100CancelWithinTheBody(t *testing.T) {
	assertCancelWithinAnAnswer(t, wiretest.Response(200, `{"id": "npol_`, "Content-Length: 400"))
}

func Test101CancelWithinTheBackoff(t *testing.T) {
	busy := wiretest.Reply(503, `{"message": "busy"}`, "Retry-After: 30")
	for _, call := range calls {
		t.Run(call.Name, clienttest.InBubble(func(t *testing.T) {
			server, client := script(t, wiretest.HangUp(), busy)

			_, err := call.Policy(cancelAfter(t, 10*time.Second), client)

			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, runloop.ErrServer)
			e := clienttest.AsAPIError(t, err)
			assert.Equal(t, "busy", e.Message)
			assert.JSONEq(t, `{"message": "busy"}`, string(e.Body))
			assert.Equal(t, 2, e.Attempts)
			assert.Equal(t, call.IsWrite(), e.MaybeApplied)
			assert.Equal(t, 10*time.Second, server.Now())
			assert.Len(t, server.Requests(), 2)
		}))
	}
}

// What the API did is what the caller must hear, even too late.
func Test102ContextEndsAsTheAnswerArrives(t *testing.T) {
	for _, call := range calls {
		ends := map[string]func(context.CancelFunc) *http.Response{
			"before the headers are seen": func(cancel context.CancelFunc) *http.Response {
				cancel()
				return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(policyJSON))}
			},
			"with the last byte": func(cancel context.CancelFunc) *http.Response {
				body := io.MultiReader(strings.NewReader(policyJSON), atEnd(cancel))
				return &http.Response{StatusCode: 200, Body: io.NopCloser(body)}
			},
		}
		for name, answer := range ends {
			t.Run(name+"/"+call.Name, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithCancel(t.Context())
				sent := 0
				client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(*http.Request) (*http.Response, error) {
					sent++
					return answer(cancel), nil
				}))

				policy, err := call.Policy(ctx, client)

				require.NoError(t, err)
				assert.Equal(t, "build", policy.Name)
				assert.Equal(t, 1, sent)
				require.Error(t, ctx.Err())
			})
		}
	}
}

// An atEnd is an empty reader that says when its end is read.
type atEnd func()

func (f atEnd) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

func Test103DeadlineWithinTheSecondAttempt(t *testing.T) {
	for _, call := range calls {
		t.Run("after an answer/"+call.Name, clienttest.InBubble(func(t *testing.T) {
			server, client := script(t, wiretest.Reply(503, `{"message": "busy"}`), wiretest.Stall(""))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()

			_, err := call.Policy(ctx, client)

			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, runloop.ErrServer)
			assert.Equal(t, 503, clienttest.AsAPIError(t, err).StatusCode)
			assert.Equal(t, 2, clienttest.AsAPIError(t, err).Attempts)
			assert.Equal(t, call.IsWrite(), clienttest.MaybeApplied(err))
			assert.Equal(t, 10*time.Second, server.Now())
		}))
		t.Run("after a fault/"+call.Name, clienttest.InBubble(func(t *testing.T) {
			server, client := script(t, wiretest.HangUp(), wiretest.Stall(""))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()

			_, err := call.Policy(ctx, client)

			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, io.EOF, "the cause of the first attempt")
			e := clienttest.AsTransportError(t, err)
			assert.Equal(t, 2, e.Attempts)
			assert.Equal(t, call.IsWrite(), e.MaybeApplied)
			assert.True(t, e.Timeout())
			assert.Equal(t, 10*time.Second, server.Now())
		}))
	}
}

func Test104CauseOfACancel(t *testing.T) {
	drain := errors.New("the node is drained")
	for name, step := range map[string]wiretest.Step{
		"within an attempt": wiretest.Stall(""),
		"within a backoff":  wiretest.Reply(503, `{}`, "Retry-After: 30"),
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server, client := script(t, step)
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(5*time.Second, func() { cancel(drain) })

			_, err := clienttest.UpdateCall.Policy(ctx, client)

			require.ErrorIs(t, err, drain)
			require.ErrorIs(t, err, context.Canceled)
			assert.Contains(t, err.Error(), "the node is drained")
			assert.True(t, clienttest.MaybeApplied(err))
			assert.Equal(t, 5*time.Second, server.Now())
			assert.Len(t, server.Requests(), 1)
		}))
	}
}
