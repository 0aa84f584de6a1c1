package faults

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// A launchCall is a call of Devboxes, and its outcome without faults. The first word of its
// name is the method.
type launchCall struct {
	name     string
	policies []seed
	boxes    []*modelBox // that are there before; the call with a key finds those with the tag "key"
	script   boxScript   // of devboxes that are created
	lag      time.Duration
	// prunes: another program deletes the policy before the first create arrives.
	prunes bool
	// patience is the caller's deadline, 0 for none.
	patience time.Duration
	do       func(context.Context, boxService) (*runloop.Devbox, error)
	// main: all pairs of faults are tried, not only those of the main kinds.
	main bool

	unrestricted bool   // the devbox uses no policy
	requests     string // without faults, by their short names
	refusal      error  // the error without faults
}

type boxService = *runloop.DevboxesService

func (c *launchCall) is(method string) bool { return strings.HasPrefix(c.name, method) }

func (c *launchCall) creates() bool { return c.is("launch") || c.is("create") }

func launching(params runloop.DevboxCreateParams) func(context.Context, boxService) (*runloop.Devbox, error) {
	return func(ctx context.Context, s boxService) (*runloop.Devbox, error) { return s.Launch(ctx, params) }
}

func creating(params runloop.DevboxCreateParams, opts ...runloop.Option) func(context.Context, boxService) (*runloop.Devbox, error) {
	return func(ctx context.Context, s boxService) (*runloop.Devbox, error) {
		return s.Create(ctx, params, opts...)
	}
}

func shuttingDown(ctx context.Context, s boxService) (*runloop.Devbox, error) {
	return s.Shutdown(ctx, "dbx_1")
}

func awaiting(ctx context.Context, s boxService) (*runloop.Devbox, error) {
	return s.AwaitRunning(ctx, "dbx_1")
}

// boxOf is a devbox with a tag that was created to use a policy.
func boxOf(script boxScript, tag, policy string) *modelBox {
	metadata := map[string]string{runloop.MetadataRequestID: tag}
	return &modelBox{metadata: metadata, policy: script.uses.of(policy, policy), asked: policy, under: "build", boxScript: script}
}

var (
	existing    = []seed{equal}
	underRules  = runloop.DevboxCreateParams{Name: "task", NetworkPolicy: &params}
	underID     = runloop.DevboxCreateParams{Name: "task", NetworkPolicyID: "npol_1"}
	underNone   = runloop.DevboxCreateParams{Name: "task", Unrestricted: true}
	withKey     = runloop.WithIdempotencyKey("key")
	running     = boxScript{name: "running", statuses: []string{"running"}}
	misplaced   = boxScript{name: "running under another policy", statuses: []string{"running"}, uses: another}
	unattached  = boxScript{name: "unattached", statuses: healthy.statuses, every: everyStep, uses: none}
	onlyEchoed  = boxScript{name: "only echoed", statuses: healthy.statuses, every: everyStep, uses: none, echo: asRequested}
	underOther  = boxScript{name: "under another policy", statuses: healthy.statuses, every: everyStep, uses: another, echo: asRequested}
	lateEcho    = boxScript{name: "late echo", statuses: healthy.statuses, every: everyStep, echo: none}
	failing     = boxScript{name: "failing", statuses: []string{"provisioning", "failure"}, every: everyStep, reason: "out_of_memory"}
	endsItself  = boxScript{name: "ends by itself", statuses: []string{"provisioning", "shutdown"}, every: everyStep, reason: "entrypoint_exit"}
	stuckBox    = boxScript{name: "stuck", statuses: []string{"queued"}}
	newStatuses = boxScript{name: "new statuses", statuses: []string{"queued", "thawing", "initializing", "running"}}
	byLooks     = boxScript{name: "by looks", statuses: healthy.statuses}
	lingering   = boxScript{name: "lingering", statuses: []string{"running"}, lingers: 700 * time.Millisecond}
)

var launchCalls = []launchCall{
	{name: "launch", main: true, do: launching(underRules), requests: "list policies, create policy, create, wait"},
	{name: "launch under a policy that exists", main: true, policies: existing, do: launching(underRules), requests: "list policies, create, wait"},
	{name: "launch by ID", main: true, policies: existing, do: launching(underID), requests: "create, wait"},
	{name: "launch without a policy", main: true, do: launching(underNone), unrestricted: true, requests: "create, wait"},
	{name: "launch of one with a late echo", policies: existing, script: lateEcho, do: launching(underID), requests: "create, get, wait"},
	{name: "launch in a slow list", policies: existing, lag: time.Second, do: launching(underID), requests: "create, wait"},
	{name: "launch of one that advances with each look", policies: existing, script: newStatuses, do: launching(underID), requests: "create, wait, wait, wait"},
	{name: "launch of one that fails", policies: existing, script: failing, do: launching(underID), requests: "create, wait, shutdown", refusal: runloop.ErrDevboxFailed},
	{name: "launch of one that ends", policies: existing, script: endsItself, do: launching(underID), requests: "create, wait", refusal: runloop.ErrDevboxFailed},
	{name: "launch of one without its policy", policies: existing, script: unattached, do: launching(underID), requests: "create, get, get, get, shutdown", refusal: runloop.ErrPolicyNotAttached},
	{name: "launch of one that lies about its policy", policies: existing, script: onlyEchoed, do: launching(underID), requests: "create, wait, get, get, get, shutdown", refusal: runloop.ErrPolicyNotAttached},
	{name: "launch of one under another policy", policies: existing, script: underOther, do: launching(underID), requests: "create, wait, shutdown", refusal: runloop.ErrPolicyNotAttached},
	{name: "launch of one that is stuck", policies: existing, script: stuckBox, patience: 40 * time.Second, do: launching(underID), requests: "create, wait, wait, shutdown", refusal: context.DeadlineExceeded},
	{name: "launch under a pruned policy", policies: existing, prunes: true, do: launching(underRules), requests: "list policies, create, list policies, list policies, create policy, create, wait"},
	{name: "launch by an unknown ID", do: launching(underID), requests: "create, list policies", refusal: runloop.ErrNotFound},
	{name: "create", main: true, do: creating(underRules), requests: "list policies, create policy, create"},
	{name: "create by ID", main: true, policies: existing, do: creating(underID), requests: "create"},
	{name: "create of one without its policy", policies: existing, script: unattached, do: creating(underID), requests: "create, get, get, get, shutdown", refusal: runloop.ErrPolicyNotAttached},
	{name: "create with a key", main: true, policies: existing, boxes: []*modelBox{boxOf(running, "other", "npol_1")}, do: creating(underID, withKey), requests: "list, list, list, list, create"},
	{name: "create with a used key", main: true, policies: existing, boxes: []*modelBox{boxOf(running, "key", "npol_1"), boxOf(running, "other", "npol_1")}, do: creating(underRules, withKey), requests: "list, list, list, list, list, list policies"},
	{name: "create with a key of another policy", policies: existing, boxes: []*modelBox{boxOf(misplaced, "key", "npol_1")}, do: creating(underID, withKey), requests: "list, list, list, list, shutdown", refusal: runloop.ErrPolicyNotAttached},
	{name: "shutdown", main: true, boxes: []*modelBox{boxOf(running, "other", "")}, do: shuttingDown, requests: "shutdown"},
	{name: "shutdown that takes time", boxes: []*modelBox{boxOf(lingering, "other", "")}, do: shuttingDown, requests: "shutdown, get, get, get"},
	{name: "shutdown of one that has failed", boxes: []*modelBox{boxOf(boxScript{statuses: []string{"failure"}}, "other", "")}, do: shuttingDown, requests: "shutdown"},
	{name: "shutdown of an unknown ID", do: shuttingDown, requests: "shutdown", refusal: runloop.ErrNotFound},
	{name: "await", main: true, boxes: []*modelBox{boxOf(healthy, "other", "")}, do: awaiting, requests: "wait"},
	{name: "await of new statuses", boxes: []*modelBox{boxOf(newStatuses, "other", "")}, do: awaiting, requests: "wait, wait, wait, wait"},
	{name: "await of one that fails", boxes: []*modelBox{boxOf(failing, "other", "")}, do: awaiting, requests: "wait", refusal: runloop.ErrDevboxFailed},
	{name: "await of an unknown ID", do: awaiting, requests: "wait", refusal: runloop.ErrNotFound},
}

// A cancelPoint is when the caller cancels the context.
type cancelPoint struct {
	position int // of a request
	when     cancelTime
}

type cancelTime int

const (
	never      cancelTime = iota
	onArrival             // before the request is applied
	onResponse            // after that, before the response
	inPause               // 100 ms after the response
)

// A launchTrial is a trial of a launchCall.
type launchTrial struct {
	*launchCall
	trial
	retries  int
	deadline time.Duration
	cancel   cancelPoint

	before  []*modelBox // of the account
	got     *runloop.Devbox
	ended   error         // the context's, when the call returned
	endedAt time.Duration // when it ended
	took    time.Duration
}

func (c *launchTrial) run(t *testing.T) string {
	tb := &caseTB{TB: t}
	defer tb.end()
	m := newModel(tb, c.plan)
	c.model = m
	m.limit, m.lag = 1, c.lag
	m.script = func() boxScript { return c.script }
	if c.script.statuses == nil {
		m.script = func() boxScript { return healthy }
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
		m.onCreate = func() { m.onCreate, m.policies = nil, nil }
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if d := cmp.Or(c.deadline, c.patience); d > 0 {
		ctx, stop = context.WithTimeout(ctx, d)
		defer stop()
	}
	start := m.server.Now()
	stopWatch := context.AfterFunc(ctx, func() { c.endedAt = m.server.Now() - start })
	m.on = func(position int, responding bool) {
		switch {
		case position != c.cancel.position:
		case c.cancel.when == inPause && responding:
			time.AfterFunc(100*time.Millisecond, stop)
		case c.cancel.when == onArrival && !responding, c.cancel.when == onResponse && responding:
			stop()
			time.Sleep(time.Millisecond) // the client proceeds before the server does
		}
	}
	c.got, c.err = c.do(ctx, m.client(tb, nil, runloop.WithMaxRetries(c.retries)).Devboxes)
	c.ended = ctx.Err()
	c.took = m.server.Now() - start
	synctest.Wait() // for endedAt
	stopWatch()
	if problem := cmp.Or(when(m.leaks(), "a connection that is left open"), c.problem()); problem != "" {
		return problem
	}
	time.Sleep(time.Hour) // for what middleboxes hold back
	return c.problemLater()
}

// problem compares what the client reports with the truth, as the call returns.
func (c *launchTrial) problem() string {
	c.model.mu.Lock()
	defer c.model.mu.Unlock()
	if (c.got == nil) == (c.err == nil) {
		return "neither a devbox nor an error, or both"
	}
	if problem := cmp.Or(c.problemOfTime(), c.model.problemOfCreates()); problem != "" {
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
	const longPause = 4 * time.Second // the shortest pause once it no longer grows
	return cmp.Or(
		when(waits > 6+int(c.took/longPause), "polls without pauses"),
		when(len(c.model.journal)-waits > 30, "too many requests"),
		when(c.ended != nil && c.took > c.endedAt+cleanUp, "a call that does not return after the end of its context"),
		when(c.is("launch") && c.deadline == 0 && c.took > 5*time.Minute+cleanUp, "a launch of more than five minutes"))
}

// problemOfCreates checks that no create that may have been applied is retried.
func (m *model) problemOfCreates() string {
	last := map[string]*entry{}
	for _, e := range m.journal {
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
	tags := map[string]bool{}
	for _, b := range m.boxes {
		if e := last[b.tag]; tags[b.tag] && (e == nil || e.fault != deliveredTwice) {
			return twoDevboxes
		}
		tags[b.tag] = true
	}
	return ""
}

const twoDevboxes = "two devboxes under one tag"

// refused reports whether the client was told that a create may be retried: it was not
// applied.
func (e *entry) refused() bool {
	switch e.fault {
	case "429", "cut body of a 400":
		return true
	case "", "cut body, applied", stalledBody + ", applied": // the API's own response, or its beginning
		return e.status == 400
	}
	// With a key, a launch after one that was refused because its policy had been pruned
	// has the same request ID.
	return slices.ContainsFunc(refusing, func(f fault) bool {
		return f.name == e.fault && f.status >= 400 && f.status < 500 && !f.passes
	})
}

func (c *launchTrial) problemOfSuccess() string {
	if c.is("shutdown") {
		b := c.model.box(c.got.ID)
		return cmp.Or(
			when(c.got.ID != "dbx_1" || b != nil && !b.hasEnded(c.model.server.Now()), "a shutdown without an effect"),
			when(c.got.Status != runloop.DevboxShutdown && c.got.Status != runloop.DevboxFailure, "a shutdown with another status"))
	}
	policy := ""
	if !c.unrestricted {
		policy = "build"
	}
	return cmp.Or(c.model.problemOfDevbox(c.got, !c.is("create")),
		when(c.creates(), c.model.problemOfPolicy(c.got, policy)),
		when(c.refusal != nil && !errors.Is(c.refusal, context.DeadlineExceeded), "a success of what cannot succeed"))
}

// problemOfDevbox compares a devbox that was returned with the truth.
func (m *model) problemOfDevbox(got *runloop.Devbox, isRunning bool) string {
	b := m.box(got.ID)
	if b == nil {
		return "a devbox that does not exist"
	}
	return when(isRunning && (got.Status != runloop.DevboxRunning || b.status(m.server.Now()) != "running"), "a devbox that is not running")
}

// problemOfPolicy compares the policy and the tag of a devbox that was created with the truth.
func (m *model) problemOfPolicy(got *runloop.Devbox, policy string) string {
	b := m.box(got.ID)
	if b == nil {
		return "" // see problemOfDevbox
	}
	return cmp.Or(
		when(b.policy != b.asked || b.under != policy || policy != "" && got.NetworkPolicyID != b.policy, "a devbox without its policy"),
		when(got.Metadata[runloop.MetadataRequestID] != b.tag, "a devbox without its tag"))
}

func (c *launchTrial) problemOfError() string {
	e := devboxError(c.err)
	noDoubt := e == nil && c.creates() && !c.met(func(f *fault) bool { return f.unread }) &&
		!slices.ContainsFunc(c.model.journal, func(e *entry) bool { return e.short() == "create policy" })
	return cmp.Or(
		when(c.is("await") && c.maybe(), "an await that may have been applied"),
		when(c.is("await") && e != nil && (e.Devbox == nil || !errors.Is(e, runloop.ErrDevboxFailed)), "another devbox error of an await"),
		when(c.refusal == nil && c.shouldSucceed(), "an error that retries should have prevented"),
		when(noDoubt && c.maybe(), "a doubt that names no devbox"),
		when(c.is("shutdown") && e != nil, "a devbox error of a shutdown"),
		c.model.problemOfDevboxError(c.err, c.creates()))
}

func devboxError(err error) *runloop.DevboxError {
	e, _ := errors.AsType[*runloop.DevboxError](err)
	return e
}

// problemOfDevboxError compares a DevboxError with the truth. Other errors have no problem.
func (m *model) problemOfDevboxError(err error, creates bool) string {
	e := devboxError(err)
	if e == nil {
		return ""
	}
	if problem := cmp.Or(
		when((e.Devbox == nil) != errors.Is(err, runloop.ErrMaybeApplied), "a known devbox in doubt, or an unknown one without a doubt"),
		when(creates && e.RequestID == "", "a devbox error without a request ID"),
		when(e.Devbox == nil && e.ShutDown, "nothing was shut down"),
	); problem != "" || e.Devbox == nil {
		return problem
	}
	b := m.box(e.Devbox.ID)
	if b == nil || creates && b.tag != e.RequestID {
		return "an error about another devbox"
	}
	hasEnded := b.hasEnded(m.server.Now())
	return cmp.Or(
		when(e.ShutDown && !hasEnded, "a devbox that is not shut down"),
		when(errors.Is(err, runloop.ErrPolicyNotAttached) && b.policy == b.asked, "a policy that is attached"),
		when(errors.Is(err, runloop.ErrDevboxFailed) && !hasEnded, "a devbox that has not failed"))
}

// shouldSucceed reports whether the call met at most two faults, both transient, and none after
// which it is unknown whether a devbox was created. A devbox with a status that the SDK does not
// know is in none of the searched lists.
func (c *launchTrial) shouldSucceed() bool {
	if c.retries < 3 || c.cancel.when != never || c.deadline > 0 || c.lag > 0 || c.script.name == newStatuses.name || len(c.model.fired) > 2 {
		return false
	}
	if c.met(func(f *fault) bool { return !f.passes || f.unread && c.creates() || f.late > time.Minute }) {
		return false
	}
	return !slices.ContainsFunc(c.model.journal, func(e *entry) bool {
		return e.short() == "create" && e.fault != "" && !e.refused() && len(e.effects) == 0
	})
}

// problemLater runs when everything has been delivered.
func (c *launchTrial) problemLater() string {
	synctest.Wait()
	c.model.mu.Lock()
	defer c.model.mu.Unlock()
	if problem := c.model.problemOfCreates(); problem != "" && problem != twoDevboxes {
		return problem
	}
	for _, b := range c.model.boxes {
		isOthers := slices.Contains(c.before, b) && b.tag != "key"
		switch {
		case isOthers && c.creates() && b.isShut:
			return "another program's devbox is shut down"
		case !isOthers && !b.hasEnded(c.model.server.Now()) && !c.names(b):
			return "a devbox that nobody knows of: " + b.String()
		}
	}
	return ""
}

// names reports whether the call returned a devbox, or an error that names it.
func (c *launchTrial) names(b *modelBox) bool {
	if c.got != nil && (c.got.ID == b.id || c.metTwice() && c.got.Metadata[runloop.MetadataRequestID] == b.tag) {
		return true
	}
	e := devboxError(c.err)
	switch {
	case e == nil:
		return false
	case e.Devbox == nil || c.metTwice():
		return e.RequestID == b.tag
	}
	return e.Devbox.ID == b.id && !e.ShutDown
}

func (c *launchTrial) String() string {
	return fmt.Sprintf("retries %d, deadline %s, cancel %+v at %s, took %s\nreturned %v\nerror    %v (%v)\n%s",
		c.retries, c.deadline, c.cancel, c.endedAt, c.took, c.got, c.err, clienttest.Sentinels(c.err), c.model)
}

// outcome is what the caller sees, except for what differs between two equal calls.
func (c *launchTrial) outcome() string {
	if c.err == nil {
		return fmt.Sprint(c.got)
	}
	return fmt.Sprint(reflect.TypeOf(c.err), clienttest.Sentinels(c.err), errors.Is(c.err, runloop.ErrDevboxFailed), errors.Is(c.err, runloop.ErrPolicyNotAttached))
}

var launchAll = flag.Bool("launch.all", false, "TestLaunchMatrix tries a cancel at every step of every pair of faults, for ten minutes")

// The test tries each fault, and each two faults in a row, at every request of every call of
// Devboxes that writes or waits, including lookups and clean-ups. It also tries each fault, and
// each two of the main kinds, with a cancel at every step: as a request arrives, before its
// response, and in the pause after it. No devbox may be returned without its policy. When all
// delayed requests have arrived, each running devbox was returned to its caller, or is identified
// by the error.
//
// With the race detector, or -short, only some faults are tried in each place.
func TestLaunchMatrix(t *testing.T) {
	t.Parallel()
	m := &launchMatrix{tally{n: map[string]int{}}}
	t.Run("calls", func(t *testing.T) {
		for i := range launchCalls {
			s := &launchCalls[i]
			run := func(name string, fill func(t *testing.T, s *launchCall)) {
				t.Run(s.name+"/"+name, clienttest.InBubble(func(t *testing.T) { fill(t, s) }))
			}
			run("without faults", func(t *testing.T, s *launchCall) { m.tryCancels(t, "clean", m.clean(t, s)) })
			run("single faults", m.fillSingles)
			run("outages", m.fillOutages)
			run("pairs", m.fillPairs)
		}
	})
	m.check(t, map[string]int{"clean": 389, "single faults": 5236, "with deadlines": 5236, "pairs": 21429, "outages": 2618})
	if complete() && m.n["clean"] == 389 {
		assert.Greater(t, m.n["with cancels"], 42000)
		assert.Greater(t, m.n["pairs with cancels"], 31000)
	}
}

type launchMatrix struct{ tally }

func (m *launchMatrix) try(t *testing.T, kind string, c launchTrial) *launchTrial {
	problem := c.run(t)
	m.count(kind)
	if e := devboxError(c.err); c.err == nil {
		m.count("successes")
	} else if e != nil && !e.ShutDown {
		m.count("errors that name a devbox")
	}
	if problem != "" {
		t.Fatalf("%s\n%s", problem, &c) // the next ones would be like it
	}
	return &c
}

// tryCancels makes a call again, with a cancel at each step of it.
func (m *launchMatrix) tryCancels(t *testing.T, kind string, base *launchTrial) {
	for position := 1; position <= base.model.position; position++ {
		for _, when := range []cancelTime{onArrival, onResponse, inPause} {
			c := launchTrial{launchCall: base.launchCall, trial: trial{plan: base.plan}, retries: base.retries, cancel: cancelPoint{position, when}}
			compare(t, base, m.try(t, kind, c))
		}
	}
}

// compare checks that a call whose context ended reports that, unless the outcome is the same as
// without the end, which then came too late.
func compare(t *testing.T, base, c *launchTrial) {
	if c.err != nil && c.ended != nil && !errors.Is(c.err, c.ended) && c.outcome() != base.outcome() {
		t.Fatalf("an error that does not match the context's\nwithout its end: %v\n%s", base.err, c)
	}
}

// under returns a trial of the call with a plan.
func (c *launchCall) under(plan func(int) *fault) launchTrial {
	return launchTrial{launchCall: c, trial: trial{plan: plan}, retries: 3}
}

// clean makes the call without faults.
func (m *launchMatrix) clean(t *testing.T, s *launchCall) *launchTrial {
	c := m.try(t, "clean", s.under(at(0)))
	var requests []string
	for _, e := range c.model.requests() {
		requests = append(requests, e.short())
	}
	if strings.Join(requests, ", ") != s.requests || !errors.Is(c.err, s.refusal) {
		t.Fatalf("without faults:\n%s\n%s", strings.Join(requests, ", "), c)
	}
	return c
}

// mainFaults returns the faults of a request that are tried in pairs with cancels.
func (e *entry) mainFaults() []fault {
	if e.method == "GET" {
		return like(e.launchFaults(), "429", "404 page", "hang", "502", "empty 200", foreign+"devbox")
	}
	return like(e.launchFaults(), "connection refused", "429", "404 page", "cut body of a 400", "closed after the request",
		"closed after the request, applied", "cut body, applied", "hang, applied", "502, applied", "504, delivered after the call",
		"200 HTML, applied", foreign+"devbox, applied")
}

func (m *launchMatrix) fillSingles(t *testing.T, s *launchCall) {
	for e, f := range places(m.clean(t, s).model.requests(), (*entry).launchFaults) {
		trial := s.under(at(e.position, f))
		c := m.try(t, "single faults", trial)
		m.tryCancels(t, "with cancels", c)
		for _, d := range []time.Duration{time.Second, 10 * time.Second} {
			trial.deadline = d
			compare(t, c, m.try(t, "with deadlines", trial))
		}
		trial.deadline, trial.retries = 0, 0
		m.try(t, "single faults", trial)
	}
}

func (m *launchMatrix) fillPairs(t *testing.T, s *launchCall) {
	faults := (*entry).mainFaults
	if s.main {
		faults = (*entry).launchFaults
	}
	for e, first := range places(m.clean(t, s).model.requests(), faults) {
		single := s.under(at(e.position, first))
		single.run(t)
		next := single.next(e)
		if next == nil {
			continue // the first fault ends the call
		}
		for _, second := range someOf(e.position, faults(next)) {
			c := m.try(t, "pairs", s.under(at(e.position, first, &second)))
			isMain := len(like(e.mainFaults(), first.name)) > 0 && len(like(next.mainFaults(), second.name)) > 0
			if s.main && (*launchAll || isMain) {
				m.tryCancels(t, "pairs with cancels", c)
			}
		}
	}
}

// fillOutages tries a fault that does not end.
func (m *launchMatrix) fillOutages(t *testing.T, s *launchCall) {
	for e, f := range places(m.clean(t, s).model.requests(), (*entry).launchFaults) {
		c := s.under(from(e.position, f))
		if s.is("await") { // which waits without end for an API that only reports timeouts of its own
			c.deadline = 10 * time.Minute
		}
		m.try(t, "outages", c)
	}
}
