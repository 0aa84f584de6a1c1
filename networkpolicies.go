package runloop

import (
	"context"
	"net/http"
	"time"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// NetworkPoliciesService provides access to the Network Policies API. Use it through
// [Client].NetworkPolicies.
type NetworkPoliciesService struct {
	client *Client
	shared *flights // shared requests of concurrent Ensure calls
}

const (
	opCreate = "create network policy"
	opGet    = "get network policy"
	opList   = "list network policies"
	opUpdate = "update network policy"
	opDelete = "delete network policy"

	policiesRoute     = "/v1/network-policies"
	policyRoute       = "/v1/network-policies/{id}"
	policyDeleteRoute = "/v1/network-policies/{id}/delete"
)

// Create creates a policy. If the name is taken, the error matches [ErrNameTaken]; if the
// account is at its policy limit, [ErrPolicyLimit]. To get the policy regardless of whether
// it already exists, use [NetworkPoliciesService.Ensure].
//
// If a response is lost, Create looks up the name. It returns the policy found if it
// equals params, including the description, and was created after the call began. The
// creation time is compared with the API's Date header, which has a resolution of one
// second, or with the local clock if no response has that header. Therefore Create is not
// a lock: if responses are lost, two programs that create equal policies at the same time
// can both get the same one.
func (s *NetworkPoliciesService) Create(ctx context.Context, params NetworkPolicyCreateParams, opts ...Option) (*NetworkPolicy, error) {
	return s.create(ctx, opCreate, params, opts)
}

func (s *NetworkPoliciesService) create(ctx context.Context, op string, params NetworkPolicyCreateParams, opts []Option) (*NetworkPolicy, error) {
	if err := params.validate(op); err != nil {
		return nil, err
	}
	params.Egress = params.Egress.clone()
	lookup := createLookup{s, op, params, time.Now(), new(engine.Clock), opts}
	return send(ctx, s.owner(), opts, engine.Request[*NetworkPolicy]{
		Operation: op,
		Method:    http.MethodPost,
		Route:     policiesRoute,
		Body:      newCreateBody(params),
		Resend:    engine.ResendUnlessAccepted,
		Decode:    decodePolicyNamed(params.Name),
		Refusals:  createRefusals,
		Resolve:   lookup.resolve,
		Clock:     lookup.clock,
	})
}

// Get returns the policy with the given ID. If the ID is unknown, the error matches
// [ErrNotFound].
func (s *NetworkPoliciesService) Get(ctx context.Context, id string, opts ...Option) (*NetworkPolicy, error) {
	return s.get(ctx, opGet, id, opts)
}

func (s *NetworkPoliciesService) get(ctx context.Context, op, id string, opts []Option) (*NetworkPolicy, error) {
	return send(ctx, s.owner(), opts, engine.Request[*NetworkPolicy]{
		Operation: op,
		Method:    http.MethodGet,
		Route:     policyRoute,
		ID:        id,
		Decode:    decodePolicyWithID,
		Refusals:  byIDRefusals,
	})
}

// List returns one page of policies in the API's order. To iterate over all pages, use
// [NetworkPoliciesService.All]. If params.StartingAfter is unknown, the error matches
// [ErrNotFound].
func (s *NetworkPoliciesService) List(ctx context.Context, params NetworkPolicyListParams, opts ...Option) (*NetworkPolicyPage, error) {
	return s.list(ctx, opList, params, byIDRefusals, new(engine.Clock), opts)
}

func (s *NetworkPoliciesService) list(ctx context.Context, op string, params NetworkPolicyListParams, ofCursor []engine.Refusal, clock *engine.Clock, opts []Option) (*NetworkPolicyPage, error) {
	if err := params.validate(op); err != nil {
		return nil, err
	}
	request := engine.Request[*NetworkPolicyPage]{
		Operation: op,
		Method:    http.MethodGet,
		Route:     policiesRoute,
		Query:     params,
		Decode:    decodePage,
		Clock:     clock,
	}
	if params.StartingAfter != "" {
		request.Refusals = ofCursor
	}
	return send(ctx, s.owner(), opts, request)
}

// Update sets the non-nil fields of params and returns the updated policy. If all fields
// are nil, nothing changes. To replace every rule, use [EgressRules.Update]. The change
// reaches the devboxes that use the policy within moments. If the new name is taken, the
// error matches [ErrNameTaken]; if the ID is unknown, [ErrNotFound].
//
// Update is retried. A retry can overwrite a concurrent change by another program. If the
// outcome is still unknown after the retries, Update reads the policy and succeeds if it
// has the values of params.
func (s *NetworkPoliciesService) Update(ctx context.Context, id string, params NetworkPolicyUpdateParams, opts ...Option) (*NetworkPolicy, error) {
	refusals := updateRefusals
	if params.Name != nil {
		refusals = renameRefusals
	}
	return s.update(ctx, opUpdate, id, params, refusals, opts)
}

func (s *NetworkPoliciesService) update(ctx context.Context, op, id string, params NetworkPolicyUpdateParams, refusals []engine.Refusal, opts []Option) (*NetworkPolicy, error) {
	if err := params.validate(op); err != nil {
		return nil, err
	}
	params = params.clone()
	return send(ctx, s.owner(), opts, engine.Request[*NetworkPolicy]{
		Operation: op,
		Method:    http.MethodPost,
		Route:     policyRoute,
		ID:        id,
		Body:      updateBody(params),
		Resend:    engine.ResendIdempotent,
		Decode:    decodePolicyWithID,
		Refusals:  refusals,
		Resolve: func(ctx context.Context, lost engine.Lost) (*NetworkPolicy, engine.Resolution) {
			return s.resolveUpdate(ctx, op, id, params, opts, lost)
		},
	})
}

// Delete deletes a policy and returns it. This cannot be undone. If active devboxes use the
// policy, the error matches [ErrPolicyInUse]; if the ID is unknown, [ErrNotFound]. The API
// does not define when a devbox is active: assume that it is until its status is
// DevboxFailure or DevboxShutdown.
//
// If a response is lost, Delete looks for the policy in the list. If the list does not
// contain it, Delete succeeds and returns a policy with only the ID set. If the list
// contains it or cannot be read, the error matches [ErrMaybeApplied].
func (s *NetworkPoliciesService) Delete(ctx context.Context, id string, opts ...Option) (*NetworkPolicy, error) {
	return s.delete(ctx, opDelete, id, deleteRefusals, opts)
}

func (s *NetworkPoliciesService) delete(ctx context.Context, op, id string, refusals []engine.Refusal, opts []Option) (*NetworkPolicy, error) {
	return send(ctx, s.owner(), opts, engine.Request[*NetworkPolicy]{
		Operation: op,
		Method:    http.MethodPost,
		Route:     policyDeleteRoute,
		ID:        id,
		Body:      deleteBody{},
		Resend:    engine.ResendIdempotent,
		Decode:    decodePolicyWithID,
		Refusals:  refusals,
		Resolve: func(ctx context.Context, lost engine.Lost) (*NetworkPolicy, engine.Resolution) {
			return s.resolveDelete(ctx, op, id, forLookup(opts, lost))
		},
	})
}

// owner returns the service's client, or nil if NewClient did not create it.
func (s *NetworkPoliciesService) owner() *Client {
	if s == nil {
		return nil
	}
	return s.client
}
