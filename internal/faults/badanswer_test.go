package faults

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// assertUnreadable checks that each call that is answered so ends with an error that
// has the texts, and not with a policy that is empty or half filled.
func assertUnreadable(t *testing.T, answer string, texts ...string) {
	t.Helper()
	for _, call := range calls {
		t.Run(call.Name, clienttest.InBubble(func(t *testing.T) {
			server, client := script(t, wiretest.Raw(answer).Forever())

			policy, err := call.Policy(t.Context(), client)

			assert.Nil(t, policy)
			require.ErrorIs(t, err, runloop.ErrInvalidResponse)
			for _, text := range append(texts, "runloop: "+call.Op+": 20", ": invalid response: ", "(1 attempt") {
				assert.ErrorContains(t, err, text)
			}
			e := clienttest.AsAPIError(t, err)
			assert.Equal(t, 1, e.Attempts)
			assert.Equal(t, call.IsWrite(), e.MaybeApplied, "the API said that it did it")
			assertNotSentAgain(t, call, server)
		}))
	}
}

// assertNotSentAgain checks that the call made one request, and a write one lookup
// after it.
func assertNotSentAgain(t *testing.T, call clienttest.PolicyCall, server *wiretest.Server) {
	t.Helper()
	requests := server.Requests()
	want := 1
	if call.IsWrite() {
		want = 2
		assert.Equal(t, "GET", requests[len(requests)-1].Method)
	}
	assert.Len(t, requests, want)
	assert.Zero(t, server.Now())
}

func Test62CaptivePortal(t *testing.T) {
	t.Parallel()
	assertUnreadable(t, wiretest.Response(200, pageHTML, "Content-Type: text/html"),
		`invalid response: content type "text/html": `, "invalid character '<'")

	t.Run("create that was carried out", clienttest.InBubble(func(t *testing.T) {
		api := runlooptest.New()
		api.Inject(runlooptest.CreateNetworkPolicy, runlooptest.ReplaceBody(pageHTML))
		server, client := script(t, wiretest.Handle(api).Forever())

		policy, err := createCall.Policy(t.Context(), client)

		require.NoError(t, err)
		assert.Equal(t, []runloop.NetworkPolicy{*policy}, api.Policies())
		assertNotSentAgain(t, createCall, server)
	}))
	t.Run("create that was not", clienttest.InBubble(func(t *testing.T) {
		api := runlooptest.New()
		server, client := script(t, wiretest.Reply(200, pageHTML), wiretest.Handle(api).Forever())

		policy, err := createCall.Policy(t.Context(), client)

		require.NoError(t, err)
		assert.Equal(t, []runloop.NetworkPolicy{*policy}, api.Policies())
		requests := server.Requests()
		require.Len(t, requests, 3) // create, look-up, create
		assert.Equal(t, requests[0].Header["X-Request-Id"], requests[2].Header["X-Request-Id"])
	}))
}

func Test63EmptyAnswer(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"empty": "", "blanks": "\r\n \t"} {
		for _, call := range calls {
			t.Run(name+" "+call.Name, clienttest.InBubble(func(t *testing.T) {
				server, client := script(t, wiretest.Reply(200, body).Forever())

				policy, err := call.Policy(t.Context(), client)

				assert.Nil(t, policy)
				require.ErrorIs(t, err, runloop.ErrInvalidResponse)
				assert.ErrorContains(t, err, "the body is empty")
				e := clienttest.AsAPIError(t, err)
				assert.Equal(t, call.IsWrite(), e.MaybeApplied)
				if call.IsWrite() { // its lookup is a read
					assert.Equal(t, 1, e.Attempts)
					assert.Equal(t, "POST GET GET GET GET", methods(server))
				} else { // a body that is cut looks like that too
					assert.Equal(t, 4, e.Attempts)
					assert.Len(t, server.Requests(), 4)
					clienttest.AssertBackoff(t, server.Times())
				}
			}))
		}
	}
	t.Run("204", func(t *testing.T) {
		t.Parallel()
		assertUnreadable(t, wiretest.Response(204, ""), ": 204 No Content: ", "the body is empty")
	})
}

// assertUnreadableBodies checks that each call fails with the text, when its answer
// has the body.
func assertUnreadableBodies(t *testing.T, textByBody map[string]string) {
	t.Helper()
	t.Parallel()
	for body, text := range textByBody {
		t.Run(fmt.Sprintf("%.60s", body), func(t *testing.T) {
			t.Parallel()
			assertUnreadable(t, wiretest.Response(200, body), text)
		})
	}
}

func Test64OtherJSON(t *testing.T) {
	assertUnreadableBodies(t, map[string]string{
		`null`: "it has null where an object belongs",
		`[]`:   "it has [ where an object belongs",
		`"x"`:  "it has string where an object belongs",
		`1`:    "it has number where an object belongs",
		`{}`:   `it has no "id"`,
	})
}

func Test65MissingMember(t *testing.T) {
	assertUnreadableBodies(t, map[string]string{
		`{"name": "build", "egress": {}}`:                   `it has no "id"`,
		`{"id": "", "name": "build", "egress": {}}`:         `it has no "id"`,
		`{"id": null, "name": "build", "egress": {}}`:       `it has no "id"`,
		`{"id": "npol_1", "name": "build"}`:                 `it has no "egress"`,
		`{"id": "npol_1", "name": "build", "egress": null}`: "/egress has null where an object belongs",
	})
}

func Test66MembersOfTheFuture(t *testing.T) {
	t.Parallel()
	for _, call := range calls {
		t.Run(call.Name, clienttest.InBubble(func(t *testing.T) {
			server, client := script(t, wiretest.Reply(200,
				`{"schema": 2, "id": "npol_1", "name": "build", "egress": {"allow_ipv6": true}, "labels": {"a": ["b"]}}`))

			policy, err := call.Policy(t.Context(), client)

			require.NoError(t, err)
			assert.Equal(t, "npol_1", policy.ID)
			assert.Len(t, server.Requests(), 1)
			assert.False(t, policy.Egress.Equal(runloop.EgressRules{}), "what widens the rules does not get lost")
		}))
	}
}

func Test67WrongTypes(t *testing.T) {
	assertUnreadableBodies(t, map[string]string{
		`{"id": 1, "name": "build", "egress": {}}`:                                               "/id has number where a string belongs",
		`{"id": "npol_1", "name": "build", "egress": []}`:                                        "/egress has [ where an object belongs",
		`{"id": "npol_1", "name": "build", "egress": {"allow_all": "false"}}`:                    "/egress/allow_all has string where true or false belongs",
		`{"id": "npol_1", "name": "build", "egress": {"allowed_hostnames": "github.com"}}`:       "/egress/allowed_hostnames has string where an array of strings belongs",
		`{"id": "npol_1", "name": "build", "egress": {}, "create_time_ms": 9223372036854775808}`: "/create_time_ms has number where an integer of 64 bits belongs",
		`{"id": "npol_1", "name": "build", "egress": {}, "create_time_ms": 1e3}`:                 "/create_time_ms has number where an integer of 64 bits belongs",
		`{"id": "npol_1", "name": "build", "egress": {}, "update_time_ms": 1.5}`:                 "/update_time_ms has number where an integer of 64 bits belongs",
	})
}

func Test68MoreAfterTheEnd(t *testing.T) {
	assertUnreadableBodies(t, map[string]string{
		policyJSON + "x":               "there is more after the end",
		policyJSON + "\n" + policyJSON: "there is more after the end",
	})
}

// Which of two members counts is not for the client to guess: a proxy on the way may
// have checked the other one.
func Test69DuplicateMembers(t *testing.T) {
	assertUnreadableBodies(t, map[string]string{
		`{"id": "npol_1", "id": "npol_1", "name": "build", "egress": {}}`:                      `duplicate object member name "id"`,
		`{"id": "npol_1", "name": "build", "egress": {"allow_all": true, "allow_all": false}}`: `duplicate object member name "allow_all"`,
		`{"ID": "npol_1", "name": "build", "egress": {}}`:                                      `it has no "id"`,
	})
	t.Run("ID beside id", clienttest.InBubble(func(t *testing.T) {
		_, client := script(t, wiretest.Reply(200, `{"id": "npol_1", "ID": "npol_2", "name": "build", "egress": {}}`))

		policy, err := clienttest.GetCall.Policy(t.Context(), client)

		require.NoError(t, err)
		assert.Equal(t, "npol_1", policy.ID)
	}))
}

func Test70InvalidTextInAnID(t *testing.T) {
	assertUnreadableBodies(t, map[string]string{
		"{\"id\": \"npol_1\xff\", \"name\": \"build\", \"egress\": {}}": "invalid UTF-8",
		`{"id": "npol_1\ud800", "name": "build", "egress": {}}`:         "surrogate",
	})
}

func Test71DeepNesting(t *testing.T) {
	assertUnreadableBodies(t, map[string]string{
		`{"x": ` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}": "exceeded max depth",
		strings.Repeat(`{"x": `, 20_000) + "1" + strings.Repeat("}", 20_000):       "exceeded max depth",
	})
}

// It is not parallel: it measures the memory of the process.
func Test72EndlessAnswer(t *testing.T) {
	const gigabyte = 1 << 30
	plain := endless(wiretest.Response(200, "", fmt.Sprint("Content-Length: ", gigabyte)), strings.Repeat(" ", 64<<10), new(int))
	gzipped := wiretest.Raw(wiretest.Response(200, strings.Repeat(zipped(t, make([]byte, 1<<20)), gigabyte>>20), "Content-Encoding: gzip"))
	lookup := wiretest.Reply(400, `{"message": "no"}`)
	for _, test := range []struct {
		name  string
		call  clienttest.PolicyCall
		steps []wiretest.Step
	}{
		{"gzip", clienttest.GetCall, []wiretest.Step{gzipped}},
		{"plain", clienttest.GetCall, []wiretest.Step{plain}},
		{"plain", clienttest.UpdateCall, []wiretest.Step{plain, lookup}},
		{"plain", createCall, []wiretest.Step{plain, lookup}},
	} {
		t.Run(test.name+" "+test.call.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, client := script(t, test.steps...)

				var err error
				memory := allocated(func() { _, err = test.call.Policy(t.Context(), client) })

				require.ErrorIs(t, err, runloop.ErrResponseTooLarge)
				assert.ErrorContains(t, err, "response too large: more than 32 MiB")
				e := clienttest.AsAPIError(t, err)
				assert.Equal(t, 200, e.StatusCode)
				assert.Len(t, e.Body, 64<<10)
				assert.Equal(t, 1, e.Attempts)
				assert.Equal(t, test.call.IsWrite(), e.MaybeApplied)
				assertNotSentAgain(t, test.call, server)
				assert.Less(t, memory, gigabyte/2)
			})
		})
	}
}

// zipped returns data as gzip compresses it.
func zipped(t *testing.T, data []byte) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func Test73UnreadableEncoding(t *testing.T) {
	t.Parallel()
	for _, call := range calls {
		t.Run("bad gzip "+call.Name, clienttest.InBubble(func(t *testing.T) {
			server, client := script(t, wiretest.Reply(200, policyJSON, "Content-Encoding: gzip").Forever())

			policy, err := call.Policy(t.Context(), client)

			assert.Nil(t, policy)
			require.ErrorIs(t, err, gzip.ErrHeader)
			e := clienttest.AsTransportError(t, err)
			assert.Equal(t, call.IsWrite(), e.MaybeApplied)
			if call.Name == "create" {
				assert.Equal(t, 1, e.Attempts)
				assert.Equal(t, "POST GET GET GET GET", methods(server), "the lookup is a read")
				return
			}
			assert.Equal(t, 4, e.Attempts)
			if call.IsWrite() {
				assert.Equal(t, "POST POST POST POST GET", methods(server))
			} else {
				assert.Len(t, server.Requests(), 4)
			}
			clienttest.AssertBackoff(t, server.Times()[:4])
		}))
	}
	t.Run("unknown", func(t *testing.T) {
		t.Parallel()
		assertUnreadable(t, wiretest.Response(200, "\x0b\x02\x80{}\x03", "Content-Encoding: br"), "invalid character")
	})
}

func Test74AnswerAboutAnotherPolicy(t *testing.T) {
	assertUnreadableBodies(t, map[string]string{
		`{"id": "npol_2", "name": "other", "egress": {}}`: "it is about policy ",
	})
}
