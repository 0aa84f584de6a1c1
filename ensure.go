package runloop

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/runloop-community/runloop-go/internal/engine"
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
		return nil, invalid(opGetByName, "name", problem)
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
			return nil, isNot(err, ErrNotFound) // what is not found is the list, or its cursor
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
//
// When another program creates or deletes the policy in between, Ensure starts over:
// up to four times, the first at once, the others after the waits of retries.
func (s *NetworkPoliciesService) Ensure(ctx context.Context, params NetworkPolicyCreateParams, opts ...Option) (*NetworkPolicy, error) {
	return s.converge(ctx, &convergence{op: opEnsure, params: params, opts: opts})
}

// Apply is Ensure that updates a policy whose rules differ, or whose description
// does when params has one. When programs apply different rules under one name at
// the same time, the policy ends with the rules of one of them, whole. What an
// update cannot change, a rule that this version of the SDK does not know, is a
// [*DriftError].
func (s *NetworkPoliciesService) Apply(ctx context.Context, params NetworkPolicyCreateParams, opts ...Option) (*NetworkPolicy, error) {
	return s.converge(ctx, &convergence{op: opApply, params: params, updates: true, opts: opts})
}

// A convergence is one call of Ensure or Apply.
type convergence struct {
	op      string
	params  NetworkPolicyCreateParams
	updates bool // a policy that differs
	opts    []Option

	wrote   bool  // an earlier round sent a write
	unsure  bool  // which may have taken effect
	refused error // what an earlier round's create got, without a reason
}

// converge starts over while other programs are faster.
func (s *NetworkPoliciesService) converge(ctx context.Context, c *convergence) (*NetworkPolicy, error) {
	if err := c.params.validate(c.op); err != nil {
		return nil, err
	}
	c.params.Egress = c.params.Egress.clone()
	for round := 1; ; round++ {
		policy, again, err := s.settle(ctx, c)
		c.unsure = carryMaybeApplied(err, c.unsure)
		switch {
		case again && round < maxRounds:
			if round > 1 { // the list may be behind
				engine.Wait(ctx, round-1)
			}
		case err != nil:
			return nil, err
		default:
			return checkDrift(c.op, c.params.Egress, policy)
		}
	}
}

// settle creates the policy, or brings the one that has the name to what it is to
// be. again says that another program came in between.
func (s *NetworkPoliciesService) settle(ctx context.Context, c *convergence) (policy *NetworkPolicy, again bool, err error) {
	policy, err = s.find(ctx, c.op, c.params.Name, forLookUp(c.opts))
	switch {
	case err != nil:
		return nil, false, err
	case policy == nil && c.refused != nil:
		return nil, false, c.refused
	case policy == nil:
		policy, err = s.create(ctx, c.op, c.params, c.writeOpts())
		if isUnexplained(err) {
			c.refused = err
		}
		return policy, c.refused != nil || errors.Is(err, ErrNameTaken), err
	}
	update, needed := changesTo(c.params, policy)
	if !needed || !c.updates {
		return policy, false, nil
	}
	policy, err = s.update(ctx, c.op, policy.ID, update, c.writeOpts())
	if err != nil {
		return nil, errors.Is(err, ErrNotFound), err
	}
	missed, _ := changesTo(c.params, policy)
	return policy, setsMore(missed, update), nil // or two programs' updates stay mixed
}

// writeOpts returns the options of a write. Only the first one has the caller's key.
func (c *convergence) writeOpts() []Option {
	if c.wrote {
		return withoutKey(c.opts)
	}
	c.wrote = true
	return c.opts
}

// isUnexplained reports whether err is a 400 without a message, as when its body
// was cut. It may have said that the name is taken.
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
