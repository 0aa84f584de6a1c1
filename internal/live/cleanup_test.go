package live

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go/runlooptest"
)

// newFake asserts that nothing is left behind. Here the run has reasons to leave
// something.

func TestNothingIsLeftAfterFaults(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := newFake(t, runlooptest.WithRandomFaults(0.1, seed))

				// Without the devboxes: one whose launch has no answer cannot be found.
				r := fake.tryAll(t.Context(), assumptions(), false)

				assert.NotEmpty(t, r.with(failed), "checks that ended half-way")
				assert.NotEmpty(t, r.with(passed))
			})
		})
	}
}

func TestNothingIsLeftAfterAnInterrupt(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	ctx, interrupt := context.WithCancel(t.Context())
	checks := []assumption{
		{name: "before", fake: "200", check: func(c *trial) string { return c.create("").code() }},
		{name: "meanwhile", check: func(c *trial) string {
			c.box()
			interrupt()
			return c.create("").code()
		}},
		{name: "afterwards", check: func(c *trial) string { return c.create("").code() }},
	}

	r := fake.tryAll(ctx, checks, true)

	require.Len(t, r.rows, 3)
	assert.Equal(t, passed, r.rows[0].result)
	assert.Equal(t, failed, r.rows[1].result)
	assert.Equal(t, notTried, r.rows[2].result)
	assert.Equal(t, "the run was interrupted", r.rows[2].shown)
	assert.Len(t, fake.server.Requests(runlooptest.CreateNetworkPolicy), 2)
}

func TestAPolicyWithoutAnAnswerIsDeleted(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	fake.server.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Disconnect().AfterCommit())
	r := fake.tryAll(t.Context(), []assumption{
		{name: "lost", check: func(c *trial) string { return c.create("").code() }},
	}, false)
	assert.Equal(t, failed, r.rows[0].result)
	assert.Len(t, fake.server.Policies(), len(others())+1, "it is there, and its ID is not known")
}

func TestWhatIsLeftIsReported(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	var policy answer
	r := fake.tryAll(t.Context(), []assumption{
		{name: "lost", check: func(c *trial) string {
			fake.server.Inject(runlooptest.CreateDevbox, runlooptest.Disconnect().AfterCommit())
			return c.launch(`"metadata": {}`).code()
		}},
		{name: "kept", fake: "200", check: func(c *trial) string {
			policy = c.create("")
			fake.server.Inject(runlooptest.DeleteNetworkPolicy,
				runlooptest.Answer(400, `{"message": "not now"}`), runlooptest.Answer(400, `{"message": "not now"}`))
			return policy.code()
		}},
		{name: "running", fake: "200", check: func(c *trial) string {
			fake.server.Inject(runlooptest.ShutdownDevbox,
				runlooptest.Answer(409, `{"message": "not now"}`), runlooptest.Answer(409, `{"message": "not now"}`))
			return c.launch(`"metadata": {}`).code()
		}},
	}, true)
	require.Len(t, r.with(passed), 2)

	var reported reports
	fake.cleanUp(t.Context(), &reported)

	require.Len(t, reported, 3)
	assert.Contains(t, reported[0], "devbox "+fake.prefix+"-03 (dbx_000002) could not be shut down, it may cost money: ")
	assert.Contains(t, reported[0], "not now")
	assert.Equal(t, "a devbox called "+fake.prefix+"-01 may run and cost money: its launch had no answer", reported[1])
	assert.Contains(t, reported[2], "policy "+fake.prefix+"-02 ("+policy.id()+") could not be deleted: ")
	assert.Contains(t, reported[2], "not now")

	// Nothing is left after this test either.
	fake.lost = nil
	for _, devbox := range fake.server.Devboxes() {
		require.NoError(t, shutDown(t.Context(), fake.client, devbox.ID))
	}
}

// reports are what cleaning up reports.
type reports []string

func (r *reports) Helper() {}

func (r *reports) Errorf(format string, args ...any) { *r = append(*r, fmt.Sprintf(format, args...)) }
