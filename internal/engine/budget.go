package engine

import (
	"sync"
	"time"
)

// The retry budget allows 500 retries before an outage stops the retries, and a burst of
// 1,000 calls with 30 % faults still succeeds as often as without a budget. A client whose
// budget is spent still has one retry per second.
const (
	budgetCapacity = 2500
	retryCost      = 5
	healthyRefund  = 1
	refillPerRetry = time.Second
)

// A Budget limits the retries of all calls of a client: each retry takes tokens, and healthy
// responses and time return some. A nil *Budget is unlimited.
type Budget struct {
	mu       sync.Mutex
	tokens   int
	refilled time.Time // the end of the time that the tokens include
}

// NewBudget returns a full budget.
func NewBudget() *Budget {
	return &Budget{tokens: budgetCapacity}
}

// withdraw takes the tokens of a retry, or reports false if there are too few.
func (b *Budget) withdraw() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	if b.tokens < retryCost {
		return false
	}
	b.tokens -= retryCost
	return true
}

// refill adds the tokens for the time since the last refill.
func (b *Budget) refill() {
	now := time.Now()
	if b.refilled.IsZero() {
		b.refilled = now
	}
	retries := int64(now.Sub(b.refilled) / refillPerRetry)
	b.refilled = b.refilled.Add(time.Duration(retries) * refillPerRetry)
	b.tokens = int(min(budgetCapacity, int64(b.tokens)+retries*retryCost))
}

// deposit adds the tokens for a healthy response to the given attempt, counted from 1.
func (b *Budget) deposit(attempt int) {
	if b == nil {
		return
	}
	refund := healthyRefund
	if attempt > 1 {
		refund = retryCost
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(budgetCapacity, b.tokens+refund)
}
