package faults

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

const testKey = "rl_test_planted_key"

// policyJSON is the answer to a get, an update or a delete of npol_1, and to the
// create of a policy named build that denies all.
const policyJSON = `{"id": "npol_1", "name": "build", "egress": {"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [], "allow_agent_gateway": false, "allow_mcp_gateway": false}, "create_time_ms": 1767225600000, "update_time_ms": 1767225600000}`

// newClient returns a client that talks through client.
func newClient(t testing.TB, client *http.Client, opts ...runloop.Option) *runloop.Client {
	t.Helper()
	c, err := runloop.NewClient(append([]runloop.Option{
		runloop.WithAPIKey(testKey),
		runloop.WithBaseURL("http://127.0.0.1"),
		runloop.WithHTTPClient(client),
	}, opts...)...)
	require.NoError(t, err)
	return c
}

// script returns a server with a script, and a client of it. It is for a bubble.
func script(t testing.TB, steps ...wiretest.Step) (*wiretest.Server, *runloop.Client) {
	t.Helper()
	server := wiretest.NewServer(t, steps...)
	return server, newClient(t, server.Client())
}

// bubble runs test in virtual time, at the same time as other tests.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

// inBubble is bubble for subtests.
func inBubble(test func(t *testing.T)) func(*testing.T) {
	return func(t *testing.T) {
		t.Helper()
		bubble(t, test)
	}
}

// A call is one that policyJSON answers.
type call struct {
	name  string
	write bool
	do    func(context.Context, *runloop.Client, ...runloop.Option) (*runloop.NetworkPolicy, error)
}

var (
	getCall = call{"get", false, func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (*runloop.NetworkPolicy, error) {
		return c.NetworkPolicies.Get(ctx, "npol_1", opts...)
	}}
	createCall = call{"create", true, func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (*runloop.NetworkPolicy, error) {
		return c.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: "build"}, opts...)
	}}
	updateCall = call{"update", true, func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (*runloop.NetworkPolicy, error) {
		return c.NetworkPolicies.Update(ctx, "npol_1", runloop.NetworkPolicyUpdateParams{Name: new("build")}, opts...)
	}}
	deleteCall = call{"delete", true, func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (*runloop.NetworkPolicy, error) {
		return c.NetworkPolicies.Delete(ctx, "npol_1", opts...)
	}}
	calls = []call{getCall, createCall, updateCall, deleteCall}
)

// apiError returns err as the answer of the API that it must be.
func apiError(t testing.TB, err error) *runloop.APIError {
	t.Helper()
	e, ok := errors.AsType[*runloop.APIError](err)
	require.Truef(t, ok, "%T is no *APIError: %v", err, err)
	return e
}

// transportError returns err as the lack of a usable answer that it must be.
func transportError(t testing.TB, err error) *runloop.TransportError {
	t.Helper()
	e, ok := errors.AsType[*runloop.TransportError](err)
	require.Truef(t, ok, "%T is no *TransportError: %v", err, err)
	return e
}

// assertBackoff checks the waits between attempts that fail at once: 0.25 to 0.5 s,
// 0.5 to 1 s, 1 to 2 s, and so on.
func assertBackoff(t testing.TB, times []time.Duration) {
	t.Helper()
	limit := 500 * time.Millisecond
	for i := 1; i < len(times); i++ {
		wait := times[i] - times[i-1]
		assert.GreaterOrEqual(t, wait, limit/2, "wait %d", i)
		assert.LessOrEqual(t, wait, limit, "wait %d", i)
		limit = min(2*limit, 8*time.Second)
	}
}
