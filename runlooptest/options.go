package runlooptest

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/runloop-community/runloop-go"
)

// An Option sets how the fake behaves. Without options it accepts any key, has no
// policies and no limit on them, and behaves as the live API does today.
type Option func(*config)

type config struct {
	apiKey            string
	withoutCapability bool
	conflictStatus    int
	unknownIDStatus   int
	policyLimit       int
	oldestFirst       bool
	v01               bool
	clock             func() time.Time
	latency           time.Duration
	policies          []runloop.NetworkPolicy
	faultRate         float64
	faultSeed         uint64
	withoutRecord     bool
	logger            *slog.Logger
}

func newConfig(opts []Option) config {
	c := config{
		conflictStatus:  http.StatusBadRequest,
		unknownIDStatus: http.StatusNotFound,
	}
	for _, opt := range opts {
		opt(&c)
	}
	if c.clock == nil {
		c.clock = time.Now
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// WithAPIKey makes the fake accept this key only and answer 401 to any other. By
// default, and with the empty key, any bearer token is accepted that is not empty.
func WithAPIKey(key string) Option {
	return func(c *config) { c.apiKey = key }
}

// WithoutCapability makes the account one without the devbox capability: every
// request with a good key is answered with 403.
func WithoutCapability() Option {
	return func(c *config) { c.withoutCapability = true }
}

// WithConflictStatus sets the status that answers a create or a rename whose name
// is taken: 400, which is the default and what the API's description says, or
// 409, which some clients expect. It panics at any other status.
func WithConflictStatus(status int) Option {
	if status != http.StatusBadRequest && status != http.StatusConflict {
		panic(fmt.Sprintf("runlooptest: conflict status %d is neither 400 nor 409", status))
	}
	return func(c *config) { c.conflictStatus = status }
}

// WithUnknownIDStatus sets the status that answers a get, an update or a delete of
// an id that no policy has: 404, which is the default and what the API's description
// says, or 400, which the live API is known to answer for other resources. It panics
// at any other status. An unknown devbox is always a 400, and so is an unknown policy
// in a launch or as the starting_after of a list.
func WithUnknownIDStatus(status int) Option {
	if status != http.StatusBadRequest && status != http.StatusNotFound {
		panic(fmt.Sprintf("runlooptest: unknown-id status %d is neither 400 nor 404", status))
	}
	return func(c *config) { c.unknownIDStatus = status }
}

// WithPolicyLimit sets how many policies the account may have: a create beyond it
// is answered with 400. Runloop's own limit is 100. By default, and with 0 or
// less, there is none. Policies that are seeded count, but are never refused.
func WithPolicyLimit(n int) Option {
	return func(c *config) { c.policyLimit = n }
}

// WithOldestFirst makes lists start with the oldest policy. By default they start
// with the newest. Runloop documents neither, so a client should work with both.
func WithOldestFirst() Option {
	return func(c *config) { c.oldestFirst = true }
}

// WithVersion01 makes the fake an API of version 0.1, as its OpenAPI description
// has it, to the letter: bodies with allow_runloop_mirrors or allowed_cidrs are
// answered with 400, answers leave these members out, and a list ignores search.
// By default the fake knows all three.
func WithVersion01() Option {
	return func(c *config) { c.v01 = true }
}

// WithClock sets where create and update times come from. The function is called
// by one goroutine at a time, and must not call methods of the API. The default,
// also for nil, is [time.Now], which in a [testing/synctest] bubble is the bubble's
// time.
func WithClock(now func() time.Time) Option {
	return func(c *config) { c.clock = now }
}

// WithLatency makes every request wait before it is carried out, whatever faults
// it meets besides. The default is not to wait.
func WithLatency(d time.Duration) Option {
	return func(c *config) { c.latency = d }
}

// WithPolicies seeds the account, oldest first, as [API.AddPolicy] does. Given
// more than once, it adds up.
func WithPolicies(policies ...runloop.NetworkPolicy) Option {
	return func(c *config) { c.policies = append(c.policies, policies...) }
}

// WithRandomFaults makes each request of an [Operation] meet a fault with the
// probability rate, from 0, which is the default, to 1. Where a fault or a
// placeholder is scripted, that comes in its place.
//
// The faults are those that a client with retries survives: an answer 429 with
// Retry-After: 1, an answer 503, an answer 502 after the commit, a connection
// closed before and after the commit, and a cut body, one as likely as the other.
// The same seed gives the same faults to the same sequence of requests; where
// requests come at the same time, their sequence is that of their arrival.
//
// It panics when rate is not from 0 to 1.
func WithRandomFaults(rate float64, seed uint64) Option {
	if !(rate >= 0 && rate <= 1) {
		panic(fmt.Sprintf("runlooptest: fault rate %v is not from 0 to 1", rate))
	}
	return func(c *config) { c.faultRate, c.faultSeed = rate, seed }
}

// WithoutRecord keeps no record of requests: [API.Requests] returns nothing. It
// is for servers that live long.
func WithoutRecord() Option {
	return func(c *config) { c.withoutRecord = true }
}

// WithLogger logs one event for each request, at level Info, without headers and
// bodies. By default, and with nil, nothing is logged.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) { c.logger = logger }
}
