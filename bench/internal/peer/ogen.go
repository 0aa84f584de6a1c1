//go:build peers

package peer

import (
	"context"
	"fmt"
	"net/http"

	"github.com/runloop-community/runloop-go/bench/internal/ogenclient"
)

type ogenKey struct{}

func (ogenKey) BearerAuth(context.Context, ogenclient.OperationName) (ogenclient.BearerAuth, error) {
	return ogenclient.BearerAuth{Token: apiKey}, nil
}

func init() { generated = append(generated, Peer{Ogen, newOgen}) }

func newOgen(baseURL string, transport http.RoundTripper) (Client, error) {
	h := httpClient(transport)
	client, err := ogenclient.NewClient(baseURL, ogenKey{}, ogenclient.WithClient(h))
	return Client{
		Get: func(ctx context.Context, id string) (Policy, error) {
			resp, err := client.GetNetworkPolicy(ctx, ogenclient.GetNetworkPolicyParams{ID: id})
			if err != nil {
				return Policy{}, err
			}
			p, ok := resp.(*ogenclient.NetworkPolicyView)
			if !ok {
				return Policy{}, fmt.Errorf("%T", resp)
			}
			return Policy{p.ID, p.Egress.AllowedHostnames}, nil
		},
		List: func(ctx context.Context, pageSize int, after string, visit func(Policy)) (any, bool, error) {
			var params ogenclient.ListNetworkPoliciesParams
			if pageSize > 0 {
				params.Limit = ogenclient.NewOptInt32(int32(pageSize))
			}
			if after != "" {
				params.StartingAfter = ogenclient.NewOptString(after)
			}
			resp, err := client.ListNetworkPolicies(ctx, params)
			if err != nil {
				return nil, false, err
			}
			page, ok := resp.(*ogenclient.NetworkPolicyListView)
			if !ok {
				return nil, false, fmt.Errorf("%T", resp)
			}
			for i := range page.NetworkPolicies {
				p := &page.NetworkPolicies[i]
				visit(Policy{p.ID, p.Egress.AllowedHostnames})
			}
			return page, page.HasMore, nil
		},
		Close: h.CloseIdleConnections,
	}, err
}
