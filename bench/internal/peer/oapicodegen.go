//go:build peers

package peer

import (
	"context"
	"errors"
	"net/http"

	"github.com/runloop-community/runloop-go/bench/internal/oapiclient"
)

func init() { generated = append(generated, Peer{"oapi-codegen", newOapiCodegen}) }

func newOapiCodegen(baseURL string, transport http.RoundTripper) (Client, error) {
	h := httpClient(transport)
	authorize := func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+apiKey)
		return nil
	}
	client, err := oapiclient.NewClientWithResponses(baseURL,
		oapiclient.WithHTTPClient(h), oapiclient.WithRequestEditorFn(authorize))
	return Client{
		Get: func(ctx context.Context, id string) (Policy, error) {
			resp, err := client.GetNetworkPolicyWithResponse(ctx, id)
			if err != nil {
				return Policy{}, err
			}
			if resp.JSON200 == nil {
				return Policy{}, errors.New(resp.Status())
			}
			return Policy{resp.JSON200.Id, resp.JSON200.Egress.AllowedHostnames}, nil
		},
		List: func(ctx context.Context, pageSize int, after string, visit func(Policy)) (any, bool, error) {
			var params oapiclient.ListNetworkPoliciesParams
			if pageSize > 0 {
				params.Limit = new(int32(pageSize))
			}
			if after != "" {
				params.StartingAfter = &after
			}
			resp, err := client.ListNetworkPoliciesWithResponse(ctx, &params)
			if err != nil {
				return nil, false, err
			}
			page := resp.JSON200
			if page == nil {
				return nil, false, errors.New(resp.Status())
			}
			for i := range page.NetworkPolicies {
				p := &page.NetworkPolicies[i]
				visit(Policy{p.Id, p.Egress.AllowedHostnames})
			}
			return page, page.HasMore, nil
		},
		Close: h.CloseIdleConnections,
	}, err
}
