package faults

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

var (
	soakSeed  = flag.Uint64("soak.seed", 1, "the first seed of TestSoak and TestLaunchSoak; 0 takes a new one")
	soakSeeds = flag.Uint64("soak.seeds", 0, "the number of seeds; 0 is the default of each test")
)

// eachSeed runs a soak for each of its seeds. To see a seed again:
//
//	go test -run TestSoak -soak.seed=SEED -soak.seeds=1
//
// a few times, because waits are random.
func eachSeed(t *testing.T, seeds uint64, soak func(t *testing.T, seed uint64)) {
	if seeds = cmp.Or(*soakSeeds, seeds); testing.Short() {
		seeds = 1
	}
	first := cmp.Or(*soakSeed, rand.Uint64N(1e9))
	for seed := first; seed < first+seeds; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), clienttest.InBubble(func(t *testing.T) { soak(t, seed) }))
	}
}

// drawing plans for each request the fault that draw returns.
func drawing(seed uint64, draw func(*rand.Rand) *fault) func(int) *fault {
	random := rand.New(rand.NewPCG(seed, 1))
	var drawn []*fault
	return func(position int) *fault {
		for len(drawn) <= position {
			drawn = append(drawn, draw(random))
		}
		return drawn[position]
	}
}

// The soak makes ten thousand calls under random faults, a thousand for each seed, by one client
// or by two that create, rename, delete and prune each other's policies, with and without a
// middleware that sends its own requests, to servers whose clocks are wrong. After each call, the
// server's journal shows whether it had the effect that the client reports.
func TestSoak(t *testing.T) {
	t.Parallel()
	eachSeed(t, 10, func(t *testing.T, seed uint64) { soak(t, seed, 1000) })
}

func soak(t *testing.T, seed uint64, calls int) {
	faults := append(faultsOf("POST"), busyLong, busyAWhile)
	m := newModel(t, drawing(seed, func(random *rand.Rand) *fault {
		if random.IntN(3+int(seed%4)) > 0 {
			return nil
		}
		if f := &faults[random.IntN(len(faults))]; f.passes || random.IntN(2) > 0 {
			return f
		}
		return nil
	}))
	m.skew = []time.Duration{0, -24 * time.Hour, 6 * time.Minute}[seed%3]
	m.add(runloop.NetworkPolicy{Name: "used"}, time.Hour, true)
	hosts := [][]string{nil, otherHost, bothHosts}[seed/3%3]
	workers := 1 + int(seed%2)
	var wg sync.WaitGroup
	var all []*soaker
	for i := range workers {
		name := fmt.Sprintf("client-%d", i)
		s := &soaker{t: t, seed: seed, model: m, name: name, alone: workers == 1}
		s.random = rand.New(rand.NewPCG(seed, uint64(2+i)))
		s.client = m.client(t, hosts, runloop.WithHeader("X-Client", name), runloop.WithMaxRetries([]int{3, 1, 0}[seed/9%3])).NetworkPolicies
		all = append(all, s)
		wg.Go(func() {
			for s.call < calls/workers && !t.Failed() {
				s.step()
			}
		})
	}
	wg.Wait()
	time.Sleep(time.Hour) // for what middleboxes hold back
	succeeded, maybe := 0, 0
	for _, s := range all {
		assert.Empty(t, m.effects(s.denied), "seed %d: late effects that errors denied", seed)
		succeeded += s.succeeded
		maybe += s.maybe
	}
	t.Logf("seed %d: %d calls of %d clients, %d as without faults, %d errors that leave the effect open, %d requests, %s",
		seed, calls, workers, succeeded, maybe, len(m.journal), m.server.Now().Round(time.Second))
	assert.Greater(t, succeeded, calls/3, "the soak proves little if most calls fail")
}

// A soaker makes random calls.
type soaker struct {
	t      *testing.T
	seed   uint64
	random *rand.Rand
	model  *model
	client service
	name   string
	alone  bool // there is no other client
	call   int

	succeeded, maybe int
	denied           []*entry // requests whose effects errors denied
}

// An outcome is the outcome of a call.
type outcome struct {
	call string
	err  error
	// id is of the policy that the call is about, name its name or its name to be, if the call
	// has one.
	id, name string
	deleted  []string // the IDs of the policies that are returned as deleted
	reads    bool     // the call must not write
	// wrong returns what is wrong with a success.
	wrong func(*period) string
}

// A period is what the server knows about the time of a call.
type period struct {
	states  [][]modelPolicy // all there were, from the one at the beginning
	mine    []*entry        // the client's requests
	effects []string        // of these requests
	faults  []*fault        // of all clients
}

// ever reports whether there was such a policy at a time.
func (p *period) ever(is func(modelPolicy) bool) bool {
	return slices.ContainsFunc(p.states, func(s []modelPolicy) bool { return slices.ContainsFunc(s, is) })
}

// always reports whether there was such a policy all the time.
func (p *period) always(is func(modelPolicy) bool) bool {
	return !slices.ContainsFunc(p.states, func(s []modelPolicy) bool { return !slices.ContainsFunc(s, is) })
}

func (p *period) met(is func(*fault) bool) bool { return slices.ContainsFunc(p.faults, is) }

func (p *period) metSilent400() bool {
	return p.met(func(f *fault) bool { return f.name == silent400 })
}

// has reports whether a policy that was returned ever had exactly these values.
func (p *period) has(policy *runloop.NetworkPolicy) bool {
	return p.ever(func(m modelPolicy) bool { return m.ID == policy.ID && assert.ObjectsAreEqual(m.public(), *policy) })
}

// step makes a call and compares what the client reports with the journal.
func (s *soaker) step() {
	s.call++
	m := s.model
	m.mu.Lock()
	states, requests, faults := len(m.states)-1, len(m.journal), len(m.fired)
	m.mu.Unlock()
	ctx, cancel := s.context()

	outcomes := s.anyCall()(ctx)

	time.Sleep(time.Millisecond) // for what the server still does
	ended := ctx.Err() != nil
	cancel()
	m.mu.Lock()
	p := &period{states: slices.Clone(m.states[states:]), faults: slices.Clone(m.fired[faults:])}
	m.mu.Unlock()
	for _, e := range m.requests()[requests:] {
		if e.client == s.name {
			p.mine = append(p.mine, e)
		}
	}
	p.effects = m.effects(p.mine)
	for _, o := range outcomes {
		if problem := s.problem(o, p, outcomes, ended); problem != "" {
			s.t.Errorf("%s: seed %d, call %d of %s: %s\nerror:  %v (%v)\nfaults: %q\nbefore: %+v\nafter:  %+v\n%s",
				problem, s.seed, s.call, s.name, o.call, o.err, clienttest.Sentinels(o.err), names(p.faults), p.states[0], p.states[len(p.states)-1], lines(p.mine))
			return
		}
	}
}

// problem compares what the client reports with what the server knows. calls are those that
// were made concurrently: effects that they share are not denied if one of them reports them.
func (s *soaker) problem(o outcome, p *period, calls []outcome, ended bool) string {
	if o.reads && slices.ContainsFunc(p.mine, func(e *entry) bool { return e.method != "GET" }) {
		return "a read that writes"
	}
	if s.alone && repeatedly(p.mine) {
		return "created twice"
	}
	if o.err == nil {
		s.succeeded++
		return o.wrong(p)
	}
	maybe := errors.Is(o.err, runloop.ErrMaybeApplied)
	if maybe {
		s.maybe++
	}
	reported := slices.ContainsFunc(calls, func(o outcome) bool { return o.err == nil || errors.Is(o.err, runloop.ErrMaybeApplied) })
	doubled := s.model.doubled(p.mine)
	if !reported && !doubled {
		for _, e := range p.mine {
			if !slices.ContainsFunc(o.deleted, func(id string) bool { return strings.Contains(e.target, "/"+id+"/") }) {
				s.denied = append(s.denied, e)
			}
		}
		if len(s.model.effects(s.denied)) > 0 {
			return "an effect that the error denies"
		}
	}
	return s.problemOfError(o, p, maybe, doubled, ended)
}

func (s *soaker) problemOfError(o outcome, p *period, maybe, doubled, ended bool) string {
	status404 := !maybe && p.met(func(f *fault) bool { return f.status == 404 })
	switch {
	case errors.Is(o.err, runloop.ErrNotFound) && !doubled:
		wrong := o.id == "" && o.name == "" || o.id != "" && p.always(byID(o.id)) || o.id == "" && p.always(byName(o.name))
		if wrong && !(o.id != "" && status404) {
			return "ErrNotFound for what was there"
		}
	case errors.Is(o.err, runloop.ErrNameTaken) && !doubled:
		if !p.ever(func(m modelPolicy) bool { return m.Name == o.name && (maybe || m.ID != o.id) }) {
			return "ErrNameTaken for a name that was free"
		}
	case errors.Is(o.err, runloop.ErrPolicyInUse):
		if !p.metSilent400() && !p.ever(func(m modelPolicy) bool { return m.InUse && (o.id == "" || m.ID == o.id) }) {
			return "ErrPolicyInUse for a policy that was not in use"
		}
	case errors.Is(o.err, runloop.ErrDrift):
		if !p.ever(byName(o.name)) {
			return "ErrDrift without a policy"
		}
	case !ended && len(p.faults) == 0 && s.alone:
		return "an error that no fault explains"
	case maybe && !ended && s.alone && !p.met(func(f *fault) bool { return f.unclear || f.refuses }):
		return "a doubt without a reason"
	}
	if len(p.faults) == 0 || o.reads {
		s.succeeded++ // as without faults
	}
	return ""
}

// repeatedly reports whether one write created two policies. No client can prevent a middlebox
// from delivering a request late or twice.
func repeatedly(requests []*entry) bool {
	created := map[string]bool{}
	for _, e := range requests {
		for _, effect := range e.effects {
			if !strings.HasPrefix(effect, "created ") || strings.Contains(e.fault, "delivered") {
				continue
			}
			if created[e.requestID] {
				return true
			}
			created[e.requestID] = true
		}
	}
	return false
}

// context gives every fifth call a deadline, and cancels every tenth.
func (s *soaker) context() (context.Context, context.CancelFunc) {
	parent := s.t.Context()
	if s.random.IntN(5) == 0 {
		return context.WithTimeout(parent, 20*time.Second)
	}
	ctx, cancel := context.WithCancel(parent)
	if s.random.IntN(10) == 0 {
		time.AfterFunc(time.Duration(s.random.Int64N(int64(3*time.Second))), cancel)
	}
	return ctx, cancel
}
