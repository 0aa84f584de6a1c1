package runloop_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"runtime"
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

// page is a response with the policies of these IDs.
func page(hasMore bool, ids ...string) httpmock.Responder {
	var policies []string
	for _, id := range ids {
		policies = append(policies, strings.Replace(clienttest.PolicyJSON, `"npol_1"`, `"`+id+`"`, 1))
	}
	return clienttest.Respond(200, fmt.Sprintf(`{"network_policies": [%s], "has_more": %t}`, strings.Join(policies, ", "), hasMore))
}

// newPages returns an API that responds to requests for the list with these pages.
func newPages(t *testing.T, pages ...httpmock.Responder) (*clienttest.API, *runloop.Client) {
	t.Helper()
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodGet, clienttest.PoliciesPath, pages...)
	return api, client
}

// errOf returns the error of a call.
func errOf[T any](_ T, err error) error { return err }

// drain reads the whole sequence and checks that nothing follows an error.
func drain(t *testing.T, policies iter.Seq2[*runloop.NetworkPolicy, error]) (ids []string, err error) {
	t.Helper()
	for policy, stepErr := range policies {
		require.NoError(t, err, "an error ends the sequence")
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

func TestAll(t *testing.T) {
	t.Parallel()
	const repeats, empty = "the page ends with the same item as an earlier page", "the page is empty but is not the last one"
	pages := func(pages ...httpmock.Responder) []httpmock.Responder { return pages }
	for _, test := range []struct {
		name, start  string
		pages        []httpmock.Responder
		ids, cursors []string
		text         string // of the error
	}{
		{"several pages", "", pages(page(true, "a", "b"), page(true, "c"), page(false, "d", "e")), []string{"a", "b", "c", "d", "e"}, []string{"", "b", "c"}, ""},
		{"a start", "x", pages(page(true, "y"), page(false, "z")), []string{"y", "z"}, []string{"x", "y"}, ""},
		// An error comes after the last policy of the page before.
		{"a refusal", "", pages(page(true, "a", "b"), clienttest.Respond(403, "")), []string{"a", "b"}, []string{"", "b"}, "403 Forbidden"},
		{"a page of HTML", "", pages(page(true, "a", "b"), clienttest.Respond(200, "<html>")), []string{"a", "b"}, []string{"", "b"}, "invalid response"},
		// A server could keep the loop going forever.
		{"the same cursor again", "", pages(page(true, "a"), page(true, "a")), []string{"a", "a"}, []string{"", "a"}, repeats},
		{"the same cursor later", "", pages(page(true, "a"), page(true, "b"), page(true, "c", "a")), []string{"a", "b", "c", "a"}, []string{"", "a", "b"}, repeats},
		{"the cursor of the start", "a", pages(page(true, "b", "a")), []string{"b", "a"}, []string{"a"}, repeats},
		{"a cycle back to the start", "a", pages(page(true, "b"), page(true, "a")), []string{"b", "a"}, []string{"a", "b"}, repeats},
		{"an empty first page with more", "", pages(page(true)), nil, []string{""}, empty},
		{"an empty page with more", "", pages(page(true, "a"), page(true)), []string{"a"}, []string{"", "a"}, empty},
		{"an empty page with more after a start", "x", pages(page(true)), nil, []string{"x"}, empty},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			api, client := newPages(t, test.pages...)
			ids, err := drain(t, client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{StartingAfter: test.start, Name: "n", Limit: 2}))
			assert.Equal(t, test.ids, ids)
			assert.Equal(t, test.cursors, cursors(t, api))
			for _, sent := range api.Sent() {
				assert.Contains(t, sent.Query, "include_total_count=false&limit=2&name=n", "each request has all parameters")
			}
			if test.text == "" {
				require.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, test.text)
			failure := clienttest.AsAPIError(t, err)
			assert.Equal(t, "list network policies", failure.Op)
			assert.False(t, failure.MaybeApplied)
			if test.text == repeats || test.text == empty {
				require.ErrorIs(t, err, runloop.ErrInvalidResponse)
				assert.Equal(t, 200, failure.StatusCode)
			}
		})
	}
}

func TestAllIsLazyAndStartsOver(t *testing.T) {
	t.Parallel()
	api, client := newPages(t, page(true, "a"), page(false, "b"), page(true, "a"), page(false, "b"))
	policies := client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{})
	assert.Empty(t, api.Sent(), "nothing is sent before iteration begins")
	for range 2 {
		ids, err := drain(t, policies)
		require.NoError(t, err)
		assert.Equal(t, []string{"a", "b"}, ids)
	}
	assert.Equal(t, []string{"", "a", "", "a"}, cursors(t, api))
}

// A page is requested before the last policy of the page before is yielded, not earlier,
// and none after the loop ends.
func TestAllRequestsAPageWhenItIsNeeded(t *testing.T) {
	t.Parallel()
	for last, requests := range map[string]int{"a": 1, "b": 2, "c": 2, "d": 3, "e": 3} {
		api, client := newPages(t, page(true, "a", "b"), page(true, "c", "d"), page(false, "e"))
		for policy, err := range client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{}) {
			require.NoError(t, err)
			if policy.ID == last {
				break
			}
		}
		assert.Len(t, api.Sent(), requests, "ended at %s", last)
	}
}

// What the loop does to the policies that it receives has no effect on which it receives.
func TestDeletingAndRenamingWhatAllYields(t *testing.T) {
	t.Parallel()
	changes := map[string]func(*testing.T, *runloop.NetworkPoliciesService, string) error{
		"delete": func(t *testing.T, s *runloop.NetworkPoliciesService, id string) error {
			return errOf(s.Delete(t.Context(), id))
		},
		"rename": func(t *testing.T, s *runloop.NetworkPoliciesService, id string) error { // out of the filter
			return errOf(s.Update(t.Context(), id, updateParams{Name: new("done-" + id)}))
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
						require.NoError(t, change(t, fake.client.NetworkPolicies, policy.ID))
					}
					assert.ElementsMatch(t, want, got, "each once")
					assert.Len(t, fake.Requests(list), (7+limit-1)/limit)
				}, opts...))
			}
		}
	}
}

// Only the page that fails is requested again. After an error, the loop can be resumed after
// the last policy.
func TestAPageThatFails(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		busy := clienttest.Respond(503, clienttest.BusyJSON)
		api, client := newPages(t, page(true, "a"), busy, page(true, "b"), busy, busy, busy, busy, page(false, "c"))
		ids, err := drain(t, client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{}))
		require.ErrorIs(t, err, runloop.ErrServer)
		assert.Equal(t, []string{"a", "b"}, ids)
		ids, err = drain(t, client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{StartingAfter: "b"}))
		require.NoError(t, err)
		assert.Equal(t, []string{"c"}, ids)
		assert.Equal(t, []string{"", "a", "a", "b", "b", "b", "b", "b"}, cursors(t, api))
	})(t)
}

// The page that has arrived is delivered.
func TestTheContextEndsBetweenPages(t *testing.T) {
	t.Parallel()
	api, client := newPages(t, page(true, "a", "b"))
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

// What others create ahead of the cursor is yielded, nothing is yielded twice, and the
// error of a cursor that was deleted names it.
func TestOtherProgramsBetweenPages(t *testing.T) {
	t.Parallel()
	oldestFirst := []runlooptest.Option{runlooptest.WithOldestFirst()}
	for name, test := range map[string]struct {
		opts []runlooptest.Option
		want []string
		err  error
	}{
		"create ahead":      {oldestFirst, []string{"npol_000001", "npol_000002", "npol_000003", "npol_000004"}, nil},
		"create behind":     {nil, []string{"npol_000003", "npol_000002", "npol_000001"}, nil},
		"delete the cursor": {oldestFirst, []string{"npol_000001", "npol_000002"}, runloop.ErrNotFound},
	} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			for _, name := range []string{"a", "b", "c"} {
				fake.AddPolicy(runloop.NetworkPolicy{Name: name})
			}
			fake.Inject(list, runlooptest.Fault{}, runlooptest.Before(func() {
				if test.err == nil {
					fake.AddPolicy(runloop.NetworkPolicy{Name: "new"})
				} else {
					assert.NoError(t, errOf(fake.client.NetworkPolicies.Delete(t.Context(), "npol_000002")))
				}
			}))
			ids, err := drain(t, fake.client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{Limit: 2}))
			assert.Equal(t, test.want, ids)
			require.ErrorIs(t, err, test.err)
			if err != nil {
				assert.ErrorContains(t, err, "npol_000002")
			}
		}, test.opts...))
	}
}

// tooLargeFrom makes the pages of an API too large if the limit is size or more. It returns
// the limits of the requests.
func tooLargeFrom(t *testing.T, fake *fakeAPI, size int) (limits *[]string) {
	t.Helper()
	limits = new([]string)
	fake.through(t, func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		limit := r.URL.Query().Get("limit")
		if limit != "" {
			*limits = append(*limits, limit)
		}
		if n, _ := strconv.Atoi(limit); n >= size {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(io.LimitReader(blanks{}, 32<<20+1))}, nil
		}
		return next.RoundTrip(r)
	})
	return limits
}

// Policies can be so large that a page of the default size exceeds the maximum size of a
// response. Everything that reads lists halves the page.
func TestPagesThatAreTooLargeAreHalved(t *testing.T) {
	t.Parallel()
	type service = runloop.NetworkPoliciesService
	for name, test := range map[string]struct {
		lost runlooptest.Operation // the write whose response is lost
		do   func(context.Context, *service) error
	}{
		"get by name": {"", func(ctx context.Context, s *service) error { return errOf(s.GetByName(ctx, "build")) }},
		"ensure":      {"", func(ctx context.Context, s *service) error { return errOf(s.Ensure(ctx, buildParams)) }},
		"apply":       {"", func(ctx context.Context, s *service) error { return errOf(s.Apply(ctx, buildParams)) }},
		"plan":        {"", func(ctx context.Context, s *service) error { return errOf(s.Plan(ctx, buildParams)) }},
		"create":      {create, func(ctx context.Context, s *service) error { return errOf(s.Create(ctx, buildParams)) }},
		"delete":      {remove, func(ctx context.Context, s *service) error { return errOf(s.Delete(ctx, "npol_build")) }},
		"prune": {"", func(ctx context.Context, s *service) error {
			return errOf(s.Prune(ctx, runloop.PruneParams{NamePrefix: "build"}))
		}},
	} {
		t.Run(name, onFake(func(t *testing.T, fake *fakeAPI) {
			if test.lost != create {
				policy := buildPolicy(time.Hour)
				policy.ID = "npol_build"
				fake.AddPolicy(policy)
			}
			if test.lost != "" {
				fake.Inject(test.lost, lost())
			}
			limits := tooLargeFrom(t, fake, 251)
			require.NoError(t, test.do(t.Context(), fake.client.NetworkPolicies))
			assert.Equal(t, []string{"1000", "500", "250"}, *limits)
		}))
	}
}

func TestAllHalvesPagesDownToOnePolicy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		size, limit int
		want        string
		err         error
	}{
		{2, 0, "[1000 500 250 125 62 31 15 7 3 1 1 1 1 1]", nil},
		{3, 5, "[5 2 2 2]", nil},
		{2, 2, "[2 1 1 1 1 1]", nil},
		{6, 5, "[5]", nil},
		{1, 4, "[4 2 1]", runloop.ErrResponseTooLarge},
	} {
		t.Run(fmt.Sprint(test.size, "/", test.limit), onFake(func(t *testing.T, fake *fakeAPI) {
			for i := range 5 {
				fake.AddPolicy(runloop.NetworkPolicy{Name: fmt.Sprint(i)})
			}
			limits := tooLargeFrom(t, fake, test.size)
			ids, err := drain(t, fake.client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{Limit: test.limit}))
			require.ErrorIs(t, err, test.err)
			assert.Equal(t, err == nil, len(ids) == 5)
			assert.Equal(t, test.want, fmt.Sprint(*limits))
			if err != nil {
				_, err = fake.client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{Limit: test.limit})
				require.ErrorIs(t, err, test.err)
				assert.Equal(t, "[4 2 1 4]", fmt.Sprint(*limits), "List does not halve")
			}
		}))
	}
}

// The policy that a lookup returns does not keep its page in memory. The test measures the
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
	api, client := newPages(t, clienttest.Respond(200, body))
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

// The memory of earlier pages is free again. The test measures the heap, so it is not
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

func TestCallersOwnThePoliciesOfAll(t *testing.T) {
	t.Parallel()
	api, client := newPages(t, page(true, "a"), page(false, "b"))
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

func TestAPageOfMoreThan5000PoliciesIsAnInvalidResponse(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]error{5000: nil, 5001: runloop.ErrInvalidResponse} {
		policies := strings.TrimSuffix(strings.Repeat(`{"id": "npol_1", "egress": {}},`, n), ",")
		_, client := newPages(t, clienttest.Respond(200, `{"network_policies": [`+policies+`], "has_more": false}`))
		page, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{})
		require.ErrorIs(t, err, want)
		assert.Equal(t, err == nil, page != nil && len(page.NetworkPolicies) == n)
	}
}
