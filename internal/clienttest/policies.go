package clienttest

import (
	"context"
	"net/http"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

// The paths of the network policies, and of npol_1.
const (
	PoliciesPath = "/v1/network-policies"
	PolicyPath   = "/v1/network-policies/npol_1"
	DeletePath   = "/v1/network-policies/npol_1/delete"
)

// PolicyJSON is a response of the live API, with every field.
const PolicyJSON = `{
	"id": "npol_1",
	"name": "build",
	"description": "package registries only",
	"egress": {
		"allow_all": false,
		"allow_devbox_to_devbox": false,
		"allowed_hostnames": ["github.com", "*.npmjs.org"],
		"allow_agent_gateway": false,
		"allow_mcp_gateway": false,
		"allow_runloop_mirrors": false,
		"allowed_cidrs": []
	},
	"create_time_ms": 1767225600000,
	"update_time_ms": 1767225601000
}`

// Other responses of the API: pages, and the body of a transient error.
const (
	PageJSON      = `{"network_policies": [` + PolicyJSON + `], "has_more": false, "total_count": 1}`
	EmptyPageJSON = `{"network_policies": [], "has_more": false}`
	BusyJSON      = `{"message":"come back later"}`
)

// A PolicyCall is a call that sends one request if it succeeds.
type PolicyCall struct {
	Name, Op, Method, Path string
	Success                string // a response that it accepts
	Do                     func(context.Context, *runloop.Client, ...runloop.Option) (any, error)
}

// The calls, for the policy npol_1, which is named build.
var (
	CreateCall = PolicyCall{"create", "create network policy", http.MethodPost, PoliciesPath, PolicyJSON,
		func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			return c.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: "build", Description: "package registries only",
				Egress: runloop.EgressRules{AllowedHostnames: []string{"github.com", "*.npmjs.org"}}}, opts...)
		}}
	GetCall = PolicyCall{"get", "get network policy", http.MethodGet, PolicyPath, PolicyJSON,
		func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			return c.NetworkPolicies.Get(ctx, "npol_1", opts...)
		}}
	ListCall = PolicyCall{"list", "list network policies", http.MethodGet, PoliciesPath, PageJSON,
		func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			return c.NetworkPolicies.List(ctx, runloop.NetworkPolicyListParams{Name: "build"}, opts...)
		}}
	UpdateCall = PolicyCall{"update", "update network policy", http.MethodPost, PolicyPath, PolicyJSON,
		func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			return c.NetworkPolicies.Update(ctx, "npol_1", runloop.NetworkPolicyUpdateParams{Name: new("build")}, opts...)
		}}
	DeleteCall = PolicyCall{"delete", "delete network policy", http.MethodPost, DeletePath, PolicyJSON,
		func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			return c.NetworkPolicies.Delete(ctx, "npol_1", opts...)
		}}
	PolicyCalls = []PolicyCall{CreateCall, GetCall, ListCall, UpdateCall, DeleteCall}
)

// IsWrite reports whether the call is a write.
func (c PolicyCall) IsWrite() bool { return c.Method != http.MethodGet }

// Policy makes the call and returns its policy. A list has none.
func (c PolicyCall) Policy(ctx context.Context, client *runloop.Client, opts ...runloop.Option) (*runloop.NetworkPolicy, error) {
	got, err := c.Do(ctx, client, opts...)
	policy, _ := got.(*runloop.NetworkPolicy)
	return policy, err
}

// GetPolicy is a read, for tests that could use any read.
func GetPolicy(ctx context.Context, client *runloop.Client, opts ...runloop.Option) error {
	_, err := GetCall.Do(ctx, client, opts...)
	return err
}

// UpdatePolicy is a write that is retried and not looked up, for tests that could use any
// write.
func UpdatePolicy(ctx context.Context, client *runloop.Client, opts ...runloop.Option) error {
	var policy runloop.NetworkPolicy
	return client.Do(ctx, http.MethodPut, PolicyPath, map[string]string{"name": "build"}, &policy, opts...)
}

// FailWith returns the error of the call after one attempt with the response.
func FailWith(t testing.TB, call PolicyCall, response httpmock.Responder, opts ...runloop.Option) error {
	t.Helper()
	api, client := NewAPI(t, append([]runloop.Option{runloop.WithMaxRetries(0)}, opts...)...)
	// The lookup of a write whose outcome is unknown fails.
	api.On(http.MethodGet, PoliciesPath, Respond(http.StatusForbidden, `{}`))
	api.On(http.MethodGet, PolicyPath, Respond(http.StatusForbidden, `{}`))
	api.On(call.Method, call.Path, response)
	got, err := call.Do(t.Context(), client)
	require.Error(t, err)
	assert.Nil(t, got, "an error has no value")
	return err
}
