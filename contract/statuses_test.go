package contract_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

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
	http.StatusInternalServerError: runloop.ErrServer,
}

// reasons are what a 400 of an operation says besides.
var reasons = map[string]error{
	"createNetworkPolicy": runloop.ErrNameTaken,
	"updateNetworkPolicy": runloop.ErrNameTaken,
	"deleteNetworkPolicy": runloop.ErrPolicyInUse,
}

// testStatuses makes the fake answer each operation with each of its statuses, and
// wants the SDK to return the error that stands for it.
func testStatuses(t *testing.T, e *edition) {
	for operation, statuses := range e.document.Operations() {
		for _, status := range statuses {
			t.Run(fmt.Sprintf("%s %d", operation, status), func(t *testing.T) {
				t.Parallel()
				err := provoke(t, e, operation, status)
				if status == http.StatusOK {
					require.NoError(t, err)
					return
				}
				answer, ok := errors.AsType[*runloop.APIError](err)
				require.True(t, ok, "%v", err)
				assert.Equal(t, status, answer.StatusCode)
				assert.Equal(t, 1, answer.Attempts)
				require.Contains(t, sentinels, status, "which sentinel stands for it?")
				for other, sentinel := range sentinels {
					assert.Equal(t, other == status, errors.Is(err, sentinel), "%v: %v", err, sentinel)
				}
				if status == http.StatusBadRequest {
					assert.ErrorIs(t, err, reasons[operation])
				}
			})
		}
	}
}

// provoke calls the operation where it has to be answered with the status.
func provoke(t *testing.T, e *edition, operation string, status int) error {
	t.Helper()
	var opts []runlooptest.Option
	switch status {
	case http.StatusUnauthorized:
		opts = append(opts, runlooptest.WithAPIKey("another key"))
	case http.StatusForbidden:
		opts = append(opts, runlooptest.WithoutCapability())
	}
	a := e.account(t, opts...)
	id, name := a.has("stored").ID, "new"
	switch status {
	case http.StatusBadRequest:
		name = a.has("taken").Name
		launch(t, a.fake, id)
	case http.StatusNotFound:
		id = "npol_unknown"
	case http.StatusInternalServerError:
		a.fake.Inject(runlooptest.Operation(operation), runlooptest.Status(status))
	}
	return calls[operation](t.Context(), a.NetworkPolicies, id, name)
}

// launch launches a devbox with the policy. Its operation is not in the document.
func launch(t *testing.T, fake *runlooptest.Server, policyID string) {
	t.Helper()
	client, err := fake.Client()
	require.NoError(t, err)
	body := map[string]any{"launch_parameters": map[string]any{"network_policy_id": policyID}}
	require.NoError(t, client.Do(t.Context(), http.MethodPost, "/v1/devboxes", body, nil))
}
