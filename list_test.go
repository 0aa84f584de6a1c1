package runloop_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

const emptyPage = `{"network_policies": [], "has_more": false}`

func TestListQuery(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		params runloop.NetworkPolicyListParams
		query  string
	}{
		{"nothing", runloop.NetworkPolicyListParams{}, ""},
		{"name", runloop.NetworkPolicyListParams{Name: "build"}, "name=build"},
		{"ID", runloop.NetworkPolicyListParams{ID: "npol_1"}, "id=npol_1"},
		{"search", runloop.NetworkPolicyListParams{Search: "bui"}, "search=bui"},
		{"limit", runloop.NetworkPolicyListParams{Limit: 50}, "limit=50"},
		{"cursor", runloop.NetworkPolicyListParams{StartingAfter: "npol_1"}, "starting_after=npol_1"},
		{"with total count", runloop.NetworkPolicyListParams{IncludeTotalCount: new(true)}, "include_total_count=true"},
		{"without total count", runloop.NetworkPolicyListParams{IncludeTotalCount: new(false)}, "include_total_count=false"},
		{
			"everything",
			runloop.NetworkPolicyListParams{Name: "n", ID: "i", Search: "s", Limit: 5000, StartingAfter: "a", IncludeTotalCount: new(false)},
			"id=i&include_total_count=false&limit=5000&name=n&search=s&starting_after=a",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			api, client := newAPI(t)
			api.answers(http.MethodGet, policiesPath, answer(200, emptyPage))

			page, err := client.NetworkPolicies.List(t.Context(), test.params)

			require.NoError(t, err)
			assert.Empty(t, page.NetworkPolicies)
			sent := api.only()
			assert.Equal(t, policiesPath, sent.Path)
			assert.Equal(t, test.query, sent.Query)
		})
	}
}

func TestListEscapesItsQuery(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"a b", "a+b", "a&limit=1", "a=b", "a;b", "100%", "%20", "a/b?c#d", "größe 🚀", "\x00\r\n\t", `"'<>`, " ", "null",
	} {
		api, client := newAPI(t)
		api.answers(http.MethodGet, policiesPath, answer(200, emptyPage))

		_, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{
			Name: text, ID: text, Search: text, StartingAfter: text,
		})

		require.NoError(t, err)
		query, err := url.ParseQuery(api.only().Query)
		require.NoError(t, err)
		assert.Equal(t, url.Values{"name": {text}, "id": {text}, "search": {text}, "starting_after": {text}}, query)
	}
}

func TestAllQuery(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		params runloop.NetworkPolicyListParams
		query  string
	}{
		{"large pages that are not counted", runloop.NetworkPolicyListParams{}, "include_total_count=false&limit=1000"},
		{"pages of another size", runloop.NetworkPolicyListParams{Limit: 20}, "include_total_count=false&limit=20"},
		{"pages that are counted", runloop.NetworkPolicyListParams{IncludeTotalCount: new(true)}, "include_total_count=true&limit=1000"},
		{"filters and a start", runloop.NetworkPolicyListParams{Name: "n", Search: "s", StartingAfter: "npol_1"},
			"include_total_count=false&limit=1000&name=n&search=s&starting_after=npol_1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			api, client := newAPI(t)
			api.answers(http.MethodGet, policiesPath, answer(200, emptyPage))
			before := test.params

			for range client.NetworkPolicies.All(t.Context(), test.params) {
				t.Error("there is no policy")
			}

			assert.Equal(t, test.query, api.only().Query)
			assert.Equal(t, before, test.params, "the parameters are the caller's")
		})
	}
}

func TestNextCursor(t *testing.T) {
	t.Parallel()
	policies := []runloop.NetworkPolicy{{ID: "npol_1"}, {ID: "npol_2"}}
	for _, test := range []struct {
		name   string
		page   *runloop.NetworkPolicyPage
		cursor string
	}{
		{"there are more", &runloop.NetworkPolicyPage{NetworkPolicies: policies, HasMore: true}, "npol_2"},
		{"the last page", &runloop.NetworkPolicyPage{NetworkPolicies: policies}, ""},
		{"an empty page", &runloop.NetworkPolicyPage{}, ""},
		{"an empty page that claims more", &runloop.NetworkPolicyPage{HasMore: true}, ""},
		{"no page", nil, ""},
	} {
		assert.Equal(t, test.cursor, test.page.NextCursor(), test.name)
	}
}
