package faults

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// raceDetector is set by a test binary that is built with -race.
var raceDetector bool

// complete reports whether the matrices are tried as a whole. With the race detector, that
// would take minutes.
func complete() bool { return !raceDetector && !testing.Short() }

// someOf returns the faults that are tried at a position.
func someOf(position int, all []fault) []fault {
	oneOf := 6
	if raceDetector {
		oneOf = 12
	}
	var some []fault
	for i, f := range all {
		if complete() || (i+position)%oneOf == 0 {
			some = append(some, f)
		}
	}
	return some
}

// places yields each of the faults at each of the requests.
func places(requests []*entry, faults func(*entry) []fault) iter.Seq2[*entry, *fault] {
	return func(yield func(*entry, *fault) bool) {
		for _, e := range requests {
			for _, f := range someOf(e.position, faults(e)) {
				if !yield(e, &f) {
					return
				}
			}
		}
	}
}

// at plans faults in a row, the first at a position.
func at(first int, faults ...*fault) func(int) *fault {
	return func(position int) *fault {
		if i := position - first; i >= 0 && i < len(faults) {
			return faults[i]
		}
		return nil
	}
}

// from plans a fault for every request from a position on.
func from(first int, f *fault) func(int) *fault {
	return func(position int) *fault {
		if position < first {
			return nil
		}
		return f
	}
}

// A trial is one call under faults, and its outcome.
type trial struct {
	plan  func(position int) *fault
	model *model
	err   error
}

func (c *trial) met(is func(*fault) bool) bool { return slices.ContainsFunc(c.model.fired, is) }

func (c *trial) metSilent400() bool { return c.met(func(f *fault) bool { return f.name == silent400 }) }

func (c *trial) metTwice() bool { return c.met(func(f *fault) bool { return f.repeats }) }

func (c *trial) maybe() bool { return errors.Is(c.err, runloop.ErrMaybeApplied) }

// next returns the request that followed one, or nil if it ended the call.
func (c *trial) next(e *entry) *entry {
	journal := c.model.requests()
	i := slices.IndexFunc(journal, func(other *entry) bool { return other.position == e.position+1 })
	if i < 0 {
		return nil
	}
	return journal[i]
}

// when returns the problem if something is wrong, and "" otherwise.
func when(wrong bool, problem string) string {
	if wrong {
		return problem
	}
	return ""
}

// A tally counts trials by their kinds.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (n *tally) count(kind string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.n[kind]++
}

// check requires the numbers of a complete matrix, except for those that depend on waits.
func (n *tally) check(t *testing.T, want map[string]int) {
	t.Log(n.n)
	if complete() && !strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		assert.Subset(t, n.n, want)
	}
}

// A caseTB is a test within a test, which cleans up when it ends.
type caseTB struct {
	testing.TB
	cleanups []func()
}

func (c *caseTB) Cleanup(f func()) { c.cleanups = append(c.cleanups, f) }

func (c *caseTB) end() {
	for _, f := range slices.Backward(c.cleanups) {
		f()
	}
}

// A matrixCall is a call that changes an account, and all that it may do there.
type matrixCall struct {
	name    string
	account []seed // the oldest first: npol_1, npol_2
	do      func(context.Context, service) ([]runloop.NetworkPolicy, error)
	// effects are what it does.
	effects []string
	// refusal is its error without faults. After a fault, a delete may succeed instead: it looks
	// as if it had deleted the policy.
	refusal   error
	mayBeDone bool
	// id is of the policy that the caller names by its ID.
	id string
}

type service = *runloop.NetworkPoliciesService

type seed struct {
	policy runloop.NetworkPolicy
	inUse  bool
}

func named(name string) seed { return seed{policy: runloop.NetworkPolicy{Name: name}} }

var (
	rules  = runloop.EgressRules{AllowedHostnames: []string{"github.com"}}
	params = runloop.NetworkPolicyCreateParams{Name: "build", Description: "new", Egress: rules}
	// equal is another program's policy, as a create would create it.
	equal = seed{policy: runloop.NetworkPolicy{Name: "build", Description: "new", Egress: rules}}
	inUse = seed{runloop.NetworkPolicy{Name: "build-used"}, true}
)

// one is a call with a single result.
func one(do func(context.Context, service) (*runloop.NetworkPolicy, error)) func(context.Context, service) ([]runloop.NetworkPolicy, error) {
	return func(ctx context.Context, s service) ([]runloop.NetworkPolicy, error) {
		policy, err := do(ctx, s)
		if policy == nil {
			return nil, err
		}
		return []runloop.NetworkPolicy{*policy}, err
	}
}

var (
	create = one(func(ctx context.Context, s service) (*runloop.NetworkPolicy, error) { return s.Create(ctx, params) })
	remove = one(func(ctx context.Context, s service) (*runloop.NetworkPolicy, error) { return s.Delete(ctx, "npol_1") })
	ensure = one(func(ctx context.Context, s service) (*runloop.NetworkPolicy, error) { return s.Ensure(ctx, params) })
	apply  = one(func(ctx context.Context, s service) (*runloop.NetworkPolicy, error) { return s.Apply(ctx, params) })
	find   = one(func(ctx context.Context, s service) (*runloop.NetworkPolicy, error) { return s.GetByName(ctx, "build") })
	update = one(func(ctx context.Context, s service) (*runloop.NetworkPolicy, error) {
		return s.Update(ctx, "npol_1", runloop.NetworkPolicyUpdateParams{Name: new("build"), Description: new("new"), AllowedHostnames: &rules.AllowedHostnames})
	})
)

func prune(ctx context.Context, s service) ([]runloop.NetworkPolicy, error) {
	return s.Prune(ctx, runloop.PruneParams{NamePrefix: "build"})
}

// Each list has two pages: a name is looked up among those that contain it. The call of
// GetByName tests these lookups.
var matrixCalls = []matrixCall{
	{name: "create", account: []seed{named("build-2"), named("xbuild")}, do: create, effects: []string{"created npol_3"}},
	{name: "create of a taken name", account: []seed{equal, named("xbuild")}, do: create, refusal: runloop.ErrNameTaken},
	{name: "update", account: []seed{named("old")}, do: update, id: "npol_1", effects: []string{"changed npol_1"}},
	{name: "update to a taken name", account: []seed{named("old"), equal}, do: update, id: "npol_1", refusal: runloop.ErrNameTaken},
	{name: "update of an unknown ID", do: update, id: "npol_1", refusal: runloop.ErrNotFound},
	{name: "delete", account: []seed{named("build")}, do: remove, id: "npol_1", effects: []string{"deleted npol_1"}},
	{name: "delete of a policy in use", account: []seed{inUse}, do: remove, id: "npol_1", refusal: runloop.ErrPolicyInUse},
	{name: "delete of an unknown ID", do: remove, id: "npol_1", refusal: runloop.ErrNotFound, mayBeDone: true},
	{name: "ensure", account: []seed{named("build-2"), named("xbuild")}, do: ensure, effects: []string{"created npol_3"}},
	{name: "ensure of one that exists", account: []seed{equal, named("xbuild")}, do: ensure},
	{name: "ensure of one that differs", account: []seed{named("build"), named("xbuild")}, do: ensure, refusal: runloop.ErrDrift},
	{name: "apply", account: []seed{named("build-2"), named("xbuild")}, do: apply, effects: []string{"created npol_3"}},
	{name: "apply to one that exists", account: []seed{equal, named("xbuild")}, do: apply},
	{name: "apply to one that differs", account: []seed{named("build"), named("xbuild")}, do: apply, effects: []string{"changed npol_1"}},
	{name: "get by name", account: []seed{named("build"), named("xbuild")}, do: find},
	{name: "prune", account: []seed{named("build-1"), inUse, named("xbuild"), named("build-4")}, do: prune, effects: []string{"deleted npol_1", "deleted npol_4"}},
}

// A setting is the circumstances of a call.
type setting struct {
	retries int
	hosts   []string // that a middleware asks for tokens
	skew    time.Duration
}

// A policyTrial is a trial of a matrixCall.
type policyTrial struct {
	*matrixCall
	setting
	trial
	got []runloop.NetworkPolicy
}

// run makes the call and returns what is wrong with its outcome.
func (c *policyTrial) run(t *testing.T) string {
	tb := &caseTB{TB: t}
	defer tb.end()
	m := newModel(tb, c.plan)
	c.model = m
	m.skew, m.limit = c.skew, 1
	if c.name == "prune" {
		m.limit = 2
	}
	for _, s := range c.account {
		m.add(s.policy, 4*time.Minute, s.inUse)
	}
	c.got, c.err = c.do(t.Context(), m.client(tb, c.hosts, runloop.WithMaxRetries(c.retries)).NetworkPolicies)
	synctest.Wait()
	if problem := cmp.Or(when(m.leaks(), "a connection that is left open"), c.problem()); problem != "" {
		return problem
	}
	if c.met(func(f *fault) bool { return f.late > 0 }) {
		time.Sleep(time.Hour)
		return c.problemLater()
	}
	return ""
}

// problem compares what the client reports with the journal.
func (c *policyTrial) problem() string {
	journal := c.model.requests()
	effects := c.model.effects(journal)
	if problem := cmp.Or(problemOfRequests(journal), c.problemOfEffects(effects)); problem != "" {
		return problem
	}
	if c.err != nil {
		return c.problemOfError(effects)
	}
	for _, effect := range c.effects {
		// A 400 without a message is how the contract reports that a policy is in use.
		if !slices.Contains(effects, effect) && !(c.name == "prune" && c.metSilent400()) {
			return "a success without its effect"
		}
	}
	for _, got := range c.got {
		if problem := c.problemOfResult(got); problem != "" {
			return problem
		}
	}
	return cmp.Or(when(c.refusal != nil && !c.mayBeDone, "a success of what cannot succeed"),
		when(c.name == "prune" && len(c.got) != len(effects) && !c.metTwice(), "other policies than those that were deleted"))
}

// problemOfEffects finds what the call was not asked for, and what it did twice.
func (c *policyTrial) problemOfEffects(effects []string) string {
	for i, effect := range effects {
		switch {
		case !slices.Contains(c.effects, effect):
			return "an effect that nobody asked for: " + effect
		case strings.HasPrefix(effect, "created ") && slices.Contains(effects[:i], effect):
			return "created twice"
		}
	}
	return ""
}

// problemOfResult compares a policy that was returned with the account.
func (c *policyTrial) problemOfResult(got runloop.NetworkPolicy) string {
	account := c.model.account()
	i := slices.IndexFunc(account, byID(got.ID))
	switch {
	case slices.Contains(c.effects, "deleted "+got.ID) || c.mayBeDone:
		return when(i >= 0, "a delete without an effect")
	case i < 0:
		return "a policy that does not exist"
	}
	return when(!assert.ObjectsAreEqual(account[i].public(), got), fmt.Sprintf("another policy than there is: %+v", got))
}

func (c *policyTrial) problemOfError(effects []string) string {
	account := c.model.account()
	has := func(is func(modelPolicy) bool) bool { return slices.ContainsFunc(account, is) }
	is := func(sentinel error) bool { return errors.Is(c.err, sentinel) }
	// While nothing is in doubt, a 404 is reported by its status alone.
	metStatus404 := !c.maybe() && c.met(func(f *fault) bool { return f.status == 404 })
	nameTaken := has(func(p modelPolicy) bool { return p.Name == "build" && p.ID != c.id })
	used := has(func(p modelPolicy) bool { return p.InUse }) || c.metSilent400() // the contract has no other 400 of a delete
	retried := c.retries == 3 && len(c.model.fired) <= 2 && !c.met(func(f *fault) bool { return !f.passes })
	return cmp.Or(
		when(c.name != "prune" && c.got != nil, "a value with an error"),
		when(!c.maybe() && !c.explains(effects), "an effect that the error denies"),
		when(c.maybe() && !c.met(c.isUnclear), "a doubt without a reason"),
		when(is(runloop.ErrNotFound) && c.id == "", "ErrNotFound for a call without an ID"),
		when(is(runloop.ErrNotFound) && has(byID(c.id)) && !metStatus404, "ErrNotFound for a policy that exists"),
		when(is(runloop.ErrNameTaken) && !nameTaken, "ErrNameTaken for a name that is free"),
		when(is(runloop.ErrPolicyInUse) && !used, "ErrPolicyInUse for a policy that is not in use"),
		when(is(runloop.ErrDrift) && c.refusal != runloop.ErrDrift, "ErrDrift for a policy with equal rules"),
		when(!(c.refusal != nil && is(c.refusal)) && retried && !c.model.doubled(c.model.requests()) && !c.lied(), "an error that retries should have prevented"))
}

// isUnclear also counts a refused connection if a middleware connects to the same host: the
// client cannot tell whose connection it was.
func (c *policyTrial) isUnclear(f *fault) bool {
	return f.unclear || f.refuses && slices.Contains(c.hosts, "localhost")
}

// explains reports whether an error that denies every effect is right, except for effects on
// policies that are returned with it.
func (c *policyTrial) explains(effects []string) bool {
	for _, effect := range effects {
		_, id, _ := strings.Cut(effect, " ")
		if !slices.ContainsFunc(c.got, func(p runloop.NetworkPolicy) bool { return p.ID == id }) {
			return c.model.doubled(c.model.requests())
		}
	}
	return true
}

// lied reports whether something responded 200 to a request that the API refused. Then the
// call need not find out why the API would refuse it.
func (c *policyTrial) lied() bool {
	return c.refusal != nil && c.met(func(f *fault) bool { return f.name == "cut body" || f.name == stalledBody })
}

// problemLater runs when middleboxes have delivered what they held back.
func (c *policyTrial) problemLater() string {
	effects := c.model.effects(c.model.requests())
	return cmp.Or(c.problemOfEffects(effects), when(c.err != nil && !c.maybe() && !c.explains(effects), "a late effect that the error denies"))
}

// problemOfRequests checks how often a request is sent, and under which ID.
func problemOfRequests(journal []*entry) string {
	if len(journal) > 12 {
		return "too many requests"
	}
	row := 0
	ids := map[string]string{}
	for i, e := range journal {
		again := i > 0 && journal[i-1].method == e.method && journal[i-1].target == e.target
		if !again {
			row = 0
		} else if e.method == http.MethodPost || e.at > journal[i-1].at { // or it is net/http's own repetition
			row++
		}
		what := e.method + " " + e.target + " " + e.body
		if problem := cmp.Or(
			when(row > 3, "a request that is sent more than four times in a row"),
			when((e.requestID == "") != (e.method == "GET"), "a write without an ID, or a read with one"),
			when(again && e.requestID != journal[max(0, i-1)].requestID, "a retry under another ID"),
			when(e.requestID != "" && ids[e.requestID] != "" && ids[e.requestID] != what, "two requests under one ID"),
		); problem != "" {
			return problem
		}
		ids[e.requestID] = what
	}
	return ""
}

func (c *policyTrial) String() string {
	return fmt.Sprintf("%+v\nreturned %+v\nerror    %v (%v)\n%s", c.setting, c.got, c.err, clienttest.Sentinels(c.err), c.model)
}

type matrix struct{ tally }

func (m *matrix) try(t *testing.T, kind string, s *matrixCall, set setting, plan func(int) *fault) *policyTrial {
	c := &policyTrial{matrixCall: s, setting: set, trial: trial{plan: plan}}
	problem := c.run(t)
	m.count(kind)
	if c.err == nil {
		m.count("successes")
	} else if c.maybe() {
		m.count("in doubt")
	}
	if problem != "" {
		t.Fatalf("%s\n%s", problem, c) // the next ones would be like it
	}
	return c
}

var (
	sameHost  = []string{"localhost"}
	otherHost = []string{"token.example.test"}
	bothHosts = []string{"localhost", "token.example.test"}
)

// The test tries each fault, each two faults in a row, some three faults in a row, and each fault
// without end, at every request of every call that writes, including lookups. Nothing may be
// created twice, and every success must have its effect. The error of each call that changed
// something, or will when a middlebox delivers it, must match ErrMaybeApplied. No connection is
// left open. What changed is in the server's journal. The second of two faults comes at whatever
// the client sends after the first.
//
// With the race detector, or -short, only some faults are tried in each place.
func TestMatrix(t *testing.T) {
	t.Parallel()
	m := &matrix{tally{n: map[string]int{}}}
	t.Run("calls", func(t *testing.T) {
		for i := range matrixCalls {
			s := &matrixCalls[i]
			run := func(name string, fill func(t *testing.T)) {
				t.Run(s.name+"/"+name, clienttest.InBubble(fill))
			}
			run("single faults", func(t *testing.T) {
				for _, retries := range []int{0, 3} {
					m.fillSingles(t, s, setting{retries, nil, 0})
					m.fillSingles(t, s, setting{retries, nil, -24 * time.Hour})
					m.fillSingles(t, s, setting{retries, nil, 6 * time.Minute})
					m.fillSingles(t, s, setting{retries, otherHost, 0})
					m.fillSingles(t, s, setting{retries, bothHosts, 6 * time.Minute})
				}
			})
			run("outages", func(t *testing.T) { m.fillOutages(t, s, setting{retries: 3}) })
			run("pairs", func(t *testing.T) { m.fillPairs(t, s, setting{retries: 3}) })
			run("pairs without retries", func(t *testing.T) { m.fillPairs(t, s, setting{retries: 0}) })
			run("threes", func(t *testing.T) { m.fillThrees(t, s, setting{retries: 1}) })
			run("pairs under a middleware", func(t *testing.T) { m.fillPairs(t, s, setting{retries: 3, hosts: sameHost}) })
		}
	})
	m.check(t, map[string]int{"single faults": 11920, "pairs": 93534, "threes": 19324, "outages": 1192})
}

// clean makes the call without faults, and returns its requests.
func clean(t *testing.T, s *matrixCall, set setting) []*entry {
	c := &policyTrial{matrixCall: s, setting: set, trial: trial{plan: at(0)}}
	if problem := c.run(t); problem != "" || !errors.Is(c.err, s.refusal) {
		t.Fatalf("without faults: %s\n%s", problem, c)
	}
	return c.model.requests()
}

func (m *matrix) fillSingles(t *testing.T, s *matrixCall, set setting) {
	for e, f := range places(clean(t, s, set), (*entry).faults) {
		m.try(t, "single faults", s, set, at(e.position, f))
	}
}

func (m *matrix) fillPairs(t *testing.T, s *matrixCall, set setting) {
	for e, first := range places(clean(t, s, set), (*entry).faults) {
		single := &policyTrial{matrixCall: s, setting: set, trial: trial{plan: at(e.position, first)}}
		single.run(t)
		if next := single.next(e); next != nil {
			for _, second := range someOf(e.position, next.faults()) {
				m.try(t, "pairs", s, set, at(e.position, first, &second))
			}
		}
	}
}

// fillThrees also lets the API respond between the first fault and the others: that the name
// is taken, for example.
func (m *matrix) fillThrees(t *testing.T, s *matrixCall, set setting) {
	few := like(faultsOf(http.MethodPost), "closed unread", "429", "404 page", silent400, "503", "504, applied",
		"cut body, applied", "200 {}, applied", "504, delivered after the retry")
	for _, pause := range [][]*fault{nil, {nil}} {
		for _, e := range clean(t, s, set) {
			for i := range few {
				for j := range few {
					for k := range few {
						if !complete() && (i+j+k)%9 > 0 {
							continue
						}
						row := slices.Concat([]*fault{&few[i]}, pause, []*fault{&few[j], &few[k]})
						if c := m.try(t, "threes", s, set, at(e.position, row...)); len(c.model.fired) < 3 {
							break // the first or the second fault ends the call
						}
					}
				}
			}
		}
	}
}

// fillOutages also checks that a call does not multiply the load of an outage: it sends four
// requests, and one lookup if it is a write.
func (m *matrix) fillOutages(t *testing.T, s *matrixCall, set setting) {
	limits := map[string]int{http.MethodGet: 4, http.MethodPost: 5}
	for e, f := range places(clean(t, s, set), (*entry).faults) {
		c := m.try(t, "outages", s, set, from(e.position, f))
		// net/http repeats a read immediately if a connection that it kept turns out to be closed.
		if sent := len(slices.Compact(c.model.times[e.position-1:])); sent > limits[e.method] {
			t.Fatalf("%d requests in an outage\n%s", sent, c)
		}
	}
}
