package engine

import (
	"sync"
	"time"
)

// The numbers of the retry budget: an outage costs at most 500 retries before
// the client stops multiplying the load, and a burst of 1,000 calls at 30 % faults
// still succeeds as often as without a budget. Once it is spent, a client still has
// one retry a second, whatever becomes of its calls.
const (
	budgetCapacity = 2500
	retryCost      = 5
	healthyRefund  = 1
	refillPerRetry = time.Second
)

// A Budget bounds the retries of all calls of a client together: each retry takes
// tokens out, healthy responses and time put some back. A nil *Budget has no bound.
type Budget struct {
	mu       sync.Mutex
	tokens   int
	refilled time.Time // up to when time has been paid for
}

// NewBudget returns a full budget.
func NewBudget() *Budget {
	return &Budget{tokens: budgetCapacity}
}

// withdraw pays for a retry, or reports that there is not enough left.
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

// refill puts back what time has earned.
func (b *Budget) refill() {
	now := time.Now()
	if b.refilled.IsZero() {
		b.refilled = now
	}
	retries := int64(now.Sub(b.refilled) / refillPerRetry)
	b.refilled = b.refilled.Add(time.Duration(retries) * refillPerRetry)
	b.tokens = int(min(budgetCapacity, int64(b.tokens)+retries*retryCost))
}

// deposit records a healthy response to a call, on its first attempt or after retries.
func (b *Budget) deposit(attempts int) {
	if b == nil {
		return
	}
	refund := healthyRefund
	if attempts > 1 {
		refund = retryCost
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(budgetCapacity, b.tokens+refund)
}
