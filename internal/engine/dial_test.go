package engine_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// Faults before there is a connection. Nothing was sent then, so a write is certainly not
// applied, and is retried like a read.

func TestACallWithoutAConnection(t *testing.T) {
	t.Parallel()
	noSuchHost := &net.DNSError{Err: "no such host", Name: "api.example.test", IsNotFound: true}
	for name, tt := range map[string]struct {
		fault     wiretest.Step
		transport func(*wiretest.Server)
		opts      []runloop.Option
		attempts  int
		text      string
		is        error
		timeout   bool
		took      time.Duration // of each attempt
	}{
		"nobody listens": {fault: wiretest.Refuse(), attempts: 4, text: "dial tcp: connection refused", is: syscall.ECONNREFUSED},
		"no such name":   {fault: wiretest.DialError(noSuchHost), attempts: 1, text: "lookup api.example.test: no such host", is: noSuchHost},
		"the dial exceeds the dialer's limit": {
			fault: wiretest.DialStall(),
			transport: func(server *wiretest.Server) {
				server.Transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
					ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
					defer cancel()
					return server.DialContext(ctx, network, address)
				}
			},
			attempts: 4, text: "deadline exceeded", timeout: true, took: 10 * time.Second,
		},
		"a proxy is down": {
			fault: wiretest.Reply(502, "<html>no way</html>"), transport: behindProxy,
			opts: []runloop.Option{runloop.WithBaseURL("https://api.example.test")}, attempts: 4, text: "502 Bad Gateway",
		},
		"a proxy requires a password": {
			fault: wiretest.Reply(407, "<html>no way</html>"), transport: behindProxy,
			opts: []runloop.Option{runloop.WithBaseURL("https://api.example.test")}, attempts: 1, text: "407 Proxy Authentication Required",
		},
	} {
		for _, call := range clienttest.PolicyCalls {
			t.Run(name+"/"+call.Name, clienttest.InBubble(func(t *testing.T) {
				server := wiretest.NewServer(t, tt.fault.Times(tt.attempts))
				if tt.transport != nil {
					tt.transport(server)
				}
				client := clienttest.NewWireClient(t, server, tt.opts...)

				_, err := call.Do(t.Context(), client)

				e := clienttest.AsTransportError(t, err)
				require.ErrorContains(t, err, tt.text)
				if tt.is != nil {
					require.ErrorIs(t, err, tt.is)
				}
				assert.Equal(t, tt.attempts, e.Attempts)
				assert.False(t, e.MaybeApplied)
				assert.Equal(t, tt.timeout, e.Timeout())
				require.NotErrorIs(t, err, context.DeadlineExceeded, "which is not the caller's")
				if tt.attempts == 1 {
					assert.Zero(t, server.Now())
				} else {
					assert.GreaterOrEqual(t, server.Now(), 4*tt.took+1750*time.Millisecond)
					assert.LessOrEqual(t, server.Now(), 4*tt.took+3500*time.Millisecond)
				}
				for _, r := range server.Requests() { // of the proxy
					assert.Equal(t, "CONNECT api.example.test:443", r.Method+" "+r.Target)
					assert.NotContains(t, r.Raw, clienttest.APIKey)
				}
			}))
		}
	}
}

func behindProxy(server *wiretest.Server) {
	server.Transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example.test:3128"})
}

// A plain proxy's page tells nothing about what is behind it.
func TestAPageOfAPlainProxy(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(502, "<html>no upstream</html>", "Content-Type: text/html").Times(4))
		behindProxy(server)
		client := clienttest.NewWireClient(t, server, runloop.WithBaseURL("http://api.example.test"), runloop.WithPlaintextHTTP())

		err := clienttest.UpdatePolicy(t.Context(), client)

		require.ErrorIs(t, err, runloop.ErrServer)
		assert.True(t, clienttest.AsAPIError(t, err).MaybeApplied)
		assert.Equal(t, "http://api.example.test"+clienttest.PolicyPath, server.Requests()[0].Target)
	})(t)
}

// The time in the queue for a connection is the caller's.
func TestTheDeadlineComesBeforeAConnectionIsFree(t *testing.T) {
	t.Parallel()
	for _, call := range clienttest.PolicyCalls {
		t.Run(call.Name, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Do("reply after 20 s", func(conn *wiretest.Conn) {
				conn.Read()
				conn.Sleep(20 * time.Second)
				conn.Write(wiretest.Response(200, clienttest.PolicyJSON))
			}))
			server.Transport.MaxConnsPerHost = 1
			client := clienttest.NewWireClient(t, server)
			first := make(chan error, 1)
			go func() { first <- clienttest.GetPolicy(t.Context(), client) }()
			time.Sleep(time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()

			_, err := call.Do(ctx, client)

			require.EqualError(t, err, "runloop: "+call.Op+": no usable response (1 attempt): context deadline exceeded")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.False(t, clienttest.MaybeApplied(err))
			assert.Equal(t, 6*time.Second, server.Now())
			require.NoError(t, <-first)
			assert.Len(t, server.Requests(), 1)
		}))
	}
}

// newRestartAccount returns an account with the policy that the call is about, unless it
// creates it.
func newRestartAccount(call clienttest.PolicyCall) *runlooptest.API {
	api := runlooptest.New()
	if call.Name != clienttest.CreateCall.Name {
		api.AddPolicy(runloop.NetworkPolicy{ID: "npol_1", Name: "build"})
	}
	return api
}

// While the API restarts, nothing listens. The fourth attempt comes after 1.75 to 3.5 s.
func TestTheServerRestarts(t *testing.T) {
	t.Parallel()
	for name, outage := range map[string]time.Duration{"within the retries": 1500 * time.Millisecond, "for longer": 4 * time.Second} {
		for _, call := range clienttest.PolicyCalls {
			t.Run(name+"/"+call.Name, clienttest.InBubble(func(t *testing.T) {
				server := wiretest.NewServer(t, wiretest.Handle(newRestartAccount(call)).Forever())
				down := wiretest.NewServer(t, wiretest.Refuse().Forever())
				server.Transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
					if server.Now() < outage {
						return down.DialContext(ctx, network, address)
					}
					return server.DialContext(ctx, network, address)
				}

				_, err := call.Do(t.Context(), clienttest.NewWireClient(t, server))

				assert.LessOrEqual(t, server.Now(), 3500*time.Millisecond)
				if outage < 1750*time.Millisecond {
					require.NoError(t, err)
					assert.Len(t, server.Requests(), 1)
					return
				}
				assert.Equal(t, 4, clienttest.AsTransportError(t, err).Attempts)
				assert.False(t, clienttest.MaybeApplied(err))
				assert.Empty(t, server.Requests())
			}))
		}
	}
}

// On a real socket, the connection that a client kept dies with the server.
func TestTheServerOnASocketRestarts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "api")
	api := newRestartAccount(clienttest.CreateCall)
	start := func() *httptest.Server {
		listener, err := net.Listen("unix", path) // no other process takes this address meanwhile
		require.NoError(t, err)
		server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: api}}
		server.Start()
		t.Cleanup(server.Close)
		return server
	}
	old := start()
	var restart sync.Once
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err != nil {
			restart.Do(func() { start() })
		}
		return conn, err
	}}
	client := clienttest.NewClientOver(t, transport)
	t.Cleanup(transport.CloseIdleConnections)
	_, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{})
	require.NoError(t, err)
	old.Close()

	policy, err := createPolicy(t, client)

	require.NoError(t, err)
	assert.Len(t, api.Requests(runlooptest.CreateNetworkPolicy), 1)
	assert.Equal(t, []runloop.NetworkPolicy{*policy}, api.Policies())
}

// What the two ends of TLS cannot agree on now, they never will.
func TestTLSThatFails(t *testing.T) {
	t.Parallel()
	newer := func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }
	older := func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }
	nothing := func(*tls.Config) {}
	for name, tt := range map[string]struct {
		host           string
		server, client func(*tls.Config)
		text           string
	}{
		"unknown authority": {"example.com", nothing, func(c *tls.Config) { c.RootCAs = nil }, "certificate signed by unknown authority"},
		"another host":      {"api.example.test", nothing, nothing, "not api.example.test"},
		"expired": {"example.com", nothing, func(c *tls.Config) {
			c.Time = func() time.Time { return time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC) }
		}, "certificate has expired"},
		"old server": {"example.com", older, newer, "protocol version not supported"},
		"old client": {"example.com", newer, older, "protocol version not supported"},
		"client without a certificate": {"example.com", func(c *tls.Config) {
			older(c)
			c.ClientAuth = tls.RequireAnyClientCert
		}, nothing, "remote error: tls: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startTLS(t, tt.server)
			transport := server.Client().Transport.(*http.Transport).Clone()
			transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
			}
			tt.client(transport.TLSClientConfig)
			client := clienttest.NewClientOver(t, transport, runloop.WithBaseURL("https://"+tt.host))

			_, err := createPolicy(t, client)

			require.ErrorContains(t, err, tt.text)
			e := clienttest.AsTransportError(t, err)
			assert.Equal(t, 1, e.Attempts)
			assert.False(t, e.MaybeApplied)
			assert.Equal(t, 1, server.Conns())
			assert.Zero(t, server.Requests())
			_, isCertificate := errors.AsType[*tls.CertificateVerificationError](err)
			assert.Equal(t, tt.text == "remote error: tls: " || tt.text == "protocol version not supported", !isCertificate)
		})
	}
}

// startTLS starts a server of TLS, which no request reaches.
func startTLS(t testing.TB, change func(*tls.Config)) *wiretest.Loopback {
	t.Helper()
	return wiretest.NewLoopback(t, unused, quiet, func(s *httptest.Server) {
		s.TLS = &tls.Config{}
		change(s.TLS)
		s.StartTLS()
	})
}

// unused is for servers that no request reaches.
func unused(http.ResponseWriter, *http.Request) {}

// quiet keeps a server's complaints about its clients out of the test's output.
func quiet(s *httptest.Server) { s.Config.ErrorLog = log.New(io.Discard, "", 0) }

// One end speaks TLS and the other does not: a wrong scheme or port in the base URL.
func TestPlainHTTPMeetsTLS(t *testing.T) {
	t.Parallel()
	plain := wiretest.NewLoopback(t, unused, quiet)
	client := clienttest.NewClientOver(t, plain.Client().Transport, runloop.WithBaseURL("https://"+plain.Listener.Addr().String()))
	_, err := createPolicy(t, client)
	require.ErrorIs(t, err, http.ErrSchemeMismatch)
	require.ErrorContains(t, err, "server gave HTTP response to HTTPS client")
	assert.Equal(t, 1, clienttest.AsTransportError(t, err).Attempts)
	assert.False(t, clienttest.MaybeApplied(err))

	overTLS := startTLS(t, func(*tls.Config) {})
	client = clienttest.NewClientOver(t, overTLS.Client().Transport, runloop.WithBaseURL("http://"+overTLS.Listener.Addr().String()))
	_, err = createPolicy(t, client)
	require.ErrorContains(t, err, "runloop: create network policy: 400 Bad Request: Client sent an HTTP request to an HTTPS server. (1 attempt; ")
	assert.False(t, clienttest.MaybeApplied(err))
	assert.Zero(t, plain.Requests()+overTLS.Requests())
}
