package runloop_test

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

const testKey = "rl_test_planted_key"

const (
	policiesPath = "/v1/network-policies"
	policyPath   = "/v1/network-policies/npol_1"
	deletePath   = "/v1/network-policies/npol_1/delete"
)

// policyJSON is an answer of the live API, every member in it.
const policyJSON = `{
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

// An api is the other side of a client: it answers as it is told, and keeps every
// request. A request that it has no answer for fails the test.
type api struct {
	*httpmock.MockTransport
	t testing.TB

	mu       sync.Mutex
	requests []sentRequest
}

// A sentRequest is a request as the server saw it.
type sentRequest struct {
	Method string
	Path   string // escaped
	Query  string
	Header http.Header
	Body   string
}

// newAPI returns an api and a client of it, which has testKey and opts.
func newAPI(t testing.TB, opts ...runloop.Option) (*api, *runloop.Client) {
	t.Helper()
	a := &api{MockTransport: httpmock.NewMockTransport(), t: t}
	a.RegisterNoResponder(func(r *http.Request) (*http.Response, error) {
		t.Errorf("unexpected request: %s %s", r.Method, r.URL)
		return httpmock.NewStringResponse(http.StatusTeapot, ""), nil
	})
	opts = append([]runloop.Option{
		runloop.WithAPIKey(testKey),
		runloop.WithBaseURL("https://api.example.test"),
		runloop.WithHTTPClient(&http.Client{Transport: a}),
	}, opts...)
	client, err := runloop.NewClient(opts...)
	require.NoError(t, err)
	return a, client
}

// RoundTrip keeps the request and lets the mock answer it.
func (a *api) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := sentRequest{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header.Clone()}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			a.t.Errorf("reading the request: %v", err)
		}
		r.Body.Close()
		sent.Body = string(body)
	}
	a.mu.Lock()
	a.requests = append(a.requests, sent)
	a.mu.Unlock()
	return a.MockTransport.RoundTrip(r)
}

// answers makes the i-th request of a method and path get the i-th answer; the last
// one is for all that follow.
func (a *api) answers(method, path string, answers ...httpmock.Responder) {
	var calls atomic.Int64
	a.RegisterResponder(method, "https://api.example.test"+path, func(r *http.Request) (*http.Response, error) {
		i := min(int(calls.Add(1)), len(answers)) - 1
		return answers[i](r)
	})
}

// answer is an answer of the API.
func answer(status int, body string) httpmock.Responder {
	return func(*http.Request) (*http.Response, error) {
		r := httpmock.NewStringResponse(status, body)
		r.Header.Set("Content-Type", "application/json")
		return r, nil
	}
}

// sent returns the requests so far.
func (a *api) sent() []sentRequest {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]sentRequest(nil), a.requests...)
}

// only returns the one request that was made.
func (a *api) only() sentRequest {
	a.t.Helper()
	sent := a.sent()
	require.Len(a.t, sent, 1)
	return sent[0]
}

// A roundTripper is the other side of a client as a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

const (
	pageJSON      = `{"network_policies": [` + policyJSON + `], "has_more": false, "total_count": 1}`
	emptyPageJSON = `{"network_policies": [], "has_more": false}`
)

// A policyCall is a call that makes one request when all goes well.
type policyCall struct {
	op, method, path string
	success          string // an answer that it takes
	do               func(context.Context, *runloop.Client, ...runloop.Option) (any, error)
}

var (
	createCall = policyCall{"create network policy", http.MethodPost, policiesPath, policyJSON,
		func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			return c.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{
				Name:        "build",
				Description: "package registries only",
				Egress:      runloop.EgressRules{AllowedHostnames: []string{"github.com", "*.npmjs.org"}},
			}, opts...)
		}}
	getCall = policyCall{"get network policy", http.MethodGet, policyPath, policyJSON,
		func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			return c.NetworkPolicies.Get(ctx, "npol_1", opts...)
		}}
	listCall = policyCall{"list network policies", http.MethodGet, policiesPath, pageJSON,
		func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			return c.NetworkPolicies.List(ctx, runloop.NetworkPolicyListParams{Name: "build"}, opts...)
		}}
	updateCall = policyCall{"update network policy", http.MethodPost, policyPath, policyJSON,
		func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			return c.NetworkPolicies.Update(ctx, "npol_1", runloop.NetworkPolicyUpdateParams{Name: new("build")}, opts...)
		}}
	deleteCall = policyCall{"delete network policy", http.MethodPost, deletePath, policyJSON,
		func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			return c.NetworkPolicies.Delete(ctx, "npol_1", opts...)
		}}
	policyCalls = []policyCall{createCall, getCall, listCall, updateCall, deleteCall}
)

// isWrite reports whether the call may change something.
func (c policyCall) isWrite() bool { return c.method != http.MethodGet }
