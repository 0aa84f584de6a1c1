package runlooptest_test

import (
	"testing"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
)

func TestVersion01HasNoYoungerMembers(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithVersion01(), atNoon())
	view := `{
		"id": "npol_000001", "name": "build", "description": "x",
		"egress": {
			"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": ["a.example"],
			"allow_agent_gateway": true, "allow_mcp_gateway": false
		},
		"create_time_ms": ` + noonMS + `, "update_time_ms": ` + noonMS + `
	}`
	assert.JSONEq(t, view, requireOK(t, send(t, s, "POST", "/v1/network-policies",
		`{"name": "build", "description": "x", "allowed_hostnames": ["a.example"], "allow_agent_gateway": true}`)))
	assert.JSONEq(t, view, requireOK(t, send(t, s, "GET", "/v1/network-policies/npol_000001", ``)))
	assert.JSONEq(t, view, requireOK(t, send(t, s, "POST", "/v1/network-policies/npol_000001", `{}`)))
	assert.JSONEq(t, `{"network_policies": [`+view+`], "has_more": false, "total_count": 1}`,
		requireOK(t, send(t, s, "GET", "/v1/network-policies", ``)))

	for _, member := range []string{
		`"allow_runloop_mirrors": true`, `"allow_runloop_mirrors": false`, `"allow_runloop_mirrors": null`,
		`"allowed_cidrs": []`, `"allowed_cidrs": null`, `"allowed_cidrs": [{"cidr": "10.0.0.0/8"}]`,
	} {
		requireRefusal(t, send(t, s, "POST", "/v1/network-policies", `{"name": "y", `+member+`}`), 400, "unknown field")
		requireRefusal(t, send(t, s, "POST", "/v1/network-policies/npol_000001", `{`+member+`}`), 400, "unknown field")
	}
	assert.JSONEq(t, view, requireOK(t, send(t, s, "POST", "/v1/network-policies/npol_000001/delete", ``)))
}

func TestVersion01IgnoresSearch(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithVersion01(), seeded(3))
	names, _ := list(t, s, "search=0002&search=twice")
	assert.Len(t, names, 3)
	names, _ = list(t, s, "name=0002")
	assert.Len(t, names, 1)
}

func TestVersion01SeedsWithoutYoungerMembers(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithVersion01())
	p := s.AddPolicy(runloop.NetworkPolicy{Name: "x", Egress: runloop.EgressRules{
		AllowRunloopMirrors: true,
		AllowedCIDRs:        []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8"}},
	}})
	assert.False(t, p.Egress.AllowRunloopMirrors)
	assert.Empty(t, p.Egress.AllowedCIDRs)
	body := requireOK(t, send(t, s, "GET", "/v1/network-policies/"+p.ID, ``))
	assert.Len(t, field(t, body, "egress"), 5)
}
