package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/runloop-community/runloop-go"
)

// progress keeps count of the tasks, and shows it on a terminal as a line that
// changes.
type progress struct {
	out      io.Writer
	terminal bool
	total    int

	mu       sync.Mutex
	finished int
	policies map[string]int // tasks, by policy
	errs     []error
}

// done counts a task that has its policy, or failed to get it.
func (p *progress) done(policy *runloop.NetworkPolicy, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finished++
	if err != nil {
		p.errs = append(p.errs, err)
	} else {
		if p.policies == nil {
			p.policies = make(map[string]int)
		}
		p.policies[policy.ID]++
	}
	if p.terminal {
		fmt.Fprintf(p.out, "\r%d of %d tasks, %d policies", p.finished, p.total, len(p.policies))
	}
}

// sumUp says what all tasks together came to.
func (p *progress) sumUp(requests *requestCounter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K") // clears the line
	}
	created := int(requests.created.Load())
	fmt.Fprintf(p.out, "%d tasks, %d of them failed\n", p.total, len(p.errs))
	fmt.Fprintf(p.out, "%d policies: %d created, %d there before\n", len(p.policies), created, len(p.policies)-created)
	fmt.Fprintf(p.out, "%d requests\n", requests.sent.Load())
	return errors.Join(p.errs...)
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
