package contract_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/contract"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// An edition is one state of the API: its document, and a fake that behaves
// accordingly.
type edition struct {
	name     string
	document *contract.Document
	recorder *contract.Recorder
	// younger says that the API has what is younger than version 0.1.
	younger bool
}

func editions(t *testing.T) []*edition {
	t.Helper()
	return []*edition{
		{"version 0.1", version01(t), new(contract.Recorder), false},
		{"today", live(t), new(contract.Recorder), true},
	}
}

func version01(t *testing.T) *contract.Document {
	t.Helper()
	d, err := contract.Version01()
	require.NoError(t, err)
	return d
}

func live(t *testing.T) *contract.Document {
	t.Helper()
	d, err := contract.Today()
	require.NoError(t, err)
	return d
}

// An account is a fake API, and a client that reaches it through the check of
// everything that passes.
type account struct {
	*runloop.Client
	fake *runlooptest.Server
}

// account returns a new account of the edition. Its client does not retry.
func (e *edition) account(t *testing.T, opts ...runlooptest.Option) *account {
	t.Helper()
	fake := e.fake(t, opts...)
	client, err := runloop.NewClient(
		runloop.WithAPIKey("key"),
		runloop.WithHTTPClient(e.checked(t, fake, e.recorder)),
		runloop.WithMaxRetries(0),
	)
	require.NoError(t, err)
	return &account{client, fake}
}

func (e *edition) fake(t *testing.T, opts ...runlooptest.Option) *runlooptest.Server {
	t.Helper()
	if !e.younger {
		opts = append(opts, runlooptest.WithVersion01())
	}
	opts = append(opts, runlooptest.WithPolicyLimit(0)) // the traffic has more policies
	return runlooptest.NewTestServer(t, opts...)
}

// checked returns an HTTP client that reaches the fake under the document's URL,
// and fails the test for what breaks the contract.
func (e *edition) checked(t *testing.T, fake *runlooptest.Server, recorder *contract.Recorder) *http.Client {
	t.Helper()
	base, err := url.Parse(fake.URL)
	require.NoError(t, err)
	return &http.Client{Transport: e.over(t, redirect{base, fake.HTTPClient().Transport}, recorder)}
}

// over returns a transport that fails the test for what breaks the contract.
func (e *edition) over(t *testing.T, next http.RoundTripper, recorder *contract.Recorder) http.RoundTripper {
	return &contract.Transport{
		Document: e.document,
		Recorder: recorder,
		Next:     next,
		Report:   func(err error) { t.Errorf("%s: %v", e.name, err) },
	}
}

// redirect sends every request to one server.
type redirect struct {
	to   *url.URL
	next http.RoundTripper
}

func (d redirect) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = d.to.Scheme, d.to.Host
	return d.next.RoundTrip(r)
}

// aPolicy has something in every field. An edition without the younger ones
// stores it without them.
func aPolicy(name string) runloop.NetworkPolicy {
	return runloop.NetworkPolicy{
		Name:        name,
		Description: "package registries only",
		Egress: runloop.EgressRules{
			AllowDevboxToDevbox: true,
			AllowedHostnames:    []string{"github.com", "*.npmjs.org"},
			AllowAgentGateway:   true,
			AllowMCPGateway:     true,
			AllowRunloopMirrors: true,
			AllowedCIDRs: []runloop.AllowedCIDR{
				{CIDR: "10.0.0.0/8"},
				{CIDR: "192.0.2.0/24", Ports: []runloop.PortRule{
					{Port: 443, Protocol: runloop.ProtocolTCP},
					{Port: 8000, EndPort: 8999, Protocol: runloop.ProtocolTCP},
					{Port: 53, Protocol: runloop.ProtocolUDP},
				}},
			},
		},
	}
}

// has adds a policy to the account that has something in every field.
func (a *account) has(name string) runloop.NetworkPolicy {
	return a.fake.AddPolicy(aPolicy(name))
}
