package runlooptest

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/runloop-community/runloop-go"
)

// An Option overrides how the fake behaves. Without options it accepts any key, has
// no policies, allows 100 of them, and behaves as the live API does today.
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
	startup           time.Duration
	blueprints        []string // nil if any blueprint exists
	clockSkew         time.Duration
	normalizeName     func(string) string
	defaultProtocol   runloop.Protocol
	unknownFields     map[string]any
}

// policyLimit is how many policies Runloop allows an account by default.
const policyLimit = 100

func newConfig(opts []Option) config {
	c := config{
		conflictStatus:  http.StatusBadRequest,
		unknownIDStatus: http.StatusNotFound,
		policyLimit:     policyLimit,
	}
	for _, opt := range opts {
		opt(&c)
	}
	if c.clock == nil {
		c.clock = time.Now
	}
	if clock, skew := c.clock, c.clockSkew; skew != 0 {
		c.clock = func() time.Time { return clock().Add(skew) }
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// WithAPIKey makes the fake accept only this key and respond 401 to any other. By
// default, and with the empty key, any bearer token is accepted that is not empty.
func WithAPIKey(key string) Option {
	return func(c *config) { c.apiKey = key }
}

// WithoutCapability makes the account one without the devbox capability: the
// response to every request with a good key is 403.
func WithoutCapability() Option {
	return func(c *config) { c.withoutCapability = true }
}

// WithConflictStatus sets the status of the response to a create or a rename whose
// name is taken: 400, which is the default and what the API's description states,
// or 409, which some clients expect. It panics at any other status.
func WithConflictStatus(status int) Option {
	if status != http.StatusBadRequest && status != http.StatusConflict {
		panic(fmt.Sprintf("runlooptest: conflict status %d is neither 400 nor 409", status))
	}
	return func(c *config) { c.conflictStatus = status }
}

// WithUnknownIDStatus sets the status of the response to a get, an update or a
// delete of an unknown policy ID: 404, which is the default and what the API's
// description states, or 400, which the live API is known to send for other
// resources. It panics at any other status. An unknown devbox is always a 400, and
// so is an unknown policy in a launch and an unknown starting_after of a list.
func WithUnknownIDStatus(status int) Option {
	if status != http.StatusBadRequest && status != http.StatusNotFound {
		panic(fmt.Sprintf("runlooptest: unknown-id status %d is neither 400 nor 404", status))
	}
	return func(c *config) { c.unknownIDStatus = status }
}

// WithPolicyLimit sets how many policies the account may have: a create beyond the
// limit is refused with 400. The default is 100, Runloop's own limit. With 0 or less
// there is no limit. Seeded policies count, but are never refused.
func WithPolicyLimit(n int) Option {
	return func(c *config) { c.policyLimit = n }
}

// WithStartup makes a devbox take d from its launch to the last status of its
// script, which is "running" by default. If there are statuses in between, all take
// equally long. The time is that of [time.Now], so it is virtual in a
// [testing/synctest] bubble. By default, and with 0, each look of a client moves a
// devbox to its next status instead. WithStartup panics when d is negative.
func WithStartup(d time.Duration) Option {
	if d < 0 {
		panic(fmt.Sprintf("runlooptest: startup %v is negative", d))
	}
	return func(c *config) { c.startup = d }
}

// WithBlueprints sets which blueprints exist, by ID or name. A launch from any other
// is refused with 400. By default every blueprint exists.
func WithBlueprints(ids ...string) Option {
	return func(c *config) { c.blueprints = append([]string{}, ids...) }
}

// WithOldestFirst makes lists start with the oldest item. By default they start
// with the newest. Runloop documents neither, so a client should work with both.
func WithOldestFirst() Option {
	return func(c *config) { c.oldestFirst = true }
}

// WithVersion01 makes the fake an API of version 0.1, exactly as its OpenAPI
// description has it: bodies with allow_runloop_mirrors or allowed_cidrs are refused
// with 400, responses leave these fields out, and a list ignores search. By default
// the fake knows all three.
func WithVersion01() Option {
	return func(c *config) { c.v01 = true }
}

// WithNormalizedNames makes the API store policy names as normalize returns them, on
// a create and a rename: [strings.TrimSpace] and [strings.ToLower], for example.
// Names are then compared in that form. By default names are stored as they are sent.
func WithNormalizedNames(normalize func(name string) string) Option {
	return func(c *config) { c.normalizeName = normalize }
}

// WithDefaultProtocol makes the API store a port rule without a protocol with this
// one. By default it is stored, and shown, without a protocol.
func WithDefaultProtocol(protocol runloop.Protocol) Option {
	return func(c *config) { c.defaultProtocol = protocol }
}

// WithUnknownFields adds fields to the egress rules of every policy that the fake
// shows, as a newer API does. [New] panics when they cannot be encoded as JSON or are
// among the fields that the fake knows.
func WithUnknownFields(egress map[string]any) Option {
	return func(c *config) { c.unknownFields = egress }
}

// WithClock sets the clock of the API, from which create and update times and the
// Date header come. The function is called by one goroutine at a time, and must not
// call methods of the API. The default, also for nil, is [time.Now], which in a
// [testing/synctest] bubble is the bubble's time.
func WithClock(now func() time.Time) Option {
	return func(c *config) { c.clock = now }
}

// WithClockSkew makes the clock of the API differ from the client's by d: the API is
// ahead when d is positive. Delays and startups take as long as they do without it.
func WithClockSkew(d time.Duration) Option {
	return func(c *config) { c.clockSkew = d }
}

// WithLatency makes every request wait before it is applied, in addition to the
// delays of faults. The default is not to wait.
func WithLatency(d time.Duration) Option {
	return func(c *config) { c.latency = d }
}

// WithPolicies seeds the account, oldest first, as [API.AddPolicy] does. Several of
// them add up.
func WithPolicies(policies ...runloop.NetworkPolicy) Option {
	return func(c *config) { c.policies = append(c.policies, policies...) }
}

// WithRandomFaults makes each request of an [Operation] meet a fault with the
// probability rate, from 0, which is the default, to 1. A scripted fault or
// placeholder takes precedence.
//
// The faults are those that a client with retries survives: a 429 response with
// Retry-After: 1, a 503 response, a 502 response after the commit, a connection
// closed before and after the commit, and a cut body, all equally likely. The same
// seed gives the same faults to the same sequence of requests; concurrent requests
// are in the order of their arrival.
//
// It panics when rate is not from 0 to 1.
func WithRandomFaults(rate float64, seed uint64) Option {
	if !(rate >= 0 && rate <= 1) {
		panic(fmt.Sprintf("runlooptest: fault rate %v is not from 0 to 1", rate))
	}
	return func(c *config) { c.faultRate, c.faultSeed = rate, seed }
}

// WithoutRecord keeps no record of requests: [API.Requests] returns nothing. It is
// for long-running servers.
func WithoutRecord() Option {
	return func(c *config) { c.withoutRecord = true }
}

// WithLogger logs one event for each request, at level Info, without headers and
// bodies. By default, and with nil, nothing is logged.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) { c.logger = logger }
}
