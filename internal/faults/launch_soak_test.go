package faults

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	runloop "github.com/runloop-community/runloop-go"
)

// The soak makes a thousand launches for each seed on 32 workers, with one fault of any kind in
// ten requests, random cancels and deadlines, devboxes that fail, end, get stuck or do not use
// their policy, lists that lag behind, and a second client that prunes the policies meanwhile.
func TestLaunchSoak(t *testing.T) {
	t.Parallel()
	eachSeed(t, 3, func(t *testing.T, seed uint64) { launchSoak(t, seed, 1000) })
}

// A launchSoaker is what the workers of a soak share.
type launchSoaker struct {
	model *model

	mu     sync.Mutex
	random *rand.Rand
	// known are the IDs of the devboxes that a caller has, and the IDs and tags that errors
	// name. A shutdown that succeeds removes its devbox.
	known    map[string]bool
	launched int
}

// oneIn reports true once in n times, at random.
func (s *launchSoaker) oneIn(n int) bool { return s.upTo(time.Duration(n)) == 0 }

func (s *launchSoaker) upTo(d time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(s.random.Int64N(int64(d)))
}

func launchSoak(t *testing.T, seed uint64, launches int) {
	faults := append(faultsOf("POST"), slow, busyAWhile)
	faults = append(faults, aboutDevboxes(like(faultsOf("POST"), foreign+"policy", foreign+"policy, applied"), "running")...)
	m := newModel(t, drawing(seed, func(random *rand.Rand) *fault {
		if random.IntN(10) > 0 {
			return nil
		}
		return &faults[random.IntN(len(faults))]
	}))
	m.limit = 7
	m.lag = []time.Duration{0, 500 * time.Millisecond, 3 * time.Second}[seed%3]
	s := &launchSoaker{model: m, random: rand.New(rand.NewPCG(seed, 3)), known: map[string]bool{}}
	scripts := rand.New(rand.NewPCG(seed, 4))
	slowEnd := boxScript{name: "lingering", statuses: healthy.statuses, every: everyStep, lingers: 2 * time.Second}
	bad := []boxScript{failing, endsItself, stuckBox, unattached, onlyEchoed, underOther, lateEcho, newStatuses, byLooks, slowEnd}
	m.script = func() boxScript {
		if scripts.IntN(8) > 0 {
			return healthy
		}
		return bad[scripts.IntN(len(bad))]
	}
	client := m.client(t, nil, runloop.WithHeader("X-Client", "orchestrator"))
	pruner := m.client(t, nil, runloop.WithHeader("X-Client", "pruner"))

	done := make(chan struct{})
	var pruning, workers sync.WaitGroup
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
	for w := range 32 {
		workers.Go(func() {
			for i := w; i < launches && !t.Failed(); i += 32 {
				s.task(t, client.Devboxes, i)
			}
		})
	}
	workers.Wait()
	close(done)
	pruning.Wait()
	time.Sleep(time.Hour) // for what middleboxes hold back

	m.mu.Lock()
	defer m.mu.Unlock()
	assert.Empty(t, m.problemOfCreates())
	left := 0
	for _, b := range m.boxes {
		switch {
		case b.hasEnded(m.server.Now()):
		case s.known[b.id], s.known[b.tag]:
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
	assert.Greater(t, s.launched, launches/2, "the soak proves little if most launches fail")
}

// about returns the requests about a devbox.
func about(journal []*entry, b *modelBox) []*entry {
	return slices.DeleteFunc(slices.Clone(journal), func(e *entry) bool {
		return !strings.Contains(e.target+"/", "/"+b.id+"/") && !strings.Contains(e.body, b.tag)
	})
}

// task launches a devbox, and shuts it down.
func (s *launchSoaker) task(t *testing.T, client boxService, i int) {
	rules := runloop.EgressRules{AllowedHostnames: []string{fmt.Sprintf("host-%d.example.com", i%9)}}
	policy := runloop.NetworkPolicyCreateParams{Name: "task-" + rules.Fingerprint(), Egress: rules}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	switch {
	case s.oneIn(8):
		time.AfterFunc(s.upTo(15*time.Second), cancel)
	case s.oneIn(10):
		ctx, cancel = context.WithTimeout(ctx, s.upTo(20*time.Second))
		defer cancel()
	}
	var opts []runloop.Option
	if s.oneIn(4) {
		opts = append(opts, runloop.WithIdempotencyKey(fmt.Sprintf("key-%d", i)))
	}
	devbox, err := client.Launch(ctx, runloop.DevboxCreateParams{Name: fmt.Sprint("task-", i), NetworkPolicy: &policy}, opts...)
	if problem := s.note(devbox, err, policy.Name); problem != "" {
		t.Errorf("%s: launch %d: %v, %v", problem, i, devbox, err)
		return
	}
	if err != nil {
		return
	}
	time.Sleep(s.upTo(10 * time.Second))
	if _, err = client.Shutdown(t.Context(), devbox.ID); err != nil {
		return // the caller still has it
	}
	s.model.mu.Lock()
	defer s.model.mu.Unlock()
	if b := s.model.box(devbox.ID); !b.hasEnded(s.model.server.Now()) {
		t.Errorf("a shutdown without an effect: %s", b)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, devbox.ID)
}

// note records the outcome of a launch, and returns what is wrong with it.
func (s *launchSoaker) note(devbox *runloop.Devbox, err error, policy string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.model.mu.Lock()
	defer s.model.mu.Unlock()
	if err == nil {
		s.launched++
		s.known[devbox.ID] = true
		s.knowTwin(devbox.Metadata[runloop.MetadataRequestID])
		return cmp.Or(s.model.problemOfDevbox(devbox, true), s.model.problemOfPolicy(devbox, policy))
	}
	switch e := devboxError(err); {
	case e == nil:
	case e.Devbox == nil:
		s.known[e.RequestID] = true
	case !e.ShutDown:
		s.known[e.Devbox.ID] = true
		fallthrough
	default:
		s.knowTwin(e.RequestID)
	}
	return s.model.problemOfDevboxError(err, true)
}

// knowTwin notes that a devbox that a proxy created twice has a twin under the same tag, as
// documented.
func (s *launchSoaker) knowTwin(tag string) {
	for _, e := range s.model.journal {
		if e.requestID == tag && e.short() == "create" && e.fault == deliveredTwice {
			s.known[tag] = true
		}
	}
}
