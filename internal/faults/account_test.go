package faults

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// repeatable are the calls that are sent again whatever became of the first
// attempt. A create is not: once the API said that it did it, it is looked up.
var repeatable = []clienttest.PolicyCall{clienttest.GetCall, clienttest.UpdateCall, clienttest.DeleteCall}

// newAccount returns the account before a call: with the policy npol_1, which an
// update has still to rename to build, or without any policy for a create.
func newAccount(c clienttest.PolicyCall, opts ...runlooptest.Option) *runlooptest.API {
	api := runlooptest.New(opts...)
	switch c.Name {
	case createCall.Name:
	case clienttest.UpdateCall.Name:
		api.AddPolicy(runloop.NetworkPolicy{ID: "npol_1", Name: "old"})
	default:
		api.AddPolicy(runloop.NetworkPolicy{ID: "npol_1", Name: "build"})
	}
	return api
}

// assertDone checks that the call has the effect on the account that it is made
// for, once.
func assertDone(t testing.TB, c clienttest.PolicyCall, api *runlooptest.API) {
	t.Helper()
	policies := api.Policies()
	if c.Name == clienttest.DeleteCall.Name {
		assert.Empty(t, policies)
		return
	}
	if assert.Len(t, policies, 1) {
		assert.Equal(t, "build", policies[0].Name)
	}
}

// each runs test for each of the calls, in a bubble of its own.
func each(t *testing.T, calls []clienttest.PolicyCall, test func(t *testing.T, c clienttest.PolicyCall)) {
	t.Helper()
	for _, c := range calls {
		t.Run(c.Name, clienttest.InBubble(func(t *testing.T) { test(t, c) }))
	}
}

// methods returns the methods of the requests that arrived: "POST POST GET".
func methods(server *wiretest.Server) string {
	var methods []string
	for _, r := range server.Requests() {
		methods = append(methods, r.Method)
	}
	return strings.Join(methods, " ")
}

// assertSecondAttempt checks when the one retry came of a first attempt that failed
// at once.
func assertSecondAttempt(t testing.TB, at time.Duration) {
	t.Helper()
	clienttest.AssertBackoff(t, []time.Duration{0, at})
}

// fourTimes is the script of a call of which every attempt meets the fault. The lookup
// that follows a write is refused.
func fourTimes(c clienttest.PolicyCall, fault wiretest.Step) []wiretest.Step {
	steps := []wiretest.Step{fault.Times(4)}
	if c.IsWrite() {
		steps = append(steps, wiretest.Reply(403, `{"message": "no"}`))
	}
	return steps
}

// assertFourAttempts checks the requests of such a call.
func assertFourAttempts(t testing.TB, c clienttest.PolicyCall, server *wiretest.Server) {
	t.Helper()
	want := "GET GET GET GET"
	if c.IsWrite() {
		want = "POST POST POST POST GET"
	}
	assert.Equal(t, want, methods(server))
	clienttest.AssertBackoff(t, server.Times()[:4])
}

// assertGaveUp checks the error of a call of which four attempts found no response.
func assertGaveUp(t testing.TB, c clienttest.PolicyCall, err error) {
	t.Helper()
	e := clienttest.AsTransportError(t, err)
	assert.Contains(t, err.Error(), "runloop: "+c.Op+": no usable response (4 attempts")
	assert.Less(t, len(err.Error()), 300)
	assert.Equal(t, 4, e.Attempts)
	assert.Equal(t, c.IsWrite(), e.MaybeApplied)
}

// assertTook checks how long four attempts took that each ended after limit.
func assertTook(t testing.TB, server *wiretest.Server, limit time.Duration) {
	t.Helper()
	assert.GreaterOrEqual(t, server.Now(), 4*limit+1750*time.Millisecond)
	assert.LessOrEqual(t, server.Now(), 4*limit+3500*time.Millisecond)
}

// events returns an option that logs how calls end, and what that is logged to.
func events() (runloop.Option, *bytes.Buffer) {
	var log bytes.Buffer
	return runloop.WithLogger(slog.New(slog.NewTextHandler(&log, nil))), &log
}
