package contract_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/contract"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// TestMain unsets the variables that the SDK reads. Clients without a base URL then send to the
// server of the document.
func TestMain(m *testing.M) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "RUNLOOP_") {
			os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}

// An edition is one state of the API: its document, and a fake that behaves accordingly.
type edition struct {
	name     string
	document *contract.Document
	recorder *contract.Recorder
	isToday  bool // it has what was added after version 0.1
}

func editions(t *testing.T) []*edition {
	t.Helper()
	return []*edition{
		{"version 0.1", version01(t), new(contract.Recorder), false},
		{"today", today(t), new(contract.Recorder), true},
	}
}

func version01(t *testing.T) *contract.Document {
	t.Helper()
	d, err := contract.Version01()
	require.NoError(t, err)
	return d
}

func today(t *testing.T) *contract.Document {
	t.Helper()
	d, err := contract.Today()
	require.NoError(t, err)
	return d
}

// An account is a fake API, and a client that reaches it through a contract.Transport.
type account struct {
	*runloop.Client
	fake *runlooptest.Server
}

// account returns a new account of the edition. Its client does not retry.
func (e *edition) account(t *testing.T, opts ...runlooptest.Option) *account {
	t.Helper()
	fake := e.fake(t, opts...)
	return &account{clientOver(t, e.checked(t, fake, e.recorder)), fake}
}

// has adds a policy to the account that has a value in every field.
func (a *account) has(name string) runloop.NetworkPolicy { return a.fake.AddPolicy(aPolicy(name)) }

func (e *edition) fake(t *testing.T, opts ...runlooptest.Option) *runlooptest.Server {
	t.Helper()
	if !e.isToday {
		opts = append(opts, runlooptest.WithVersion01())
	}
	return runlooptest.NewTestServer(t, append(opts, runlooptest.WithPolicyLimit(0))...)
}

// checked returns a transport that sends every request to the fake, and fails the test for what
// violates the contract.
func (e *edition) checked(t *testing.T, fake *runlooptest.Server, recorder *contract.Recorder) http.RoundTripper {
	t.Helper()
	base, err := url.Parse(fake.URL)
	require.NoError(t, err)
	return e.over(t, roundTripper(func(r *http.Request) (*http.Response, error) {
		r.URL.Scheme, r.URL.Host = base.Scheme, base.Host
		return fake.HTTPClient().Transport.RoundTrip(r)
	}), recorder)
}

// over returns a transport that fails the test for what violates the contract.
func (e *edition) over(t *testing.T, next http.RoundTripper, recorder *contract.Recorder) http.RoundTripper {
	report := func(err error) { t.Errorf("%s: %v", e.name, err) }
	return &contract.Transport{Document: e.document, Recorder: recorder, Next: next, Report: report}
}

// aPolicy has a value in every field. Version 0.1 stores it without those that were added later.
func aPolicy(name string) runloop.NetworkPolicy {
	return runloop.NetworkPolicy{Name: name, Description: "package registries only", Egress: runloop.EgressRules{
		AllowDevboxToDevbox: true,
		AllowedHostnames:    []string{"github.com", "*.npmjs.org"},
		AllowAgentGateway:   true,
		AllowMCPGateway:     true,
		AllowRunloopMirrors: true,
		AllowedCIDRs: []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8"}, {CIDR: "192.0.2.0/24", Ports: []runloop.PortRule{
			{Port: 443, Protocol: runloop.ProtocolTCP},
			{Port: 8000, EndPort: 8999, Protocol: runloop.ProtocolTCP},
			{Port: 53, Protocol: runloop.ProtocolUDP},
		}}},
	}}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// stub returns a transport that responds to requests with the status and the body that respond
// returns.
func stub(respond func(*http.Request) (status int, body string)) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		status, body := respond(r)
		return &http.Response{
			Status:     fmt.Sprintf("%d %s", status, http.StatusText(status)),
			StatusCode: status,
			Header:     http.Header{"Content-Type": {"application/json"}},
			Body:       io.NopCloser(strings.NewReader(body)),
			Request:    r,
		}, nil
	})
}

// canned responds to every request in the same way.
func canned(status int, body string) http.RoundTripper {
	return stub(func(*http.Request) (int, string) { return status, body })
}

// clientOver returns a client that sends through the transport, and does not retry.
func clientOver(t *testing.T, transport http.RoundTripper) *runloop.Client {
	t.Helper()
	http := runloop.WithHTTPClient(&http.Client{Transport: transport})
	client, err := runloop.NewClient(runloop.WithAPIKey("key"), http, runloop.WithMaxRetries(0))
	require.NoError(t, err)
	return client
}

// request returns a request as the SDK would send it.
func request(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header = http.Header{"Accept": {"application/json"}, "Authorization": {"Bearer key"}}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}
