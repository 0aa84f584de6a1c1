package engine_test

import (
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// Which responses are worth another attempt, how many there are, and when.

// Bodies of errors that are final.
const (
	notFoundJSON = `{"message":"network policy not found"}`
	takenJSON    = `{"message":"a network policy with this name already exists"}`
)

func TestFourAttemptsWithDoublingWaits(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(503, clienttest.BusyJSON).Times(3), wiretest.Reply(200, clienttest.PolicyJSON))
		client := clienttest.NewWireClient(t, server)

		require.NoError(t, clienttest.GetPolicy(t.Context(), client))

		require.Len(t, server.Times(), 4)
		clienttest.AssertBackoff(t, server.Times())
	})(t)
}

func TestTheNumberOfRetriesIsTheCallers(t *testing.T) {
	for _, retries := range []int{0, 1, 6} {
		t.Run(strconv.Itoa(retries), clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Reply(503, clienttest.BusyJSON).Times(retries+1))
			client := clienttest.NewWireClient(t, server)

			err := clienttest.GetPolicy(t.Context(), client, runloop.WithMaxRetries(retries))

			assert.Equal(t, retries+1, clienttest.AsAPIError(t, err).Attempts)
		}))
	}
}

func TestStatusesThatAreWorthARetry(t *testing.T) {
	for status, attempts := range map[int]int{
		400: 1, 401: 1, 402: 1, 403: 1, 404: 1, 405: 1, 409: 1, 410: 1, 412: 1, 413: 1, 418: 1, 422: 1, 499: 1,
		408: 4, 425: 4, 429: 4,
		500: 4, 501: 1, 502: 4, 503: 4, 504: 4, 505: 1, 507: 4, 520: 4, 529: 4, 599: 4, 600: 4, 999: 4,
	} {
		t.Run(strconv.Itoa(status), clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Reply(status, `{"message":"no"}`).Times(2*attempts))
			client := clienttest.NewWireClient(t, server)

			for _, err := range []error{clienttest.GetPolicy(t.Context(), client), clienttest.UpdatePolicy(t.Context(), client)} {
				e := clienttest.AsAPIError(t, err)
				assert.Equal(t, status, e.StatusCode)
				assert.Equal(t, attempts, e.Attempts)
				assert.Equal(t, "no", e.Message)
			}
		}))
	}
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
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t,
				wiretest.Reply(tt.status, `{}`, "x-should-retry: "+tt.word).Times(tt.attempts))
			client := clienttest.NewWireClient(t, server)

			err := clienttest.GetPolicy(t.Context(), client)

			assert.Equal(t, tt.attempts, clienttest.AsAPIError(t, err).Attempts)
		}))
	}
}

// P4: the library's own give-up has no status, no body and nothing to unwrap.
func TestTheLastResponseSurvivesTheLastAttempt(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.HangUp(),
			wiretest.Reply(500, `{}`).Times(2),
			wiretest.Reply(503, `{"message":"in maintenance","code":"maintenance"}`, "X-Runloop-Request-Id: req_7"))
		client := clienttest.NewWireClient(t, server)

		err := clienttest.UpdatePolicy(t.Context(), client)

		require.ErrorIs(t, err, runloop.ErrServer)
		e := clienttest.AsAPIError(t, err)
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

// What an earlier attempt may have done stays in doubt when the last one reached nobody.
func TestTheDoubtOfAnEarlierAttemptStays(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(503, clienttest.BusyJSON, "Connection: close"), wiretest.Refuse().Times(3))

		err := clienttest.UpdatePolicy(t.Context(), clienttest.NewWireClient(t, server))

		require.ErrorIs(t, err, syscall.ECONNREFUSED, "the last cause")
		assert.ErrorContains(t, err, "(4 attempts; may have been applied): dial tcp: connection refused")
		assert.True(t, clienttest.AsTransportError(t, err).MaybeApplied)
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
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Cut(cut).Times(2), wiretest.Reply(200, clienttest.PolicyJSON))
			client := clienttest.NewWireClient(t, server)

			policy, err := client.NetworkPolicies.Get(t.Context(), "npol_1")

			require.NoError(t, err)
			assert.Equal(t, "build", policy.Name)
			require.Len(t, server.Requests(), 3)
			clienttest.AssertBackoff(t, server.Times())
		}))
	}
}

func TestANameServerThatIsAwayIsAskedAgain(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.DialError(&net.DNSError{Err: "server misbehaving", Name: "localhost", IsTemporary: true}),
			wiretest.DialError(&net.DNSError{Err: "i/o timeout", Name: "localhost", IsTimeout: true}),
			wiretest.Reply(200, clienttest.PolicyJSON))
		client := clienttest.NewWireClient(t, server)

		require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))
	})(t)
}

// Whatever fails outside of net/http may pass.
func TestAnErrorOfAnotherRoundTripperIsTriedAgain(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		tries := 0
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if tries++; tries < 3 {
				return nil, errors.New("the sidecar is not ready")
			}
			return clienttest.Respond(200, clienttest.PolicyJSON)(r)
		}))

		require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))

		assert.Equal(t, 3, tries)
	})(t)
}

// P10: the library's callbacks are told neither the request nor the attempt, so
// they must not mix up calls.
func TestCallsAtTheSameTimeCountForThemselves(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		const calls = 50
		var sent [calls]atomic.Int32
		transport := clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			i, err := strconv.Atoi(r.Header.Get("X-Call"))
			if err != nil {
				return nil, err
			}
			time.Sleep(time.Second)
			if int(sent[i].Add(1)) <= i%4 {
				return clienttest.Respond(503, clienttest.BusyJSON)(r)
			}
			return clienttest.Respond(404, notFoundJSON)(r)
		})
		client := clienttest.NewClientOver(t, transport)
		results := make(chan [2]int)
		for i := range calls {
			go func() {
				if e, ok := errors.AsType[*runloop.APIError](clienttest.GetPolicy(t.Context(), client, runloop.WithHeader("X-Call", strconv.Itoa(i)))); ok {
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
