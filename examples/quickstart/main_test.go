package main

import (
	"bytes"
	"io"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go/runlooptest"
)

// It reads the environment, so it is not parallel.
func TestRunWithoutKeyUsesTheFake(t *testing.T) {
	t.Setenv("RUNLOOP_API_KEY", "")
	var out bytes.Buffer

	require.NoError(t, run(t.Context(), &out))

	text := regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(out.String(), "ADDRESS")
	text = regexp.MustCompile(`quickstart-\w{8}`).ReplaceAllString(text, "quickstart-xxxxxxxx")
	assert.Equal(t, `RUNLOOP_API_KEY is not set: this is a fake API, at http://ADDRESS.

create  quickstart-xxxxxxxx-build    2 hosts                  npol_000001
create  quickstart-xxxxxxxx-offline  deny all                 npol_000002
create  quickstart-xxxxxxxx-build    refused, the name is taken
get     quickstart-xxxxxxxx-build    2 hosts                  npol_000001
list    quickstart-xxxxxxxx-offline  deny all                 npol_000002
list    quickstart-xxxxxxxx-build    2 hosts                  npol_000001
update  quickstart-xxxxxxxx-build    MCP gateway              npol_000001
delete  quickstart-xxxxxxxx-build    MCP gateway              npol_000001
delete  quickstart-xxxxxxxx-offline  deny all                 npol_000002
get     quickstart-xxxxxxxx-build    not found, as it should be
`, text)
}

func TestTourWithAKeyTalksToTheAPIOfTheEnvironment(t *testing.T) {
	server := runlooptest.NewLoopbackServer(t, runlooptest.WithAPIKey("a-real-key"))
	t.Setenv("RUNLOOP_API_KEY", "a-real-key")
	t.Setenv("RUNLOOP_BASE_URL", server.URL)
	t.Setenv("RUNLOOP_CUSTOM_HEADERS", "")

	require.NoError(t, run(t.Context(), io.Discard))

	assert.NotEmpty(t, server.Requests(runlooptest.CreateNetworkPolicy))
	assert.Empty(t, server.Policies())
}

func TestAFailedStepLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for _, op := range []runlooptest.Operation{
		runlooptest.CreateNetworkPolicy,
		runlooptest.GetNetworkPolicy,
		runlooptest.ListNetworkPolicies,
		runlooptest.UpdateNetworkPolicy,
		runlooptest.DeleteNetworkPolicy,
	} {
		t.Run(string(op), func(t *testing.T) {
			t.Parallel()
			server := runlooptest.NewTestServer(t)
			client, err := server.Client()
			require.NoError(t, err)
			server.Inject(op, runlooptest.Status(403)) // no retry

			err = tour(t.Context(), client, io.Discard)

			assert.Error(t, err)
			assert.Empty(t, server.Policies())
		})
	}
}
