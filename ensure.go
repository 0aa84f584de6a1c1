package runloop

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

const (
	opGetByName = "get network policy by name"
	opEnsure    = "ensure network policy"
	opApply     = "apply network policy"
)

// maxRounds bounds how often Ensure and Apply start over because another program
// created or deleted the policy under their hands.
const maxRounds = 5

// GetByName returns the policy that has exactly this name, or an error that matches
// [ErrNotFound]. It reads as many pages of the list as it needs: the API's own
// filter also finds names that contain the one asked for.
func (s *NetworkPoliciesService) GetByName(ctx context.Context, name string, opts ...Option) (*NetworkPolicy, error) {
	if problem := nameProblem(name); problem != "" {
		return nil, &ValidationError{opGetByName, "name", problem}
	}
	policy, err := s.find(ctx, opGetByName, name, opts)
	if err == nil && policy == nil {
		// No APIError: the API did not say so, the list did.
		err = fmt.Errorf("runloop: %s: no policy is called %s: %w", opGetByName, quote(name), ErrNotFound)
	}
	return policy, err
}

// find returns the policy with the name, or nil when there is none.
func (s *NetworkPoliciesService) find(ctx context.Context, op, name string, opts []Option) (*NetworkPolicy, error) {
	for policy, err := range s.all(ctx, op, NetworkPolicyListParams{Name: name}, opts) {
		if err != nil {
			return nil, err
		}
		if policy.Name == name {
			return policy, nil
		}
	}
	return nil, nil
}

// Ensure returns the policy with the name and the rules of params, and creates it
// when none has the name. Any number of programs can do so at the same time: they
// all get the one policy. When a policy with other rules has the name, the error is
// a [*DriftError] and nothing changes. Rules are compared by [EgressRules.Equal];
// the description of a policy that exists does not matter.
func (s *NetworkPoliciesService) Ensure(ctx context.Context, params NetworkPolicyCreateParams, opts ...Option) (*NetworkPolicy, error) {
	keep := func(found *NetworkPolicy) (NetworkPolicyUpdateParams, bool) {
		return NetworkPolicyUpdateParams{}, false
	}
	return s.converge(ctx, opEnsure, params, keep, opts)
}

// Apply is Ensure that updates a policy whose rules differ, or whose description
// does when params has one. When programs apply different rules under one name at
// the same time, the policy ends with the rules of one of them, whole. What an
// update cannot change, a rule that this version of the SDK does not know, is a
// [*DriftError].
func (s *NetworkPoliciesService) Apply(ctx context.Context, params NetworkPolicyCreateParams, opts ...Option) (*NetworkPolicy, error) {
	change := func(found *NetworkPolicy) (NetworkPolicyUpdateParams, bool) {
		return changesTo(params, found)
	}
	return s.converge(ctx, opApply, params, change, opts)
}

// converge creates the policy, or settles the one that has the name: changes says
// what to update. It starts over when another program was faster.
func (s *NetworkPoliciesService) converge(
	ctx context.Context, op string, params NetworkPolicyCreateParams,
	changes func(found *NetworkPolicy) (NetworkPolicyUpdateParams, bool), opts []Option,
) (*NetworkPolicy, error) {
	if err := params.validate(op); err != nil {
		return nil, err
	}
	params.Egress = params.Egress.clone()
	writeOpts := opts
	unsure := false   // whether the write of an earlier round may have taken effect
	var refused error // the create of an earlier round, for no reason that could be read
	for round := 1; ; round++ {
		policy, err := s.find(ctx, op, params.Name, forLookUp(opts))
		if err != nil {
			carryMaybeApplied(err, unsure)
			return nil, err
		}
		lostRace := ErrNotFound // by an update
		overtaken := false
		if policy == nil {
			if refused != nil {
				return nil, refused
			}
			lostRace = ErrNameTaken // by a create
			policy, err = s.create(ctx, op, params, writeOpts)
			writeOpts = withoutKey(opts)
			if isUnexplained(err) {
				unsure = carryMaybeApplied(err, unsure)
				refused = err
				continue
			}
		} else if update, needed := changes(policy); needed {
			policy, err = s.update(ctx, op, policy.ID, update, writeOpts)
			writeOpts = withoutKey(opts)
			if err == nil {
				missed, _ := changes(policy)
				overtaken = setsMore(missed, update)
			}
		}
		unsure = carryMaybeApplied(err, unsure)
		switch {
		case overtaken && round < maxRounds:
			// Another program wrote after the look: the two updates are mixed.
		case err == nil:
			return checkDrift(op, params.Egress, policy)
		case !errors.Is(err, lostRace) || round == maxRounds:
			return nil, err
		}
	}
}

// isUnexplained reports a 400 without a message, as when its body was cut. It may
// have said that the name is taken.
func isUnexplained(err error) bool {
	e, ok := err.(*APIError)
	return ok && e.StatusCode == http.StatusBadRequest && e.Message == ""
}

// carryMaybeApplied makes err say what an earlier write of the same call left open,
// and returns what is open now.
func carryMaybeApplied(err error, earlier bool) bool {
	switch e := err.(type) {
	case *APIError:
		e.MaybeApplied = e.MaybeApplied || earlier
		return e.MaybeApplied
	case *TransportError:
		e.MaybeApplied = e.MaybeApplied || earlier
		return e.MaybeApplied
	}
	return earlier
}

// checkDrift returns the policy when it has the reach of rules.
func checkDrift(op string, rules EgressRules, policy *NetworkPolicy) (*NetworkPolicy, error) {
	if diff := rules.Diff(policy.Egress); len(diff) > 0 {
		return nil, &DriftError{Op: op, Policy: policy, Diff: diff}
	}
	return policy, nil
}

// changesTo returns the update that makes a policy what params say, and whether it
// needs one.
func changesTo(params NetworkPolicyCreateParams, found *NetworkPolicy) (NetworkPolicyUpdateParams, bool) {
	var update NetworkPolicyUpdateParams
	newDescription := params.Description != "" && params.Description != found.Description
	if newDescription {
		update.Description = &params.Description
	}
	want, have := params.Egress, found.Egress
	if want.Equal(have) {
		return update, newDescription
	}
	update.AllowAll = &want.AllowAll
	update.AllowDevboxToDevbox = &want.AllowDevboxToDevbox
	update.AllowedHostnames = &want.AllowedHostnames
	update.AllowAgentGateway = &want.AllowAgentGateway
	update.AllowMCPGateway = &want.AllowMCPGateway
	// A server of version 0.1 refuses members that it does not know.
	if want.AllowRunloopMirrors || have.AllowRunloopMirrors {
		update.AllowRunloopMirrors = &want.AllowRunloopMirrors
	}
	if len(want.AllowedCIDRs) > 0 || len(have.AllowedCIDRs) > 0 {
		update.AllowedCIDRs = &want.AllowedCIDRs
	}
	return update, true
}

// setsMore reports whether p sets rules that o leaves as they are.
func setsMore(p, o NetworkPolicyUpdateParams) bool {
	return p.AllowAll != nil && o.AllowAll == nil ||
		p.AllowRunloopMirrors != nil && o.AllowRunloopMirrors == nil ||
		p.AllowedCIDRs != nil && o.AllowedCIDRs == nil
}
