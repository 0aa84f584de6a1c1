package runloop

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// What became of a write whose response was lost. Names are unique and IDs are
// assigned by the API, so a repeated write cannot create duplicates, but its response can
// be misleading. Presence is believed from a policy that was read, and absence
// from a successful list that does not contain it: a 404 can be a load balancer's.

// A createLookup finds the policy that a create may have made.
type createLookup struct {
	s      *NetworkPoliciesService
	op     string
	params NetworkPolicyCreateParams
	start  time.Time
	clock  *engine.Clock
	opts   []Option
}

// resolve adopts only a policy that equals all that was sent, but for the unknown fields
// that the call ignores, and was created after the call began.
func (l *createLookup) resolve(ctx context.Context, lost engine.Lost) (*NetworkPolicy, engine.Resolution) {
	found, err := l.s.find(ctx, l.op, l.params.Name, l.clock, forLookup(l.opts, lost))
	switch {
	case err != nil:
		return nil, engine.Unresolved
	case found.policy() == nil:
		return nil, engine.NotApplied
	}
	policy := found.policy()
	ignored := l.s.client.settings.with(l.opts).ignoredRules
	if policy.Description != l.params.Description ||
		!policy.Egress.ignoring(ignored).Equal(l.params.Egress) ||
		policy.CreateTime.Before(l.clock.At(l.start).Truncate(time.Millisecond)) {
		return nil, engine.Unresolved
	}
	return policy, engine.Applied
}

// resolveUpdate reads the policy and compares it with what was set. If the policy
// seems to be gone, the list shows whether it is, unless all attempts are used up.
func (s *NetworkPoliciesService) resolveUpdate(ctx context.Context, op, id string, params NetworkPolicyUpdateParams, opts []Option, lost engine.Lost) (*NetworkPolicy, engine.Resolution) {
	opts = forLookup(opts, lost)
	policy, err := s.get(ctx, op, id, opts)
	switch {
	case err == nil && params.holdFor(policy):
		return policy, engine.Applied
	case errors.Is(err, ErrNotFound) && lost.Retries > 0:
		if _, deleted := s.resolveDelete(ctx, op, id, opts); deleted == engine.Applied {
			return nil, engine.Absent
		}
	}
	return nil, engine.Unresolved
}

// resolveDelete looks for the policy in the list.
func (s *NetworkPoliciesService) resolveDelete(ctx context.Context, op, id string, opts []Option) (*NetworkPolicy, engine.Resolution) {
	listed, err := s.isListed(ctx, op, id, opts)
	switch {
	case err != nil:
		return nil, engine.Unresolved
	case listed:
		return nil, engine.NotApplied
	}
	return &NetworkPolicy{ID: id}, engine.Applied
}

// isListed reports whether the list, which the API filters by the ID, has the policy.
func (s *NetworkPoliciesService) isListed(ctx context.Context, op, id string, opts []Option) (listed bool, err error) {
	pages := s.pages(ctx, op, NetworkPolicyListParams{ID: id}, goneRefusals, new(engine.Clock), opts)
	err = search(pages, func() { listed = false }, func(page *NetworkPolicyPage) bool {
		listed = slices.ContainsFunc(page.NetworkPolicies, func(p NetworkPolicy) bool { return p.ID == id })
		return !listed
	})
	return listed, err
}

// holdFor reports whether the policy has the values that p sets.
func (p NetworkPolicyUpdateParams) holdFor(policy *NetworkPolicy) bool {
	if p.Name != nil && *p.Name != policy.Name ||
		p.Description != nil && *p.Description != policy.Description ||
		p.AllowAll != nil && *p.AllowAll != policy.Egress.AllowAll {
		return false
	}
	// The rules that AllowAll makes irrelevant were set all the same. It turns devbox to
	// devbox on.
	have := policy.Egress
	have.AllowAll = false
	set := have
	if policy.Egress.AllowAll {
		p.AllowDevboxToDevbox = nil
	}
	for _, flag := range []struct {
		want *bool
		dst  *bool
	}{
		{p.AllowDevboxToDevbox, &set.AllowDevboxToDevbox},
		{p.AllowAgentGateway, &set.AllowAgentGateway},
		{p.AllowMCPGateway, &set.AllowMCPGateway},
		{p.AllowRunloopMirrors, &set.AllowRunloopMirrors},
	} {
		if flag.want != nil {
			*flag.dst = *flag.want
		}
	}
	if p.AllowedHostnames != nil {
		set.AllowedHostnames = *p.AllowedHostnames
	}
	if p.AllowedCIDRs != nil {
		set.AllowedCIDRs = *p.AllowedCIDRs
	}
	return set.Equal(have)
}

// clone shares no list with p.
func (p NetworkPolicyUpdateParams) clone() NetworkPolicyUpdateParams {
	if p.AllowedHostnames != nil {
		p.AllowedHostnames = new(slices.Clone(*p.AllowedHostnames))
	}
	if p.AllowedCIDRs != nil {
		p.AllowedCIDRs = new(EgressRules{AllowedCIDRs: *p.AllowedCIDRs}.clone().AllowedCIDRs)
	}
	return p
}

// withoutKey returns the options of a call for a second write of it.
func withoutKey(opts []Option) []Option {
	return append(slices.Clip(opts), func(s *settings) {
		s.idempotencyKey, s.idempotencyKeySet = "", false
	})
}

// forRead returns the options of a call for a read within it, which is not the request
// that the caller gave a key or wants the response of.
func forRead(opts []Option) []Option {
	return append(withoutKey(opts), func(s *settings) {
		s.response, s.responseSet = nil, false
	})
}

// forLookup returns the options of a call for a lookup of what became of it.
func forLookup(opts []Option, lost engine.Lost) []Option {
	return append(forRead(opts), WithMaxRetries(lost.Retries))
}
