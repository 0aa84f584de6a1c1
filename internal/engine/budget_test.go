package engine

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
)

func withdrawals(b *Budget) (n int) {
	for b.withdraw() {
		n++
	}
	return n
}

func TestBudgetPaysForFiveHundredRetries(t *testing.T) {
	t.Parallel()
	b := NewBudget()

	assert.Equal(t, 500, withdrawals(b))
	assert.Equal(t, 0, withdrawals(b))
}

func TestBudgetIsRefilledBySuccess(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		attempts, successes int
		want                int
	}{
		"at once: a fifth of a retry":        {1, 4, 0},
		"at once, five times: a retry":       {1, 5, 1},
		"after a retry: one retry":           {2, 1, 1},
		"after more retries: still only one": {4, 1, 1},
		"never beyond what it began with":    {1, 10_000, 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := NewBudget()
			withdrawals(b)

			for range tt.successes {
				b.deposit(tt.attempts)
			}

			assert.Equal(t, tt.want, withdrawals(b))
		})
	}
}

func TestNoBudgetIsNoBound(t *testing.T) {
	t.Parallel()
	var none *Budget

	none.deposit(1)

	for range 10_000 {
		assert.True(t, none.withdraw())
	}
}

func TestBudgetIsSharedByGoroutines(t *testing.T) {
	t.Parallel()
	b := NewBudget()
	var granted atomic.Int64
	var wait sync.WaitGroup
	for range 10 {
		wait.Go(func() {
			for range 100 {
				if b.withdraw() {
					granted.Add(1)
				}
			}
		})
	}
	wait.Wait()

	assert.EqualValues(t, 500, granted.Load())
}
