package runlooptest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	policiesPath = "/v1/network-policies"
	policyPath   = "/v1/network-policies/npol_000001"
	devboxesPath = "/v1/devboxes"
	devboxPath   = "/v1/devboxes/dbx_000001"
)

// everyOperation has a request for each operation, on a policy that seeded(1) adds.
var everyOperation = []struct {
	op           runlooptest.Operation
	method, path string
}{
	{runlooptest.CreateDevbox, "POST", devboxesPath},
	{runlooptest.ListDevboxes, "GET", devboxesPath},
	{runlooptest.GetDevbox, "GET", devboxPath},
	{runlooptest.WaitForDevboxStatus, "POST", devboxPath + "/wait_for_status"},
	{runlooptest.ShutdownDevbox, "POST", devboxPath + "/shutdown"},
	{runlooptest.CreateNetworkPolicy, "POST", policiesPath},
	{runlooptest.ListNetworkPolicies, "GET", policiesPath},
	{runlooptest.GetNetworkPolicy, "GET", policyPath},
	{runlooptest.UpdateNetworkPolicy, "POST", policyPath},
	{runlooptest.DeleteNetworkPolicy, "POST", policyPath + "/delete"},
}

// noon is the time of atNoon.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const noonMS = "1795348800000"

func atNoon() runlooptest.Option {
	return runlooptest.WithClock(func() time.Time { return noon })
}

// seeded returns an option that adds n policies, "policy-0001" first.
func seeded(n int) runlooptest.Option {
	policies := make([]runloop.NetworkPolicy, n)
	for i := range policies {
		policies[i].Name = fmt.Sprintf("policy-%04d", i+1)
	}
	return runlooptest.WithPolicies(policies...)
}

// networks has both kinds of servers for tests.
var networks = map[string]func(runlooptest.TB, ...runlooptest.Option) *runlooptest.Server{
	"in memory": runlooptest.NewTestServer, "on loopback": runlooptest.NewLoopbackServer,
}

// onBothNetworks runs a test on each kind of server.
func onBothNetworks(t *testing.T, test func(*testing.T, *runlooptest.Server), opts ...runlooptest.Option) {
	for name, newServer := range networks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newServer(t, opts...))
		})
	}
}

// inBubble makes a test run in virtual time.
func inBubble(test func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, test)
	}
}

// A reply is a response of the fake, read to its end.
type reply struct {
	status int
	proto  int // the major version of HTTP
	header http.Header
	body   string
}

// newRequest returns a request with a key, and with a Content-Type if it is a write.
func newRequest(s *runlooptest.Server, method, path, body string) (*http.Request, error) {
	req, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err == nil {
		req.Header.Set("Authorization", "Bearer any-key")
	}
	if err == nil && method != http.MethodGet {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

// do sends a request and reads the response.
func do(s *runlooptest.Server, req *http.Request) (reply, error) {
	return doOver(s.HTTPClient().Transport, req)
}

func doOver(transport http.RoundTripper, req *http.Request) (reply, error) {
	res, err := transport.RoundTrip(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.ProtoMajor, res.Header, string(body)}, err
}

func trySend(s *runlooptest.Server, method, path, body string) (reply, error) {
	req, err := newRequest(s, method, path, body)
	if err != nil {
		return reply{}, err
	}
	return do(s, req)
}

func send(t *testing.T, s *runlooptest.Server, method, path, body string) reply {
	t.Helper()
	r, err := trySend(s, method, path, body)
	require.NoError(t, err)
	return r
}

// get requires that a GET succeeds, and returns the body of the response.
func get(t *testing.T, s *runlooptest.Server, path string) string {
	t.Helper()
	return requireOK(t, send(t, s, "GET", path, ``))
}

// post requires that a POST succeeds, and returns the body of the response.
func post(t *testing.T, s *runlooptest.Server, path, body string) string {
	t.Helper()
	return requireOK(t, send(t, s, "POST", path, body))
}

func requireOK(t *testing.T, r reply) string {
	t.Helper()
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.Equal(t, "application/json", r.header.Get("Content-Type"))
	return r.body
}

// postRefused requires that a POST is refused with 400 and a message with the text.
func postRefused(t *testing.T, s *runlooptest.Server, path, body, text string) {
	t.Helper()
	requireRefusal(t, send(t, s, "POST", path, body), 400, text)
}

// requireRefusal requires a status and an error body of the API, with the text in its
// message.
func requireRefusal(t *testing.T, r reply, status int, text string) {
	t.Helper()
	require.Equal(t, status, r.status, r.body)
	require.Equal(t, "application/json", r.header.Get("Content-Type"))
	var body struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}
	require.NoError(t, json.Unmarshal([]byte(r.body), &body, json.RejectUnknownMembers(true)), r.body)
	assert.NotEmpty(t, body.Error)
	assert.Contains(t, body.Message, text)
}

// requireDropped requires that the server closes the connection without a response.
func requireDropped(t *testing.T, s *runlooptest.Server, path, body string) {
	t.Helper()
	_, err := trySend(s, "POST", path, body)
	require.ErrorIs(t, err, io.EOF)
}

// field returns a field of a JSON object by its path.
func field(t *testing.T, body string, path ...string) any {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal([]byte(body), &v), body)
	for _, name := range path {
		object, ok := v.(map[string]any)
		require.True(t, ok, body)
		require.Contains(t, object, name)
		v = object[name]
	}
	return v
}

// policyJSON is a policy as the fake shows it at noon. The description is JSON, and rules
// are the fields of the egress rules that differ from the default.
func policyJSON(t *testing.T, id, name, description, rules string) string {
	t.Helper()
	egress := map[string]any{
		"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": []any{}, "allow_agent_gateway": false,
		"allow_mcp_gateway": false, "allow_runloop_mirrors": false, "allowed_cidrs": []any{},
	}
	require.NoError(t, json.Unmarshal([]byte(`{`+rules+`}`), &egress))
	body, err := json.Marshal(egress)
	require.NoError(t, err)
	return fmt.Sprintf(`{"id": %q, "name": %q, "description": %s, "egress": %s, "create_time_ms": %s, "update_time_ms": %[5]s}`,
		id, name, description, body, noonMS)
}

// create creates a policy and returns its ID.
func create(t *testing.T, s *runlooptest.Server, body string) string {
	t.Helper()
	return field(t, post(t, s, policiesPath, body), "id").(string)
}

// launch launches a devbox with a policy and returns its ID.
func launch(t *testing.T, s *runlooptest.Server, policyID string) string {
	t.Helper()
	return field(t, post(t, s, devboxesPath, `{"launch_parameters": {"network_policy_id": "`+policyID+`"}}`), "id").(string)
}

// listed returns a field of the items on a page, and the whole page.
func listed(t *testing.T, s *runlooptest.Server, path, query, name string) (values []string, page map[string]any) {
	t.Helper()
	page = field(t, get(t, s, path+"?"+query)).(map[string]any)
	for _, items := range []any{page["network_policies"], page["devboxes"]} {
		if items != nil {
			for _, item := range items.([]any) {
				values = append(values, item.(map[string]any)[name].(string))
			}
		}
	}
	return values, page
}

// list returns the names of the policies on a page, and whether there are more.
func list(t *testing.T, s *runlooptest.Server, query string) (names []string, more bool) {
	t.Helper()
	names, page := listed(t, s, policiesPath, query, "name")
	return names, page["has_more"].(bool)
}
