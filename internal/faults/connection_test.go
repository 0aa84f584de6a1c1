package faults

import (
	"context"
	"errors"
	"net"
	"net/http"
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

// Faults before there is a connection. Nothing was sent then, so a write is surely
// not applied, and is tried again like a read.

func Test01ConnectionRefused(t *testing.T) {
	t.Parallel()
	each(t, calls, func(t *testing.T, c clienttest.PolicyCall) {
		server, client := script(t, wiretest.Refuse().Times(4))

		_, err := c.Policy(t.Context(), client)

		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		require.EqualError(t, err, "runloop: "+c.Op+": no usable response (4 attempts): dial tcp: connection refused")
		e := clienttest.AsTransportError(t, err)
		assert.Equal(t, 4, e.Attempts)
		assert.False(t, e.MaybeApplied)
		assert.False(t, e.Timeout())
		assert.Equal(t, 4, server.Dials())
		assertTook(t, server, 0)
	})
}

func Test02ConnectionRefusedOnce(t *testing.T) {
	t.Parallel()
	each(t, calls, func(t *testing.T, c clienttest.PolicyCall) {
		api := newAccount(c)
		server, client := script(t, wiretest.Refuse(), wiretest.Handle(api))

		_, err := c.Policy(t.Context(), client)

		require.NoError(t, err)
		require.Len(t, server.Requests(), 1)
		assertSecondAttempt(t, server.Times()[0])
		assertDone(t, c, api)
	})
}

// A name that does not exist is a typo in the base URL, and stays one.
func Test03NameDoesNotExist(t *testing.T) {
	t.Parallel()
	each(t, calls, func(t *testing.T, c clienttest.PolicyCall) {
		server, client := script(t,
			wiretest.DialError(&net.DNSError{Err: "no such host", Name: "api.example.test", IsNotFound: true}))

		_, err := c.Policy(t.Context(), client)

		dns, ok := errors.AsType[*net.DNSError](err)
		require.True(t, ok)
		assert.Equal(t, "api.example.test", dns.Name)
		assert.ErrorContains(t, err, "lookup api.example.test: no such host")
		e := clienttest.AsTransportError(t, err)
		assert.Equal(t, 1, e.Attempts)
		assert.False(t, e.MaybeApplied)
		assert.Equal(t, 1, server.Dials())
		assert.Zero(t, server.Now())
	})
}

func Test04NameServerFailsOnce(t *testing.T) {
	t.Parallel()
	each(t, calls, func(t *testing.T, c clienttest.PolicyCall) {
		api := newAccount(c)
		server, client := script(t,
			wiretest.DialError(&net.DNSError{Err: "server misbehaving", Name: "api.example.test", IsTemporary: true}),
			wiretest.Handle(api))

		_, err := c.Policy(t.Context(), client)

		require.NoError(t, err)
		require.Len(t, server.Requests(), 1)
		assertSecondAttempt(t, server.Times()[0])
		assertDone(t, c, api)
	})
}

// The dialer's limit ends a dial, as the client's own pool has one of 10 s, and where
// that is longer, the limit of an attempt does. Neither is the caller's deadline.
func Test05DialHangs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ dialer, attempt time.Duration }{
		"until the dialer's limit":  {10 * time.Second, 10 * time.Second},
		"until the attempt's limit": {time.Minute, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, calls, func(t *testing.T, c clienttest.PolicyCall) {
				server, client := script(t, wiretest.DialStall().Times(4))
				server.Transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
					ctx, cancel := context.WithTimeout(ctx, test.dialer)
					defer cancel()
					return server.DialContext(ctx, network, address)
				}

				_, err := c.Policy(t.Context(), client)

				e := clienttest.AsTransportError(t, err)
				assert.True(t, e.Timeout())
				assert.Equal(t, 4, e.Attempts)
				assert.False(t, e.MaybeApplied)
				assert.NotErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, 4, server.Dials())
				assertTook(t, server, test.attempt)
			})
		})
	}
}

// A proxy that wants a password will want it again. Other refusals may pass.
func Test10ProxyRefusesTunnel(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status, attempts int
		text             string
	}{
		{502, 4, "Bad Gateway"},
		{407, 1, "Proxy Authentication Required"},
	} {
		t.Run(test.text, func(t *testing.T) {
			each(t, calls, func(t *testing.T, c clienttest.PolicyCall) {
				server, client := behindProxy(t, "https://api.example.test",
					wiretest.Reply(test.status, "<html>no way</html>", "Content-Type: text/html").Times(test.attempts))

				_, err := c.Policy(t.Context(), client)

				require.ErrorContains(t, err, test.text)
				e := clienttest.AsTransportError(t, err)
				assert.Equal(t, test.attempts, e.Attempts)
				assert.False(t, e.MaybeApplied)
				require.Len(t, server.Requests(), test.attempts)
				clienttest.AssertBackoff(t, server.Times())
				for _, r := range server.Requests() {
					assert.Equal(t, "CONNECT api.example.test:443", r.Method+" "+r.Target)
					assert.NotContains(t, r.Raw, clienttest.APIKey, "the proxy is told the key")
				}
			})
		})
	}
}

// A gateway's answer says nothing of what is behind it.
func Test11ProxyAnswersWithPage(t *testing.T) {
	t.Parallel()
	const page = `<html><body>The upstream server is not available.</body></html>`
	each(t, repeatable, func(t *testing.T, c clienttest.PolicyCall) {
		server, client := behindProxy(t, "http://api.example.test",
			fourTimes(c, wiretest.Reply(502, page, "Content-Type: text/html"))...)

		_, err := c.Policy(t.Context(), client)

		require.ErrorIs(t, err, runloop.ErrServer)
		e := clienttest.AsAPIError(t, err)
		assert.Equal(t, 502, e.StatusCode)
		assert.Equal(t, page, string(e.Body))
		assert.NotContains(t, err.Error(), "html")
		assert.Equal(t, 4, e.Attempts)
		assert.Equal(t, c.IsWrite(), e.MaybeApplied)
		assertFourAttempts(t, c, server)
		assert.Contains(t, server.Requests()[0].Target, "http://api.example.test/v1/network-policies/npol_1")
	})
}

// behindProxy returns a client that reaches baseURL through a proxy, which is what
// the server is.
func behindProxy(t testing.TB, baseURL string, steps ...wiretest.Step) (*wiretest.Server, *runloop.Client) {
	t.Helper()
	server := wiretest.NewServer(t, steps...)
	server.Transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example.test:3128"})
	return server, clienttest.NewWireClient(t, server, runloop.WithBaseURL(baseURL), runloop.WithPlaintextHTTP())
}

// The time in the queue for a connection is the caller's.
func Test12NoFreeConnectionBeforeDeadline(t *testing.T) {
	t.Parallel()
	each(t, calls, func(t *testing.T, c clienttest.PolicyCall) {
		server, client := script(t, wiretest.Do("answer after 20 s", func(conn *wiretest.Conn) {
			conn.Read()
			conn.Sleep(20 * time.Second)
			conn.Write(wiretest.Response(200, policyJSON))
		}))
		server.Transport.MaxConnsPerHost = 1
		first := make(chan error, 1)
		go func() {
			_, err := clienttest.GetCall.Policy(t.Context(), client)
			first <- err
		}()
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()

		_, err := c.Policy(ctx, client)

		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, "runloop: "+c.Op+": no usable response (1 attempt): context deadline exceeded")
		assert.False(t, clienttest.AsTransportError(t, err).MaybeApplied)
		assert.Equal(t, 6*time.Second, server.Now())
		require.NoError(t, <-first)
		assert.Len(t, server.Requests(), 1)
	})
}
