package runloop_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/jarcoal/httpmock"
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
				assert.Equal(t, &runloop.ValidationError{Op: op, Field: "id", Problem: test.problem}, err)
			}
			assert.Empty(t, api.Sent())
		})
	}
}

// An ID is refused, or is one segment of the path that decodes to it.
func FuzzIDs(f *testing.F) {
	for _, id := range []string{"npol_1", "", ".", "..", "%2e", "a/b", "../x", "a?b#c", "a b", "100%", "é", "\x00", "\xff", "a+b;c&d=e", "{id}"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		var paths []string
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			sent, err := url.ParseRequestURI(r.URL.RequestURI())
			require.NoError(t, err)
			assert.Empty(t, sent.RawQuery)
			paths = append(paths, sent.EscapedPath())
			return clienttest.Answer(404, `{}`)(r)
		}))

		_, err := client.NetworkPolicies.Delete(t.Context(), id)

		if _, refused := errors.AsType[*runloop.ValidationError](err); refused {
			assert.Empty(t, paths)
			return
		}
		require.Len(t, paths, 1)
		segment, isDelete := strings.CutSuffix(strings.TrimPrefix(paths[0], clienttest.PoliciesPath+"/"), "/delete")
		assert.True(t, isDelete)
		assert.NotContains(t, segment, "/")
		decoded, err := url.PathUnescape(segment)
		require.NoError(t, err)
		assert.Equal(t, id, decoded)
	})
}

// What the caller does with its slices and pointers after the call began changes
// nothing: the second attempt sends the bytes of the first.
func TestTheRequestIsThatOfTheMomentOfTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api, client := clienttest.NewAPI(t)
		hosts := []string{"github.com"}
		ports := []runloop.PortRule{{Port: 443}}
		cidrs := []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8", Ports: ports}}
		allowAll, name := false, "build"
		meddle := func(r *http.Request) (*http.Response, error) {
			hosts[0], ports[0].Port, cidrs[0].CIDR, allowAll, name = "evil.example", 1, "0.0.0.0/0", true, "evil"
			return clienttest.Answer(503, `{"message": "busy"}`)(r)
		}
		restore := func() {
			hosts[0], ports[0].Port, cidrs[0].CIDR, allowAll, name = "github.com", 443, "10.0.0.0/8", false, "build"
		}
		for _, path := range []string{clienttest.PoliciesPath, clienttest.PolicyPath} {
			api.Answers(http.MethodPost, path, httpmock.Responder(meddle), clienttest.Answer(200, clienttest.PolicyJSON))
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
		require.Len(t, sent, 4)
		assert.JSONEq(t, `{"name": "build", "allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": ["github.com"],
			"allow_agent_gateway": false, "allow_mcp_gateway": false,
			"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 443}]}]}`, sent[1].Body)
		assert.JSONEq(t, `{"name": "build", "allow_all": false, "allowed_hostnames": ["github.com"],
			"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 443}]}]}`, sent[3].Body)
		assert.Equal(t, sent[0].Body, sent[1].Body)
		assert.Equal(t, sent[2].Body, sent[3].Body)
	})
}

func TestParamsAreNotWrittenTo(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.Answers(http.MethodPost, clienttest.PoliciesPath, clienttest.Answer(200, clienttest.PolicyJSON))
	spare := []string{"b.example", "A.Example.", "spare"}
	params := runloop.NetworkPolicyCreateParams{Name: "build", Egress: runloop.EgressRules{AllowedHostnames: spare[:2]}}

	_, err := client.NetworkPolicies.Create(t.Context(), params)

	require.NoError(t, err)
	assert.Equal(t, []string{"b.example", "A.Example.", "spare"}, spare)
}
