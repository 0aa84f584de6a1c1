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
	policyURL   = policiesURL + "/npol_1"

	validPolicy = `{"id": "npol_1", "name": "build", "create_time_ms": 1, "update_time_ms": 1, "egress": {"allow_all": false,
		"allow_devbox_to_devbox": false, "allowed_hostnames": [], "allow_agent_gateway": false, "allow_mcp_gateway": false}}`
)

func TestTransportNoticesRequests(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		method, url, body string
		header            string // "Name: value" of one header to set
		want              string // "" for a valid request
	}{
		"valid create":         {"POST", policiesURL, `{"name": "build"}`, "", ""},
		"valid get":            {"GET", policyURL, ``, "", ""},
		"valid ID":             {"GET", policiesURL + "/a%2Fb", ``, "", ""},
		"another path":         {"GET", "https://api.runloop.ai/v1/devboxes", ``, "", "no matching operation"},
		"another server":       {"GET", "https://example.com/v1/network-policies/npol_1", ``, "", "no matching operation"},
		"plain HTTP":           {"GET", "http://api.runloop.ai/v1/network-policies/npol_1", ``, "", "no matching operation"},
		"another method":       {"PUT", policiesURL, ``, "", "method not allowed"},
		"unescaped ID":         {"GET", policiesURL + "/a/b", ``, "", "no matching operation"},
		"unknown field":        {"POST", policiesURL, `{"name": "build", "color": "red"}`, "", "color"},
		"missing field":        {"POST", policiesURL, `{"description": "x"}`, "", "name"},
		"null":                 {"POST", policiesURL, `{"name": null}`, "", "name"},
		"another type":         {"POST", policiesURL, `{"name": "build", "allow_all": "yes"}`, "", "allow_all"},
		"invalid item":         {"POST", policiesURL, `{"name": "build", "allowed_hostnames": [null]}`, "", "allowed_hostnames"},
		"repeated field":       {"POST", policiesURL, `{"name": "build", "name": "build"}`, "", "duplicate"},
		"not JSON":             {"POST", policiesURL, `name=build`, "", "request body"},
		"delete with a body":   {"POST", policyURL + "/delete", `{"force": true}`, "", "force"},
		"get with a body":      {"GET", policyURL, `{}`, "", "request body not allowed"},
		"unknown parameter":    {"GET", policyURL + "?verbose=true", ``, "", "verbose"},
		"repeated parameter":   {"GET", policiesURL + "?name=a&name=b", ``, "", "name appears 2 times"},
		"parameter's type":     {"GET", policiesURL + "?limit=many", ``, "", "limit"},
		"malformed query":      {"GET", policiesURL + "?name=%zz", ``, "", "invalid URL escape"},
		"unknown header":       {"GET", policyURL, ``, "X-Color: red", "X-Color"},
		"header of a write":    {"GET", policyURL, ``, "X-Request-Id: 1", "X-Request-Id"},
		"no credentials":       {"GET", policyURL, ``, "Authorization: ", "bearer"},
		"another scheme":       {"GET", policyURL, ``, "Authorization: Basic eDp5", "bearer"},
		"another content type": {"POST", policiesURL, `{"name": "build"}`, "Content-Type: text/plain", "Content-Type"},
		"another Accept":       {"GET", policyURL, ``, "Accept: text/html", "Accept"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := request(t, test.method, test.url, test.body)
			if name, value, found := strings.Cut(test.header, ": "); found {
				r.Header.Set(name, value)
			}
			assertReport(t, test.want, r, http.StatusOK, validPolicy)
		})
	}
}

func TestTransportNoticesResponses(t *testing.T) {
	t.Parallel()
	changed := func(old, new string) string { return strings.Replace(validPolicy, old, new, 1) }
	for name, test := range map[string]struct {
		status     int
		body, want string
	}{
		"valid":               {200, validPolicy, ""},
		"valid error":         {404, `{"message": "not found"}`, ""},
		"undocumented status": {409, `{}`, "status is not supported"},
		"no body":             {200, ``, "response body"},
		"missing field":       {200, `{"id": "npol_1"}`, "name"},
		"unknown field":       {200, changed(`"name"`, `"color": "red", "name"`), "color"},
		"later field":         {200, changed(`"allow_all"`, `"allow_runloop_mirrors": true, "allow_all"`), "allow_runloop_mirrors"},
		"repeated field":      {200, changed(`"name"`, `"name": "x", "name"`), "duplicate"},
		"another type":        {200, changed(`"create_time_ms": 1`, `"create_time_ms": 0.5`), "create_time_ms"},
		"null":                {200, changed(`[]`, `null`), "allowed_hostnames"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assertReport(t, test.want, request(t, "GET", policyURL, ""), test.status, test.body)
		})
	}
}

// assertReport asserts that there is one report with the text, or none for "". Only what is valid
// is recorded.
func assertReport(t *testing.T, want string, r *http.Request, status int, body string) {
	t.Helper()
	var reports []error
	recorder := new(contract.Recorder)
	report := func(err error) { reports = append(reports, err) }
	transport := &contract.Transport{Document: version01(t), Recorder: recorder, Next: canned(status, body), Report: report}
	_, err := transport.RoundTrip(r)
	require.NoError(t, err)
	recorded := len(recorder.Missing(version01(t))) < len(version01(t).Items())
	assert.Equal(t, len(reports) == 0, recorded)
	if want == "" {
		assert.Empty(t, reports)
	} else if assert.Len(t, reports, 1, want) {
		// The request and the response before the reason prove nothing.
		assert.ErrorContains(t, errors.Unwrap(reports[0]), want)
	}
}

// What the SDK sends for fields that were added later violates the older document.
func TestVersion01IsStrict(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(*runloop.NetworkPoliciesService){
		"allow_runloop_mirrors": func(s *runloop.NetworkPoliciesService) {
			s.Create(t.Context(), createParams{Name: "x", Egress: runloop.EgressRules{AllowRunloopMirrors: true}})
		},
		"allowed_cidrs": func(s *runloop.NetworkPoliciesService) {
			s.Update(t.Context(), "npol_1", updateParams{AllowedCIDRs: new([]runloop.AllowedCIDR)})
		},
		"search": func(s *runloop.NetworkPoliciesService) { s.List(t.Context(), listParams{Search: "x"}) },
	} {
		call(clientOver(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			assertReport(t, name, r, http.StatusBadRequest, `{}`)
			return canned(http.StatusBadRequest, `{}`).RoundTrip(r)
		})).NetworkPolicies)
	}
}

func TestTransportChangesNothing(t *testing.T) {
	t.Parallel()
	var got []byte
	next := stub(func(r *http.Request) (int, string) {
		got, _ = io.ReadAll(r.Body)
		return http.StatusOK, "a response"
	})
	transport := &contract.Transport{Document: version01(t), Next: next, Report: func(error) {}}
	r := request(t, "POST", policiesURL, "a request")
	header := r.Header.Clone()
	res, err := transport.RoundTrip(r)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	assert.Equal(t, "a request", string(got))
	assert.Equal(t, "a response", string(body))
	assert.Equal(t, header, r.Header)
}
