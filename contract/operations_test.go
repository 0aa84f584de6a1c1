package contract_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// A target has the arguments of a call: the ID of a policy or devbox, the name of a policy to
// write, the cursor of a list, the blueprint of a devbox.
type target struct{ policy, devbox, name, cursor, blueprint string }

// calls are the calls of the SDK for the operations.
var calls = map[runlooptest.Operation]func(context.Context, *runloop.Client, target) error{
	runlooptest.CreateNetworkPolicy: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: t.name}))
	},
	runlooptest.ListNetworkPolicies: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.NetworkPolicies.List(ctx, runloop.NetworkPolicyListParams{StartingAfter: t.cursor}))
	},
	runlooptest.GetNetworkPolicy: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.NetworkPolicies.Get(ctx, t.policy))
	},
	runlooptest.UpdateNetworkPolicy: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.NetworkPolicies.Update(ctx, t.policy, runloop.NetworkPolicyUpdateParams{Name: &t.name}))
	},
	runlooptest.DeleteNetworkPolicy: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.NetworkPolicies.Delete(ctx, t.policy))
	},
	runlooptest.CreateDevbox: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.Devboxes.Create(ctx, runloop.DevboxCreateParams{Unrestricted: true, BlueprintID: t.blueprint}))
	},
	runlooptest.ListDevboxes: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.Devboxes.List(ctx, runloop.DevboxListParams{StartingAfter: t.cursor}))
	},
	runlooptest.GetDevbox: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.Devboxes.Get(ctx, t.devbox))
	},
	runlooptest.WaitForDevboxStatus: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.Devboxes.AwaitRunning(ctx, t.devbox))
	},
	runlooptest.ShutdownDevbox: func(ctx context.Context, c *runloop.Client, t target) error {
		return second(c.Devboxes.Shutdown(ctx, t.devbox))
	},
}

// second returns the error of a call.
func second[T any](_ T, err error) error { return err }

func TestEachOperationHasItsCall(t *testing.T) {
	t.Parallel()
	var operations []string
	for operation := range calls {
		operations = append(operations, string(operation))
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(today(t).Operations())), operations)
}

// sentinels are what the error statuses match.
var sentinels = map[int]error{
	http.StatusBadRequest:          runloop.ErrBadRequest,
	http.StatusUnauthorized:        runloop.ErrUnauthorized,
	http.StatusForbidden:           runloop.ErrForbidden,
	http.StatusNotFound:            runloop.ErrNotFound,
	http.StatusConflict:            runloop.ErrConflict,
	http.StatusInternalServerError: runloop.ErrServer,
}

// reasons are what a 400 of an operation also matches. Of other operations it means an unknown
// ID or cursor.
var reasons = map[runlooptest.Operation]error{
	runlooptest.CreateNetworkPolicy: runloop.ErrNameTaken,
	runlooptest.UpdateNetworkPolicy: runloop.ErrNameTaken,
	runlooptest.DeleteNetworkPolicy: runloop.ErrPolicyInUse,
	runlooptest.CreateDevbox:        nil,
}

// testStatuses makes the fake respond to each operation with each of its statuses, and requires the
// matching sentinel error. Each operation has one call, and each call one operation.
func testStatuses(t *testing.T, e *edition) {
	for operation, statuses := range e.document.Operations() {
		for _, status := range statuses {
			t.Run(fmt.Sprintf("%s %d", operation, status), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { testStatus(t, e, runlooptest.Operation(operation), status) })
			})
		}
	}
}

func testStatus(t *testing.T, e *edition, operation runlooptest.Operation, status int) {
	a, to := accountWith(t, e, operation, status)
	before := len(a.fake.Requests())
	err := calls[operation](t.Context(), a.Client, to)
	goesOn := operation == runlooptest.WaitForDevboxStatus && (status == http.StatusRequestTimeout || status == http.StatusInternalServerError)
	if status == http.StatusOK || goesOn {
		require.NoError(t, err)
		requests := a.fake.Requests()[before:]
		assert.True(t, len(requests) == 1 || operation == runlooptest.WaitForDevboxStatus, "%v", requests) // which is polled
		for _, request := range requests {
			assert.Equal(t, operation, request.Operation)
		}
		return
	}
	response, ok := errors.AsType[*runloop.APIError](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, status, response.StatusCode)
	assert.Equal(t, 1, response.Attempts)
	require.Contains(t, sentinels, status, "which sentinel does it match?")
	reason, found := reasons[operation]
	if !found {
		reason = runloop.ErrNotFound
	}
	for other, sentinel := range sentinels {
		want := other == status || status == http.StatusBadRequest && sentinel == reason
		assert.Equal(t, want, errors.Is(err, sentinel), "%v: %v", err, sentinel)
	}
	if status == http.StatusBadRequest && reason != nil {
		assert.ErrorIs(t, err, reason)
	}
}

// accountWith returns an account and a target with which the operation's response has the status.
func accountWith(t *testing.T, e *edition, operation runlooptest.Operation, status int) (*account, target) {
	t.Helper()
	opts := []runlooptest.Option{
		runlooptest.WithBlueprints("bp_1"),
		runlooptest.WithStartup(40 * time.Second), // longer than a wait is held
	}
	switch status {
	case http.StatusUnauthorized:
		opts = append(opts, runlooptest.WithAPIKey("another key"))
	case http.StatusForbidden:
		opts = append(opts, runlooptest.WithoutCapability())
	case http.StatusBadRequest:
		opts = append(opts, runlooptest.WithUnknownIDStatus(status))
	}
	a := e.account(t, opts...)
	to := target{policy: a.has("stored").ID, devbox: a.fake.AddDevbox(runlooptest.Devbox{}).ID, name: "new"}
	_, isKnown := reasons[operation]
	switch status {
	case http.StatusBadRequest:
		if !isKnown {
			to.policy, to.devbox, to.cursor = "npol_unknown", "dbx_unknown", "unknown"
		}
		to.name, to.blueprint = a.has("taken").Name, "bp_unknown"
		a.fake.AddDevbox(runlooptest.Devbox{NetworkPolicyID: to.policy})
	case http.StatusNotFound:
		to.policy = "npol_unknown"
		if operation == runlooptest.GetDevbox || operation == runlooptest.WaitForDevboxStatus || operation == runlooptest.ShutdownDevbox {
			a.fake.Inject(operation, runlooptest.Respond(status, `{"message": "Devbox not found"}`))
		}
	case http.StatusRequestTimeout:
		devbox, err := a.Devboxes.Create(t.Context(), runloop.DevboxCreateParams{Unrestricted: true})
		require.NoError(t, err)
		to.devbox = devbox.ID
	case http.StatusConflict:
		a.fake.Inject(operation, runlooptest.Respond(status, `{"message": "A snapshot is being created"}`))
	case http.StatusInternalServerError:
		a.fake.Inject(operation, runlooptest.Status(status))
	}
	return a, to
}
