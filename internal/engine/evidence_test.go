package engine_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// HTTP/2 reports which requests the server did not process. net/http would repeat those by
// itself, unseen.

// newHTTP2Server returns a server that speaks HTTP/2 over TLS, and a client of it.
func newHTTP2Server(t testing.TB, script ...wiretest.Step) (*wiretest.Server, *runloop.Client) {
	server := wiretest.NewServer(t, script...)
	server.UseTLS("h2")
	return server, clienttest.NewWireClient(t, server, runloop.WithBaseURL("https://localhost"))
}

// goAway hangs up after a request, and reports whether its stream was processed.
func goAway(processed bool) wiretest.Step {
	return wiretest.HTTP2Conn("go away", func(h *wiretest.HTTP2) {
		last := h.Read()
		if !processed {
			last = 0
		}
		h.GoAway(last)
		h.Close()
	})
}

// reset is a connection that resets the first stream, and replies to the requests after it.
func reset(code uint32, replies ...reply) wiretest.Step {
	return wiretest.HTTP2Conn("reset", func(h *wiretest.HTTP2) {
		h.Reset(h.Read(), code)
		replyAll(h, replies)
	})
}

// reply2 is a connection with a reply to each request.
func reply2(replies ...reply) wiretest.Step {
	return wiretest.HTTP2Conn("reply", func(h *wiretest.HTTP2) { replyAll(h, replies) })
}

type reply struct {
	status int
	body   string
}

func replyAll(h *wiretest.HTTP2, replies []reply) {
	for _, r := range replies {
		h.Reply(h.Read(), r.status, r.body)
	}
}

// unprocessed returns scripts that do not process the first request, and reply to those
// after it.
func unprocessed(replies ...reply) map[string][]wiretest.Step {
	return map[string][]wiretest.Step{
		"GOAWAY":         {goAway(false), reply2(replies...)},
		"REFUSED_STREAM": {reset(wiretest.RefusedStream, replies...)},
	}
}

// A write that was not processed is retried, and leaves no doubt about its effect.
func TestHTTP2UnprocessedWrites(t *testing.T) {
	for name, tt := range map[string]struct {
		call clienttest.PolicyCall
		reply
		sentinels string
	}{
		"an update":                {clienttest.UpdateCall, reply{200, clienttest.PolicyJSON}, ""},
		"a delete, not found":      {clienttest.DeleteCall, reply{404, notFoundJSON}, "ErrNotFound"},
		"a delete, an invalid ID":  {clienttest.DeleteCall, reply{400, notFoundJSON}, "ErrBadRequest ErrNotFound"},
		"a create of a taken name": {clienttest.CreateCall, reply{400, takenJSON}, "ErrBadRequest ErrNameTaken"},
		"a forbidden create":       {clienttest.CreateCall, reply{403, `{}`}, "ErrForbidden"},
		"Do(POST)":                 {postCall, reply{200, `{}`}, ""},
		"Do(POST), forbidden":      {postCall, reply{403, `{}`}, "ErrForbidden"},
	} {
		for fault, script := range unprocessed(tt.reply) {
			t.Run(fault+"/"+name, clienttest.InBubble(func(t *testing.T) {
				server, client := newHTTP2Server(t, script...)

				_, err := tt.call.Do(t.Context(), client)

				want := outcome{status: tt.status, sentinels: tt.sentinels, requests: 2} // no lookup
				if err != nil {
					want.attempts = 2
				}
				assert.Equal(t, want, outcomeOf(server, err))
				clienttest.AssertBackoff(t, server.Times())
			}))
		}
	}
}

// net/http repeats a read that was not processed, which is not an attempt of the SDK. The
// SDK retries the others.
func TestHTTP2Reads(t *testing.T) {
	ok := reply{200, clienttest.PolicyJSON}
	for name, tt := range map[string]struct {
		script []wiretest.Step
		dials  int
		waits  bool
	}{
		"GOAWAY before the stream": {[]wiretest.Step{goAway(false), reply2(ok)}, 2, false},
		"GOAWAY after the stream":  {[]wiretest.Step{goAway(true), reply2(ok)}, 2, true},
		"REFUSED_STREAM":           {[]wiretest.Step{reset(wiretest.RefusedStream, ok)}, 1, false},
		"INTERNAL_ERROR":           {[]wiretest.Step{reset(wiretest.InternalError, ok)}, 1, true},
		"CANCEL":                   {[]wiretest.Step{reset(wiretest.Cancel, ok)}, 1, true},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server, client := newHTTP2Server(t, tt.script...)

			require.NoError(t, clienttest.GetPolicy(t.Context(), client))

			require.Len(t, server.Requests(), 2)
			assert.Equal(t, tt.dials, server.Dials())
			if tt.waits {
				clienttest.AssertBackoff(t, server.Times())
			} else {
				assert.Zero(t, server.Now())
			}
		}))
	}
}

// net/http repeats a write without a body by itself, but only if it was not processed. (After
// GOAWAY, Go 1.26 does not show whether the reason was PROTOCOL_ERROR.)
func TestHTTP2UnprocessedWriteWithoutABody(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodDelete} {
		t.Run(method, clienttest.InBubble(func(t *testing.T) {
			server, client := newHTTP2Server(t, unprocessed(reply{403, `{}`})["REFUSED_STREAM"]...)

			err := client.Do(t.Context(), method, "/v1/devboxes/dbx_1", nil, nil)

			assert.Equal(t, outcome{403, 1, false, "ErrForbidden", 2}, outcomeOf(server, err))
		}))
	}
}

// By itself, net/http would repeat within each attempt until the attempt's time limit.
func TestHTTP2AlwaysRefused(t *testing.T) {
	for _, call := range []clienttest.PolicyCall{clienttest.CreateCall, clienttest.UpdateCall, clienttest.DeleteCall} {
		t.Run(call.Name, clienttest.InBubble(func(t *testing.T) {
			server, client := newHTTP2Server(t, wiretest.HTTP2Conn("refuse", func(h *wiretest.HTTP2) {
				for stream := h.Read(); stream != 0; stream = h.Read() {
					h.Reset(stream, wiretest.RefusedStream)
				}
			}))

			_, err := call.Do(t.Context(), client)

			assert.Equal(t, outcome{0, 4, false, "", 4}, outcomeOf(server, err), "no lookup")
			assert.Less(t, server.Now(), 4*time.Second)
		}))
	}
}

// A stream that was reset for another reason, or that GOAWAY does not exclude, may have been
// processed. After PROTOCOL_ERROR, Go 1.26 repeats a request if it can.
func TestHTTP2WritesThatMayHaveBeenProcessed(t *testing.T) {
	faults := map[string]wiretest.Step{"GOAWAY with the stream": goAway(true)}
	for name, code := range map[string]uint32{
		"PROTOCOL_ERROR": wiretest.ProtocolError, "INTERNAL_ERROR": wiretest.InternalError, "CANCEL": wiretest.Cancel,
	} {
		faults[name] = wiretest.HTTP2Conn("reset", func(h *wiretest.HTTP2) {
			h.Reset(h.Read(), code)
			h.Close()
		})
	}
	plaintext := func(t testing.TB, script ...wiretest.Step) (*wiretest.Server, *runloop.Client) {
		server, client := newServer(t, script...)
		server.UseHTTP2()
		return server, client
	}
	for transport, newServer := range map[string]func(testing.TB, ...wiretest.Step) (*wiretest.Server, *runloop.Client){
		"TLS": newHTTP2Server, "plaintext": plaintext,
	} {
		for name, fault := range faults {
			for _, tt := range []struct {
				call   clienttest.PolicyCall
				lookup string
				reply
			}{
				{createCall, pageOfNowJSON, reply{400, takenJSON}}, // by the first request
				{clienttest.DeleteCall, clienttest.EmptyPageJSON, reply{404, notFoundJSON}},
			} {
				t.Run(transport+"/"+name+"/"+tt.call.Name, clienttest.InBubble(func(t *testing.T) {
					server, client := newServer(t, fault, reply2(tt.reply, reply{200, tt.lookup}))

					policy, err := tt.call.Policy(t.Context(), client)

					require.NoError(t, err)
					assert.Equal(t, "npol_1", policy.ID)
					assert.Len(t, server.Requests(), 3)
				}))
			}
			if transport == "plaintext" && name == "PROTOCOL_ERROR" { // net/http repeats the request
				continue
			}
			t.Run(transport+"/"+name+"/Do(POST)", clienttest.InBubble(func(t *testing.T) {
				server, client := newServer(t, fault)

				_, err := doPost(t.Context(), client)

				assert.Equal(t, outcome{0, 1, true, "", 1}, outcomeOf(server, err))
			}))
		}
	}
}

// Middleware may need GetBody to send a request again. With it, net/http repeats requests too,
// and its repeats look like those of the middleware.
func TestHTTP2BehindMiddleware(t *testing.T) {
	for fault, script := range unprocessed(reply{404, notFoundJSON}, reply{403, `{}`}) {
		t.Run(fault, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, script...)
			server.UseTLS("h2")
			client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				assert.NotNil(t, r.GetBody)
				return server.Transport.RoundTrip(r)
			}), runloop.WithBaseURL("https://localhost"))

			_, err := clienttest.DeleteCall.Do(t.Context(), client)

			assert.Equal(t, outcome{404, 1, true, "", 3}, outcomeOf(server, err), "the first request may have deleted it")
		}))
	}
}

// HTTP/1.1 repeats a write only if no byte of it was written, also over TLS.
func TestHTTP1OverTLS(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Cut(wiretest.Response(200, clienttest.PolicyJSON)), policyOK, wiretest.HangUp(),
			wiretest.Reply(404, notFoundJSON), wiretest.Reply(200, clienttest.EmptyPageJSON))
		server.UseTLS("http/1.1")
		client := clienttest.NewWireClient(t, server, runloop.WithBaseURL("https://localhost"))
		require.NoError(t, clienttest.GetPolicy(t.Context(), client))

		require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))
		_, err := clienttest.DeleteCall.Do(t.Context(), client)

		require.NoError(t, err, "the list settles that its response was lost")
		assert.Len(t, server.Requests(), 5)
	})(t)
}

// Middleware can send its own requests under the context of a request. Those are not repeats of
// the request.

// tokenFirst gets a token before each request, through the same transport.
func tokenFirst(base http.RoundTripper, url string) clienttest.RoundTripper {
	return func(r *http.Request) (*http.Response, error) {
		token, err := fetchToken(base, r, url)
		if err != nil {
			return nil, err
		}
		r.Header.Set("X-Token", token)
		return base.RoundTrip(r)
	}
}

// tokenOn401 gets a token after a 401, and sends the request again.
func tokenOn401(base http.RoundTripper, url string) clienttest.RoundTripper {
	return func(r *http.Request) (*http.Response, error) {
		resp, err := base.RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusUnauthorized {
			return resp, err
		}
		resp.Body.Close()
		token, err := fetchToken(base, r, url)
		if err != nil {
			return nil, err
		}
		again := r.Clone(r.Context())
		if again.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
		again.Header.Set("X-Token", token)
		return base.RoundTrip(again)
	}
}

func fetchToken(base http.RoundTripper, r *http.Request, url string) (string, error) {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost, url, http.NoBody)
	if err != nil {
		return "", err
	}
	request.Header.Set("X-Request-Id", "of-the-token")
	resp, err := base.RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	token, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		err = errors.Join(err, errors.New("no token"))
	}
	return string(token), err
}

var tokenURLs = map[string]string{
	"another host": "http://auth.example.test/token",
	"same host":    "http://localhost/token",
	"another port": "http://localhost:8080/token",
}

func TestRequestsOfMiddlewareAreNotRepeats(t *testing.T) {
	forbidden, limited := wiretest.Reply(403, `{}`), wiretest.Reply(429, `{}`)
	for name, tt := range map[string]struct {
		call    clienttest.PolicyCall
		replies []wiretest.Step // each after a token
		want    outcome
	}{
		"create of a taken name": {clienttest.CreateCall, []wiretest.Step{wiretest.Reply(400, takenJSON)}, outcome{400, 1, false, "ErrBadRequest ErrNameTaken", 2}},
		"create, a conflict":     {clienttest.CreateCall, []wiretest.Step{wiretest.Reply(409, takenJSON)}, outcome{409, 1, false, "ErrConflict ErrNameTaken", 2}},
		"delete of unknown ID":   {clienttest.DeleteCall, []wiretest.Step{wiretest.Reply(404, notFoundJSON)}, outcome{404, 1, false, "ErrNotFound", 2}},
		"forbidden create":       {clienttest.CreateCall, []wiretest.Step{forbidden}, outcome{403, 1, false, "ErrForbidden", 2}},
		"forbidden update":       {clienttest.UpdateCall, []wiretest.Step{forbidden}, outcome{403, 1, false, "ErrForbidden", 2}},
		"forbidden delete":       {clienttest.DeleteCall, []wiretest.Step{forbidden}, outcome{403, 1, false, "ErrForbidden", 2}},
		"forbidden Do(POST)":     {postCall, []wiretest.Step{forbidden}, outcome{403, 1, false, "ErrForbidden", 2}},
		"Do(POST) after 429":     {postCall, []wiretest.Step{limited, wiretest.Reply(200, `{}`)}, outcome{200, 0, false, "", 4}},
		"update after 429":       {clienttest.UpdateCall, []wiretest.Step{limited, policyOK}, outcome{200, 0, false, "", 4}},
		"delete after 429":       {clienttest.DeleteCall, []wiretest.Step{limited, wiretest.Reply(404, notFoundJSON)}, outcome{404, 2, false, "ErrNotFound", 4}},
		"lost Do(POST)":          {postCall, []wiretest.Step{wiretest.HangUp()}, outcome{0, 1, true, "", 2}},
		"lost delete": {clienttest.DeleteCall, []wiretest.Step{wiretest.HangUp(), wiretest.Reply(404, notFoundJSON),
			wiretest.Reply(200, clienttest.EmptyPageJSON)}, outcome{200, 0, false, "", 6}}, // the list settles it
	} {
		for where, url := range tokenURLs {
			t.Run(name+"/"+where, clienttest.InBubble(func(t *testing.T) {
				server := wiretest.NewServer(t, afterTokens(tt.replies...)...)

				_, err := tt.call.Do(t.Context(), clienttest.NewClientOver(t, tokenFirst(server.Transport, url)))

				assert.Equal(t, tt.want, outcomeOf(server, err))
			}))
		}
	}
}

// afterTokens returns a script with a token before each step.
func afterTokens(steps ...wiretest.Step) (script []wiretest.Step) {
	for _, step := range steps {
		script = append(script, wiretest.Reply(200, "tok_1", "Content-Type: text/plain"), step)
	}
	return script
}

func TestAWriteThatWasNotSentAfterATokenOfAnotherHost(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, afterTokens(wiretest.Refuse(), wiretest.Reply(200, `{}`))...)

		_, err := doPost(t.Context(), clienttest.NewClientOver(t, tokenFirst(server.Transport, tokenURLs["another host"])))

		require.NoError(t, err, "the write certainly was not received")
	})(t)
}

// Only the API knows whether it processed the first of two requests of the middleware. So the
// client looks the policy up.
func TestAWriteThatMiddlewareRepeatsIsLookedUp(t *testing.T) {
	olderPolicy := wiretest.Reply(200, clienttest.PageJSON)
	for name, tt := range map[string]struct {
		call   clienttest.PolicyCall
		script []wiretest.Step // after the 401 and the token
		want   outcome
	}{
		"create": {createCall, []wiretest.Step{wiretest.Reply(400, takenJSON), olderPolicy}, outcome{400, 1, true, "ErrBadRequest ErrNameTaken", 4}},
		"delete": {clienttest.DeleteCall, []wiretest.Step{wiretest.Reply(404, notFoundJSON), olderPolicy}, outcome{404, 1, true, "", 4}},
		"PUT":    {putCall, []wiretest.Step{policyOK}, outcome{200, 0, false, "", 3}},
	} {
		for where, url := range tokenURLs {
			t.Run(name+"/"+where, clienttest.InBubble(func(t *testing.T) {
				script := append([]wiretest.Step{wiretest.Reply(401, `{}`)}, afterTokens(tt.script[0])...)
				server := wiretest.NewServer(t, append(script, tt.script[1:]...)...)

				_, err := tt.call.Do(t.Context(), clienttest.NewClientOver(t, tokenOn401(server.Transport, url)))

				sent := server.Requests()
				assert.Equal(t, sent[0].Header["X-Request-Id"], sent[2].Header["X-Request-Id"])
				assert.Equal(t, tt.want, outcomeOf(server, err))
			}))
		}
	}
}
