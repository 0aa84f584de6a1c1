package engine_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// What goes over the wire, attempt for attempt.

// P13: the library sends an empty body as a chunked one, and aliases a buffer that
// it is given.
func TestBodiesGoOutWithTheirLength(t *testing.T) {
	for name, tt := range map[string]struct {
		call   func(context.Context, *runloop.Client) error
		answer string
		body   string
		length string // as net/http writes it
	}{
		"create": {func(ctx context.Context, c *runloop.Client) error {
			_, err := c.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: "build"})
			return err
		}, clienttest.PolicyJSON, `{"name":"build","allow_all":false,"allow_devbox_to_devbox":false,"allowed_hostnames":[],"allow_agent_gateway":false,"allow_mcp_gateway":false}`, "Content-Length: 142"},
		"update of nothing": {func(ctx context.Context, c *runloop.Client) error {
			_, err := c.NetworkPolicies.Update(ctx, "npol_1", runloop.NetworkPolicyUpdateParams{})
			return err
		}, clienttest.PolicyJSON, `{}`, "Content-Length: 2"},
		"delete": {func(ctx context.Context, c *runloop.Client) error {
			_, err := c.NetworkPolicies.Delete(ctx, "npol_1")
			return err
		}, clienttest.PolicyJSON, `{}`, "Content-Length: 2"},
		"a POST without a body": {func(ctx context.Context, c *runloop.Client) error {
			return c.Do(ctx, http.MethodPost, "/v1/devboxes/dbx_1/shutdown", nil, nil)
		}, `{}`, ``, "Content-Length: 0"},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, wiretest.Reply(429, clienttest.BusyJSON).Times(2), wiretest.Reply(200, tt.answer))
			client := clienttest.NewWireClient(t, server)

			require.NoError(t, tt.call(t.Context(), client))

			require.Len(t, server.Requests(), 3)
			for _, request := range server.Requests() {
				assert.Equal(t, tt.body, request.Body)
				assert.Contains(t, request.Raw, "\r\n"+tt.length+"\r\n")
				assert.NotContains(t, request.Raw, "Transfer-Encoding")
				assert.NotContains(t, request.Raw, "Expect:")
			}
		}))
	}
}

func TestAReadHasNoBody(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(503, clienttest.BusyJSON), wiretest.Reply(200, clienttest.PolicyJSON))
		client := clienttest.NewWireClient(t, server)

		require.NoError(t, clienttest.GetPolicy(t.Context(), client))

		for _, request := range server.Requests() {
			assert.Empty(t, request.Body)
			assert.NotContains(t, request.Raw, "Content-Length")
			assert.NotContains(t, request.Raw, "Content-Type")
			assert.NotContains(t, request.Raw, "Transfer-Encoding")
		}
	})(t)
}

// The params can be changed once the call has begun: by another goroutine, or by a
// transport between two attempts.
func TestAttemptsSendTheParamsOfTheMomentOfTheCall(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		hosts := []string{"github.com", "go.dev"}
		var bodies []string
		server := wiretest.NewServer(t, wiretest.Reply(503, clienttest.BusyJSON).Times(2), wiretest.Reply(200, clienttest.PolicyJSON))
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			hosts[0] = "evil.example"
			return server.Transport.RoundTrip(r)
		}))

		_, err := client.NetworkPolicies.Update(t.Context(), "npol_1", runloop.NetworkPolicyUpdateParams{AllowedHostnames: &hosts})

		require.NoError(t, err)
		for _, request := range server.Requests() {
			bodies = append(bodies, request.Body)
		}
		const want = `{"allowed_hostnames":["github.com","go.dev"]}`
		assert.Equal(t, []string{want, want, want}, bodies)
	})(t)
}

// P12: the library's attempts share one header map and one URL, so what a
// RoundTripper writes into them piles up, and reaches the caller's.
func TestWhatATransportWritesIntoARequestEndsWithTheAttempt(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(503, clienttest.BusyJSON).Times(3), wiretest.Reply(200, clienttest.PolicyJSON))
		var before []http.Header
		var urls []string
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			before = append(before, r.Header.Clone())
			urls = append(urls, r.URL.String())
			r.Header.Add("X-Trace", "span")
			r.Header["X-Team"][0] = "overwritten"
			r.Header.Add("X-Team", "second")
			r.Header.Del("X-Region")
			r.URL.Path = "/gateway" + r.URL.Path
			return server.Transport.RoundTrip(r)
		}), runloop.WithHeader("X-Team", "first"), runloop.WithHeader("X-Region", "eu"))

		require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))

		require.Len(t, before, 4)
		for i := range before {
			assert.Equal(t, before[0], before[i])
			assert.Equal(t, urls[0], urls[i])
			assert.Equal(t, []string{"first"}, before[i]["X-Team"])
			assert.Equal(t, []string{"span"}, server.Requests()[i].Header["X-Trace"])
			assert.Equal(t, "/gateway"+clienttest.PolicyPath, server.Requests()[i].Target)
		}
	})(t)
}

func TestAWriteHasOneRequestIDOnAllAttempts(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.HangUp(), wiretest.Reply(503, clienttest.BusyJSON), wiretest.Reply(429, clienttest.BusyJSON), wiretest.Reply(200, clienttest.PolicyJSON),
			wiretest.Reply(200, clienttest.PolicyJSON))
		client := clienttest.NewWireClient(t, server)

		require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))
		require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))

		var ids []string
		for _, request := range server.Requests() {
			require.Regexp(t, clienttest.UUID4, request.Header.Get("X-Request-Id"))
			ids = append(ids, request.Header.Get("X-Request-Id"))
			assert.NotContains(t, request.Header, "Idempotency-Key")
			assert.NotContains(t, request.Header, "X-Idempotency-Key")
		}
		require.Len(t, ids, 5)
		assert.Equal(t, []string{ids[0], ids[0], ids[0], ids[0]}, ids[:4])
		assert.NotEqual(t, ids[0], ids[4], "another call")
	})(t)
}

func TestAReadHasNoRequestID(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(503, clienttest.BusyJSON), wiretest.Reply(200, clienttest.PolicyJSON))
		client := clienttest.NewWireClient(t, server)

		require.NoError(t, clienttest.GetPolicy(t.Context(), client))

		for _, request := range server.Requests() {
			assert.NotContains(t, request.Header, "X-Request-Id")
		}
	})(t)
}

// N7: what is written into a header unchecked can end it and begin another.
func TestNothingOfACallBreaksOutOfItsPlace(t *testing.T) {
	const breakout = "x\r\nX-Evil: 1"
	t.Run("a name goes into JSON", clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(200, `{"id":"npol_1","name":"x\r\nX-Evil: 1","egress":{}}`))
		client := clienttest.NewWireClient(t, server)

		_, err := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: breakout, Description: breakout})

		require.NoError(t, err)
		request := server.Requests()[0]
		assert.NotContains(t, request.Raw, "\nX-Evil")
		assert.Contains(t, request.Body, `"description":"x\r\nX-Evil: 1"`)
	}))
	t.Run("a filter goes into the query", clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Reply(200, `{"network_policies":[],"has_more":false}`))
		client := clienttest.NewWireClient(t, server)

		_, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{Search: breakout})

		require.NoError(t, err)
		assert.Equal(t, "/v1/network-policies?search=x%0D%0AX-Evil%3A+1", server.Requests()[0].Target)
	}))
	for name, opt := range map[string]runloop.Option{
		"a header's value is refused":          runloop.WithHeader("X-Team", breakout),
		"a header's name is refused":           runloop.WithHeader(breakout, "blue"),
		"a NUL in a header is refused":         runloop.WithHeader("X-Team", "x\x00"),
		"a product is refused":                 runloop.WithUserAgent(breakout),
		"a key is refused":                     runloop.WithAPIKey(breakout),
		"an idempotency key is refused":        runloop.WithIdempotencyKey(breakout),
		"a path below the base is, too":        runloop.WithBaseURL("http://localhost/" + breakout),
		"the header of net/http's replays, N1": runloop.WithHeader("idempotency-key", "1"),
		"the other header of its replays, N1":  runloop.WithHeader("X-IDEMPOTENCY-KEY", "1"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(*http.Request) (*http.Response, error) {
				t.Error("a request was made")
				return nil, errors.New("no")
			}))

			err := clienttest.UpdatePolicy(t.Context(), client, opt)

			var e *runloop.ValidationError
			require.ErrorAs(t, err, &e)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

// P19 and P12: requests that goroutines share, or headers that attempts share, are
// data races.
func TestGoroutinesShareAClientAndItsOptions(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t, wiretest.Handle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Trace") != "1" || r.Header.Get("X-Team") != "blue" {
				w.WriteHeader(400)
			}
			_, _ = w.Write([]byte(clienttest.PolicyJSON))
		})).Forever())
		client := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			r.Header.Add("X-Trace", "1")
			return server.Transport.RoundTrip(r)
		}), runloop.WithHeader("X-Team", "blue"))
		opts := []runloop.Option{runloop.WithUserAgent("orchestrator/1"), runloop.WithMaxRetries(1)}

		var wait sync.WaitGroup
		for i := range 50 {
			wait.Go(func() {
				assert.NoError(t, clienttest.UpdatePolicy(t.Context(), client, opts[:i%3]...))
				assert.NoError(t, clienttest.GetPolicy(t.Context(), client))
			})
		}
		wait.Wait()

		assert.Len(t, server.Requests(), 100)
	})(t)
}
