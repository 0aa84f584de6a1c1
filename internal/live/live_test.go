package live

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

var (
	recordFile = flag.String("record", "", "write what the real API showed to this `file`, as a Markdown table")
	withDevbox = flag.Bool("devbox", false, "launch devboxes in the real API too, which costs money")
)

// TestRealAPI needs an account. It is not parallel, so that the API has one request at a time. It
// has an opt-in, because people and CI set API keys for other reasons.
func TestRealAPI(t *testing.T) {
	if os.Getenv("RUNLOOP_LIVE_TEST") != "1" {
		t.Skip("set RUNLOOP_LIVE_TEST=1 and RUNLOOP_API_KEY to test against the real API; nothing was sent")
	}
	// The first interrupt ends the checks, so that everything is deleted. The second one ends the
	// process.
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop)

	r, err := newRun(ctx, runloop.NewClient)
	require.NoError(t, err)
	_, err = r.client.NetworkPolicies.List(ctx, runloop.NetworkPolicyListParams{Limit: 1})
	require.NoError(t, err, "the API cannot be reached, or does not accept the key")
	defer r.cleanUp(t.Errorf)
	r.checks(*withDevbox)

	t.Log(r.markdown())
	if *recordFile != "" {
		require.NoError(t, os.WriteFile(*recordFile, []byte(r.markdown()), 0o644))
	}
	for _, row := range r.rows {
		if row.promise && row.result != notTried {
			assert.Equal(t, passed, row.result, "%s: %s", row.name, row.shown)
		}
	}
	assert.NoError(t, ctx.Err(), "the run was interrupted")
}
