package runlooptest_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestClientReachesItsServer(t *testing.T) {
	t.Parallel()
	for name, newServer := range map[string]func(runlooptest.TB, ...runlooptest.Option) *runlooptest.Server{
		"in memory":   runlooptest.NewTestServer,
		"on loopback": runlooptest.NewLoopbackServer,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, runlooptest.WithAPIKey("the-key"))
			client, err := s.Client()
			require.NoError(t, err)
			ctx := t.Context()

			rules := runloop.EgressRules{
				AllowedHostnames:    []string{"github.com", "*.npmjs.org"},
				AllowMCPGateway:     true,
				AllowRunloopMirrors: true,
				AllowedCIDRs: []runloop.AllowedCIDR{
					{CIDR: "10.0.0.0/8", Ports: []runloop.PortRule{{Port: 1, Protocol: runloop.ProtocolUDP}, {Port: 2, EndPort: 3, Protocol: runloop.ProtocolTCP}}},
					{CIDR: "192.0.2.0/24"},
				},
			}
			created, err := client.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: "build", Description: "d", Egress: rules})
			require.NoError(t, err)
			assert.Equal(t, s.Policies()[0], *created)
			assert.Equal(t, rules, created.Egress)

			_, err = client.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: "build"})
			require.ErrorIs(t, err, runloop.ErrNameTaken)
			_, err = client.NetworkPolicies.Get(ctx, "npol_999999")
			require.ErrorIs(t, err, runloop.ErrNotFound)

			var devbox struct {
				ID string `json:"id"`
			}
			require.NoError(t, client.Do(ctx, http.MethodPost, "/v1/devboxes", map[string]any{
				"launch_parameters": map[string]string{"network_policy_id": created.ID},
			}, &devbox))
			_, err = client.NetworkPolicies.Delete(ctx, created.ID)
			require.ErrorIs(t, err, runloop.ErrPolicyInUse)
			require.NoError(t, client.Do(ctx, http.MethodPost, "/v1/devboxes/"+devbox.ID+"/shutdown", nil, nil))
			deleted, err := client.NetworkPolicies.Delete(ctx, created.ID)
			require.NoError(t, err)
			assert.Equal(t, created, deleted)
		})
	}
}

func TestClientOptionsComeAfterTheServers(t *testing.T) {
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
func TestClientReadsNothingFromTheEnvironment(t *testing.T) {
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
	s.ResetRequests()
	_, err = client.NetworkPolicies.Get(t.Context(), "npol_000001")
	require.NoError(t, err)
	header := s.Requests()[0].Header
	assert.Empty(t, header["X-From-Environment"])
	assert.Equal(t, []string{"yes"}, header["X-From-Option"])
}

// An outage of hours, in no time: the client's retries wait on the bubble's clock.
func TestClientInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := runlooptest.NewTestServer(t)
		client, err := s.Client()
		require.NoError(t, err)
		s.Inject(runlooptest.CreateNetworkPolicy,
			runlooptest.Status(429).WithHeader("Retry-After", "45"),
			runlooptest.Disconnect().AfterCommit(),
		)
		start := time.Now()
		policy, err := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build"})
		require.NoError(t, err)
		assert.GreaterOrEqual(t, time.Since(start), 45*time.Second)
		assert.Equal(t, []runloop.NetworkPolicy{*policy}, s.Policies())

		s.Inject(runlooptest.GetNetworkPolicy, runlooptest.Delay(time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = client.NetworkPolicies.Get(ctx, policy.ID)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestVersion01AcceptsTheClient(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithVersion01())
	client, err := s.Client()
	require.NoError(t, err)
	params := runloop.NetworkPolicyCreateParams{Name: "build", Egress: runloop.EgressRules{AllowedHostnames: []string{"a.example"}}}
	policy, err := client.NetworkPolicies.Ensure(t.Context(), params)
	require.NoError(t, err)
	assert.Equal(t, s.Policies()[0].ID, policy.ID)
	params.Egress.AllowMCPGateway = true
	_, err = client.NetworkPolicies.Apply(t.Context(), params)
	require.NoError(t, err)
	assert.True(t, s.Policies()[0].Egress.AllowMCPGateway)
}
