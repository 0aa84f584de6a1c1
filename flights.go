package runloop

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// flights lets concurrent calls with the same key share their requests. A call shares
// only requests sent after it began; otherwise it could get a policy that was deleted
// before. Therefore calls that begin during a flight wait for the next one.
type flights struct {
	mu    sync.Mutex
	lanes map[string]*lane
}

// A lane holds the flights of one key.
type lane struct {
	users         int // calls that wait or fly
	running, next *flight
}

// A flight is work shared by calls. One of them does it, under its own context.
type flight struct {
	done   chan struct{}
	wrote  atomic.Bool // this flight, or an abandoned one before it, has sent a write
	policy *NetworkPolicy
	err    error
	// abandoned reports that the context of the call that flew ended the flight. The
	// other calls start over.
	abandoned bool
}

// do returns the result of fly, called by this call or by another one with the same key.
func (s *flights) do(ctx context.Context, op, key string, fly func(*flight) (*NetworkPolicy, error)) (*NetworkPolicy, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[key]
	if l == nil {
		l = new(lane)
		if s.lanes == nil {
			s.lanes = make(map[string]*lane)
		}
		s.lanes[key] = l
	}
	l.users++
	defer func() {
		if l.users--; l.users == 0 {
			delete(s.lanes, key)
		}
	}()
	wrote := false
	for {
		f, flown, err := s.board(ctx, op, l, wrote, fly)
		if err != nil {
			return nil, err
		}
		if flown || !f.abandoned {
			return f.policy.clone(), ownError(f.err)
		}
		wrote = f.wrote.Load()
	}
}

// board waits for the next flight to end, and flies it if no other call does.
func (s *flights) board(ctx context.Context, op string, l *lane, wrote bool, fly func(*flight) (*NetworkPolicy, error)) (f *flight, flown bool, err error) {
	if l.next == nil {
		l.next = &flight{done: make(chan struct{}), abandoned: true}
	}
	f = l.next
	if wrote {
		f.wrote.Store(true)
	}
	for l.running != nil {
		running := l.running
		s.mu.Unlock()
		select {
		case <-running.done:
		case <-ctx.Done():
		}
		s.mu.Lock()
		if isDone(f) {
			return f, false, nil
		}
		if ctx.Err() != nil {
			return nil, false, newError(engine.Ended(ctx, op, f.wrote.Load()))
		}
	}
	l.running, l.next = f, nil
	s.mu.Unlock()
	defer func() { // also when fly panics
		s.mu.Lock()
		l.running = nil
		close(f.done)
	}()
	f.policy, f.err = fly(f)
	f.abandoned = isEnd(f.err)
	return f, true, nil
}

// ownError returns an error that the caller may modify: calls that share a DriftError get
// copies.
func ownError(err error) error {
	drift, ok := err.(*DriftError)
	if !ok {
		return err
	}
	copied := *drift
	copied.Policy, copied.Diff = drift.Policy.clone(), slices.Clone(drift.Diff)
	return &copied
}

func isDone(f *flight) bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}
