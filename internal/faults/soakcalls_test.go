package faults

import (
	"context"
	"fmt"
	"slices"

	"github.com/stretchr/testify/assert"

	runloop "github.com/runloop-community/runloop-go"
)

// The calls of the soak, each with what it does to an account.

func (s *soaker) create(ctx context.Context) outcome {
	params := s.anyParams()
	o := outcome{call: "create " + params.Name}
	if s.find(params.Name) != nil {
		o.refusal = runloop.ErrNameTaken
	} else {
		o.want = s.with("", params.Name, contentOf(params.Description, params.Egress))
	}
	got, err := s.client.NetworkPolicies.Create(ctx, params)
	o.err, o.wrong = err, s.compare(got, err)
	return o
}

func (s *soaker) update(ctx context.Context) outcome {
	params := s.anyParams()
	update := runloop.NetworkPolicyUpdateParams{Description: &params.Description}
	if s.random.IntN(2) == 0 {
		update.Name = &params.Name
	}
	o := outcome{call: fmt.Sprintf("update %s, new name %t: %s", s.id, update.Name != nil, params.Name)}
	found := s.find(s.id)
	switch {
	case found == nil:
		o.refusal = runloop.ErrNotFound
	case update.Name != nil && s.find(params.Name) != nil && s.find(params.Name) != found:
		o.refusal = runloop.ErrNameTaken
	case update.Name != nil:
		o.want = s.with(found.Name, params.Name, contentOf(params.Description, found.Egress))
	default:
		o.want = s.with(found.Name, found.Name, contentOf(params.Description, found.Egress))
	}
	got, err := s.client.NetworkPolicies.Update(ctx, s.id, update)
	o.err, o.wrong = err, s.compare(got, err)
	return o
}

// delete of a policy that is gone may succeed: after a lost answer it looks as if
// this call had deleted it.
func (s *soaker) delete(ctx context.Context) outcome {
	o := outcome{call: "delete " + s.id, refusal: runloop.ErrNotFound, mayBeDone: true}
	if found := s.find(s.id); found != nil {
		o.refusal, o.want = nil, accountOf(s.account)
		delete(o.want, found.Name)
	}
	got, err := s.client.NetworkPolicies.Delete(ctx, s.id)
	o.err = err
	if err == nil && got.ID != s.id {
		o.wrong = "another policy than asked for: " + got.ID
	}
	return o
}

func (s *soaker) get(ctx context.Context) outcome {
	o := outcome{call: "get " + s.id}
	if s.find(s.id) == nil {
		o.refusal = runloop.ErrNotFound
	}
	got, err := s.client.NetworkPolicies.Get(ctx, s.id)
	o.err, o.wrong = err, s.compare(got, err)
	return o
}

func (s *soaker) getByName(ctx context.Context) outcome {
	name := s.anyName()
	o := outcome{call: "get by name " + name}
	if s.find(name) == nil {
		o.refusal = runloop.ErrNotFound
	}
	got, err := s.client.NetworkPolicies.GetByName(ctx, name)
	o.err, o.wrong = err, s.compare(got, err)
	return o
}

func (s *soaker) list(ctx context.Context) outcome {
	page, err := s.client.NetworkPolicies.List(ctx, runloop.NetworkPolicyListParams{Limit: 2})
	o := outcome{call: "list", err: err}
	if err == nil && (*page.TotalCount != len(s.account) || page.HasMore != (len(s.account) > 2)) {
		o.wrong = fmt.Sprintf("another page than there is: %+v", page)
	}
	return o
}

// all goes through pages of two, the newest first.
func (s *soaker) all(ctx context.Context) outcome {
	o := outcome{call: "all"}
	var got []runloop.NetworkPolicy
	for policy, err := range s.client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{Limit: 2}) {
		if err != nil {
			o.err = err
			return o
		}
		got = append(got, *policy)
	}
	slices.Reverse(got)
	if len(got)+len(s.account) > 0 && !assert.ObjectsAreEqual(s.account, got) {
		o.wrong = fmt.Sprintf("other policies than there are: %+v", got)
	}
	return o
}

func (s *soaker) ensure(ctx context.Context) outcome {
	params := s.anyParams()
	o := outcome{call: "ensure " + params.Name}
	switch found := s.find(params.Name); {
	case found == nil:
		o.want = s.with("", params.Name, contentOf(params.Description, params.Egress))
	case !found.Egress.Equal(params.Egress):
		o.refusal = runloop.ErrDrift
	}
	got, err := s.client.NetworkPolicies.Ensure(ctx, params)
	o.err, o.wrong = err, s.compare(got, err)
	return o
}

func (s *soaker) apply(ctx context.Context) outcome {
	params := s.anyParams()
	content := contentOf(params.Description, params.Egress)
	if found := s.find(params.Name); found != nil && found.Egress.Equal(params.Egress) {
		content = contentOf(params.Description, found.Egress)
	}
	o := outcome{call: "apply " + params.Name, want: s.with("", params.Name, content)}
	got, err := s.client.NetworkPolicies.Apply(ctx, params)
	o.err, o.wrong = err, s.compare(got, err)
	return o
}
