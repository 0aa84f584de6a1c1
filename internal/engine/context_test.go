package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// What an error reports if time runs out, in each phase of a call.

var errShutdown = errors.New("the orchestrator shuts down")

// A stall is a phase of an attempt that takes too long.
type stall struct {
	step         wiretest.Step
	maybeApplied bool
}

var stalls = map[string]stall{
	"while dialing":         {wiretest.DialStall(), false},
	"while sending":         {wiretest.Deaf(), true},
	"before the headers":    {wiretest.Stall(""), true},
	"within the headers":    {wiretest.Stall("HTTP/1.1 200 OK\r\nContent-"), true},
	"before the body":       {wiretest.Stall(wiretest.Response(200, "", "Content-Length: 9")), true},
	"within the body":       {wiretest.Stall(wiretest.Response(200, `{"id":`, "Content-Length: 900")), true},
	"within a slow body":    {wiretest.Trickle(wiretest.Response(200, "", "Content-Length: 900")), true},
	"within an empty chunk": {wiretest.Stall("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), true},
}

func TestAnAttemptTakesAtMostThirtySeconds(t *testing.T) {
	for phase, tt := range stalls {
		t.Run(phase, clienttest.InBubble(func(t *testing.T) {
			server, client := newServer(t, tt.step.Times(4))

			err := clienttest.UpdatePolicy(t.Context(), client)

			assert.Equal(t, outcome{0, 4, tt.maybeApplied, "", len(server.Requests())}, outcomeOf(server, err))
			assert.True(t, clienttest.AsTransportError(t, err).Timeout())
			assert.NotErrorIs(t, err, context.DeadlineExceeded, "the caller has no deadline")
			assert.NotErrorIs(t, err, context.Canceled)
			assert.ErrorContains(t, err, "no response within 30s")
			assert.GreaterOrEqual(t, server.Now(), 121750*time.Millisecond)
			assert.LessOrEqual(t, server.Now(), 123500*time.Millisecond)
		}))
		t.Run(phase+", once", clienttest.InBubble(func(t *testing.T) {
			server, client := newServer(t, tt.step, policyOK)

			require.NoError(t, clienttest.GetPolicy(t.Context(), client))

			times := server.Times()
			clienttest.AssertBackoff(t, []time.Duration{30 * time.Second, times[len(times)-1]})
		}))
	}
}

func TestAContextThatHasEndedBeforeTheCall(t *testing.T) {
	t.Parallel()
	calls := append([]clienttest.PolicyCall{
		postCall,
		{Op: "ensure network policy", Do: func(ctx context.Context, c *runloop.Client, _ ...runloop.Option) (any, error) {
			return c.NetworkPolicies.Ensure(ctx, runloop.NetworkPolicyCreateParams{Name: "build"})
		}},
		{Op: "get network policy by name", Do: func(ctx context.Context, c *runloop.Client, _ ...runloop.Option) (any, error) {
			return c.NetworkPolicies.GetByName(ctx, "build")
		}},
	}, clienttest.PolicyCalls...)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for _, call := range calls {
		for _, ctx := range []context.Context{canceled, expired} {
			_, client := clienttest.NewAPI(t) // fails the test on any request

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
	for phase, tt := range stalls {
		for _, call := range clienttest.PolicyCalls {
			t.Run(phase+"/"+call.Name, clienttest.InBubble(func(t *testing.T) {
				server, client := newServer(t, tt.step)
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(5*time.Second, func() { cancel(errShutdown) })

				got, err := call.Do(ctx, client)

				assert.Nil(t, got)
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorIs(t, err, errShutdown)
				assert.Equal(t, outcome{0, 1, call.IsWrite() && tt.maybeApplied, "", len(server.Requests())}, outcomeOf(server, err))
				assert.False(t, clienttest.AsTransportError(t, err).Timeout())
				assert.Equal(t, 5*time.Second, server.Now())
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

// The error keeps the last response, or else the last fault.
func TestTheContextEndsAfterAFailedAttempt(t *testing.T) {
	t.Parallel()
	waits := busy(503, "Retry-After: 40")
	for name, tt := range map[string]struct {
		script   []wiretest.Step
		end      time.Duration
		deadline bool // or a cancel
		response bool // or a fault
	}{
		"cancel of the wait after a response":      {[]wiretest.Step{waits}, 5 * time.Second, false, true},
		"cancel of the wait after a fault":         {[]wiretest.Step{wiretest.HangUp()}, 100 * time.Millisecond, false, false},
		"deadline of the attempt after a response": {[]wiretest.Step{waits, wiretest.Stall("")}, 50 * time.Second, true, true},
		"deadline of the attempt after a fault":    {[]wiretest.Step{wiretest.HangUp(), wiretest.Stall("")}, 10 * time.Second, true, false},
	} {
		for _, call := range clienttest.PolicyCalls {
			t.Run(name+"/"+call.Name, clienttest.InBubble(func(t *testing.T) {
				server, client := newServer(t, tt.script...) // a lookup would have no step
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				want := []error{context.Canceled, errShutdown}
				if tt.deadline {
					want = []error{context.DeadlineExceeded}
					var stop context.CancelFunc
					ctx, stop = context.WithTimeout(ctx, tt.end)
					defer stop()
				} else {
					time.AfterFunc(tt.end, func() { cancel(errShutdown) })
				}

				_, err := call.Do(ctx, client)

				assert.Equal(t, tt.end, server.Now())
				for _, target := range want {
					require.ErrorIs(t, err, target)
					assert.Contains(t, err.Error(), target.Error())
				}
				assert.Equal(t, call.IsWrite(), clienttest.MaybeApplied(err))
				if !tt.response {
					require.ErrorIs(t, err, io.EOF)
					e := clienttest.AsTransportError(t, err)
					assert.Equal(t, len(tt.script), e.Attempts)
					assert.Equal(t, tt.deadline, e.Timeout())
					return
				}
				require.ErrorIs(t, err, runloop.ErrServer)
				e := clienttest.AsAPIError(t, err)
				assert.Equal(t, 503, e.StatusCode)
				assert.Equal(t, clienttest.BusyJSON, string(e.Body))
				assert.Equal(t, 40*time.Second, e.RetryAfter)
				assert.Equal(t, len(tt.script), e.Attempts)
				assert.Contains(t, err.Error(), "503 Service Unavailable: come back later ("+strconv.Itoa(len(tt.script))+" attempt")
			}))
		}
	}
}

// If the caller's deadline and the limit of the attempt coincide, the deadline counts, and
// no attempt follows.
func TestTheDeadlineCoincidesWithTheLimitOfTheAttempt(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server, client := newServer(t, wiretest.Stall(""))
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()

		err := clienttest.GetPolicy(ctx, client)

		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 1, clienttest.AsTransportError(t, err).Attempts)
		assert.Equal(t, 30*time.Second, server.Now())
	})(t)
}

func TestAFinalResponseOutlivesTheContext(t *testing.T) {
	t.Parallel()
	for moment, end := range map[string]func(context.CancelFunc, *http.Response){
		"before the headers are read": func(cancel context.CancelFunc, _ *http.Response) { cancel() },
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
						assert.NotErrorIs(t, err, context.Canceled, "another attempt would end the same")
					case 503: // which would be retried
						require.ErrorIs(t, err, runloop.ErrServer)
						require.ErrorIs(t, err, context.Canceled)
						assert.Equal(t, 1, clienttest.AsAPIError(t, err).Attempts)
					}
				})
			}
		}
	}
}

// An atEnd is an empty reader that calls a function.
type atEnd func()

func (f atEnd) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

func TestTheTransportSeesTheValuesOfTheContext(t *testing.T) {
	t.Parallel()
	type traceID struct{}
	var got any
	client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		got = r.Context().Value(traceID{})
		return clienttest.Respond(200, clienttest.PolicyJSON)(r)
	}))
	require.NoError(t, clienttest.GetPolicy(context.WithValue(t.Context(), traceID{}, "trace-1"), client))
	assert.Equal(t, "trace-1", got)
}
