package engine_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// Whether a request is retried depends on its method, and on whether it was received.

// refuseConnection fails like net/http's transport if nobody listens. A read has no trace.
func refuseConnection(r *http.Request) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
		trace.GetConn("api.example.test:443")
	}
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// loseConnection fails after the request was sent.
func loseConnection(r *http.Request) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
		trace.GetConn("api.example.test:443")
		trace.GotConn(httptrace.GotConnInfo{})
		for name, values := range r.Header {
			trace.WroteHeaderField(name, values)
		}
	}
	return nil, syscall.ECONNRESET
}

func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func cutBody(*http.Request) (*http.Response, error) {
	body := io.MultiReader(strings.NewReader(`{"id": "dbx`), iotest.ErrReader(io.ErrUnexpectedEOF))
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(body)}, nil
}

// newFaulty returns a client whose i-th request meets the i-th fault, and the bodies sent.
func newFaulty(t *testing.T, faults ...clienttest.RoundTripper) (*runloop.Client, *[]string) {
	var bodies []string
	_, client := clienttest.NewAPI(t, runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(body))
		return faults[len(bodies)-1](r)
	})}))
	return client, &bodies
}

func respond(status int, body string) clienttest.RoundTripper {
	return clienttest.RoundTripper(clienttest.Respond(status, body))
}

// A POST or PATCH is retried only if it certainly was not received.
func TestWhichMethodsDoRetries(t *testing.T) {
	t.Parallel()
	asksForIt := clienttest.RespondWith(503, ``, http.Header{"X-Should-Retry": {"true"}})
	for name, tt := range map[string]struct {
		fault        clienttest.RoundTripper
		retried      bool // a POST or PATCH too
		maybeApplied bool // if not retried
	}{
		"429":                  {respond(429, ``), true, false},
		"connection refused":   {refuseConnection, true, false},
		"connection lost":      {loseConnection, false, true},
		"an unknown transport": {clienttest.RoundTripper(clienttest.Fail("broken")), false, true},
		"no response in time":  {hang, false, true},
		"a cut response":       {cutBody, false, true},
		"408":                  {respond(408, ``), false, true},
		"425":                  {respond(425, ``), false, false},
		"500":                  {respond(500, ``), false, true},
		"503":                  {respond(503, ``), false, true},
		"503 that asks for it": {clienttest.RoundTripper(asksForIt), false, true},
	} {
		for method, isCareful := range map[string]bool{"POST": true, "PATCH": true, "GET": false, "OPTIONS": false, "PUT": false, "DELETE": false} {
			t.Run(name+"/"+method, clienttest.InBubble(func(t *testing.T) {
				client, bodies := newFaulty(t, tt.fault, respond(200, `{"id": "dbx_1"}`))

				var box struct {
					ID string `json:"id"`
				}
				err := client.Do(t.Context(), method, "/v1/devboxes", map[string]int{"a": 1}, &box)

				if isCareful && !tt.retried {
					require.Error(t, err)
					assert.Equal(t, []string{`{"a":1}`}, *bodies, "it may have been received")
					assert.Equal(t, tt.maybeApplied, clienttest.MaybeApplied(err))
					assert.Empty(t, box)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, []string{`{"a":1}`, `{"a":1}`}, *bodies)
				assert.Equal(t, "dbx_1", box.ID)
			}))
		}
	}
}

func TestRetriesOfAPost(t *testing.T) {
	t.Parallel()
	limited := respond(429, ``)
	for name, tt := range map[string]struct {
		faults       []clienttest.RoundTripper
		maybeApplied bool
	}{
		"four refused":                        {[]clienttest.RoundTripper{limited, limited, limited, limited}, false},
		"four without a connection":           {[]clienttest.RoundTripper{refuseConnection, refuseConnection, refuseConnection, refuseConnection}, false},
		"none once it may have been received": {[]clienttest.RoundTripper{refuseConnection, limited, respond(500, ``)}, true},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			client, bodies := newFaulty(t, tt.faults...)

			_, err := doPost(t.Context(), client)

			require.Error(t, err)
			assert.Len(t, *bodies, len(tt.faults))
			assert.Contains(t, err.Error(), map[int]string{3: "(3 attempts", 4: "(4 attempts"}[len(tt.faults)])
			assert.Equal(t, tt.maybeApplied, clienttest.MaybeApplied(err))
		}))
	}
}
