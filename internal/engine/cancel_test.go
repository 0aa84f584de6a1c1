package engine_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// Every call, and a context that ends before, during and between its attempts.

var errShutdown = errors.New("the orchestrator shuts down")

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
		api, client := clienttest.NewAPI(t) // which fails the test on any request
		got, err := call.Do(cancelled, client)
		assert.Nil(t, got)
		require.ErrorIs(t, err, context.Canceled)
		transport, ok := errors.AsType[*runloop.TransportError](err)
		require.True(t, ok)
		assert.Zero(t, transport.Attempts)
		assert.False(t, transport.MaybeApplied)
		assert.False(t, transport.Timeout())
		assert.Equal(t, "runloop: "+call.Op+": no usable answer (0 attempts): context canceled", err.Error())

		_, err = call.Do(expired, client)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		transport, ok = errors.AsType[*runloop.TransportError](err)
		require.True(t, ok)
		assert.True(t, transport.Timeout())
		assert.Empty(t, api.Sent())
	}
}

func TestACancelBetweenAttemptsKeepsTheLastAnswer(t *testing.T) {
	t.Parallel()
	for _, call := range clienttest.PolicyCalls {
		t.Run(call.Op, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // so that the time is exact
				api, client := clienttest.NewAPI(t)
				api.Answers(call.Method, call.Path, clienttest.AnswerWith(503, `{"message": "try later"}`, http.Header{"Retry-After": {"40"}}))
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(5*time.Second, func() { cancel(errShutdown) })
				start := time.Now()

				_, err := call.Do(ctx, client)

				assert.Equal(t, 5*time.Second, time.Since(start), "at once")
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorIs(t, err, errShutdown)
				require.ErrorIs(t, err, runloop.ErrServer)
				answer := clienttest.AsAPIError(t, err)
				assert.Equal(t, 503, answer.StatusCode)
				assert.Equal(t, `{"message": "try later"}`, string(answer.Body))
				assert.Equal(t, 40*time.Second, answer.RetryAfter)
				assert.Equal(t, 1, answer.Attempts)
				assert.Equal(t, call.IsWrite(), answer.MaybeApplied)
				assert.Contains(t, err.Error(), "503 Service Unavailable: try later (1 attempt")
				assert.Contains(t, err.Error(), "context canceled")
				api.Only() // a create does not look up on a context that is over
			})
		})
	}
}

func TestACancelDuringAnAttempt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		transport clienttest.RoundTripper
		applied   bool
	}{
		"while it connects": {func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return refuseConnection(r)
		}, false},
		"when it is sent": {func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			_, _ = loseConnection(r)
			return nil, r.Context().Err()
		}, true},
		"in the body": {func(r *http.Request) (*http.Response, error) {
			response, err := clienttest.Answer(200, clienttest.PolicyJSON)(r)
			response.Body = hangingBody{r.Context()}
			return response, err
		}, true},
	} {
		for _, call := range clienttest.PolicyCalls {
			t.Run(name+"/"+call.Op, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					attempts := 0
					_, client := clienttest.NewAPI(t, runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
						attempts++
						return test.transport(r)
					})}))
					ctx, cancel := context.WithCancelCause(t.Context())
					time.AfterFunc(time.Second, func() { cancel(errShutdown) })

					got, err := call.Do(ctx, client)

					assert.Nil(t, got)
					require.ErrorIs(t, err, context.Canceled)
					require.ErrorIs(t, err, errShutdown)
					assert.Equal(t, 1, attempts)
					assert.Equal(t, call.IsWrite() && test.applied, clienttest.MaybeApplied(err))
				})
			})
		}
	}
}

// A hangingBody ends with its context.
type hangingBody struct{ ctx context.Context }

func (b hangingBody) Read([]byte) (int, error) {
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

func (hangingBody) Close() error { return nil }

func TestAFinalAnswerStaysOneAsTheContextEnds(t *testing.T) {
	t.Parallel()
	for _, call := range clienttest.PolicyCalls {
		for _, last := range []clienttest.RoundTripper{clienttest.RoundTripper(clienttest.Answer(200, call.Success)), clienttest.RoundTripper(clienttest.Answer(404, `{}`))} {
			ctx, cancel := context.WithCancel(t.Context())
			_, client := clienttest.NewAPI(t, runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				cancel()
				return last(r)
			})}))
			got, err := call.Do(ctx, client)
			if err == nil {
				assert.NotNil(t, got, "the API did it")
				continue
			}
			require.ErrorIs(t, err, runloop.ErrNotFound)
			assert.NotErrorIs(t, err, context.Canceled, "that is what the API says, and it would say so again")
		}
	}
}

func TestAContextsValuesReachTheTransport(t *testing.T) {
	t.Parallel()
	type traceID struct{}
	var got any
	_, client := clienttest.NewAPI(t, runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		got = r.Context().Value(traceID{})
		return clienttest.Answer(200, clienttest.PolicyJSON)(r)
	})}))
	_, err := client.NetworkPolicies.Get(context.WithValue(t.Context(), traceID{}, "trace-1"), "npol_1")
	require.NoError(t, err)
	assert.Equal(t, "trace-1", got)
}
