package runlooptest

import (
	"fmt"
	"iter"
	"slices"
)

// policyStore holds the account's policies. It is not safe for concurrent use;
// API.mu guards it.
type policyStore struct {
	ordered []*policyView // oldest first
	byID    map[string]*policyView
	byName  map[string]*policyView
	count   int // of the ids made
}

func newPolicyStore() policyStore {
	return policyStore{byID: map[string]*policyView{}, byName: map[string]*policyView{}}
}

// newID returns the next id that no seeded policy has.
func (s *policyStore) newID() string {
	for {
		s.count++
		id := fmt.Sprintf("npol_%06d", s.count)
		if s.byID[id] == nil {
			return id
		}
	}
}

func (s *policyStore) add(p *policyView) {
	s.ordered = append(s.ordered, p)
	s.byID[p.ID] = p
	s.byName[p.Name] = p
}

func (s *policyStore) replace(old, p *policyView) {
	s.ordered[slices.Index(s.ordered, old)] = p
	delete(s.byName, old.Name)
	s.byID[p.ID] = p
	s.byName[p.Name] = p
}

func (s *policyStore) remove(p *policyView) {
	i := slices.Index(s.ordered, p)
	s.ordered = slices.Delete(s.ordered, i, i+1)
	delete(s.byID, p.ID)
	delete(s.byName, p.Name)
}

// all returns the policies in the order in which a list has them.
func (s *policyStore) all(oldestFirst bool) iter.Seq[*policyView] {
	if oldestFirst {
		return slices.Values(s.ordered)
	}
	return func(yield func(*policyView) bool) {
		for _, p := range slices.Backward(s.ordered) {
			if !yield(p) {
				return
			}
		}
	}
}
