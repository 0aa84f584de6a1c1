package runloop

import (
	"context"
	"net/http"
	"time"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// NetworkPoliciesService has the calls of the Network Policies API. Use it through
// [Client].NetworkPolicies.
type NetworkPoliciesService struct {
	client *Client
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

// writesName reports whether the operation gives a policy its name.
func writesName(op string) bool {
	return op == opCreate || op == opUpdate || op == opEnsure || op == opApply
}

// Create makes a policy. Its name must not be taken: the error then matches
// [ErrNameTaken], and [NetworkPoliciesService.Ensure] is the call that does not mind.
//
// An answer that gets lost makes no second policy and no wrong error: Create then
// looks the name up, and returns the policy that it finds if that equals params,
// description included, and is no older than five minutes before the call.
func (s *NetworkPoliciesService) Create(ctx context.Context, params NetworkPolicyCreateParams, opts ...Option) (*NetworkPolicy, error) {
	return s.create(ctx, opCreate, params, opts)
}

func (s *NetworkPoliciesService) create(ctx context.Context, op string, params NetworkPolicyCreateParams, opts []Option) (*NetworkPolicy, error) {
	if err := params.validate(op); err != nil {
		return nil, err
	}
	params.Egress = params.Egress.clone()
	start := time.Now()
	return send(ctx, s.owner(), opts, request[*NetworkPolicy]{
		op:     op,
		method: http.MethodPost,
		route:  policiesRoute,
		body:   newCreateBody(params),
		resend: engine.ResendUnlessAccepted,
		decode: decodePolicyNamed(params.Name),
		resolve: func(ctx context.Context, _ error) (*NetworkPolicy, engine.Resolution) {
			return s.resolveCreate(ctx, op, params, start, opts)
		},
	})
}

// Get returns the policy that has the ID, or an error that matches [ErrNotFound].
func (s *NetworkPoliciesService) Get(ctx context.Context, id string, opts ...Option) (*NetworkPolicy, error) {
	return s.get(ctx, opGet, id, opts)
}

func (s *NetworkPoliciesService) get(ctx context.Context, op, id string, opts []Option) (*NetworkPolicy, error) {
	return send(ctx, s.owner(), opts, request[*NetworkPolicy]{
		op:     op,
		method: http.MethodGet,
		route:  policyRoute,
		id:     id,
		decode: decodePolicyWithID(id),
	})
}

// List returns one page of the policies, in the API's order. For every page, use
// [NetworkPoliciesService.All].
func (s *NetworkPoliciesService) List(ctx context.Context, params NetworkPolicyListParams, opts ...Option) (*NetworkPolicyPage, error) {
	return s.list(ctx, opList, params, opts)
}

func (s *NetworkPoliciesService) list(ctx context.Context, op string, params NetworkPolicyListParams, opts []Option) (*NetworkPolicyPage, error) {
	if err := params.validate(op); err != nil {
		return nil, err
	}
	return send(ctx, s.owner(), opts, request[*NetworkPolicyPage]{
		op:     op,
		method: http.MethodGet,
		route:  policiesRoute,
		query:  params,
		decode: decodePage,
	})
}

// Update changes what params sets, and returns the policy as it then is. Devboxes
// that have the policy follow within moments. A new name that is taken is an error
// that matches [ErrNameTaken]; without any field set, nothing changes.
//
// Update is sent again after a fault: a change that another program makes in
// between, a few seconds at most unless the API asks for a longer wait, is then
// overwritten.
func (s *NetworkPoliciesService) Update(ctx context.Context, id string, params NetworkPolicyUpdateParams, opts ...Option) (*NetworkPolicy, error) {
	return s.update(ctx, opUpdate, id, params, opts)
}

func (s *NetworkPoliciesService) update(ctx context.Context, op, id string, params NetworkPolicyUpdateParams, opts []Option) (*NetworkPolicy, error) {
	if err := params.validate(op); err != nil {
		return nil, err
	}
	policy, err := send(ctx, s.owner(), opts, request[*NetworkPolicy]{
		op:     op,
		method: http.MethodPost,
		route:  policyRoute,
		id:     id,
		body:   updateBody(params),
		resend: engine.ResendIdempotent,
		decode: decodePolicyWithID(id),
	})
	if params.Name == nil {
		err = isNot(err, ErrNameTaken) // a 409 is about something else
	}
	return policy, err
}

// Delete deletes the policy and returns it as it was. That cannot be undone. The
// error matches [ErrPolicyInUse] while active devboxes have the policy, and
// [ErrNotFound] when there is none with this ID.
//
// When the answer got lost and the policy turns out to be gone, Delete succeeds,
// with a policy of which only the ID is set.
func (s *NetworkPoliciesService) Delete(ctx context.Context, id string, opts ...Option) (*NetworkPolicy, error) {
	return send(ctx, s.owner(), opts, request[*NetworkPolicy]{
		op:     opDelete,
		method: http.MethodPost,
		route:  policyDeleteRoute,
		id:     id,
		body:   deleteBody{},
		resend: engine.ResendIdempotent,
		decode: decodePolicyWithID(id),
		resolve: func(ctx context.Context, lost error) (*NetworkPolicy, engine.Resolution) {
			return &NetworkPolicy{ID: id}, s.resolveDelete(ctx, id, lost, opts)
		},
	})
}

// owner returns the service's client, or nil when NewClient did not make it.
func (s *NetworkPoliciesService) owner() *Client {
	if s == nil {
		return nil
	}
	return s.client
}
