package runloop_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// What net/http does below the retries.

// policyOfNowJSON is the answer to a create in a bubble, whose clock starts with
// the year 2000.
const policyOfNowJSON = `{"id":"npol_1","name":"build","egress":{"allowed_hostnames":[]},"create_time_ms":946684800000,"update_time_ms":946684800000}`

func createPolicy(t *testing.T, client *runloop.Client) (*runloop.NetworkPolicy, error) {
	return client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build"})
}

// N1: a header of this name makes net/http repeat a POST by itself when a used
// connection dies. The SDK does not send it; a transport of the caller's may. Then
// the API refuses the second POST as a name that is taken, by the first one.
func TestAReplayOfNetHTTPIsNoticed(t *testing.T) {
	inBubble(func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.Reply(200, `{"network_policies":[],"has_more":false}`),
			wiretest.HangUp(), // the policy is made, the answer lost
			wiretest.Reply(400, takenJSON),
			wiretest.Reply(200, `{"network_policies":[`+policyOfNowJSON+`],"has_more":false}`))
		client := newClientOver(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.Header.Set("Idempotency-Key", "of-a-middleware")
			return server.Transport.RoundTrip(r)
		}))
		_, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{})
		require.NoError(t, err)

		policy, err := createPolicy(t, client)

		require.NoError(t, err)
		assert.Equal(t, "npol_1", policy.ID)
		sent := server.Requests()
		require.Len(t, sent, 4)
		assert.Equal(t, "POST", sent[1].Method)
		assert.Equal(t, "POST", sent[2].Method)
		assert.Equal(t, sent[1].At, sent[2].At, "no wait: it was net/http that repeated it")
		assert.Equal(t, sent[1].Header["X-Request-Id"], sent[2].Header["X-Request-Id"])
	})(t)
}

// N1: x-request-id is no such header.
func TestNetHTTPDoesNotRepeatAPostOfTheSDK(t *testing.T) {
	inBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(200, policyJSON), wiretest.HangUp())
		client := newWireClient(t, server, runloop.WithMaxRetries(0))
		require.NoError(t, getPolicy(t.Context(), client))

		err := updatePolicy(t.Context(), client)

		assert.True(t, asTransportError(t, err).MaybeApplied)
		assert.Len(t, server.Requests(), 2)
	})(t)
}

// N3: a server closes an idle connection in the moment of a write. net/http repeats
// a GET by itself, a POST comes back as an error.
func TestAnIdleConnectionThatTheServerCloses(t *testing.T) {
	for name, closing := range map[string][]wiretest.Step{
		"before the request": {wiretest.Do("answer and hang up", func(c *wiretest.Conn) {
			c.Read()
			c.Write(wiretest.Response(200, policyJSON))
			c.Close()
		})},
		"within the request": {wiretest.Reply(200, policyJSON), wiretest.HangUpUnread()},
		"after the request":  {wiretest.Reply(200, policyJSON), wiretest.HangUp()},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			script := append(closing, wiretest.Reply(200, policyOfNowJSON))
			server := wiretest.NewServer(t, script...)
			client := newWireClient(t, server)
			require.NoError(t, getPolicy(t.Context(), client))
			time.Sleep(20 * time.Second)

			_, err := createPolicy(t, client)

			require.NoError(t, err)
			assert.Equal(t, 2, server.Dials())
		}))
	}
}

// N5 beside its limits: an encoding that nobody asked for is no JSON.
func TestAnEncodingThatNobodyAskedFor(t *testing.T) {
	inBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(200, "\x1b\x03\x00\xf8", "Content-Encoding: br"))
		client := newWireClient(t, server)

		require.ErrorIs(t, getPolicy(t.Context(), client), runloop.ErrInvalidResponse)
	})(t)
}

// N6: a proxy sees the key of an http:// request, and of an https:// one nothing but
// the host's name.
func TestAProxySeesNoKey(t *testing.T) {
	inBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Do("refuse to connect", func(c *wiretest.Conn) {
			c.Read()
			c.Write(wiretest.Response(502, "no route"))
			c.Close()
		}).Times(4))
		client := newPoolClient(t, server, runloop.WithBaseURL("https://api.example.test"))
		runloop.PoolOf(client).Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example.test"})

		err := updatePolicy(t.Context(), client)

		e := asTransportError(t, err)
		assert.Equal(t, 4, e.Attempts)
		assert.False(t, e.MaybeApplied, "the proxy let nothing through")
		for _, request := range server.Requests() {
			assert.Equal(t, "CONNECT api.example.test:443 HTTP/1.1\r\nHost: api.example.test:443\r\nUser-Agent: Go-http-client/1.1\r\n\r\n", request.Raw)
		}
	})(t)
}

func TestAProxyThatWantsAPasswordIsAskedOnce(t *testing.T) {
	inBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Cut(wiretest.Response(407, "")))
		client := newPoolClient(t, server, runloop.WithBaseURL("https://api.example.test"))
		runloop.PoolOf(client).Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example.test"})

		err := updatePolicy(t.Context(), client)

		e := asTransportError(t, err)
		assert.Equal(t, 1, e.Attempts)
		assert.False(t, e.MaybeApplied)
	})(t)
}

// N6: that is why http:// beyond loopback needs a word of the caller's.
func TestNoKeyGoesOutInTheOpen(t *testing.T) {
	t.Parallel()
	_, err := runloop.NewClient(runloop.WithAPIKey(testKey), runloop.WithBaseURL("http://api.example.test"))

	var e *runloop.ValidationError
	require.ErrorAs(t, err, &e)
}

func TestInterimAnswersAreNoAnswers(t *testing.T) {
	inBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Raw(
			"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"+wiretest.Response(200, policyJSON)))
		client := newWireClient(t, server)

		require.NoError(t, updatePolicy(t.Context(), client))

		assert.Len(t, server.Requests(), 1)
	})(t)
}
