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

func TestNewIDsAreNotTaken(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithPolicies(
		runloop.NetworkPolicy{ID: "npol_000001", Name: "a"}, runloop.NetworkPolicy{ID: "npol_000003", Name: "b"}))
	assert.Equal(t, "npol_000002", create(t, s, `{"name": "c"}`))
	assert.Equal(t, "npol_000004", create(t, s, `{"name": "d"}`))
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
	for name, f := range map[string]func(){
		"no name":                     func() { s.AddPolicy(runloop.NetworkPolicy{}) },
		"blank name":                  func() { s.AddPolicy(runloop.NetworkPolicy{Name: " "}) },
		"taken name":                  func() { s.AddPolicy(runloop.NetworkPolicy{Name: "policy-0001"}) },
		"taken ID":                    func() { s.AddPolicy(runloop.NetworkPolicy{Name: "new", ID: "npol_000001"}) },
		"taken name of an option":     func() { runlooptest.New(seeded(2), seeded(1)) },
		"conflict status":             func() { runlooptest.WithConflictStatus(422) },
		"unknown-ID status":           func() { runlooptest.WithUnknownIDStatus(410) },
		"rate below 0":                func() { runlooptest.WithRandomFaults(-0.1, 1) },
		"rate above 1":                func() { runlooptest.WithRandomFaults(1.1, 1) },
		"rate that is not a number":   func() { runlooptest.WithRandomFaults(math.NaN(), 1) },
		"negative latency":            func() { runlooptest.WithLatency(-1) },
		"protocol in lower case":      func() { runlooptest.WithDefaultProtocol("tcp") },
		"negative startup":            func() { runlooptest.WithStartup(-1) },
		"informational status":        func() { runlooptest.Respond(100, "") },
		"status beyond 999":           func() { runlooptest.Status(1000) },
		"negative cut":                func() { runlooptest.CutBody(-1) },
		"negative delay":              func() { runlooptest.Late(-1) },
		"unknown operation":           func() { s.Inject("listPolicies", runlooptest.Status(503)) },
		"no operation":                func() { s.Inject("", runlooptest.Status(503)) },
		"no cursor to repeat":         func() { s.Inject(runlooptest.GetNetworkPolicy, runlooptest.RepeatCursor()) },
		"empty status":                func() { s.ScriptDevboxes(runlooptest.DevboxScript{Statuses: []string{"queued", ""}}) },
		"reason without its status":   func() { s.ScriptDevboxes(runlooptest.DevboxScript{Statuses: []string{"queued"}, FailureReason: "x"}) },
		"reason without any status":   func() { s.ScriptDevboxes(runlooptest.DevboxScript{FailureReason: "x"}) },
		"shutdown reason of failure":  func() { s.ScriptDevboxes(runlooptest.DevboxScript{Statuses: []string{"failure"}, ShutdownReason: "x"}) },
		"EchoFrom without Echo":       func() { s.ScriptDevboxes(runlooptest.DevboxScript{EchoFrom: 2}) },
		"negative EchoFrom":           func() { s.ScriptDevboxes(runlooptest.DevboxScript{Echo: new(""), EchoFrom: -1}) },
		"launch parameters in a list": func() { s.AddDevbox(runlooptest.Devbox{LaunchParameters: []byte(`[]`)}) },
		"launch parameters cut off":   func() { s.AddDevbox(runlooptest.Devbox{LaunchParameters: []byte(`{`)}) },
	} {
		assert.Panics(t, f, name)
	}
	runlooptest.Respond(200, "")
	runlooptest.Respond(999, "")
	runlooptest.WithRandomFaults(0, 1)
	assert.Len(t, s.Policies(), 1)
	assert.Empty(t, s.Devboxes())
	assert.Empty(t, s.Unfired())
	create(t, s, `{"name": "the lock is free"}`)
}
