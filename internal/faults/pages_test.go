package faults

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// Pages that lead nowhere, fail, or change while they are read.

const denyAllJSON = `{"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [], "allow_agent_gateway": false, "allow_mcp_gateway": false}`

// pageJSON is a page of policies with these IDs, which are their names too.
func pageJSON(hasMore bool, ids ...string) string {
	var policies []string
	for _, id := range ids {
		policies = append(policies, fmt.Sprintf(`{"id": %q, "name": %q, "egress": %s, "create_time_ms": 1, "update_time_ms": 1}`, id, id, denyAllJSON))
	}
	return fmt.Sprintf(`{"network_policies": [%s], "has_more": %t}`, strings.Join(policies, ", "), hasMore)
}

// collect goes through all policies, calls seen after each, and returns the IDs and
// the error that ended it.
func collect(ctx context.Context, client *runloop.Client, params runloop.NetworkPolicyListParams, seen func(id string)) (ids []string, end error) {
	for policy, err := range client.NetworkPolicies.All(ctx, params) {
		if err != nil {
			return ids, err
		}
		ids = append(ids, policy.ID)
		seen(policy.ID)
	}
	return ids, nil
}

func collectAll(ctx context.Context, client *runloop.Client) ([]string, error) {
	return collect(ctx, client, runloop.NetworkPolicyListParams{Limit: 2}, func(string) {})
}

// cursors returns the starting_after of each request, "" where there is none.
func cursors(requests []wiretest.Request) []string {
	var cursors []string
	for _, r := range requests {
		_, after, _ := strings.Cut(r.Target, "starting_after=")
		cursors = append(cursors, after)
	}
	return cursors
}

func Test88AnEmptyPageThatHasMore(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server, client := script(t, wiretest.Reply(200, pageJSON(true, "a", "b")), wiretest.Reply(200, pageJSON(true)))

		ids, err := collectAll(t.Context(), client)

		require.ErrorIs(t, err, runloop.ErrInvalidResponse)
		assert.EqualError(t, err, "runloop: list network policies: 200 OK: invalid response: the page is empty, but is not the last one (1 attempt)")
		assert.Equal(t, []string{"a", "b"}, ids)
		assert.Equal(t, []string{"", "b"}, cursors(server.Requests()))
	})(t)
}

// The list cannot go on from a policy that has no ID.
func Test89ALastItemWithoutID(t *testing.T) {
	for name, id := range map[string]string{"empty": `"id": "",`, "missing": ""} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			page := strings.Replace(pageJSON(true, "a", "b"), `"id": "b",`, id, 1)
			server, client := script(t, wiretest.Reply(200, page))

			ids, err := collectAll(t.Context(), client)

			require.ErrorIs(t, err, runloop.ErrInvalidResponse)
			require.ErrorContains(t, err, `"id"`)
			assert.Empty(t, ids)
			assert.Len(t, server.Requests(), 1)
		}))
	}
}

func Test90ACursorThatComesAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		pages []string
		want  []string
	}{
		"at once":    {[]string{"a", "a"}, []string{"", "a"}},
		"in a cycle": {[]string{"a", "b", "a"}, []string{"", "a", "b"}},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			var steps []wiretest.Step
			for _, last := range tt.pages {
				steps = append(steps, wiretest.Reply(200, pageJSON(true, last)))
			}
			server, client := script(t, steps...)

			ids, err := collectAll(t.Context(), client)

			require.ErrorIs(t, err, runloop.ErrInvalidResponse)
			assert.EqualError(t, err, `runloop: list network policies: 200 OK: invalid response: the page ends with the same item as one before (1 attempt)`)
			assert.Equal(t, tt.pages, ids)
			assert.Equal(t, tt.want, cursors(server.Requests()))
		}))
	}
}

// A page that does not say whether it is the last must not pass for the last.
func Test91APageWithoutHasMore(t *testing.T) {
	for name, page := range map[string]string{"missing": `{"network_policies": []}`, "null": `{"network_policies": [], "has_more": null}`} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server, client := script(t, wiretest.Reply(200, page))

			_, err := collectAll(t.Context(), client)

			require.ErrorIs(t, err, runloop.ErrInvalidResponse)
			require.ErrorContains(t, err, "has_more")
			assert.Len(t, server.Requests(), 1)
		}))
	}
}

// fivePolicies returns a fake with the policies npol_1 to npol_5, oldest first.
func fivePolicies(t testing.TB) (*runlooptest.Server, *runloop.Client) {
	t.Helper()
	server := runlooptest.NewTestServer(t, runlooptest.WithOldestFirst())
	for i := range 5 {
		server.AddPolicy(runloop.NetworkPolicy{ID: fmt.Sprintf("npol_%d", i+1), Name: fmt.Sprintf("p%d", i+1)})
	}
	return server, clienttest.NewClientOver(t, server.HTTPClient().Transport)
}

// What the loop deletes is not missed: the next page is there before the cursor is gone.
func Test92TheLoopDeletesTheCursor(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server, client := fivePolicies(t)

		ids, err := collect(t.Context(), client, runloop.NetworkPolicyListParams{Limit: 2}, func(id string) {
			_, err := client.NetworkPolicies.Delete(t.Context(), id)
			require.NoError(t, err)
		})

		require.NoError(t, err)
		assert.Equal(t, []string{"npol_1", "npol_2", "npol_3", "npol_4", "npol_5"}, ids)
		assert.Len(t, server.Requests(runlooptest.ListNetworkPolicies), 3)
		assert.Empty(t, server.Policies())
	})(t)
}

// Another program deletes the last policy of a page before the next one is requested.
func Test92TheCursorIsDeletedBetweenPages(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server, client := fivePolicies(t)

		ids, err := collect(t.Context(), client, runloop.NetworkPolicyListParams{Limit: 2}, func(id string) {
			if id == "npol_1" {
				_, err := client.NetworkPolicies.Delete(t.Context(), "npol_2")
				require.NoError(t, err)
			}
		})

		require.ErrorIs(t, err, runloop.ErrNotFound)
		e := clienttest.AsAPIError(t, err)
		assert.Equal(t, 400, e.StatusCode)
		assert.Equal(t, 1, e.Attempts)
		assert.Contains(t, err.Error(), "npol_2", "which page it was")
		assert.Equal(t, []string{"npol_1", "npol_2"}, ids)
		assert.Len(t, server.Requests(runlooptest.ListNetworkPolicies), 2)
	})(t)
}

// What is created behind the cursor is not seen, what is created ahead of it is, and
// nothing comes twice.
func Test93APolicyIsCreatedBetweenPages(t *testing.T) {
	for name, tt := range map[string]struct {
		oldestFirst bool
		want        []string
	}{
		"ahead":  {true, []string{"npol_000001", "npol_000002", "npol_000003", "npol_000004"}},
		"behind": {false, []string{"npol_000003", "npol_000002", "npol_000001"}},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			opts := []runlooptest.Option{runlooptest.WithPolicies(
				runloop.NetworkPolicy{Name: "a"}, runloop.NetworkPolicy{Name: "b"}, runloop.NetworkPolicy{Name: "c"})}
			if tt.oldestFirst {
				opts = append(opts, runlooptest.WithOldestFirst())
			}
			server := runlooptest.NewTestServer(t, opts...)
			client := clienttest.NewClientOver(t, server.HTTPClient().Transport)

			ids, err := collect(t.Context(), client, runloop.NetworkPolicyListParams{Limit: 2}, func(string) {
				_, err := client.NetworkPolicies.Ensure(t.Context(), runloop.NetworkPolicyCreateParams{Name: "new"})
				require.NoError(t, err)
			})

			require.NoError(t, err)
			assert.Equal(t, tt.want, ids)
		}))
	}
}

func Test94OnePageFails(t *testing.T) {
	first, second := wiretest.Reply(200, pageJSON(true, "a")), wiretest.Reply(200, pageJSON(true, "b"))
	last, busy := wiretest.Reply(200, pageJSON(false, "c")), wiretest.Reply(503, `{"message": "busy"}`)
	t.Run("once", clienttest.InBubble(func(t *testing.T) {
		server, client := script(t, first, second, busy, last)

		ids, err := collectAll(t.Context(), client)

		require.NoError(t, err)
		assert.Equal(t, []string{"a", "b", "c"}, ids)
		assert.Equal(t, []string{"", "a", "b", "b"}, cursors(server.Requests()), "no other page is asked for again")
	}))
	t.Run("for long", clienttest.InBubble(func(t *testing.T) {
		server, client := script(t, first, second, busy.Times(4), last)

		ids, err := collectAll(t.Context(), client)

		require.ErrorIs(t, err, runloop.ErrServer)
		assert.Equal(t, 4, clienttest.AsAPIError(t, err).Attempts)
		clienttest.AssertBackoff(t, server.Times()[2:])

		// The last policy seen is where to go on.
		rest, err := collect(t.Context(), client, runloop.NetworkPolicyListParams{StartingAfter: ids[len(ids)-1]}, func(string) {})

		require.NoError(t, err)
		assert.Equal(t, []string{"a", "b", "c"}, append(ids, rest...))
		assert.Equal(t, []string{"", "a", "b", "b", "b", "b", "b"}, cursors(server.Requests()))
	}))
}

// The bubble panics if anything is left running.
func Test95LeavingTheLoop(t *testing.T) {
	t.Run("by break", clienttest.InBubble(func(t *testing.T) {
		server, client := script(t, wiretest.Reply(200, pageJSON(true, "a", "b")))

		for range client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{}) {
			break
		}

		time.Sleep(time.Hour)
		assert.Len(t, server.Requests(), 1)
	}))
	t.Run("by a cancel between pages", clienttest.InBubble(func(t *testing.T) {
		server, client := script(t, wiretest.Reply(200, pageJSON(true, "a", "b")))
		ctx, cancel := context.WithCancel(t.Context())

		ids, err := collect(ctx, client, runloop.NetworkPolicyListParams{}, func(string) { cancel() })

		require.ErrorIs(t, err, context.Canceled)
		assert.Zero(t, clienttest.AsTransportError(t, err).Attempts)
		assert.Equal(t, []string{"a", "b"}, ids, "the page that is there is delivered")
		assert.Len(t, server.Requests(), 1)
	}))
	t.Run("before it began", clienttest.InBubble(func(t *testing.T) {
		_, client := script(t) // a request would have no step

		client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{})
	}))
}

// It runs alone, because it measures memory: what early pages took is free again.
func Test96LongPagesAndManyPages(t *testing.T) {
	for _, tt := range []struct{ size, pages int }{{5000, 2}, {100, 100}} {
		var page int
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(*http.Request) (*http.Response, error) {
			ids := make([]string, tt.size)
			for i := range ids {
				ids[i] = fmt.Sprintf("npol_%08d", page*tt.size+i)
			}
			page++
			body := pageJSON(page < tt.pages, ids...)
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body))}, nil
		}))
		seen, early := 0, uint64(0)

		for policy, err := range client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{Limit: tt.size}) {
			require.NoError(t, err)
			if want := fmt.Sprintf("npol_%08d", seen); policy.ID != want {
				t.Fatalf("policy %d is %s", seen, policy.ID)
			}
			if seen++; seen == 2*tt.size {
				early = heap()
			}
		}

		assert.Equal(t, tt.size*tt.pages, seen)
		assert.Less(t, heap(), early+uint64(tt.size)*1000, "about three pages")
	}
}

// heap returns how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
