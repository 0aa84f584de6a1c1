package runlooptest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzAPI sends any method, path, query and body: the fake never fails by itself,
// and every answer is one JSON object.
func FuzzAPI(f *testing.F) {
	for _, target := range everyOperation {
		f.Add(target.method, target.path, "limit=1&starting_after=npol_000001", `{}`)
	}
	f.Add("POST", "/v1/network-policies", "", `{"name": "x", "allowed_hostnames": ["a.example", null], "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 1, "end_port": 2, "protocol": "TCP"}]}]}`)
	f.Add("POST", "/v1/network-policies/npol_000001", "", `{"name": "\ud800", "allow_all": null}`)
	f.Add("POST", "/v1/network-policies/npol_000001/delete", "", "\xff")
	f.Add("POST", "/v1/devboxes", "", `{"launch_parameters": {"network_policy_id": "npol_000001"}, "metadata": {"a": "b"}}`)
	f.Add("GET", "/v1/network-policies/%2e%2e/%2F", "name=%ff&;=&limit=99999999999", ``)
	f.Add("HEAD", "//v1/../v1/network-policies", "%", `[`)
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		u.RawQuery = query
		api := runlooptest.New(seeded(2))
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Method, r.URL = method, u
		r.Header.Set("Authorization", "Bearer x")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)

		require.Less(t, w.Code, 500, w.Body)
		assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
		var object map[string]any
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &object), w.Body)
		if w.Code >= 400 {
			assert.NotEmpty(t, object["message"])
		}
		for _, p := range api.Policies() {
			assert.NotEmpty(t, strings.TrimSpace(p.Name))
			assert.True(t, utf8.ValidString(p.Name))
		}
	})
}
