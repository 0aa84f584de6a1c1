package runloop_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/engine"
	"github.com/runloop-community/runloop-go/internal/wiretest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// The connections of a client without WithHTTPClient.

// newPoolClient returns a client that reaches server through its own pool, with another
// dialer.
func newPoolClient(t testing.TB, server *wiretest.Server, opts ...runloop.Option) *runloop.Client {
	t.Helper()
	client := newLoopbackClient(t, "http://localhost", opts...)
	pool := runloop.PoolOf(client)
	pool.Proxy = nil
	pool.DialContext = server.DialContext
	return client
}

// newLoopbackClient returns a client with its own pool.
func newLoopbackClient(t testing.TB, url string, opts ...runloop.Option) *runloop.Client {
	t.Helper()
	client, err := runloop.NewClient(append([]runloop.Option{runloop.WithAPIKey(clienttest.APIKey), runloop.WithBaseURL(url)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// getAtOnce calls Get in n goroutines at the same time, and returns how many calls failed.
func getAtOnce(t *testing.T, client *runloop.Client, n int) int {
	t.Helper()
	var failed atomic.Int32
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if clienttest.GetPolicy(t.Context(), client) != nil {
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	return int(failed.Load())
}

// slowly responds a second after the request, so that concurrent requests need a
// connection each.
func slowly(response string) wiretest.Step {
	return wiretest.Do("respond after a second", func(c *wiretest.Conn) {
		if c.Read() != nil {
			c.Sleep(time.Second)
			c.Write(response)
		}
	})
}

func TestThePoolKeepsAConnectionForEachOf256Goroutines(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		const goroutines, rounds = 256, 3
		server := wiretest.NewServer(t, slowly(wiretest.Response(200, clienttest.PolicyJSON)).Times(goroutines*rounds))
		client := newPoolClient(t, server)
		for range rounds {
			require.Zero(t, getAtOnce(t, client, goroutines))
		}
		assert.Equal(t, goroutines, server.Dials())
		assert.Equal(t, rounds*time.Second, server.Now(), "the calls of a round are concurrent")
	})(t)
}

// Failed calls keep their connections: here, one call in ten fails.
func TestThePoolSurvivesFailedCalls(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		const goroutines, rounds = 20, 5
		var script []wiretest.Step
		for range rounds {
			script = append(script,
				slowly(wiretest.Response(200, clienttest.PolicyJSON)).Times(goroutines-2),
				slowly(wiretest.Response(500, clienttest.BusyJSON)).Times(2))
		}
		server := wiretest.NewServer(t, script...)
		client := newPoolClient(t, server, runloop.WithMaxRetries(0))
		for range rounds {
			require.Equal(t, 2, getAtOnce(t, client, goroutines))
		}
		assert.Equal(t, goroutines, server.Dials())
	})(t)
}

// Load balancers close an idle connection after a minute. The client closes it first,
// because a write at that moment would be lost.
func TestThePoolClosesAnIdleConnectionAfterThirtySeconds(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(200, clienttest.PolicyJSON).Times(3))
		client := newPoolClient(t, server)
		require.NoError(t, clienttest.GetPolicy(t.Context(), client))
		time.Sleep(29 * time.Second)
		require.NoError(t, clienttest.GetPolicy(t.Context(), client))
		assert.Equal(t, 1, server.Dials())
		time.Sleep(31 * time.Second)
		require.NoError(t, clienttest.GetPolicy(t.Context(), client))
		assert.Equal(t, 2, server.Dials())
	})(t)
}

// On real sockets, with resets.
func TestConnectionsOverLoopback(t *testing.T) {
	t.Parallel()
	server := wiretest.NewLoopback(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Fault") == "reset":
			wiretest.Reset(w)
		case r.Header.Get("X-Fault") == "error":
			w.WriteHeader(500)
		default:
			_, _ = w.Write([]byte(clienttest.PolicyJSON))
		}
	})
	client := newLoopbackClient(t, server.URL, runloop.WithMaxRetries(0))

	for range 10 {
		require.NoError(t, clienttest.GetPolicy(t.Context(), client))
		require.ErrorIs(t, clienttest.GetPolicy(t.Context(), client, runloop.WithHeader("X-Fault", "error")), runloop.ErrServer)
	}
	assert.Equal(t, 1, server.Conns())
	assert.Equal(t, 20, server.Requests())
	reset := clienttest.AsTransportError(t, clienttest.UpdatePolicy(t.Context(), client, runloop.WithHeader("X-Fault", "reset")))
	assert.True(t, reset.MaybeApplied)
	assert.Equal(t, 21, server.Requests())
}

func TestCloseIdleConnectionsDuringACall(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, slowly(wiretest.Response(200, clienttest.PolicyJSON)).Times(2))
		client := newPoolClient(t, server)
		time.AfterFunc(time.Second/2, client.CloseIdleConnections)
		require.NoError(t, clienttest.GetPolicy(t.Context(), client), "the connection is in use")
		client.CloseIdleConnections()
		require.NoError(t, clienttest.GetPolicy(t.Context(), client))
		assert.Equal(t, 2, server.Dials(), "the next call dials")
	})(t)
}

// Without pings, every attempt would use the dead connection.
func TestHTTP2ConnectionThatGoesDead(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.HTTP2Conn("reply, and then go dead", func(h *wiretest.HTTP2) { h.Reply(h.Read(), 200, clienttest.PolicyJSON) }),
			wiretest.HTTP2Conn("reply", func(h *wiretest.HTTP2) { h.Reply(h.Read(), 200, clienttest.PolicyJSON) }))
		wiretest.NeedHTTP2(t)
		client := newPoolClient(t, server)
		pool := runloop.PoolOf(client)
		pool.Protocols = new(http.Protocols)
		pool.Protocols.SetUnencryptedHTTP2(true)
		require.NoError(t, clienttest.GetPolicy(t.Context(), client))
		require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))
		assert.Equal(t, 2, server.Dials())
		assert.GreaterOrEqual(t, server.Now(), 15250*time.Millisecond, "ten seconds of silence, five for the ping, the backoff")
		assert.LessOrEqual(t, server.Now(), 15500*time.Millisecond)
	})(t)
}

// With a custom dialer, net/http uses HTTP/2 only if ForceAttemptHTTP2 is set.
func TestThePoolSpeaksHTTP2(t *testing.T) {
	t.Parallel()
	wiretest.NeedHTTP2(t)
	var protocol string
	server := wiretest.NewLoopback(t, func(w http.ResponseWriter, r *http.Request) {
		protocol = r.Proto
		_, _ = w.Write([]byte(clienttest.PolicyJSON))
	}, func(s *httptest.Server) {
		s.EnableHTTP2 = true
		s.StartTLS()
	})
	client := newLoopbackClient(t, server.URL)
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	runloop.PoolOf(client).TLSClientConfig = &tls.Config{RootCAs: roots}
	require.NoError(t, clienttest.GetPolicy(t.Context(), client))
	assert.Equal(t, "HTTP/2.0", protocol)
}

// Of an https request, a proxy sees only the name of the host.
func TestAProxySeesNoKey(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Do("refuse to connect", func(c *wiretest.Conn) {
			c.Read()
			c.Write(wiretest.Response(502, "no route"))
			c.Close()
		}).Times(4))
		client := newPoolClient(t, server, runloop.WithBaseURL("https://api.example.test"))
		runloop.PoolOf(client).Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example.test"})
		err := clienttest.UpdatePolicy(t.Context(), client)
		e := clienttest.AsTransportError(t, err)
		assert.Equal(t, 4, e.Attempts)
		assert.False(t, e.MaybeApplied, "the API received nothing")
		assert.ErrorContains(t, err, "proxy proxy.example.test:80 refused the connection: 502 ")
		for _, request := range server.Requests() {
			assert.Equal(t, "CONNECT api.example.test:443 HTTP/1.1\r\nHost: api.example.test:443\r\nUser-Agent: Go-http-client/1.1\r\n\r\n", request.Raw)
		}
	})(t)
}

// Without the name of the proxy, its status looks like one of the API.
func TestEveryProxyThatRefusesIsNamedAndNotRetried(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]func(*http.Transport) []runloop.Option{
		"own transport": func(t *http.Transport) []runloop.Option {
			return []runloop.Option{runloop.WithHTTPClient(&http.Client{Transport: t})}
		},
		"own transport, middleware": func(t *http.Transport) []runloop.Option {
			return []runloop.Option{runloop.WithHTTPClient(&http.Client{Transport: t}), runloop.WithMiddleware(mark("1"))}
		},
		"the pool": func(*http.Transport) []runloop.Option { return nil },
		"the pool, middleware": func(*http.Transport) []runloop.Option {
			return []runloop.Option{runloop.WithMiddleware(mark("1"))}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, status := range []int{302, 400, 401, 403, 404, 407, 418} {
				proxy := wiretest.NewLoopback(t, func(w http.ResponseWriter, r *http.Request) {
					assert.Equal(t, "CONNECT api.example.test:443", r.Method+" "+r.Host)
					w.WriteHeader(status)
				})
				address := proxy.Listener.Addr().String()
				transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: address, User: url.UserPassword("robot", "s3cret")})}
				client := newLoopbackClient(t, "https://api.example.test", opts(transport)...)
				runloop.PoolOf(client).Proxy = transport.Proxy
				_, err := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build"})
				e := clienttest.AsTransportError(t, err)
				assert.False(t, e.MaybeApplied, "%d", status)
				assert.Equal(t, 1, proxy.Requests(), "%d", status)
				text := fmt.Sprintf("%d %s", status, http.StatusText(status))
				refusal, _ := errors.AsType[*engine.ProxyRefused](err)
				assert.Equal(t, &engine.ProxyRefused{Proxy: address, StatusCode: status, Status: text}, refusal)
				assert.ErrorContains(t, err, "proxy "+address+" refused the connection: "+text)
				assertSecret(t, "s3cret", err)
			}
		})
	}
}

func TestATLSHandshakeIsLimitedToTenSeconds(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Deaf().Times(4))
		client := newPoolClient(t, server, runloop.WithBaseURL("https://api.example.test"))
		err := clienttest.UpdatePolicy(t.Context(), client)
		e := clienttest.AsTransportError(t, err)
		assert.True(t, e.Timeout())
		assert.Equal(t, 4, e.Attempts)
		assert.False(t, e.MaybeApplied, "nothing was sent")
		assert.NotErrorIs(t, err, context.DeadlineExceeded)
		assert.GreaterOrEqual(t, server.Now(), 41750*time.Millisecond)
		assert.LessOrEqual(t, server.Now(), 43500*time.Millisecond)
	})(t)
}

// closings returns a channel that receives a value for each closed connection of the server.
func closings(s *httptest.Server) <-chan struct{} {
	closed := make(chan struct{}, 1000)
	count := s.Config.ConnState
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		count(c, state)
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	return closed
}

// collect runs the garbage collector until n connections are closed, and reports whether
// they are.
func collect(t *testing.T, closed <-chan struct{}, n int) bool {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); n > 0 && time.Now().Before(end); {
		runtime.GC()
		select {
		case <-closed:
			n--
		default:
			runtime.Gosched()
		}
	}
	return n == 0
}

// collectTimes runs the garbage collector n times.
func collectTimes(n int) {
	for range n {
		runtime.GC()
		runtime.Gosched()
	}
}

// A program may create a client for each task and drop it.
func TestADroppedClientClosesItsConnections(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if http2 {
				wiretest.NeedHTTP2(t)
			}
			var closed <-chan struct{}
			server := wiretest.NewLoopback(t, func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, http2, r.ProtoMajor == 2)
				_, _ = w.Write([]byte(clienttest.PolicyJSON))
			}, func(s *httptest.Server) {
				closed = closings(s)
				s.EnableHTTP2 = http2
				s.StartTLS()
			})
			roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			use := func(opts ...runloop.Option) *runloop.NetworkPoliciesService {
				client, err := runloop.NewClient(append(opts, runloop.WithAPIKey(clienttest.APIKey), runloop.WithBaseURL(server.URL))...)
				require.NoError(t, err)
				runloop.PoolOf(client).TLSClientConfig = &tls.Config{RootCAs: roots}
				require.NoError(t, clienttest.GetPolicy(t.Context(), client))
				require.NoError(t, clienttest.GetPolicy(t.Context(), client, runloop.WithMaxRetries(1)))
				return client.NetworkPolicies
			}
			kept := use()

			const clients = 20
			for range clients / 2 {
				use()
				use(runloop.WithMiddleware(mark("1")))
			}
			assert.True(t, collect(t, closed, clients), "the connections of the dropped clients are closed")
			collectTimes(10)
			assert.Empty(t, closed)
			_, err := kept.Get(t.Context(), "npol_1") // the service keeps its client
			require.NoError(t, err)
			assert.Equal(t, clients+1, server.Conns(), "the connection of the client in use was kept")
		})
	}
}

// A call in flight keeps the connections, although nothing else refers to the client.
func TestACallInFlightKeepsItsConnections(t *testing.T) {
	t.Parallel()
	var closed <-chan struct{}
	attempts := 0
	server := wiretest.NewLoopback(t, func(w http.ResponseWriter, r *http.Request) {
		collectTimes(10)
		if attempts++; attempts == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(clienttest.PolicyJSON))
	}, func(s *httptest.Server) { closed = closings(s) })

	func() {
		client, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), runloop.WithBaseURL(server.URL))
		require.NoError(t, err)
		_, err = client.NetworkPolicies.Get(t.Context(), "npol_1")
		require.NoError(t, err)
	}()
	assert.Equal(t, 2, server.Requests())
	assert.Equal(t, 1, server.Conns(), "the retry used the connection of the first attempt")
	assert.True(t, collect(t, closed, 1))
}

// The connections of WithHTTPClient belong to the caller.
func TestADroppedClientLeavesTheConnectionsOfAnHTTPClient(t *testing.T) {
	t.Parallel()
	server := wiretest.NewLoopback(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(clienttest.PolicyJSON))
	})
	mine := server.Client()
	for range 5 {
		client, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), runloop.WithBaseURL(server.URL), runloop.WithHTTPClient(mine))
		require.NoError(t, err)
		require.NoError(t, clienttest.GetPolicy(t.Context(), client))
		client = nil
		collectTimes(5)
	}
	assert.Equal(t, 1, server.Conns())
}

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
