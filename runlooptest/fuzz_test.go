package runlooptest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// serve serves a request without a server.
func serve(api *runlooptest.API, method string, u *url.URL, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Method, r.URL = method, u
	r.Header.Set("Authorization", "Bearer x")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	return w
}

func TestAPIWithoutAServer(t *testing.T) {
	t.Parallel()
	api := runlooptest.New()
	assert.Equal(t, 200, serve(api, "POST", &url.URL{Path: policiesPath}, `{"name": "x"}`).Code)
	assert.Equal(t, 404, serve(api, "GET", &url.URL{Path: "*"}, ``).Code)
	api.Inject(runlooptest.GetNetworkPolicy, runlooptest.Disconnect(), runlooptest.CutBody(1))
	for range 2 {
		assert.PanicsWithValue(t, http.ErrAbortHandler, func() { serve(api, "GET", &url.URL{Path: policyPath}, ``) })
	}
	assert.Equal(t, 200, serve(api, "GET", &url.URL{Path: policyPath}, ``).Code)
}

// FuzzAPI sends any method, path, query and body. The response must not be a server
// error, and must be one JSON object.
func FuzzAPI(f *testing.F) {
	for _, target := range everyOperation {
		f.Add(target.method, target.path, "limit=1&starting_after=npol_000001", `{}`)
	}
	f.Add("POST", policiesPath, "", `{"name": "x", "allowed_hostnames": ["a.example", null], "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 1, "end_port": 2, "protocol": "TCP"}]}]}`)
	f.Add("POST", policyPath, "", `{"name": "\ud800", "allow_all": null}`)
	f.Add("POST", policyPath+"/delete", "", "\xff")
	f.Add("POST", devboxesPath, "", `{"launch_parameters": {"network_policy_id": "npol_000001"}, "metadata": {"a": "b"}}`)
	f.Add("GET", "/v1/network-policies/%2e%2e/%2F", "name=%ff&;=&limit=99999999999", ``)
	f.Add("HEAD", "//v1/../v1/network-policies", "%", `[`)
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		u.RawQuery = query
		api := runlooptest.New(seeded(2))
		w := serve(api, method, u, body)
		require.Less(t, w.Code, 500, w.Body)
		assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
		object := field(t, w.Body.String()).(map[string]any)
		if w.Code >= 400 {
			assert.NotEmpty(t, object["message"])
		}
		for _, p := range api.Policies() {
			assert.NotEmpty(t, strings.TrimSpace(p.Name))
			assert.True(t, utf8.ValidString(p.Name))
		}
	})
}
