package engine_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// P14: the library repeats most faults that will not pass, and tells them apart by
// the text.

func TestANameThatDoesNotExistIsAskedForOnce(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.DialError(&net.OpError{Op: "dial", Net: "tcp",
			Err: &net.DNSError{Err: "no such host", Name: "localhost", IsNotFound: true}}))
		client := clienttest.NewWireClient(t, server)

		err := clienttest.UpdatePolicy(t.Context(), client)

		var dns *net.DNSError
		require.ErrorAs(t, err, &dns)
		assert.Equal(t, 1, clienttest.AsTransportError(t, err).Attempts)
		assert.False(t, clienttest.AsTransportError(t, err).MaybeApplied)
	})(t)
}

func TestANameServerThatIsAwayIsAskedAgain(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.DialError(&net.DNSError{Err: "server misbehaving", Name: "localhost", IsTemporary: true}),
			wiretest.DialError(&net.DNSError{Err: "i/o timeout", Name: "localhost", IsTimeout: true}),
			wiretest.Reply(200, clienttest.PolicyJSON))
		client := clienttest.NewWireClient(t, server)

		require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))
	})(t)
}

// Answers that are no HTTP may come from a proxy that is restarted.
func TestAnswersThatAreNoHTTPAreTriedAgain(t *testing.T) {
	for name, answer := range map[string]string{
		"two lengths":          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
		"a negative length":    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
		"a status of letters":  "HTTP/1.1 abc OK\r\n\r\n",
		"no HTTP at all":       "SSH-2.0-OpenSSH_9.9\r\n",
		"a header with no end": "HTTP/1.1 200 OK\r\nX\x00Y\r\n\r\n",
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Cut(answer).Times(8))
			client := clienttest.NewWireClient(t, server)

			read, write := clienttest.AsTransportError(t, clienttest.GetPolicy(t.Context(), client)), clienttest.AsTransportError(t, clienttest.UpdatePolicy(t.Context(), client))

			assert.Equal(t, 4, read.Attempts)
			assert.False(t, read.MaybeApplied)
			assert.Equal(t, 4, write.Attempts)
			assert.True(t, write.MaybeApplied)
		}))
	}
}

// Peers that cannot be trusted or understood, on real sockets.
func TestAPeerThatCannotBeTrustedIsTriedOnce(t *testing.T) {
	t.Parallel()
	startTLS := func(config *tls.Config) func(*httptest.Server) {
		return func(s *httptest.Server) {
			s.TLS = config
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.StartTLS()
		}
	}
	modern := wiretest.NewLoopback(t, neverCalled(t), startTLS(nil))
	old := wiretest.NewLoopback(t, neverCalled(t), startTLS(&tls.Config{MaxVersion: tls.VersionTLS12}))
	picky := wiretest.NewLoopback(t, neverCalled(t), startTLS(&tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}))
	plain := wiretest.NewLoopback(t, neverCalled(t))
	roots := modern.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs

	for name, tt := range map[string]struct {
		url    string
		config *tls.Config
		is     any
	}{
		"unknown authority":     {modern.URL, nil, new(*tls.CertificateVerificationError)},
		"another host's name":   {modern.URL, &tls.Config{RootCAs: roots, ServerName: "api.runloop.ai"}, new(x509.HostnameError)},
		"version of the client": {old.URL, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, nil},
		"client certificate":    {picky.URL, &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS12}, nil},
		"HTTP on the TLS port":  {strings.Replace(plain.URL, "http:", "https:", 1), nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := clienttest.NewClientOver(t, &http.Transport{TLSClientConfig: tt.config}, runloop.WithBaseURL(tt.url))

			err := clienttest.UpdatePolicy(t.Context(), client)

			e := clienttest.AsTransportError(t, err)
			assert.Equal(t, 1, e.Attempts)
			assert.False(t, e.MaybeApplied)
			if tt.is != nil {
				assert.ErrorAs(t, err, tt.is)
			}
		})
	}
}

// The TLS port that is spoken to in plain HTTP says so in a plain answer.
func TestPlainHTTPToATLSPort(t *testing.T) {
	t.Parallel()
	server := wiretest.NewLoopback(t, neverCalled(t), func(s *httptest.Server) {
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
	})
	client := clienttest.NewClientOver(t, server.Client().Transport, runloop.WithBaseURL(strings.Replace(server.URL, "https:", "http:", 1)))

	err := clienttest.UpdatePolicy(t.Context(), client)

	require.ErrorIs(t, err, runloop.ErrBadRequest)
	assert.Equal(t, "Client sent an HTTP request to an HTTPS server.", clienttest.AsAPIError(t, err).Message)
	assert.Equal(t, 1, clienttest.AsAPIError(t, err).Attempts)
}

func neverCalled(t *testing.T) http.HandlerFunc {
	return func(http.ResponseWriter, *http.Request) { t.Error("a request came through") }
}

// Whatever fails outside of net/http may pass.
func TestAnErrorOfAnotherRoundTripperIsTriedAgain(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		tries := 0
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if tries++; tries < 3 {
				return nil, errors.New("the sidecar is not ready")
			}
			return clienttest.Answer(200, clienttest.PolicyJSON)(r)
		}))

		require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))

		assert.Equal(t, 3, tries)
	})(t)
}
