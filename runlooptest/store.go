package runlooptest

import (
	"fmt"
	"iter"
	"slices"
)

// store holds what the account has of one kind. It is not safe for concurrent
// use; API.mu guards it.
type store[T comparable] struct {
	prefix  string // of the IDs
	ordered []T    // oldest first
	byID    map[string]T
	count   int // of the IDs that newID returned
}

func newStore[T comparable](prefix string) store[T] {
	return store[T]{prefix: prefix, byID: map[string]T{}}
}

// newID returns the next ID that nothing in the store has.
func (s *store[T]) newID() string {
	for {
		s.count++
		id := fmt.Sprintf("%s_%06d", s.prefix, s.count)
		if _, taken := s.byID[id]; !taken {
			return id
		}
	}
}

func (s *store[T]) add(id string, item T) {
	s.ordered = append(s.ordered, item)
	s.byID[id] = item
}

// listed returns the items in the order in which a list shows them.
func (s *store[T]) listed(oldestFirst bool) iter.Seq[T] {
	if oldestFirst {
		return slices.Values(s.ordered)
	}
	return func(yield func(T) bool) {
		for _, item := range slices.Backward(s.ordered) {
			if !yield(item) {
				return
			}
		}
	}
}

// policyStore is the store of policies, whose names are unique.
type policyStore struct {
	store[*policyView]
	byName map[string]*policyView
}

func newPolicyStore() policyStore {
	return policyStore{newStore[*policyView]("npol"), map[string]*policyView{}}
}

func (s *policyStore) add(p *policyView) {
	s.store.add(p.ID, p)
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
