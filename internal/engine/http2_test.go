package engine_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// HTTP/2 reports which requests the server did nothing with. net/http would repeat those
// by itself, unseen.

// newHTTP2Client returns a client that speaks HTTP/2 over TLS.
func newHTTP2Client(t testing.TB, script ...wiretest.Step) (*wiretest.Server, *runloop.Client) {
	server := wiretest.NewServer(t, script...)
	server.UseTLS("h2")
	return server, clienttest.NewWireClient(t, server, runloop.WithBaseURL("https://localhost"))
}

// goAway announces that no stream of the connection is processed.
var goAway = wiretest.HTTP2Conn("go away", func(h *wiretest.HTTP2) {
	h.Read()
	h.GoAway(0)
	h.Close()
})

// reply2 is a connection with a reply for each request.
func reply2(replies ...reply) wiretest.Step {
	return wiretest.HTTP2Conn("reply", func(h *wiretest.HTTP2) {
		for _, r := range replies {
			h.Reply(h.Read(), r.status, r.body)
		}
	})
}

type reply struct {
	status int
	body   string
}

// unprocessed2 are connections that report that the first request was not processed, and
// reply to those that follow.
func unprocessed2(replies ...reply) map[string][]wiretest.Step {
	return map[string][]wiretest.Step{
		"GOAWAY": {goAway, reply2(replies...)},
		"REFUSED_STREAM": {wiretest.HTTP2Conn("refuse the first", func(h *wiretest.HTTP2) {
			h.Reset(h.Read(), wiretest.RefusedStream)
			for _, r := range replies {
				h.Reply(h.Read(), r.status, r.body)
			}
		})},
	}
}

// A write that was not processed is retried, whatever it does, and no doubt remains.
func TestHTTP2UnprocessedWrites(t *testing.T) {
	post := clienttest.PolicyCall{Name: "Do(POST)", Do: doPost}
	for name, tt := range map[string]struct {
		call clienttest.PolicyCall
		reply
		sentinels []string
	}{
		"an update":                            {clienttest.UpdateCall, reply{200, clienttest.PolicyJSON}, []string{}},
		"a delete of an ID that never existed": {clienttest.DeleteCall, reply{404, notFoundJSON}, []string{"ErrNotFound"}},
		"a delete of an ID that is not one":    {clienttest.DeleteCall, reply{400, notFoundJSON}, []string{"ErrBadRequest", "ErrNotFound"}},
		"a create of a taken name":             {clienttest.CreateCall, reply{400, takenJSON}, []string{"ErrBadRequest", "ErrNameTaken"}},
		"a forbidden create":                   {clienttest.CreateCall, reply{403, `{}`}, []string{"ErrForbidden"}},
		"Do(POST)":                             {post, reply{200, `{}`}, []string{}},
		"Do(POST), refused":                    {post, reply{403, `{}`}, []string{"ErrForbidden"}},
	} {
		for fault, script := range unprocessed2(tt.reply) {
			t.Run(fault+"/"+name, clienttest.InBubble(func(t *testing.T) {
				server, client := newHTTP2Client(t, script...)

				_, err := tt.call.Do(t.Context(), client)

				assert.Equal(t, tt.sentinels, clienttest.Sentinels(err))
				assert.False(t, clienttest.MaybeApplied(err))
				assert.Len(t, server.Requests(), 2, "no lookup")
				clienttest.AssertBackoff(t, server.Times())
				if tt.status >= 300 {
					assert.Equal(t, 2, clienttest.AsAPIError(t, err).Attempts)
				}
			}))
		}
	}
}

// A read is repeated by net/http itself where the server did nothing, which is no attempt
// of the SDK, and else by the SDK.
func TestHTTP2Reads(t *testing.T) {
	ok := reply{200, clienttest.PolicyJSON}
	reset := func(code uint32) wiretest.Step {
		return wiretest.HTTP2Conn("reset", func(h *wiretest.HTTP2) {
			h.Reset(h.Read(), code)
			h.Reply(h.Read(), ok.status, ok.body)
		})
	}
	for name, tt := range map[string]struct {
		script []wiretest.Step
		dials  int
		waits  bool
	}{
		"GOAWAY before the stream": {[]wiretest.Step{goAway, reply2(ok)}, 2, false},
		"GOAWAY after the stream": {[]wiretest.Step{wiretest.HTTP2Conn("go away", func(h *wiretest.HTTP2) {
			h.GoAway(h.Read())
			h.Close()
		}), reply2(ok)}, 2, true},
		"REFUSED_STREAM": {[]wiretest.Step{reset(wiretest.RefusedStream)}, 1, false},
		"INTERNAL_ERROR": {[]wiretest.Step{reset(wiretest.InternalError)}, 1, true},
		"CANCEL":         {[]wiretest.Step{reset(wiretest.Cancel)}, 1, true},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server, client := newHTTP2Client(t, tt.script...)

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

// Without a body, net/http repeats a write by itself. It was not processed all the same.
func TestHTTP2UnprocessedWriteWithoutABody(t *testing.T) {
	for fault, script := range unprocessed2(reply{403, `{}`}) {
		if fault == "GOAWAY" { // of which Go 1.26 cannot tell that it was not PROTOCOL_ERROR
			continue
		}
		for _, method := range []string{http.MethodPost, http.MethodDelete} {
			t.Run(fault+"/"+method, clienttest.InBubble(func(t *testing.T) {
				server, client := newHTTP2Client(t, script...)

				err := client.Do(t.Context(), method, "/v1/devboxes/dbx_1", nil, nil)

				require.ErrorIs(t, err, runloop.ErrForbidden)
				assert.False(t, clienttest.MaybeApplied(err))
				assert.Len(t, server.Requests(), 2)
			}))
		}
	}
}

// By itself, net/http would go on within each attempt, up to the attempt's time limit.
func TestHTTP2RefusedForEver(t *testing.T) {
	for _, call := range clienttest.PolicyCalls {
		if !call.IsWrite() {
			continue
		}
		t.Run(call.Name, clienttest.InBubble(func(t *testing.T) {
			server, client := newHTTP2Client(t, wiretest.HTTP2Conn("refuse", func(h *wiretest.HTTP2) {
				for stream := h.Read(); stream != 0; stream = h.Read() {
					h.Reset(stream, wiretest.RefusedStream)
				}
			}))

			_, err := call.Do(t.Context(), client)

			e := clienttest.AsTransportError(t, err)
			assert.Equal(t, 4, e.Attempts)
			assert.False(t, e.MaybeApplied)
			assert.Len(t, server.Requests(), 4, "no lookup: nothing happened")
			assert.Less(t, server.Now(), 4*time.Second)
		}))
	}
}

// A stream that is reset in another way may have been processed, and so may one that
// GOAWAY does not exclude. Go 1.26 repeats after PROTOCOL_ERROR by itself if it can.
func TestHTTP2WritesThatMayHaveBeenProcessed(t *testing.T) {
	faults := map[string]wiretest.Step{
		"GOAWAY with the stream": wiretest.HTTP2Conn("go away", func(h *wiretest.HTTP2) {
			h.GoAway(h.Read())
			h.Close()
		}),
	}
	for name, code := range map[string]uint32{
		"PROTOCOL_ERROR": wiretest.ProtocolError, "INTERNAL_ERROR": wiretest.InternalError, "CANCEL": wiretest.Cancel,
	} {
		faults[name] = wiretest.HTTP2Conn("reset", func(h *wiretest.HTTP2) {
			h.Reset(h.Read(), code)
			h.Close()
		})
	}
	overTLS, plaintext := newHTTP2Client, func(t testing.TB, script ...wiretest.Step) (*wiretest.Server, *runloop.Client) {
		server := wiretest.NewServer(t, script...)
		server.UseHTTP2()
		return server, clienttest.NewWireClient(t, server)
	}
	for transport, newClient := range map[string]func(testing.TB, ...wiretest.Step) (*wiretest.Server, *runloop.Client){
		"TLS": overTLS, "plaintext": plaintext,
	} {
		for name, fault := range faults {
			t.Run(transport+"/"+name+"/create", clienttest.InBubble(func(t *testing.T) {
				server, client := newClient(t, fault,
					reply2(reply{400, takenJSON}, reply{200, `{"network_policies":[` + policyOfNowJSON + `],"has_more":false}`}))

				policy, err := createPolicy(t, client)

				require.NoError(t, err, "it is the policy of the first request")
				assert.Equal(t, "npol_1", policy.ID)
				assert.Len(t, server.Requests(), 3)
			}))
			t.Run(transport+"/"+name+"/delete", clienttest.InBubble(func(t *testing.T) {
				server, client := newClient(t, fault,
					reply2(reply{404, notFoundJSON}, reply{200, clienttest.EmptyPageJSON}))

				_, err := clienttest.DeleteCall.Do(t.Context(), client)

				require.NoError(t, err)
				assert.Len(t, server.Requests(), 3)
			}))
			if transport == "TLS" || name != "PROTOCOL_ERROR" { // where net/http repeats nothing
				t.Run(transport+"/"+name+"/Do(POST)", clienttest.InBubble(func(t *testing.T) {
					server, client := newClient(t, fault)

					_, err := doPost(t.Context(), client)

					assert.True(t, clienttest.AsTransportError(t, err).MaybeApplied)
					assert.Len(t, server.Requests(), 1)
				}))
			}
		}
	}
}

// Around net/http's transport, a RoundTripper may need GetBody to send a request again
// itself. So net/http repeats as well, and a repeat by one looks like one by the other.
func TestHTTP2BehindARoundTripper(t *testing.T) {
	for fault, script := range unprocessed2(reply{404, notFoundJSON}, reply{403, `{}`}) {
		t.Run(fault, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, script...)
			server.UseTLS("h2")
			client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				assert.NotNil(t, r.GetBody)
				return server.Transport.RoundTrip(r)
			}), runloop.WithBaseURL("https://localhost"))

			_, err := clienttest.DeleteCall.Do(t.Context(), client)

			e := clienttest.AsAPIError(t, err)
			assert.Equal(t, 404, e.StatusCode)
			assert.Equal(t, 1, e.Attempts)
			assert.True(t, e.MaybeApplied)
			assert.NotErrorIs(t, err, runloop.ErrNotFound, "it may have been deleted by the first request")
			assert.Len(t, server.Requests(), 3)
		}))
	}
}

// Over TLS too, HTTP/1.1 repeats a write only if nothing of it was written.
func TestHTTP1OverTLS(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.Do("reply and hang up", func(c *wiretest.Conn) {
				c.Read()
				c.Write(wiretest.Response(200, clienttest.PolicyJSON))
				c.Close()
			}),
			wiretest.Reply(200, clienttest.PolicyJSON),
			wiretest.HangUp(),
			wiretest.Reply(404, notFoundJSON),
			wiretest.Reply(200, clienttest.EmptyPageJSON))
		server.UseTLS("http/1.1")
		client := clienttest.NewWireClient(t, server, runloop.WithBaseURL("https://localhost"))
		require.NoError(t, clienttest.GetPolicy(t.Context(), client))

		require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))
		_, err := clienttest.DeleteCall.Do(t.Context(), client)

		require.NoError(t, err, "a lost response, which the list settles")
		assert.Len(t, server.Requests(), 5)
	})(t)
}
