package runloop_test

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// Which answers are worth another attempt, how many there are, and when.

func TestFourAttemptsWithDoublingWaits(t *testing.T) {
	inBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(503, busyJSON).Times(3), wiretest.Reply(200, policyJSON))
		client := newWireClient(t, server)

		require.NoError(t, getPolicy(t.Context(), client))

		require.Len(t, server.Times(), 4)
		assertBackoff(t, server.Times())
	})(t)
}

func TestRefusedConnectionsAreDialledFourTimes(t *testing.T) {
	inBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Refuse().Times(4))
		client := newWireClient(t, server)

		err := updatePolicy(t.Context(), client)

		e := asTransportError(t, err)
		assert.Equal(t, 4, e.Attempts)
		assert.False(t, e.MaybeApplied, "nothing was sent")
		assert.GreaterOrEqual(t, server.Now(), 1750*time.Millisecond)
		assert.LessOrEqual(t, server.Now(), 3500*time.Millisecond)
		assert.Equal(t, "runloop: update network policy: no usable answer (4 attempts): dial tcp: connection refused", err.Error())
	})(t)
}

func TestTheNumberOfRetriesIsTheCallers(t *testing.T) {
	for _, retries := range []int{0, 1, 6} {
		t.Run(strconv.Itoa(retries), inBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Reply(503, busyJSON).Times(retries+1))
			client := newWireClient(t, server)

			err := getPolicy(t.Context(), client, runloop.WithMaxRetries(retries))

			assert.Equal(t, retries+1, asAPIError(t, err).Attempts)
		}))
	}
}

func TestStatusesThatAreWorthARetry(t *testing.T) {
	for status, attempts := range map[int]int{
		400: 1, 401: 1, 402: 1, 403: 1, 404: 1, 405: 1, 409: 1, 410: 1, 412: 1, 413: 1, 418: 1, 422: 1, 499: 1,
		408: 4, 425: 4, 429: 4,
		500: 4, 501: 1, 502: 4, 503: 4, 504: 4, 505: 1, 507: 4, 520: 4, 529: 4, 599: 4, 600: 4, 999: 4,
	} {
		t.Run(strconv.Itoa(status), inBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Reply(status, `{"message":"no"}`).Times(2*attempts))
			client := newWireClient(t, server)

			for _, err := range []error{getPolicy(t.Context(), client), updatePolicy(t.Context(), client)} {
				e := asAPIError(t, err)
				assert.Equal(t, status, e.StatusCode)
				assert.Equal(t, attempts, e.Attempts)
				assert.Equal(t, "no", e.Message)
			}
		}))
	}
}

// The vendor's own clients retry 409, so that a taken name surfaces after half a
// minute.
func TestAConflictIsNeverRetried(t *testing.T) {
	inBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(409, takenJSON))
		client := newWireClient(t, server)

		_, err := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build"})

		require.ErrorIs(t, err, runloop.ErrNameTaken)
		assert.Zero(t, server.Now())
	})(t)
}

func TestTheAPIsWordOnRetriesIsObeyed(t *testing.T) {
	tests := map[string]struct {
		status   int
		word     string
		attempts int
	}{
		"yes, of a client error":        {400, "true", 4},
		"yes, of a conflict":            {409, "TRUE", 4},
		"no, of a server error":         {503, "false", 1},
		"no, of a rate limit":           {429, "false", 1},
		"neither, of a server error":    {503, "maybe", 4},
		"neither, of a client error":    {400, "1", 1},
		"yes, of a redirect: no matter": {302, "true", 1},
	}
	for name, tt := range tests {
		t.Run(name, inBubble(func(t *testing.T) {
			server := wiretest.NewServer(t,
				wiretest.Reply(tt.status, `{}`, "x-should-retry: "+tt.word).Times(tt.attempts))
			client := newWireClient(t, server)

			err := getPolicy(t.Context(), client)

			assert.Equal(t, tt.attempts, asAPIError(t, err).Attempts)
		}))
	}
}

// P4: the library's own give-up has no status, no body and nothing to unwrap.
func TestTheLastAnswerSurvivesGivingUp(t *testing.T) {
	inBubble(func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.HangUp(),
			wiretest.Reply(500, `{}`).Times(2),
			wiretest.Reply(503, `{"message":"in maintenance","code":"maintenance"}`, "X-Runloop-Request-Id: req_7"))
		client := newWireClient(t, server)

		err := updatePolicy(t.Context(), client)

		require.ErrorIs(t, err, runloop.ErrServer)
		e := asAPIError(t, err)
		assert.Equal(t, 503, e.StatusCode)
		assert.Equal(t, "in maintenance", e.Message)
		assert.Equal(t, "maintenance", e.Code)
		assert.Equal(t, "req_7", e.RequestID)
		assert.JSONEq(t, `{"message":"in maintenance","code":"maintenance"}`, string(e.Body))
		assert.Equal(t, 4, e.Attempts)
		assert.True(t, e.MaybeApplied)
		assert.NotContains(t, err.Error(), "giving up")
	})(t)
}

// P8: the library retries up to the headers only, and hands on a body that is cut.
func TestABodyThatIsCutIsRetried(t *testing.T) {
	tests := map[string]string{
		"shorter than its length":  wiretest.Response(200, `{"id":"npol_1","na`, "Content-Length: 400"),
		"in a chunk":               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{\"id\":",
		"before the last chunk":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
		"by a bad chunk length":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"within the headers":       "HTTP/1.1 200 OK\r\nContent-Le",
		"within the status line":   "HTTP/1.1 2",
		"without a length, N4":     "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"id\":\"npol_1\",",
		"by HTTP/1.0, N4":          "HTTP/1.0 200 OK\r\n\r\n{\"id\":\"npol_1\",",
		"and its length too, N4":   wiretest.Response(200, `{"id":"npol_1","na`),
		"to nothing, N4":           "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
		"before the status line":   "",
		"after the gzip header":    wiretest.Response(200, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", "Content-Encoding: gzip", "Content-Length: 40"),
		"within gzip, by a length": wiretest.Response(200, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x52", "Content-Encoding: gzip"),
	}
	for name, cut := range tests {
		t.Run(name, inBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Cut(cut).Times(2), wiretest.Reply(200, policyJSON))
			client := newWireClient(t, server)

			policy, err := client.NetworkPolicies.Get(t.Context(), "npol_1")

			require.NoError(t, err)
			assert.Equal(t, "build", policy.Name)
			require.Len(t, server.Requests(), 3)
			assertBackoff(t, server.Times())
		}))
	}
}

// N4: a body without a length that is cut ends like a whole one. Only the JSON in
// it tells.
func TestABodyThatIsAlwaysCutIsAnInvalidAnswer(t *testing.T) {
	inBubble(func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.Cut("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n{\"id\":\"npol_1\",").Times(4))
		client := newWireClient(t, server)

		policy, err := client.NetworkPolicies.Get(t.Context(), "npol_1")

		require.ErrorIs(t, err, runloop.ErrInvalidResponse)
		assert.Equal(t, 4, asTransportError(t, err).Attempts)
		assert.Nil(t, policy)
	})(t)
}

// P8: an answer that is read but refused is no fault of the wire.
func TestWhatCannotBeDecodedIsNotRetried(t *testing.T) {
	for name, body := range map[string]string{
		"a page":     `<html>sign in to the hotel's network</html>`,
		"null":       `null`,
		"no id":      `{"name":"build","egress":{}}`,
		"another id": `{"id":"npol_2","name":"build","egress":{}}`,
		"two values": policyJSON + policyJSON,
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Reply(200, body))
			client := newWireClient(t, server)

			err := getPolicy(t.Context(), client)

			require.ErrorIs(t, err, runloop.ErrInvalidResponse)
			assert.Equal(t, 1, asTransportError(t, err).Attempts)
		}))
	}
}

// P10: the library's callbacks are told neither the request nor the attempt, so
// they must not mix up calls.
func TestCallsAtTheSameTimeCountForThemselves(t *testing.T) {
	inBubble(func(t *testing.T) {
		const calls = 50
		var sent [calls]atomic.Int32
		transport := roundTripper(func(r *http.Request) (*http.Response, error) {
			i, err := strconv.Atoi(r.Header.Get("X-Call"))
			if err != nil {
				return nil, err
			}
			time.Sleep(time.Second)
			if int(sent[i].Add(1)) <= i%4 {
				return answer(503, busyJSON)(r)
			}
			return answer(404, notFoundJSON)(r)
		})
		client := newClientOver(t, transport)
		results := make(chan [2]int)
		for i := range calls {
			go func() {
				if e, ok := errors.AsType[*runloop.APIError](getPolicy(t.Context(), client, runloop.WithHeader("X-Call", strconv.Itoa(i)))); ok {
					results <- [2]int{i, e.Attempts}
				} else {
					results <- [2]int{i, -1}
				}
			}()
		}
		for range calls {
			result := <-results
			assert.Equal(t, 1+result[0]%4, result[1], "attempts of call %d", result[0])
		}
	})(t)
}

// P10: a POST that may do its work twice is re-sent only when it surely was not
// received, which needs the method at the time of the decision.
func TestDoResendsAPostOnlyWhenThatIsSafe(t *testing.T) {
	tests := map[string]struct {
		step     wiretest.Step
		attempts int
	}{
		"not after a server error":       {wiretest.Reply(503, busyJSON), 1},
		"not after a lost answer":        {wiretest.HangUp(), 1},
		"not after a timeout answer":     {wiretest.Reply(408, busyJSON), 1},
		"after a refused connection":     {wiretest.Refuse(), 2},
		"after a rate limit":             {wiretest.Reply(429, busyJSON), 2},
		"not when told so, if ambiguous": {wiretest.Reply(500, busyJSON, "x-should-retry: true"), 1},
	}
	for name, tt := range tests {
		t.Run(name, inBubble(func(t *testing.T) {
			script := []wiretest.Step{tt.step}
			if tt.attempts == 2 {
				script = append(script, wiretest.Reply(200, `{"id":"dbx_1"}`))
			}
			server := wiretest.NewServer(t, script...)
			client := newWireClient(t, server)

			err := client.Do(t.Context(), http.MethodPost, "/v1/devboxes", map[string]string{"name": "box"}, nil)

			assert.Equal(t, tt.attempts == 2, err == nil, "%v", err)
		}))
	}
}

func TestDoResendsReadsAndRepeatableWrites(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		t.Run(method, inBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Reply(503, busyJSON), wiretest.HangUp(), wiretest.Reply(200, `{}`))
			client := newWireClient(t, server)

			require.NoError(t, client.Do(t.Context(), method, "/v1/things/1", nil, nil))

			assert.Len(t, server.Requests(), 3)
		}))
	}
}

// A RoundTripper that breaks its contract is a fault like any other: no panic, no
// body left open, and nothing on net/http's own log.
func TestARoundTripperThatBreaksItsContract(t *testing.T) {
	t.Run("neither response nor error", inBubble(func(t *testing.T) {
		client := newClientOver(t, roundTripper(func(*http.Request) (*http.Response, error) { return nil, nil }))

		err := getPolicy(t.Context(), client)

		assert.Equal(t, 4, asTransportError(t, err).Attempts)
	}))
	t.Run("both response and error", inBubble(func(t *testing.T) {
		body := &closeSpy{Reader: http.NoBody}
		broken := errors.New("broken")
		client := newClientOver(t, roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: body}, broken
		}), runloop.WithMaxRetries(0))

		err := getPolicy(t.Context(), client)

		require.ErrorIs(t, err, broken)
		assert.True(t, body.closed)
	}))
	t.Run("response without a body or headers", inBubble(func(t *testing.T) {
		client := newClientOver(t, roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 404}, nil
		}))

		require.ErrorIs(t, getPolicy(t.Context(), client), runloop.ErrNotFound)
	}))
}

type closeSpy struct {
	io.Reader
	closed bool
}

func (r *closeSpy) Close() error {
	r.closed = true
	return nil
}
