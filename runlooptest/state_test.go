package runlooptest_test

import (
	"math"
	"testing"
	"time"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
)

func TestSeededPoliciesAreServed(t *testing.T) {
	t.Parallel()
	full := runloop.NetworkPolicy{
		ID: "npol_mine", Name: "full", Description: "d",
		Egress: runloop.EgressRules{
			AllowDevboxToDevbox: true,
			AllowedHostnames:    []string{"a.example"},
			AllowAgentGateway:   true,
			AllowMCPGateway:     true,
			AllowRunloopMirrors: true,
			AllowedCIDRs: []runloop.AllowedCIDR{
				{CIDR: "10.0.0.0/8"},
				{CIDR: "192.0.2.0/24", Ports: []runloop.PortRule{{Port: 1}, {Port: 2, EndPort: 3, Protocol: runloop.ProtocolUDP}}},
			},
		},
		CreateTime: noon.Add(-time.Hour),
		UpdateTime: noon.Add(-time.Minute),
	}
	s := runlooptest.NewTestServer(t, atNoon(), runlooptest.WithPolicies(full), runlooptest.WithPolicies(runloop.NetworkPolicy{Name: "bare"}))
	assert.JSONEq(t, `{
		"id": "npol_mine", "name": "full", "description": "d",
		"egress": {
			"allow_all": false, "allow_devbox_to_devbox": true, "allowed_hostnames": ["a.example"],
			"allow_agent_gateway": true, "allow_mcp_gateway": true, "allow_runloop_mirrors": true,
			"allowed_cidrs": [
				{"cidr": "10.0.0.0/8", "ports": []},
				{"cidr": "192.0.2.0/24", "ports": [
					{"port": 1, "end_port": null, "protocol": null},
					{"port": 2, "end_port": 3, "protocol": "UDP"}
				]}
			]
		},
		"create_time_ms": 1795345200000, "update_time_ms": 1795348740000
	}`, requireOK(t, send(t, s, "GET", "/v1/network-policies/npol_mine", ``)))

	bare := runloop.NetworkPolicy{ID: "npol_000001", Name: "bare", CreateTime: noon, UpdateTime: noon}
	assert.Equal(t, []runloop.NetworkPolicy{full, bare}, s.Policies())

	open := s.AddPolicy(runloop.NetworkPolicy{Name: "open", Egress: runloop.EgressRules{AllowAll: true}})
	assert.Equal(t, "npol_000002", open.ID)
	assert.True(t, open.Egress.AllowDevboxToDevbox, "as the API would have stored it")
	assert.Equal(t, open, s.Policies()[2])
	assert.Len(t, s.Requests(), 1, "seeding is no request")
}

func TestMadeIDsAvoidSeededOnes(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithPolicies(
		runloop.NetworkPolicy{ID: "npol_000001", Name: "a"},
		runloop.NetworkPolicy{ID: "npol_000003", Name: "b"},
	))
	assert.Equal(t, "npol_000002", create(t, s, `{"name": "c"}`))
	assert.Equal(t, "npol_000004", create(t, s, `{"name": "d"}`))
}

func TestStateIsNotShared(t *testing.T) {
	t.Parallel()
	hosts := []string{"a.example"}
	cidrs := []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8", Ports: []runloop.PortRule{{Port: 1, EndPort: 2}}}}
	s := runlooptest.NewTestServer(t, runlooptest.WithPolicies(runloop.NetworkPolicy{
		Name:   "x",
		Egress: runloop.EgressRules{AllowedHostnames: hosts, AllowedCIDRs: cidrs},
	}))
	before := s.Policies()
	hosts[0] = "evil.example"
	cidrs[0].CIDR = "0.0.0.0/0"
	cidrs[0].Ports[0].EndPort = 9
	got := s.Policies()
	assert.Equal(t, before, got)
	got[0].Egress.AllowedHostnames[0] = "evil.example"
	got[0].Egress.AllowedCIDRs[0].CIDR = "0.0.0.0/0"
	got[0].Egress.AllowedCIDRs[0].Ports[0].Port = 9
	assert.Equal(t, before, s.Policies())
}

func TestPoliciesThatCannotBeAddedPanic(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1))
	for name, p := range map[string]runloop.NetworkPolicy{
		"no name":    {},
		"blank name": {Name: " "},
		"taken name": {Name: "policy-0001"},
		"taken id":   {Name: "new", ID: "npol_000001"},
	} {
		assert.Panics(t, func() { s.AddPolicy(p) }, name)
	}
	assert.Panics(t, func() { runlooptest.New(seeded(2), seeded(1)) })
	assert.Len(t, s.Policies(), 1)
	create(t, s, `{"name": "the lock is free"}`)
}

func TestOptionsThatMakeNoSensePanic(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(){
		"conflict status":   func() { runlooptest.WithConflictStatus(422) },
		"unknown-id status": func() { runlooptest.WithUnknownIDStatus(410) },
		"rate below 0":      func() { runlooptest.WithRandomFaults(-0.1, 1) },
		"rate above 1":      func() { runlooptest.WithRandomFaults(1.1, 1) },
		"negative startup":  func() { runlooptest.WithStartup(-1) },
		"rate is no number": func() { runlooptest.WithRandomFaults(math.NaN(), 1) },
	} {
		assert.Panics(t, f, name)
	}
}
