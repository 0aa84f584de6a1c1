package faults

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// Responses that are lost after the API did its work. Another attempt finds the work
// done, which is no error.

func Test16CreateAnswerLostAfterCommit(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"then 400": 400, "then 409": 409} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			api := newAccount(createCall, runlooptest.WithConflictStatus(status))
			server, client := script(t, wiretest.HandleAndHangUp(api), wiretest.Handle(api).Times(2))
			logTo, log := events()

			policy, err := createCall.Policy(t.Context(), client, logTo)

			require.NoError(t, err)
			assert.Equal(t, api.Policies()[0], *policy)
			assertDone(t, createCall, api)
			require.Equal(t, "POST POST GET", methods(server))
			clienttest.AssertBackoff(t, server.Times()[:2])
			assertSameRequestID(t, server.Requests()[:2])
			assertRecovered(t, log.String())
		}))
	}
}

// The one that has the name after a lost answer may be somebody else's.
func Test16CreateAnswerLostAndAnotherHasTheName(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		api := runlooptest.New()
		api.AddPolicy(runloop.NetworkPolicy{Name: "build", Egress: runloop.EgressRules{AllowAll: true}})
		server, client := script(t, wiretest.HangUp(), wiretest.Handle(api).Times(2))

		policy, err := createCall.Policy(t.Context(), client)

		require.ErrorIs(t, err, runloop.ErrNameTaken)
		assert.Equal(t, 2, clienttest.AsAPIError(t, err).Attempts)
		assert.Nil(t, policy)
		assert.Equal(t, "POST POST GET", methods(server))
		assert.True(t, api.Policies()[0].Egress.AllowAll, "it is as it was")
	})(t)
}

// An update is the same the second time.
func Test17UpdateAnswerLostAfterCommit(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		api := newAccount(clienttest.UpdateCall)
		server, client := script(t, wiretest.HandleAndHangUp(api), wiretest.Handle(api))

		policy, err := clienttest.UpdateCall.Policy(t.Context(), client)

		require.NoError(t, err)
		assert.Equal(t, api.Policies()[0], *policy)
		assertDone(t, clienttest.UpdateCall, api)
		require.Equal(t, "POST POST", methods(server))
		clienttest.AssertBackoff(t, server.Times())
		assertSameRequestID(t, server.Requests())
	})(t)
}

// The deleted policy went with the answer: only its ID is known.
func Test18DeleteAnswerLostAfterCommit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		unknownID int
		then      func(http.Handler) wiretest.Step
	}{
		"then 404":                   {404, wiretest.Handle},
		"then 400 of the same":       {400, wiretest.Handle},
		"then 400 of something else": {404, always(wiretest.Reply(400, `{"message": "bad request"}`))},
		"then the page of a proxy":   {404, always(wiretest.Reply(404, "default backend - 404", "Content-Type: text/plain"))},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			api := newAccount(clienttest.DeleteCall, runlooptest.WithUnknownIDStatus(test.unknownID))
			server, client := script(t, wiretest.HandleAndHangUp(api), test.then(api), wiretest.Handle(api))
			logTo, log := events()

			policy, err := clienttest.DeleteCall.Policy(t.Context(), client, logTo)

			require.NoError(t, err)
			assert.Equal(t, runloop.NetworkPolicy{ID: "npol_1"}, *policy)
			assertDone(t, clienttest.DeleteCall, api)
			require.Equal(t, "POST POST GET", methods(server))
			clienttest.AssertBackoff(t, server.Times()[:2])
			assertSameRequestID(t, server.Requests()[:2])
			assertRecovered(t, log.String())
		}))
	}
}

// always is a step that leaves the API out.
func always(step wiretest.Step) func(http.Handler) wiretest.Step {
	return func(http.Handler) wiretest.Step { return step }
}

// A policy that is still there was not deleted, whatever was lost before.
func Test18DeleteAnswerLostAndPolicyInUse(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		api := newAccount(clienttest.DeleteCall)
		server, client := script(t, wiretest.HangUp(), wiretest.Reply(400, `{"message": "2 devboxes are using it"}`), wiretest.Handle(api))

		_, err := clienttest.DeleteCall.Policy(t.Context(), client)

		require.ErrorIs(t, err, runloop.ErrPolicyInUse)
		require.NotErrorIs(t, err, runloop.ErrNotFound)
		assert.Equal(t, 2, clienttest.AsAPIError(t, err).Attempts)
		assert.Equal(t, "POST POST GET", methods(server))
		assert.Len(t, api.Policies(), 1)
	})(t)
}

// A page of a proxy proves nothing: the list still has the policy.
func Test18DeleteNotReceivedAndPageOfAProxy(t *testing.T) {
	t.Parallel()
	for name, page := range map[string]wiretest.Step{
		"text":    wiretest.Reply(404, "default backend - 404", "Content-Type: text/plain"),
		"HTML":    wiretest.Reply(404, "<html>404</html>", "Content-Type: text/html"),
		"nothing": wiretest.Reply(404, ""),
		"JSON":    wiretest.Reply(404, `{"message":"no Route matched with those values"}`),
	} {
		for before, fault := range map[string]wiretest.Step{"503": wiretest.Reply(503, pageHTML), "lost": wiretest.HangUp()} {
			t.Run(before+", then "+name, clienttest.InBubble(func(t *testing.T) {
				api := newAccount(clienttest.DeleteCall)
				server, client := script(t, fault, page, wiretest.Handle(api))

				policy, err := clienttest.DeleteCall.Policy(t.Context(), client)

				assert.Nil(t, policy)
				require.ErrorIs(t, err, runloop.ErrMaybeApplied)
				require.NotErrorIs(t, err, runloop.ErrNotFound)
				assert.Equal(t, 404, clienttest.AsAPIError(t, err).StatusCode)
				assert.Equal(t, "POST POST GET", methods(server))
				assert.Len(t, api.Policies(), 1)
			}))
		}
	}
}

func Test19CreateAnswerAlwaysLost(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		api := newAccount(createCall)
		server, client := script(t, wiretest.HandleAndHangUp(api).Times(4), wiretest.Handle(api))
		logTo, log := events()

		policy, err := createCall.Policy(t.Context(), client, logTo)

		require.NoError(t, err)
		assert.Equal(t, api.Policies()[0], *policy)
		assertDone(t, createCall, api)
		require.Equal(t, "POST POST POST POST GET", methods(server))
		clienttest.AssertBackoff(t, server.Times()[:4])
		assertSameRequestID(t, server.Requests()[:4])
		assertRecovered(t, log.String())
	})(t)
}

func Test19UpdateOrDeleteAnswerAlwaysLost(t *testing.T) {
	t.Parallel()
	each(t, []clienttest.PolicyCall{clienttest.UpdateCall, clienttest.DeleteCall}, func(t *testing.T, c clienttest.PolicyCall) {
		api := newAccount(c)
		server, client := script(t, fourTimes(c, wiretest.HandleAndHangUp(api))...)
		logTo, log := events()

		policy, err := c.Policy(t.Context(), client, logTo)

		require.EqualError(t, err, "runloop: "+c.Op+": no usable response (4 attempts; may have been applied): EOF")
		assertGaveUp(t, c, err)
		assert.Nil(t, policy)
		assertDone(t, c, api)
		assertFourAttempts(t, c, server)
		assert.Contains(t, log.String(), `level=WARN msg="runloop: gave up"`)
	})
}

// With a lookup that succeeds, it is found out.
func Test19UpdateOrDeleteResponseAlwaysLostAndLookedUp(t *testing.T) {
	t.Parallel()
	each(t, []clienttest.PolicyCall{clienttest.UpdateCall, clienttest.DeleteCall}, func(t *testing.T, c clienttest.PolicyCall) {
		api := newAccount(c)
		server, client := script(t, wiretest.HandleAndHangUp(api).Times(4), wiretest.Handle(api))
		logTo, log := events()

		policy, err := c.Policy(t.Context(), client, logTo)

		require.NoError(t, err)
		assert.Equal(t, "npol_1", policy.ID)
		assertDone(t, c, api)
		assertFourAttempts(t, c, server)
		assertRecovered(t, log.String())
	})
}

// The API says 200 before the answer breaks off, so it has done it: no second create.
func Test21CreateAnswerCutAfter200(t *testing.T) {
	t.Parallel()
	for name, rest := range map[string]int{"after the headers": 0, "within the body": 20} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			api := newAccount(createCall)
			server, client := script(t, handleAndCut(api, rest), wiretest.Handle(api))
			logTo, log := events()

			policy, err := createCall.Policy(t.Context(), client, logTo)

			require.NoError(t, err)
			assert.Equal(t, api.Policies()[0], *policy)
			assertDone(t, createCall, api)
			require.Equal(t, "POST GET", methods(server))
			assert.Zero(t, server.Now())
			assertRecovered(t, log.String())
		}))
	}
}

// Or a proxy said it, which had no answer yet. Then there is no policy, and the
// create goes on.
func Test21CreateAnswerCutAfter200WithoutCommit(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		api := newAccount(createCall)
		server, client := script(t,
			wiretest.Cut(wiretest.Response(200, "", "Content-Length: 900")),
			wiretest.Handle(api).Times(2))

		policy, err := createCall.Policy(t.Context(), client)

		require.NoError(t, err)
		assert.Equal(t, api.Policies()[0], *policy)
		assertDone(t, createCall, api)
		sent := server.Requests()
		require.Equal(t, "POST GET POST", methods(server))
		assertSecondAttempt(t, sent[2].At)
		assertSameRequestID(t, []wiretest.Request{sent[0], sent[2]})
	})(t)
}

// handleAndCut lets handler do its work, sends the headers and the first n bytes of
// the body, and hangs up.
func handleAndCut(handler http.Handler, n int) wiretest.Step {
	return wiretest.Do("handler, answer cut", func(c *wiretest.Conn) {
		if r := c.Read(); r != nil {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			c.Write(wiretest.Response(w.Code, w.Body.String()[:n], "Content-Length: 900"))
		}
		c.Close()
	})
}

// handleAndStall lets handler do its work, and says nothing.
func handleAndStall(handler http.Handler) wiretest.Step {
	return wiretest.Do("handler, no answer", func(c *wiretest.Conn) {
		if r := c.Read(); r != nil {
			handler.ServeHTTP(httptest.NewRecorder(), r)
		}
		c.Stall()
	})
}

// assertSameRequestID checks that attempts are known to the API as one request.
func assertSameRequestID(t testing.TB, attempts []wiretest.Request) {
	t.Helper()
	id := attempts[0].Header.Get("X-Request-Id")
	assert.NotEmpty(t, id)
	for _, attempt := range attempts[1:] {
		assert.Equal(t, id, attempt.Header.Get("X-Request-Id"))
		assert.Equal(t, attempts[0].Body, attempt.Body)
	}
}

// assertRecovered checks that the log says that the call did not go by itself.
func assertRecovered(t testing.TB, log string) {
	t.Helper()
	assert.Contains(t, log, `level=INFO msg="runloop: the response was lost, but the write took effect"`)
	assert.NotContains(t, log, "level=WARN", "the call did what it was to do")
}
