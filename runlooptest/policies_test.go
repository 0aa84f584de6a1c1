package runlooptest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const everyFieldNull = `{"name": null, "description": null, "allow_all": null, "allow_devbox_to_devbox": null, "allowed_hostnames": null,
	"allow_agent_gateway": null, "allow_mcp_gateway": null, "allow_runloop_mirrors": null, "allowed_cidrs": null}`

func TestCreateAndGetShowTheWholePolicy(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ body, description, rules string }{
		"every default": {`{"name": "build"}`, "null", ""},
		"null":          {strings.Replace(everyFieldNull, `"name": null`, `"name": "build"`, 1), "null", ""},
		"every field": {
			`{"name": "build", "description": "registries <only> é", "allow_all": false,
				"allow_devbox_to_devbox": true, "allowed_hostnames": ["github.com", "*.npmjs.org"], "allow_agent_gateway": true,
				"allow_mcp_gateway": true, "allow_runloop_mirrors": true, "allowed_cidrs": [
					{"cidr": "10.0.0.0/8"}, {"cidr": "0.0.0.0/0", "ports": null}, {"cidr": "192.0.2.1/32", "ports": [
					{"port": 1}, {"port": 65535, "end_port": 65535, "protocol": "UDP"}, {"port": 22, "end_port": null, "protocol": null}]}]}`,
			`"registries <only> é"`,
			`"allow_devbox_to_devbox": true, "allowed_hostnames": ["github.com", "*.npmjs.org"], "allow_agent_gateway": true,
				"allow_mcp_gateway": true, "allow_runloop_mirrors": true, "allowed_cidrs": [
					{"cidr": "10.0.0.0/8", "ports": []}, {"cidr": "0.0.0.0/0", "ports": []}, {"cidr": "192.0.2.1/32", "ports": [
					{"port": 1, "end_port": null, "protocol": null}, {"port": 65535, "end_port": 65535, "protocol": "UDP"},
					{"port": 22, "end_port": null, "protocol": null}]}]`,
		},
		"allow_all turns on devbox-to-devbox and keeps host names": {
			`{"name": "build", "allow_all": true, "allow_devbox_to_devbox": false, "allowed_hostnames": ["a.example"]}`, "null",
			`"allow_all": true, "allow_devbox_to_devbox": true, "allowed_hostnames": ["a.example"]`,
		},
		"devbox-to-devbox does not turn on allow_all": {
			`{"name": "build", "allow_devbox_to_devbox": true, "allowed_hostnames": ["*.a.example", "github.com", "*.b.example"]}`, "null",
			`"allow_devbox_to_devbox": true, "allowed_hostnames": ["*.a.example", "github.com", "*.b.example"]`,
		},
		"empty host names": {"{\n  \"name\": \"build\",\n  \"allowed_hostnames\": [\n  ]\n}\n", "null", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := runlooptest.NewTestServer(t, atNoon())
			want := policyJSON(t, "npol_000001", "build", tt.description, tt.rules)
			assert.JSONEq(t, want, post(t, s, policiesPath, tt.body))
			assert.JSONEq(t, want, get(t, s, policyPath))
		})
	}
}

func TestInvalidRulesAreRefused(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1))
	before := s.Policies()
	hostnames := func(items string) string { return `"allowed_hostnames": [` + items + `]` }
	cidr := func(item string) string { return `"allowed_cidrs": [` + item + `]` }
	port := func(rule string) string { return cidr(`{"cidr": "10.0.0.0/8", "ports": [` + rule + `]}`) }
	for name, tt := range map[string]struct{ rules, text string }{
		"blank name":                   {`"name": " \t\n "`, "name must not be blank"},
		"empty name":                   {`"name": ""`, "name must not be blank"},
		"null host name":               {hostnames(`"a.example", null`), "allowed_hostnames[1] is null"},
		"empty host name":              {hostnames(`""`), "allowed_hostnames[0]"},
		"space in a host name":         {hostnames(`"a example"`), "not a host name"},
		"NUL in a host name":           {hostnames(`"a\u0000"`), "not a host name"},
		"wildcard in a second label":   {hostnames(`"a.*.example"`), "first label"},
		"null CIDR":                    {cidr(`null`), "allowed_cidrs[0].cidr is required"},
		"CIDR without a range":         {cidr(`{"ports": []}`), "allowed_cidrs[0].cidr is required"},
		"address without a length":     {cidr(`{"cidr": "10.0.0.0"}`), "not an IPv4 CIDR"},
		"empty range":                  {cidr(`{"cidr": ""}`), "not an IPv4 CIDR"},
		"length beyond 32":             {cidr(`{"cidr": "10.0.0.0/33"}`), "not an IPv4 CIDR"},
		"IPv6":                         {cidr(`{"cidr": "2001:db8::/32"}`), "not an IPv4 CIDR"},
		"IPv4 in IPv6":                 {cidr(`{"cidr": "::ffff:10.0.0.0/104"}`), "not an IPv4 CIDR"},
		"host bits":                    {cidr(`{"cidr": "10.0.0.1/8"}`), `should be "10.0.0.0/8"`},
		"port 0":                       {port(`{"port": 0}`), "allowed_cidrs[0].ports[0].port"},
		"port 65536":                   {port(`{"port": 65536}`), "65535"},
		"no port":                      {port(`{"end_port": 1}`), "port is required"},
		"null port rule":               {port(`null`), "port is required"},
		"range that ends too early":    {port(`{"port": 2, "end_port": 1}`), "end_port"},
		"range that ends beyond 65535": {port(`{"port": 2, "end_port": 65536}`), "end_port"},
		"protocol in lower case":       {port(`{"port": 2, "protocol": "tcp"}`), "protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			created := tt.rules
			if !strings.HasPrefix(created, `"name"`) {
				created = `"name": "x", ` + created
			}
			postRefused(t, s, policiesPath, "{"+created+"}", tt.text)
			postRefused(t, s, policyPath, "{"+tt.rules+"}", tt.text)
			assert.Equal(t, before, s.Policies())
		})
	}
}

func TestOnlyCreateNeedsAName(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t)
	for _, body := range []string{``, `{}`, `{"name": null}`, `{"description": "x"}`} {
		postRefused(t, s, policiesPath, body, "name is required")
	}
	assert.Empty(t, s.Policies())
	create(t, s, `{"name": "x"}`)
	for _, body := range []string{``, `{}`, `{"name": null}`} {
		post(t, s, policyPath, body)
	}
	assert.Equal(t, "x", s.Policies()[0].Name)
}

func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		opts   []runlooptest.Option
		status int
	}{
		{nil, 400},
		{[]runlooptest.Option{runlooptest.WithConflictStatus(400)}, 400},
		{[]runlooptest.Option{runlooptest.WithConflictStatus(409)}, 409},
	} {
		s := runlooptest.NewTestServer(t, tt.opts...)
		a, b := policiesPath+"/"+create(t, s, `{"name": "a"}`), policiesPath+"/"+create(t, s, `{"name": "b"}`)
		requireRefusal(t, send(t, s, "POST", policiesPath, `{"name": "a"}`), tt.status, "already exists")
		requireRefusal(t, send(t, s, "POST", b, `{"name": "a", "allow_all": true}`), tt.status, "already exists")
		assert.False(t, s.Policies()[1].Egress.AllowAll, "a refused rename changes nothing")

		create(t, s, `{"name": "A"}`)
		post(t, s, a, `{"name": "a"}`)
		post(t, s, a, `{"name": "c"}`)
		post(t, s, b, `{"name": "a"}`) // free after a rename
		post(t, s, b+"/delete", ``)
		create(t, s, `{"name": "a"}`) // and after a delete
	}
}

// This test and those above repeat what Runloop's own tests of the live API assert, in
// its Python and TypeScript clients.
func TestUpdateChangesOnlyTheFieldsSent(t *testing.T) {
	t.Parallel()
	const before = `{"name": "build", "description": "old", "allow_devbox_to_devbox": true, "allow_agent_gateway": true, "allow_mcp_gateway": true,
		"allow_runloop_mirrors": true, "allowed_hostnames": ["a.example", "b.example"], "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 1}]}]}`
	type policy = runloop.NetworkPolicy
	unchanged := policy{ID: "npol_000001", Name: "build", Description: "old", CreateTime: noon, UpdateTime: noon, Egress: runloop.EgressRules{
		AllowDevboxToDevbox: true, AllowedHostnames: []string{"a.example", "b.example"}, AllowAgentGateway: true, AllowMCPGateway: true,
		AllowRunloopMirrors: true, AllowedCIDRs: []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8", Ports: []runloop.PortRule{{Port: 1}}}},
	}}
	for name, tt := range map[string]struct {
		body   string
		change func(*policy)
	}{
		"nothing":                             {`{}`, func(*policy) {}},
		"no body":                             {``, func(*policy) {}},
		"null":                                {everyFieldNull, func(*policy) {}},
		"name":                                {`{"name": "new"}`, func(p *policy) { p.Name = "new" }},
		"description":                         {`{"description": "new"}`, func(p *policy) { p.Description = "new" }},
		"an empty description":                {`{"description": ""}`, func(p *policy) { p.Description = "" }},
		"allow_all":                           {`{"allow_all": true}`, func(p *policy) { p.Egress.AllowAll = true }},
		"allow_all turns on devbox-to-devbox": {`{"allow_all": true, "allow_devbox_to_devbox": false}`, func(p *policy) { p.Egress.AllowAll = true }},
		"false": {
			`{"allow_devbox_to_devbox": false, "allow_agent_gateway": false, "allow_mcp_gateway": false, "allow_runloop_mirrors": false}`,
			func(p *policy) {
				p.Egress = runloop.EgressRules{AllowedHostnames: p.Egress.AllowedHostnames, AllowedCIDRs: p.Egress.AllowedCIDRs}
			},
		},
		"host names":    {`{"allowed_hostnames": ["c.example"]}`, func(p *policy) { p.Egress.AllowedHostnames = []string{"c.example"} }},
		"no host names": {`{"allowed_hostnames": []}`, func(p *policy) { p.Egress.AllowedHostnames = nil }},
		"CIDRs":         {`{"allowed_cidrs": [{"cidr": "192.0.2.0/24"}]}`, func(p *policy) { p.Egress.AllowedCIDRs = []runloop.AllowedCIDR{{CIDR: "192.0.2.0/24"}} }},
		"no CIDRs":      {`{"allowed_cidrs": []}`, func(p *policy) { p.Egress.AllowedCIDRs = nil }},
		"name, description and host names": {`{"name": "b", "description": "d", "allowed_hostnames": ["*.c.example"]}`, func(p *policy) {
			p.Name, p.Description, p.Egress.AllowedHostnames = "b", "d", []string{"*.c.example"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := noon
			s := runlooptest.NewTestServer(t, runlooptest.WithClock(func() time.Time { return now }))
			create(t, s, before)
			require.Equal(t, []policy{unchanged}, s.Policies())

			now = noon.Add(time.Minute)
			updated := post(t, s, policyPath, tt.body)
			want := unchanged
			want.UpdateTime = now
			tt.change(&want)
			assert.Equal(t, []policy{want}, s.Policies())
			assert.JSONEq(t, updated, get(t, s, policyPath))
		})
	}
}

func TestDevboxToDevboxStaysOnAfterAllowAll(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t)
	create(t, s, `{"name": "x", "allow_all": true}`)
	post(t, s, policyPath, `{"allow_all": false, "allowed_hostnames": ["github.com"]}`)
	assert.Equal(t, runloop.EgressRules{AllowDevboxToDevbox: true, AllowedHostnames: []string{"github.com"}}, s.Policies()[0].Egress)
	post(t, s, policyPath, `{"allow_devbox_to_devbox": false}`)
	assert.False(t, s.Policies()[0].Egress.AllowDevboxToDevbox)
	post(t, s, policyPath, `{"allow_devbox_to_devbox": true}`)
	assert.True(t, s.Policies()[0].Egress.AllowDevboxToDevbox)
}

func TestDeleteReturnsTheDeletedPolicy(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `{}`} {
		s := runlooptest.NewTestServer(t)
		create(t, s, `{"name": "x", "allowed_hostnames": ["a.example"]}`)
		postRefused(t, s, policyPath+"/delete", `{"force": true}`, "unknown field at /force")
		assert.JSONEq(t, get(t, s, policyPath), post(t, s, policyPath+"/delete", body))
		assert.Empty(t, s.Policies())
		requireRefusal(t, send(t, s, "GET", policyPath, ``), 404, "not found")
		requireRefusal(t, send(t, s, "POST", policyPath+"/delete", body), 404, "not found")
		assert.Equal(t, "npol_000002", create(t, s, `{"name": "x"}`), "IDs are not reused")
	}
}

func TestUnknownPolicies(t *testing.T) {
	t.Parallel()
	ids := []string{"npol_000001", "x", "a%2Fb", "a%20b", "%00", "é", "%FF", "npol_000001%2Fdelete", strings.Repeat("x", 9000)}
	for _, status := range []int{http.StatusNotFound, http.StatusBadRequest} {
		s := runlooptest.NewTestServer(t, runlooptest.WithUnknownIDStatus(status))
		for _, id := range ids {
			requireRefusal(t, send(t, s, "GET", policiesPath+"/"+id, ``), status, "not found")
			requireRefusal(t, send(t, s, "POST", policiesPath+"/"+id, `{}`), status, "not found")
			requireRefusal(t, send(t, s, "POST", policiesPath+"/"+id+"/delete", ``), status, "not found")
		}
	}
}

func TestPolicyLimit(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithPolicyLimit(2), seeded(1))
	b := create(t, s, `{"name": "b"}`)
	postRefused(t, s, policiesPath, `{"name": "c"}`, "limit")
	postRefused(t, s, policiesPath, `{"name": "b"}`, "already exists")
	post(t, s, policiesPath+"/"+b+"/delete", ``)
	create(t, s, `{"name": "c"}`)

	s = runlooptest.NewTestServer(t, seeded(99))
	create(t, s, `{"name": "a"}`)
	postRefused(t, s, policiesPath, `{"name": "b"}`, "limit of 100 network policies")
	assert.Len(t, s.Policies(), 100)
	for _, limit := range []int{0, -1} {
		create(t, runlooptest.NewTestServer(t, seeded(101), runlooptest.WithPolicyLimit(limit)), `{"name": "a"}`)
	}
}

func TestNormalizedNames(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithNormalizedNames(func(name string) string { return strings.ToLower(strings.TrimSpace(name)) }))
	create(t, s, `{"name": " Build "}`)
	assert.Equal(t, "build", s.Policies()[0].Name)
	postRefused(t, s, policiesPath, `{"name": "BUILD"}`, "already exists")
	post(t, s, policyPath, `{"name": "Other"}`)
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
	s := runlooptest.NewTestServer(t, seeded(1), atNoon(), runlooptest.WithUnknownFields(map[string]any{"ruleset_version": 2, "audit": map[string]any{"enabled": false}}))
	const rules = `"allow_all": true, "allow_devbox_to_devbox": true, "ruleset_version": 2, "audit": {"enabled": false}`
	assert.JSONEq(t, policyJSON(t, "npol_000002", "x", "null", rules), post(t, s, policiesPath, `{"name": "x", "allow_all": true}`))
	assert.JSONEq(t, policyJSON(t, "npol_000001", "policy-0001", "null", rules), post(t, s, policyPath, `{"allow_all": true}`))
	client, err := s.Client()
	require.NoError(t, err)
	policy, err := client.NetworkPolicies.Get(t.Context(), "npol_000001")
	require.NoError(t, err)
	assert.Equal(t, s.Policies()[0], *policy)

	for _, fields := range []map[string]any{{"allow_all": true}, {"f": func() {}}} {
		assert.Panics(t, func() { runlooptest.New(runlooptest.WithUnknownFields(fields)) }, fmt.Sprint(fields))
	}
}

func TestVersion01HasNoNewerFields(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithVersion01(), atNoon())
	const view = `{"id": "npol_000001", "name": "build", "description": "x", "egress": {
		"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": ["a.example"], "allow_agent_gateway": true, "allow_mcp_gateway": false
	}, "create_time_ms": ` + noonMS + `, "update_time_ms": ` + noonMS + `}`
	assert.JSONEq(t, view, post(t, s, policiesPath, `{"name": "build", "description": "x", "allowed_hostnames": ["a.example"], "allow_agent_gateway": true}`))
	assert.JSONEq(t, view, get(t, s, policyPath))
	assert.JSONEq(t, view, post(t, s, policyPath, `{}`))
	assert.JSONEq(t, `{"network_policies": [`+view+`], "has_more": false, "total_count": 1}`, get(t, s, policiesPath))
	for _, newer := range []string{
		`"allow_runloop_mirrors": true`, `"allow_runloop_mirrors": false`, `"allow_runloop_mirrors": null`,
		`"allowed_cidrs": []`, `"allowed_cidrs": null`, `"allowed_cidrs": [{"cidr": "10.0.0.0/8"}]`,
	} {
		postRefused(t, s, policiesPath, `{"name": "y", `+newer+`}`, "unknown field")
		postRefused(t, s, policyPath, `{`+newer+`}`, "unknown field")
	}

	added := s.AddPolicy(runloop.NetworkPolicy{Name: "0002", Egress: runloop.EgressRules{
		AllowRunloopMirrors: true, AllowedCIDRs: []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8"}},
	}})
	assert.Equal(t, runloop.EgressRules{}, added.Egress)
	assert.Len(t, field(t, get(t, s, policiesPath+"/"+added.ID), "egress"), 5)

	names, _ := list(t, s, "search=0002&search=twice")
	assert.Len(t, names, 2, "search is ignored")
	names, _ = list(t, s, "name=0002")
	assert.Len(t, names, 1)
	assert.JSONEq(t, view, post(t, s, policyPath+"/delete", ``))
}
