//go:build peers

package peer

import (
	"context"
	"errors"
	"net/http"

	"github.com/runloop-community/runloop-go/bench/internal/oapiclient"
)

type oapiCodegen struct {
	client *oapiclient.ClientWithResponses
	http   *http.Client
}

func newOapiCodegen(baseURL string, transport http.RoundTripper) (Client, error) {
	h := httpClient(transport)
	authorize := func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+apiKey)
		return nil
	}
	client, err := oapiclient.NewClientWithResponses(baseURL,
		oapiclient.WithHTTPClient(h), oapiclient.WithRequestEditorFn(authorize))
	return oapiCodegen{client, h}, err
}

func (c oapiCodegen) Get(ctx context.Context, id string) (Policy, error) {
	answer, err := c.client.GetNetworkPolicyWithResponse(ctx, id)
	if err != nil {
		return Policy{}, err
	}
	if answer.JSON200 == nil {
		return Policy{}, errors.New(answer.Status())
	}
	return Policy{answer.JSON200.Id, answer.JSON200.Egress.AllowedHostnames}, nil
}

func (c oapiCodegen) Iterate(ctx context.Context, pageSize int, visit func(Policy)) error {
	after := ""
	for {
		page, err := c.list(ctx, pageSize, after)
		if err != nil {
			return err
		}
		for i := range page.NetworkPolicies {
			p := &page.NetworkPolicies[i]
			visit(Policy{p.Id, p.Egress.AllowedHostnames})
			after = p.Id
		}
		if !page.HasMore {
			return nil
		}
	}
}

func (c oapiCodegen) Page(ctx context.Context, pageSize int) (any, error) {
	return c.list(ctx, pageSize, "")
}

func (c oapiCodegen) Close() { c.http.CloseIdleConnections() }

func (c oapiCodegen) list(ctx context.Context, pageSize int, after string) (*oapiclient.NetworkPolicyListView, error) {
	var params oapiclient.ListNetworkPoliciesParams
	if pageSize > 0 {
		params.Limit = new(int32(pageSize))
	}
	if after != "" {
		params.StartingAfter = &after
	}
	answer, err := c.client.ListNetworkPoliciesWithResponse(ctx, &params)
	if err != nil {
		return nil, err
	}
	if answer.JSON200 == nil {
		return nil, errors.New(answer.Status())
	}
	return answer.JSON200, nil
}
