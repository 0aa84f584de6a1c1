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
	// NamePrefix is how the names of the policies to delete begin. It is required.
	NamePrefix string
	// MinAge is how long ago, at least, a policy must have been updated last, by the
	// clock of the API. 0 means any time.
	MinAge time.Duration
}

func (p PruneParams) validate() error {
	switch {
	case p.NamePrefix == "":
		return invalid(opPrune, "NamePrefix", `must not be empty: write what the names of your policies begin with, as in "task-"`)
	case textProblem(p.NamePrefix) != "":
		return invalid(opPrune, "NamePrefix", textProblem(p.NamePrefix))
	case p.MinAge < 0:
		return invalid(opPrune, "MinAge", "must not be negative")
	}
	return nil
}

// Prune deletes the policies whose names begin with a prefix, except those that are in
// use by active devboxes and those that were updated recently. It returns the
// policies that it deleted, also together with an error. An account may have 100
// policies by default, so a program that names policies after their rules calls it
// from time to time:
//
//	deleted, err := client.NetworkPolicies.Prune(ctx, runloop.PruneParams{NamePrefix: "task-", MinAge: time.Hour})
//
// Any number of programs can prune concurrently. A policy that another program needs
// again is created again by its Ensure.
//
// A policy that the API refuses to delete for another reason does not keep the others
// from being deleted: the errors are joined. An error of the network, of the server or
// of the context ends Prune.
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

// unused returns the policies to try to delete. All are read before the first is
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

// isRefusal reports whether the API refused one request, which tells nothing of others.
func isRefusal(err error) bool {
	e, ok := errors.AsType[*APIError](err)
	return ok && e.StatusCode >= 400 && e.StatusCode < 500 && !e.transient &&
		!errors.Is(err, ErrUnauthorized) && !errors.Is(err, errGone) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}
