package faults

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// A launchCall is a call of Devboxes, and what it comes to without faults.
type launchCall struct {
	name     string
	policies []seed
	boxes    []*modelBox // that are there before; the call with a key finds those with the tag "key"
	script   boxScript   // of devboxes that are created
	lag      time.Duration
	// prunes: another program deletes the policy before the first create arrives.
	prunes bool
	// deadline is the caller's, 0 for none.
	deadline time.Duration
	do       func(context.Context, *runloop.DevboxesService) (*runloop.Devbox, error)
	// main: all pairs of faults are tried, not only those of the main kinds.
	main bool

	verb     string // launch, create, shut down or await
	policy   string // the name of the requested policy
	requests string // that it takes without faults, as short has them
	err      error  // and its error
}

func launching(params runloop.DevboxCreateParams) func(context.Context, *runloop.DevboxesService) (*runloop.Devbox, error) {
	return func(ctx context.Context, s *runloop.DevboxesService) (*runloop.Devbox, error) {
		return s.Launch(ctx, params)
	}
}

func creating(params runloop.DevboxCreateParams, opts ...runloop.Option) func(context.Context, *runloop.DevboxesService) (*runloop.Devbox, error) {
	return func(ctx context.Context, s *runloop.DevboxesService) (*runloop.Devbox, error) {
		return s.Create(ctx, params, opts...)
	}
}

func shuttingDown(id string) func(context.Context, *runloop.DevboxesService) (*runloop.Devbox, error) {
	return func(ctx context.Context, s *runloop.DevboxesService) (*runloop.Devbox, error) {
		return s.Shutdown(ctx, id)
	}
}

func awaiting(id string) func(context.Context, *runloop.DevboxesService) (*runloop.Devbox, error) {
	return func(ctx context.Context, s *runloop.DevboxesService) (*runloop.Devbox, error) {
		return s.AwaitRunning(ctx, id)
	}
}

// boxOf is a devbox with a tag that uses a policy.
func boxOf(script boxScript, tag, policy string) *modelBox {
	return &modelBox{metadata: map[string]string{runloop.MetadataRequestID: tag}, policy: policy, asked: policy, under: "build", boxScript: script}
}

var (
	underRules  = runloop.DevboxCreateParams{Name: "task", NetworkPolicy: &params}
	underID     = runloop.DevboxCreateParams{Name: "task", NetworkPolicyID: "npol_1"}
	underNone   = runloop.DevboxCreateParams{Name: "task", Unrestricted: true}
	withKey     = runloop.WithIdempotencyKey("key")
	running     = boxScript{name: "running", statuses: []string{"running"}}
	unattached  = boxScript{name: "unattached", statuses: healthy.statuses, every: healthy.every, uses: none}
	onlyEchoed  = boxScript{name: "only echoed", statuses: healthy.statuses, every: healthy.every, uses: none, echo: asRequested}
	underOther  = boxScript{name: "under another policy", statuses: healthy.statuses, every: healthy.every, uses: another, echo: asRequested}
	lateEcho    = boxScript{name: "late echo", statuses: healthy.statuses, every: healthy.every, echo: none}
	failing     = boxScript{name: "failing", statuses: []string{"provisioning", "failure"}, every: 2 * time.Second, reason: "out_of_memory"}
	endsItself  = boxScript{name: "ends by itself", statuses: []string{"provisioning", "shutdown"}, every: 2 * time.Second, reason: "entrypoint_exit"}
	stuckBox    = boxScript{name: "stuck", statuses: []string{"queued"}}
	newStatuses = boxScript{name: "new statuses", statuses: []string{"queued", "thawing", "initializing", "running"}}
	byLooks     = boxScript{name: "by looks", statuses: healthy.statuses}
	lingering   = boxScript{name: "lingering", statuses: []string{"running"}, lingers: 700 * time.Millisecond}
)

var launchCalls = []launchCall{
	{name: "launch", main: true, verb: "launch", do: launching(underRules), policy: "build", requests: "list policies, create policy, create, wait"},
	{name: "launch under a policy that exists", main: true, verb: "launch", policies: []seed{equal}, do: launching(underRules), policy: "build", requests: "list policies, create, wait"},
	{name: "launch by ID", main: true, verb: "launch", policies: []seed{equal}, do: launching(underID), policy: "build", requests: "create, wait"},
	{name: "launch without a policy", main: true, verb: "launch", do: launching(underNone), requests: "create, wait"},
	{name: "launch of one with a late echo", verb: "launch", policies: []seed{equal}, script: lateEcho, do: launching(underID), policy: "build", requests: "create, get, wait"},
	{name: "launch in a slow list", verb: "launch", policies: []seed{equal}, lag: time.Second, do: launching(underID), policy: "build", requests: "create, wait"},
	{name: "launch of one that goes on with each look", verb: "launch", policies: []seed{equal}, script: newStatuses, do: launching(underID), policy: "build", requests: "create, wait, wait, wait"},
	{name: "launch of one that fails", verb: "launch", policies: []seed{equal}, script: failing, do: launching(underID), policy: "build", requests: "create, wait, shutdown", err: runloop.ErrDevboxFailed},
	{name: "launch of one that ends", verb: "launch", policies: []seed{equal}, script: endsItself, do: launching(underID), policy: "build", requests: "create, wait", err: runloop.ErrDevboxFailed},
	{name: "launch of one without its policy", verb: "launch", policies: []seed{equal}, script: unattached, do: launching(underID), policy: "build", requests: "create, get, get, get, shutdown", err: runloop.ErrPolicyNotAttached},
	{name: "launch of one that lies about its policy", verb: "launch", policies: []seed{equal}, script: onlyEchoed, do: launching(underID), policy: "build", requests: "create, wait, get, get, get, shutdown", err: runloop.ErrPolicyNotAttached},
	{name: "launch of one under another policy", verb: "launch", policies: []seed{equal}, script: underOther, do: launching(underID), policy: "build", requests: "create, wait, shutdown", err: runloop.ErrPolicyNotAttached},
	{name: "launch of one that is stuck", verb: "launch", policies: []seed{equal}, script: stuckBox, deadline: 40 * time.Second, do: launching(underID), policy: "build", requests: "create, wait, wait, shutdown", err: context.DeadlineExceeded},
	{name: "launch under a pruned policy", verb: "launch", policies: []seed{equal}, prunes: true, do: launching(underRules), policy: "build", requests: "list policies, create, list policies, list policies, create policy, create, wait"},
	{name: "launch by an unknown ID", verb: "launch", do: launching(underID), policy: "build", requests: "create, list policies", err: runloop.ErrNotFound},
	{name: "create", main: true, verb: "create", do: creating(underRules), policy: "build", requests: "list policies, create policy, create"},
	{name: "create by ID", main: true, verb: "create", policies: []seed{equal}, do: creating(underID), policy: "build", requests: "create"},
	{name: "create of one without its policy", verb: "create", policies: []seed{equal}, script: unattached, do: creating(underID), policy: "build", requests: "create, get, get, get, shutdown", err: runloop.ErrPolicyNotAttached},
	{name: "create with a key", main: true, verb: "create", policies: []seed{equal}, boxes: []*modelBox{boxOf(running, "other", "npol_1")}, do: creating(underID, withKey), policy: "build", requests: "list, list, list, list, create"},
	{name: "create with a used key", main: true, verb: "create", policies: []seed{equal}, boxes: []*modelBox{boxOf(running, "key", "npol_1"), boxOf(running, "other", "npol_1")}, do: creating(underRules, withKey), policy: "build", requests: "list, list, list, list, list, list policies"},
	{name: "create with a key of another policy", verb: "create", policies: []seed{equal}, boxes: []*modelBox{boxOf(running, "key", "npol_other")}, do: creating(underID, withKey), policy: "build", requests: "list, list, list, list, shutdown", err: runloop.ErrPolicyNotAttached},
	{name: "shutdown", main: true, verb: "shut down", boxes: []*modelBox{boxOf(running, "other", "")}, do: shuttingDown("dbx_1"), requests: "shutdown"},
	{name: "shutdown that takes time", verb: "shut down", boxes: []*modelBox{boxOf(lingering, "other", "")}, do: shuttingDown("dbx_1"), requests: "shutdown, get, get, get"},
	{name: "shutdown of one that has failed", verb: "shut down", boxes: []*modelBox{boxOf(boxScript{statuses: []string{"failure"}}, "other", "")}, do: shuttingDown("dbx_1"), requests: "shutdown"},
	{name: "shutdown of an unknown ID", verb: "shut down", do: shuttingDown("dbx_1"), requests: "shutdown", err: runloop.ErrNotFound},
	{name: "await", main: true, verb: "await", boxes: []*modelBox{boxOf(healthy, "other", "")}, do: awaiting("dbx_1"), requests: "wait"},
	{name: "await of new statuses", verb: "await", boxes: []*modelBox{boxOf(newStatuses, "other", "")}, do: awaiting("dbx_1"), requests: "wait, wait, wait, wait"},
	{name: "await of one that fails", verb: "await", boxes: []*modelBox{boxOf(failing, "other", "")}, do: awaiting("dbx_1"), requests: "wait", err: runloop.ErrDevboxFailed},
	{name: "await of an unknown ID", verb: "await", do: awaiting("dbx_1"), requests: "wait", err: runloop.ErrNotFound},
}

// short names a request.
func (e *entry) short() string {
	path, _, _ := strings.Cut(e.target, "?")
	isDevbox := strings.HasPrefix(path, devboxesPath)
	switch {
	case isDevbox && strings.HasSuffix(path, "/shutdown"):
		return "shutdown"
	case isDevbox && strings.HasSuffix(path, "/wait_for_status"):
		return "wait"
	case path == devboxesPath && e.method == http.MethodPost:
		return "create"
	case path == devboxesPath:
		return "list"
	case isDevbox:
		return "get"
	case e.method == http.MethodPost:
		return "create policy"
	}
	return "list policies"
}

// A cancelPoint is when the caller gives up.
type cancelPoint struct {
	position int // of a request
	when     cancelTime
}

type cancelTime int

const (
	never      cancelTime = iota
	onArrival             // before the request is carried out
	onResponse            // after that, before the response
	inPause               // 100 ms after the response
)

// A launchTrial is one call under faults, and what came of it.
type launchTrial struct {
	*launchCall
	retries  int
	deadline time.Duration
	cancel   cancelPoint
	plan     func(position int) *fault

	model   *model
	before  []*modelBox // of the account
	got     *runloop.Devbox
	err     error
	ended   error         // the context's, when the call returned
	endedAt time.Duration // when it ended
	took    time.Duration
}

func (c *launchTrial) run(t *testing.T) string {
	tb := &caseTB{TB: t}
	defer tb.end()
	m := newModel(tb, c.plan)
	c.model = m
	m.limit = 1
	m.lag = c.lag
	m.script = func(int) boxScript {
		if c.script.statuses == nil {
			return healthy
		}
		return c.script
	}
	for _, s := range c.policies {
		m.add(s.policy, 4*time.Minute, s.inUse)
	}
	for _, b := range c.boxes {
		m.addBox(new(*b))
	}
	time.Sleep(m.lag)
	c.before = slices.Clone(m.boxes)
	if c.prunes {
		m.onCreate = func() {
			m.onCreate = nil
			m.policies = nil
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if d := cmp.Or(c.deadline, c.launchCall.deadline); d > 0 {
		ctx, stop = context.WithTimeout(ctx, d)
		defer stop()
	}
	start := m.server.Now()
	stopWatch := context.AfterFunc(ctx, func() { c.endedAt = m.server.Now() - start })
	m.on = func(position int, responding bool) {
		if position != c.cancel.position {
			return
		}
		switch {
		case c.cancel.when == inPause && responding:
			time.AfterFunc(100*time.Millisecond, stop)
		case c.cancel.when == onArrival && !responding, c.cancel.when == onResponse && responding:
			stop()
			time.Sleep(time.Millisecond) // the client goes on before the server does
		}
	}
	c.got, c.err = c.do(ctx, m.client(tb, nil, runloop.WithMaxRetries(c.retries)).Devboxes)
	c.ended = ctx.Err()
	c.took = m.server.Now() - start
	synctest.Wait() // for endedAt
	stopWatch()
	if problem := c.problem(); problem != "" {
		return problem
	}
	time.Sleep(time.Hour) // for what middleboxes hold back
	return c.problemLater()
}

func (c *launchTrial) met(is func(*fault) bool) bool { return slices.ContainsFunc(c.model.fired, is) }

func (c *launchTrial) devboxError() *runloop.DevboxError {
	e, _ := errors.AsType[*runloop.DevboxError](c.err)
	return e
}

func (c *launchTrial) creates() bool { return c.verb == "launch" || c.verb == "create" }

// problem compares what the client reports with the truth, as the call returns.
func (c *launchTrial) problem() string {
	c.model.mu.Lock()
	defer c.model.mu.Unlock()
	if (c.got == nil) == (c.err == nil) {
		return "neither a devbox nor an error, or both"
	}
	if problem := c.problemOfTime(); problem != "" {
		return problem
	}
	if problem := c.problemOfCreates(); problem != "" {
		return problem
	}
	if c.err == nil {
		return c.problemOfSuccess()
	}
	return c.problemOfError()
}

func (c *launchTrial) problemOfTime() string {
	const cleanUp = 30*time.Second + 2*time.Second
	waits := 0
	for _, e := range c.model.journal {
		if e.short() == "wait" {
			waits++
		}
	}
	switch {
	case waits > 6+int(c.took/(4*time.Second)): // the shortest pause, once it no longer grows
		return "polls without pauses"
	case len(c.model.journal)-waits > 30:
		return "too many requests"
	case c.ended != nil && c.took > c.endedAt+cleanUp:
		return "a call that does not return after the end of its context"
	case c.verb == "launch" && c.deadline == 0 && c.took > 5*time.Minute+cleanUp:
		return "a launch of more than five minutes"
	}
	return ""
}

// problemOfCreates checks that no create is sent twice that may have been carried out.
func (c *launchTrial) problemOfCreates() string {
	return repeatedCreates(c.model.journal, c.model.boxes)
}

func repeatedCreates(journal []*entry, boxes []*modelBox) string {
	last := map[string]*entry{}
	for _, e := range journal {
		if e.short() != "create" {
			continue
		}
		if e.requestID == "" || !strings.Contains(e.body, `"`+runloop.MetadataRequestID+`":"`+e.requestID+`"`) {
			return "a create whose tag is not its request ID"
		}
		if before := last[e.requestID]; before != nil && !before.refused() {
			return fmt.Sprintf("a create that is sent twice, the first time with the fault %q and the status %d", before.fault, before.status)
		}
		last[e.requestID] = e
	}
	tags := map[string]string{}
	for _, b := range boxes {
		e := last[b.tag]
		if tags[b.tag] != "" && (e == nil || e.fault != "delivered twice") {
			return "two devboxes under one tag"
		}
		tags[b.tag] = b.id
	}
	return ""
}

// refused reports whether the client was told that a create may be sent again: it was not
// carried out.
func (e *entry) refused() bool {
	switch e.fault {
	case "429", "cut body of a 400":
		return true
	case "", "cut body, carried out", stalledBody + ", carried out": // the API's own response, or its beginning
		return e.status == 400
	}
	// With a key, a launch after one that was refused because its policy had been pruned
	// has the same request ID.
	return slices.ContainsFunc(refusing, func(f fault) bool {
		return f.name == e.fault && f.status >= 400 && f.status < 500 && !f.passes
	})
}

func (c *launchTrial) problemOfSuccess() string {
	b, now := c.model.boxNamed(c.got.ID), c.model.server.Now()
	if c.verb == "shut down" {
		switch {
		case c.got.ID != "dbx_1" || b != nil && !b.hasEnded(now):
			return "a shutdown that is none"
		case c.got.Status != runloop.DevboxShutdown && c.got.Status != runloop.DevboxFailure:
			return "a shutdown with another status"
		}
		return ""
	}
	switch {
	case b == nil:
		return "a devbox that does not exist"
	case c.verb != "create" && (c.got.Status != runloop.DevboxRunning || b.status(now) != "running"):
		return "a devbox that is not running"
	case c.creates() && (b.policy != b.asked || b.under != c.policy || c.policy != "" && c.got.NetworkPolicyID != b.policy):
		return "a devbox without its policy"
	case c.creates() && c.got.Metadata[runloop.MetadataRequestID] != b.tag:
		return "a devbox without its tag"
	case c.launchCall.err != nil && !errors.Is(c.launchCall.err, context.DeadlineExceeded):
		return "a success of what cannot succeed"
	}
	return ""
}

func (c *launchTrial) problemOfError() string {
	e, now := c.devboxError(), c.model.server.Now()
	maybe := errors.Is(c.err, runloop.ErrMaybeApplied)
	switch {
	case c.verb == "await" && maybe:
		return "an await that may have been applied"
	case c.verb == "await" && e != nil && (e.Devbox == nil || !errors.Is(e, runloop.ErrDevboxFailed)):
		return "another devbox error of an await"
	case c.launchCall.err == nil && c.shouldSucceed():
		return "an error that retries should have prevented"
	case e == nil && c.creates() && maybe && !slices.ContainsFunc(c.model.journal, func(e *entry) bool { return e.short() == "create policy" }) &&
		!c.met(func(f *fault) bool { return f.unread }):
		return "a doubt that tells of no devbox"
	case c.verb == "shut down" && e != nil:
		return "a devbox error of a shutdown"
	case e == nil:
		return ""
	case (e.Devbox == nil) != maybe:
		return "a known devbox in doubt, or an unknown one without a doubt"
	case c.creates() && e.RequestID == "":
		return "a devbox error without a request ID"
	case e.Devbox == nil && e.ShutDown:
		return "nothing was shut down"
	case e.Devbox == nil:
		return ""
	}
	b := c.model.boxNamed(e.Devbox.ID)
	switch {
	case b == nil || c.creates() && b.tag != e.RequestID:
		return "an error about another devbox"
	case e.ShutDown && !b.hasEnded(now):
		return "a devbox that is not shut down"
	case errors.Is(e, runloop.ErrPolicyNotAttached) && b.policy == c.model.requested(c.policy):
		return "a policy that is attached"
	case errors.Is(e, runloop.ErrDevboxFailed) && !b.hasEnded(now):
		return "a devbox that has not failed"
	}
	return ""
}

// shouldSucceed reports whether two faults at most, which pass, met the call, and none of
// them left it open whether a devbox was created. One with a status that the SDK does not
// know is in none of the lists.
func (c *launchTrial) shouldSucceed() bool {
	if c.retries < 3 || c.cancel.when != never || c.deadline > 0 || c.lag > 0 || c.script.name == newStatuses.name || len(c.model.fired) > 2 {
		return false
	}
	if c.met(func(f *fault) bool { return !f.passes || f.unread && c.creates() || f.late > time.Minute }) {
		return false
	}
	for _, e := range c.model.journal {
		sure := e.fault == "" || e.refused() || len(e.effects) > 0
		if e.short() == "create" && !sure {
			return false
		}
	}
	return true
}

// requested returns the ID of the policy with the name.
func (m *model) requested(name string) string {
	for _, p := range m.policies {
		if p.Name == name {
			return p.ID
		}
	}
	return "none"
}

// problemLater is asked when everything has been delivered.
func (c *launchTrial) problemLater() string {
	synctest.Wait()
	c.model.mu.Lock()
	defer c.model.mu.Unlock()
	if problem := c.problemOfCreates(); problem != "" && !strings.Contains(problem, "two devboxes") {
		return problem
	}
	for _, b := range c.model.boxes {
		isOthers := slices.ContainsFunc(c.before, func(other *modelBox) bool { return other.id == b.id }) && b.tag != "key"
		switch {
		case isOthers && c.creates() && b.isShut:
			return "somebody else's devbox is shut down"
		case isOthers || b.hasEnded(c.model.server.Now()):
		case !c.tells(b):
			return "a devbox that nobody knows of: " + b.String()
		}
	}
	return ""
}

// tells reports whether the caller was given a devbox, or told of it.
func (c *launchTrial) tells(b *modelBox) bool {
	doubled := c.met(func(f *fault) bool { return f.repeats })
	if c.got != nil && (c.got.ID == b.id || doubled && c.got.Metadata[runloop.MetadataRequestID] == b.tag) {
		return true
	}
	e := c.devboxError()
	switch {
	case e == nil:
		return false
	case e.Devbox == nil || doubled:
		return e.RequestID == b.tag
	}
	return e.Devbox.ID == b.id && !e.ShutDown
}

func (c *launchTrial) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "retries %d, deadline %s, cancel %+v at %s, took %s\nfaults: %s", c.retries, c.deadline, c.cancel, c.endedAt, c.took, names(c.model.fired))
	fmt.Fprintf(&b, "\nreturned %v\nerror    %v (%v)\n%s", c.got, c.err, clienttest.Sentinels(c.err), lines(c.model.requests(0)))
	for _, box := range c.model.boxes {
		fmt.Fprintf(&b, "devbox   %s: %s\n", box, box.status(c.model.server.Now()))
	}
	return b.String()
}

// outcome is what the caller sees, without what differs between two equal calls.
func (c *launchTrial) outcome() string {
	if c.err == nil {
		return fmt.Sprint(c.got)
	}
	return fmt.Sprint(reflect.TypeOf(c.err), clienttest.Sentinels(c.err), errors.Is(c.err, runloop.ErrDevboxFailed), errors.Is(c.err, runloop.ErrPolicyNotAttached))
}

var launchAll = flag.Bool("launch.all", false, "TestLaunchMatrix tries a cancel at every step of every pair of faults, for ten minutes")

// Each fault and each two faults in a row, at every request of every call of Devboxes
// that writes or waits, lookups and clean-ups included; each fault, and each two of the
// main kinds, also with a cancel at every step: as a request arrives, before its response,
// and in the pause after it. No devbox is returned without its policy, and none runs that
// its caller was neither given nor told of, when everything that was delayed has arrived.
// What happened is told by the server.
//
// With the race detector, or -short, only some faults are tried in each place.
func TestLaunchMatrix(t *testing.T) {
	t.Parallel()
	m := new(launchMatrix)
	t.Run("calls", func(t *testing.T) {
		for i := range launchCalls {
			s := &launchCalls[i]
			run := func(name string, fill func(t *testing.T)) {
				t.Run(s.name+"/"+name, clienttest.InBubble(fill))
			}
			run("without faults", func(t *testing.T) { m.fillClean(t, s) })
			run("single faults", func(t *testing.T) { m.fillLaunchSingles(t, s) })
			run("outages", func(t *testing.T) { m.fillLaunchOutages(t, s) })
			run("pairs", func(t *testing.T) { m.fillLaunchPairs(t, s) })
		}
	})
	t.Logf("%d without faults but with cancels, %d single faults, %d with cancels, %d with deadlines, %d pairs, %d with cancels, %d outages: %d successes, %d errors that tell of a devbox, %d requests at most",
		m.clean.Load(), m.singles.Load(), m.cancelled.Load(), m.deadlines.Load(), m.pairs.Load(), m.cancelledPairs.Load(), m.outages.Load(), m.successes.Load(), m.told.Load(), m.most.Load())
	if complete() && !strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		assert.EqualValues(t, 389, m.clean.Load())
		assert.EqualValues(t, 5236, m.singles.Load())
		assert.EqualValues(t, 5236, m.deadlines.Load())
		assert.EqualValues(t, 21457, m.pairs.Load())
		assert.EqualValues(t, 2618, m.outages.Load())
		assert.Greater(t, m.cancelled.Load(), int64(42000))
		assert.Greater(t, m.cancelledPairs.Load(), int64(31000))
	}
}

// A launchMatrix counts trials.
type launchMatrix struct {
	clean, singles, cancelled, deadlines, pairs, cancelledPairs, outages atomic.Int64
	successes, told, most                                                atomic.Int64
}

func (m *launchMatrix) try(t *testing.T, count *atomic.Int64, c launchTrial) *launchTrial {
	problem := c.run(t)
	count.Add(1)
	e := c.devboxError()
	switch {
	case c.err == nil:
		m.successes.Add(1)
	case e != nil && !e.ShutDown:
		m.told.Add(1)
	}
	for n := int64(len(c.model.journal)); ; {
		most := m.most.Load()
		if n <= most || m.most.CompareAndSwap(most, n) {
			break
		}
	}
	if problem != "" {
		t.Errorf("%s\n%s", problem, &c)
	}
	return &c
}

// tryCancels makes a call again, with a cancel at each step of it.
func (m *launchMatrix) tryCancels(t *testing.T, count *atomic.Int64, base *launchTrial) {
	for position := 1; position <= base.model.position; position++ {
		for _, when := range []cancelTime{onArrival, onResponse, inPause} {
			m.compare(t, base, m.try(t, count, launchTrial{launchCall: base.launchCall, retries: base.retries, plan: base.plan, cancel: cancelPoint{position, when}}))
		}
	}
}

// compare checks that a call whose context ended reports that, unless it comes to the same
// as without: then the end came too late.
func (m *launchMatrix) compare(t *testing.T, base, c *launchTrial) {
	if c.err != nil && c.ended != nil && !errors.Is(c.err, c.ended) && c.outcome() != base.outcome() {
		t.Errorf("an error that does not match the context's\nwithout its end: %v\n%s", base.err, c)
	}
}

// cleanLaunch makes the call without faults.
func (m *launchMatrix) cleanLaunch(t *testing.T, s *launchCall) *launchTrial {
	c := m.try(t, &m.clean, launchTrial{launchCall: s, retries: 3, plan: at(0)})
	var requests []string
	for _, e := range c.model.requests(0) {
		requests = append(requests, e.short())
	}
	if strings.Join(requests, ", ") != s.requests || !errors.Is(c.err, s.err) {
		t.Fatalf("without faults:\n%s\n%s", strings.Join(requests, ", "), c)
	}
	return c
}

func (m *launchMatrix) fillClean(t *testing.T, s *launchCall) {
	m.tryCancels(t, &m.clean, m.cleanLaunch(t, s))
}

// someOf are the faults that are tried at a request. Under the race detector, all would
// take minutes.
func someOf(e *entry, all []fault) []fault {
	if complete() {
		return all
	}
	oneOf := 7
	if raceDetector {
		oneOf = 14
	}
	var some []fault
	for i, f := range all {
		if (i+e.position)%oneOf == 0 {
			some = append(some, f)
		}
	}
	return some
}

// mainKinds are the faults that are tried in pairs with cancels.
func mainKinds(e *entry) []fault {
	names := []string{
		"connection refused", "429", "404 page", "cut body of a 400", "closed after the request", "closed after the request, carried out", "cut body, carried out",
		"hang, carried out", "502, carried out", "504, delivered after the call", "200 HTML, carried out", "200 about another devbox, carried out",
	}
	if e.method == http.MethodGet {
		names = []string{"429", "404 page", "hang", "502", "empty 200", "200 about another devbox"}
	}
	return slices.DeleteFunc(faultsOfRequest(e), func(f fault) bool { return !slices.Contains(names, f.name) })
}

func (m *launchMatrix) fillLaunchSingles(t *testing.T, s *launchCall) {
	for _, e := range m.cleanLaunch(t, s).model.requests(0) {
		for _, f := range someOf(e, faultsOfRequest(e)) {
			plan := at(e.position, &f)
			m.try(t, &m.singles, launchTrial{launchCall: s, plan: plan})
			c := m.try(t, &m.singles, launchTrial{launchCall: s, retries: 3, plan: plan})
			m.tryCancels(t, &m.cancelled, c)
			for _, d := range []time.Duration{time.Second, 10 * time.Second} {
				m.compare(t, c, m.try(t, &m.deadlines, launchTrial{launchCall: s, retries: 3, plan: plan, deadline: d}))
			}
		}
	}
}

func (m *launchMatrix) fillLaunchPairs(t *testing.T, s *launchCall) {
	all := mainKinds
	if s.main {
		all = faultsOfRequest
	}
	for _, e := range m.cleanLaunch(t, s).model.requests(0) {
		for _, first := range someOf(e, all(e)) {
			single := &launchTrial{launchCall: s, retries: 3, plan: at(e.position, &first)}
			single.run(t)
			next := requestAt(single.model.requests(0), e.position+1)
			if next == nil {
				continue // the first fault ends the call
			}
			for _, second := range someOf(e, all(next)) {
				c := m.try(t, &m.pairs, launchTrial{launchCall: s, retries: 3, plan: at(e.position, &first, &second)})
				if s.main && (*launchAll || isOneOf(first, mainKinds(e)) && isOneOf(second, mainKinds(next))) {
					m.tryCancels(t, &m.cancelledPairs, c)
				}
			}
		}
	}
}

func isOneOf(f fault, all []fault) bool {
	return slices.ContainsFunc(all, func(o fault) bool { return o.name == f.name })
}

// fillLaunchOutages lets a fault go on without end.
func (m *launchMatrix) fillLaunchOutages(t *testing.T, s *launchCall) {
	for _, e := range m.cleanLaunch(t, s).model.requests(0) {
		for _, f := range someOf(e, faultsOfRequest(e)) {
			// An API that only reports timeouts of its own is waited for without end.
			c := launchTrial{launchCall: s, retries: 3, plan: from(e.position, &f)}
			if s.verb == "await" {
				c.deadline = 10 * time.Minute
			}
			m.try(t, &m.outages, c)
		}
	}
}
