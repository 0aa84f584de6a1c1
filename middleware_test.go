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
	api, client := clienttest.NewAPI(t, runloop.WithMiddleware(mark("1"), mark("2")), runloop.WithMiddleware(mark("3")))
	api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))
	pathOf := func(opts ...runloop.Option) string {
		require.NoError(t, clienttest.GetPolicy(t.Context(), client, opts...))
		sent := api.Sent()
		return strings.Join(sent[len(sent)-1].Header["X-Path"], " ")
	}

	assert.Equal(t, "1 2 3", pathOf())
	assert.Equal(t, "1 2 3", pathOf(runloop.WithMaxRetries(0)))
	assert.Equal(t, "1 2 3 4 5", pathOf(runloop.WithMiddleware(mark("4"), mark("5"))), "the call's is inside of the client's")
	assert.Equal(t, "1 2 3", pathOf(), "the client has kept its own")

	other, _ := clienttest.NewAPI(t)
	other.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))
	require.NoError(t, clienttest.GetPolicy(t.Context(), client, runloop.WithHTTPClient(&http.Client{Transport: other})))
	assert.Equal(t, []string{"1", "2", "3"}, other.Only().Header["X-Path"], "it wraps the call's HTTP client")
}

// Middleware is called when the chain is built, and what it returns for each attempt.
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

func TestBadMiddlewareIsRefused(t *testing.T) {
	t.Parallel()
	returns := func(rt http.RoundTripper) middleware {
		return func(http.RoundTripper) http.RoundTripper { return rt }
	}
	for name, test := range map[string]struct {
		bad     middleware
		problem string
	}{
		"nil":                   {nil, "middleware 2 is nil: omit it"},
		"returns nil":           {returns(nil), "middleware 2 returned nil"},
		"returns a nil func":    {returns(clienttest.RoundTripper(nil)), "middleware 2 returned nil"},
		"returns a nil pointer": {returns((*http.Transport)(nil)), "middleware 2 returned nil"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			option := runloop.WithMiddleware(mark("1"), test.bad)
			_, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), option)
			assert.Contains(t, refused(t, err, "new client", "WithMiddleware"), test.problem)

			api, client := clienttest.NewAPI(t)
			for _, call := range clienttest.PolicyCalls {
				_, err := call.Do(t.Context(), client, option)
				assert.Contains(t, refused(t, err, call.Op, "WithMiddleware"), test.problem)
			}
			assert.Empty(t, api.Sent())
		})
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
