package faults

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

const pageHTML = "<!DOCTYPE html>\n<html><h1>nginx</h1><p>upstream is down</p></html>"

// accountFor returns an account in which the call succeeds.
func accountFor(call clienttest.PolicyCall) *runlooptest.API {
	return newAccount(call)
}

// assertServerFault checks that the call, when each of its attempts is answered with
// status and a page, ends as a fault of the server. The lookup that follows a write
// reaches the API again, and finds that nothing was done.
func assertServerFault(t *testing.T, call clienttest.PolicyCall, status int) {
	t.Helper()
	api := accountFor(call)
	before := api.Policies()
	steps := []wiretest.Step{wiretest.Reply(status, pageHTML, "Content-Type: text/html").Times(4)}
	if call.IsWrite() {
		steps = append(steps, wiretest.Handle(api))
	}
	server, client := script(t, steps...)

	policy, err := call.Policy(t.Context(), client)

	assert.Nil(t, policy)
	require.ErrorIs(t, err, runloop.ErrServer)
	assert.ErrorContains(t, err, fmt.Sprintf("%s network policy: %d", call.Name, status))
	assert.NotContains(t, err.Error(), "nginx", "a page is no message")
	e := clienttest.AsAPIError(t, err)
	assert.Equal(t, status, e.StatusCode)
	assert.Empty(t, e.Message)
	assert.Equal(t, pageHTML, string(e.Body))
	assert.Equal(t, 4, e.Attempts)
	assert.Equal(t, call.IsWrite(), e.MaybeApplied)
	clienttest.AssertBackoff(t, server.Times()[:4])
	assert.Equal(t, before, api.Policies())
}

func Test51ServerErrorPage(t *testing.T) {
	t.Parallel()
	for _, status := range []int{500, 502, 503, 504} {
		for _, call := range calls {
			t.Run(fmt.Sprint(status, " ", call.Name), clienttest.InBubble(func(t *testing.T) { assertServerFault(t, call, status) }))
		}
	}
}

func Test52RequestTimeoutOnce(t *testing.T) {
	t.Parallel()
	for _, call := range calls {
		t.Run(call.Name, clienttest.InBubble(func(t *testing.T) {
			api := accountFor(call)
			server, client := script(t, wiretest.Reply(408, clienttest.BusyJSON), wiretest.Handle(api))

			policy, err := call.Policy(t.Context(), client)

			require.NoError(t, err)
			assert.Equal(t, "build", policy.Name)
			require.Len(t, server.Requests(), 2)
			clienttest.AssertBackoff(t, server.Times())
			if call.Name == "delete" {
				assert.Empty(t, api.Policies())
			} else {
				assert.Equal(t, []runloop.NetworkPolicy{*policy}, api.Policies())
			}
		}))
	}
}

func Test53StatusesThatAreForGood(t *testing.T) {
	t.Parallel()
	for _, status := range []int{501, 505} {
		for _, call := range calls {
			t.Run(fmt.Sprint(status, " ", call.Name), clienttest.InBubble(func(t *testing.T) {
				server, client := script(t, wiretest.Reply(status, `{"message": "never"}`))

				_, err := call.Policy(t.Context(), client)

				require.ErrorIs(t, err, runloop.ErrServer)
				assert.ErrorContains(t, err, fmt.Sprintf("%d %s: never (1 attempt", status, http.StatusText(status)))
				e := clienttest.AsAPIError(t, err)
				assert.Equal(t, 1, e.Attempts)
				assert.False(t, e.MaybeApplied, "it says that it cannot do it")
				assert.Len(t, server.Requests(), 1)
				assert.Zero(t, server.Now())
			}))
		}
	}
}

func Test54StatusesOfProxies(t *testing.T) {
	t.Parallel()
	for _, status := range []int{520, 521, 522, 523, 524, 525, 526, 527, 528, 529, 599} {
		for _, call := range calls {
			t.Run(fmt.Sprint(status, " ", call.Name), clienttest.InBubble(func(t *testing.T) { assertServerFault(t, call, status) }))
		}
	}
}

func Test55StatusesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, call := range calls {
		for _, status := range []int{600, 999} {
			t.Run(fmt.Sprint(status, " ", call.Name), clienttest.InBubble(func(t *testing.T) { assertServerFault(t, call, status) }))
		}
		t.Run("000 "+call.Name, clienttest.InBubble(func(t *testing.T) {
			server, client := script(t, wiretest.Reply(0, policyJSON).Forever())

			policy, err := call.Policy(t.Context(), client)

			assert.Nil(t, policy)
			require.ErrorIs(t, err, runloop.ErrInvalidResponse)
			assert.ErrorContains(t, err, "invalid response: status 000")
			e := clienttest.AsAPIError(t, err)
			assert.Equal(t, 0, e.StatusCode)
			assert.Equal(t, 1, e.Attempts)
			assert.Equal(t, call.IsWrite(), e.MaybeApplied)
			assertNotSentAgain(t, call, server)
		}))
	}
}

func Test56ClientErrors(t *testing.T) {
	t.Parallel()
	for status, sentinel := range map[int]error{
		400: runloop.ErrBadRequest,
		401: runloop.ErrUnauthorized,
		403: runloop.ErrForbidden,
		404: runloop.ErrNotFound,
		405: nil,
		409: runloop.ErrConflict,
		413: nil,
		422: nil,
	} {
		for _, call := range calls {
			t.Run(fmt.Sprint(status, " ", call.Name), clienttest.InBubble(func(t *testing.T) {
				server, client := script(t, wiretest.Reply(status, `{"message": "no"}`))

				_, err := call.Policy(t.Context(), client)

				if status == 404 && call.Name == "create" {
					require.NotErrorIs(t, err, sentinel, "there is no ID that could be unknown")
				} else if sentinel != nil {
					require.ErrorIs(t, err, sentinel)
				}
				assert.ErrorContains(t, err, fmt.Sprintf("%d %s: no (1 attempt", status, http.StatusText(status)))
				e := clienttest.AsAPIError(t, err)
				assert.Equal(t, status, e.StatusCode)
				assert.Equal(t, 1, e.Attempts)
				assert.False(t, e.MaybeApplied)
				assert.Len(t, server.Requests(), 1)
				assert.Zero(t, server.Now())
			}))
		}
	}
}

func Test57ShouldRetry(t *testing.T) {
	t.Parallel()
	t.Run("true on 400", clienttest.InBubble(func(t *testing.T) {
		api := accountFor(clienttest.UpdateCall)
		server, client := script(t, wiretest.Reply(400, clienttest.BusyJSON, "X-Should-Retry: true"), wiretest.Handle(api))

		policy, err := clienttest.UpdateCall.Policy(t.Context(), client)

		require.NoError(t, err)
		require.Len(t, server.Requests(), 2)
		clienttest.AssertBackoff(t, server.Times())
		assert.Equal(t, []runloop.NetworkPolicy{*policy}, api.Policies())
	}))
	t.Run("false on 503", clienttest.InBubble(func(t *testing.T) {
		server, client := script(t, wiretest.Reply(503, clienttest.BusyJSON, "X-Should-Retry: false"), wiretest.Reply(403, ""))

		_, err := clienttest.UpdateCall.Policy(t.Context(), client)

		require.ErrorIs(t, err, runloop.ErrServer)
		e := clienttest.AsAPIError(t, err)
		assert.Equal(t, 1, e.Attempts)
		assert.True(t, e.MaybeApplied, "the header is about sending again, not about what happened")
		assert.Equal(t, "POST GET", methods(server))
		assert.Zero(t, server.Now())
	}))
}

// It is not parallel: it measures the memory of the process.
func Test58LongErrorBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		written := 0
		server, client := script(t, endless(wiretest.Response(400, "", "Content-Length: 10485760"), strings.Repeat("x", 4<<10), &written))

		var err error
		memory := allocated(func() { _, err = clienttest.GetCall.Policy(t.Context(), client) })
		synctest.Wait()

		require.ErrorIs(t, err, runloop.ErrBadRequest)
		e := clienttest.AsAPIError(t, err)
		assert.Equal(t, strings.Repeat("x", 64<<10), string(e.Body))
		assert.Equal(t, 1, e.Attempts)
		assert.Len(t, server.Requests(), 1)
		assert.Less(t, written, 128<<10, "the rest is not read")
		assert.Less(t, memory, 4<<20, "of 10 MiB")
	})
}

// endless is a step that sends head, and then chunk for as long as the client takes
// it. It counts the bytes of the chunks.
func endless(head, chunk string, written *int) wiretest.Step {
	return wiretest.Do("an endless body", func(c *wiretest.Conn) {
		if c.Read() == nil || !c.Write(head) {
			return
		}
		for c.Write(chunk) {
			*written += len(chunk)
		}
		c.Close()
	})
}

// allocated returns how many bytes f allocates, all told.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

func Test59ErrorBodies(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ body, message string }{
		"empty":         {``, ``},
		"null":          {`null`, ``},
		"array":         {`["no"]`, ``},
		"nested":        {`{"error": {"message": "no such policy"}}`, `no such policy`},
		"invalid UTF-8": {"{\"message\": \"no \xff policy\"}", `no � policy`},
		"NUL":           {`{"message": "no\u0000such\u001b[2Jpolicy"}`, `no such [2Jpolicy`},
		"text and NUL":  {"no\x00such policy", ``},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server, client := script(t, wiretest.Reply(404, test.body))

			_, err := clienttest.GetCall.Policy(t.Context(), client)

			require.ErrorIs(t, err, runloop.ErrNotFound)
			e := clienttest.AsAPIError(t, err)
			assert.Equal(t, test.message, e.Message)
			assert.Equal(t, test.body, string(e.Body))
			assert.NotContains(t, err.Error(), "\x00")
			assert.Equal(t, 1, e.Attempts)
			assert.Len(t, server.Requests(), 1)
		}))
	}
}

func Test60AFaultOfEachKind(t *testing.T) {
	t.Parallel()
	busy := wiretest.Reply(503, clienttest.BusyJSON, "Connection: close")
	t.Run("then success", clienttest.InBubble(func(t *testing.T) {
		api := accountFor(clienttest.UpdateCall)
		server, client := script(t, busy, wiretest.Refuse(), wiretest.Handle(api))

		policy, err := clienttest.UpdateCall.Policy(t.Context(), client)

		require.NoError(t, err)
		assert.Equal(t, 3, server.Dials())
		require.Len(t, server.Requests(), 2)
		assert.GreaterOrEqual(t, server.Times()[1], 750*time.Millisecond, "after two waits")
		assert.LessOrEqual(t, server.Times()[1], 1500*time.Millisecond)
		assert.Equal(t, []runloop.NetworkPolicy{*policy}, api.Policies())
	}))
	t.Run("to the end", clienttest.InBubble(func(t *testing.T) {
		server, client := script(t, busy, wiretest.Refuse().Times(4))

		_, err := clienttest.UpdateCall.Policy(t.Context(), client)

		require.ErrorIs(t, err, syscall.ECONNREFUSED, "the last cause")
		assert.ErrorContains(t, err, "(4 attempts; may have been applied): dial tcp: connection refused")
		e := clienttest.AsTransportError(t, err)
		assert.Equal(t, 4, e.Attempts)
		assert.True(t, e.MaybeApplied, "by the attempt that was answered with 503")
		assert.Len(t, server.Requests(), 1)
		assert.Equal(t, 5, server.Dials(), "the last one for the lookup")
	}))
}

func Test61SpentBudget(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server, client := script(t, wiretest.Reply(503, clienttest.BusyJSON).Forever())
		attempts := func(call clienttest.PolicyCall, opts ...runloop.Option) int {
			_, err := call.Policy(t.Context(), client, opts...)
			require.ErrorIs(t, err, runloop.ErrServer)
			return clienttest.AsAPIError(t, err).Attempts
		}
		atOnce(200, func(int, runloop.Option) int { return attempts(clienttest.GetCall) }) // 600 retries
		for attempts(clienttest.GetCall) > 1 {
			// and those that came back meanwhile
		}
		sent, start := len(server.Requests()), server.Now()

		_, err := clienttest.UpdateCall.Policy(t.Context(), client)

		require.ErrorIs(t, err, runloop.ErrServer)
		assert.ErrorContains(t, err, "the client's retry budget is spent")
		e := clienttest.AsAPIError(t, err)
		assert.Equal(t, 1, e.Attempts)
		assert.True(t, e.MaybeApplied)
		assert.JSONEq(t, clienttest.BusyJSON, string(e.Body))
		assert.Len(t, server.Requests(), sent+2, "the update, and its lookup")
		assert.Equal(t, start, server.Now())

		assert.Equal(t, 4, attempts(clienttest.GetCall, runloop.WithoutRetryBudget()), "a call can do without the budget")
		time.Sleep(time.Hour)
		assert.Equal(t, 4, attempts(clienttest.GetCall), "time refills it")
	})(t)
}
