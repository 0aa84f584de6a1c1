package runlooptest

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/runloop-community/runloop-go"
)

// An Option overrides a default of the fake. Without options, the fake accepts any key,
// has no policies, and behaves like the live API.
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

func newConfig(opts []Option) config {
	c := config{
		conflictStatus:  http.StatusBadRequest,
		unknownIDStatus: http.StatusNotFound,
		policyLimit:     100,
	}
	for _, opt := range opts {
		opt(&c)
	}
	if c.clock == nil {
		c.clock = time.Now
	}
	clock, skew := c.clock, c.clockSkew
	c.clock = func() time.Time { return clock().Add(skew) }
	c.logger = cmp.Or(c.logger, slog.New(slog.DiscardHandler))
	return c
}

// WithAPIKey makes the fake accept only this key, and respond 401 to any other. By
// default, and with an empty key, it accepts every nonempty bearer token.
func WithAPIKey(key string) Option { return func(c *config) { c.apiKey = key } }

// WithoutCapability removes the devbox capability from the account: the response to
// every request with a valid key is 403.
func WithoutCapability() Option { return func(c *config) { c.withoutCapability = true } }

// WithConflictStatus sets the status of the response to a create or rename if the name
// is taken: 400, the default, as in the API's description, or 409. It panics for any
// other status.
func WithConflictStatus(status int) Option {
	if status != http.StatusBadRequest && status != http.StatusConflict {
		panic(fmt.Sprintf("runlooptest: conflict status %d is neither 400 nor 409", status))
	}
	return func(c *config) { c.conflictStatus = status }
}

// WithUnknownIDStatus sets the status of the response to a get, update or delete of an
// unknown policy: 404, the default, as in the API's description, or 400, which the live
// API sends for some other resources. It panics for any other status. An unknown
// devbox, an unknown cursor, and a launch with an unknown policy are always refused
// with 400.
func WithUnknownIDStatus(status int) Option {
	if status != http.StatusBadRequest && status != http.StatusNotFound {
		panic(fmt.Sprintf("runlooptest: unknown-ID status %d is neither 400 nor 404", status))
	}
	return func(c *config) { c.unknownIDStatus = status }
}

// WithPolicyLimit sets how many policies the account may have. A create beyond the limit
// is refused with 400. The default is 100, Runloop's own limit; 0 or less means no
// limit. [API.AddPolicy] ignores the limit.
func WithPolicyLimit(n int) Option { return func(c *config) { c.policyLimit = n } }

// WithStartup makes a devbox take d from the launch to the last status of its script,
// "running" by default. Statuses in between take equally long. The time is that of
// [time.Now], so it is virtual in a bubble. By default, and with 0, each read moves a
// devbox to its next status instead. WithStartup panics if d is negative.
func WithStartup(d time.Duration) Option {
	if d < 0 {
		panic(fmt.Sprintf("runlooptest: startup %v is negative", d))
	}
	return func(c *config) { c.startup = d }
}

// WithBlueprints sets which blueprints exist, by ID or name. A launch from any other is
// refused with 400. By default, every blueprint exists.
func WithBlueprints(ids ...string) Option {
	return func(c *config) { c.blueprints = append([]string{}, ids...) }
}

// WithOldestFirst makes lists start with the oldest item. The default is the newest.
// Runloop does not document the order, so a client should work with both.
func WithOldestFirst() Option { return func(c *config) { c.oldestFirst = true } }

// WithVersion01 makes the fake behave like version 0.1 of the API, which lacks
// allow_runloop_mirrors, allowed_cidrs and search: it refuses the two fields with 400,
// omits them from responses, and ignores search. By default, it supports all three.
func WithVersion01() Option { return func(c *config) { c.v01 = true } }

// WithNormalizedNames makes creates and renames store the name that normalize returns,
// such as [strings.ToLower]. Uniqueness applies to the stored names. By default, and
// with nil, names are stored as sent. The function must not call methods of the API.
func WithNormalizedNames(normalize func(name string) string) Option {
	return func(c *config) { c.normalizeName = normalize }
}

// WithDefaultProtocol sets the protocol that is stored for a port rule without one. By
// default, none is. It panics if the protocol is not TCP, UDP or empty.
func WithDefaultProtocol(protocol runloop.Protocol) Option {
	if protocol != "" && protocol != runloop.ProtocolTCP && protocol != runloop.ProtocolUDP {
		panic(fmt.Sprintf("runlooptest: default protocol %q is neither TCP nor UDP", protocol))
	}
	return func(c *config) { c.defaultProtocol = protocol }
}

// WithUnknownFields adds fields to the egress rules of every policy, as a newer API
// might. [New] panics if they cannot be encoded as JSON, or if the API has a field of
// the same name.
func WithUnknownFields(egress map[string]any) Option {
	return func(c *config) { c.unknownFields = egress }
}

// WithClock sets the clock of the API, which provides create and update times and the
// Date header. The default, also for nil, is [time.Now]. The function is not called
// concurrently, and must not call methods of the API.
func WithClock(now func() time.Time) Option { return func(c *config) { c.clock = now } }

// WithClockSkew sets the clock of the API ahead by d, or back if d is negative. Delays
// and startups are not affected.
func WithClockSkew(d time.Duration) Option { return func(c *config) { c.clockSkew = d } }

// WithLatency delays every request by d before it is applied, in addition to the delays
// of faults. The default is 0. WithLatency panics if d is negative.
func WithLatency(d time.Duration) Option {
	if d < 0 {
		panic(fmt.Sprintf("runlooptest: latency %v is negative", d))
	}
	return func(c *config) { c.latency = d }
}

// WithPolicies adds policies to the account, oldest first, as [API.AddPolicy] does. If
// it is used several times, all policies are added.
func WithPolicies(policies ...runloop.NetworkPolicy) Option {
	return func(c *config) { c.policies = append(c.policies, policies...) }
}

// WithRandomFaults makes each request meet a fault with the probability rate, from 0,
// the default, to 1. Scripted faults and placeholders take precedence. It panics if
// rate is not from 0 to 1.
//
// The faults are ones that a client with retries survives. They are equally likely: a
// 429 response with Retry-After: 1, a 503 response, a 502 response after the commit, a
// disconnect before and after the commit, and a cut body. The same seed gives the same
// faults to the same sequence of arriving requests.
func WithRandomFaults(rate float64, seed uint64) Option {
	if !(rate >= 0 && rate <= 1) { // NaN too
		panic(fmt.Sprintf("runlooptest: fault rate %v is not from 0 to 1", rate))
	}
	return func(c *config) { c.faultRate, c.faultSeed = rate, seed }
}

// WithoutRecord disables the record of requests, so [API.Requests] returns nothing. Use
// it for servers that run for a long time.
func WithoutRecord() Option { return func(c *config) { c.withoutRecord = true } }

// WithLogger logs one event for each request at level Info, without headers and bodies.
// By default, and with nil, nothing is logged.
func WithLogger(logger *slog.Logger) Option { return func(c *config) { c.logger = logger } }
