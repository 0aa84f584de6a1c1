package runlooptest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
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
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	s.Close() // once more does no harm
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
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
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
