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

// Floor is the client that a program contains if it uses no library.
var Floor = Peer{"net/http + encoding/json", bare(decodeV1)}

// Pooled is the floor with a connection pool for many goroutines.
var Pooled = Peer{"net/http, 256 idle connections", func(baseURL string, _ http.RoundTripper) (Client, error) {
	pool := http.DefaultTransport.(*http.Transport).Clone()
	pool.MaxIdleConns, pool.MaxIdleConnsPerHost = 0, 256
	return Floor.New(baseURL, pool)
}}

func decodeV1(r io.Reader, v any) error { return json.NewDecoder(r).Decode(v) }

func decodeV2(r io.Reader, v any) error { return jsonv2.UnmarshalRead(r, v) }

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

// bare returns a constructor of clients that consist of net/http and a JSON decoder.
func bare(decode func(io.Reader, any) error) func(baseURL string, transport http.RoundTripper) (Client, error) {
	return func(baseURL string, transport http.RoundTripper) (Client, error) {
		client := httpClient(transport)
		get := func(ctx context.Context, path string, result any) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, baseURL+"/v1/network-policies"+path, nil)
			if err != nil {
				return err
			}
			req.Header.Set("Authorization", "Bearer "+apiKey)
			req.Header.Set("Accept", "application/json")
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("GET %s: %s", path, resp.Status)
			}
			return decode(resp.Body, result)
		}
		return Client{
			Get: func(ctx context.Context, id string) (Policy, error) {
				var p barePolicy
				err := get(ctx, "/"+url.PathEscape(id), &p)
				return Policy{p.ID, p.Egress.AllowedHostnames}, err
			},
			List: func(ctx context.Context, pageSize int, after string, visit func(Policy)) (any, bool, error) {
				query := url.Values{}
				if pageSize > 0 {
					query.Set("limit", strconv.Itoa(pageSize))
				}
				if after != "" {
					query.Set("starting_after", after)
				}
				var page barePage
				err := get(ctx, "?"+query.Encode(), &page)
				for i := range page.NetworkPolicies {
					p := &page.NetworkPolicies[i]
					visit(Policy{p.ID, p.Egress.AllowedHostnames})
				}
				return &page, page.HasMore, err
			},
			Close: client.CloseIdleConnections,
		}, nil
	}
}
