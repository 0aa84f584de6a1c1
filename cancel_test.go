package runloop_test

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
)

// Every call, and a context that ends before, during and between its attempts.

var errShutdown = errors.New("the orchestrator shuts down")

func TestAContextThatIsOverBeforeTheCall(t *testing.T) {
	t.Parallel()
	calls := append([]policyCall{
		{op: "GET /v1/devboxes", do: func(ctx context.Context, c *runloop.Client, _ ...runloop.Option) (any, error) {
			return nil, c.Do(ctx, http.MethodGet, "/v1/devboxes", nil, nil)
		}},
		{op: "ensure network policy", do: func(ctx context.Context, c *runloop.Client, _ ...runloop.Option) (any, error) {
			return c.NetworkPolicies.Ensure(ctx, runloop.NetworkPolicyCreateParams{Name: "build"})
		}},
		{op: "get network policy by name", do: func(ctx context.Context, c *runloop.Client, _ ...runloop.Option) (any, error) {
			return c.NetworkPolicies.GetByName(ctx, "build")
		}},
	}, policyCalls...)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for _, call := range calls {
		api, client := newAPI(t) // which fails the test on any request
		got, err := call.do(cancelled, client)
		assert.Nil(t, got)
		require.ErrorIs(t, err, context.Canceled)
		transport, ok := errors.AsType[*runloop.TransportError](err)
		require.True(t, ok)
		assert.Zero(t, transport.Attempts)
		assert.False(t, transport.MaybeApplied)
		assert.False(t, transport.Timeout())
		assert.Equal(t, "runloop: "+call.op+": no usable answer (0 attempts): context canceled", err.Error())

		_, err = call.do(expired, client)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		transport, ok = errors.AsType[*runloop.TransportError](err)
		require.True(t, ok)
		assert.True(t, transport.Timeout())
		assert.Empty(t, api.sent())
	}
}

func TestACancelBetweenAttemptsKeepsTheLastAnswer(t *testing.T) {
	t.Parallel()
	for _, call := range policyCalls {
		t.Run(call.op, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // so that the time is exact
				api, client := newAPI(t)
				api.answers(call.method, call.path, respond(503, `{"message": "try later"}`, http.Header{"Retry-After": {"40"}}))
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(5*time.Second, func() { cancel(errShutdown) })
				start := time.Now()

				_, err := call.do(ctx, client)

				assert.Equal(t, 5*time.Second, time.Since(start), "at once")
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorIs(t, err, errShutdown)
				require.ErrorIs(t, err, runloop.ErrServer)
				answer := apiError(t, err)
				assert.Equal(t, 503, answer.StatusCode)
				assert.Equal(t, `{"message": "try later"}`, string(answer.Body))
				assert.Equal(t, 40*time.Second, answer.RetryAfter)
				assert.Equal(t, 1, answer.Attempts)
				assert.Equal(t, call.isWrite(), answer.MaybeApplied)
				assert.Contains(t, err.Error(), "503 Service Unavailable: try later (1 attempt")
				assert.Contains(t, err.Error(), "context canceled")
				api.only() // a create does not look up on a context that is over
			})
		})
	}
}

func TestACancelDuringAnAttempt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		transport roundTripper
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
			response, err := answer(200, policyJSON)(r)
			response.Body = hangingBody{r.Context()}
			return response, err
		}, true},
	} {
		for _, call := range policyCalls {
			t.Run(name+"/"+call.op, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					attempts := 0
					_, client := newAPI(t, runloop.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
						attempts++
						return test.transport(r)
					})}))
					ctx, cancel := context.WithCancelCause(t.Context())
					time.AfterFunc(time.Second, func() { cancel(errShutdown) })

					got, err := call.do(ctx, client)

					assert.Nil(t, got)
					require.ErrorIs(t, err, context.Canceled)
					require.ErrorIs(t, err, errShutdown)
					assert.Equal(t, 1, attempts)
					assert.Equal(t, call.isWrite() && test.applied, maybeApplied(err))
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
	for _, call := range policyCalls {
		for _, last := range []roundTripper{roundTripper(answer(200, call.success)), roundTripper(answer(404, `{}`))} {
			ctx, cancel := context.WithCancel(t.Context())
			_, client := newAPI(t, runloop.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				cancel()
				return last(r)
			})}))
			got, err := call.do(ctx, client)
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
	_, client := newAPI(t, runloop.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		got = r.Context().Value(traceID{})
		return answer(200, policyJSON)(r)
	})}))
	_, err := client.NetworkPolicies.Get(context.WithValue(t.Context(), traceID{}, "trace-1"), "npol_1")
	require.NoError(t, err)
	assert.Equal(t, "trace-1", got)
}
