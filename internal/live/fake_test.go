package live

import (
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// TestTheFakeIsAsAssumed keeps the table truthful: it says what the fake does.
func TestTheFakeIsAsAssumed(t *testing.T) {
	t.Parallel()
	fake := newFake(t)

	r := fake.tryAll(t.Context(), assumptions(), true)

	for _, row := range r.rows {
		assert.Equal(t, passed, row.result, "%s: the fake shows %s, the table says %s", row.name, row.shown, row.fake)
	}
	assert.Equal(t, fmt.Sprintf("%d passed, 0 differ, 0 failed, 0 not tried", len(assumptions())), r.summary())
}

// TestAnotherBehaviourIsToldAndMet gives the fake behaviours that the API may have
// instead. The record tells them, in their rows and no others, and the SDK keeps its
// promises with each.
func TestAnotherBehaviourIsToldAndMet(t *testing.T) {
	t.Parallel()
	for _, other := range []struct {
		name  string
		opts  []runlooptest.Option
		shown map[string]string // by the assumptions that differ
	}{
		{
			name: "a taken name is a conflict",
			opts: []runlooptest.Option{runlooptest.WithConflictStatus(http.StatusConflict)},
			shown: map[string]string{
				"a taken name is refused with 400":                          "409, already exists",
				"a create under the same x-request-id is carried out again": "409, already exists",
				"a rename to a taken name is refused with 400":              "409, already exists",
			},
		},
		{
			name: "an unknown id is a bad request",
			opts: []runlooptest.Option{runlooptest.WithUnknownIDStatus(http.StatusBadRequest)},
			shown: map[string]string{
				"a second delete is answered with 404":            "400, not found",
				"a deleted policy is answered with 404":           "400, not found",
				"a get of an unknown id is answered with 404":     "400, not found",
				"an update of an unknown id is answered with 404": "400, not found",
				"a delete of an unknown id is answered with 404":  "400, not found",
				"an id of another form is answered with 404":      "400, not found",
			},
		},
		{
			name: "lists have the oldest policy first",
			opts: []runlooptest.Option{runlooptest.WithOldestFirst()},
			shown: map[string]string{
				"a list without limit has the newest policy first": "neither",
			},
		},
		{
			name: "version 0.1",
			opts: []runlooptest.Option{runlooptest.WithVersion01()},
			shown: map[string]string{
				"allow_runloop_mirrors and allowed_cidrs are known":                    "400",
				"a policy without them shows them all the same":                        "absent and absent",
				"a range without ports shows none":                                     "400",
				"a port shows null for the end and the protocol that it was not given": "400",
				"search finds a part of a name":                                        "both and others",
				"search finds an id":                                                   "both and others",
			},
		},
		{
			name: "the clock stands still, long ago",
			opts: []runlooptest.Option{runlooptest.WithClock(func() time.Time { return time.UnixMilli(1_000_000) })},
			shown: map[string]string{
				"the times of a new policy are Unix milliseconds": "create_time_ms 1000000",
				"an update moves update_time_ms":                  "not later",
			},
		},
		{
			name: "any key is good",
			opts: []runlooptest.Option{runlooptest.WithAPIKey("")},
			shown: map[string]string{
				"a wrong key is refused with 401": "200",
			},
		},
		{
			name:  "there is room for six policies more",
			opts:  []runlooptest.Option{runlooptest.WithPolicyLimit(len(others()) + 6)},
			shown: map[string]string{},
		},
	} {
		t.Run(other.name, func(t *testing.T) {
			t.Parallel()
			fake := newFake(t, other.opts...)

			keepPromises(t.Context(), t, fake.account)
			r := fake.tryAll(t.Context(), assumptions(), true)

			shown := map[string]string{}
			for _, row := range r.rows {
				if row.result != passed {
					assert.Equal(t, differs, row.result, row.name)
					shown[row.name] = row.shown
				}
			}
			assert.Equal(t, other.shown, shown)
			assert.Less(t, fake.requests.count(), 175, "others use the account too")
			assert.Len(t, fake.server.Devboxes(), 2, "each costs money")
			assert.Empty(t, fake.server.Running())
		})
	}
}

// A fake is an account of the fake API.
type fake struct {
	*account
	server   *runlooptest.Server
	requests *requestCount
}

// newFake returns an account that has policies of others. It fails the test that
// changes those, or that leaves something behind.
func newFake(t *testing.T, opts ...runlooptest.Option) *fake {
	t.Helper()
	server := runlooptest.NewTestServer(t, append([]runlooptest.Option{
		runlooptest.WithAPIKey("the-right-key"),
		runlooptest.WithPolicies(others()...),
		runlooptest.WithClock(ticking()),
	}, opts...)...)
	before := server.Policies()
	t.Cleanup(func() {
		assert.Equal(t, before, server.Policies(), "the account is as it was")
		for _, devbox := range server.Devboxes() {
			assert.Equal(t, "shutdown", devbox.Status, devbox.Name)
		}
	})
	requests := new(requestCount)
	client, err := server.Client(runloop.WithLogger(slog.New(requests)))
	require.NoError(t, err)
	return &fake{newAccount(t, client), server, requests}
}

// others are policies that a run did not make: one more than a page has.
func others() []runloop.NetworkPolicy {
	policies := make([]runloop.NetworkPolicy, 21)
	for i := range policies {
		policies[i].Name = fmt.Sprintf("of-others-%02d", i)
	}
	return policies
}

// ticking returns a clock that goes on by a millisecond with each look, so that no
// two policies are of the same time.
func ticking() func() time.Time {
	var looks time.Duration
	return func() time.Time {
		looks++
		return time.Now().Add(looks * time.Millisecond)
	}
}
