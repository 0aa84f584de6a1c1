package faults

import (
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
	launchSeed  = flag.Uint64("launch.seed", 1, "the first seed of TestLaunchSoak; 0 takes a new one")
	launchSeeds = flag.Uint64("launch.seeds", 3, "the number of seeds of TestLaunchSoak")
)

// A thousand launches for each seed on 32 workers, at one fault of any kind in ten
// requests, with random cancels and deadlines, devboxes that fail, end, get stuck or do not
// use their policy, lists that lag behind, and a second client that prunes the policies
// meanwhile. To see a seed again:
// go test -run TestLaunchSoak -launch.seed=SEED -launch.seeds=1, a few times, because waits
// are random.
func TestLaunchSoak(t *testing.T) {
	t.Parallel()
	first := *launchSeed
	if first == 0 {
		first = rand.Uint64N(1e9)
	}
	seeds := *launchSeeds
	if testing.Short() {
		seeds = 1
	}
	for seed := first; seed < first+seeds; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), clienttest.InBubble(func(t *testing.T) { launchSoak(t, seed, 1000) }))
	}
}

// A launchSoaker is what the workers of a soak share.
type launchSoaker struct {
	model *model

	mu     sync.Mutex
	random *rand.Rand
	// given are devboxes that the caller has, and toldIDs and toldTags those that errors
	// name. A shutdown that succeeds takes a devbox out.
	given, toldIDs, toldTags map[string]bool
	launched                 int
}

// one reports whether a thing happens that happens once in n times.
func (s *launchSoaker) one(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(n) == 0
}

func (s *launchSoaker) upTo(d time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(s.random.Int64N(int64(d)))
}

func launchSoak(t *testing.T, seed uint64, launches int) {
	m := newModel(t, randomLaunchPlan(seed))
	m.limit = 7
	m.lag = []time.Duration{0, 500 * time.Millisecond, 3 * time.Second}[seed%3]
	s := &launchSoaker{
		model: m, random: rand.New(rand.NewPCG(seed, 3)),
		given: map[string]bool{}, toldIDs: map[string]bool{}, toldTags: map[string]bool{},
	}
	scripts := rand.New(rand.NewPCG(seed, 4))
	bad := []boxScript{failing, endsItself, stuckBox, unattached, onlyEchoed, underOther, lateEcho, newStatuses, byLooks, {
		name: "lingering", statuses: healthy.statuses, every: healthy.every, lingers: 2 * time.Second}}
	m.script = func(int) boxScript {
		if scripts.IntN(8) > 0 {
			return healthy
		}
		return bad[scripts.IntN(len(bad))]
	}
	client := m.client(t, nil, runloop.WithHeader("X-Client", "orchestrator"))
	pruner := m.client(t, nil, runloop.WithHeader("X-Client", "pruner"))

	done := make(chan struct{})
	var pruning sync.WaitGroup
	pruning.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(700 * time.Millisecond):
				_, _ = pruner.NetworkPolicies.Prune(t.Context(), runloop.PruneParams{NamePrefix: "task-"})
			}
		}
	})
	var workers sync.WaitGroup
	for w := range 32 {
		workers.Go(func() {
			for i := w; i < launches && !t.Failed(); i += 32 {
				s.task(t, client, i)
			}
		})
	}
	workers.Wait()
	close(done)
	pruning.Wait()
	time.Sleep(time.Hour) // for what middleboxes hold back

	m.mu.Lock()
	defer m.mu.Unlock()
	assert.Empty(t, repeatedCreates(m.journal, m.boxes))
	left := 0
	for _, b := range m.boxes {
		switch {
		case b.hasEnded(m.server.Now()):
		case s.given[b.id], s.toldIDs[b.id], s.toldTags[b.tag]:
			left++
		default:
			t.Errorf("seed %d: a devbox that nobody knows of: %s\n%s", seed, b, lines(about(m.journal, b)))
		}
	}
	requests := 0
	for _, e := range m.journal {
		if e.client == "orchestrator" {
			requests++
		}
	}
	t.Logf("seed %d: %d of %d launches succeeded, %d devboxes created, %d left that the caller knows of, %.1f requests for each launch and its shutdown, %s",
		seed, s.launched, launches, len(m.boxes), left, float64(requests)/float64(launches), m.server.Now().Round(time.Second))
	assert.Greater(t, s.launched, launches/2, "the soak proves little when most launches fail")
}

// randomLaunchPlan lets one in ten requests meet a fault of any kind.
func randomLaunchPlan(seed uint64) func(int) *fault {
	random := rand.New(rand.NewPCG(seed, 1))
	all := append(faultsOf("POST"),
		fault{name: "slow", takes: 20 * time.Second, commits: true, raw: func(own string) string { return own }, passes: true},
		fault{name: "503 for a while", unclear: true, status: 503, headers: []string{"Retry-After: 3"}, passes: true})
	for i := range all {
		if strings.HasPrefix(all[i].name, "200 about another policy") {
			all = append(all, all[i])
			all[len(all)-1].body = foreignBox("running")
		}
	}
	var drawn []*fault
	return func(position int) *fault {
		for len(drawn) <= position {
			var f *fault
			if random.IntN(10) == 0 {
				f = &all[random.IntN(len(all))]
			}
			drawn = append(drawn, f)
		}
		return drawn[position]
	}
}

// about returns the requests about a devbox.
func about(journal []*entry, b *modelBox) []*entry {
	return slices.DeleteFunc(slices.Clone(journal), func(e *entry) bool {
		return !strings.Contains(e.target, "/"+b.id+"/") && !strings.HasSuffix(e.target, "/"+b.id) && !strings.Contains(e.body, b.tag)
	})
}

// task launches a devbox, and shuts it down.
func (s *launchSoaker) task(t *testing.T, client *runloop.Client, i int) {
	rules := runloop.EgressRules{AllowedHostnames: []string{fmt.Sprintf("host-%d.example.com", i%9)}}
	policy := runloop.NetworkPolicyCreateParams{Name: "task-" + rules.Fingerprint(), Egress: rules}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	switch {
	case s.one(8):
		time.AfterFunc(s.upTo(15*time.Second), cancel)
	case s.one(10):
		ctx, cancel = context.WithTimeout(ctx, s.upTo(20*time.Second))
		defer cancel()
	}
	var opts []runloop.Option
	if s.one(4) {
		opts = append(opts, runloop.WithIdempotencyKey(fmt.Sprintf("key-%d", i)))
	}
	devbox, err := client.Devboxes.Launch(ctx, runloop.DevboxCreateParams{Name: fmt.Sprint("task-", i), NetworkPolicy: &policy}, opts...)
	if problem := s.note(devbox, err, policy.Name); problem != "" {
		t.Errorf("%s: launch %d: %v, %v", problem, i, devbox, err)
		return
	}
	if err != nil {
		return
	}
	time.Sleep(s.upTo(10 * time.Second))
	_, err = client.Devboxes.Shutdown(t.Context(), devbox.ID)
	if err != nil {
		return // the caller has it still
	}
	s.model.mu.Lock()
	defer s.model.mu.Unlock()
	b := s.model.boxNamed(devbox.ID)
	if !b.hasEnded(s.model.server.Now()) {
		t.Errorf("a shutdown that is none: %s", b)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.given, devbox.ID)
}

// note records what a launch came to, and returns what is wrong with it.
func (s *launchSoaker) note(devbox *runloop.Devbox, err error, policy string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.model.mu.Lock()
	defer s.model.mu.Unlock()
	now := s.model.server.Now()
	if err == nil {
		s.launched++
		s.given[devbox.ID] = true
		// A devbox that a proxy created twice has a twin under the same tag: documented.
		s.toldTags[doubledTag(s.model.journal, devbox.Metadata[runloop.MetadataRequestID])] = true
		b := s.model.boxNamed(devbox.ID)
		switch {
		case b == nil || devbox.Metadata[runloop.MetadataRequestID] != b.tag:
			return "a devbox that does not exist"
		case devbox.Status != runloop.DevboxRunning || b.status(now) != "running":
			return "a devbox that is not running"
		case b.policy != b.asked || b.under != policy || devbox.NetworkPolicyID != b.policy:
			return "a devbox without its policy"
		}
		return ""
	}
	e, ok := errors.AsType[*runloop.DevboxError](err)
	switch {
	case !ok:
		return ""
	case (e.Devbox == nil) != errors.Is(err, runloop.ErrMaybeApplied) || e.RequestID == "":
		return "a known devbox in doubt, or an unknown one without a doubt"
	case e.Devbox == nil:
		s.toldTags[e.RequestID] = true
		return ""
	}
	s.toldTags[doubledTag(s.model.journal, e.RequestID)] = true
	b := s.model.boxNamed(e.Devbox.ID)
	switch {
	case b == nil || b.tag != e.RequestID:
		return "an error about another devbox"
	case e.ShutDown && !b.hasEnded(now):
		return "a devbox that is not shut down"
	case errors.Is(err, runloop.ErrPolicyNotAttached) && b.policy == b.asked:
		return "a policy that is attached"
	case !e.ShutDown:
		s.toldIDs[b.id] = true
	}
	return ""
}

// doubledTag returns the tag if a proxy sent its create twice.
func doubledTag(journal []*entry, tag string) string {
	for _, e := range journal {
		if e.requestID == tag && e.short() == "create" && e.fault == "delivered twice" {
			return tag
		}
	}
	return ""
}
