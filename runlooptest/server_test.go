package runlooptest_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runloop-community/runloop-go/internal/wiretest"
	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var _ runlooptest.TB = testing.TB(nil)

func TestServerOnLoopback(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewServer()
	defer s.Close()
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	assert.Equal(t, "http", u.Scheme)
	assert.Equal(t, "127.0.0.1", u.Hostname())
	assert.NotEmpty(t, u.Port())
	assert.Empty(t, u.Path)

	// Any client reaches it.
	res, err := http.Get(s.URL + "/v1/network-policies")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, 401, res.StatusCode)

	s.Close()
	_, err = http.Get(s.URL + "/v1/network-policies")
	requireRefused(t, err)
	s.Close() // once more does no harm
}

// requireRefused requires the error of a dial when nothing listens.
func requireRefused(t *testing.T, err error) {
	t.Helper()
	var refused *net.OpError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "dial", refused.Op)
	assert.ErrorContains(t, refused.Err, "refused")
}

func TestServerInMemory(t *testing.T) {
	t.Parallel()
	tb := new(fakeTB)
	s := runlooptest.NewTestServer(tb)
	other := runlooptest.NewTestServer(t)
	create(t, s, `{"name": "x"}`)
	assert.Len(t, s.Policies(), 1)
	assert.Empty(t, other.Policies(), "servers with the same URL are apart")

	tb.end()
	_, err := trySend(s, "GET", "/v1/network-policies", ``)
	requireRefused(t, err)
	s.Close()
	assert.Empty(t, tb.errors)
}

func TestHTTP2WithoutTLS(t *testing.T) {
	t.Parallel()
	wiretest.NeedHTTP2(t)
	for name, s := range map[string]*runlooptest.Server{
		"loopback": runlooptest.NewLoopbackServer(t),
		"memory":   runlooptest.NewTestServer(t),
	} {
		t.Run(name, func(t *testing.T) {
			transport := s.HTTPClient().Transport.(*http.Transport).Clone()
			transport.Protocols = new(http.Protocols)
			transport.Protocols.SetUnencryptedHTTP2(true)
			t.Cleanup(transport.CloseIdleConnections)
			post := func(body string) (reply, error) {
				req, err := http.NewRequest("POST", s.URL+"/v1/network-policies", strings.NewReader(body))
				require.NoError(t, err)
				req.Header.Set("Authorization", "Bearer any-key")
				req.Header.Set("Content-Type", "application/json")
				res, err := transport.RoundTrip(req)
				if err != nil {
					return reply{}, err
				}
				defer res.Body.Close()
				assert.Equal(t, 2, res.ProtoMajor)
				got, err := io.ReadAll(res.Body)
				return reply{res.StatusCode, res.Header, string(got)}, err
			}

			s.Inject(runlooptest.CreateNetworkPolicy,
				runlooptest.Disconnect(),
				runlooptest.Disconnect().AfterCommit(),
				runlooptest.CutBody(5),
				runlooptest.Fault{})
			for _, want := range []int{0, 1} {
				_, err := post(`{"name": "lost"}`)
				require.Error(t, err)
				assert.Len(t, s.Policies(), want)
			}
			cut, err := post(`{"name": "cut"}`)
			require.Error(t, err)
			assert.Len(t, cut.body, 5)
			taken, err := post(`{"name": "cut"}`)
			require.NoError(t, err)
			requireRefusal(t, taken, 400, "already exists")
		})
	}
}

func TestServerInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := runlooptest.NewTestServer(t)
		create(t, s, `{"name": "x"}`)
		assert.Equal(t, start.UnixMilli(), s.Policies()[0].CreateTime.UnixMilli(), "times are the bubble's")
		time.Sleep(24 * time.Hour)
		requireOK(t, send(t, s, "POST", "/v1/network-policies/npol_000001", `{}`))
		assert.Equal(t, 24*time.Hour, s.Policies()[0].UpdateTime.Sub(s.Policies()[0].CreateTime))
		// The bubble's end finds goroutines that are left over.
	})
}

func TestCloseEndsRequestsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := runlooptest.NewTestServer(t)
		s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Delay(time.Hour))
		done := make(chan error)
		go func() {
			_, err := trySend(s, "POST", "/v1/network-policies", `{"name": "x"}`)
			done <- err
		}()
		time.Sleep(time.Minute)
		start := time.Now()
		s.Close()
		assert.Zero(t, time.Since(start))
		assert.Zero(t, s.Requests()[0].Status)
		assert.Empty(t, s.Policies())
		require.Error(t, <-done)
	})
}

func TestNoDialWithoutAContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := runlooptest.NewTestServer(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		transport := s.HTTPClient().Transport.(*http.Transport)
		_, err := transport.DialContext(ctx, "tcp", "127.0.0.1:80")
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestNilClockAndLoggerAreTheDefaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := runlooptest.NewTestServer(t, runlooptest.WithClock(nil), runlooptest.WithLogger(nil))
		create(t, s, `{"name": "x"}`)
		assert.Equal(t, time.Now().UTC(), s.Policies()[0].CreateTime)
	})
}

func TestHTTPClientsMayBeConfigured(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t)
	s.HTTPClient().Timeout = time.Nanosecond
	assert.Zero(t, s.HTTPClient().Timeout, "each call makes a new one")
}

func TestAPIWithoutAServer(t *testing.T) {
	t.Parallel()
	api := runlooptest.New()
	serve := func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer x")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		return w
	}
	assert.Equal(t, 200, serve("POST", "/v1/network-policies", `{"name": "x"}`).Code)
	assert.Equal(t, 404, serve("GET", "*", ``).Code)
	api.Inject(runlooptest.GetNetworkPolicy, runlooptest.Disconnect(), runlooptest.CutBody(1))
	for range 2 {
		assert.PanicsWithValue(t, http.ErrAbortHandler, func() { serve("GET", "/v1/network-policies/npol_000001", ``) })
	}
	assert.Equal(t, 200, serve("GET", "/v1/network-policies/npol_000001", ``).Code)
}

func TestEveryAnswerHasARequestID(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t)
	s.Inject(runlooptest.ListNetworkPolicies, runlooptest.Status(503))
	seen := map[string]bool{}
	for _, path := range []string{"/v1/network-policies", "/v1/network-policies", "/v1/network-policies/x", "/nowhere", "/v1/devboxes"} {
		id := send(t, s, "GET", path, ``).header.Get("X-Runloop-Request-Id")
		assert.Regexp(t, `^req_\d{6}$`, id)
		assert.False(t, seen[id])
		seen[id] = true
	}
}

func TestDatesAreThoseOfTheAPIsClock(t *testing.T) {
	t.Parallel()
	const path = "/v1/network-policies"
	check := func(t *testing.T, s *runlooptest.Server, want time.Time) {
		t.Helper()
		s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Fault{}, runlooptest.Page(502), runlooptest.Status(503).WithHeader("Date", "yesterday"))
		for _, date := range []string{want.Format(http.TimeFormat), want.Format(http.TimeFormat), "yesterday"} {
			assert.Equal(t, []string{date}, send(t, s, "POST", path, `{"name": "x"}`).header["Date"])
		}
		assert.Equal(t, want, s.Policies()[0].CreateTime)
		assert.Equal(t, want, s.Requests()[0].Time.UTC())
	}
	bothServers := map[string]func(runlooptest.TB, ...runlooptest.Option) *runlooptest.Server{
		"in memory": runlooptest.NewTestServer, "on loopback": runlooptest.NewLoopbackServer,
	}
	for name, newServer := range bothServers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, newServer(t, atNoon()), noon)
			check(t, newServer(t, runlooptest.WithClockSkew(-24*time.Hour), atNoon()), noon.Add(-24*time.Hour))
		})
	}
	t.Run("in a bubble", inBubble(func(t *testing.T) {
		check(t, runlooptest.NewTestServer(t), time.Now().UTC())
		time.Sleep(time.Hour)
		s := runlooptest.NewTestServer(t, runlooptest.WithClockSkew(6*time.Minute), runlooptest.WithStartup(time.Second))
		check(t, s, time.Now().UTC().Add(6*time.Minute))

		// A startup takes as long as it does on a clock that is right.
		requireOK(t, send(t, s, "POST", "/v1/devboxes", ``))
		assert.Equal(t, "provisioning", statusOf(t, s, "dbx_000001"))
		time.Sleep(time.Second)
		assert.Equal(t, "running", statusOf(t, s, "dbx_000001"))
		assert.Equal(t, time.Now().UTC().Add(6*time.Minute-time.Second), s.Devboxes()[0].CreateTime)
	}))
}
