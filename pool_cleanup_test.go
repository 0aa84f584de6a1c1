package runloop_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

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
