package faults

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// What callers hand in. What cannot be right is refused before anything is sent.

// asksForID are the calls that put an ID into the path.
var asksForID = map[string]func(context.Context, *runloop.Client, string) error{
	"get network policy": func(ctx context.Context, c *runloop.Client, id string) error {
		_, err := c.NetworkPolicies.Get(ctx, id)
		return err
	},
	"update network policy": func(ctx context.Context, c *runloop.Client, id string) error {
		_, err := c.NetworkPolicies.Update(ctx, id, runloop.NetworkPolicyUpdateParams{})
		return err
	},
	"delete network policy": func(ctx context.Context, c *runloop.Client, id string) error {
		_, err := c.NetworkPolicies.Delete(ctx, id)
		return err
	},
}

func Test81IDsThatNameAnotherPath(t *testing.T) {
	for id, problem := range map[string]string{
		"":            `"" is empty`,
		" \t":         `" \t" is empty`,
		".":           `"." is a dot segment, which names another path`,
		"..":          `".." is a dot segment, which names another path`,
		"%2e%2E":      `"%2e%2E" is a dot segment, which names another path`,
		"a\r\nX-E: 1": `"a\r\nX-E: 1" has a control character`,
		"a\x00":       `"a\x00" has a control character`,
		"a\xff":       `"a\xff" is not valid UTF-8`,
	} {
		t.Run(problem, clienttest.InBubble(func(t *testing.T) {
			_, client := script(t) // a request would have no step
			for op, call := range asksForID {
				err := call(t.Context(), client, id)

				assert.Equal(t, clienttest.Invalid(op, "id", problem), err)
			}
		}))
	}
}

func Test82IDsThatNeedEscaping(t *testing.T) {
	for id, segment := range map[string]string{
		"../x": "..%2Fx", "a/b": "a%2Fb", "a?b": "a%3Fb", "a#b": "a%23b", "a b": "a%20b",
		"a%2Fb": "a%252Fb", "é": "%C3%A9", "a+b": "a+b", "a;b": "a%3Bb",
		strings.Repeat("x", 9000): strings.Repeat("x", 9000),
	} {
		t.Run(segment[:min(len(segment), 10)], clienttest.InBubble(func(t *testing.T) {
			server, client := script(t, wiretest.Reply(404, `{"message": "not found"}`))

			_, err := client.NetworkPolicies.Get(t.Context(), id)

			require.ErrorIs(t, err, runloop.ErrNotFound)
			require.Len(t, server.Requests(), 1)
			assert.Equal(t, "/v1/network-policies/"+segment, server.Requests()[0].Target)
			decoded, err := url.PathUnescape(segment)
			require.NoError(t, err)
			assert.Equal(t, id, decoded)
		}))
	}
}

// Whatever the ID, it is refused, or it is one segment of the path that decodes to it:
// a server with the routes of the API sees the route that was meant, and the ID.
func Fuzz82IDs(f *testing.F) {
	for _, id := range []string{
		"npol_1", "", ".", "..", "...", "%2e", "%2e%2e", "../x", "a/b", "a?b", "a?b#c", "a#b", "a b", "a+b;c&d=e", "100%", "a%2Fb",
		"delete", "a\\b", "{id}", "/", "é", "\x00", "a\xff", "\u0085", strings.Repeat("x", 9000),
	} {
		f.Add(id)
	}
	const list, one, remove = "/v1/network-policies", "/v1/network-policies/{id}", "/v1/network-policies/{id}/delete"
	var route, seen string
	api := http.NewServeMux()
	for _, pattern := range []string{"GET " + list, "POST " + list, "GET " + one, "POST " + one, "POST " + remove} {
		api.HandleFunc(pattern, func(_ http.ResponseWriter, r *http.Request) { route, seen = pattern, r.PathValue("id") })
	}
	f.Fuzz(func(t *testing.T, id string) {
		var sent []string
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			target := r.URL.RequestURI()
			sent = append(sent, target)
			api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(r.Method, target, nil))
			return &http.Response{StatusCode: 404}, nil
		}))
		for op, want := range map[string]string{
			"get network policy": "GET " + one, "update network policy": "POST " + one, "delete network policy": "POST " + remove,
		} {
			sent, route, seen = nil, "", ""

			err := asksForID[op](t.Context(), client, id)

			if len(sent) == 0 {
				require.ErrorAs(t, err, new(*runloop.ValidationError))
				continue
			}
			require.ErrorIs(t, err, runloop.ErrNotFound)
			require.True(t, utf8.ValidString(id))
			_, path, _ := strings.Cut(want, " ")
			before, after, _ := strings.Cut(path, "{id}")
			segment, found := strings.CutPrefix(strings.TrimSuffix(sent[0], after), before)
			require.True(t, found, sent[0])
			require.Equal(t, []string{before + segment + after}, sent)
			require.NotContains(t, segment, "/")
			require.NotContains(t, segment, "?")
			decoded, err := url.PathUnescape(segment)
			require.NoError(t, err)
			require.Equal(t, id, decoded)
			if id != "/" { // which ServeMux takes for the end of a path, though it is escaped
				require.Equal(t, want, route)
				require.Equal(t, id, seen)
			}
		}
	})
}

func Test83BaseURLs(t *testing.T) {
	for base, want := range map[string]string{
		"http://127.0.0.1":              "/v1/network-policies/npol_1",
		"http://127.0.0.1/":             "/v1/network-policies/npol_1",
		"http://127.0.0.1:8080/gate/a/": "/gate/a/v1/network-policies/npol_1",
		"http://127.0.0.1/a%2Fb":        "/a%2Fb/v1/network-policies/npol_1",
	} {
		t.Run(base, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Reply(200, policyJSON))

			_, err := clienttest.GetCall.Policy(t.Context(), clienttest.NewWireClient(t, server, runloop.WithBaseURL(base)))

			require.NoError(t, err)
			assert.Equal(t, want, server.Requests()[0].Target)
		}))
	}
	const instead = "write one like https://api.runloop.ai"
	for base, problem := range map[string]string{
		"api.runloop.ai":                "does not start with https://: " + instead,
		"ftp://api.runloop.ai":          "does not start with https://: " + instead,
		"https://":                      "has no host: " + instead,
		"https://api.runloop.ai?x=1":    "has a query or fragment: remove what follows the path",
		"https://u:secret@api.test":     "has a user name or password: remove them, the API key goes into WithAPIKey",
		"https://api.runloop.ai/a/../b": "has a dot segment in its path: write the path that it leads to",
		"http://api.runloop.ai":         "with http://, anyone on the network path can read the API key: write https://, or add WithPlaintextHTTP",
	} {
		t.Run(base, func(t *testing.T) {
			t.Parallel()

			_, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), runloop.WithBaseURL(base))

			assert.Equal(t, clienttest.Invalid("new client", "WithBaseURL", problem), err)
		})
	}
}

func Test84ParametersThatTheAPIWouldRefuse(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		_, client := script(t) // a request would have no step
		ctx := t.Context()

		_, create := client.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: " "})
		_, list := client.NetworkPolicies.List(ctx, runloop.NetworkPolicyListParams{Limit: -1})
		_, long := client.NetworkPolicies.List(ctx, runloop.NetworkPolicyListParams{Limit: 5001})
		_, update := client.NetworkPolicies.Update(ctx, "npol_1", runloop.NetworkPolicyUpdateParams{Name: new("")})

		assert.EqualError(t, create, "runloop: create network policy: Name: must not be blank")
		assert.EqualError(t, list, "runloop: list network policies: Limit: -1 is not between 0 and 5000: write 0 for the default")
		assert.EqualError(t, long, "runloop: list network policies: Limit: 5001 is not between 0 and 5000: write 0 for the default")
		assert.EqualError(t, update, "runloop: update network policy: Name: must not be blank")
		for _, err := range []error{create, list, long, update} {
			assert.ErrorAs(t, err, new(*runloop.ValidationError))
		}
	})(t)
}

// "Not said" and "none" are two things. A dropped empty list would leave a policy open
// that was to deny all.
func Test85EmptyAndAbsent(t *testing.T) {
	for name, tt := range map[string]struct {
		params runloop.NetworkPolicyUpdateParams
		body   string
	}{
		"nothing said":       {runloop.NetworkPolicyUpdateParams{}, `{}`},
		"empty list":         {runloop.NetworkPolicyUpdateParams{AllowedHostnames: &[]string{}}, `{"allowed_hostnames": []}`},
		"nil list":           {runloop.NetworkPolicyUpdateParams{AllowedHostnames: new([]string)}, `{"allowed_hostnames": []}`},
		"false":              {runloop.NetworkPolicyUpdateParams{AllowAll: new(false)}, `{"allow_all": false}`},
		"empty text":         {runloop.NetworkPolicyUpdateParams{Description: new("")}, `{"description": ""}`},
		"empty address list": {runloop.NetworkPolicyUpdateParams{AllowedCIDRs: &[]runloop.AllowedCIDR{}}, `{"allowed_cidrs": []}`},
	} {
		t.Run("update/"+name, clienttest.InBubble(func(t *testing.T) {
			server, client := script(t, wiretest.Reply(200, policyJSON))

			_, err := client.NetworkPolicies.Update(t.Context(), "npol_1", tt.params)

			require.NoError(t, err)
			assert.JSONEq(t, tt.body, server.Requests()[0].Body)
		}))
	}
	t.Run("create denies in so many words", clienttest.InBubble(func(t *testing.T) {
		server, client := script(t, wiretest.Reply(200, policyJSON))

		_, err := createCall.Policy(t.Context(), client)

		require.NoError(t, err)
		assert.JSONEq(t, `{"name": "build", "allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [],
			"allow_agent_gateway": false, "allow_mcp_gateway": false}`, server.Requests()[0].Body)
	}))
	for query, count := range map[string]*bool{"": nil, "?include_total_count=false": new(false), "?include_total_count=true": new(true)} {
		t.Run("list"+query, clienttest.InBubble(func(t *testing.T) {
			server, client := script(t, wiretest.Reply(200, `{"network_policies": [], "has_more": false}`))

			_, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{IncludeTotalCount: count})

			require.NoError(t, err)
			assert.Equal(t, "/v1/network-policies"+query, server.Requests()[0].Target)
		}))
	}
}

// The race detector sees it when the caller's slice is read after the call began.
func Test86ParametersThatChangeDuringTheCall(t *testing.T) {
	for name, do := range map[string]func(context.Context, *runloop.Client, []string) (*runloop.NetworkPolicy, error){
		"create": func(ctx context.Context, c *runloop.Client, hosts []string) (*runloop.NetworkPolicy, error) {
			return c.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: "build", Egress: runloop.EgressRules{AllowedHostnames: hosts}})
		},
		"apply": func(ctx context.Context, c *runloop.Client, hosts []string) (*runloop.NetworkPolicy, error) {
			return c.NetworkPolicies.Apply(ctx, runloop.NetworkPolicyCreateParams{Name: "build", Egress: runloop.EgressRules{AllowedHostnames: hosts}})
		},
		"update": func(ctx context.Context, c *runloop.Client, hosts []string) (*runloop.NetworkPolicy, error) {
			return c.NetworkPolicies.Update(ctx, "npol_1", runloop.NetworkPolicyUpdateParams{AllowedHostnames: &hosts})
		},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			hosts := []string{"github.com"}
			// Every first answer is lost, and the caller changes its slice then.
			lose := atMostInARow(1, func(*http.Request) strike {
				hosts[0] = "evil.example"
				return strike{lost: &lostAnswers[0]}
			})
			server, api := faultyServer(t, lose)
			if name == "update" {
				api.AddPolicy(build)
			}

			got, err := do(t.Context(), clienttest.NewWireClient(t, server), hosts)

			require.NoError(t, err)
			assert.Equal(t, []string{"github.com"}, got.Egress.AllowedHostnames)
			assert.Equal(t, []runloop.NetworkPolicy{*got}, api.Policies())
		}))
	}
}

func Test87Nil(t *testing.T) {
	var nilContext context.Context
	var nilClient *runloop.Client
	for name, tt := range map[string]struct {
		do   func(*runloop.Client) error
		want string
	}{
		"context": {func(c *runloop.Client) error {
			_, err := c.NetworkPolicies.Get(nilContext, "npol_1")
			return err
		}, "runloop: get network policy: ctx: nil context: pass context.Background()"},
		"context of a loop": {func(c *runloop.Client) error {
			for _, err := range c.NetworkPolicies.All(nilContext, runloop.NetworkPolicyListParams{}) {
				return err
			}
			return nil
		}, "runloop: list network policies: ctx: nil context: pass context.Background()"},
		"client": {func(*runloop.Client) error {
			return nilClient.Do(context.Background(), http.MethodGet, "/v1/devboxes", nil, nil)
		}, "runloop: GET /v1/devboxes: Client: it is nil or was not made by NewClient"},
		"service of a client that is zero": {func(*runloop.Client) error {
			_, err := new(runloop.Client).NetworkPolicies.Get(context.Background(), "npol_1")
			return err
		}, "runloop: get network policy: Client: it is nil or was not made by NewClient"},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			_, client := script(t) // a request would have no step

			err := tt.do(client)

			require.ErrorAs(t, err, new(*runloop.ValidationError))
			assert.EqualError(t, err, tt.want)
		}))
	}
	t.Run("parameters and options", clienttest.InBubble(func(t *testing.T) {
		server, client := script(t, wiretest.Reply(200, policyJSON))

		_, err := client.NetworkPolicies.Update(t.Context(), "npol_1", runloop.NetworkPolicyUpdateParams{}, nil)

		require.NoError(t, err)
		assert.Len(t, server.Requests(), 1)
	}))
}
