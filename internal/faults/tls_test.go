package faults

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// Faults of TLS: what the two ends cannot agree on now, they never will.

func Test06CertificateIsNotTrusted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		host    string
		distort func(*tls.Config)
		text    string
		is      any // the error within
	}{
		"unknown authority": {"example.com", func(c *tls.Config) { c.RootCAs = nil }, "certificate signed by unknown authority", new(x509.UnknownAuthorityError)},
		"another host":      {"api.example.test", func(*tls.Config) {}, "not api.example.test", new(x509.HostnameError)},
		"expired": {"example.com", func(c *tls.Config) {
			c.Time = func() time.Time { return time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC) }
		}, "certificate has expired", new(x509.CertificateInvalidError)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startTLS(t, nil)
			transport := transportTo(server)
			test.distort(transport.TLSClientConfig)
			client := clienttest.NewClientOver(t, transport, runloop.WithBaseURL("https://"+test.host))

			_, err := createCall.Policy(t.Context(), client)

			_, ok := errors.AsType[*tls.CertificateVerificationError](err)
			require.True(t, ok, "%v", err)
			require.ErrorAs(t, err, test.is)
			assert.ErrorContains(t, err, test.text)
			assertRefusedByTLS(t, server, err)
		})
	}
}

func Test07TLSAlert(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		server func(*tls.Config)
		client func(*tls.Config)
		text   string
	}{
		"old server": {func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }, "protocol version not supported"},
		"old client": {func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, "protocol version not supported"},
		"client without a certificate": {func(c *tls.Config) {
			c.MaxVersion = tls.VersionTLS12
			c.ClientAuth = tls.RequireAnyClientCert
		}, func(*tls.Config) {}, "remote error: tls: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startTLS(t, test.server)
			transport := transportTo(server)
			test.client(transport.TLSClientConfig)
			client := clienttest.NewClientOver(t, transport, runloop.WithBaseURL(server.URL))

			_, err := createCall.Policy(t.Context(), client)

			require.ErrorContains(t, err, test.text)
			assertRefusedByTLS(t, server, err)
		})
	}
}

func assertRefusedByTLS(t *testing.T, server *wiretest.Loopback, err error) {
	t.Helper()
	e := clienttest.AsTransportError(t, err)
	assert.Equal(t, 1, e.Attempts)
	assert.False(t, e.MaybeApplied)
	assert.Equal(t, 1, server.Conns())
	assert.Zero(t, server.Requests())
}

// One end speaks TLS and the other does not: a wrong scheme or port in the base URL.
func Test08PlainHTTPMeetsTLS(t *testing.T) {
	t.Parallel()
	t.Run("plain server, https URL", func(t *testing.T) {
		t.Parallel()
		server := wiretest.NewLoopback(t, unused, silent)
		client := clienttest.NewClientOver(t, server.Client().Transport, runloop.WithBaseURL("https://"+server.Listener.Addr().String()))

		_, err := createCall.Policy(t.Context(), client)

		require.ErrorIs(t, err, http.ErrSchemeMismatch)
		assert.ErrorContains(t, err, "server gave HTTP response to HTTPS client")
		e := clienttest.AsTransportError(t, err)
		assert.Equal(t, 1, e.Attempts)
		assert.False(t, e.MaybeApplied)
		assert.Zero(t, server.Requests())
	})
	t.Run("TLS server, http URL", func(t *testing.T) {
		t.Parallel()
		server := startTLS(t, nil)
		client := clienttest.NewClientOver(t, server.Client().Transport, runloop.WithBaseURL("http://"+server.Listener.Addr().String()))

		_, err := createCall.Policy(t.Context(), client)

		require.EqualError(t, err, "runloop: create network policy: 400 Bad Request: "+
			"Client sent an HTTP request to an HTTPS server. (1 attempt; request "+clienttest.AsAPIError(t, err).RequestID+")")
		assert.Equal(t, 1, clienttest.AsAPIError(t, err).Attempts)
		assert.False(t, clienttest.AsAPIError(t, err).MaybeApplied)
		assert.Zero(t, server.Requests())
	})
}

// The transport's limit ends a handshake, as the client's own pool has one of 10 s.
func Test09TLSHandshakeStalls(t *testing.T) {
	t.Parallel()
	each(t, calls, func(t *testing.T, c clienttest.PolicyCall) {
		server := wiretest.NewServer(t, wiretest.Do("say nothing", (*wiretest.Conn).Stall).Times(4))
		server.Transport.DialTLSContext = nil
		server.Transport.TLSHandshakeTimeout = 10 * time.Second
		client := clienttest.NewWireClient(t, server, runloop.WithBaseURL("https://api.example.test"))

		_, err := c.Policy(t.Context(), client)

		require.EqualError(t, err, "runloop: "+c.Op+": no usable response (4 attempts): net/http: TLS handshake timeout")
		e := clienttest.AsTransportError(t, err)
		assert.True(t, e.Timeout())
		assert.False(t, e.MaybeApplied)
		assert.NotErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 4, server.Dials())
		assertTook(t, server, 10*time.Second)
	})
}

// unused is for servers that no request reaches.
func unused(http.ResponseWriter, *http.Request) {}

// silent keeps a server's complaints about its clients out of the test's output.
func silent(s *httptest.Server) { s.Config.ErrorLog = log.New(io.Discard, "", 0) }

// startTLS starts a server of TLS, which no request reaches.
func startTLS(t testing.TB, change func(*tls.Config)) *wiretest.Loopback {
	t.Helper()
	return wiretest.NewLoopback(t, unused, silent, func(s *httptest.Server) {
		s.TLS = &tls.Config{}
		if change != nil {
			change(s.TLS)
		}
		s.StartTLS()
	})
}

// transportTo returns a transport that trusts the server and reaches it under every
// name.
func transportTo(server *wiretest.Loopback) *http.Transport {
	transport := server.Client().Transport.(*http.Transport).Clone()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	return transport
}
