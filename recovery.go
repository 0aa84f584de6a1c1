package runloop

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// This file finds out whether a write whose response was lost took effect. Names are unique
// and the API assigns the IDs, so a repeated write cannot create duplicates, but its
// response can be misleading. The only proof of presence is a policy that was read, and the
// only proof of absence is a successful list without the policy: a 404 can come from a load
// balancer.

// A createLookup looks for the policy that a create may have created.
type createLookup struct {
	s      *NetworkPoliciesService
	op     string
	params NetworkPolicyCreateParams
	start  time.Time
	clock  *engine.Clock
	opts   []Option
}

// resolve adopts a policy only if it equals everything that was sent, except for the
// unknown fields that the call ignores, and was created after the call began.
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

// resolveUpdate reads the policy and compares it with params. If the policy seems to be
// gone and attempts are left, the list shows whether it is.
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

// isListed reports whether the list, filtered by the ID, contains the policy.
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
	if policy.Egress.AllowAll {
		p.AllowDevboxToDevbox = nil // the API turns it on together with AllowAll
	}
	have, want := *policy, *policy
	setIf(&want.Name, p.Name)
	setIf(&want.Description, p.Description)
	setIf(&want.Egress.AllowAll, p.AllowAll)
	setIf(&want.Egress.AllowDevboxToDevbox, p.AllowDevboxToDevbox)
	setIf(&want.Egress.AllowAgentGateway, p.AllowAgentGateway)
	setIf(&want.Egress.AllowMCPGateway, p.AllowMCPGateway)
	setIf(&want.Egress.AllowRunloopMirrors, p.AllowRunloopMirrors)
	setIf(&want.Egress.AllowedHostnames, p.AllowedHostnames)
	setIf(&want.Egress.AllowedCIDRs, p.AllowedCIDRs)
	if want.Name != have.Name || want.Description != have.Description || want.Egress.AllowAll != have.Egress.AllowAll {
		return false
	}
	// Without AllowAll, Equal also compares the rules that AllowAll makes irrelevant.
	want.Egress.AllowAll, have.Egress.AllowAll = false, false
	return want.Egress.Equal(have.Egress)
}

func setIf[T any](dst, value *T) {
	if value != nil {
		*dst = *value
	}
}

// clone returns a copy that shares no list with p.
func (p NetworkPolicyUpdateParams) clone() NetworkPolicyUpdateParams {
	if p.AllowedHostnames != nil {
		p.AllowedHostnames = new(slices.Clone(*p.AllowedHostnames))
	}
	if p.AllowedCIDRs != nil {
		p.AllowedCIDRs = new(EgressRules{AllowedCIDRs: *p.AllowedCIDRs}.clone().AllowedCIDRs)
	}
	return p
}

// withoutKey returns the options of a call for its second write.
func withoutKey(opts []Option) []Option {
	return append(slices.Clip(opts), func(s *settings) {
		s.idempotencyKey, s.idempotencyKeySet = "", false
	})
}

// forRead returns the options of a call for a read within it. The caller's key and the
// caller's *http.Response belong to the write.
func forRead(opts []Option) []Option {
	return append(withoutKey(opts), func(s *settings) {
		s.response, s.responseSet = nil, false
	})
}

// forLookup returns the options of a call for the lookup of its outcome.
func forLookup(opts []Option, lost engine.Lost) []Option {
	return append(forRead(opts), WithMaxRetries(lost.Retries))
}
