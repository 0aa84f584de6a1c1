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

func TestBudget(t *testing.T) {
	t.Parallel()
	deposits := func(responses, attempts int) func(*Budget) {
		return func(b *Budget) {
			for range responses {
				b.deposit(attempts)
			}
		}
	}
	wait := func(d time.Duration) func(*Budget) { return func(*Budget) { time.Sleep(d) } }
	for name, tt := range map[string]struct {
		after func(*Budget) // it is spent
		want  int           // retries
	}{
		"spent":                                 {deposits(0, 1), 0},
		"a response: a fifth of a retry":        {deposits(4, 1), 0},
		"five responses":                        {deposits(5, 1), 1},
		"a response after a retry":              {deposits(1, 2), 1},
		"a response after more retries":         {deposits(1, 4), 1},
		"responses, up to the capacity":         {deposits(10_000, 1), 500},
		"responses after retries, up to it too": {deposits(10_000, 2), 500},
		"nearly a second":                       {wait(time.Second - 1), 0},
		"a second":                              {wait(time.Second), 1},
		"ten and a half seconds":                {wait(10500 * time.Millisecond), 10},
		"a day, up to the capacity":             {wait(24 * time.Hour), 500},
		"a century":                             {wait(100 * 365 * 24 * time.Hour), 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := NewBudget()
				time.Sleep(time.Hour) // a full budget does not grow
				assert.Equal(t, 500, withdrawals(b))

				tt.after(b)

				assert.Equal(t, tt.want, withdrawals(b))
			})
		})
	}
}

func TestBudgetKeepsPartsOfASecond(t *testing.T) {
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
}

func TestANilBudgetHasNoBound(t *testing.T) {
	t.Parallel()
	var none *Budget
	none.deposit(1)
	for range 10_000 {
		assert.True(t, none.withdraw())
	}
}

func TestBudgetIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // no time passes
		b := NewBudget()
		var granted atomic.Int64
		var calls sync.WaitGroup
		for range 10 {
			calls.Go(func() { granted.Add(int64(withdrawals(b))) })
		}
		calls.Wait()

		assert.EqualValues(t, 500, granted.Load())
	})
}
