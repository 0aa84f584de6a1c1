package runlooptest_test

import (
	"net/http"
	"testing"

	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAuthorization(t *testing.T) {
	t.Parallel()
	const key = "s3cret-key"
	tests := []struct {
		name   string
		opts   []runlooptest.Option
		header []string // the Authorization headers
		status int
	}{
		{"any key", nil, []string{"Bearer anything"}, 200},
		{"any key, scheme in lower case", nil, []string{"bearer anything"}, 200},
		{"no header", nil, nil, 401},
		{"empty header", nil, []string{""}, 401},
		{"no token", nil, []string{"Bearer"}, 401},
		{"blank token", nil, []string{"Bearer   "}, 401},
		{"token without a scheme", nil, []string{"s3cret-key"}, 401},
		{"other scheme", nil, []string{"Basic s3cret-key"}, 401},
		{"two headers", nil, []string{"Bearer s3cret-key", "Bearer s3cret-key"}, 401},
		{"the key", []runlooptest.Option{runlooptest.WithAPIKey(key)}, []string{"Bearer s3cret-key"}, 200},
		{"another key", []runlooptest.Option{runlooptest.WithAPIKey(key)}, []string{"Bearer S3cret-key"}, 401},
		{"a longer key", []runlooptest.Option{runlooptest.WithAPIKey(key)}, []string{"Bearer s3cret-key s3cret-key"}, 401},
		{"without capability", []runlooptest.Option{runlooptest.WithoutCapability()}, []string{"Bearer s3cret-key"}, 403},
		{"without capability and key", []runlooptest.Option{runlooptest.WithoutCapability()}, nil, 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := runlooptest.NewTestServer(t, append(tt.opts, seeded(1))...)
			before := s.Policies()
			for _, target := range everyOperation {
				req, err := http.NewRequest(target.method, s.URL+target.path, http.NoBody)
				require.NoError(t, err)
				req.Header["Authorization"] = tt.header
				r, err := do(s, req)
				require.NoError(t, err)
				switch tt.status {
				case 200:
					assert.NotEqual(t, 401, r.status)
					assert.NotEqual(t, 403, r.status)
				case 401:
					requireRefusal(t, r, 401, "authentication")
					assert.Equal(t, "Bearer", r.header.Get("WWW-Authenticate"))
				case 403:
					requireRefusal(t, r, 403, "capability")
				}
				assert.NotContains(t, r.body, "key")
			}
			if tt.status != 200 {
				assert.Equal(t, before, s.Policies())
				assert.Empty(t, s.Devboxes())
			}
		})
	}
}

// everyOperation leads to every operation once, each on something that exists
// when one policy is seeded.
var everyOperation = []struct {
	op           runlooptest.Operation
	method, path string
}{
	{runlooptest.CreateDevbox, "POST", "/v1/devboxes"},
	{runlooptest.ListDevboxes, "GET", "/v1/devboxes"},
	{runlooptest.GetDevbox, "GET", "/v1/devboxes/dbx_000001"},
	{runlooptest.WaitForDevboxStatus, "POST", "/v1/devboxes/dbx_000001/wait_for_status"},
	{runlooptest.ShutdownDevbox, "POST", "/v1/devboxes/dbx_000001/shutdown"},
	{runlooptest.CreateNetworkPolicy, "POST", "/v1/network-policies"},
	{runlooptest.ListNetworkPolicies, "GET", "/v1/network-policies"},
	{runlooptest.GetNetworkPolicy, "GET", "/v1/network-policies/npol_000001"},
	{runlooptest.UpdateNetworkPolicy, "POST", "/v1/network-policies/npol_000001"},
	{runlooptest.DeleteNetworkPolicy, "POST", "/v1/network-policies/npol_000001/delete"},
}

func TestTheKeyIsNeverAnswered(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithAPIKey("right"))
	for _, target := range append(everyOperation, everyOperation[0]) {
		req, err := http.NewRequest(target.method, s.URL+target.path, http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer wrong-secret")
		r, err := do(s, req)
		require.NoError(t, err)
		assert.NotContains(t, r.body, "secret")
		for _, values := range r.header {
			assert.NotContains(t, values, "secret")
		}
	}
}
