package runloop_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

func TestQueriesOfLists(t *testing.T) {
	t.Parallel()
	type params = runloop.NetworkPolicyListParams
	for name, test := range map[string]struct {
		params    params
		list, all string
	}{
		"nothing":             {params{}, "", "include_total_count=false&limit=1000"},
		"name":                {params{Name: "build"}, "name=build", "include_total_count=false&limit=1000&name=build"},
		"ID":                  {params{ID: "npol_1"}, "id=npol_1", "id=npol_1&include_total_count=false&limit=1000"},
		"search":              {params{Search: "bui"}, "search=bui", "include_total_count=false&limit=1000&search=bui"},
		"limit":               {params{Limit: 50}, "limit=50", "include_total_count=false&limit=50"},
		"cursor":              {params{StartingAfter: "a"}, "starting_after=a", "include_total_count=false&limit=1000&starting_after=a"},
		"with total count":    {params{IncludeTotalCount: new(true)}, "include_total_count=true", "include_total_count=true&limit=1000"},
		"without total count": {params{IncludeTotalCount: new(false)}, "include_total_count=false", "include_total_count=false&limit=1000"},
		"everything": {params{Name: "n", ID: "i", Search: "s", Limit: 5000, StartingAfter: "a", IncludeTotalCount: new(false)},
			"id=i&include_total_count=false&limit=5000&name=n&search=s&starting_after=a",
			"id=i&include_total_count=false&limit=5000&name=n&search=s&starting_after=a"},
	} {
		api, client := newPages(t, page(false))
		got, err := client.NetworkPolicies.List(t.Context(), test.params)
		require.NoError(t, err)
		assert.Empty(t, got.NetworkPolicies)
		before := test.params
		ids, err := drain(t, client.NetworkPolicies.All(t.Context(), test.params))
		require.NoError(t, err)
		assert.Empty(t, ids)
		assert.Equal(t, before, test.params, "the parameters are the caller's")
		sent := api.Sent()
		require.Len(t, sent, 2, name)
		assert.Equal(t, clienttest.PoliciesPath, sent[0].Path)
		assert.Equal(t, test.list, sent[0].Query, name)
		assert.Equal(t, test.all, sent[1].Query, name)
	}
}

func TestQueriesAreEscaped(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"a b", "a+b", "a&limit=1", "a=b", "a;b", "100%", "%20", "a/b?c#d", "größe 🚀", "\x00\r\n\t", `"'<>`, " ", "null",
	} {
		api, client := newPages(t, page(false))
		_, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{Name: text, ID: text, Search: text, StartingAfter: text})
		require.NoError(t, err)
		query, err := url.ParseQuery(api.Only().Query)
		require.NoError(t, err)
		assert.Equal(t, url.Values{"name": {text}, "id": {text}, "search": {text}, "starting_after": {text}}, query)
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

func TestGetByName(t *testing.T) {
	t.Parallel()
	var policies []runloop.NetworkPolicy
	for i := range 1200 {
		policies = append(policies, runloop.NetworkPolicy{Name: fmt.Sprintf("build-%d", i)})
	}
	policies = append(policies, runloop.NetworkPolicy{Name: "Build"}, runloop.NetworkPolicy{Name: " build"}, runloop.NetworkPolicy{ID: "npol_exact", Name: "build"})
	for requests, opts := range map[int][]runlooptest.Option{1: nil, 2: {runlooptest.WithOldestFirst()}} { // no more pages than necessary
		t.Run(fmt.Sprint(requests), onFake(func(t *testing.T, fake *fakeAPI) {
			policy, err := fake.client.NetworkPolicies.GetByName(t.Context(), "build")
			require.NoError(t, err)
			assert.Equal(t, "npol_exact", policy.ID)
			assert.Equal(t, "build", fake.Requests()[0].Query.Get("name"), "the API filters the list")
			assert.Len(t, fake.Requests(), requests)
		}, append(opts, runlooptest.WithPolicies(policies...))...))
	}
}

// No response had an error status, so the error is not an *APIError.
func TestGetByNameOfAMissingPolicy(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		policy, err := fake.client.NetworkPolicies.GetByName(t.Context(), "build")
		assert.Nil(t, policy)
		require.ErrorIs(t, err, runloop.ErrNotFound)
		_, isAPIError := errors.AsType[*runloop.APIError](err)
		assert.False(t, isAPIError)
		assert.EqualError(t, err, `runloop: get network policy by name: no policy is named "build": not found`)
	}, runlooptest.WithPolicies(runloop.NetworkPolicy{Name: "build-2"}))(t)
}

// A missing list or cursor does not mean that the policy is missing.
func TestALookupWhoseListFails(t *testing.T) {
	t.Parallel()
	for status, body := range map[int]string{
		403: "", 404: `{"message": "no such path"}`, 400: `{"message": "starting_after: npol_1 not found"}`,
	} {
		_, client := newPages(t, clienttest.Respond(status, body))
		for op, err := range map[string]error{
			"get network policy by name": errOf(client.NetworkPolicies.GetByName(t.Context(), "build")),
			"ensure network policy":      errOf(client.NetworkPolicies.Ensure(t.Context(), buildParams)),
		} {
			assert.Equal(t, status, clienttest.AsAPIError(t, err).StatusCode)
			assert.Equal(t, op, clienttest.AsAPIError(t, err).Op)
			assert.NotErrorIs(t, err, runloop.ErrNotFound, op)
		}
	}
}

// Only an update with a name can meet a taken name.
func TestAConflictOfAnUpdate(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 409} {
		for body, rename := range map[string][]string{ // and the sentinels besides that of the status
			`{"message": "the policy is being changed"}`:   nil,
			`{"message": "network policy already exists"}`: {"ErrNameTaken"},
		} {
			api, client := clienttest.NewAPI(t)
			api.On(http.MethodPost, clienttest.PolicyPath, clienttest.Respond(status, body))
			ofStatus := clienttest.Sentinels(&runloop.APIError{StatusCode: status})
			_, err := client.NetworkPolicies.Update(t.Context(), "npol_1", updateParams{AllowAll: new(false)})
			assert.Equal(t, ofStatus, clienttest.Sentinels(err))
			_, err = client.NetworkPolicies.Update(t.Context(), "npol_1", updateParams{Name: new("build")})
			assert.Equal(t, append(ofStatus, rename...), clienttest.Sentinels(err))
		}
	}
}
