package faults

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	runloop "github.com/runloop-community/runloop-go"
)

// The calls of TestSoak, each with what a success of it means.

func (s *soaker) anyCall() func(context.Context) []outcome {
	all := []func(context.Context) outcome{
		s.create, s.create, s.update, s.update, s.delete, s.delete, s.get, s.list, s.all, s.getByName, s.ensure, s.ensure, s.apply, s.apply, s.plan, s.prune,
	}
	i := s.random.IntN(len(all) + 1)
	if i == len(all) {
		return s.ensures
	}
	return func(ctx context.Context) []outcome { return []outcome{all[i](ctx)} }
}

// anyID is mostly that of a policy that exists.
func (s *soaker) anyID() string {
	s.model.mu.Lock()
	defer s.model.mu.Unlock()
	if len(s.model.policies) == 0 || s.random.IntN(5) == 0 {
		return fmt.Sprintf("npol_%d", 1+s.random.IntN(s.model.created+5))
	}
	return s.model.policies[s.random.IntN(len(s.model.policies))].ID
}

func (s *soaker) anyName() string {
	return []string{"a", "b", "c", "ab", "bc", "abc", "d", "é"}[s.random.IntN(8)]
}

func (s *soaker) anyParams() runloop.NetworkPolicyCreateParams {
	return runloop.NetworkPolicyCreateParams{
		Name:        s.anyName(),
		Description: fmt.Sprintf("call %d of %s", s.call, s.name),
		Egress: []runloop.EgressRules{
			{}, {AllowAll: true}, {AllowedHostnames: []string{"github.com", "*.npmjs.org"}}, {AllowMCPGateway: true},
		}[s.random.IntN(4)],
	}
}

const (
	noSuchPolicy      = "a policy that never had these values"
	ineffectiveDelete = "a delete without an effect"
)

func (s *soaker) create(ctx context.Context) outcome {
	params := s.anyParams()
	got, err := s.client.Create(ctx, params)
	return outcome{call: "create " + params.Name, err: err, name: params.Name, wrong: func(p *period) string {
		return cmp.Or(when(!p.has(got), noSuchPolicy), when(!slices.Contains(p.effects, "created "+got.ID), "a policy that another call created"))
	}}
}

func (s *soaker) update(ctx context.Context) outcome {
	params, id := s.anyParams(), s.anyID()
	update := runloop.NetworkPolicyUpdateParams{
		Description: &params.Description, AllowAll: &params.Egress.AllowAll,
		AllowedHostnames: &params.Egress.AllowedHostnames, AllowMCPGateway: &params.Egress.AllowMCPGateway,
	}
	o := outcome{call: "update " + id, id: id}
	if s.random.IntN(2) == 0 {
		update.Name, o.name = &params.Name, params.Name
		o.call += ", new name " + params.Name
	}
	got, err := s.client.Update(ctx, id, update)
	o.err = err
	o.wrong = func(p *period) string {
		hasValues := got.Description == params.Description && got.Egress.Equal(params.Egress) && (update.Name == nil || got.Name == params.Name)
		return cmp.Or(when(got.ID != id || !p.has(got), noSuchPolicy), when(!hasValues, "an update without an effect"))
	}
	return o
}

func (s *soaker) delete(ctx context.Context) outcome {
	id := s.anyID()
	got, err := s.client.Delete(ctx, id)
	return outcome{call: "delete " + id, err: err, id: id, wrong: func(p *period) string {
		return when(got.ID != id || p.always(byID(id)), ineffectiveDelete)
	}}
}

func (s *soaker) get(ctx context.Context) outcome {
	id := s.anyID()
	got, err := s.client.Get(ctx, id)
	return outcome{call: "get " + id, err: err, id: id, reads: true, wrong: func(p *period) string {
		return when(got.ID != id || !p.has(got), noSuchPolicy)
	}}
}

func (s *soaker) getByName(ctx context.Context) outcome {
	name := s.anyName()
	got, err := s.client.GetByName(ctx, name)
	return outcome{call: "get by name " + name, err: err, name: name, reads: true, wrong: func(p *period) string {
		return when(got.Name != name || !p.has(got), noSuchPolicy)
	}}
}

func (s *soaker) list(ctx context.Context) outcome {
	page, err := s.client.List(ctx, runloop.NetworkPolicyListParams{Limit: 2})
	return outcome{call: "list", err: err, reads: true, wrong: func(p *period) string {
		isWrong := func(policy runloop.NetworkPolicy) bool { return !p.has(&policy) }
		return when(slices.ContainsFunc(page.NetworkPolicies, isWrong), noSuchPolicy)
	}}
}

// all yields every policy that is there all the time, and none twice.
func (s *soaker) all(ctx context.Context) outcome {
	o := outcome{call: "all", reads: true}
	var got []*runloop.NetworkPolicy
	for policy, err := range s.client.All(ctx, runloop.NetworkPolicyListParams{Limit: 2}) {
		if err != nil {
			// A cursor of the loop is gone, or a load balancer reports that.
			o.err, o.id = err, "a cursor"
			return o
		}
		got = append(got, policy)
	}
	o.wrong = func(p *period) string {
		seen := map[string]bool{}
		for _, policy := range got {
			if seen[policy.ID] {
				return "a policy that comes twice"
			}
			if seen[policy.ID] = true; !p.has(policy) {
				return noSuchPolicy
			}
		}
		for _, policy := range p.states[0] {
			if !seen[policy.ID] && p.always(byID(policy.ID)) {
				return "a policy that is missing: " + policy.ID
			}
		}
		return ""
	}
	return o
}

func (s *soaker) ensure(ctx context.Context) outcome { return s.ensureOf(ctx, s.anyParams()) }

func (s *soaker) ensureOf(ctx context.Context, params runloop.NetworkPolicyCreateParams) outcome {
	got, err := s.client.Ensure(ctx, params)
	return outcome{call: "ensure " + params.Name, err: err, name: params.Name, wrong: func(p *period) string {
		return when(got.Name != params.Name || !got.Egress.Equal(params.Egress) || !p.has(got), noSuchPolicy)
	}}
}

// ensures are concurrent calls that share their requests. One of them has a context of its
// own, which may end sooner.
func (s *soaker) ensures(ctx context.Context) []outcome {
	params := s.anyParams()
	impatient, cancel := s.context()
	defer cancel()
	outcomes := make([]outcome, 4)
	var wg sync.WaitGroup
	for i, ctx := range []context.Context{impatient, ctx, ctx, ctx} {
		wg.Go(func() { outcomes[i] = s.ensureOf(ctx, params) })
	}
	wg.Wait()
	return outcomes
}

func (s *soaker) apply(ctx context.Context) outcome {
	params := s.anyParams()
	got, err := s.client.Apply(ctx, params)
	return outcome{call: "apply " + params.Name, err: err, name: params.Name, wrong: func(p *period) string {
		hasValues := got.Name == params.Name && got.Description == params.Description && got.Egress.Equal(params.Egress)
		return when(!hasValues || !p.has(got), noSuchPolicy)
	}}
}

func (s *soaker) plan(ctx context.Context) outcome {
	params := s.anyParams()
	plan, err := s.client.Plan(ctx, params)
	return outcome{call: "plan " + params.Name, err: err, name: params.Name, reads: true, wrong: func(p *period) string {
		return cmp.Or(
			when(plan.Action == runloop.PlanCreate && p.always(byName(params.Name)), "a plan to create what is there"),
			when(plan.Policy != nil && !p.has(plan.Policy), noSuchPolicy),
			when(plan.Action == runloop.PlanNone && !plan.Policy.Egress.Equal(params.Egress), "a plan to keep what differs"))
	}}
}

func (s *soaker) prune(ctx context.Context) outcome {
	prefix := []string{"a", "bc", "d"}[s.random.IntN(3)]
	got, err := s.client.Prune(ctx, runloop.PruneParams{NamePrefix: prefix})
	o := outcome{call: "prune " + prefix, err: err}
	for _, policy := range got {
		o.deleted = append(o.deleted, policy.ID)
	}
	o.wrong = func(p *period) string {
		for _, id := range o.deleted {
			if p.always(byID(id)) {
				return ineffectiveDelete
			}
		}
		for _, policy := range p.states[0] {
			unused := func(m modelPolicy) bool { return m.ID == policy.ID && strings.HasPrefix(m.Name, prefix) && !m.InUse }
			if p.always(unused) && !p.metSilent400() {
				return "a policy that is left: " + policy.ID
			}
		}
		return ""
	}
	return o
}
