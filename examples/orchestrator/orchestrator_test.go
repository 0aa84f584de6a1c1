package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go/runlooptest"
)

var seeds = flag.Uint64("seeds", 2, "test `n` seeds for each rate of faults")

func TestOutput(t *testing.T) {
	t.Parallel()
	onFake(t, func(t *testing.T, server *runlooptest.Server) {
		out, err := runOn(t.Context(), server, 200, 32)

		require.NoError(t, err)
		assert.Equal(t, `50 of 200 tasks done
100 of 200 tasks done
150 of 200 tasks done
200 of 200 tasks done
200 tasks: 200 succeeded, 0 failed, 0 not started
12 unused policies deleted
`, out)
		assert.Len(t, server.Requests(runlooptest.CreateDevbox), 200)
		assert.Len(t, server.Requests(runlooptest.CreateNetworkPolicy), 12, "tasks with the same rules share a policy")
	})
}

func TestFaultsLeaveNothing(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0.1, 0.2} {
		for seed := range *seeds {
			t.Run(fmt.Sprint(rate, seed), func(t *testing.T) {
				t.Parallel()
				onFake(t, func(t *testing.T, server *runlooptest.Server) {
					out, err := runOn(t.Context(), server, 200, 32)

					if err != nil {
						assert.EqualError(t, err, "not all tasks succeeded")
					}
					t.Log(out)
				}, runlooptest.WithRandomFaults(rate, seed))
			})
		}
	}
}

func TestInterruptLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, time.Second, 90 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			onFake(t, func(t *testing.T, server *runlooptest.Server) {
				ctx, cancel := context.WithTimeout(t.Context(), after)
				defer cancel()

				out, err := runOn(ctx, server, 200, 32)

				require.EqualError(t, err, "not all tasks succeeded")
				assert.NotContains(t, out, " 0 not started")
			}, runlooptest.WithRandomFaults(0.1, 1))
		})
	}
}

func TestFullAccount(t *testing.T) {
	t.Parallel()
	onFake(t, func(t *testing.T, server *runlooptest.Server) {
		_, err := runOn(t.Context(), server, 200, 4)

		require.NoError(t, err)
		assert.Greater(t, len(server.Requests(runlooptest.CreateNetworkPolicy)), 12, "the limit is reached")
	}, runlooptest.WithPolicyLimit(8))
}

func TestDevboxThatFails(t *testing.T) {
	t.Parallel()
	onFake(t, func(t *testing.T, server *runlooptest.Server) {
		server.ScriptDevboxes(runlooptest.DevboxScript{Statuses: []string{"provisioning", "failure"}, FailureReason: "out_of_memory"})

		out, err := runOn(t.Context(), server, 1, 1)

		require.EqualError(t, err, "not all tasks succeeded")
		assert.Regexp(t, "^task 1: runloop: launch devbox: .*out_of_memory", out)
	})
}

// onFake runs the test in a bubble and fails it if it leaves anything on the fake API.
func onFake(t *testing.T, test func(*testing.T, *runlooptest.Server), opts ...runlooptest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := runlooptest.NewTestServer(t, append(opts, runlooptest.WithStartup(time.Minute))...)
		test(t, server)
		assert.Empty(t, server.Running())
		assert.Empty(t, server.Policies())
	})
}

func runOn(ctx context.Context, server *runlooptest.Server, tasks, workers int) (string, error) {
	client, err := server.Client()
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = orchestrate(ctx, client, tasks, workers, &out)
	return out.String(), err
}
