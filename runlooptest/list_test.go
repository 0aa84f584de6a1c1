package runlooptest_test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// seeded returns an option that seeds n policies, "policy-0001" first.
func seeded(n int) runlooptest.Option {
	policies := make([]runloop.NetworkPolicy, n)
	for i := range policies {
		policies[i].Name = fmt.Sprintf("policy-%04d", i+1)
	}
	return runlooptest.WithPolicies(policies...)
}

// list returns the names on a page, and whether there are more.
func list(t *testing.T, s *runlooptest.Server, query string) (names []string, hasMore bool) {
	t.Helper()
	body := requireOK(t, send(t, s, "GET", "/v1/network-policies?"+query, ""))
	for _, p := range field(t, body, "network_policies").([]any) {
		names = append(names, p.(map[string]any)["name"].(string))
	}
	return names, field(t, body, "has_more").(bool)
}

func TestListAnswersTheWholeView(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, atNoon())
	assert.JSONEq(t, `{"network_policies": [], "has_more": false, "total_count": 0}`,
		requireOK(t, send(t, s, "GET", "/v1/network-policies", "")))

	create(t, s, `{"name": "a", "allowed_hostnames": ["a.example"]}`)
	create(t, s, `{"name": "b"}`)
	assert.JSONEq(t, `{
		"network_policies": [
			{
				"id": "npol_000002", "name": "b", "description": null,
				"egress": {
					"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [],
					"allow_agent_gateway": false, "allow_mcp_gateway": false,
					"allow_runloop_mirrors": false, "allowed_cidrs": []
				},
				"create_time_ms": `+noonMS+`, "update_time_ms": `+noonMS+`
			},
			{
				"id": "npol_000001", "name": "a", "description": null,
				"egress": {
					"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": ["a.example"],
					"allow_agent_gateway": false, "allow_mcp_gateway": false,
					"allow_runloop_mirrors": false, "allowed_cidrs": []
				},
				"create_time_ms": `+noonMS+`, "update_time_ms": `+noonMS+`
			}
		],
		"has_more": false,
		"total_count": 2
	}`, requireOK(t, send(t, s, "GET", "/v1/network-policies", "")))
}

func TestListPages(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		opts        []runlooptest.Option
		query       string
		first, last string
		count       int
	}{
		{"default, newest first", nil, "", "policy-0045", "policy-0001", 20},
		{"oldest first", []runlooptest.Option{runlooptest.WithOldestFirst()}, "", "policy-0001", "policy-0045", 20},
		{"one by one", nil, "limit=1", "policy-0045", "policy-0001", 1},
		{"pages that come out even", nil, "limit=15", "policy-0045", "policy-0001", 15},
		{"one page to the item", nil, "limit=45", "policy-0045", "policy-0001", 45},
		{"largest page", nil, "limit=5000", "policy-0045", "policy-0001", 45},
		{"filtered", nil, "limit=3&name=policy-003", "policy-0039", "policy-0030", 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := runlooptest.NewTestServer(t, append(tt.opts, seeded(45))...)
			var got []string
			query := tt.query
			for {
				body := requireOK(t, send(t, s, "GET", "/v1/network-policies?"+query, ""))
				page := field(t, body, "network_policies").([]any)
				for _, p := range page {
					got = append(got, p.(map[string]any)["name"].(string))
				}
				if !field(t, body, "has_more").(bool) {
					break
				}
				require.Len(t, page, tt.count)
				query = tt.query + "&starting_after=" + page[len(page)-1].(map[string]any)["id"].(string)
			}
			assert.Equal(t, tt.first, got[0])
			assert.Equal(t, tt.last, got[len(got)-1])
			seen := map[string]bool{}
			for _, name := range got {
				assert.False(t, seen[name], name)
				seen[name] = true
			}
			if tt.name != "filtered" {
				assert.Len(t, got, 45)
			} else {
				assert.Len(t, got, 10)
			}
		})
	}
}

func TestListAtItsLargestPage(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(5001))
	names, more := list(t, s, "limit=5000")
	assert.Len(t, names, 5000)
	assert.True(t, more)
	names, more = list(t, s, "limit=5000&starting_after=npol_000002")
	assert.Equal(t, []string{"policy-0001"}, names)
	assert.False(t, more)
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithOldestFirst(), runlooptest.WithPolicies(
		runloop.NetworkPolicy{ID: "npol_aaa", Name: "build"},
		runloop.NetworkPolicy{ID: "npol_bbb", Name: "Build-arm"},
		runloop.NetworkPolicy{ID: "npol_build", Name: "test"},
		runloop.NetworkPolicy{ID: "npol_ccc", Name: "50%_off & é?"},
	))
	tests := []struct {
		name, query string
		want        []string
	}{
		{"partial name, either case", "name=UIL", []string{"build", "Build-arm"}},
		{"whole name is partial too", "name=build", []string{"build", "Build-arm"}},
		{"no wildcards", "name=%25", []string{"50%_off & é?"}},
		{"beyond ASCII", "name=" + url.QueryEscape("& é?"), []string{"50%_off & é?"}},
		{"no match", "name=zzz", nil},
		{"id is whole", "id=npol_aaa", []string{"build"}},
		{"part of an id", "id=npol_a", nil},
		{"search in names and ids", "search=build", []string{"build", "Build-arm", "test"}},
		{"all filters hold", "search=build&name=arm", []string{"Build-arm"}},
		{"empty filters filter nothing", "name=&id=&search=&starting_after=&limit=&include_total_count=", []string{"build", "Build-arm", "test", "50%_off & é?"}},
		{"after an item that the filter leaves out", "name=t&starting_after=npol_bbb", []string{"test"}},
		{"unknown parameters are ignored", "status=running&order=asc", []string{"build", "Build-arm", "test", "50%_off & é?"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			names, more := list(t, s, tt.query)
			assert.Equal(t, tt.want, names)
			assert.False(t, more)
		})
	}
}

func TestTotalCountIsOfAllPages(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(30))
	for query, want := range map[string]float64{
		"":                                     30,
		"limit=1":                              30,
		"limit=1&starting_after=npol_000010":   30,
		"name=policy-000":                      9,
		"include_total_count=true&id=npol_000": 0,
	} {
		body := requireOK(t, send(t, s, "GET", "/v1/network-policies?"+query, ""))
		assert.Equal(t, want, field(t, body, "total_count"), query)
	}
	body := requireOK(t, send(t, s, "GET", "/v1/network-policies?include_total_count=false&limit=1", ""))
	assert.NotContains(t, field(t, body), "total_count")
	assert.Equal(t, true, field(t, body, "has_more"))
}

func TestListRefusesBadQueries(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(3))
	for query, text := range map[string]string{
		"limit=0":                    "limit must be",
		"limit=-1":                   "limit must be",
		"limit=5001":                 "limit must be",
		"limit=abc":                  "limit must be",
		"limit=1.5":                  "limit must be",
		"limit=1e2":                  "limit must be",
		"limit=99999999999999999999": "limit must be",
		"limit=%201":                 "limit must be",
		"limit=1&limit=2":            "limit was sent more than once",
		"name=a&name=b":              "name was sent more than once",
		"include_total_count=maybe":  "include_total_count must be",
		"include_total_count=1":      "include_total_count must be",
		"include_total_count=True":   "include_total_count must be",
		"starting_after=npol_999999": "starting_after",
		"name=%FF":                   "name is not valid UTF-8",
		"name=%zz":                   "Malformed query",
		"name=a;limit=1":             "Malformed query",
		"starting_after=npol_000001&starting_after=unknown": "more than once",
	} {
		requireRefusal(t, send(t, s, "GET", "/v1/network-policies?"+query, ""), 400, text)
	}
}

func TestListWhilePoliciesComeAndGo(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(4))
	names, more := list(t, s, "limit=2")
	require.Equal(t, []string{"policy-0004", "policy-0003"}, names)
	require.True(t, more)

	// A policy that comes while a client pages is before its cursor.
	s.AddPolicy(runloop.NetworkPolicy{Name: "late"})
	names, _ = list(t, s, "limit=2&starting_after=npol_000003")
	assert.Equal(t, []string{"policy-0002", "policy-0001"}, names)

	// A cursor that was deleted meanwhile leads nowhere.
	requireOK(t, send(t, s, "POST", "/v1/network-policies/npol_000003/delete", ""))
	requireRefusal(t, send(t, s, "GET", "/v1/network-policies?limit=2&starting_after=npol_000003", ""), 400, "not found")
}
