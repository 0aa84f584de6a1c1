package contract

import (
	"slices"
	"sync"
)

// A Recorder remembers what traffic has exercised. Its zero value has seen
// nothing. It may be used by many goroutines at once.
type Recorder struct {
	mu   sync.Mutex
	seen map[Item]bool
}

// Missing returns what the document describes and no traffic has exercised.
func (r *Recorder) Missing(d *Document) []Item {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(d.Items(), func(item Item) bool { return r.seen[item] })
}

func (r *Recorder) record(items []Item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[Item]bool{}
	}
	for _, item := range items {
		r.seen[item] = true
	}
}
