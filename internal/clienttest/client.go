package clienttest

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// APIKey is the key of every client that this package makes.
const APIKey = "rl_test_planted_key"

// InBubble makes a test that runs at the same time as others, in virtual time.
func InBubble(run func(t *testing.T)) func(*testing.T) {
	return func(t *testing.T) {
		t.Helper()
		t.Parallel()
		synctest.Test(t, run)
	}
}

// NewWireClient returns a client that is connected to server.
func NewWireClient(t testing.TB, server *wiretest.Server, opts ...runloop.Option) *runloop.Client {
	t.Helper()
	return NewClientOver(t, server.Transport, opts...)
}

// NewClientOver returns a client that sends through transport.
func NewClientOver(t testing.TB, transport http.RoundTripper, opts ...runloop.Option) *runloop.Client {
	t.Helper()
	client, err := runloop.NewClient(append([]runloop.Option{
		runloop.WithAPIKey(APIKey),
		runloop.WithBaseURL("http://localhost"),
		runloop.WithHTTPClient(&http.Client{Transport: transport}),
	}, opts...)...)
	require.NoError(t, err)
	return client
}

// A RoundTripper is the other side of a client as a function.
type RoundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls f.
func (f RoundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
