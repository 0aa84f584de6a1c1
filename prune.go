package runloop

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/runloop-community/runloop-go/internal/engine"
)

const opPrune = "prune network policies"

// PruneParams are the parameters of Prune.
type PruneParams struct {
	// NamePrefix is required. Prune considers only policies whose names begin with it.
	NamePrefix string
	// MinAge is the minimum time since the last update, by the API's clock. Policies
	// updated more recently are kept. 0 means no minimum.
	MinAge time.Duration
}

func (p PruneParams) validate() error {
	switch {
	case p.NamePrefix == "":
		return invalid(opPrune, "NamePrefix", `must not be empty: write the prefix of your policies' names, as in "task-"`)
	case textProblem(p.NamePrefix) != "":
		return invalid(opPrune, "NamePrefix", textProblem(p.NamePrefix))
	case p.MinAge < 0:
		return invalid(opPrune, "MinAge", "must not be negative: write 0 for policies of any age")
	case unitlessProblem(p.MinAge) != "":
		return invalid(opPrune, "MinAge", unitlessProblem(p.MinAge))
	}
	return nil
}

// Prune deletes the policies whose names begin with a prefix, except those in use by active
// devboxes and those updated less than MinAge ago. It returns the policies that it deleted,
// even if the error is not nil. Programs that name policies after their rules should call
// Prune regularly, because an account is limited to 100 policies by default:
//
//	deleted, err := client.NetworkPolicies.Prune(ctx, runloop.PruneParams{NamePrefix: "task-", MinAge: time.Hour})
//
// A devbox counts as active as described for [NetworkPoliciesService.Delete]. Any number of
// programs can prune concurrently. If another program still needs a deleted policy, its
// next Ensure creates the policy again.
//
// If the API refuses to delete a policy for another reason than being in use, Prune
// continues with the remaining policies and returns the joined errors. An invalid API key,
// network errors, server errors and the end of the context stop Prune.
func (s *NetworkPoliciesService) Prune(ctx context.Context, params PruneParams, opts ...Option) ([]NetworkPolicy, error) {
	if err := params.validate(); err != nil {
		return nil, err
	}
	clock := new(engine.Clock)
	candidates, err := s.unused(ctx, params, clock, opts)
	if err != nil {
		return nil, err
	}
	lookUp := func(id string) engine.Resolution {
		_, resolution := s.resolveDelete(ctx, opPrune, id, forRead(opts))
		return resolution
	}
	var deleted []NetworkPolicy
	var refused []error
	for _, policy := range candidates {
		_, err := s.delete(ctx, opPrune, policy.ID, pruneRefusals, withoutKey(opts))
		inDoubt := errors.Is(err, ErrMaybeApplied)
		switch {
		case err == nil:
			deleted = append(deleted, policy)
		case errors.Is(err, ErrPolicyInUse) && (!inDoubt || lookUp(policy.ID) == engine.NotApplied):
		case errors.Is(err, errGone) && !inDoubt && lookUp(policy.ID) == engine.Applied:
		case isRefusal(err):
			refused = append(refused, err)
		default:
			return deleted, errors.Join(append(refused, err)...)
		}
	}
	return deleted, errors.Join(refused...)
}

// unused returns the policies to try to delete. It reads all of them before the first is
// deleted.
func (s *NetworkPoliciesService) unused(ctx context.Context, params PruneParams, clock *engine.Clock, opts []Option) ([]NetworkPolicy, error) {
	var found []NetworkPolicy
	reset := func() { found = nil }
	pages := s.pages(ctx, opPrune, NetworkPolicyListParams{Name: params.NamePrefix}, goneRefusals, clock, forRead(opts))
	err := search(pages, reset, func(page *NetworkPolicyPage) bool {
		newest := clock.At(time.Now()).Add(-params.MinAge)
		for _, policy := range page.NetworkPolicies {
			isOld := params.MinAge == 0 || !policy.UpdateTime.IsZero() && !policy.UpdateTime.After(newest)
			if strings.HasPrefix(policy.Name, params.NamePrefix) && isOld {
				found = append(found, policy)
			}
		}
		return true
	})
	return found, err
}

// isRefusal reports whether err is the refusal of a single request, so that other
// requests may succeed.
func isRefusal(err error) bool {
	e, ok := errors.AsType[*APIError](err)
	return ok && e.StatusCode >= 400 && e.StatusCode < 500 && !e.transient &&
		!errors.Is(err, ErrUnauthorized) && !errors.Is(err, errGone) && !isEnd(err)
}
