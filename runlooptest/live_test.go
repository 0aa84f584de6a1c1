package runlooptest_test

import (
	"testing"

	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLiveBehaviour repeats what the tests that Runloop runs against its live API
// assert about network policies, in Runloop's TypeScript and Python clients.
func TestLiveBehaviour(t *testing.T) {
	t.Parallel()
	const path = "/v1/network-policies"
	get := func(t *testing.T, s *runlooptest.Server, id string) string {
		t.Helper()
		return requireOK(t, send(t, s, "GET", path+"/"+id, ""))
	}
	update := func(t *testing.T, s *runlooptest.Server, id, body string) {
		t.Helper()
		updated := requireOK(t, send(t, s, "POST", path+"/"+id, body))
		assert.JSONEq(t, updated, get(t, s, id), "an update is there to be read at once")
	}
	tests := []struct {
		name string
		run  func(*testing.T, *runlooptest.Server)
	}{
		{"1: create and get", func(t *testing.T, s *runlooptest.Server) {
			id := create(t, s, `{"name": "sdk-network-policy-1795348800000-abc123", "description": "d", "allowed_hostnames": ["github.com", "*.npmjs.org"]}`)
			require.NotEmpty(t, id)
			got := get(t, s, id)
			assert.Equal(t, id, field(t, got, "id"))
			assert.Equal(t, "sdk-network-policy-1795348800000-abc123", field(t, got, "name"))
			assert.Equal(t, "d", field(t, got, "description"))
			assert.Equal(t, false, field(t, got, "egress", "allow_all"))
			assert.Equal(t, false, field(t, got, "egress", "allow_devbox_to_devbox"))
			assert.Equal(t, []any{"github.com", "*.npmjs.org"}, field(t, got, "egress", "allowed_hostnames"))
		}},
		{"2: update of name, host names and description", func(t *testing.T, s *runlooptest.Server) {
			id := create(t, s, `{"name": "a", "allowed_hostnames": ["github.com"]}`)
			update(t, s, id, `{"name": "b", "description": "new", "allowed_hostnames": ["api.openai.com", "*.example.com"]}`)
			got := get(t, s, id)
			assert.Equal(t, "b", field(t, got, "name"))
			assert.Equal(t, "new", field(t, got, "description"))
			assert.Equal(t, []any{"api.openai.com", "*.example.com"}, field(t, got, "egress", "allowed_hostnames"))
		}},
		{"3: update of allow_all alone", func(t *testing.T, s *runlooptest.Server) {
			id := create(t, s, `{"name": "a"}`)
			update(t, s, id, `{"allow_all": true}`)
			assert.Equal(t, true, field(t, get(t, s, id), "egress", "allow_all"))
		}},
		{"4: update of allow_devbox_to_devbox alone", func(t *testing.T, s *runlooptest.Server) {
			id := create(t, s, `{"name": "a"}`)
			update(t, s, id, `{"allow_devbox_to_devbox": true}`)
			assert.Equal(t, true, field(t, get(t, s, id), "egress", "allow_devbox_to_devbox"))
		}},
		{"5: get after delete fails", func(t *testing.T, s *runlooptest.Server) {
			id := create(t, s, `{"name": "a"}`)
			requireOK(t, send(t, s, "POST", path+"/"+id+"/delete", `{}`))
			assert.GreaterOrEqual(t, send(t, s, "GET", path+"/"+id, "").status, 400)
		}},
		{"6: list with limit 10", func(t *testing.T, s *runlooptest.Server) {
			body := requireOK(t, send(t, s, "GET", path+"?limit=10", ""))
			assert.IsType(t, []any{}, field(t, body, "network_policies"))
		}},
		{"7: create with allow_all and no host names", func(t *testing.T, s *runlooptest.Server) {
			id := create(t, s, `{"name": "a", "allow_all": true}`)
			assert.Equal(t, true, field(t, get(t, s, id), "egress", "allow_all"))
		}},
		{"8: devbox-to-devbox does not turn allow_all on", func(t *testing.T, s *runlooptest.Server) {
			id := create(t, s, `{"name": "a", "allow_devbox_to_devbox": true, "allowed_hostnames": ["github.com"]}`)
			assert.Equal(t, true, field(t, get(t, s, id), "egress", "allow_devbox_to_devbox"))
			assert.Equal(t, false, field(t, get(t, s, id), "egress", "allow_all"))
		}},
		{"9: four mixed host names", func(t *testing.T, s *runlooptest.Server) {
			id := create(t, s, `{"name": "a", "allowed_hostnames": ["github.com", "*.npmjs.org", "api.openai.com", "*.googleapis.com"]}`)
			assert.ElementsMatch(t, []any{"github.com", "*.npmjs.org", "api.openai.com", "*.googleapis.com"},
				field(t, get(t, s, id), "egress", "allowed_hostnames"))
		}},
		{"10: empty host names are answered as an empty list", func(t *testing.T, s *runlooptest.Server) {
			id := create(t, s, `{"name": "a", "allow_all": false, "allowed_hostnames": []}`)
			assert.Equal(t, []any{}, field(t, get(t, s, id), "egress", "allowed_hostnames"))
		}},
		{"11: three wildcards", func(t *testing.T, s *runlooptest.Server) {
			id := create(t, s, `{"name": "a", "allowed_hostnames": ["*.a.example", "*.b.example", "*.c.example"]}`)
			assert.Len(t, field(t, get(t, s, id), "egress", "allowed_hostnames"), 3)
		}},
		{"12: partial updates, and host names are replaced", func(t *testing.T, s *runlooptest.Server) {
			id := create(t, s, `{"name": "a", "allowed_hostnames": ["github.com", "*.npmjs.org"]}`)
			update(t, s, id, `{"name": "b"}`)
			update(t, s, id, `{"description": "d"}`)
			update(t, s, id, `{"allowed_hostnames": ["api.openai.com"]}`)
			got := get(t, s, id)
			assert.Equal(t, "b", field(t, got, "name"))
			assert.Equal(t, "d", field(t, got, "description"))
			assert.Equal(t, []any{"api.openai.com"}, field(t, got, "egress", "allowed_hostnames"))
		}},
		{"13: from allow_all to host names in one call", func(t *testing.T, s *runlooptest.Server) {
			id := create(t, s, `{"name": "a", "allow_all": true}`)
			update(t, s, id, `{"allow_all": false, "allowed_hostnames": ["github.com"]}`)
			assert.Equal(t, false, field(t, get(t, s, id), "egress", "allow_all"))
			assert.Equal(t, []any{"github.com"}, field(t, get(t, s, id), "egress", "allowed_hostnames"))
		}},
		{"Python: three wildcards among four host names", func(t *testing.T, s *runlooptest.Server) {
			id := create(t, s, `{"name": "a", "allowed_hostnames": ["github.com", "*.a.example", "*.b.example", "*.c.example"]}`)
			assert.Len(t, field(t, get(t, s, id), "egress", "allowed_hostnames"), 4)
		}},
		{"Python: new policies are in a list at once", func(t *testing.T, s *runlooptest.Server) {
			create(t, s, `{"name": "a"}`)
			create(t, s, `{"name": "b"}`)
			names, _ := list(t, s, "limit=100")
			assert.Subset(t, names, []string{"a", "b"})
		}},
		{"Python: a list has at most limit items", func(t *testing.T, s *runlooptest.Server) {
			for _, name := range []string{"a", "b", "c"} {
				create(t, s, `{"name": "`+name+`"}`)
			}
			names, more := list(t, s, "limit=2")
			assert.Len(t, names, 2)
			assert.True(t, more)
		}},
		{"Python: delete without a body answers a view", func(t *testing.T, s *runlooptest.Server) {
			id := create(t, s, `{"name": "a"}`)
			body := requireOK(t, send(t, s, "POST", path+"/"+id+"/delete", ""))
			assert.Equal(t, id, field(t, body, "id"))
		}},
		{"devbox with a policy shows it in its launch parameters", func(t *testing.T, s *runlooptest.Server) {
			id := create(t, s, `{"name": "a", "allow_all": true}`)
			devbox := requireOK(t, send(t, s, "GET", "/v1/devboxes/"+launch(t, s, id), ""))
			assert.Equal(t, id, field(t, devbox, "launch_parameters", "network_policy_id"))
			assert.NotEmpty(t, field(t, devbox, "status"))
		}},
		{"a policy can be deleted directly after its devbox is shut down", func(t *testing.T, s *runlooptest.Server) {
			id := create(t, s, `{"name": "a"}`)
			requireOK(t, send(t, s, "POST", "/v1/devboxes/"+launch(t, s, id)+"/shutdown", ""))
			requireOK(t, send(t, s, "POST", path+"/"+id+"/delete", ""))
		}},
		{"pretty-printed bodies", func(t *testing.T, s *runlooptest.Server) {
			create(t, s, "{\n  \"name\": \"a\",\n  \"allowed_hostnames\": [\n    \"github.com\"\n  ]\n}\n")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t, runlooptest.NewTestServer(t))
		})
	}
}
