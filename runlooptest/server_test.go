package runlooptest_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/wiretest"
	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var _ runlooptest.TB = testing.TB(nil)

func TestServerOnLoopback(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewServer()
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	assert.Equal(t, &url.URL{Scheme: "http", Host: "127.0.0.1:" + u.Port()}, u)
	assert.NotEmpty(t, u.Port())
	res, err := http.Get(s.URL + policiesPath)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, 401, res.StatusCode, "any client reaches it")

	s.Close()
	_, err = http.Get(s.URL + policiesPath)
	requireRefused(t, err)
	s.Close()
}

// requireRefused requires the error of a dial to a closed port.
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
	assert.Empty(t, other.Policies(), "servers with the same URL are separate")
	s.HTTPClient().Timeout = time.Nanosecond
	assert.Zero(t, s.HTTPClient().Timeout, "each HTTPClient is a new one")

	tb.end()
	_, err := trySend(s, "GET", policiesPath, ``)
	requireRefused(t, err)
	s.Close()
	assert.Empty(t, tb.errors)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = other.HTTPClient().Transport.(*http.Transport).DialContext(ctx, "tcp", "127.0.0.1:80")
	require.ErrorIs(t, err, context.Canceled)
}

func TestHTTP2WithoutTLS(t *testing.T) {
	t.Parallel()
	wiretest.NeedHTTP2(t)
	onBothNetworks(t, func(t *testing.T, s *runlooptest.Server) {
		transport := s.HTTPClient().Transport.(*http.Transport).Clone()
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetUnencryptedHTTP2(true)
		t.Cleanup(transport.CloseIdleConnections)
		create := func(name string) (reply, error) {
			req, err := newRequest(s, "POST", policiesPath, `{"name": "`+name+`"}`)
			require.NoError(t, err)
			return doOver(transport, req)
		}
		s.Inject(runlooptest.CreateNetworkPolicy,
			runlooptest.Disconnect(), runlooptest.Disconnect().AfterCommit(), runlooptest.CutBody(5), runlooptest.Fault{})
		for policies := range 2 {
			_, err := create("lost")
			require.Error(t, err)
			assert.Len(t, s.Policies(), policies)
		}
		cut, err := create("cut")
		require.Error(t, err)
		assert.Len(t, cut.body, 5)
		taken, err := create("cut")
		require.NoError(t, err)
		requireRefusal(t, taken, 400, "already exists")
		assert.Equal(t, 2, taken.proto)
	})
}

func TestCloseEndsRequestsInProgress(t *testing.T) {
	inBubble(func(t *testing.T) {
		s := runlooptest.NewTestServer(t)
		s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Delay(time.Hour))
		done := make(chan error)
		go func() {
			_, err := trySend(s, "POST", policiesPath, `{"name": "x"}`)
			done <- err
		}()
		time.Sleep(time.Minute)
		start := time.Now()
		s.Close()
		assert.Zero(t, time.Since(start))
		assert.Zero(t, s.Requests()[0].Status)
		assert.Empty(t, s.Policies())
		require.Error(t, <-done)
	})(t)
}

func TestDatesAreThoseOfTheAPIsClock(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, s *runlooptest.Server, want time.Time) {
		t.Helper()
		s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Fault{}, runlooptest.Page(502), runlooptest.Status(503).WithHeader("Date", "yesterday"))
		for _, date := range []string{want.Format(http.TimeFormat), want.Format(http.TimeFormat), "yesterday"} {
			assert.Equal(t, []string{date}, send(t, s, "POST", policiesPath, `{"name": "x"}`).header["Date"])
		}
		assert.Equal(t, want, s.Policies()[0].CreateTime)
		assert.Equal(t, want, s.Requests()[0].Time.UTC())
	}
	check(t, runlooptest.NewTestServer(t, atNoon()), noon)
	check(t, runlooptest.NewLoopbackServer(t, runlooptest.WithClockSkew(-24*time.Hour), atNoon()), noon.Add(-24*time.Hour))
	t.Run("in a bubble", inBubble(func(t *testing.T) {
		check(t, runlooptest.NewTestServer(t), time.Now().UTC())
		time.Sleep(time.Hour)
		s := runlooptest.NewTestServer(t, runlooptest.WithClockSkew(6*time.Minute), runlooptest.WithStartup(time.Second))
		check(t, s, time.Now().UTC().Add(6*time.Minute))

		post(t, s, devboxesPath, ``)
		assert.Equal(t, "provisioning", statusOf(t, s, "dbx_000001"), "the skew does not shorten a startup")
		time.Sleep(time.Second)
		assert.Equal(t, "running", statusOf(t, s, "dbx_000001"))
		assert.Equal(t, time.Now().UTC().Add(6*time.Minute-time.Second), s.Devboxes()[0].CreateTime)
	}))
}

func TestClientReachesItsServer(t *testing.T) {
	t.Parallel()
	onBothNetworks(t, func(t *testing.T, s *runlooptest.Server) {
		client, err := s.Client()
		require.NoError(t, err)
		rules := runloop.EgressRules{
			AllowedHostnames: []string{"github.com", "*.npmjs.org"}, AllowMCPGateway: true, AllowRunloopMirrors: true,
			AllowedCIDRs: []runloop.AllowedCIDR{
				{CIDR: "10.0.0.0/8", Ports: []runloop.PortRule{{Port: 1, Protocol: runloop.ProtocolUDP}, {Port: 2, EndPort: 3, Protocol: runloop.ProtocolTCP}}},
				{CIDR: "192.0.2.0/24"},
			},
		}
		created, err := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build", Description: "d", Egress: rules})
		require.NoError(t, err)
		assert.Equal(t, s.Policies()[0], *created)
		assert.Equal(t, rules, created.Egress)
		_, err = client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build"})
		require.ErrorIs(t, err, runloop.ErrNameTaken)
	}, runlooptest.WithAPIKey("the-key"))
}

func TestClientOptionsOverrideTheServers(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithAPIKey("the-key"))
	client, err := s.Client(runloop.WithAPIKey("another"))
	require.NoError(t, err)
	_, err = client.NetworkPolicies.Get(t.Context(), "npol_000001")
	require.ErrorIs(t, err, runloop.ErrUnauthorized)
	_, err = s.Client(runloop.WithBaseURL("no url"))
	require.Error(t, err)
}

// It sets the environment, so it is not parallel.
func TestClientIgnoresTheEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"RUNLOOP_API_KEY": "not a key", "RUNLOOP_BASE_URL": "not a URL", "RUNLOOP_CUSTOM_HEADERS": "no colon",
		"HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1",
	} {
		t.Setenv(name, value)
	}
	s := runlooptest.NewTestServer(t, runlooptest.WithAPIKey("the-key"))
	client, err := s.Client()
	require.NoError(t, err)
	_, err = client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build"})
	require.NoError(t, err)

	t.Setenv("RUNLOOP_CUSTOM_HEADERS", "X-From-Environment: yes")
	client, err = s.Client(runloop.WithHeader("X-From-Option", "yes"))
	require.NoError(t, err)
	_, err = client.NetworkPolicies.Get(t.Context(), "npol_000001")
	require.NoError(t, err)
	header := s.Requests(runlooptest.GetNetworkPolicy)[0].Header
	assert.Empty(t, header["X-From-Environment"])
	assert.Equal(t, []string{"yes"}, header["X-From-Option"])
}
