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
func TestRun(t *testing.T) {
	t.Setenv("RUNLOOP_API_KEY", "")
	var out bytes.Buffer

	require.NoError(t, run(t.Context(), &out))

	text := regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(out.String(), "ADDRESS")
	assert.Equal(t, `RUNLOOP_API_KEY is not set: this is a fake API, at http://ADDRESS.

policy npol_000001 allows 2 hosts
devbox dbx_000001 is running and has policy npol_000001
policy npol_000001 cannot be deleted yet, the devbox has it
devbox dbx_000001 is shutdown
policy npol_000001 is deleted
`, text)
}

func TestADevboxWithAnotherPolicyIsNotUsed(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"another policy": `{"id": "dbx_000001", "status": "running", "launch_parameters": {"network_policy_id": "npol_9"}}`,
		"no policy":      `{"id": "dbx_000001", "status": "running", "launch_parameters": {}}`,
		"another devbox": `{"id": "dbx_9", "status": "running", "launch_parameters": {"network_policy_id": "npol_000001"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := runlooptest.NewTestServer(t)
			client, err := server.Client()
			require.NoError(t, err)
			server.Inject(runlooptest.GetDevbox, runlooptest.ReplaceBody(answer))

			err = launchUnderPolicy(t.Context(), client, "box", io.Discard)

			assert.ErrorContains(t, err, "not using it")
			assert.Equal(t, "shutdown", server.Devboxes()[0].Status)
			assert.Empty(t, server.Policies())
		})
	}
}
