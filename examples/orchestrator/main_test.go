package main

import (
	"bytes"
	"regexp"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go/runlooptest"
)

// It reads the environment, so it is not parallel.
func TestRun(t *testing.T) {
	t.Setenv("RUNLOOP_API_KEY", "")
	var out bytes.Buffer

	require.NoError(t, run(t.Context(), &out, true, true))

	text := regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(out.String(), "ADDRESS")
	text = regexp.MustCompile(`\r.*\x1b\[K`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`\d+ requests`).ReplaceAllString(text, "N requests")
	assert.Equal(t, `RUNLOOP_API_KEY is not set: this is a fake API, at http://ADDRESS.

200 tasks, 0 of them failed
12 policies: 12 created, 0 there before
N requests
12 policies deleted
`, text)
	assert.Contains(t, out.String(), "\r200 of 200 tasks, 12 policies")
}

func TestTasksShareThePoliciesThatAreThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := runlooptest.NewTestServer(t, runlooptest.WithPolicyLimit(100))
		client, err := server.Client()
		require.NoError(t, err)
		var first, second bytes.Buffer

		require.NoError(t, runTasks(t.Context(), client, makeTasks(12), &first, false))
		require.NoError(t, runTasks(t.Context(), client, makeTasks(200), &second, false))

		assert.Contains(t, first.String(), "12 policies: 12 created, 0 there before\n24 requests")
		assert.Contains(t, second.String(), "12 policies: 0 created, 12 there before\n200 requests")
		assert.Len(t, server.Policies(), 12)
	})
}

func TestTasksSurviveFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := runlooptest.NewTestServer(t, runlooptest.WithRandomFaults(0.03, 1))
		client, err := server.Client()
		require.NoError(t, err)

		require.NoError(t, runTasks(t.Context(), client, makeTasks(200), new(bytes.Buffer), false))

		assert.Len(t, server.Policies(), 12)
	})
}
