package faults

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
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

// A matrixCall is a call that changes an account, and all that it may do there.
type matrixCall struct {
	name    string
	account []seed // the oldest first: npol_1, npol_2
	do      func(context.Context, *runloop.Client) ([]runloop.NetworkPolicy, error)
	// effects are what it does.
	effects []string
	// refusal is its error without faults. A delete may then succeed after a fault: it
	// looks as if it had deleted the policy.
	refusal   error
	mayBeDone bool
	// id is of the policy that the caller names by its ID.
	id string
}

type seed struct {
	policy runloop.NetworkPolicy
	inUse  bool
}

func named(name string) seed { return seed{policy: runloop.NetworkPolicy{Name: name}} }

var (
	rules  = runloop.EgressRules{AllowedHostnames: []string{"github.com"}}
	params = runloop.NetworkPolicyCreateParams{Name: "build", Description: "new", Egress: rules}
	// equal is a stranger's policy, as a create would create it.
	equal = seed{policy: runloop.NetworkPolicy{Name: "build", Description: "new", Egress: rules}}
	inUse = seed{runloop.NetworkPolicy{Name: "build-used"}, true}
)

// build is a policy of other tests' accounts.
var build = runloop.NetworkPolicy{ID: "npol_1", Name: "build"}

// one is a call with a single result.
func one(do func(context.Context, *runloop.NetworkPoliciesService) (*runloop.NetworkPolicy, error)) func(context.Context, *runloop.Client) ([]runloop.NetworkPolicy, error) {
	return func(ctx context.Context, c *runloop.Client) ([]runloop.NetworkPolicy, error) {
		policy, err := do(ctx, c.NetworkPolicies)
		if policy == nil {
			return nil, err
		}
		return []runloop.NetworkPolicy{*policy}, err
	}
}

var (
	create = one(func(ctx context.Context, s *runloop.NetworkPoliciesService) (*runloop.NetworkPolicy, error) {
		return s.Create(ctx, params)
	})
	update = one(func(ctx context.Context, s *runloop.NetworkPoliciesService) (*runloop.NetworkPolicy, error) {
		return s.Update(ctx, "npol_1", runloop.NetworkPolicyUpdateParams{Name: new("build"), Description: new("new"), AllowedHostnames: &rules.AllowedHostnames})
	})
	remove = one(func(ctx context.Context, s *runloop.NetworkPoliciesService) (*runloop.NetworkPolicy, error) {
		return s.Delete(ctx, "npol_1")
	})
	ensure = one(func(ctx context.Context, s *runloop.NetworkPoliciesService) (*runloop.NetworkPolicy, error) {
		return s.Ensure(ctx, params)
	})
	apply = one(func(ctx context.Context, s *runloop.NetworkPoliciesService) (*runloop.NetworkPolicy, error) {
		return s.Apply(ctx, params)
	})
)

var getByName = one(func(ctx context.Context, s *runloop.NetworkPoliciesService) (*runloop.NetworkPolicy, error) {
	return s.GetByName(ctx, "build")
})

func prune(ctx context.Context, c *runloop.Client) ([]runloop.NetworkPolicy, error) {
	return c.NetworkPolicies.Prune(ctx, runloop.PruneParams{NamePrefix: "build"})
}

// Each list has two pages: a name is looked up among those that contain it. GetByName is
// here for these lookups.
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
	{name: "get by name", account: []seed{named("build"), named("xbuild")}, do: getByName},
	{name: "prune", account: []seed{named("build-1"), inUse, named("xbuild"), named("build-4")}, do: prune, effects: []string{"deleted npol_1", "deleted npol_4"}},
}

// A setting is the circumstances of a call.
type setting struct {
	retries int
	hosts   []string // that a middleware asks for tokens
	skew    time.Duration
}

// A trial is one call under faults, and what came of it.
type trial struct {
	*matrixCall
	setting
	plan  func(position int) *fault
	model *model
	got   []runloop.NetworkPolicy
	err   error
}

// run makes the call and returns what is wrong with its outcome.
func (c *trial) run(t *testing.T) string {
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
	client := m.client(tb, c.hosts, runloop.WithMaxRetries(c.retries))
	c.got, c.err = c.do(t.Context(), client)
	synctest.Wait()
	if problem := c.problem(); problem != "" {
		return problem
	}
	if c.met(func(f *fault) bool { return f.late > 0 }) {
		time.Sleep(time.Hour)
		return c.problemLater()
	}
	return ""
}

func (c *trial) met(is func(*fault) bool) bool { return slices.ContainsFunc(c.model.fired, is) }

func (c *trial) metSilent400() bool { return c.met(func(f *fault) bool { return f.name == silent400 }) }

func (c *trial) metStatus(status int) bool {
	return c.met(func(f *fault) bool { return f.status == status })
}

// problem compares what the client reports with the journal.
func (c *trial) problem() string {
	journal := c.model.requests(0)
	if problem := problemOfRequests(journal); problem != "" {
		return problem
	}
	effects := c.model.effects(journal)
	if problem := c.problemOfEffects(effects); problem != "" {
		return problem
	}
	if c.err != nil {
		return c.problemOfError(effects)
	}
	if c.refusal != nil && !c.mayBeDone {
		return "a success of what cannot succeed"
	}
	for _, effect := range c.effects {
		// A 400 without a message is the contract's way to say that a policy is in use.
		if !slices.Contains(effects, effect) && !(c.name == "prune" && c.metSilent400()) {
			return "a success that is none"
		}
	}
	for _, got := range c.got {
		if problem := c.problemOfResult(got, effects); problem != "" {
			return problem
		}
	}
	if c.name == "prune" && len(c.got) != len(effects) && !c.met(func(f *fault) bool { return f.repeats }) {
		return "other policies than those that were deleted"
	}
	return ""
}

// problemOfEffects finds what the call was not asked for, and what it did twice.
func (c *trial) problemOfEffects(effects []string) string {
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
func (c *trial) problemOfResult(got runloop.NetworkPolicy, effects []string) string {
	account := c.model.account()
	i := slices.IndexFunc(account, func(p modelPolicy) bool { return p.ID == got.ID })
	switch {
	case slices.Contains(c.effects, "deleted "+got.ID) || c.mayBeDone:
		if i >= 0 {
			return "a delete that is none"
		}
	case i < 0:
		return "a policy that does not exist"
	case !assert.ObjectsAreEqual(account[i].public(), got):
		return fmt.Sprintf("another policy than there is: %+v", got)
	}
	return ""
}

func (c *trial) problemOfError(effects []string) string {
	if c.name != "prune" && c.got != nil {
		return "a value with an error"
	}
	maybe := errors.Is(c.err, runloop.ErrMaybeApplied)
	if !maybe && !c.explains(effects) {
		return "an effect that the error denies"
	}
	if maybe && !c.met(c.isUnclear) {
		return "a doubt without a reason"
	}
	account := c.model.account()
	has := func(is func(modelPolicy) bool) bool { return slices.ContainsFunc(account, is) }
	switch {
	case errors.Is(c.err, runloop.ErrNotFound) && c.id == "":
		return "ErrNotFound for a call without an ID"
	case errors.Is(c.err, runloop.ErrNotFound) && has(func(p modelPolicy) bool { return p.ID == c.id }):
		// By the status alone, while nothing is in doubt.
		if maybe || !c.metStatus(404) {
			return "ErrNotFound for a policy that is there"
		}
	case errors.Is(c.err, runloop.ErrNameTaken) && !has(func(p modelPolicy) bool { return p.Name == "build" && p.ID != c.id }):
		return "ErrNameTaken for a name that is not"
	case errors.Is(c.err, runloop.ErrPolicyInUse) && !has(func(p modelPolicy) bool { return p.InUse }):
		// The contract has no other 400 of a delete.
		if !c.metSilent400() {
			return "ErrPolicyInUse for a policy that is not"
		}
	case errors.Is(c.err, runloop.ErrDrift) && c.refusal != runloop.ErrDrift:
		return "ErrDrift for a policy that does not"
	}
	if c.refusal != nil && errors.Is(c.err, c.refusal) {
		return ""
	}
	if c.retries == 3 && !c.met(func(f *fault) bool { return !f.passes }) && len(c.model.fired) <= 2 && !c.doubled() && !c.lied() {
		return "an error that retries should have prevented"
	}
	return ""
}

// isUnclear also counts a refused connection where a middleware connects to the same host:
// there is no telling whose connection it was.
func (c *trial) isUnclear(f *fault) bool {
	return f.unclear || f.refuses && slices.Contains(c.hosts, "localhost")
}

// explains reports whether an error that denies every effect is right: except those of
// policies that are returned with it.
func (c *trial) explains(effects []string) bool {
	for _, effect := range effects {
		_, id, _ := strings.Cut(effect, " ")
		if !slices.ContainsFunc(c.got, func(p runloop.NetworkPolicy) bool { return p.ID == id }) {
			return c.doubled()
		}
	}
	return true
}

// doubled reports whether a proxy that sends requests twice made the call refuse its own
// work, which no client can tell.
func (c *trial) doubled() bool {
	return c.met(func(f *fault) bool { return f.repeats }) && (errors.Is(c.err, runloop.ErrNameTaken) || errors.Is(c.err, runloop.ErrNotFound))
}

// lied reports whether something said 200 to a request that the API refused. Then the
// call need not find out why the API would refuse it.
func (c *trial) lied() bool {
	return c.refusal != nil && c.met(func(f *fault) bool { return f.name == "cut body" || f.name == stalledBody })
}

// problemLater is asked when middleboxes have delivered what they held back.
func (c *trial) problemLater() string {
	effects := c.model.effects(c.model.requests(0))
	if problem := c.problemOfEffects(effects); problem != "" {
		return problem
	}
	if c.err != nil && !errors.Is(c.err, runloop.ErrMaybeApplied) && !c.explains(effects) {
		return "a late effect that the error denies"
	}
	return ""
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
		switch {
		case !again:
			row = 0
		case e.method == http.MethodPost || e.at > journal[i-1].at: // else it is net/http's own repetition
			row++
		}
		what := e.method + " " + e.target + " " + e.body
		switch {
		case row > 3:
			return "a request that is sent more than four times in a row"
		case (e.requestID == "") != (e.method == "GET"):
			return "a write without an ID, or a read with one"
		case again && e.requestID != journal[i-1].requestID:
			return "a retry under another ID"
		case e.requestID != "" && ids[e.requestID] != "" && ids[e.requestID] != what:
			return "two requests under one ID"
		}
		ids[e.requestID] = what
	}
	return ""
}

func (c *trial) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "retries %d, hosts %v, skew %s\nfaults:", c.retries, c.hosts, c.skew)
	for _, f := range c.model.fired {
		fmt.Fprintf(&b, " [%s]", f.name)
	}
	fmt.Fprintf(&b, "\nreturned %+v\nerror    %v (%v)\n", c.got, c.err, clienttest.Sentinels(c.err))
	for _, e := range c.model.requests(0) {
		fmt.Fprintf(&b, "  %s\n", e)
	}
	fmt.Fprintf(&b, "account  %+v", c.model.account())
	return b.String()
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

// complete reports whether the whole matrix is tried. Under the race detector, that
// would take minutes.
func complete() bool { return !raceDetector && !testing.Short() }

// chosen are the faults of requests with a method that are tried at a position.
func chosen(method string, position int) []fault {
	all := faultsOf(method)
	if complete() {
		return all
	}
	var some []fault
	for i, f := range all {
		if (i+position)%5 == 0 {
			some = append(some, f)
		}
	}
	return some
}

// few are faults of all sorts, for threes.
func few() []fault {
	names := []string{"closed unread", "429", "404 page", silent400, "503", "504, carried out", "cut body, carried out", "200 {}, carried out", "504, delivered after the retry"}
	return slices.DeleteFunc(faultsOf(http.MethodPost), func(f fault) bool { return !slices.Contains(names, f.name) })
}

// A matrix counts trials.
type matrix struct {
	singles, pairs, threes, outages, successes, maybes atomic.Int64
}

func (m *matrix) try(t *testing.T, count *atomic.Int64, s *matrixCall, set setting, plan func(int) *fault) *trial {
	c := &trial{matrixCall: s, setting: set, plan: plan}
	problem := c.run(t)
	count.Add(1)
	switch {
	case c.err == nil:
		m.successes.Add(1)
	case errors.Is(c.err, runloop.ErrMaybeApplied):
		m.maybes.Add(1)
	}
	if problem != "" {
		t.Errorf("%s\n%s", problem, c)
	}
	return c
}

var (
	sameHost  = []string{"localhost"}
	otherHost = []string{"token.example.test"}
	bothHosts = []string{"localhost", "token.example.test"}
)

// Each fault, each two faults in a row, some by threes, and each fault without end, at every request of
// every call that writes, lookups included: nothing is created twice, no success is
// reported that is none, and each error of a call that changed something, or will when a
// middlebox delivers it, matches ErrMaybeApplied. What changed is told by the server's
// journal. The second of two faults comes at whatever the client sends after the first.
//
// With the race detector, or -short, only one fault of five is tried in each place.
func TestMatrix(t *testing.T) {
	t.Parallel()
	m := new(matrix)
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
	t.Logf("%d single faults, %d pairs, %d threes, %d outages: %d successes, %d errors that leave the effect open",
		m.singles.Load(), m.pairs.Load(), m.threes.Load(), m.outages.Load(), m.successes.Load(), m.maybes.Load())
	if complete() && !strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		assert.EqualValues(t, 11920, m.singles.Load())
		assert.EqualValues(t, 93342, m.pairs.Load())
		assert.EqualValues(t, 19324, m.threes.Load())
		assert.EqualValues(t, 1192, m.outages.Load())
	}
}

// clean makes the call without faults.
func clean(t *testing.T, s *matrixCall, set setting) []*entry {
	c := &trial{matrixCall: s, setting: set, plan: at(0)}
	if problem := c.run(t); problem != "" || !errors.Is(c.err, s.refusal) {
		t.Fatalf("without faults: %s\n%s", problem, c)
	}
	return c.model.requests(0)
}

func (m *matrix) fillSingles(t *testing.T, s *matrixCall, set setting) {
	for _, e := range clean(t, s, set) {
		for _, f := range chosen(e.method, e.position) {
			m.try(t, &m.singles, s, set, at(e.position, &f))
		}
	}
}

func (m *matrix) fillPairs(t *testing.T, s *matrixCall, set setting) {
	for _, e := range clean(t, s, set) {
		for _, first := range chosen(e.method, e.position) {
			single := &trial{matrixCall: s, setting: set, plan: at(e.position, &first)}
			single.run(t)
			next := requestAt(single.model.requests(0), e.position+1)
			if next == nil {
				continue // the first fault ends the call
			}
			for _, second := range chosen(next.method, e.position) {
				m.try(t, &m.pairs, s, set, at(e.position, &first, &second))
			}
		}
	}
}

// fillThrees also lets the API respond between the first fault and the others: that the
// name is taken, for one.
func (m *matrix) fillThrees(t *testing.T, s *matrixCall, set setting) {
	m.fillThreesAt(t, s, set, func(first int, a, b, c *fault) func(int) *fault { return at(first, a, b, c) })
	m.fillThreesAt(t, s, set, func(first int, a, b, c *fault) func(int) *fault { return at(first, a, nil, b, c) })
}

func (m *matrix) fillThreesAt(t *testing.T, s *matrixCall, set setting, plan func(first int, a, b, c *fault) func(int) *fault) {
	few := few()
	for _, e := range clean(t, s, set) {
		for i := range few {
			for j := range few {
				for k := range few {
					if !complete() && (i+j+k)%9 > 0 {
						continue
					}
					c := m.try(t, &m.threes, s, set, plan(e.position, &few[i], &few[j], &few[k]))
					if len(c.model.fired) < 3 {
						break // the first or the second fault ends the call
					}
				}
			}
		}
	}
}

// fillOutages also checks that an outage does not multiply the load: four requests, and
// a lookup of what became of a write.
func (m *matrix) fillOutages(t *testing.T, s *matrixCall, set setting) {
	for _, e := range clean(t, s, set) {
		limit := 4
		if e.method == http.MethodPost {
			limit = 5
		}
		for _, f := range chosen(e.method, e.position) {
			c := m.try(t, &m.outages, s, set, from(e.position, &f))
			// net/http repeats a read at once, when a connection that it kept turns out to
			// be closed.
			if sent := len(slices.Compact(c.model.times[e.position-1:])); sent > limit {
				t.Errorf("%d requests in an outage\n%s", sent, c)
			}
		}
	}
}

// requestAt returns the request at a position, nil when the call ended before it.
func requestAt(journal []*entry, position int) *entry {
	i := slices.IndexFunc(journal, func(e *entry) bool { return e.position == position })
	if i < 0 {
		return nil
	}
	return journal[i]
}
