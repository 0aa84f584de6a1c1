package engine

import "sync"

// The numbers of the retry budget: an outage costs at most 500 retries before
// the client stops multiplying the load, and a burst of 1,000 calls at 30 % faults
// still succeeds as often as without a budget.
const (
	budgetCapacity = 2500
	retryCost      = 5
	successRefund  = 1
)

// A Budget bounds the retries of all calls of a client together: each retry takes
// tokens out, success puts some back. A nil *Budget has no bound.
type Budget struct {
	mu     sync.Mutex
	tokens int
}

// NewBudget returns a full budget.
func NewBudget() *Budget {
	return &Budget{tokens: budgetCapacity}
}

// withdraw pays for a retry, or says that there is not enough left.
func (b *Budget) withdraw() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens < retryCost {
		return false
	}
	b.tokens -= retryCost
	return true
}

// deposit records a call that succeeded, on its first attempt or after retries.
func (b *Budget) deposit(attempts int) {
	if b == nil {
		return
	}
	refund := successRefund
	if attempts > 1 {
		refund = retryCost
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(budgetCapacity, b.tokens+refund)
}
