package contract_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/contract"
)

const (
	policiesURL = "https://api.runloop.ai/v1/network-policies"

	validPolicy = `{
		"id": "npol_1", "name": "build", "create_time_ms": 1, "update_time_ms": 1,
		"egress": {
			"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [],
			"allow_agent_gateway": false, "allow_mcp_gateway": false
		}
	}`
)

// TestTransportNoticesRequests proves the check of requests, one breach each.
func TestTransportNoticesRequests(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		method, url, body string
		header            string // "Name: value" of one header to set
		want              string // "" for a valid request
	}{
		"valid create":      {"POST", policiesURL, `{"name": "build"}`, "", ""},
		"valid get":         {"GET", policiesURL + "/npol_1", ``, "", ""},
		"valid id":          {"GET", policiesURL + "/a%2Fb", ``, "", ""},
		"another path":      {"GET", "https://api.runloop.ai/v1/devboxes", ``, "", "no matching operation"},
		"another server":    {"GET", "https://example.com/v1/network-policies/npol_1", ``, "", "no matching operation"},
		"plain HTTP":        {"GET", "http://api.runloop.ai/v1/network-policies/npol_1", ``, "", "no matching operation"},
		"another method":    {"PUT", policiesURL, ``, "", "method not allowed"},
		"unescaped id":      {"GET", policiesURL + "/a/b", ``, "", "no matching operation"},
		"unknown member":    {"POST", policiesURL, `{"name": "build", "color": "red"}`, "", "color"},
		"missing member":    {"POST", policiesURL, `{"description": "x"}`, "", "name"},
		"null":              {"POST", policiesURL, `{"name": null}`, "", "name"},
		"wrong type":        {"POST", policiesURL, `{"name": "build", "allow_all": "yes"}`, "", "allow_all"},
		"wrong item":        {"POST", policiesURL, `{"name": "build", "allowed_hostnames": [null]}`, "", "allowed_hostnames"},
		"member twice":      {"POST", policiesURL, `{"name": "build", "name": "build"}`, "", "duplicate"},
		"no JSON":           {"POST", policiesURL, `name=build`, "", "request body"},
		"delete with body":  {"POST", policiesURL + "/npol_1/delete", `{"force": true}`, "", "force"},
		"get with body":     {"GET", policiesURL + "/npol_1", `{}`, "", "request body not allowed"},
		"unknown parameter": {"GET", policiesURL + "/npol_1?verbose=true", ``, "", "verbose"},
		"parameter twice":   {"GET", policiesURL + "?name=a&name=b", ``, "", "name comes 2 times"},
		"parameter's type":  {"GET", policiesURL + "?limit=many", ``, "", "limit"},
		"malformed query":   {"GET", policiesURL + "?name=%zz", ``, "", "invalid URL escape"},
		"unknown header":    {"GET", policiesURL + "/npol_1", ``, "X-Color: red", "X-Color"},
		"header of a write": {"GET", policiesURL + "/npol_1", ``, "X-Request-Id: 1", "X-Request-Id"},
		"no credentials":    {"GET", policiesURL + "/npol_1", ``, "Authorization: ", "bearer"},
		"other credentials": {"GET", policiesURL + "/npol_1", ``, "Authorization: Basic eDp5", "bearer"},
		"other type":        {"POST", policiesURL, `{"name": "build"}`, "Content-Type: text/plain", "Content-Type"},
		"other answer":      {"GET", policiesURL + "/npol_1", ``, "Accept: text/html", "Accept"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := http.NewRequestWithContext(t.Context(), test.method, test.url, strings.NewReader(test.body))
			require.NoError(t, err)
			r.Header.Set("Accept", "application/json")
			r.Header.Set("Authorization", "Bearer key")
			if test.method == http.MethodPost {
				r.Header.Set("Content-Type", "application/json")
			}
			if name, value, found := strings.Cut(test.header, ": "); found {
				r.Header.Set(name, value)
			}
			assertReport(t, test.want, reported(t, r, http.StatusOK, validPolicy))
		})
	}
}

// TestTransportNoticesResponses proves the check of responses, one breach each.
func TestTransportNoticesResponses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status     int
		body, want string
	}{
		"valid":               {200, validPolicy, ""},
		"valid error":         {404, `{"message": "not found"}`, ""},
		"undocumented status": {409, `{}`, "status is not supported"},
		"no body":             {200, ``, "response body"},
		"missing member":      {200, `{"id": "npol_1"}`, "name"},
		"unknown member":      {200, strings.Replace(validPolicy, `"name"`, `"color": "red", "name"`, 1), "color"},
		"younger member":      {200, strings.Replace(validPolicy, `"allow_all"`, `"allow_runloop_mirrors": true, "allow_all"`, 1), "allow_runloop_mirrors"},
		"member twice":        {200, strings.Replace(validPolicy, `"name"`, `"name": "x", "name"`, 1), "duplicate"},
		"wrong type":          {200, strings.Replace(validPolicy, `"create_time_ms": 1`, `"create_time_ms": 0.5`, 1), "create_time_ms"},
		"null":                {200, strings.Replace(validPolicy, `[]`, `null`, 1), "allowed_hostnames"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, policiesURL+"/npol_1", nil)
			require.NoError(t, err)
			r.Header.Set("Accept", "application/json")
			r.Header.Set("Authorization", "Bearer key")
			assertReport(t, test.want, reported(t, r, test.status, test.body))
		})
	}
}

// TestVersion01HasNothingYounger proves that the older document is strict: what
// the SDK sends for the younger fields breaks it.
func TestVersion01HasNothingYounger(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(*runloop.NetworkPoliciesService){
		"allow_runloop_mirrors": func(s *runloop.NetworkPoliciesService) {
			s.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "x", Egress: runloop.EgressRules{AllowRunloopMirrors: true}})
		},
		"allowed_cidrs": func(s *runloop.NetworkPoliciesService) {
			s.Update(t.Context(), "npol_1", runloop.NetworkPolicyUpdateParams{AllowedCIDRs: new([]runloop.AllowedCIDR)})
		},
		"search": func(s *runloop.NetworkPoliciesService) {
			s.List(t.Context(), runloop.NetworkPolicyListParams{Search: "x"})
		},
	} {
		var breaches []error
		call(serviceOver(t, &contract.Transport{
			Document: version01(t),
			Next:     canned(http.StatusBadRequest, `{}`),
			Report:   func(err error) { breaches = append(breaches, err) },
		}))
		assertReport(t, name, breaches)
	}
}

// TestTransportChangesNothing proves that what is checked can still be read.
func TestTransportChangesNothing(t *testing.T) {
	t.Parallel()
	var got string
	transport := &contract.Transport{
		Document: version01(t),
		Next: stub(func(r *http.Request) (int, string) {
			body, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			got = string(body)
			return http.StatusOK, "an answer"
		}),
		Report: func(error) {},
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, policiesURL, strings.NewReader("a request"))
	require.NoError(t, err)
	res, err := transport.RoundTrip(r)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	assert.Equal(t, "a request", got)
	assert.Equal(t, "an answer", string(body))
	assert.Empty(t, r.Header)
}

// reported returns what is reported when the request is answered so.
func reported(t *testing.T, r *http.Request, status int, answer string) []error {
	t.Helper()
	var reports []error
	recorder := new(contract.Recorder)
	transport := &contract.Transport{
		Document: version01(t),
		Recorder: recorder,
		Next:     canned(status, answer),
		Report:   func(err error) { reports = append(reports, err) },
	}
	res, err := transport.RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	recorded := len(recorder.Missing(version01(t))) < len(version01(t).Items())
	assert.Equal(t, len(reports) == 0, recorded, "what is valid is recorded, and nothing else")
	return reports
}

// assertReport asserts that there is one report that says what, or none for "".
func assertReport(t *testing.T, what string, reports []error) {
	t.Helper()
	if what == "" {
		assert.Empty(t, reports)
		return
	}
	if assert.Len(t, reports, 1, what) {
		// What was sent, which stands before the reason, proves nothing.
		assert.ErrorContains(t, errors.Unwrap(reports[0]), what)
	}
}
