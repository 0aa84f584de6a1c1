//go:build peers

package peer

import (
	"context"
	"fmt"
	"net/http"

	"github.com/runloop-community/runloop-go/bench/internal/ogenclient"
)

type ogen struct {
	client *ogenclient.Client
	http   *http.Client
}

type ogenKey struct{}

func (ogenKey) BearerAuth(context.Context, ogenclient.OperationName) (ogenclient.BearerAuth, error) {
	return ogenclient.BearerAuth{Token: apiKey}, nil
}

func newOgen(baseURL string, transport http.RoundTripper) (Client, error) {
	h := httpClient(transport)
	client, err := ogenclient.NewClient(baseURL, ogenKey{}, ogenclient.WithClient(h))
	return ogen{client, h}, err
}

func (c ogen) Get(ctx context.Context, id string) (Policy, error) {
	answer, err := c.client.GetNetworkPolicy(ctx, ogenclient.GetNetworkPolicyParams{ID: id})
	if err != nil {
		return Policy{}, err
	}
	p, ok := answer.(*ogenclient.NetworkPolicyView)
	if !ok {
		return Policy{}, fmt.Errorf("%T", answer)
	}
	return Policy{p.ID, p.Egress.AllowedHostnames}, nil
}

func (c ogen) Iterate(ctx context.Context, pageSize int, visit func(Policy)) error {
	after := ""
	for {
		page, err := c.list(ctx, pageSize, after)
		if err != nil {
			return err
		}
		for i := range page.NetworkPolicies {
			p := &page.NetworkPolicies[i]
			visit(Policy{p.ID, p.Egress.AllowedHostnames})
			after = p.ID
		}
		if !page.HasMore {
			return nil
		}
	}
}

func (c ogen) Page(ctx context.Context, pageSize int) (any, error) { return c.list(ctx, pageSize, "") }

func (c ogen) Close() { c.http.CloseIdleConnections() }

func (c ogen) list(ctx context.Context, pageSize int, after string) (*ogenclient.NetworkPolicyListView, error) {
	var params ogenclient.ListNetworkPoliciesParams
	if pageSize > 0 {
		params.Limit = ogenclient.NewOptInt32(int32(pageSize))
	}
	if after != "" {
		params.StartingAfter = ogenclient.NewOptString(after)
	}
	answer, err := c.client.ListNetworkPolicies(ctx, params)
	if err != nil {
		return nil, err
	}
	page, ok := answer.(*ogenclient.NetworkPolicyListView)
	if !ok {
		return nil, fmt.Errorf("%T", answer)
	}
	return page, nil
}
