package engine_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// When a request may be sent again, which depends on what it does and on whether it
// was received. Do has requests of all kinds.

// A devbox is what Do asks for and knows nothing about.
type devbox struct {
	ID string `json:"id"`
}

// doPost is the write that may do its work twice.
func doPost(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
	return nil, c.Do(ctx, http.MethodPost, "/v1/devboxes", map[string]int{"a": 1}, nil, opts...)
}

// refuseConnection fails like net/http's transport when nobody listens. A read has no
// trace.
func refuseConnection(r *http.Request) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
		trace.GetConn("api.example.test:443")
	}
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// loseConnection fails when the request is on its way.
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

// P10: a POST that may do its work twice is sent again only when it surely was not
// received, which needs the method at the time of the decision.
func TestWhichMethodsDoSendsAgain(t *testing.T) {
	t.Parallel()
	repeatable := []string{"GET", "OPTIONS", "PUT", "DELETE"} // twice is as good as once
	careful := []string{"POST", "PATCH"}
	for name, test := range map[string]struct {
		fault   clienttest.RoundTripper
		again   bool // a POST or PATCH too
		unknown bool // whether that one took effect
	}{
		"429":                  {fault: clienttest.RoundTripper(clienttest.Respond(429, ``)), again: true},
		"connection refused":   {fault: refuseConnection, again: true},
		"connection lost":      {fault: loseConnection, unknown: true},
		"an unknown transport": {fault: clienttest.RoundTripper(clienttest.Fail("broken")), unknown: true},
		"no response in time":  {fault: hang, unknown: true},
		"a cut response":       {fault: cutBody, unknown: true},
		"408":                  {fault: clienttest.RoundTripper(clienttest.Respond(408, ``)), unknown: true},
		"425":                  {fault: clienttest.RoundTripper(clienttest.Respond(425, ``))},
		"500":                  {fault: clienttest.RoundTripper(clienttest.Respond(500, ``)), unknown: true},
		"503":                  {fault: clienttest.RoundTripper(clienttest.Respond(503, ``)), unknown: true},
		"503 that asks for it": {fault: clienttest.RoundTripper(clienttest.RespondWith(503, ``, http.Header{"X-Should-Retry": {"true"}})), unknown: true},
	} {
		for _, method := range append(careful, repeatable...) {
			isCareful := method == "POST" || method == "PATCH"
			t.Run(name+"/"+method, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { // the waits between attempts take no time
					var bodies []string
					_, client := clienttest.NewAPI(t, runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
						body, _ := io.ReadAll(r.Body)
						bodies = append(bodies, string(body))
						if len(bodies) == 1 {
							return test.fault(r)
						}
						return clienttest.Respond(200, `{"id": "dbx_1"}`)(r)
					})}))
					var box devbox
					err := client.Do(t.Context(), method, "/v1/devboxes", map[string]int{"a": 1}, &box)

					if isCareful && !test.again {
						require.Error(t, err)
						assert.Equal(t, []string{`{"a":1}`}, bodies, "it may have been received")
						assert.Equal(t, test.unknown, clienttest.MaybeApplied(err))
						assert.Empty(t, box)
						return
					}
					require.NoError(t, err)
					assert.Equal(t, []string{`{"a":1}`, `{"a":1}`}, bodies)
					assert.Equal(t, "dbx_1", box.ID)
				})
			})
		}
	}
}

func TestDoGivesUpAfterFourAttempts(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]clienttest.RoundTripper{"429": clienttest.RoundTripper(clienttest.Respond(429, ``)), "refused": refuseConnection} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				attempts := 0
				_, client := clienttest.NewAPI(t, runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
					attempts++
					return fault(r)
				})}))
				err := client.Do(t.Context(), http.MethodPost, "/v1/devboxes", nil, nil)
				require.ErrorContains(t, err, "(4 attempts")
				assert.Equal(t, 4, attempts)
				assert.False(t, clienttest.MaybeApplied(err))
			})
		})
	}
}

func TestAPostIsNotSentAgainOnceItMayHaveBeenReceived(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		faults := []clienttest.RoundTripper{refuseConnection, clienttest.RoundTripper(clienttest.Respond(429, ``)), clienttest.RoundTripper(clienttest.Respond(500, `{"message": "out of disk"}`))}
		sent := 0
		_, client := clienttest.NewAPI(t, runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			sent++
			return faults[sent-1](r)
		})}))
		err := client.Do(t.Context(), http.MethodPost, "/v1/devboxes", nil, nil)
		require.ErrorIs(t, err, runloop.ErrServer)
		assert.Equal(t, 3, sent)
		assert.Equal(t, 3, clienttest.AsAPIError(t, err).Attempts)
		assert.True(t, clienttest.MaybeApplied(err))
	})
}
