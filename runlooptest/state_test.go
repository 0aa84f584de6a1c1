package runlooptest_test

import (
	"math"
	"testing"
	"time"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
)

func TestAddedPoliciesAreServed(t *testing.T) {
	t.Parallel()
	full := runloop.NetworkPolicy{
		ID: "npol_mine", Name: "full", Description: "d", CreateTime: noon.Add(-time.Hour), UpdateTime: noon.Add(-time.Minute),
		Egress: runloop.EgressRules{
			AllowDevboxToDevbox: true, AllowedHostnames: []string{"a.example"}, AllowAgentGateway: true, AllowMCPGateway: true, AllowRunloopMirrors: true,
			AllowedCIDRs: []runloop.AllowedCIDR{
				{CIDR: "10.0.0.0/8"},
				{CIDR: "192.0.2.0/24", Ports: []runloop.PortRule{{Port: 1}, {Port: 2, EndPort: 3, Protocol: runloop.ProtocolUDP}}},
			},
		},
	}
	s := runlooptest.NewTestServer(t, atNoon(), runlooptest.WithPolicies(full), runlooptest.WithPolicies(runloop.NetworkPolicy{Name: "bare"}))
	assert.JSONEq(t, `{
		"id": "npol_mine", "name": "full", "description": "d",
		"egress": {
			"allow_all": false, "allow_devbox_to_devbox": true, "allowed_hostnames": ["a.example"],
			"allow_agent_gateway": true, "allow_mcp_gateway": true, "allow_runloop_mirrors": true,
			"allowed_cidrs": [
				{"cidr": "10.0.0.0/8", "ports": []},
				{"cidr": "192.0.2.0/24", "ports": [{"port": 1, "end_port": null, "protocol": null}, {"port": 2, "end_port": 3, "protocol": "UDP"}]}
			]
		},
		"create_time_ms": 1795345200000, "update_time_ms": 1795348740000
	}`, get(t, s, policiesPath+"/npol_mine"))
	assert.Equal(t, []runloop.NetworkPolicy{full, {ID: "npol_000001", Name: "bare", CreateTime: noon, UpdateTime: noon}}, s.Policies())

	open := s.AddPolicy(runloop.NetworkPolicy{Name: "open", Egress: runloop.EgressRules{AllowAll: true}})
	assert.Equal(t, "npol_000002", open.ID)
	assert.Equal(t, runloop.EgressRules{AllowAll: true, AllowDevboxToDevbox: true}, open.Egress, "as the API would store it")
	assert.Equal(t, open, s.Policies()[2])
	assert.Len(t, s.Requests(), 1, "AddPolicy sends no request")
}

func TestStateIsNotShared(t *testing.T) {
	t.Parallel()
	rules := runloop.EgressRules{
		AllowedHostnames: []string{"a.example"},
		AllowedCIDRs:     []runloop.AllowedCIDR{{CIDR: "10.0.0.0/8", Ports: []runloop.PortRule{{Port: 1, EndPort: 2}}}},
	}
	s := runlooptest.NewTestServer(t, runlooptest.WithPolicies(runloop.NetworkPolicy{Name: "x", Egress: rules}))
	before := s.Policies()
	for _, r := range []runloop.EgressRules{rules, s.Policies()[0].Egress} {
		r.AllowedHostnames[0] = "evil.example"
		r.AllowedCIDRs[0].CIDR = "0.0.0.0/0"
		r.AllowedCIDRs[0].Ports[0] = runloop.PortRule{Port: 9, EndPort: 9}
		assert.Equal(t, before, s.Policies())
	}
}

func TestInvalidArgumentsPanic(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1))
	script := func(s runlooptest.DevboxScript) func(*runlooptest.Server) {
		return func(server *runlooptest.Server) { server.ScriptDevboxes(s) }
	}
	add := func(p runlooptest.Devbox) func(*runlooptest.Server) {
		return func(s *runlooptest.Server) { s.AddDevbox(p) }
	}
	addPolicy := func(p runloop.NetworkPolicy) func(*runlooptest.Server) {
		return func(s *runlooptest.Server) { s.AddPolicy(p) }
	}
	type server = *runlooptest.Server
	for _, tt := range []struct {
		text string
		call func(server)
	}{
		{"name is blank", addPolicy(runloop.NetworkPolicy{})},
		{"name is blank", addPolicy(runloop.NetworkPolicy{Name: " "})},
		{`name "policy-0001" is taken`, addPolicy(runloop.NetworkPolicy{Name: "policy-0001"})},
		{`ID "npol_000001" is taken`, addPolicy(runloop.NetworkPolicy{Name: "new", ID: "npol_000001"})},
		{`name "policy-0001" is taken`, func(server) { runlooptest.New(seeded(2), seeded(1)) }},
		{"duplicate", add(runlooptest.Devbox{Metadata: map[string]string{"\xff": "1", "\xfe": "2"}})},
		{"status 422 is neither", func(server) { runlooptest.WithConflictStatus(422) }},
		{"status 410 is neither", func(server) { runlooptest.WithUnknownIDStatus(410) }},
		{"-0.1 is not from 0 to 1", func(server) { runlooptest.WithRandomFaults(-0.1, 1) }},
		{"1.1 is not from 0 to 1", func(server) { runlooptest.WithRandomFaults(1.1, 1) }},
		{"NaN is not from 0 to 1", func(server) { runlooptest.WithRandomFaults(math.NaN(), 1) }},
		{"latency -1ns is negative", func(server) { runlooptest.WithLatency(-1) }},
		{`protocol "tcp" is neither`, func(server) { runlooptest.WithDefaultProtocol("tcp") }},
		{"startup -1ns is negative", func(server) { runlooptest.WithStartup(-1) }},
		{"status 199 is not from 200 to 999", func(server) { runlooptest.Respond(199, "") }},
		{"status 1000 is not from 200 to 999", func(server) { runlooptest.Status(1000) }},
		{"length -1 of a cut body", func(server) { runlooptest.CutBody(-1) }},
		{"delay -1ns is negative", func(server) { runlooptest.Late(-1) }},
		{`unknown operation "listPolicies"`, func(s server) { s.Inject("listPolicies", runlooptest.Status(503)) }},
		{`unknown operation ""`, func(s server) { s.Inject("", runlooptest.Status(503)) }},
		{"no cursor to repeat", func(s server) { s.Inject(runlooptest.GetNetworkPolicy, runlooptest.RepeatCursor()) }},
		{"a status is empty", script(runlooptest.DevboxScript{Statuses: []string{"queued", ""}})},
		{"FailureReason needs", script(runlooptest.DevboxScript{Statuses: []string{"queued"}, FailureReason: "x"})},
		{"FailureReason needs", script(runlooptest.DevboxScript{FailureReason: "x"})},
		{"ShutdownReason needs", script(runlooptest.DevboxScript{Statuses: []string{"failure"}, ShutdownReason: "x"})},
		{"EchoFrom needs Echo", script(runlooptest.DevboxScript{EchoFrom: 1})},
		{"EchoFrom is negative", script(runlooptest.DevboxScript{Echo: new(""), EchoFrom: -1})},
		{"not a JSON object", add(runlooptest.Devbox{LaunchParameters: []byte(`[]`)})},
		{"not a JSON object", add(runlooptest.Devbox{LaunchParameters: []byte(`{`)})},
	} {
		func() {
			defer func() { assert.Contains(t, recover(), tt.text) }()
			tt.call(s)
		}()
	}
	runlooptest.Respond(200, "")
	runlooptest.Respond(999, "")
	runlooptest.WithRandomFaults(0, 1)
	assert.Len(t, s.Policies(), 1)
	assert.Empty(t, s.Devboxes())
	assert.Empty(t, s.Unfired())
	create(t, s, `{"name": "the lock is free"}`)
}
