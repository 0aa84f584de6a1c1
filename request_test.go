package runloop_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// idCalls are the calls that have an ID in their path.
func idCalls(ctx context.Context, client *runloop.Client, id string) map[string]func() (*runloop.NetworkPolicy, error) {
	return map[string]func() (*runloop.NetworkPolicy, error){
		"get network policy": func() (*runloop.NetworkPolicy, error) { return client.NetworkPolicies.Get(ctx, id) },
		"update network policy": func() (*runloop.NetworkPolicy, error) {
			return client.NetworkPolicies.Update(ctx, id, runloop.NetworkPolicyUpdateParams{})
		},
		"delete network policy": func() (*runloop.NetworkPolicy, error) { return client.NetworkPolicies.Delete(ctx, id) },
	}
}

// An ID of any form is one segment of the path, which the server decodes to the ID.
func TestIDsAreOneSegment(t *testing.T) {
	t.Parallel()
	for id, segment := range map[string]string{
		"npol_1":         "npol_1",
		"a-b_c.d~e":      "a-b_c.d~e",
		"a/b":            "a%2Fb",
		"../devboxes":    "..%2Fdevboxes",
		"../../x":        "..%2F..%2Fx",
		"a/":             "a%2F",
		"/":              "%2F",
		"//evil.example": "%2F%2Fevil.example",
		"npol_1/delete":  "npol_1%2Fdelete",
		`a\b`:            "a%5Cb",
		"a?b=c#d":        "a%3Fb=c%23d",
		" a b ":          "%20a%20b%20",
		"a+b;c=d&e:f":    "a+b%3Bc=d&e:f",
		"100%":           "100%25",
		"a%2Fb":          "a%252Fb",
		"a%2e%2e":        "a%252e%252e",
		"...":            "...",
		"é🚀":             "%C3%A9%F0%9F%9A%80",
		`{"id"}`:         "%7B%22id%22%7D",

		strings.Repeat("x", 9000): strings.Repeat("x", 9000),
	} {
		server := runlooptest.NewTestServer(t, runlooptest.WithPolicies(runloop.NetworkPolicy{ID: id, Name: "odd"}))
		client, err := server.Client()
		require.NoError(t, err)
		calls := idCalls(t.Context(), client, id)
		for _, op := range []string{"get network policy", "update network policy", "delete network policy"} {
			policy, err := calls[op]()
			require.NoError(t, err, id)
			assert.Equal(t, id, policy.ID)
		}
		var paths []string
		for _, request := range server.Requests() {
			paths = append(paths, request.Path)
		}
		path := clienttest.PoliciesPath + "/" + segment
		assert.Equal(t, []string{path, path, path + "/delete"}, paths)
	}
}

// An ID is either rejected, or a server with the routes of the API sees the intended route
// and the ID.
func FuzzIDs(f *testing.F) {
	for _, id := range []string{
		"npol_1", "", ".", "..", "...", "%2e", "%2e%2e", "../x", "a/b", "a?b", "a?b#c", "a#b", "a b", "a+b;c&d=e", "100%", "a%2Fb",
		"delete", "a\\b", "{id}", "/", "é", "\x00", "a\xff", "\u0085", strings.Repeat("x", 9000),
	} {
		f.Add(id)
	}
	var route, seen string
	routes := http.NewServeMux()
	routeOf := map[string]string{
		"list network policies": "GET /v1/network-policies",
		"create network policy": "POST /v1/network-policies",
		"get network policy":    "GET /v1/network-policies/{id}",
		"update network policy": "POST /v1/network-policies/{id}",
		"delete network policy": "POST /v1/network-policies/{id}/delete",
	}
	for _, pattern := range routeOf {
		routes.HandleFunc(pattern, func(_ http.ResponseWriter, r *http.Request) { route, seen = pattern, r.PathValue("id") })
	}
	f.Fuzz(func(t *testing.T, id string) {
		sent := 0
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			sent++
			routes.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(r.Method, r.URL.RequestURI(), nil))
			return &http.Response{StatusCode: 404}, nil
		}))
		for op, call := range idCalls(t.Context(), client, id) {
			sent, route, seen = 0, "", ""
			_, err := call()
			if sent == 0 {
				require.ErrorAs(t, err, new(*runloop.ValidationError))
				continue
			}
			require.ErrorIs(t, err, runloop.ErrNotFound)
			require.True(t, utf8.ValidString(id))
			if id != "/" { // which ServeMux takes for the end of the path, although it is escaped
				require.Equal(t, routeOf[op], route)
				require.Equal(t, id, seen)
			}
		}
	})
}

func TestInvalidIDs(t *testing.T) {
	t.Parallel()
	for id, problem := range map[string]string{
		"":               "is empty",
		" \t ":           "is empty",
		".":              "is a dot segment, which names another path",
		"..":             "is a dot segment, which names another path",
		"%2e%2E":         "is a dot segment, which names another path",
		".%2e":           "is a dot segment, which names another path",
		"a\x00b":         "has a control character",
		"a\r\nX-Evil: 1": "has a control character",
		"a\x7f":          "has a control character",
		"a\u0085":        "has a control character",
		"a\xff":          "is not valid UTF-8",
	} {
		api, client := clienttest.NewAPI(t)
		for op, call := range idCalls(t.Context(), client, id) {
			policy, err := call()
			assert.Nil(t, policy)
			assert.Equal(t, clienttest.Invalid(op, "id", strconv.Quote(id)+" "+problem+": pass an ID as the API returns it"), err)
		}
		assert.Empty(t, api.Sent())
	}
}

// The caller may modify its slices and pointers during the call: each attempt sends the
// parameters with which the call began.
func TestParamsModifiedDuringTheCall(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		hosts := []string{"github.com", "go.dev"}
		ports := []runloop.PortRule{{Port: 443, Protocol: runloop.ProtocolTCP}}
		cidrs := []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8", Ports: ports}}
		allowAll, name := false, "build"
		var api *clienttest.API
		api, client := clienttest.NewAPI(t, runloop.WithHTTPClient(&http.Client{
			Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				hosts[0], ports[0].Port, cidrs[0].CIDR, allowAll, name = "evil.example", 1, "0.0.0.0/0", true, "evil"
				return api.RoundTrip(r)
			}),
		}))
		busy := clienttest.Respond(503, clienttest.BusyJSON)
		for _, path := range []string{clienttest.PoliciesPath, clienttest.PolicyPath} {
			api.On(http.MethodPost, path, busy, busy, clienttest.Respond(200, clienttest.PolicyJSON))
		}
		_, err := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{
			Name: "build", Egress: runloop.EgressRules{AllowedHostnames: hosts, AllowedCIDRs: cidrs},
		})
		require.NoError(t, err)
		hosts[0], ports[0].Port, cidrs[0].CIDR, allowAll, name = "github.com", 443, "10.0.0.0/8", false, "build"
		_, err = client.NetworkPolicies.Update(t.Context(), "npol_1", runloop.NetworkPolicyUpdateParams{
			Name: &name, AllowAll: &allowAll, AllowedHostnames: &hosts, AllowedCIDRs: &cidrs,
		})
		require.NoError(t, err)

		sent := api.Sent()
		require.Len(t, sent, 6)
		const lists = `"allowed_hostnames": ["github.com", "go.dev"], "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 443, "protocol": "TCP"}]}]`
		assert.JSONEq(t, createBody(lists), sent[0].Body)
		assert.JSONEq(t, `{"name": "build", "allow_all": false, `+lists+`}`, sent[3].Body)
		for i, attempt := range sent {
			assert.Equal(t, sent[i/3*3].Body, attempt.Body)
		}
	})(t)
}

// So do the later requests of a call.
func TestParamsModifiedBetweenTheRequestsOfACall(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault runlooptest.Fault // of the first write
		do    func(context.Context, *runloop.Client, []string) (*runloop.NetworkPolicy, error)
	}{
		"create": {lost(), func(ctx context.Context, c *runloop.Client, hostnames []string) (*runloop.NetworkPolicy, error) {
			return c.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: "build", Egress: hosts(hostnames...)})
		}},
		"apply": {lost(), func(ctx context.Context, c *runloop.Client, hostnames []string) (*runloop.NetworkPolicy, error) {
			return c.NetworkPolicies.Apply(ctx, runloop.NetworkPolicyCreateParams{Name: "build", Egress: hosts(hostnames...)})
		}},
		"update": {runlooptest.Respond(204, "").AfterCommit(), func(ctx context.Context, c *runloop.Client, hostnames []string) (*runloop.NetworkPolicy, error) {
			return c.NetworkPolicies.Update(ctx, "npol_1", runloop.NetworkPolicyUpdateParams{AllowedHostnames: &hostnames})
		}},
	} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			op := create
			if name == "update" {
				op = update
				fake.AddPolicy(runloop.NetworkPolicy{ID: "npol_1", Name: "build"})
			}
			hostnames := []string{"github.com"}
			client, err := fake.Client(runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPost {
					hostnames[0] = "evil.example"
				}
				return fake.HTTPClient().Transport.RoundTrip(r)
			})}))
			require.NoError(t, err)
			fake.Inject(op, test.fault)
			policy, err := test.do(t.Context(), client, hostnames)
			require.NoError(t, err)
			assert.Equal(t, []string{"github.com"}, policy.Egress.AllowedHostnames)
			assert.Equal(t, fake.one(t), *policy)
		}))
	}
}

func TestParamsAndOptionsAreNotModified(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodPost, clienttest.PoliciesPath,
		clienttest.Respond(500, ""), clienttest.Respond(500, ""), clienttest.Respond(200, clienttest.PolicyJSON))
	api.On(http.MethodPost, clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))
	api.On(http.MethodGet, clienttest.PoliciesPath, clienttest.Respond(200, clienttest.EmptyPageJSON))

	// An append would write to the spare capacity.
	opts := append(make([]runloop.Option, 0, 8), runloop.WithMaxRetries(0), runloop.WithHeader("X-Team", "blue"))
	hostnames := append(make([]string, 0, 8), "b.example", "A.Example.", "*.npmjs.org") // not sorted, not in lower case
	ports := append(make([]runloop.PortRule, 0, 8), runloop.PortRule{Port: 443, Protocol: runloop.ProtocolTCP}, runloop.PortRule{Port: 22, Protocol: runloop.ProtocolTCP})
	cidrs := append(make([]runloop.AllowedCIDR, 0, 8), runloop.AllowedCIDR{CIDR: "10.0.0.0/8", Ports: ports})
	params := runloop.NetworkPolicyCreateParams{Name: "build", Egress: runloop.EgressRules{AllowedHostnames: hostnames, AllowedCIDRs: cidrs}}
	_, err := client.NetworkPolicies.Create(t.Context(), params, opts...)
	require.ErrorIs(t, err, runloop.ErrServer)
	_, err = client.NetworkPolicies.Ensure(t.Context(), params, opts...)
	require.ErrorIs(t, err, runloop.ErrServer)
	_, err = client.NetworkPolicies.Create(t.Context(), params, opts...)
	require.NoError(t, err)
	_, err = client.NetworkPolicies.Update(t.Context(), "npol_1", runloop.NetworkPolicyUpdateParams{AllowedHostnames: &hostnames, AllowedCIDRs: &cidrs}, opts...)
	require.NoError(t, err)
	assert.Equal(t, []string{"b.example", "A.Example.", "*.npmjs.org", ""}, hostnames[:4])
	assert.Equal(t, []runloop.PortRule{{Port: 443, Protocol: "TCP"}, {Port: 22, Protocol: "TCP"}, {}}, ports[:3])
	assert.Equal(t, []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8", Ports: ports}, {}}, cidrs[:2])
	for _, option := range opts[2:8] {
		assert.Nil(t, option)
	}
}
