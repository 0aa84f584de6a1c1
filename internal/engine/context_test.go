package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// The caller's context ends: what the error says, in each phase of a call.

var errShutdown = errors.New("the orchestrator shuts down")

// P20: the library makes an attempt, and counts it, when the context is over
// already.
func TestAContextThatIsOverBeforeTheCall(t *testing.T) {
	t.Parallel()
	calls := append([]clienttest.PolicyCall{
		{Op: "GET /v1/devboxes", Do: func(ctx context.Context, c *runloop.Client, _ ...runloop.Option) (any, error) {
			return nil, c.Do(ctx, http.MethodGet, "/v1/devboxes", nil, nil)
		}},
		{Op: "ensure network policy", Do: func(ctx context.Context, c *runloop.Client, _ ...runloop.Option) (any, error) {
			return c.NetworkPolicies.Ensure(ctx, runloop.NetworkPolicyCreateParams{Name: "build"})
		}},
		{Op: "get network policy by name", Do: func(ctx context.Context, c *runloop.Client, _ ...runloop.Option) (any, error) {
			return c.NetworkPolicies.GetByName(ctx, "build")
		}},
	}, clienttest.PolicyCalls...)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for _, call := range calls {
		for _, ctx := range []context.Context{cancelled, expired} {
			_, client := clienttest.NewAPI(t) // which fails the test on any request

			got, err := call.Do(ctx, client)

			assert.Nil(t, got)
			require.ErrorIs(t, err, ctx.Err())
			e := clienttest.AsTransportError(t, err)
			assert.Zero(t, e.Attempts)
			assert.False(t, e.MaybeApplied)
			assert.Equal(t, ctx == expired, e.Timeout())
			assert.EqualError(t, err, "runloop: "+call.Op+": no usable response (0 attempts): "+ctx.Err().Error())
		}
	}
}

func TestACancelWithinAnAttempt(t *testing.T) {
	t.Parallel()
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
		for _, call := range clienttest.PolicyCalls {
			t.Run(name+"/"+call.Name, clienttest.InBubble(func(t *testing.T) {
				server := wiretest.NewServer(t, tt.phase) // a second attempt would have no step
				client := clienttest.NewWireClient(t, server)
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(5*time.Second, func() { cancel(errShutdown) })

				got, err := call.Do(ctx, client)

				assert.Nil(t, got)
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorIs(t, err, errShutdown)
				e := clienttest.AsTransportError(t, err)
				assert.Equal(t, 1, e.Attempts)
				assert.Equal(t, call.IsWrite() && tt.maybeApplied, e.MaybeApplied)
				assert.False(t, e.Timeout())
				assert.Equal(t, 5*time.Second, server.Now())
			}))
		}
	}
}

func TestACancelBetweenAttemptsKeepsTheLastResponse(t *testing.T) {
	t.Parallel()
	for _, call := range clienttest.PolicyCalls {
		t.Run(call.Name, clienttest.InBubble(func(t *testing.T) {
			api, client := clienttest.NewAPI(t)
			api.On(call.Method, call.Path, clienttest.RespondWith(503, `{"message": "try later"}`, http.Header{"Retry-After": {"40"}}))
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(5*time.Second, func() { cancel(errShutdown) })
			start := time.Now()

			_, err := call.Do(ctx, client)

			assert.Equal(t, 5*time.Second, time.Since(start), "at once")
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, errShutdown)
			require.ErrorIs(t, err, runloop.ErrServer)
			e := clienttest.AsAPIError(t, err)
			assert.Equal(t, 503, e.StatusCode)
			assert.Equal(t, `{"message": "try later"}`, string(e.Body))
			assert.Equal(t, 40*time.Second, e.RetryAfter)
			assert.Equal(t, 1, e.Attempts)
			assert.Equal(t, call.IsWrite(), e.MaybeApplied)
			assert.Contains(t, err.Error(), "503 Service Unavailable: try later (1 attempt")
			assert.Contains(t, err.Error(), "context canceled")
			api.Only() // no lookup on a context that has ended
		}))
	}
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

// The context ends a later attempt: the error has what came of the earlier one.
func TestTheContextEndsWithinTheSecondAttempt(t *testing.T) {
	t.Parallel()
	for _, call := range clienttest.PolicyCalls {
		for name, first := range map[string]wiretest.Step{"after a response": wiretest.Reply(503, clienttest.BusyJSON), "after a fault": wiretest.HangUp()} {
			t.Run(name+"/"+call.Name, clienttest.InBubble(func(t *testing.T) {
				server := wiretest.NewServer(t, first, wiretest.Stall(""))
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()

				_, err := call.Do(ctx, clienttest.NewWireClient(t, server))

				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, call.IsWrite(), clienttest.MaybeApplied(err))
				assert.Equal(t, 10*time.Second, server.Now())
				if name == "after a response" {
					e := clienttest.AsAPIError(t, err)
					assert.Equal(t, 503, e.StatusCode)
					assert.Equal(t, 2, e.Attempts)
					return
				}
				require.ErrorIs(t, err, io.EOF)
				e := clienttest.AsTransportError(t, err)
				assert.Equal(t, 2, e.Attempts)
				assert.True(t, e.Timeout())
			}))
		}
	}
}

func TestACancelWithinAHandshake(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Deaf())
		server.Transport.DialTLSContext = nil // TLS over DialContext
		client := clienttest.NewWireClient(t, server, runloop.WithBaseURL("https://localhost"))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, cancel)

		err := clienttest.UpdatePolicy(ctx, client)

		require.ErrorIs(t, err, context.Canceled)
		assert.False(t, clienttest.AsTransportError(t, err).MaybeApplied, "nothing was sent")
		assert.Equal(t, 5*time.Second, server.Now())
	})(t)
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

// P5: the library reports a success as cancelled when the context ends between the
// headers and its look at them. What the API did is what the caller must hear.
func TestAFinalResponseOutlivesTheContext(t *testing.T) {
	t.Parallel()
	for moment, end := range map[string]func(context.CancelFunc, *http.Response){
		"before the headers are seen": func(cancel context.CancelFunc, _ *http.Response) { cancel() },
		"with the last byte of the body": func(cancel context.CancelFunc, resp *http.Response) {
			resp.Body = io.NopCloser(io.MultiReader(resp.Body, atEnd(cancel)))
		},
	} {
		for _, call := range clienttest.PolicyCalls {
			for status, body := range map[int]string{200: call.Success, 401: `{"message":"invalid API key"}`, 503: clienttest.BusyJSON} {
				t.Run(fmt.Sprintf("%s/%s/%d", moment, call.Name, status), func(t *testing.T) {
					t.Parallel()
					ctx, cancel := context.WithCancel(t.Context())
					sent := 0
					client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
						sent++
						resp, err := clienttest.Respond(status, body)(r)
						end(cancel, resp)
						return resp, err
					}))

					got, err := call.Do(ctx, client)

					require.Error(t, ctx.Err())
					assert.Equal(t, 1, sent)
					switch status {
					case 200:
						require.NoError(t, err)
						assert.NotNil(t, got)
					case 401:
						require.ErrorIs(t, err, runloop.ErrUnauthorized)
						assert.NotErrorIs(t, err, context.Canceled, "the API would report it again")
					case 503: // which is worth another attempt, but for the context
						require.ErrorIs(t, err, runloop.ErrServer)
						require.ErrorIs(t, err, context.Canceled)
						assert.Equal(t, 1, clienttest.AsAPIError(t, err).Attempts)
					}
				})
			}
		}
	}
}

// An atEnd is an empty reader that says when its end is read.
type atEnd func()

func (f atEnd) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

func TestAContextsValuesReachTheTransport(t *testing.T) {
	t.Parallel()
	type traceID struct{}
	var got any
	_, client := clienttest.NewAPI(t, runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		got = r.Context().Value(traceID{})
		return clienttest.Respond(200, clienttest.PolicyJSON)(r)
	})}))
	_, err := client.NetworkPolicies.Get(context.WithValue(t.Context(), traceID{}, "trace-1"), "npol_1")
	require.NoError(t, err)
	assert.Equal(t, "trace-1", got)
}
