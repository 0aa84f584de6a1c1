package runloop_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

const (
	busyJSON     = `{"message":"come back later"}`
	notFoundJSON = `{"message":"network policy not found"}`
	takenJSON    = `{"message":"a network policy with this name already exists"}`
)

// inBubble makes a test that runs at the same time as others, in virtual time.
func inBubble(run func(t *testing.T)) func(*testing.T) {
	return func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, run)
	}
}

// newWireClient returns a client that is connected to server.
func newWireClient(t testing.TB, server *wiretest.Server, opts ...runloop.Option) *runloop.Client {
	t.Helper()
	return newClientOver(t, server.Transport, opts...)
}

// newClientOver returns a client that sends through transport.
func newClientOver(t testing.TB, transport http.RoundTripper, opts ...runloop.Option) *runloop.Client {
	t.Helper()
	client, err := runloop.NewClient(append([]runloop.Option{
		runloop.WithAPIKey(testKey),
		runloop.WithBaseURL("http://localhost"),
		runloop.WithHTTPClient(&http.Client{Transport: transport}),
	}, opts...)...)
	require.NoError(t, err)
	return client
}

// newPoolClient returns a client that reaches server through its own pool, of which
// only the dialer is replaced.
func newPoolClient(t testing.TB, server *wiretest.Server, opts ...runloop.Option) *runloop.Client {
	t.Helper()
	client, err := runloop.NewClient(append([]runloop.Option{
		runloop.WithAPIKey(testKey),
		runloop.WithBaseURL("http://localhost"),
	}, opts...)...)
	require.NoError(t, err)
	pool := runloop.PoolOf(client)
	pool.Proxy = nil
	pool.DialContext = server.DialContext
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// getPolicy and updatePolicy are the calls of tests to which the call does not
// matter, a read and a write.
func getPolicy(ctx context.Context, client *runloop.Client, opts ...runloop.Option) error {
	_, err := client.NetworkPolicies.Get(ctx, "npol_1", opts...)
	return err
}

func updatePolicy(ctx context.Context, client *runloop.Client, opts ...runloop.Option) error {
	_, err := client.NetworkPolicies.Update(ctx, "npol_1", runloop.NetworkPolicyUpdateParams{Name: new("build")}, opts...)
	return err
}

// asAPIError returns err as the answer of the API that it must be.
func asAPIError(t testing.TB, err error) *runloop.APIError {
	t.Helper()
	var e *runloop.APIError
	require.ErrorAs(t, err, &e)
	return e
}

// asTransportError returns err as the lack of an answer that it must be.
func asTransportError(t testing.TB, err error) *runloop.TransportError {
	t.Helper()
	var e *runloop.TransportError
	require.ErrorAs(t, err, &e)
	return e
}

// assertBackoff checks that attempts with instant answers came after the waits of
// the backoff: 0.25 to 0.5 s, 0.5 to 1 s, 1 to 2 s.
func assertBackoff(t testing.TB, times []time.Duration) {
	t.Helper()
	limit := 500 * time.Millisecond
	for i := 1; i < len(times); i++ {
		wait := times[i] - times[i-1]
		assert.GreaterOrEqual(t, wait, limit/2, "wait %d", i)
		assert.LessOrEqual(t, wait, limit, "wait %d", i)
		limit *= 2
	}
}
