package engine_test

import (
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// Which responses are retried, how often, and when.

func TestStatusesThatAreRetried(t *testing.T) {
	for status, attempts := range map[int]int{
		400: 1, 401: 1, 402: 1, 403: 1, 404: 1, 405: 1, 409: 1, 410: 1, 412: 1, 413: 1, 418: 1, 422: 1, 499: 1,
		408: 4, 425: 4, 429: 4,
		500: 4, 501: 1, 502: 4, 503: 4, 504: 4, 505: 1, 507: 4, 520: 4, 529: 4, 599: 4, 600: 4, 999: 4,
	} {
		for _, call := range []clienttest.PolicyCall{clienttest.GetCall, putCall} {
			t.Run(call.Name+"/"+strconv.Itoa(status), clienttest.InBubble(func(t *testing.T) {
				server, client := newServer(t, wiretest.Reply(status, `{"message":"no"}`).Times(attempts))

				_, err := call.Do(t.Context(), client)

				e := clienttest.AsAPIError(t, err)
				assert.Equal(t, status, e.StatusCode)
				assert.Equal(t, attempts, e.Attempts)
				assert.Equal(t, "no", e.Message)
				clienttest.AssertBackoff(t, server.Times())
			}))
		}
	}
}

func TestTheHeaderOnRetries(t *testing.T) {
	for name, tt := range map[string]struct {
		status   int
		header   string
		attempts int
	}{
		"true, of a client error":    {400, "true", 4},
		"true, of a conflict":        {409, "TRUE", 4},
		"true, of a redirect":        {302, "true", 1},
		"false, of a server error":   {503, "false", 1},
		"false, of a rate limit":     {429, "false", 1},
		"another, of a server error": {503, "maybe", 4},
		"another, of a client error": {400, "1", 1},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			_, client := newServer(t, wiretest.Reply(tt.status, `{}`, "x-should-retry: "+tt.header).Times(tt.attempts))

			err := clienttest.GetPolicy(t.Context(), client)

			assert.Equal(t, tt.attempts, clienttest.AsAPIError(t, err).Attempts)
		}))
	}
}

func TestTheCallerLimitsTheRetries(t *testing.T) {
	for _, retries := range []int{0, 1, 6} {
		t.Run(strconv.Itoa(retries), clienttest.InBubble(func(t *testing.T) {
			_, client := newServer(t, busy(503).Times(retries+1))

			err := clienttest.GetPolicy(t.Context(), client, runloop.WithMaxRetries(retries))

			assert.Equal(t, retries+1, clienttest.AsAPIError(t, err).Attempts)
		}))
	}
}

// The retry library's own error has no status, no body and no cause.
func TestTheLastResponseOutlivesTheLastAttempt(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		_, client := newServer(t, wiretest.HangUp(), wiretest.Reply(500, `{}`).Times(2),
			wiretest.Reply(503, `{"message":"in maintenance","code":"maintenance"}`, "X-Runloop-Request-Id: req_7"))

		err := clienttest.UpdatePolicy(t.Context(), client)

		require.ErrorIs(t, err, runloop.ErrServer)
		e := clienttest.AsAPIError(t, err)
		assert.Equal(t, 503, e.StatusCode)
		assert.Equal(t, "in maintenance", e.Message)
		assert.Equal(t, "maintenance", e.Code)
		assert.Equal(t, "req_7", e.RequestID)
		assert.JSONEq(t, `{"message":"in maintenance","code":"maintenance"}`, string(e.Body))
		assert.Equal(t, 4, e.Attempts)
		assert.True(t, e.MaybeApplied)
		assert.NotContains(t, err.Error(), "giving up")
	})(t)
}

// An earlier attempt may have been applied although the last one reached no server.
func TestTheDoubtOfAnEarlierAttemptRemains(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		_, client := newServer(t, busy(503, "Connection: close"), wiretest.Refuse().Times(3))

		err := clienttest.UpdatePolicy(t.Context(), client)

		require.ErrorIs(t, err, syscall.ECONNREFUSED, "the last cause")
		assert.ErrorContains(t, err, "(4 attempts; may have been applied): dial tcp: connection refused")
		assert.True(t, clienttest.AsTransportError(t, err).MaybeApplied)
	})(t)
}

// An unknown error of a RoundTripper may be transient.
func TestAnErrorOfAnotherRoundTripperIsRetried(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		tries := 0
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if tries++; tries < 3 {
				return nil, errors.New("the sidecar is not ready")
			}
			return clienttest.Respond(200, clienttest.PolicyJSON)(r)
		}))

		require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))

		assert.Equal(t, 3, tries)
	})(t)
}

// The retry library passes neither the request nor the attempt to its callbacks.
func TestConcurrentCallsCountTheirOwnAttempts(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		const calls = 50
		var sent [calls]atomic.Int32
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			i, _ := strconv.Atoi(r.Header.Get("X-Call"))
			time.Sleep(time.Second)
			if int(sent[i].Add(1)) <= i%4 {
				return clienttest.Respond(503, clienttest.BusyJSON)(r)
			}
			return clienttest.Respond(404, notFoundJSON)(r)
		}))

		errs := concurrently(calls, func(i int) error {
			return clienttest.GetPolicy(t.Context(), client, runloop.WithHeader("X-Call", strconv.Itoa(i)))
		})

		for i, err := range errs {
			assert.Equal(t, 1+i%4, clienttest.AsAPIError(t, err).Attempts, "call %d", i)
		}
	})(t)
}
