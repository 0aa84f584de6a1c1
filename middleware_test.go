package runloop_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

type middleware = func(http.RoundTripper) http.RoundTripper

// mark returns a middleware that adds its name to the header X-Path of each request.
func mark(name string) middleware {
	return func(next http.RoundTripper) http.RoundTripper {
		return clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.Header.Add("X-Path", name)
			return next.RoundTrip(r)
		})
	}
}

func TestTheFirstMiddlewareIsTheOutermost(t *testing.T) {
	t.Parallel()
	api, client := responding(t, clienttest.PolicyJSON, runloop.WithMiddleware(mark("1"), mark("2")), runloop.WithMiddleware(mark("3")))
	pathOf := func(opts ...runloop.Option) string {
		require.NoError(t, clienttest.GetPolicy(t.Context(), client, opts...))
		sent := api.Sent()
		return strings.Join(sent[len(sent)-1].Header["X-Path"], " ")
	}

	assert.Equal(t, "1 2 3", pathOf())
	assert.Equal(t, "1 2 3", pathOf(runloop.WithMaxRetries(0)))
	assert.Equal(t, "1 2 3 4 5", pathOf(runloop.WithMiddleware(mark("4"), mark("5"))), "the call's middleware is inside of the client's")
	assert.Equal(t, "1 2 3", pathOf(), "the client is unchanged")

	other, _ := responding(t, clienttest.PolicyJSON)
	require.NoError(t, clienttest.GetPolicy(t.Context(), client, runloop.WithHTTPClient(&http.Client{Transport: other})))
	assert.Equal(t, []string{"1", "2", "3"}, other.Only().Header["X-Path"], "it wraps the call's HTTP client")
}

// A middleware is called once per chain, and the RoundTripper that it returns once per attempt.
func TestMiddlewareIsBuiltOnceAndRunsOncePerAttempt(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		var built, attempts atomic.Int32
		count := func(next http.RoundTripper) http.RoundTripper {
			built.Add(1)
			return clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				attempts.Add(1)
				return next.RoundTrip(r)
			})
		}
		api, client := clienttest.NewAPI(t, runloop.WithMiddleware(count))
		api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(503, ""), clienttest.Respond(429, ""),
			clienttest.Fail("connection reset"), clienttest.Respond(200, clienttest.PolicyJSON))

		require.NoError(t, clienttest.GetPolicy(t.Context(), client))
		assert.EqualValues(t, 4, attempts.Load())
		require.NoError(t, clienttest.GetPolicy(t.Context(), client, runloop.WithHeader("X-Team", "blue")))
		assert.EqualValues(t, 5, attempts.Load())
		assert.EqualValues(t, 1, built.Load())
	})(t)
}

func TestMiddlewareWrapsTheClientsOwnPool(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(200, clienttest.PolicyJSON).Times(3))
		client := newPoolClient(t, server, runloop.WithMiddleware(mark("1")))

		require.NoError(t, clienttest.GetPolicy(t.Context(), client))
		require.NoError(t, clienttest.GetPolicy(t.Context(), client, runloop.WithMiddleware(mark("2"))))
		assert.Equal(t, 1, server.Dials(), "a call's own middleware does not cost the pool")
		client.CloseIdleConnections()
		require.NoError(t, clienttest.GetPolicy(t.Context(), client))
		assert.Equal(t, 2, server.Dials(), "the idle connections were closed")
		assert.Equal(t, []string{"1", "2"}, server.Requests()[1].Header["X-Path"])
	})(t)
}

func TestInvalidMiddleware(t *testing.T) {
	t.Parallel()
	returns := func(rt http.RoundTripper) middleware {
		return func(http.RoundTripper) http.RoundTripper { return rt }
	}
	for _, test := range []struct {
		invalid middleware
		problem string
	}{
		{nil, "middleware 2 is nil: omit it"},
		{returns(nil), "middleware 2 returned nil: return a RoundTripper that calls the one passed in"},
		{returns(clienttest.RoundTripper(nil)), "middleware 2 returned nil"},
		{returns((*http.Transport)(nil)), "middleware 2 returned nil"},
	} {
		rejectedOption(t, runloop.WithMiddleware(mark("1"), test.invalid), "WithMiddleware", test.problem)
	}
}

// A roundTripper is a function that is an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func ExampleWithMiddleware() {
	printStatus := func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil {
				fmt.Println(r.Method, resp.StatusCode)
			}
			return resp, err
		})
	}

	server := runlooptest.NewServer() // in place of the API
	defer server.Close()
	server.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Status(503))
	client, err := server.Client(runloop.WithMiddleware(printStatus))
	if err != nil {
		panic(err)
	}
	_, err = client.NetworkPolicies.Create(context.Background(), runloop.NetworkPolicyCreateParams{Name: "offline"})
	if err != nil {
		panic(err)
	}
	// Output:
	// POST 503
	// POST 200
}
