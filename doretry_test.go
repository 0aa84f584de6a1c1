package runloop_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

// refuseConnection fails like net/http's transport when nobody listens.
func refuseConnection(r *http.Request) (*http.Response, error) {
	httptrace.ContextClientTrace(r.Context()).GetConn("api.example.test:443")
	return nil, errRefused
}

// loseConnection fails when the request is on its way.
func loseConnection(r *http.Request) (*http.Response, error) {
	trace := httptrace.ContextClientTrace(r.Context())
	trace.GetConn("api.example.test:443")
	trace.GotConn(httptrace.GotConnInfo{})
	trace.WroteHeaders()
	return nil, syscall.ECONNRESET
}

func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func cutBody(*http.Request) (*http.Response, error) {
	body := io.MultiReader(strings.NewReader(`{"id": "dbx`), brokenReader{})
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(body)}, nil
}

func TestWhichMethodsDoSendsAgain(t *testing.T) {
	t.Parallel()
	repeatable := []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE"} // twice is as good as once
	careful := []string{"POST", "PATCH"}
	for name, test := range map[string]struct {
		fault   roundTripper
		again   bool // a POST or PATCH too
		unknown bool // whether that one took effect
	}{
		"429":                  {fault: roundTripper(answer(429, ``)), again: true},
		"connection refused":   {fault: refuseConnection, again: true},
		"connection lost":      {fault: loseConnection, unknown: true},
		"an unknown transport": {fault: roundTripper(fail("broken")), unknown: true},
		"no answer in time":    {fault: hang, unknown: true},
		"a cut answer":         {fault: cutBody, unknown: true},
		"408":                  {fault: roundTripper(answer(408, ``)), unknown: true},
		"425":                  {fault: roundTripper(answer(425, ``))},
		"500":                  {fault: roundTripper(answer(500, ``)), unknown: true},
		"503":                  {fault: roundTripper(answer(503, ``)), unknown: true},
		"503 that says so":     {fault: roundTripper(respond(503, ``, http.Header{"X-Should-Retry": {"true"}})), unknown: true},
	} {
		for _, method := range append(careful, repeatable...) {
			isCareful := method == "POST" || method == "PATCH"
			t.Run(name+"/"+method, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { // the waits between attempts take no time
					var bodies []string
					_, client := newAPI(t, runloop.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
						body, _ := io.ReadAll(r.Body)
						bodies = append(bodies, string(body))
						if len(bodies) == 1 {
							return test.fault(r)
						}
						return answer(200, `{"id": "dbx_1"}`)(r)
					})}))
					var box devbox
					err := client.Do(t.Context(), method, "/v1/devboxes", map[string]int{"a": 1}, &box)

					if isCareful && !test.again {
						require.Error(t, err)
						assert.Equal(t, []string{`{"a":1}`}, bodies, "it may have been received")
						assert.Equal(t, test.unknown, maybeApplied(err))
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

// maybeApplied returns what an error says of a write's effect.
func maybeApplied(err error) bool {
	if answer, ok := errors.AsType[*runloop.APIError](err); ok {
		return answer.MaybeApplied
	}
	transport, ok := errors.AsType[*runloop.TransportError](err)
	return ok && transport.MaybeApplied
}

func TestDoGivesUpAfterFourAttempts(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]roundTripper{"429": roundTripper(answer(429, ``)), "refused": refuseConnection} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				attempts := 0
				_, client := newAPI(t, runloop.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					attempts++
					return fault(r)
				})}))
				err := client.Do(t.Context(), http.MethodPost, "/v1/devboxes", nil, nil)
				require.ErrorContains(t, err, "(4 attempts")
				assert.Equal(t, 4, attempts)
				assert.False(t, maybeApplied(err))
			})
		})
	}
}

func TestAPostIsNotSentAgainOnceItMayHaveBeenReceived(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		faults := []roundTripper{refuseConnection, roundTripper(answer(429, ``)), roundTripper(answer(500, `{"message": "out of disk"}`))}
		sent := 0
		_, client := newAPI(t, runloop.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			sent++
			return faults[sent-1](r)
		})}))
		err := client.Do(t.Context(), http.MethodPost, "/v1/devboxes", nil, nil)
		require.ErrorIs(t, err, runloop.ErrServer)
		assert.Equal(t, 3, sent)
		assert.Equal(t, 3, apiError(t, err).Attempts)
		assert.True(t, maybeApplied(err))
	})
}
