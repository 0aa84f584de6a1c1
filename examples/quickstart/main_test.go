package main

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

const steps = `
create     quickstart-xxxxxxxx-offline   deny all
create     quickstart-xxxxxxxx-build     host *.npmjs.org, host github.com
create     quickstart-xxxxxxxx-build     refused: the name is taken
update     quickstart-xxxxxxxx-build     MCP gateway, host github.com
list       quickstart-xxxxxxxx-build     npol_000002
list       quickstart-xxxxxxxx-offline   npol_000001
launch     quickstart-xxxxxxxx-devbox    waiting, for up to a few minutes
launch     quickstart-xxxxxxxx-devbox    dbx_000001 is running and uses npol_000002
delete     quickstart-xxxxxxxx-build     refused: a devbox uses the policy
shut down  quickstart-xxxxxxxx-devbox    dbx_000001
delete     quickstart-xxxxxxxx-build     npol_000002
delete     quickstart-xxxxxxxx-offline   npol_000001
`

// It reads the environment, so it is not parallel.
func TestWithoutAKey(t *testing.T) {
	t.Setenv("RUNLOOP_API_KEY", "")
	t.Setenv("RUNLOOP_BASE_URL", "https://api.example.com") // not used
	var out bytes.Buffer

	require.NoError(t, run(t.Context(), &out))

	text := regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(out.String(), "ADDRESS")
	assert.Equal(t, "RUNLOOP_API_KEY is not set: using a fake API at http://ADDRESS\n"+steps, masked(text))
}

func TestWithAKey(t *testing.T) {
	server := runlooptest.NewLoopbackServer(t, runlooptest.WithAPIKey("a-real-key"))
	t.Setenv("RUNLOOP_API_KEY", "a-real-key")
	t.Setenv("RUNLOOP_BASE_URL", server.URL)
	t.Setenv("RUNLOOP_CUSTOM_HEADERS", "")
	var out bytes.Buffer

	require.NoError(t, run(t.Context(), &out))

	assert.Equal(t, "RUNLOOP_API_KEY is set: using the API at "+server.URL+"\n"+steps, masked(out.String()))
	assertNothingLeft(t, server)
}

func TestWithAWrongKey(t *testing.T) {
	t.Parallel()
	onFake(t, func(t *testing.T, server *runlooptest.Server, _ *runloop.Client) {
		client, err := server.Client(runloop.WithAPIKey("wrong-key"))
		require.NoError(t, err)

		require.ErrorIs(t, tour(t.Context(), client, io.Discard), runloop.ErrUnauthorized)

		assert.Len(t, server.Requests(), 1)
	}, runlooptest.WithAPIKey("right-key"))
}

func TestFailedStepLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, op := range []runlooptest.Operation{
		runlooptest.CreateNetworkPolicy,
		runlooptest.UpdateNetworkPolicy,
		runlooptest.ListNetworkPolicies,
		runlooptest.DeleteNetworkPolicy,
		runlooptest.CreateDevbox,
		runlooptest.WaitForDevboxStatus,
	} {
		t.Run(string(op), func(t *testing.T) {
			t.Parallel()
			onFake(t, func(t *testing.T, server *runlooptest.Server, client *runloop.Client) {
				server.Inject(op, runlooptest.Status(403)) // is not retried

				require.ErrorIs(t, tour(t.Context(), client, io.Discard), runloop.ErrForbidden)
			})
		})
	}
}

func TestPolicyThatStaysInUse(t *testing.T) {
	t.Parallel()
	onFake(t, func(t *testing.T, server *runlooptest.Server, client *runloop.Client) {
		inUse := runlooptest.Respond(400, `{"message": "Network policy is in use by active devboxes"}`)
		server.Inject(runlooptest.DeleteNetworkPolicy, inUse, inUse, inUse, inUse)

		require.NoError(t, tour(t.Context(), client, io.Discard))
	})
}

func TestUnknownLaunchLeavesNothing(t *testing.T) {
	t.Parallel()
	onFake(t, func(t *testing.T, server *runlooptest.Server, client *runloop.Client) {
		server.Inject(runlooptest.CreateDevbox, runlooptest.Disconnect().AfterCommit())
		server.Inject(runlooptest.ListDevboxes, runlooptest.Status(403)) // the search for the devbox

		require.ErrorIs(t, tour(t.Context(), client, io.Discard), runloop.ErrMaybeApplied)
	})
}

func TestRefusedShutdownIsRepeated(t *testing.T) {
	t.Parallel()
	onFake(t, func(t *testing.T, server *runlooptest.Server, client *runloop.Client) {
		server.Inject(runlooptest.ShutdownDevbox, runlooptest.Status(403), runlooptest.Status(403))

		require.NoError(t, tour(t.Context(), client, io.Discard))
	})
}

func TestInterruptLeavesNothing(t *testing.T) {
	t.Parallel()
	for after := range 12 {
		onFake(t, func(t *testing.T, server *runlooptest.Server, client *runloop.Client) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(after)*time.Second)
			defer cancel()

			require.ErrorIs(t, tour(ctx, client, io.Discard), context.DeadlineExceeded)

			assert.LessOrEqual(t, len(server.Devboxes()), 1)
		}, runlooptest.WithLatency(time.Second), runlooptest.WithStartup(5*time.Second))
	}
}

// onFake runs the test in a bubble and fails it if it leaves anything on the fake API.
func onFake(t *testing.T, test func(*testing.T, *runlooptest.Server, *runloop.Client), opts ...runlooptest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := runlooptest.NewTestServer(t, opts...)
		client, err := server.Client()
		require.NoError(t, err)
		test(t, server, client)
		assertNothingLeft(t, server)
	})
}

func masked(text string) string {
	return regexp.MustCompile(`quickstart-[a-z0-9]{8}`).ReplaceAllString(text, "quickstart-xxxxxxxx")
}

func assertNothingLeft(t *testing.T, server *runlooptest.Server) {
	t.Helper()
	assert.Empty(t, server.Running())
	assert.Empty(t, server.Policies())
}
