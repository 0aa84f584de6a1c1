package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	jsonv2 "github.com/go-json-experiment/json"
)

// bare is what one writes without a client: net/http and a JSON library.
type bare struct {
	http   *http.Client
	url    string
	decode func(io.Reader, any) error
}

func newEncodingJSON(baseURL string, transport http.RoundTripper) (Client, error) {
	return bare{httpClient(transport), baseURL, func(r io.Reader, v any) error {
		return json.NewDecoder(r).Decode(v)
	}}, nil
}

func newJSONv2(baseURL string, transport http.RoundTripper) (Client, error) {
	return bare{httpClient(transport), baseURL, func(r io.Reader, v any) error {
		return jsonv2.UnmarshalRead(r, v)
	}}, nil
}

func newPooled(baseURL string, transport http.RoundTripper) (Client, error) {
	if transport == nil {
		pool := newPool()
		pool.MaxIdleConns, pool.MaxIdleConnsPerHost = 0, 256
		transport = pool
	}
	return newEncodingJSON(baseURL, transport)
}

type barePolicy struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`
	Description  *string    `json:"description"`
	Egress       bareEgress `json:"egress"`
	CreateTimeMS int64      `json:"create_time_ms"`
	UpdateTimeMS int64      `json:"update_time_ms"`
}

type bareEgress struct {
	AllowAll            bool     `json:"allow_all"`
	AllowDevboxToDevbox bool     `json:"allow_devbox_to_devbox"`
	AllowedHostnames    []string `json:"allowed_hostnames"`
	AllowAgentGateway   bool     `json:"allow_agent_gateway"`
	AllowMCPGateway     bool     `json:"allow_mcp_gateway"`
}

type barePage struct {
	NetworkPolicies []barePolicy `json:"network_policies"`
	HasMore         bool         `json:"has_more"`
	TotalCount      *int         `json:"total_count"`
}

func (c bare) Get(ctx context.Context, id string) (Policy, error) {
	var p barePolicy
	err := c.get(ctx, "/v1/network-policies/"+url.PathEscape(id), &p)
	return Policy{p.ID, p.Egress.AllowedHostnames}, err
}

func (c bare) Iterate(ctx context.Context, pageSize int, visit func(Policy)) error {
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

func (c bare) Page(ctx context.Context, pageSize int) (any, error) { return c.list(ctx, pageSize, "") }

func (c bare) Close() { c.http.CloseIdleConnections() }

func (c bare) list(ctx context.Context, pageSize int, after string) (*barePage, error) {
	query := url.Values{}
	if pageSize > 0 {
		query.Set("limit", strconv.Itoa(pageSize))
	}
	if after != "" {
		query.Set("starting_after", after)
	}
	var page barePage
	err := c.get(ctx, "/v1/network-policies?"+query.Encode(), &page)
	return &page, err
}

func (c bare) get(ctx context.Context, path string, result any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+apiKey)
	req.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	return c.decode(resp.Body, result)
}
