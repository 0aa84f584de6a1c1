package runloop_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// A fakeAPI is a stateful API with a client and the client's log.
type fakeAPI struct {
	*runlooptest.Server
	client *runloop.Client
	log    bytes.Buffer
}

// onFake returns a test with its own fake API in a bubble, where pauses take no time.
func onFake(test func(*testing.T, *fakeAPI), opts ...runlooptest.Option) func(*testing.T) {
	return clienttest.InBubble(func(t *testing.T) {
		fake := &fakeAPI{Server: runlooptest.NewTestServer(t, opts...)}
		var err error
		fake.client, err = fake.Client(runloop.WithLogger(slog.New(slog.NewTextHandler(&fake.log, nil))))
		require.NoError(t, err)
		test(t, fake)
	})
}

const (
	create = runlooptest.CreateNetworkPolicy
	list   = runlooptest.ListNetworkPolicies
	get    = runlooptest.GetNetworkPolicy
	update = runlooptest.UpdateNetworkPolicy
	remove = runlooptest.DeleteNetworkPolicy
)

// An ensureCall is Ensure or Apply.
type ensureCall func(*runloop.NetworkPoliciesService, context.Context, runloop.NetworkPolicyCreateParams, ...runloop.Option) (*runloop.NetworkPolicy, error)

var ensureCalls = map[string]ensureCall{
	"ensure network policy": (*runloop.NetworkPoliciesService).Ensure,
	"apply network policy":  (*runloop.NetworkPoliciesService).Apply,
}

// through replaces the client by one that sends its requests through roundTrip.
func (f *fakeAPI) through(t *testing.T, roundTrip func(next http.RoundTripper, r *http.Request) (*http.Response, error)) {
	t.Helper()
	next := f.HTTPClient().Transport
	client, err := f.Client(runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		return roundTrip(next, r)
	})}))
	require.NoError(t, err)
	f.client = client
}

// lost loses the response after the API has processed the request.
func lost() runlooptest.Fault { return runlooptest.Disconnect().AfterCommit() }

// operations returns the operations of the requests, in order.
func (f *fakeAPI) operations() []runlooptest.Operation {
	var operations []runlooptest.Operation
	for _, request := range f.Requests() {
		operations = append(operations, request.Operation)
	}
	return operations
}

// requestIDs returns the X-Request-Id of each request, or "".
func (f *fakeAPI) requestIDs() []string {
	var ids []string
	for _, request := range f.Requests() {
		ids = append(ids, request.Header.Get("X-Request-Id"))
	}
	return ids
}

// warnings returns how many warnings the client logged.
func (f *fakeAPI) warnings() int { return strings.Count(f.log.String(), "level=WARN") }

// one returns the only policy of the account.
func (f *fakeAPI) one(t *testing.T) runloop.NetworkPolicy {
	t.Helper()
	policies := f.Policies()
	require.Len(t, policies, 1)
	return policies[0]
}

// asDriftError returns err as the *DriftError that it must be.
func asDriftError(t *testing.T, err error) *runloop.DriftError {
	t.Helper()
	e, ok := errors.AsType[*runloop.DriftError](err)
	require.Truef(t, ok, "%T is not a *DriftError: %v", err, err)
	return e
}
