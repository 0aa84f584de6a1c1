package runloop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/runloop-community/runloop-go/internal/engine"
)

const (
	opGetByName = "get network policy by name"
	opEnsure    = "ensure network policy"
	opApply     = "apply network policy"
	opPlan      = "plan network policy"
)

// maxRounds limits how often a call starts over because another program creates or
// deletes policies concurrently.
const maxRounds = 5

// GetByName returns the policy with exactly this name. If there is none, the error
// matches [ErrNotFound]. GetByName reads as many pages of the list as necessary, because
// the API's filter matches substrings.
func (s *NetworkPoliciesService) GetByName(ctx context.Context, name string, opts ...Option) (*NetworkPolicy, error) {
	if problem := nameProblem(name); problem != "" {
		return nil, invalid(opGetByName, "name", problem)
	}
	found, err := s.find(ctx, opGetByName, name, new(engine.Clock), opts)
	if err != nil {
		return nil, err
	}
	if found.exact == nil {
		// Not an APIError: no response had an error status.
		return nil, fmt.Errorf("runloop: %s: no policy is named %s: %w", opGetByName, quote(name), ErrNotFound)
	}
	return found.exact, nil
}

// A match holds the policies found under a name. They are copies, which do not keep
// their page in memory.
type match struct {
	exact   *NetworkPolicy
	similar *NetworkPolicy // the only one whose name differs just in case or blanks
}

// policy returns the match, for an API that may store a name with other case or blanks.
func (m match) policy() *NetworkPolicy { return cmp.Or(m.exact, m.similar) }

// find looks up a policy by its name.
func (s *NetworkPoliciesService) find(ctx context.Context, op, name string, clock *engine.Clock, opts []Option) (match, error) {
	return s.findIn(ctx, op, NetworkPolicyListParams{Name: name}, name, clock, opts)
}

func (s *NetworkPoliciesService) findIn(ctx context.Context, op string, params NetworkPolicyListParams, name string, clock *engine.Clock, opts []Option) (match, error) {
	var found match
	var similar int
	reset := func() { found, similar = match{}, 0 }
	err := search(s.pages(ctx, op, params, goneRefusals, clock, opts), reset, func(page *NetworkPolicyPage) bool {
		for i := range page.NetworkPolicies {
			switch policy := &page.NetworkPolicies[i]; {
			case policy.Name == name:
				found.exact = new(*policy)
				return false
			case sameName(name, policy.Name):
				found.similar = new(*policy)
				similar++
			}
		}
		return true
	})
	if err != nil {
		return match{}, err
	}
	if similar > 1 {
		found.similar = nil
	}
	return found, nil
}

// Ensure returns the policy with the name and the rules of params, creating it if
// necessary. Any number of programs can call it concurrently; all get the same policy. If a
// policy with the name has other rules, the error is a [*DriftError], and nothing changes.
// Rules are compared by [EgressRules.Equal], except for the unknown fields named by
// [WithIgnoredRules]. The description of an existing policy is ignored.
//
// If another program creates or deletes the policy concurrently, Ensure tries again up to
// four times: first immediately, then with pauses as between retries.
//
// Concurrent calls on one client with equal parameters and no options share their requests.
// If the context of one call ends, only that call ends.
func (s *NetworkPoliciesService) Ensure(ctx context.Context, params NetworkPolicyCreateParams, opts ...Option) (*NetworkPolicy, error) {
	return s.ensure(ctx, opEnsure, params, opts)
}

func (s *NetworkPoliciesService) ensure(ctx context.Context, op string, params NetworkPolicyCreateParams, opts []Option) (*NetworkPolicy, error) {
	params.Egress = params.Egress.clone() // the call may wait before it sends the rules
	c := &convergence{op: op, params: params, opts: opts}
	if len(opts) > 0 || s.owner() == nil || ctx == nil {
		return s.converge(ctx, c)
	}
	if err := params.validate(op); err != nil {
		return nil, err
	}
	return s.shared.do(ctx, op, params.flightKey(), func(f *flight) (*NetworkPolicy, error) {
		c.onWrite = func() { f.wrote.Store(true) }
		if f.wrote.Load() {
			c.opts = inDoubt(c.opts)
		}
		return s.converge(ctx, c)
	})
}

// flightKey returns a key that is the same for parameters with the same name and
// description and Equal rules.
func (p NetworkPolicyCreateParams) flightKey() string {
	key := []string{strconv.Quote(p.Name), strconv.Quote(p.Description)}
	return strings.Join(append(key, p.Egress.canonical(true).lines("", true, true)...), "\n")
}

// Apply is like Ensure, but updates an existing policy whose rules or description differ
// from params. An empty description clears the policy's. If programs concurrently apply
// different rules under one name, the policy ends up with the complete rules of one of
// them. If a difference remains that no update can remove, such as an unknown field, the
// error is a [*DriftError].
func (s *NetworkPoliciesService) Apply(ctx context.Context, params NetworkPolicyCreateParams, opts ...Option) (*NetworkPolicy, error) {
	params.Egress = params.Egress.clone()
	return s.converge(ctx, &convergence{op: opApply, params: params, updates: true, opts: opts})
}

// A NetworkPolicyPlan describes what Apply would do.
type NetworkPolicyPlan struct {
	// Action is PlanCreate, PlanUpdate or PlanNone.
	Action PlanAction
	// Policy is the existing policy, or nil if there is none.
	Policy *NetworkPolicy
	// Diff has one line per difference that Apply would remove: "- " followed by what only
	// the policy has, or "+ " followed by what only params has. It is empty for PlanNone.
	Diff []string
}

// A PlanAction is what Apply would do: PlanCreate, PlanUpdate or PlanNone.
type PlanAction string

// The actions of a plan.
const (
	PlanCreate PlanAction = "create" // no policy has the name
	PlanUpdate PlanAction = "update" // the rules or the description differ
	PlanNone   PlanAction = "none"   // nothing differs
)

// Plan reports what [NetworkPoliciesService.Apply] would do with the same parameters. It
// changes nothing. If Apply could not succeed, because the policy has an unknown rule that
// no update can remove, the error is a [*DriftError].
func (s *NetworkPoliciesService) Plan(ctx context.Context, params NetworkPolicyCreateParams, opts ...Option) (*NetworkPolicyPlan, error) {
	if err := params.validate(opPlan); err != nil {
		return nil, err
	}
	found, err := s.find(ctx, opPlan, params.Name, new(engine.Clock), opts)
	if err != nil {
		return nil, err
	}
	policy := found.exact
	if policy == nil {
		return &NetworkPolicyPlan{Action: PlanCreate, Diff: diffOf(NetworkPolicyCreateParams{}, params)}, nil
	}
	c := &convergence{op: opPlan, params: params, opts: opts}
	after := *policy
	after.Egress = params.Egress.withUnknownOf(policy.Egress)
	if _, err := s.checkDrift(c, &after); err != nil {
		return nil, err
	}
	plan := &NetworkPolicyPlan{Action: PlanNone, Policy: policy}
	if _, needed := s.changesTo(c, policy); !needed {
		return plan, nil
	}
	plan.Action = PlanUpdate
	plan.Diff = diffOf(NetworkPolicyCreateParams{Description: policy.Description, Egress: s.accepted(c, policy.Egress)}, params)
	return plan, nil
}

// diffOf returns the lines of a plan that changes the rules and the description.
func diffOf(from, to NetworkPolicyCreateParams) []string {
	diff := from.Egress.Diff(to.Egress)
	if from.Description == to.Description {
		return diff
	}
	if from.Description != "" {
		diff = append(diff, "- description "+quote(from.Description))
	}
	if to.Description != "" {
		diff = append(diff, "+ description "+quote(to.Description))
	}
	return diff
}

// A convergence is one call of Ensure or Apply.
type convergence struct {
	op      string
	params  NetworkPolicyCreateParams
	updates bool // whether a policy that differs is updated
	opts    []Option
	onWrite func() // called before a write is sent; may be nil

	wrote     bool  // an earlier round sent a write
	inDoubt   bool  // a write was or may have been applied
	taken     bool  // the API reported that the name is taken
	exhausted bool  // all attempts of a create failed, so the next lookup gets only one
	refused   error // the refusal of an earlier round's create, if it gave no reason
}

// converge settles the policy, again if another program interferes.
func (s *NetworkPoliciesService) converge(ctx context.Context, c *convergence) (*NetworkPolicy, error) {
	if err := c.params.validate(c.op); err != nil {
		return nil, err
	}
	for round := 1; ; round++ {
		policy, again, err := s.settle(ctx, c)
		switch {
		case again && round < maxRounds:
			if c.inDoubt {
				c.opts = inDoubt(c.opts)
			}
			if round > 1 { // the list may be behind
				engine.Wait(ctx, round-1)
			}
		case err != nil:
			return nil, err
		default:
			return s.checkDrift(c, policy)
		}
	}
}

// settle creates the policy, or updates the one that has the name. again reports that
// another program interfered.
func (s *NetworkPoliciesService) settle(ctx context.Context, c *convergence) (policy *NetworkPolicy, again bool, err error) {
	policy, err = s.current(ctx, c)
	switch {
	case err != nil:
		return nil, false, err
	case policy == nil && c.refused != nil:
		return nil, false, c.refused
	case policy == nil:
		policy, err = s.create(ctx, c.op, c.params, c.writeOpts())
		c.noteWrite(err)
		c.exhausted = isTransient(err)
		c.taken = errors.Is(err, ErrNameTaken)
		if isUnexplained(err) {
			c.refused = err
		}
		return policy, c.refused != nil || c.taken, err
	}
	update, needed := s.changesTo(c, policy)
	if !needed || !c.updates {
		return policy, false, nil
	}
	policy, err = s.update(ctx, c.op, policy.ID, update, goneRefusals, c.writeOpts())
	c.noteWrite(err)
	if err != nil {
		return nil, errors.Is(err, errGone), err
	}
	missed, _ := s.changesTo(c, policy)
	// The updates of two programs must not stay mixed, and the policy may have been renamed.
	return policy, setsMore(missed, update) || !sameName(c.params.Name, policy.Name), nil
}

// current returns the policy that has the name, or nil. If the API has reported that the
// name is taken, a policy whose name differs in case or blanks may have it. The API's
// filter might not find that one, so current reads the whole list.
func (s *NetworkPoliciesService) current(ctx context.Context, c *convergence) (*NetworkPolicy, error) {
	opts := forRead(c.opts)
	if c.exhausted {
		opts = append(opts, WithMaxRetries(0))
	}
	if !c.taken {
		found, err := s.find(ctx, c.op, c.params.Name, new(engine.Clock), opts)
		return found.exact, err
	}
	found, err := s.findIn(ctx, c.op, NetworkPolicyListParams{}, c.params.Name, new(engine.Clock), opts)
	return found.policy(), err
}

// writeOpts returns the options of a write. Only the first write gets the caller's key.
func (c *convergence) writeOpts() []Option {
	if c.onWrite != nil {
		c.onWrite()
	}
	if c.wrote {
		return withoutKey(c.opts)
	}
	c.wrote = true
	return c.opts
}

// noteWrite records that a write was or may have been applied, for later errors.
func (c *convergence) noteWrite(err error) {
	c.inDoubt = c.inDoubt || err == nil || errors.Is(err, ErrMaybeApplied)
}

// inDoubt returns the options for the rest of a call after a write that may have been
// applied: every error then reports that.
func inDoubt(opts []Option) []Option {
	return append(opts[:len(opts):len(opts)], func(s *settings) { s.inDoubt = true })
}

// isUnexplained reports whether err is a 400 without a message. It may mean that the name
// is taken, because the contract has a single 400 for taken and invalid names.
func isUnexplained(err error) bool {
	e, ok := err.(*APIError)
	return ok && e.StatusCode == http.StatusBadRequest && e.Message == ""
}

// checkDrift returns the policy if it has the name and rules of the call.
func (s *NetworkPoliciesService) checkDrift(c *convergence, policy *NetworkPolicy) (*NetworkPolicy, error) {
	diff := c.params.Egress.diffWithoutValues(s.accepted(c, policy.Egress))
	if !sameName(c.params.Name, policy.Name) {
		diff = append(diff, "- name "+quote(c.params.Name), "+ name "+quote(policy.Name))
	}
	if len(diff) == 0 {
		return policy, nil
	}
	key := s.client.settings.with(c.opts).apiKey
	for i := range diff {
		diff[i] = engine.Redact(key, diff[i])
	}
	return nil, &DriftError{
		Op:      c.op,
		Policy:  policy,
		Diff:    diff,
		subject: describe(engine.Redact(key, policy.Name), engine.Redact(key, policy.ID)),
		inDoubt: c.inDoubt,
	}
}

// accepted returns the rules without the unknown fields that the call ignores.
func (s *NetworkPoliciesService) accepted(c *convergence, rules EgressRules) EgressRules {
	return rules.ignoring(s.client.settings.with(c.opts).ignoredRules)
}

// changesTo returns the update that makes the policy match the parameters, and whether
// one is needed.
func (s *NetworkPoliciesService) changesTo(c *convergence, policy *NetworkPolicy) (NetworkPolicyUpdateParams, bool) {
	var update NetworkPolicyUpdateParams
	describes := c.params.Description != policy.Description
	if describes {
		update.Description = &c.params.Description
	}
	want, have := c.params.Egress, s.accepted(c, policy.Egress)
	if want.Equal(have) {
		return update, describes
	}
	update.AllowAll = &want.AllowAll
	update.AllowDevboxToDevbox = &want.AllowDevboxToDevbox
	update.AllowedHostnames = &want.AllowedHostnames
	update.AllowAgentGateway = &want.AllowAgentGateway
	update.AllowMCPGateway = &want.AllowMCPGateway
	// A server of API version 0.1 rejects fields that it does not know.
	if want.AllowRunloopMirrors || have.AllowRunloopMirrors {
		update.AllowRunloopMirrors = &want.AllowRunloopMirrors
	}
	if len(want.AllowedCIDRs) > 0 || len(have.AllowedCIDRs) > 0 {
		update.AllowedCIDRs = &want.AllowedCIDRs
	}
	return update, true
}

// setsMore reports whether p sets rules that o does not set.
func setsMore(p, o NetworkPolicyUpdateParams) bool {
	return p.AllowAll != nil && o.AllowAll == nil ||
		p.AllowRunloopMirrors != nil && o.AllowRunloopMirrors == nil ||
		p.AllowedCIDRs != nil && o.AllowedCIDRs == nil
}
