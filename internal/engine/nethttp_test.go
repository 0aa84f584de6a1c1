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

// What net/http does below the retries.

// policyOfNowJSON is the response to a create in a bubble, whose clock starts with
// the year 2000.
const policyOfNowJSON = `{"id":"npol_1","name":"build","egress":{"allowed_hostnames":[]},"create_time_ms":946684800000,"update_time_ms":946684800000}`

func createPolicy(t *testing.T, client *runloop.Client) (*runloop.NetworkPolicy, error) {
	return client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build"})
}

// N1: a header of this name makes net/http repeat a POST by itself when a used
// connection dies. The SDK does not send it; a transport of the caller's may. Then
// the API refuses the second POST as a name that is taken, by the first one.
func TestAReplayOfNetHTTPIsNoticed(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.Reply(200, `{"network_policies":[],"has_more":false}`),
			wiretest.HangUp(), // the policy is created, the response lost
			wiretest.Reply(400, takenJSON),
			wiretest.Reply(200, `{"network_policies":[`+policyOfNowJSON+`],"has_more":false}`))
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
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
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(200, clienttest.PolicyJSON), wiretest.HangUp())
		client := clienttest.NewWireClient(t, server, runloop.WithMaxRetries(0))
		require.NoError(t, clienttest.GetPolicy(t.Context(), client))

		err := clienttest.UpdatePolicy(t.Context(), client)

		assert.True(t, clienttest.AsTransportError(t, err).MaybeApplied)
		assert.Len(t, server.Requests(), 2)
	})(t)
}

// N3: a server closes an idle connection in the moment of a write. net/http repeats
// a GET by itself, a POST comes back as an error.
func TestAnIdleConnectionThatTheServerCloses(t *testing.T) {
	for name, closing := range map[string][]wiretest.Step{
		"before the request": {wiretest.Do("reply and hang up", func(c *wiretest.Conn) {
			c.Read()
			c.Write(wiretest.Response(200, clienttest.PolicyJSON))
			c.Close()
		})},
		"within the request": {wiretest.Reply(200, clienttest.PolicyJSON), wiretest.HangUpUnread()},
		"after the request":  {wiretest.Reply(200, clienttest.PolicyJSON), wiretest.HangUp()},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			script := append(closing, wiretest.Reply(200, policyOfNowJSON))
			server := wiretest.NewServer(t, script...)
			client := clienttest.NewWireClient(t, server)
			require.NoError(t, clienttest.GetPolicy(t.Context(), client))
			time.Sleep(20 * time.Second)

			_, err := createPolicy(t, client)

			require.NoError(t, err)
			assert.Equal(t, 2, server.Dials())
		}))
	}
}
