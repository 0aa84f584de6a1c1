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

func TestGetSendsOneRequest(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))

	policy, err := client.NetworkPolicies.Get(t.Context(), "npol_1")

	require.NoError(t, err)
	assert.Equal(t, "build", policy.Name)
	sent := api.Only()
	assert.Equal(t, "Bearer "+clienttest.APIKey, sent.Header.Get("Authorization"))
	assert.Empty(t, sent.Body)
}

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
			api, client := clienttest.NewAPI(t)
			api.On(http.MethodGet, clienttest.PoliciesPath, clienttest.Respond(200, clienttest.EmptyPageJSON))

			page, err := client.NetworkPolicies.List(t.Context(), test.params)

			require.NoError(t, err)
			assert.Empty(t, page.NetworkPolicies)
			sent := api.Only()
			assert.Equal(t, clienttest.PoliciesPath, sent.Path)
			assert.Equal(t, test.query, sent.Query)
		})
	}
}

func TestListEscapesItsQuery(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"a b", "a+b", "a&limit=1", "a=b", "a;b", "100%", "%20", "a/b?c#d", "größe 🚀", "\x00\r\n\t", `"'<>`, " ", "null",
	} {
		api, client := clienttest.NewAPI(t)
		api.On(http.MethodGet, clienttest.PoliciesPath, clienttest.Respond(200, clienttest.EmptyPageJSON))

		_, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{
			Name: text, ID: text, Search: text, StartingAfter: text,
		})

		require.NoError(t, err)
		query, err := url.ParseQuery(api.Only().Query)
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
			api, client := clienttest.NewAPI(t)
			api.On(http.MethodGet, clienttest.PoliciesPath, clienttest.Respond(200, clienttest.EmptyPageJSON))
			before := test.params

			for range client.NetworkPolicies.All(t.Context(), test.params) {
				t.Error("there is no policy")
			}

			assert.Equal(t, test.query, api.Only().Query)
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

func TestGetByName(t *testing.T) {
	t.Parallel()
	var policies []runloop.NetworkPolicy
	for i := range 1200 {
		policies = append(policies, runloop.NetworkPolicy{Name: fmt.Sprintf("build-%d", i)})
	}
	policies = append(policies, runloop.NetworkPolicy{Name: "Build"}, runloop.NetworkPolicy{Name: " build"}, runloop.NetworkPolicy{ID: "npol_exact", Name: "build"})
	for name, opts := range map[string][]runlooptest.Option{
		"on the last page":  {runlooptest.WithOldestFirst()},
		"on the first page": nil,
	} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			policy, err := fake.client.NetworkPolicies.GetByName(t.Context(), "build")

			require.NoError(t, err)
			assert.Equal(t, "npol_exact", policy.ID)
			requests := fake.Requests()
			assert.Equal(t, "build", requests[0].Query.Get("name"), "the API narrows the list down")
			if len(opts) > 0 {
				assert.Len(t, requests, 2)
			} else {
				assert.Len(t, requests, 1, "no page more than needed")
			}
		}, append(opts, runlooptest.WithPolicies(policies...))...))
	}
}

// Nothing was refused by the API, so the error is no *APIError.
func TestGetByNameOfNoPolicyIsNotFound(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		policy, err := fake.client.NetworkPolicies.GetByName(t.Context(), "build")

		assert.Nil(t, policy)
		require.ErrorIs(t, err, runloop.ErrNotFound)
		_, isAPIError := errors.AsType[*runloop.APIError](err)
		assert.False(t, isAPIError)
		assert.EqualError(t, err, `runloop: get network policy by name: no policy is called "build": not found`)
	}, runlooptest.WithPolicies(runloop.NetworkPolicy{Name: "build-2"}))(t)
}

// That a list is not there, or its cursor, does not say that the policy is not.
func TestAListThatIsNotFoundIsNoPolicyThatIsNotFound(t *testing.T) {
	t.Parallel()
	for status, body := range map[int]string{404: `{"message": "no such path"}`, 400: `{"message": "starting_after: npol_1 not found"}`} {
		api, client := clienttest.NewAPI(t)
		api.On(http.MethodGet, clienttest.PoliciesPath, clienttest.Respond(status, body))

		for name, call := range map[string]func() (*runloop.NetworkPolicy, error){
			"get by name": func() (*runloop.NetworkPolicy, error) { return client.NetworkPolicies.GetByName(t.Context(), "build") },
			"ensure":      func() (*runloop.NetworkPolicy, error) { return client.NetworkPolicies.Ensure(t.Context(), buildParams) },
		} {
			policy, err := call()

			assert.Nil(t, policy, name)
			assert.Equal(t, status, clienttest.AsAPIError(t, err).StatusCode, name)
			assert.NotErrorIs(t, err, runloop.ErrNotFound, name)
		}
	}
}

func TestAConflictOfAnUpdateThatDoesNotRenameIsNotAboutTheName(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 409} {
		for _, test := range []struct {
			body   string
			rename []string // the sentinels besides that of the status
		}{
			{`{"message": "the policy is being changed"}`, nil},
			{`{"message": "network policy already exists"}`, []string{"ErrNameTaken"}},
		} {
			api, client := clienttest.NewAPI(t)
			api.On(http.MethodPost, clienttest.PolicyPath, clienttest.Respond(status, test.body))
			ofStatus := clienttest.Sentinels(&runloop.APIError{StatusCode: status})

			_, err := client.NetworkPolicies.Update(t.Context(), "npol_1", runloop.NetworkPolicyUpdateParams{AllowAll: new(false)})
			assert.Equal(t, ofStatus, clienttest.Sentinels(err))

			_, err = client.NetworkPolicies.Update(t.Context(), "npol_1", runloop.NetworkPolicyUpdateParams{Name: new("build")})
			assert.Equal(t, append(ofStatus, test.rename...), clienttest.Sentinels(err))
		}
	}
}

func TestGetByNamePassesErrorsOn(t *testing.T) {
	onFake(func(t *testing.T, fake *fakeAPI) {
		_, err := fake.client.NetworkPolicies.GetByName(t.Context(), "build")

		require.ErrorIs(t, err, runloop.ErrForbidden)
		assert.Equal(t, "get network policy by name", clienttest.AsAPIError(t, err).Op)
	}, runlooptest.WithoutCapability())(t)
}
