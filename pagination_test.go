package runloop_test

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// page is an answer with the policies of these IDs.
func page(hasMore bool, ids ...string) httpmock.Responder {
	var policies []string
	for _, id := range ids {
		policies = append(policies, strings.Replace(clienttest.PolicyJSON, `"npol_1"`, `"`+id+`"`, 1))
	}
	return clienttest.Answer(200, fmt.Sprintf(`{"network_policies": [%s], "has_more": %t}`, strings.Join(policies, ", "), hasMore))
}

// drain steps through the whole sequence, and fails when something follows an error.
func drain(t *testing.T, policies iter.Seq2[*runloop.NetworkPolicy, error]) (ids []string, err error) {
	t.Helper()
	for policy, stepErr := range policies {
		require.NoError(t, err, "an error is the end")
		if err = stepErr; err != nil {
			assert.Nil(t, policy)
			continue
		}
		ids = append(ids, policy.ID)
	}
	return ids, err
}

// cursors returns the starting_after of each request.
func cursors(t testing.TB, api *clienttest.API) []string {
	t.Helper()
	var cursors []string
	for _, sent := range api.Sent() {
		query, err := url.ParseQuery(sent.Query)
		require.NoError(t, err)
		cursors = append(cursors, query.Get("starting_after"))
	}
	return cursors
}

func TestAllGoesFromPageToPage(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.Answers(http.MethodGet, clienttest.PoliciesPath, page(true, "a", "b"), page(true, "c"), page(false, "d", "e"))

	ids, err := drain(t, client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{Name: "n", Limit: 2}))

	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "c", "d", "e"}, ids)
	var queries []string
	for _, sent := range api.Sent() {
		queries = append(queries, sent.Query)
	}
	assert.Equal(t, []string{
		"include_total_count=false&limit=2&name=n",
		"include_total_count=false&limit=2&name=n&starting_after=b",
		"include_total_count=false&limit=2&name=n&starting_after=c",
	}, queries, "each has all parameters")
}

func TestAllIsLazyAndStartsAfresh(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.Answers(http.MethodGet, clienttest.PoliciesPath, page(true, "a"), page(false, "b"), page(true, "a"), page(false, "b"))

	policies := client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{})
	assert.Empty(t, api.Sent(), "nothing is sent before the first step")

	for range 2 {
		ids, err := drain(t, policies)
		require.NoError(t, err)
		assert.Equal(t, []string{"a", "b"}, ids)
	}
	assert.Equal(t, []string{"", "a", "", "a"}, cursors(t, api))
}

func TestLeavingTheLoopSendsNothingMore(t *testing.T) {
	t.Parallel()
	for _, last := range []string{"a", "b"} {
		api, client := clienttest.NewAPI(t)
		api.Answers(http.MethodGet, clienttest.PoliciesPath, page(true, "a", "b"), page(false, "c"))
		for policy, err := range client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{}) {
			require.NoError(t, err)
			if policy.ID == last {
				break
			}
		}
		assert.Len(t, api.Sent(), 1, "left at %s", last)
	}
}

// The next page is asked for when its first policy is, not earlier.
func TestAllAsksForAPageWhenItIsNeeded(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.Answers(http.MethodGet, clienttest.PoliciesPath, page(true, "a", "b"), page(false, "c"))
	next, stop := iter.Pull2(client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{}))
	defer stop()
	for step, requests := range []int{1, 1, 2} {
		_, err, ok := next()
		require.True(t, ok)
		require.NoError(t, err)
		assert.Len(t, api.Sent(), requests, "step %d", step)
	}
	_, _, ok := next()
	assert.False(t, ok)
}

func TestAllStartsAfterTheCursor(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.Answers(http.MethodGet, clienttest.PoliciesPath, page(true, "y"), page(false, "z"))

	ids, err := drain(t, client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{StartingAfter: "x"}))

	require.NoError(t, err)
	assert.Equal(t, []string{"y", "z"}, ids)
	assert.Equal(t, []string{"x", "y"}, cursors(t, api))
}

func TestAnErrorEndsAll(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.Answers(http.MethodGet, clienttest.PoliciesPath, page(true, "a"), clienttest.Answer(403, `{"message": "no devbox capability"}`))

	ids, err := drain(t, client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{}))

	assert.Equal(t, []string{"a"}, ids)
	require.ErrorIs(t, err, runloop.ErrForbidden)
	assert.Len(t, api.Sent(), 2)
}

// A server that would keep the loop going for ever is found out.
func TestAListThatDoesNotGetOnIsAnInvalidResponse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		start   string
		pages   []httpmock.Responder
		ids     []string
		cursors []string
		text    string
	}{
		{"the same cursor again", "", []httpmock.Responder{page(true, "a"), page(true, "a")}, []string{"a", "a"}, []string{"", "a"},
			`the page ends with the same policy as one before`},
		{"the same cursor later", "", []httpmock.Responder{page(true, "a"), page(true, "b"), page(true, "c", "a")},
			[]string{"a", "b", "c", "a"}, []string{"", "a", "b"}, `the page ends with the same policy as one before`},
		{"the cursor that it started with", "a", []httpmock.Responder{page(true, "b", "a")}, []string{"b", "a"}, []string{"a"},
			`the page ends with the same policy as one before`},
		{"a cycle that leads back to the start", "a", []httpmock.Responder{page(true, "b"), page(true, "a")}, []string{"b", "a"}, []string{"a", "b"},
			`the page ends with the same policy as one before`},
		{"an empty first page with more", "", []httpmock.Responder{page(true)}, nil, []string{""},
			"the page says that there are more, but is empty"},
		{"an empty page with more", "", []httpmock.Responder{page(true, "a"), page(true)}, []string{"a"}, []string{"", "a"},
			"the page says that there are more, but is empty"},
		{"an empty page with more after a cursor", "x", []httpmock.Responder{page(true)}, nil, []string{"x"},
			"the page says that there are more, but is empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			api.Answers(http.MethodGet, clienttest.PoliciesPath, test.pages...)

			ids, err := drain(t, client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{StartingAfter: test.start}))

			assert.Equal(t, test.ids, ids, "what was seen before")
			assert.Equal(t, test.cursors, cursors(t, api))
			require.ErrorIs(t, err, runloop.ErrInvalidResponse)
			failure, ok := errors.AsType[*runloop.TransportError](err)
			require.True(t, ok)
			assert.Equal(t, "list network policies", failure.Op)
			assert.False(t, failure.MaybeApplied)
			assert.ErrorContains(t, err, test.text)
		})
	}
}

func TestPoliciesOfAllAreTheCallers(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.Answers(http.MethodGet, clienttest.PoliciesPath, page(true, "a"), page(false, "b"))
	var kept []*runloop.NetworkPolicy
	for policy, err := range client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{}) {
		require.NoError(t, err)
		policy.ID += "!" // has no influence on the cursor of the next page
		kept = append(kept, policy)
	}
	assert.Equal(t, "a!", kept[0].ID)
	assert.Equal(t, "b!", kept[1].ID)
	assert.Equal(t, []string{"", "a"}, cursors(t, api))
}

func TestAllDeliversThousandsInOrder(t *testing.T) {
	t.Parallel()
	const total = 2500
	var want []string
	var policies []runloop.NetworkPolicy
	for i := range total {
		want = append(want, fmt.Sprintf("p%04d", i))
		policies = append(policies, runloop.NetworkPolicy{Name: want[i], Egress: hosts("github.com", "*.npmjs.org")})
	}
	server := runlooptest.NewTestServer(t, runlooptest.WithOldestFirst(), runlooptest.WithPolicies(policies...))
	client, err := server.Client()
	require.NoError(t, err)

	for _, test := range []struct{ limit, requests int }{{0, 3}, {100, 25}, {2499, 2}, {2500, 1}} {
		server.ResetRequests()
		var names []string
		for policy, err := range client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{Limit: test.limit}) {
			require.NoError(t, err)
			names = append(names, policy.Name)
		}
		assert.Equal(t, want, names)
		assert.Len(t, server.Requests(), test.requests, "pages of %d", test.limit)
	}
}

// A page that is longer than the API allows is none, before it takes up memory.
func TestAPageOfMoreThan5000PoliciesIsAnInvalidResponse(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]error{5000: nil, 5001: runloop.ErrInvalidResponse} {
		api, client := clienttest.NewAPI(t)
		policies := strings.TrimSuffix(strings.Repeat(`{"id": "npol_1", "egress": {}},`, n), ",")
		api.Answers(http.MethodGet, clienttest.PoliciesPath, clienttest.Answer(200, `{"network_policies": [`+policies+`], "has_more": false}`))

		page, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{})

		require.ErrorIs(t, err, want)
		assert.Equal(t, err == nil, page != nil && len(page.NetworkPolicies) == n)
	}
}
