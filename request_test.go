package runloop_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// An ID of any form is one segment of the path, which the server decodes to the ID.
func TestIDsAreOneSegment(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, id, segment string }{
		{"plain", "npol_1", "npol_1"},
		{"unreserved", "a-b_c.d~e", "a-b_c.d~e"},
		{"slash", "a/b", "a%2Fb"},
		{"path that climbs", "../devboxes", "..%2Fdevboxes"},
		{"path that climbs twice", "../../x", "..%2F..%2Fx"},
		{"trailing slash", "a/", "a%2F"},
		{"only a slash", "/", "%2F"},
		{"double slash", "//evil.example", "%2F%2Fevil.example"},
		{"another route", "npol_1/delete", "npol_1%2Fdelete"},
		{"backslash", `a\b`, "a%5Cb"},
		{"query", "a?b=c", "a%3Fb=c"},
		{"fragment", "a#b", "a%23b"},
		{"blank within", "a b", "a%20b"},
		{"blanks around", " a ", "%20a%20"},
		{"plus", "a+b", "a+b"},
		{"semicolon", "a;b=c", "a%3Bb=c"},
		{"ampersand and colon", "a&b:c", "a&b:c"},
		{"percent", "100%", "100%25"},
		{"escaped already", "a%2Fb", "a%252Fb"},
		{"escaped dots within", "a%2e%2e", "a%252e%252e"},
		{"three dots", "...", "..."},
		{"more than ASCII", "é", "%C3%A9"},
		{"emoji", "🚀", "%F0%9F%9A%80"},
		{"placeholder", "{id}", "%7Bid%7D"},
		{"quotes", `"x"`, "%22x%22"},
		{"9,000 bytes", strings.Repeat("x", 9000), strings.Repeat("x", 9000)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := runlooptest.NewTestServer(t, runlooptest.WithPolicies(runloop.NetworkPolicy{ID: test.id, Name: "odd"}))
			client, err := server.Client()
			require.NoError(t, err)

			for _, call := range []func() (*runloop.NetworkPolicy, error){
				func() (*runloop.NetworkPolicy, error) { return client.NetworkPolicies.Get(t.Context(), test.id) },
				func() (*runloop.NetworkPolicy, error) {
					return client.NetworkPolicies.Update(t.Context(), test.id, runloop.NetworkPolicyUpdateParams{})
				},
				func() (*runloop.NetworkPolicy, error) { return client.NetworkPolicies.Delete(t.Context(), test.id) },
			} {
				policy, err := call()
				require.NoError(t, err)
				assert.Equal(t, test.id, policy.ID)
			}

			var paths []string
			for _, request := range server.Requests() {
				paths = append(paths, request.Path)
			}
			path := clienttest.PoliciesPath + "/" + test.segment
			assert.Equal(t, []string{path, path, path + "/delete"}, paths)
		})
	}
}

// Whatever the ID, it is refused, or a server with the routes of the API sees the route
// that was meant, and the ID.
func FuzzIDs(f *testing.F) {
	for _, id := range []string{
		"npol_1", "", ".", "..", "...", "%2e", "%2e%2e", "../x", "a/b", "a?b", "a?b#c", "a#b", "a b", "a+b;c&d=e", "100%", "a%2Fb",
		"delete", "a\\b", "{id}", "/", "é", "\x00", "a\xff", "\u0085", strings.Repeat("x", 9000),
	} {
		f.Add(id)
	}
	var route, seen string
	routes := http.NewServeMux()
	for _, pattern := range []string{"GET /v1/network-policies", "POST /v1/network-policies", "GET /v1/network-policies/{id}",
		"POST /v1/network-policies/{id}", "POST /v1/network-policies/{id}/delete"} {
		routes.HandleFunc(pattern, func(_ http.ResponseWriter, r *http.Request) { route, seen = pattern, r.PathValue("id") })
	}
	f.Fuzz(func(t *testing.T, id string) {
		sent := 0
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			sent++
			routes.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(r.Method, r.URL.RequestURI(), nil))
			return &http.Response{StatusCode: 404}, nil
		}))
		for want, call := range map[string]func() (*runloop.NetworkPolicy, error){
			"GET /v1/network-policies/{id}": func() (*runloop.NetworkPolicy, error) { return client.NetworkPolicies.Get(t.Context(), id) },
			"POST /v1/network-policies/{id}": func() (*runloop.NetworkPolicy, error) {
				return client.NetworkPolicies.Update(t.Context(), id, runloop.NetworkPolicyUpdateParams{})
			},
			"POST /v1/network-policies/{id}/delete": func() (*runloop.NetworkPolicy, error) { return client.NetworkPolicies.Delete(t.Context(), id) },
		} {
			sent, route, seen = 0, "", ""

			_, err := call()

			if sent == 0 {
				require.ErrorAs(t, err, new(*runloop.ValidationError))
				continue
			}
			require.ErrorIs(t, err, runloop.ErrNotFound)
			require.True(t, utf8.ValidString(id))
			if id != "/" { // which ServeMux takes for the end of a path, though it is escaped
				require.Equal(t, want, route)
				require.Equal(t, id, seen)
			}
		}
	})
}

func TestIDsThatNameSomethingElseAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, id, problem string }{
		{"empty", "", `"" is empty`},
		{"blanks", " \t ", `" \t " is empty`},
		{"dot", ".", `"." is a dot segment, which names another path`},
		{"two dots", "..", `".." is a dot segment, which names another path`},
		{"escaped dots", "%2e%2E", `"%2e%2E" is a dot segment, which names another path`},
		{"half escaped dots", ".%2e", `".%2e" is a dot segment, which names another path`},
		{"NUL", "a\x00b", `"a\x00b" has a control character`},
		{"line break", "a\r\nX-Evil: 1", `"a\r\nX-Evil: 1" has a control character`},
		{"delete character", "a\x7f", `"a\x7f" has a control character`},
		{"C1 control", "a\u0085", `"a\u0085" has a control character`},
		{"invalid UTF-8", "a\xff", `"a\xff" is not valid UTF-8`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			for op, call := range map[string]func() (*runloop.NetworkPolicy, error){
				"get network policy": func() (*runloop.NetworkPolicy, error) { return client.NetworkPolicies.Get(t.Context(), test.id) },
				"update network policy": func() (*runloop.NetworkPolicy, error) {
					return client.NetworkPolicies.Update(t.Context(), test.id, runloop.NetworkPolicyUpdateParams{})
				},
				"delete network policy": func() (*runloop.NetworkPolicy, error) { return client.NetworkPolicies.Delete(t.Context(), test.id) },
			} {
				policy, err := call()
				assert.Nil(t, policy)
				assert.Equal(t, clienttest.Invalid(op, "id", test.problem+": pass an ID as the API returns it"), err)
			}
			assert.Empty(t, api.Sent())
		})
	}
}

// What the caller does with its slices and pointers once the call began changes
// nothing: each attempt sends the same.
func TestTheRequestIsThatOfTheMomentOfTheCall(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		hosts := []string{"github.com", "go.dev"}
		ports := []runloop.PortRule{{Port: 443, Protocol: runloop.ProtocolTCP}}
		cidrs := []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8", Ports: ports}}
		allowAll, name := false, "build"
		meddle := func() {
			hosts[0], ports[0].Port, cidrs[0].CIDR, allowAll, name = "evil.example", 1, "0.0.0.0/0", true, "evil"
		}
		restore := func() {
			hosts[0], ports[0].Port, cidrs[0].CIDR, allowAll, name = "github.com", 443, "10.0.0.0/8", false, "build"
		}
		var api *clienttest.API
		api, client := clienttest.NewAPI(t, runloop.WithHTTPClient(&http.Client{
			Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				meddle() // before the first attempt is read, too
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
		restore()
		_, err = client.NetworkPolicies.Update(t.Context(), "npol_1", runloop.NetworkPolicyUpdateParams{
			Name: &name, AllowAll: &allowAll, AllowedHostnames: &hosts, AllowedCIDRs: &cidrs,
		})
		require.NoError(t, err)

		sent := api.Sent()
		require.Len(t, sent, 6)
		for i, attempt := range sent {
			if i < 3 {
				assert.JSONEq(t, `{"name": "build", "allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": ["github.com", "go.dev"],
					"allow_agent_gateway": false, "allow_mcp_gateway": false,
					"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 443, "protocol": "TCP"}]}]}`, attempt.Body)
				assert.Equal(t, sent[0].Body, attempt.Body)
			} else {
				assert.JSONEq(t, `{"name": "build", "allow_all": false, "allowed_hostnames": ["github.com", "go.dev"],
					"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 443, "protocol": "TCP"}]}]}`, attempt.Body)
				assert.Equal(t, sent[3].Body, attempt.Body)
			}
		}
	})(t)
}

// Nor does it change a call of several requests that the caller changes its lists meanwhile.
func TestTheParametersAreThoseOfTheMomentOfTheCall(t *testing.T) {
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

func TestParamsAndOptionsAreNotWrittenTo(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodPost, clienttest.PoliciesPath,
		clienttest.Respond(500, ""), clienttest.Respond(500, ""), clienttest.Respond(200, clienttest.PolicyJSON))
	api.On(http.MethodPost, clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))
	api.On(http.MethodGet, clienttest.PoliciesPath, clienttest.Respond(200, clienttest.EmptyPageJSON))

	// Room behind the last element is where an append would write.
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
