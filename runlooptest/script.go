package runlooptest

import (
	"fmt"
	"net/http"
	"slices"
)

// A script is the sequence of faults that the requests of one operation meet.
type script struct {
	faults []Fault
	next   int
}

// Inject scripts faults for an operation: its next request meets the first of them,
// the one after that the second, and so on; then requests are served as usual.
// Faults that are injected later follow those that are still waiting. A server for a
// test fails the test if one does not fire.
//
// Inject panics when there is no such operation, and when [RepeatCursor] is injected
// for an operation that is not a list.
func (a *API) Inject(op Operation, faults ...Fault) {
	if !op.known() {
		panic(fmt.Sprintf("runlooptest: no such operation: %q", op))
	}
	for _, f := range faults {
		if f.kind == repeatCursor && op != ListNetworkPolicies && op != ListDevboxes {
			panic(fmt.Sprintf("runlooptest: %s has no cursor to repeat", op))
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.scripts[op] == nil {
		a.scripts[op] = new(script)
	}
	a.scripts[op].faults = append(a.scripts[op].faults, faults...)
}

// Unfired describes the scripted faults that have not fired, because no request came
// or because it gave them nothing to act on, such as a body that was too short to be
// cut, and the devbox scripts that no launch took. It is empty if there are none.
func (a *API) Unfired() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	unfired := slices.Clone(a.missed)
	for i := range routes {
		op := routes[i].op
		s := a.scripts[op]
		if s == nil {
			continue
		}
		for n, f := range s.faults[s.next:] {
			if !f.none() {
				unfired = append(unfired, fmt.Sprintf("%s: fault %d (%v): no request came", op, s.next+n+1, f))
			}
		}
	}
	for i, s := range a.devboxScripts {
		if i >= a.nextDevboxScript && !s.none() {
			unfired = append(unfired, fmt.Sprintf("devbox script %d: no launch came", i+1))
		}
	}
	return unfired
}

// nextFault returns the fault that the next request of the operation meets and,
// when it was scripted, its number in the script. It expects that a.mu is held.
func (a *API) nextFault(op Operation) (f Fault, number int) {
	// Drawn for scripted requests too, so that a script does not shift the
	// random faults of the requests after it.
	f = a.drawFault()
	if s := a.scripts[op]; s != nil && s.next < len(s.faults) {
		s.next++
		return s.faults[s.next-1], s.next
	}
	return f, 0
}

// drawFault returns a random fault at the configured rate, and none otherwise. It
// always draws the same number of times, and expects that a.mu is held.
func (a *API) drawFault() Fault {
	if a.random == nil {
		return Fault{}
	}
	hit := a.random.Float64() < a.config.faultRate
	faults := []Fault{
		Status(http.StatusTooManyRequests).WithHeader("Retry-After", "1"),
		Status(http.StatusServiceUnavailable),
		Status(http.StatusBadGateway).AfterCommit(),
		Disconnect(),
		Disconnect().AfterCommit(),
		CutBody(a.random.IntN(32)),
	}
	f := faults[a.random.IntN(len(faults))]
	if !hit {
		return Fault{}
	}
	return f
}
