package runlooptest_test

import (
	"net/url"
	"testing"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestListShowsWholePolicies(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, atNoon())
	assert.JSONEq(t, `{"network_policies": [], "has_more": false, "total_count": 0}`, get(t, s, policiesPath))
	create(t, s, `{"name": "a", "allowed_hostnames": ["a.example"]}`)
	create(t, s, `{"name": "b"}`)
	policies := policyJSON(t, "npol_000002", "b", "null", "") + "," + policyJSON(t, "npol_000001", "a", "null", `"allowed_hostnames": ["a.example"]`)
	assert.JSONEq(t, `{"network_policies": [`+policies+`], "has_more": false, "total_count": 2}`, get(t, s, policiesPath))
}

func TestListPages(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		opts                []runlooptest.Option
		query               string
		pageLength, overall int // in policies
		first, last         string
	}{
		"default, newest first": {nil, "", 20, 45, "npol_000045", "npol_000001"},
		"oldest first":          {[]runlooptest.Option{runlooptest.WithOldestFirst()}, "", 20, 45, "npol_000001", "npol_000045"},
		"one by one":            {nil, "limit=1", 1, 45, "npol_000045", "npol_000001"},
		"a full last page":      {nil, "limit=15", 15, 45, "npol_000045", "npol_000001"},
		"one full page":         {nil, "limit=45", 45, 45, "npol_000045", "npol_000001"},
		"largest page":          {nil, "limit=5000", 5000, 45, "npol_000045", "npol_000001"},
		"two largest pages":     {nil, "limit=5000", 5000, 5001, "npol_005001", "npol_000001"},
		"filtered":              {nil, "limit=3&name=policy-003", 3, 10, "npol_000039", "npol_000030"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := runlooptest.NewTestServer(t, append(tt.opts, seeded(max(45, tt.overall)))...)
			var ids []string
			for query := tt.query; ; {
				page, view := listed(t, s, policiesPath, query, "id")
				ids = append(ids, page...)
				if !view["has_more"].(bool) {
					break
				}
				require.Len(t, page, tt.pageLength)
				query = tt.query + "&starting_after=" + page[len(page)-1]
			}
			unique := map[string]bool{}
			for _, id := range ids {
				unique[id] = true
			}
			assert.Len(t, ids, tt.overall)
			assert.Len(t, unique, tt.overall)
			assert.Equal(t, []string{tt.first, tt.last}, []string{ids[0], ids[len(ids)-1]})
		})
	}
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithOldestFirst(), runlooptest.WithPolicies(
		runloop.NetworkPolicy{ID: "npol_aaa", Name: "build"}, runloop.NetworkPolicy{ID: "npol_bbb", Name: "Build-arm"},
		runloop.NetworkPolicy{ID: "npol_build", Name: "test"}, runloop.NetworkPolicy{ID: "npol_ccc", Name: "50%_off & é?"},
	))
	all := []string{"build", "Build-arm", "test", "50%_off & é?"}
	for name, tt := range map[string]struct {
		query string
		want  []string
	}{
		"part of a name, either case":         {"name=UIL", []string{"build", "Build-arm"}},
		"a whole name is partial too":         {"name=build", []string{"build", "Build-arm"}},
		"no wildcards":                        {"name=%25", []string{"50%_off & é?"}},
		"beyond ASCII":                        {"name=" + url.QueryEscape("& é?"), []string{"50%_off & é?"}},
		"no match":                            {"name=zzz", nil},
		"a whole ID":                          {"id=npol_aaa", []string{"build"}},
		"part of an ID":                       {"id=npol_a", nil},
		"search in names and IDs":             {"search=build", []string{"build", "Build-arm", "test"}},
		"filters are combined":                {"search=build&name=arm", []string{"Build-arm"}},
		"empty filters":                       {"name=&id=&search=&starting_after=&limit=&include_total_count=", all},
		"a cursor that the filter leaves out": {"name=t&starting_after=npol_bbb", []string{"test"}},
		"unknown parameters":                  {"status=running&order=asc", all},
	} {
		names, more := list(t, s, tt.query)
		assert.Equal(t, tt.want, names, name)
		assert.False(t, more, name)
	}
}

func TestTotalCountIsThatOfAllPages(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(30))
	for query, want := range map[string]float64{
		"": 30, "limit=1": 30, "limit=1&starting_after=npol_000010": 30, "name=policy-000": 9, "include_total_count=true&id=npol_000": 0,
	} {
		_, page := listed(t, s, policiesPath, query, "id")
		assert.Equal(t, want, page["total_count"], query)
	}
	_, page := listed(t, s, policiesPath, "include_total_count=false&limit=1", "id")
	assert.NotContains(t, page, "total_count")
	assert.Equal(t, true, page["has_more"])
}

func TestListRefusesInvalidQueries(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(3))
	for text, queries := range map[string][]string{
		"limit must be": {
			"limit=0", "limit=-1", "limit=5001", "limit=abc", "limit=1.5", "limit=1e2", "limit=99999999999999999999", "limit=%201",
		},
		"limit was sent more than once":                                  {"limit=1&limit=2"},
		"name was sent more than once":                                   {"name=a&name=b"},
		"starting_after was sent more than once":                         {"starting_after=npol_000001&starting_after=unknown"},
		"include_total_count must be":                                    {"include_total_count=maybe", "include_total_count=1", "include_total_count=True"},
		`starting_after: network policy with id "npol_999999" not found`: {"starting_after=npol_999999"},
		"name is not valid UTF-8":                                        {"name=%FF"},
		"Malformed query":                                                {"name=%zz", "name=a;limit=1"},
	} {
		for _, query := range queries {
			requireRefusal(t, send(t, s, "GET", policiesPath+"?"+query, ""), 400, text)
		}
	}
}

func TestListWhilePoliciesChange(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(4))
	names, more := list(t, s, "limit=2")
	require.Equal(t, []string{"policy-0004", "policy-0003"}, names)
	require.True(t, more)

	s.AddPolicy(runloop.NetworkPolicy{Name: "late"})
	names, _ = list(t, s, "limit=2&starting_after=npol_000003")
	assert.Equal(t, []string{"policy-0002", "policy-0001"}, names, "a new policy precedes the cursor")
}
