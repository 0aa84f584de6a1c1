package engine

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
	synctest.Test(t, func(t *testing.T) { // no time passes, which refills
		b := NewBudget()

		assert.Equal(t, 500, withdrawals(b))
		assert.Equal(t, 0, withdrawals(b))
	})
}

func TestBudgetIsRefilledByHealthyResponses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		attempts, responses int
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
			synctest.Test(t, func(t *testing.T) {
				b := NewBudget()
				withdrawals(b)

				for range tt.responses {
					b.deposit(tt.attempts)
				}

				assert.Equal(t, tt.want, withdrawals(b))
			})
		})
	}
}

func TestBudgetIsRefilledByTime(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		wait time.Duration
		want int
	}{
		"nearly a second":         {time.Second - 1, 0},
		"a second: a retry":       {time.Second, 1},
		"ten and a half":          {10500 * time.Millisecond, 10},
		"never beyond the bounds": {24 * time.Hour, 500},
		"a century":               {100 * 365 * 24 * time.Hour, 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := NewBudget()
				withdrawals(b)

				time.Sleep(tt.wait)

				assert.Equal(t, tt.want, withdrawals(b))
			})
		})
	}
	t.Run("what remains of a second is kept", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := NewBudget()
			withdrawals(b)
			total := 0
			for range 100 { // 150 s
				time.Sleep(1500 * time.Millisecond)
				total += withdrawals(b)
			}
			assert.Equal(t, 150, total)
		})
	})
	t.Run("a client that was idle from the start", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := NewBudget()
			time.Sleep(time.Hour)
			assert.Equal(t, 500, withdrawals(b))
		})
	})
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
	synctest.Test(t, func(t *testing.T) {
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
	})
}
