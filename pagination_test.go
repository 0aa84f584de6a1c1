package runloop_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

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
	return clienttest.Respond(200, fmt.Sprintf(`{"network_policies": [%s], "has_more": %t}`, strings.Join(policies, ", "), hasMore))
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
	api.On(http.MethodGet, clienttest.PoliciesPath, page(true, "a", "b"), page(true, "c"), page(false, "d", "e"))

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
	api.On(http.MethodGet, clienttest.PoliciesPath, page(true, "a"), page(false, "b"), page(true, "a"), page(false, "b"))

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
	for last, requests := range map[string]int{"a": 1, "b": 2, "c": 2, "d": 3, "e": 3} {
		api, client := clienttest.NewAPI(t)
		api.On(http.MethodGet, clienttest.PoliciesPath, page(true, "a", "b"), page(true, "c", "d"), page(false, "e"))
		for policy, err := range client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{}) {
			require.NoError(t, err)
			if policy.ID == last {
				break
			}
		}
		assert.Len(t, api.Sent(), requests, "left at %s", last)
	}
}

// A page is requested before the last policy of the one before is yielded, not earlier.
func TestAllRequestsAPageWhenItIsNeeded(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodGet, clienttest.PoliciesPath, page(true, "a", "b"), page(false, "c"))
	next, stop := iter.Pull2(client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{}))
	defer stop()
	for step, requests := range []int{1, 2, 2} {
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
	api.On(http.MethodGet, clienttest.PoliciesPath, page(true, "y"), page(false, "z"))

	ids, err := drain(t, client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{StartingAfter: "x"}))

	require.NoError(t, err)
	assert.Equal(t, []string{"y", "z"}, ids)
	assert.Equal(t, []string{"x", "y"}, cursors(t, api))
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
			`the page ends with the same item as one before`},
		{"the same cursor later", "", []httpmock.Responder{page(true, "a"), page(true, "b"), page(true, "c", "a")},
			[]string{"a", "b", "c", "a"}, []string{"", "a", "b"}, `the page ends with the same item as one before`},
		{"the cursor that it started with", "a", []httpmock.Responder{page(true, "b", "a")}, []string{"b", "a"}, []string{"a"},
			`the page ends with the same item as one before`},
		{"a cycle that leads back to the start", "a", []httpmock.Responder{page(true, "b"), page(true, "a")}, []string{"b", "a"}, []string{"a", "b"},
			`the page ends with the same item as one before`},
		{"an empty first page with more", "", []httpmock.Responder{page(true)}, nil, []string{""},
			"the page is empty, but is not the last one"},
		{"an empty page with more", "", []httpmock.Responder{page(true, "a"), page(true)}, []string{"a"}, []string{"", "a"},
			"the page is empty, but is not the last one"},
		{"an empty page with more after a cursor", "x", []httpmock.Responder{page(true)}, nil, []string{"x"},
			"the page is empty, but is not the last one"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			api.On(http.MethodGet, clienttest.PoliciesPath, test.pages...)

			ids, err := drain(t, client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{StartingAfter: test.start}))

			assert.Equal(t, test.ids, ids, "what was seen before")
			assert.Equal(t, test.cursors, cursors(t, api))
			require.ErrorIs(t, err, runloop.ErrInvalidResponse)
			failure := clienttest.AsAPIError(t, err)
			assert.Equal(t, "list network policies", failure.Op)
			assert.Equal(t, 200, failure.StatusCode)
			assert.False(t, failure.MaybeApplied)
			assert.ErrorContains(t, err, test.text)
		})
	}
}

// What the loop does with the policies that it gets has no effect on which it gets.
func TestDeletingAndRenamingWhatAllYields(t *testing.T) {
	t.Parallel()
	changes := map[string]func(*testing.T, *fakeAPI, string){
		"delete": func(t *testing.T, fake *fakeAPI, id string) {
			_, err := fake.client.NetworkPolicies.Delete(t.Context(), id)
			require.NoError(t, err)
		},
		"rename": func(t *testing.T, fake *fakeAPI, id string) { // out of the filter
			_, err := fake.client.NetworkPolicies.Update(t.Context(), id, runloop.NetworkPolicyUpdateParams{Name: new("done-" + id)})
			require.NoError(t, err)
		},
	}
	for _, limit := range []int{1, 2, 3, 5, 6, 7, 8} {
		for name, change := range changes {
			for order, opts := range map[string][]runlooptest.Option{"oldest first": {runlooptest.WithOldestFirst()}, "newest first": nil} {
				t.Run(fmt.Sprint(limit, "/", name, "/", order), onFake(func(t *testing.T, fake *fakeAPI) {
					var want []string
					for i := range 7 {
						want = append(want, fake.AddPolicy(runloop.NetworkPolicy{Name: fmt.Sprintf("task-%d", i)}).ID)
					}
					var got []string
					for policy, err := range fake.client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{Name: "task-", Limit: limit}) {
						require.NoError(t, err)
						got = append(got, policy.ID)
						change(t, fake, policy.ID)
					}
					assert.ElementsMatch(t, want, got, "each once")
					assert.Len(t, fake.Requests(list), (7+limit-1)/limit)
				}, opts...))
			}
		}
	}
}

// The policy that is held back while the next page is requested is yielded before the
// error of that page.
func TestAnErrorComesAfterTheLastPolicyOfThePage(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]httpmock.Responder{
		"refused": clienttest.Respond(403, ""), "a page": clienttest.Respond(200, "<html>"), "empty": page(true),
	} {
		api, client := clienttest.NewAPI(t)
		api.On(http.MethodGet, clienttest.PoliciesPath, page(true, "a", "b"), second)

		ids, err := drain(t, client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{}))

		require.Error(t, err, name)
		assert.Equal(t, []string{"a", "b"}, ids, name)
	}
}

// A page that fails is requested again, and no other. After an error, the last policy seen
// is where to go on.
func TestAPageThatFails(t *testing.T) {
	t.Parallel()
	busy := clienttest.Respond(503, clienttest.BusyJSON)
	for _, test := range []struct {
		faults  int
		cursors []string
	}{
		{1, []string{"", "a", "b", "b"}},
		{4, []string{"", "a", "b", "b", "b", "b", "b"}},
	} {
		t.Run(fmt.Sprint(test.faults), clienttest.InBubble(func(t *testing.T) {
			api, client := clienttest.NewAPI(t)
			answers := append([]httpmock.Responder{page(true, "a"), page(true, "b")}, slices.Repeat([]httpmock.Responder{busy}, test.faults)...)
			api.On(http.MethodGet, clienttest.PoliciesPath, append(answers, page(false, "c"))...)

			ids, err := drain(t, client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{}))
			if test.faults == 4 {
				require.ErrorIs(t, err, runloop.ErrServer)
				var rest []string
				rest, err = drain(t, client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{StartingAfter: ids[len(ids)-1]}))
				ids = append(ids, rest...)
			}

			require.NoError(t, err)
			assert.Equal(t, []string{"a", "b", "c"}, ids)
			assert.Equal(t, test.cursors, cursors(t, api))
		}))
	}
}

// The context ends between two pages: the page that is there is delivered.
func TestTheContextEndsBetweenPages(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodGet, clienttest.PoliciesPath, page(true, "a", "b"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var ids []string
	for policy, err := range client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{}) {
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			assert.Zero(t, clienttest.AsTransportError(t, err).Attempts)
			break
		}
		ids = append(ids, policy.ID)
		cancel()
	}
	assert.Equal(t, []string{"a", "b"}, ids)
	api.Only()
}

// What other programs do between two pages: what is created ahead of the cursor is seen,
// nothing comes twice, and the error of a cursor that was deleted names it.
func TestOtherProgramsBetweenPages(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		opts   []runlooptest.Option
		meddle func(context.Context, *fakeAPI) error
		want   []string
		err    error
	}{
		"create ahead": {[]runlooptest.Option{runlooptest.WithOldestFirst()}, func(ctx context.Context, fake *fakeAPI) error {
			_, err := fake.client.NetworkPolicies.Ensure(ctx, runloop.NetworkPolicyCreateParams{Name: "new"})
			return err
		}, []string{"npol_000001", "npol_000002", "npol_000003", "npol_000004"}, nil},
		"create behind": {nil, func(ctx context.Context, fake *fakeAPI) error {
			_, err := fake.client.NetworkPolicies.Ensure(ctx, runloop.NetworkPolicyCreateParams{Name: "new"})
			return err
		}, []string{"npol_000003", "npol_000002", "npol_000001"}, nil},
		"delete the cursor": {[]runlooptest.Option{runlooptest.WithOldestFirst()}, func(ctx context.Context, fake *fakeAPI) error {
			if len(fake.Policies()) < 3 {
				return nil
			}
			_, err := fake.client.NetworkPolicies.Delete(ctx, "npol_000002")
			return err
		}, []string{"npol_000001", "npol_000002"}, runloop.ErrNotFound},
	} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			for _, name := range []string{"a", "b", "c"} {
				fake.AddPolicy(runloop.NetworkPolicy{Name: name})
			}
			var ids []string
			var end error
			for policy, err := range fake.client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{Limit: 2}) {
				if err != nil {
					end = err
					break
				}
				ids = append(ids, policy.ID)
				if len(ids) == 1 {
					require.NoError(t, test.meddle(t.Context(), fake))
				}
			}
			assert.Equal(t, test.want, ids)
			require.ErrorIs(t, end, test.err)
			if end != nil {
				assert.ErrorContains(t, end, "npol_000002")
			}
		}, test.opts...))
	}
}

// tooLargeFrom is an API whose pages exceed the size of a response from so many
// policies on, whatever requests it serves otherwise. It returns the limits that it got.
func tooLargeFrom(t *testing.T, fake *fakeAPI, size int) (limits *[]string) {
	t.Helper()
	limits = new([]string)
	next := fake.HTTPClient().Transport
	client, err := fake.Client(runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		limit := r.URL.Query().Get("limit")
		if limit != "" {
			*limits = append(*limits, limit)
		}
		if n, _ := strconv.Atoi(limit); n >= size {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(io.LimitReader(blanks{}, 32<<20+1))}, nil
		}
		return next.RoundTrip(r)
	})}))
	require.NoError(t, err)
	fake.client = client
	return limits
}

// Policies can be so large that a page of the default size exceeds the size of a response.
// The page is requested in halves, by everything that reads lists.
func TestPagesThatAreTooLargeAreHalved(t *testing.T) {
	t.Parallel()
	halves := []string{"1000", "500", "250"}
	for _, test := range []struct {
		name string
		do   func(context.Context, *fakeAPI) error
	}{
		{"get by name", func(ctx context.Context, fake *fakeAPI) error {
			_, err := fake.client.NetworkPolicies.GetByName(ctx, "build")
			return err
		}},
		{"ensure", func(ctx context.Context, fake *fakeAPI) error {
			_, err := fake.client.NetworkPolicies.Ensure(ctx, buildParams)
			return err
		}},
		{"apply", func(ctx context.Context, fake *fakeAPI) error {
			_, err := fake.client.NetworkPolicies.Apply(ctx, buildParams)
			return err
		}},
		{"plan", func(ctx context.Context, fake *fakeAPI) error {
			_, err := fake.client.NetworkPolicies.Plan(ctx, buildParams)
			return err
		}},
		{"create", func(ctx context.Context, fake *fakeAPI) error {
			_, err := fake.client.NetworkPolicies.Delete(ctx, "npol_build")
			if err == nil {
				fake.Inject(create, lost())
				_, err = fake.client.NetworkPolicies.Create(ctx, buildParams)
			}
			return err
		}},
		{"delete", func(ctx context.Context, fake *fakeAPI) error {
			fake.Inject(remove, lost())
			_, err := fake.client.NetworkPolicies.Delete(ctx, "npol_build")
			return err
		}},
		{"prune", func(ctx context.Context, fake *fakeAPI) error {
			_, err := fake.client.NetworkPolicies.Prune(ctx, runloop.PruneParams{NamePrefix: "build"})
			return err
		}},
	} {
		t.Run(test.name, onFake(func(t *testing.T, fake *fakeAPI) {
			policy := buildPolicy(time.Hour)
			policy.ID = "npol_build"
			fake.AddPolicy(policy)
			limits := tooLargeFrom(t, fake, 251)

			require.NoError(t, test.do(t.Context(), fake))

			assert.Equal(t, halves, *limits)
		}))
	}
}

func TestAllHalvesPagesDownToOnePolicy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		size, limit int
		want        []string
	}{
		{2, 0, []string{"1000", "500", "250", "125", "62", "31", "15", "7", "3", "1", "1", "1", "1", "1"}},
		{3, 5, []string{"5", "2", "2", "2"}},
		{2, 2, []string{"2", "1", "1", "1", "1", "1"}},
		{6, 5, []string{"5"}},
	} {
		t.Run(fmt.Sprint(test.size, "/", test.limit), onFake(func(t *testing.T, fake *fakeAPI) {
			for i := range 5 {
				fake.AddPolicy(runloop.NetworkPolicy{Name: fmt.Sprint(i)})
			}
			limits := tooLargeFrom(t, fake, test.size)

			ids, err := drain(t, fake.client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{Limit: test.limit}))

			require.NoError(t, err)
			assert.Len(t, ids, 5)
			assert.Equal(t, test.want, *limits)
		}))
	}
	t.Run("one policy is too large", onFake(func(t *testing.T, fake *fakeAPI) {
		limits := tooLargeFrom(t, fake, 1)

		_, err := drain(t, fake.client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{Limit: 4}))

		require.ErrorIs(t, err, runloop.ErrResponseTooLarge)
		assert.Equal(t, []string{"4", "2", "1"}, *limits)
	}))
	t.Run("a list is not halved", onFake(func(t *testing.T, fake *fakeAPI) {
		limits := tooLargeFrom(t, fake, 1)

		_, err := fake.client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{Limit: 4})

		require.ErrorIs(t, err, runloop.ErrResponseTooLarge)
		assert.Equal(t, []string{"4"}, *limits)
	}))
}

// A policy that a lookup returned does not keep its page in memory. The test measures the
// heap, so it is not parallel.
func TestALookupDoesNotKeepItsPage(t *testing.T) {
	hostnames := make([]string, 1000)
	for i := range hostnames {
		hostnames[i] = fmt.Sprintf("%s-%d.example", strings.Repeat("x", 50), i)
	}
	const lookups = 5
	var policies []string
	for i := range 100 {
		policies = append(policies, fmt.Sprintf(`{"id": "npol_%d", "name": "build-%d", "egress": {"allowed_hostnames": ["%s"]}}`, i, i, strings.Join(hostnames, `", "`)))
	}
	policies = append(policies, `{"id": "npol_build", "name": "build", "egress": {"allowed_hostnames": ["github.com"]}}`)
	body := fmt.Sprintf(`{"network_policies": [%s], "has_more": false}`, strings.Join(policies, ","))
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodGet, clienttest.PoliciesPath, clienttest.Respond(200, body))
	kept := make([]*runloop.NetworkPolicy, 0, 3*lookups)
	before := heap()

	for range lookups {
		found, err := client.NetworkPolicies.GetByName(t.Context(), "build")
		require.NoError(t, err)
		ensured, err := client.NetworkPolicies.Ensure(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build", Egress: hosts("github.com")})
		require.NoError(t, err)
		plan, err := client.NetworkPolicies.Plan(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build"})
		require.NoError(t, err)
		kept = append(kept, found, ensured, plan.Policy)
	}

	after := heap()
	assert.Less(t, after, before+uint64(len(body)), "less than one page, of %d that were read", 3*lookups)
	runtime.KeepAlive(kept)
	runtime.KeepAlive(api)
}

// heap returns how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// What the pages before took is free again. The test measures the heap, so it is not
// parallel.
func TestAllKeepsNoPage(t *testing.T) {
	const size, pages = 100, 100
	sent := 0
	client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		ids := make([]string, size)
		for i := range ids {
			ids[i] = fmt.Sprintf("npol_%08d", sent*size+i)
		}
		sent++
		return page(sent < pages, ids...)(r)
	}))
	seen, early := 0, uint64(0)

	for _, err := range client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{Limit: size}) {
		require.NoError(t, err)
		if seen++; seen == 2*size {
			early = heap()
		}
	}

	assert.Equal(t, size*pages, seen)
	assert.Less(t, heap(), early+size*1000, "about three pages")
}

func TestPoliciesOfAllAreTheCallers(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodGet, clienttest.PoliciesPath, page(true, "a"), page(false, "b"))
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
		api.On(http.MethodGet, clienttest.PoliciesPath, clienttest.Respond(200, `{"network_policies": [`+policies+`], "has_more": false}`))

		page, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{})

		require.ErrorIs(t, err, want)
		assert.Equal(t, err == nil, page != nil && len(page.NetworkPolicies) == n)
	}
}
