package peer

import (
	"context"
	"net/http"

	runloop "github.com/runloop-community/runloop-go"
)

// Runloop is this SDK with its defaults: retries, time limits and validation.
var Runloop = Peer{"runloop-go", newRunloop}

func newRunloop(baseURL string, transport http.RoundTripper) (Client, error) {
	opts := []runloop.Option{runloop.WithAPIKey(apiKey), runloop.WithBaseURL(baseURL)}
	if transport != nil {
		opts = append(opts, runloop.WithHTTPClient(&http.Client{Transport: transport}))
	}
	client, err := runloop.NewClient(opts...)
	if err != nil {
		return Client{}, err
	}
	policies := client.NetworkPolicies
	return Client{
		Get: func(ctx context.Context, id string) (Policy, error) {
			p, err := policies.Get(ctx, id)
			if err != nil {
				return Policy{}, err
			}
			return Policy{p.ID, p.Egress.AllowedHostnames}, nil
		},
		List: func(ctx context.Context, pageSize int, after string, _ func(Policy)) (any, bool, error) {
			page, err := policies.List(ctx, runloop.NetworkPolicyListParams{Limit: pageSize, StartingAfter: after})
			return page, page != nil && page.HasMore, err
		},
		All: func(ctx context.Context, pageSize int, visit func(Policy)) error {
			for p, err := range policies.All(ctx, runloop.NetworkPolicyListParams{Limit: pageSize}) {
				if err != nil {
					return err
				}
				visit(Policy{p.ID, p.Egress.AllowedHostnames})
			}
			return nil
		},
		Close: client.CloseIdleConnections,
	}, nil
}
