package peer

import (
	"context"
	"net/http"

	runloop "github.com/runloop-community/runloop-go"
)

// ours is this SDK as it comes: retries, time limits, validation and all.
type ours struct{ client *runloop.Client }

func newRunloop(baseURL string, transport http.RoundTripper) (Client, error) {
	opts := []runloop.Option{runloop.WithAPIKey(apiKey), runloop.WithBaseURL(baseURL)}
	if transport != nil {
		opts = append(opts, runloop.WithHTTPClient(&http.Client{Transport: transport}))
	}
	client, err := runloop.NewClient(opts...)
	return ours{client}, err
}

func (c ours) Get(ctx context.Context, id string) (Policy, error) {
	p, err := c.client.NetworkPolicies.Get(ctx, id)
	if err != nil {
		return Policy{}, err
	}
	return Policy{p.ID, p.Egress.AllowedHostnames}, nil
}

func (c ours) Iterate(ctx context.Context, pageSize int, visit func(Policy)) error {
	for p, err := range c.client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{Limit: pageSize}) {
		if err != nil {
			return err
		}
		visit(Policy{p.ID, p.Egress.AllowedHostnames})
	}
	return nil
}

func (c ours) Page(ctx context.Context, pageSize int) (any, error) {
	return c.client.NetworkPolicies.List(ctx, runloop.NetworkPolicyListParams{Limit: pageSize})
}

func (c ours) Close() { c.client.CloseIdleConnections() }
