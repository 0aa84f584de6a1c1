package live

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// reach returns which host the client talks to, and its User-Agent. It sends nothing.
func reach(client *runloop.Client) (host, userAgent string) {
	look := transport(func(r *http.Request) (*http.Response, error) {
		host, userAgent = r.URL.Host, r.UserAgent()
		return nil, errors.New("this is not to be sent")
	})
	// It returns an error in any case.
	_ = client.Do(context.Background(), http.MethodGet, "/", nil, nil,
		runloop.WithAPIKey("none"),
		runloop.WithHTTPClient(&http.Client{Transport: look}),
		runloop.WithMaxRetries(0),
		runloop.WithLogger(nil))
	return host, userAgent
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A requestCount counts what the SDK logs: an event of level Debug for each request.
type requestCount struct{ requests atomic.Int64 }

func (c *requestCount) count() int { return int(c.requests.Load()) }

func (c *requestCount) Enabled(context.Context, slog.Level) bool { return true }

func (c *requestCount) Handle(_ context.Context, event slog.Record) error {
	if event.Level == slog.LevelDebug {
		c.requests.Add(1)
	}
	return nil
}

func (c *requestCount) WithAttrs([]slog.Attr) slog.Handler { return c }

func (c *requestCount) WithGroup(string) slog.Handler { return c }

// It sets the environment, so it is not parallel.
func TestReach(t *testing.T) {
	t.Setenv("RUNLOOP_BASE_URL", "https://api.example.test")
	t.Setenv("RUNLOOP_CUSTOM_HEADERS", "")
	t.Setenv("RUNLOOP_API_KEY", "ak_123")
	client, err := runloop.NewClient()
	require.NoError(t, err)
	host, userAgent := reach(client)
	assert.Equal(t, "api.example.test", host)
	assert.Regexp(t, `^runloop-go/\d+\.\d+\.\d+$`, userAgent)
}

func TestRequestsAreCounted(t *testing.T) {
	t.Parallel()
	server := runlooptest.NewTestServer(t)
	requests := new(requestCount)
	client, err := server.Client(runloop.WithLogger(slog.New(requests)))
	require.NoError(t, err)

	reach(client)
	for range 3 {
		_, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{})
		require.NoError(t, err)
	}

	assert.Equal(t, 3, requests.count())
	assert.Len(t, server.Requests(), 3)
}
