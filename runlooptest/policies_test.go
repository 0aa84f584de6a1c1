package runlooptest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCreateAnswersTheWholeView(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, want string }{
		{
			name: "name only: every default, and nothing allowed",
			body: `{"name": "build"}`,
			want: `{
				"id": "npol_000001", "name": "build", "description": null,
				"egress": {
					"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [],
					"allow_agent_gateway": false, "allow_mcp_gateway": false,
					"allow_runloop_mirrors": false, "allowed_cidrs": []
				},
				"create_time_ms": ` + noonMS + `, "update_time_ms": ` + noonMS + `
			}`,
		},
		{
			name: "null is the default",
			body: `{
				"name": "build", "description": null, "allow_all": null, "allow_devbox_to_devbox": null,
				"allowed_hostnames": null, "allow_agent_gateway": null, "allow_mcp_gateway": null,
				"allow_runloop_mirrors": null, "allowed_cidrs": null
			}`,
			want: `{
				"id": "npol_000001", "name": "build", "description": null,
				"egress": {
					"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [],
					"allow_agent_gateway": false, "allow_mcp_gateway": false,
					"allow_runloop_mirrors": false, "allowed_cidrs": []
				},
				"create_time_ms": ` + noonMS + `, "update_time_ms": ` + noonMS + `
			}`,
		},
		{
			name: "every member",
			body: `{
				"name": "build", "description": "registries <only> é", "allow_all": false,
				"allow_devbox_to_devbox": true, "allowed_hostnames": ["github.com", "*.npmjs.org"],
				"allow_agent_gateway": true, "allow_mcp_gateway": true, "allow_runloop_mirrors": true,
				"allowed_cidrs": [
					{"cidr": "10.0.0.0/8"},
					{"cidr": "192.0.2.1/32", "ports": [
						{"port": 443},
						{"port": 8000, "end_port": 8080, "protocol": "UDP"},
						{"port": 22, "end_port": null, "protocol": null}
					]},
					{"cidr": "0.0.0.0/0", "ports": null}
				]
			}`,
			want: `{
				"id": "npol_000001", "name": "build", "description": "registries <only> é",
				"egress": {
					"allow_all": false, "allow_devbox_to_devbox": true,
					"allowed_hostnames": ["github.com", "*.npmjs.org"],
					"allow_agent_gateway": true, "allow_mcp_gateway": true, "allow_runloop_mirrors": true,
					"allowed_cidrs": [
						{"cidr": "10.0.0.0/8", "ports": []},
						{"cidr": "192.0.2.1/32", "ports": [
							{"port": 443, "end_port": null, "protocol": null},
							{"port": 8000, "end_port": 8080, "protocol": "UDP"},
							{"port": 22, "end_port": null, "protocol": null}
						]},
						{"cidr": "0.0.0.0/0", "ports": []}
					]
				},
				"create_time_ms": ` + noonMS + `, "update_time_ms": ` + noonMS + `
			}`,
		},
		{
			name: "allow_all turns devbox-to-devbox on and stores the host names",
			body: `{"name": "open", "allow_all": true, "allow_devbox_to_devbox": false, "allowed_hostnames": ["a.example"]}`,
			want: `{
				"id": "npol_000001", "name": "open", "description": null,
				"egress": {
					"allow_all": true, "allow_devbox_to_devbox": true, "allowed_hostnames": ["a.example"],
					"allow_agent_gateway": false, "allow_mcp_gateway": false,
					"allow_runloop_mirrors": false, "allowed_cidrs": []
				},
				"create_time_ms": ` + noonMS + `, "update_time_ms": ` + noonMS + `
			}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := runlooptest.NewTestServer(t, atNoon())
			created := requireOK(t, send(t, s, "POST", "/v1/network-policies", tt.body))
			assert.JSONEq(t, tt.want, created)
			assert.JSONEq(t, tt.want, requireOK(t, send(t, s, "GET", "/v1/network-policies/npol_000001", "")))
		})
	}
}

func TestRulesAreChecked(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, members, text string }{
		{"blank name", `"name": " \t\n "`, "name must not be blank"},
		{"empty name", `"name": ""`, "name must not be blank"},
		{"null host name", `"name": "x", "allowed_hostnames": ["a.example", null]`, "allowed_hostnames[1] is null"},
		{"empty host name", `"name": "x", "allowed_hostnames": [""]`, "allowed_hostnames[0]"},
		{"blank in a host name", `"name": "x", "allowed_hostnames": ["a example"]`, "not a host name"},
		{"NUL in a host name", `"name": "x", "allowed_hostnames": ["a\u0000"]`, "not a host name"},
		{"wildcard in the second label", `"name": "x", "allowed_hostnames": ["a.*.example"]`, "first label"},
		{"null CIDR", `"name": "x", "allowed_cidrs": [null]`, "allowed_cidrs[0].cidr is required"},
		{"CIDR without a range", `"name": "x", "allowed_cidrs": [{"ports": []}]`, "allowed_cidrs[0].cidr is required"},
		{"address without a length", `"name": "x", "allowed_cidrs": [{"cidr": "10.0.0.0"}]`, "not an IPv4 CIDR"},
		{"empty range", `"name": "x", "allowed_cidrs": [{"cidr": ""}]`, "not an IPv4 CIDR"},
		{"length beyond 32", `"name": "x", "allowed_cidrs": [{"cidr": "10.0.0.0/33"}]`, "not an IPv4 CIDR"},
		{"IPv6", `"name": "x", "allowed_cidrs": [{"cidr": "2001:db8::/32"}]`, "not an IPv4 CIDR"},
		{"IPv4 in IPv6", `"name": "x", "allowed_cidrs": [{"cidr": "::ffff:10.0.0.0/104"}]`, "not an IPv4 CIDR"},
		{"host bits", `"name": "x", "allowed_cidrs": [{"cidr": "10.0.0.1/8"}]`, `should be \"10.0.0.0/8\"`},
		{"port 0", `"name": "x", "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 0}]}]`, "allowed_cidrs[0].ports[0].port"},
		{"port 65536", `"name": "x", "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 65536}]}]`, "65535"},
		{"no port", `"name": "x", "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"end_port": 1}]}]`, "port is required"},
		{"null port rule", `"name": "x", "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [null]}]`, "port is required"},
		{"end before start", `"name": "x", "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 2, "end_port": 1}]}]`, "end_port"},
		{"end beyond 65535", `"name": "x", "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 2, "end_port": 65536}]}]`, "end_port"},
		{"protocol", `"name": "x", "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 2, "protocol": "tcp"}]}]`, "protocol"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := runlooptest.NewTestServer(t, runlooptest.WithPolicies(runloop.NetworkPolicy{Name: "old"}))
			before := s.Policies()
			text := strings.ReplaceAll(tt.text, `\"`, `"`)
			requireRefusal(t, send(t, s, "POST", "/v1/network-policies", "{"+tt.members+"}"), 400, text)
			requireRefusal(t, send(t, s, "POST", "/v1/network-policies/npol_000001", "{"+tt.members+"}"), 400, text)
			assert.Equal(t, before, s.Policies())
		})
	}
}

func TestNameIsRequiredOnCreateOnly(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t)
	for _, body := range []string{``, `{}`, `{"name": null}`, `{"description": "x"}`} {
		requireRefusal(t, send(t, s, "POST", "/v1/network-policies", body), 400, "name is required")
	}
	assert.Empty(t, s.Policies())
	id := create(t, s, `{"name": "x"}`)
	for _, body := range []string{``, `{}`, `{"name": null}`} {
		requireOK(t, send(t, s, "POST", "/v1/network-policies/"+id, body))
	}
	assert.Equal(t, "x", s.Policies()[0].Name)
}

func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		opts   []runlooptest.Option
		status int
	}{
		{"as the description says", nil, 400},
		{"400 by option", []runlooptest.Option{runlooptest.WithConflictStatus(http.StatusBadRequest)}, 400},
		{"409 by option", []runlooptest.Option{runlooptest.WithConflictStatus(http.StatusConflict)}, 409},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := runlooptest.NewTestServer(t, tt.opts...)
			a := create(t, s, `{"name": "a"}`)
			b := create(t, s, `{"name": "b"}`)
			requireRefusal(t, send(t, s, "POST", "/v1/network-policies", `{"name": "a"}`), tt.status, "already exists")
			requireRefusal(t, send(t, s, "POST", "/v1/network-policies/"+b, `{"name": "a", "allow_all": true}`), tt.status, "already exists")
			assert.False(t, s.Policies()[1].Egress.AllowAll, "a refused rename must change nothing")

			// Names count to the letter, and a name is free again after a rename
			// and after a delete.
			create(t, s, `{"name": "A"}`)
			requireOK(t, send(t, s, "POST", "/v1/network-policies/"+a, `{"name": "a"}`))
			requireOK(t, send(t, s, "POST", "/v1/network-policies/"+a, `{"name": "c"}`))
			requireOK(t, send(t, s, "POST", "/v1/network-policies/"+b, `{"name": "a"}`))
			requireOK(t, send(t, s, "POST", "/v1/network-policies/"+b+"/delete", ``))
			create(t, s, `{"name": "a"}`)
		})
	}
}

func TestUpdateMergesByField(t *testing.T) {
	t.Parallel()
	const before = `{
		"name": "build", "description": "old", "allow_devbox_to_devbox": true,
		"allowed_hostnames": ["a.example", "b.example"], "allow_agent_gateway": true,
		"allow_mcp_gateway": true, "allow_runloop_mirrors": true,
		"allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 1}]}]
	}`
	unchanged := runloop.NetworkPolicy{
		ID: "npol_000001", Name: "build", Description: "old", CreateTime: noon, UpdateTime: noon,
		Egress: runloop.EgressRules{
			AllowDevboxToDevbox: true,
			AllowedHostnames:    []string{"a.example", "b.example"},
			AllowAgentGateway:   true,
			AllowMCPGateway:     true,
			AllowRunloopMirrors: true,
			AllowedCIDRs:        []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8", Ports: []runloop.PortRule{{Port: 1}}}},
		},
	}
	tests := []struct {
		name, body string
		change     func(*runloop.NetworkPolicy)
	}{
		{"nothing", `{}`, func(*runloop.NetworkPolicy) {}},
		{"no body", ``, func(*runloop.NetworkPolicy) {}},
		{
			"null keeps",
			`{
				"name": null, "description": null, "allow_all": null, "allow_devbox_to_devbox": null,
				"allowed_hostnames": null, "allow_agent_gateway": null, "allow_mcp_gateway": null,
				"allow_runloop_mirrors": null, "allowed_cidrs": null
			}`,
			func(*runloop.NetworkPolicy) {},
		},
		{"name", `{"name": "new"}`, func(p *runloop.NetworkPolicy) { p.Name = "new" }},
		{"description", `{"description": "new"}`, func(p *runloop.NetworkPolicy) { p.Description = "new" }},
		{"empty description clears", `{"description": ""}`, func(p *runloop.NetworkPolicy) { p.Description = "" }},
		{"allow_all brings devbox-to-devbox", `{"allow_all": true, "allow_devbox_to_devbox": false}`, func(p *runloop.NetworkPolicy) {
			p.Egress.AllowAll = true
		}},
		{"flags off", `{"allow_devbox_to_devbox": false, "allow_agent_gateway": false, "allow_mcp_gateway": false, "allow_runloop_mirrors": false}`, func(p *runloop.NetworkPolicy) {
			p.Egress.AllowDevboxToDevbox = false
			p.Egress.AllowAgentGateway = false
			p.Egress.AllowMCPGateway = false
			p.Egress.AllowRunloopMirrors = false
		}},
		{"host names are replaced", `{"allowed_hostnames": ["c.example"]}`, func(p *runloop.NetworkPolicy) {
			p.Egress.AllowedHostnames = []string{"c.example"}
		}},
		{"host names are emptied", `{"allowed_hostnames": []}`, func(p *runloop.NetworkPolicy) {
			p.Egress.AllowedHostnames = nil
		}},
		{"CIDRs are replaced", `{"allowed_cidrs": [{"cidr": "192.0.2.0/24"}]}`, func(p *runloop.NetworkPolicy) {
			p.Egress.AllowedCIDRs = []runloop.AllowedCIDR{{CIDR: "192.0.2.0/24"}}
		}},
		{"CIDRs are emptied", `{"allowed_cidrs": []}`, func(p *runloop.NetworkPolicy) {
			p.Egress.AllowedCIDRs = nil
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			now := noon
			s := runlooptest.NewTestServer(t, runlooptest.WithClock(func() time.Time { return now }))
			id := create(t, s, before)
			require.Equal(t, []runloop.NetworkPolicy{unchanged}, s.Policies())

			now = noon.Add(time.Minute)
			updated := requireOK(t, send(t, s, "POST", "/v1/network-policies/"+id, tt.body))
			want := unchanged
			want.UpdateTime = now
			tt.change(&want)
			assert.Equal(t, []runloop.NetworkPolicy{want}, s.Policies())
			assert.JSONEq(t, updated, requireOK(t, send(t, s, "GET", "/v1/network-policies/"+id, ``)))
		})
	}
}

func TestDevboxToDevboxStaysOnWhenAllowAllGoes(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t)
	id := create(t, s, `{"name": "x", "allow_all": true}`)
	requireOK(t, send(t, s, "POST", "/v1/network-policies/"+id, `{"allow_all": false}`))
	assert.True(t, s.Policies()[0].Egress.AllowDevboxToDevbox)
	requireOK(t, send(t, s, "POST", "/v1/network-policies/"+id, `{"allow_devbox_to_devbox": false}`))
	assert.False(t, s.Policies()[0].Egress.AllowDevboxToDevbox)
}

func TestDeleteAnswersTheDeletedPolicy(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"no body": ``, "empty object": `{}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := runlooptest.NewTestServer(t)
			id := create(t, s, `{"name": "x", "allowed_hostnames": ["a.example"]}`)
			before := requireOK(t, send(t, s, "GET", "/v1/network-policies/"+id, ``))
			deleted := requireOK(t, send(t, s, "POST", "/v1/network-policies/"+id+"/delete", body))
			assert.JSONEq(t, before, deleted)
			assert.Empty(t, s.Policies())
			requireRefusal(t, send(t, s, "GET", "/v1/network-policies/"+id, ``), 404, "not found")
			requireRefusal(t, send(t, s, "POST", "/v1/network-policies/"+id+"/delete", body), 404, "not found")
			assert.NotEqual(t, id, create(t, s, `{"name": "x"}`), "ids are not used again")
		})
	}
}

func TestUnknownIDs(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusNotFound, http.StatusBadRequest} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			s := runlooptest.NewTestServer(t, runlooptest.WithUnknownIDStatus(status))
			for _, id := range []string{"npol_000001", "x", "a%2Fb", "a%20b", "%00", "é", "%FF", "npol_000001%2Fdelete", strings.Repeat("x", 9000)} {
				requireRefusal(t, send(t, s, "GET", "/v1/network-policies/"+id, ``), status, "not found")
				requireRefusal(t, send(t, s, "POST", "/v1/network-policies/"+id, `{}`), status, "not found")
				requireRefusal(t, send(t, s, "POST", "/v1/network-policies/"+id+"/delete", ``), status, "not found")
			}
		})
	}
}

func TestPolicyLimit(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithPolicyLimit(2), runlooptest.WithPolicies(runloop.NetworkPolicy{Name: "a"}))
	b := create(t, s, `{"name": "b"}`)
	requireRefusal(t, send(t, s, "POST", "/v1/network-policies", `{"name": "c"}`), 400, "limit")
	requireRefusal(t, send(t, s, "POST", "/v1/network-policies", `{"name": "b"}`), 400, "already exists")
	requireOK(t, send(t, s, "POST", "/v1/network-policies/"+b+"/delete", ``))
	create(t, s, `{"name": "c"}`)
}

func TestPolicyLimitByDefault(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(99))
	create(t, s, `{"name": "a"}`)
	requireRefusal(t, send(t, s, "POST", "/v1/network-policies", `{"name": "b"}`), 400, "limit of 100 network policies")
	assert.Len(t, s.Policies(), 100)
	for _, limit := range []int{0, -1} {
		create(t, runlooptest.NewTestServer(t, seeded(101), runlooptest.WithPolicyLimit(limit)), `{"name": "a"}`)
	}
}

func TestNormalizedNames(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithNormalizedNames(func(name string) string { return strings.ToLower(strings.TrimSpace(name)) }))
	id := create(t, s, `{"name": " Build "}`)
	assert.Equal(t, "build", s.Policies()[0].Name)
	requireRefusal(t, send(t, s, "POST", "/v1/network-policies", `{"name": "BUILD"}`), 400, "already exists")
	requireOK(t, send(t, s, "POST", "/v1/network-policies/"+id, `{"name": "Other"}`))
	assert.Equal(t, "other", s.Policies()[0].Name)
	create(t, s, `{"name": "BUILD"}`)
}

func TestDefaultProtocol(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithDefaultProtocol(runloop.ProtocolTCP))
	create(t, s, `{"name": "x", "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 1}, {"port": 2, "protocol": "UDP"}]}, {"cidr": "192.0.2.0/24"}]}`)
	assert.Equal(t, []runloop.AllowedCIDR{
		{CIDR: "10.0.0.0/8", Ports: []runloop.PortRule{{Port: 1, Protocol: runloop.ProtocolTCP}, {Port: 2, Protocol: runloop.ProtocolUDP}}},
		{CIDR: "192.0.2.0/24"},
	}, s.Policies()[0].Egress.AllowedCIDRs)
}

func TestUnknownFields(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1), runlooptest.WithUnknownFields(map[string]any{"ruleset_version": 2, "audit": map[string]any{"enabled": false}}))
	created := requireOK(t, send(t, s, "POST", "/v1/network-policies", `{"name": "x", "allow_all": true}`))
	updated := requireOK(t, send(t, s, "POST", "/v1/network-policies/npol_000001", `{"allow_all": true}`))
	for _, body := range []string{created, updated} {
		assert.Equal(t, map[string]any{
			"allow_all": true, "allow_devbox_to_devbox": true, "allowed_hostnames": []any{}, "allow_agent_gateway": false, "allow_mcp_gateway": false,
			"allow_runloop_mirrors": false, "allowed_cidrs": []any{}, "ruleset_version": 2.0, "audit": map[string]any{"enabled": false},
		}, field(t, body, "egress"))
	}
	client, err := s.Client()
	require.NoError(t, err)
	policy, err := client.NetworkPolicies.Get(t.Context(), "npol_000001")
	require.NoError(t, err)
	assert.Equal(t, s.Policies()[0], *policy)

	for name, fields := range map[string]map[string]any{
		"known field": {"allow_all": true}, "no JSON": {"f": func() {}},
	} {
		assert.Panics(t, func() { runlooptest.New(runlooptest.WithUnknownFields(fields)) }, name)
	}
}
