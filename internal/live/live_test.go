package live

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

var (
	recordFile = flag.String("record", "", "write what the real API showed to this `file`, as a Markdown table")
	withDevbox = flag.Bool("devbox", false, "launch devboxes in the real API too, which costs money")
)

// TestRealAPI needs an account. It is not parallel, so that the API has one request
// at a time.
//
// A key in the environment does not ask for it: people and CI have one set for other
// reasons.
func TestRealAPI(t *testing.T) {
	if os.Getenv("RUNLOOP_LIVE_TEST") != "1" {
		t.Skip("set RUNLOOP_LIVE_TEST=1 and RUNLOOP_API_KEY to test against the real API; nothing was sent")
	}
	requests := new(requestCount)
	client, err := runloop.NewClient(runloop.WithLogger(slog.New(requests)))
	require.NoError(t, err)
	ctx := interruptible(t)
	_, err = client.NetworkPolicies.List(ctx, runloop.NetworkPolicyListParams{Limit: 1})
	require.NoError(t, err, "the API cannot be reached, or does not take the key")

	a := newAccount(t, client)
	keepPromises(ctx, t, a)
	r := a.tryAll(ctx, assumptions(), *withDevbox)
	r.requests = requests.count()

	r.log(t)
	if *recordFile != "" {
		path, err := filepath.Abs(*recordFile)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, []byte(r.markdown()), 0o644))
		t.Logf("the record is in %s", path)
	}
	assert.NoError(t, ctx.Err(), "the run was interrupted")
}

// interruptible returns a context that ends with the first interrupt, so that the
// policies are deleted. A second interrupt ends the process.
func interruptible(t *testing.T) context.Context {
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt)
	t.Cleanup(stop)
	context.AfterFunc(ctx, stop)
	return ctx
}
