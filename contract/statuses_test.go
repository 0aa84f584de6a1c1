package contract_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// sentinels are what errors.Is tells an error status by.
var sentinels = map[int]error{
	http.StatusBadRequest:          runloop.ErrBadRequest,
	http.StatusUnauthorized:        runloop.ErrUnauthorized,
	http.StatusForbidden:           runloop.ErrForbidden,
	http.StatusNotFound:            runloop.ErrNotFound,
	http.StatusConflict:            runloop.ErrConflict,
	http.StatusInternalServerError: runloop.ErrServer,
}

// reasons are what a 400 means besides. Of other operations it means an unknown ID or
// cursor, and of a devbox that is created nothing else.
var reasons = map[runlooptest.Operation]error{
	runlooptest.CreateNetworkPolicy: runloop.ErrNameTaken,
	runlooptest.UpdateNetworkPolicy: runloop.ErrNameTaken,
	runlooptest.DeleteNetworkPolicy: runloop.ErrPolicyInUse,
	runlooptest.CreateDevbox:        nil,
}

// goesOn reports whether the SDK goes on after the status, as AwaitRunning does.
func goesOn(operation runlooptest.Operation, status int) bool {
	return operation == runlooptest.WaitForDevboxStatus &&
		(status == http.StatusRequestTimeout || status == http.StatusInternalServerError)
}

// testStatuses makes the fake respond to each operation with each of its statuses, and
// wants the SDK to return the error that stands for it.
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
	err := provoke(t, e, operation, status)
	if status == http.StatusOK || goesOn(operation, status) {
		require.NoError(t, err)
		return
	}
	response, ok := errors.AsType[*runloop.APIError](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, status, response.StatusCode)
	assert.Equal(t, 1, response.Attempts)
	require.Contains(t, sentinels, status, "which sentinel stands for it?")
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

// provoke calls the operation where the response has to have the status.
func provoke(t *testing.T, e *edition, operation runlooptest.Operation, status int) error {
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
	_, meansUsed := reasons[operation]
	switch status {
	case http.StatusBadRequest:
		if !meansUsed {
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
		a.fake.Inject(operation, runlooptest.Respond(status, `{"message": "A snapshot is being made"}`))
	case http.StatusInternalServerError:
		a.fake.Inject(operation, runlooptest.Status(status))
	}
	return calls[operation](t.Context(), a.Client, to)
}
