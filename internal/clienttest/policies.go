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

// The paths of the policies, and of npol_1.
const (
	PoliciesPath = "/v1/network-policies"
	PolicyPath   = "/v1/network-policies/npol_1"
	DeletePath   = "/v1/network-policies/npol_1/delete"
)

// PolicyJSON is an answer of the live API, every member in it.
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

// Other answers of the API: pages, and the body of an error that may pass.
const (
	PageJSON      = `{"network_policies": [` + PolicyJSON + `], "has_more": false, "total_count": 1}`
	EmptyPageJSON = `{"network_policies": [], "has_more": false}`
	BusyJSON      = `{"message":"come back later"}`
)

// A PolicyCall is a call that makes one request when all goes well.
type PolicyCall struct {
	Name, Op, Method, Path string
	Success                string // an answer that it takes
	Do                     func(context.Context, *runloop.Client, ...runloop.Option) (any, error)
}

// The calls, about a policy named build that is npol_1.
var (
	CreateCall = PolicyCall{"create", "create network policy", http.MethodPost, PoliciesPath, PolicyJSON,
		func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			return c.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{
				Name:        "build",
				Description: "package registries only",
				Egress:      runloop.EgressRules{AllowedHostnames: []string{"github.com", "*.npmjs.org"}},
			}, opts...)
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

// IsWrite reports whether the call may change something.
func (c PolicyCall) IsWrite() bool { return c.Method != http.MethodGet }

// Policy makes the call and returns its policy. A list has none.
func (c PolicyCall) Policy(ctx context.Context, client *runloop.Client, opts ...runloop.Option) (*runloop.NetworkPolicy, error) {
	got, err := c.Do(ctx, client, opts...)
	policy, _ := got.(*runloop.NetworkPolicy)
	return policy, err
}

// GetPolicy is the read of tests to which the call does not matter.
func GetPolicy(ctx context.Context, client *runloop.Client, opts ...runloop.Option) error {
	_, err := GetCall.Do(ctx, client, opts...)
	return err
}

// UpdatePolicy is the write of tests to which the call does not matter: one that is
// retried, and of which nothing is looked up.
func UpdatePolicy(ctx context.Context, client *runloop.Client, opts ...runloop.Option) error {
	var policy runloop.NetworkPolicy
	return client.Do(ctx, http.MethodPut, PolicyPath, map[string]string{"name": "build"}, &policy, opts...)
}

// FailWith makes the call once, has the API answer it so, and returns the error.
func FailWith(t testing.TB, call PolicyCall, answer httpmock.Responder, opts ...runloop.Option) error {
	t.Helper()
	api, client := NewAPI(t, append([]runloop.Option{runloop.WithMaxRetries(0)}, opts...)...)
	// A write whose effect is unknown is looked up, in vain.
	api.On(http.MethodGet, PoliciesPath, Respond(http.StatusForbidden, `{}`))
	api.On(http.MethodGet, PolicyPath, Respond(http.StatusForbidden, `{}`))
	api.On(call.Method, call.Path, answer)
	got, err := call.Do(t.Context(), client)
	require.Error(t, err)
	assert.Nil(t, got, "no value comes with an error")
	return err
}
