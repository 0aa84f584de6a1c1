package faults

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// A restart of the API: nothing listens for a while. The fourth attempt comes after
// 1.75 to 3.5 s.
func Test40ServerRestarts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		outage time.Duration
		served bool
	}{
		"for 1.5 s": {1500 * time.Millisecond, true},
		"for 4 s":   {4 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, calls, func(t *testing.T, c clienttest.PolicyCall) {
				api := newAccount(c)
				server := wiretest.NewServer(t, wiretest.Handle(api).Forever())
				refused := wiretest.NewServer(t, wiretest.Refuse().Forever())
				server.Transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
					if server.Now() < test.outage {
						return refused.DialContext(ctx, network, address)
					}
					return server.DialContext(ctx, network, address)
				}
				client := clienttest.NewWireClient(t, server)

				_, err := c.Policy(t.Context(), client)

				assert.LessOrEqual(t, server.Now(), 3500*time.Millisecond)
				if test.served {
					require.NoError(t, err)
					assert.Len(t, server.Requests(), 1)
					assertDone(t, c, api)
				} else {
					assert.Equal(t, 4, clienttest.AsTransportError(t, err).Attempts)
					assert.False(t, clienttest.AsTransportError(t, err).MaybeApplied)
					assert.Empty(t, server.Requests())
				}
			})
		})
	}
}

// The same on real sockets, where the old connection dies with the server.
func Test40ServerOnASocketRestarts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "api")
	api := newAccount(createCall)
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

	_, err = createCall.Policy(t.Context(), client)

	require.NoError(t, err)
	assert.Len(t, api.Requests(runlooptest.CreateNetworkPolicy), 1)
	assertDone(t, createCall, api)
}
