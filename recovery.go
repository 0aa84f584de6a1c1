package runloop

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// What to do about a write whose answer got lost. Names are unique and IDs are
// made by the API, so a write cannot be doubled; it can only be misreported.

// clockSkew is by how much the API's clock may be behind.
const clockSkew = 5 * time.Minute

// resolveCreate looks for the policy that a create may have made. It adopts only
// one that equals all that was sent and can be of this call.
func (s *NetworkPoliciesService) resolveCreate(ctx context.Context, op string, params NetworkPolicyCreateParams, start time.Time, opts []Option) (*NetworkPolicy, engine.Resolution) {
	found, err := s.find(ctx, op, params.Name, forLookUp(opts))
	switch {
	case err != nil:
		return nil, engine.Unresolved
	case found == nil:
		return nil, engine.NotApplied
	case found.Description != params.Description,
		!found.Egress.Equal(params.Egress),
		found.CreateTime.Before(start.Add(-clockSkew)):
		return nil, engine.Unresolved
	}
	return found, engine.Applied
}

// resolveDelete says that a policy is gone which may have been deleted by an
// earlier attempt. Some answers of 400 mean that too, which a look tells.
func (s *NetworkPoliciesService) resolveDelete(ctx context.Context, id string, lost error, opts []Option) engine.Resolution {
	switch {
	case errors.Is(lost, ErrNotFound):
		return engine.Applied
	case !errors.Is(lost, ErrBadRequest):
		return engine.Unresolved
	}
	if _, err := s.get(ctx, opDelete, id, forLookUp(opts)); errors.Is(err, ErrNotFound) {
		return engine.Applied
	}
	return engine.Unresolved
}

// withoutKey returns the options of a call for a second write of it.
func withoutKey(opts []Option) []Option {
	return append(slices.Clip(opts), func(s *settings) {
		s.idempotencyKey, s.idempotencyKeySet = "", false
	})
}

// forLookUp returns the options of a call for a look-up within it, which is not the
// request that the caller gave a key or wants the response of.
func forLookUp(opts []Option) []Option {
	return append(withoutKey(opts), func(s *settings) {
		s.response, s.responseSet = nil, false
	})
}
