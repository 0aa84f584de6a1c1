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
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// Faults before there is a connection. Nothing was sent, so a write certainly was not
// applied, and is retried like a read.

func TestACallWithoutAConnection(t *testing.T) {
	t.Parallel()
	noSuchHost := &net.DNSError{Err: "no such host", Name: "api.example.test", IsNotFound: true}
	noServer := &net.DNSError{Err: "server misbehaving", Name: "api.example.test", IsTemporary: true}
	slowServer := &net.DNSError{Err: "i/o timeout", Name: "api.example.test", IsTimeout: true}
	const proxied = "https://api.example.test"
	for name, tt := range map[string]struct {
		fault    wiretest.Step
		baseURL  string // behind a proxy
		attempts int
		text     string
		is       error
		timeout  bool
		took     time.Duration // by each attempt
	}{
		"connection refused":          {wiretest.Refuse(), "", 4, "dial tcp: connection refused", syscall.ECONNREFUSED, false, 0},
		"no such host":                {wiretest.DialError(noSuchHost), "", 1, "lookup api.example.test: no such host", noSuchHost, false, 0},
		"no name server":              {wiretest.DialError(noServer), "", 4, "server misbehaving", noServer, false, 0},
		"a slow name server":          {wiretest.DialError(slowServer), "", 4, "i/o timeout", slowServer, true, 0},
		"the dialer's own limit":      {wiretest.DialStall(), "", 4, "deadline exceeded", nil, true, 10 * time.Second},
		"a proxy is down":             {wiretest.Reply(502, "<html>"), proxied, 4, "502 Bad Gateway", nil, false, 0},
		"a proxy requires a password": {wiretest.Reply(407, "<html>"), proxied, 1, "407 Proxy Authentication Required", nil, false, 0},
	} {
		newClient := func(t *testing.T, script ...wiretest.Step) (*wiretest.Server, *runloop.Client) {
			server := wiretest.NewServer(t, script...)
			server.Transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
				defer cancel()
				return server.DialContext(ctx, network, address)
			}
			if tt.baseURL == "" {
				return server, clienttest.NewWireClient(t, server)
			}
			behindProxy(server)
			return server, clienttest.NewWireClient(t, server, runloop.WithBaseURL(tt.baseURL))
		}
		for _, call := range clienttest.PolicyCalls {
			t.Run("always/"+name+"/"+call.Name, clienttest.InBubble(func(t *testing.T) {
				server, client := newClient(t, tt.fault.Times(tt.attempts))

				_, err := call.Do(t.Context(), client)

				require.ErrorContains(t, err, tt.text)
				if tt.is != nil {
					require.ErrorIs(t, err, tt.is)
				}
				assert.Equal(t, outcome{0, tt.attempts, false, "", len(server.Requests())}, outcomeOf(server, err))
				assert.Equal(t, tt.timeout, clienttest.AsTransportError(t, err).Timeout())
				require.NotErrorIs(t, err, context.DeadlineExceeded, "it is not the caller's")
				if tt.attempts == 1 {
					assert.Zero(t, server.Now())
				} else {
					assert.GreaterOrEqual(t, server.Now(), 4*tt.took+1750*time.Millisecond)
					assert.LessOrEqual(t, server.Now(), 4*tt.took+3500*time.Millisecond)
				}
				for _, r := range server.Requests() { // to the proxy
					assert.Equal(t, "CONNECT api.example.test:443", r.Method+" "+r.Target)
					assert.NotContains(t, r.Raw, clienttest.APIKey)
				}
			}))
			if tt.attempts > 1 && tt.baseURL == "" {
				t.Run("three times/"+name+"/"+call.Name, clienttest.InBubble(func(t *testing.T) {
					server, client := newClient(t, tt.fault.Times(3), wiretest.Reply(200, call.Success))

					_, err := call.Do(t.Context(), client)

					require.NoError(t, err)
					assert.Len(t, server.Requests(), 1)
				}))
			}
		}
	}
}

func behindProxy(server *wiretest.Server) {
	server.Transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example.test:3128"})
}

// The page of a plain HTTP proxy proves nothing about the API behind it.
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

func TestTheDeadlineWhileWaitingForAConnection(t *testing.T) {
	t.Parallel()
	for _, call := range clienttest.PolicyCalls {
		t.Run(call.Name, clienttest.InBubble(func(t *testing.T) {
			server, client := newServer(t, wiretest.ReplyAfter(20*time.Second, 200, clienttest.PolicyJSON))
			server.Transport.MaxConnsPerHost = 1
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

// If the two ends cannot agree on TLS, a retry cannot help.
func TestTLSThatFails(t *testing.T) {
	t.Parallel()
	newer := func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }
	older := func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }
	nothing := func(*tls.Config) {}
	wantsCertificate := func(c *tls.Config) { c.MaxVersion, c.ClientAuth = tls.VersionTLS12, tls.RequireAnyClientCert }
	for name, tt := range map[string]struct {
		host           string
		server, client func(*tls.Config)
		text           string
		isCertificate  bool
	}{
		"unknown authority":   {"example.com", nothing, func(c *tls.Config) { c.RootCAs = nil }, "certificate signed by unknown authority", true},
		"another host":        {"api.example.test", nothing, nothing, "not api.example.test", true},
		"expired":             {"example.com", nothing, func(c *tls.Config) { c.Time = func() time.Time { return time.Unix(1<<33, 0) } }, "certificate has expired", true},
		"old server":          {"example.com", older, newer, "protocol version not supported", false},
		"old client":          {"example.com", newer, older, "protocol version not supported", false},
		"missing certificate": {"example.com", wantsCertificate, nothing, "remote error: tls: ", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startTLS(t, tt.server)
			transport := server.Client().Transport.(*http.Transport).Clone()
			transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
			}
			tt.client(transport.TLSClientConfig)

			_, err := createCall.Do(t.Context(), clienttest.NewClientOver(t, transport, runloop.WithBaseURL("https://"+tt.host)))

			require.ErrorContains(t, err, tt.text)
			e := clienttest.AsTransportError(t, err)
			assert.Equal(t, 1, e.Attempts)
			assert.False(t, e.MaybeApplied)
			assert.Equal(t, 1, server.Conns())
			assert.Zero(t, server.Requests())
			_, isCertificate := errors.AsType[*tls.CertificateVerificationError](err)
			assert.Equal(t, tt.isCertificate, isCertificate)
		})
	}
}

// startTLS starts a TLS server that no request reaches.
func startTLS(t testing.TB, change func(*tls.Config)) *wiretest.Loopback {
	return wiretest.NewLoopback(t, nil, quiet, func(s *httptest.Server) {
		s.TLS = &tls.Config{}
		change(s.TLS)
		s.StartTLS()
	})
}

// quiet drops what a server logs about its clients.
func quiet(s *httptest.Server) { s.Config.ErrorLog = log.New(io.Discard, "", 0) }

// The base URL has a wrong scheme or port.
func TestPlainHTTPMeetsTLS(t *testing.T) {
	t.Parallel()
	plain := wiretest.NewLoopback(t, nil, quiet)
	client := clienttest.NewClientOver(t, plain.Client().Transport, runloop.WithBaseURL("https://"+plain.Listener.Addr().String()))
	_, err := createCall.Do(t.Context(), client)
	require.ErrorIs(t, err, http.ErrSchemeMismatch)
	require.ErrorContains(t, err, "server gave HTTP response to HTTPS client")
	assert.Equal(t, 1, clienttest.AsTransportError(t, err).Attempts)
	assert.False(t, clienttest.MaybeApplied(err))

	overTLS := startTLS(t, func(*tls.Config) {})
	client = clienttest.NewClientOver(t, overTLS.Client().Transport, runloop.WithBaseURL("http://"+overTLS.Listener.Addr().String()))
	_, err = createCall.Do(t.Context(), client)
	require.ErrorContains(t, err, "runloop: create network policy: 400 Bad Request: Client sent an HTTP request to an HTTPS server. (1 attempt; ")
	assert.False(t, clienttest.MaybeApplied(err))
	assert.Zero(t, plain.Requests()+overTLS.Requests())
}
