package runloop_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// A fakeAPI is an API with state, and a client of it with what it logged.
type fakeAPI struct {
	*runlooptest.Server
	client *runloop.Client
	log    bytes.Buffer
}

// onFake makes a test that has a fake API to itself, in a bubble: the waits between
// attempts take no time.
func onFake(test func(*testing.T, *fakeAPI), opts ...runlooptest.Option) func(*testing.T) {
	return clienttest.InBubble(func(t *testing.T) {
		fake := &fakeAPI{Server: runlooptest.NewTestServer(t, opts...)}
		var err error
		fake.client, err = fake.Client(runloop.WithLogger(slog.New(slog.NewTextHandler(&fake.log, nil))))
		require.NoError(t, err)
		test(t, fake)
	})
}

// The requests of a call, as the tests write them down.
const (
	create = runlooptest.CreateNetworkPolicy
	list   = runlooptest.ListNetworkPolicies
	get    = runlooptest.GetNetworkPolicy
	update = runlooptest.UpdateNetworkPolicy
	remove = runlooptest.DeleteNetworkPolicy
)

// lost answers nothing, after the API did what was asked.
func lost() runlooptest.Fault { return runlooptest.Disconnect().AfterCommit() }

// operations returns what was asked of the API, in order.
func (f *fakeAPI) operations() []runlooptest.Operation {
	var operations []runlooptest.Operation
	for _, request := range f.Requests() {
		operations = append(operations, request.Operation)
	}
	return operations
}

// requestIDs returns the x-request-id of each request, "" for none.
func (f *fakeAPI) requestIDs() []string {
	var ids []string
	for _, request := range f.Requests() {
		ids = append(ids, request.Header.Get("X-Request-Id"))
	}
	return ids
}

// warnings returns how many events of level Warn the client logged.
func (f *fakeAPI) warnings() int { return strings.Count(f.log.String(), "level=WARN") }

// one returns the only policy of the account.
func (f *fakeAPI) one(t *testing.T) runloop.NetworkPolicy {
	t.Helper()
	policies := f.Policies()
	require.Len(t, policies, 1)
	return policies[0]
}
