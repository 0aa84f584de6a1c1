package contract_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go"
)

// The tests of this file tie each property of the document to a field of the SDK,
// over the wire: what is set in Go has to arrive under this very name, and the
// other way round.

func TestCreateNames(t *testing.T) {
	t.Parallel()
	type params = runloop.NetworkPolicyCreateParams
	fields := map[string]struct {
		set  func(*params)
		json string
	}{
		"name":                   {func(p *params) { p.Name = "set" }, `"set"`},
		"description":            {func(p *params) { p.Description = "set" }, `"set"`},
		"allow_all":              {func(p *params) { p.Egress.AllowAll = true }, `true`},
		"allow_devbox_to_devbox": {func(p *params) { p.Egress.AllowDevboxToDevbox = true }, `true`},
		"allowed_hostnames":      {func(p *params) { p.Egress.AllowedHostnames = []string{"set.example"} }, `["set.example"]`},
		"allow_agent_gateway":    {func(p *params) { p.Egress.AllowAgentGateway = true }, `true`},
		"allow_mcp_gateway":      {func(p *params) { p.Egress.AllowMCPGateway = true }, `true`},
		"allow_runloop_mirrors":  {func(p *params) { p.Egress.AllowRunloopMirrors = true }, `true`},
		"allowed_cidrs":          {func(p *params) { p.Egress.AllowedCIDRs = oneCIDR }, oneCIDRJSON},
	}
	requireProperties(t, "NetworkPolicyCreateParameters", fields)

	body := func(p params) map[string]json.RawMessage {
		return sentBody(t, func(s *runloop.NetworkPoliciesService) { s.Create(t.Context(), p) })
	}
	unset := body(params{Name: "unset"})
	for name, field := range fields {
		p := params{Name: "unset"}
		field.set(&p)
		sent := body(p)
		assert.JSONEq(t, field.json, string(sent[name]), name)
		delete(sent, name)
		want := maps.Clone(unset)
		delete(want, name)
		assert.Equal(t, want, sent, "%s changes nothing else", name)
	}
}

func TestUpdateNames(t *testing.T) {
	t.Parallel()
	type params = runloop.NetworkPolicyUpdateParams
	fields := map[string]struct {
		params params
		json   string
	}{
		"name":                   {params{Name: new("set")}, `"set"`},
		"description":            {params{Description: new("set")}, `"set"`},
		"allow_all":              {params{AllowAll: new(true)}, `true`},
		"allow_devbox_to_devbox": {params{AllowDevboxToDevbox: new(true)}, `true`},
		"allowed_hostnames":      {params{AllowedHostnames: &[]string{"set.example"}}, `["set.example"]`},
		"allow_agent_gateway":    {params{AllowAgentGateway: new(true)}, `true`},
		"allow_mcp_gateway":      {params{AllowMCPGateway: new(true)}, `true`},
		"allow_runloop_mirrors":  {params{AllowRunloopMirrors: new(true)}, `true`},
		"allowed_cidrs":          {params{AllowedCIDRs: &oneCIDR}, oneCIDRJSON},
	}
	requireProperties(t, "NetworkPolicyUpdateParameters", fields)
	for name, field := range fields {
		sent := sentBody(t, func(s *runloop.NetworkPoliciesService) { s.Update(t.Context(), "npol_1", field.params) })
		require.Len(t, sent, 1, name)
		assert.JSONEq(t, field.json, string(sent[name]), name)
	}
}

func TestPolicyNames(t *testing.T) {
	t.Parallel()
	fields := map[string]struct {
		json string
		get  func(*runloop.NetworkPolicy) any
		want any
	}{
		"id":             {`"npol_1"`, func(p *runloop.NetworkPolicy) any { return p.ID }, "npol_1"},
		"name":           {`"set"`, func(p *runloop.NetworkPolicy) any { return p.Name }, "set"},
		"description":    {`"set"`, func(p *runloop.NetworkPolicy) any { return p.Description }, "set"},
		"egress":         {`{"allow_all": true}`, func(p *runloop.NetworkPolicy) any { return p.Egress }, runloop.EgressRules{AllowAll: true}},
		"create_time_ms": {`86400001`, func(p *runloop.NetworkPolicy) any { return p.CreateTime }, time.Date(1970, 1, 2, 0, 0, 0, 1e6, time.UTC)},
		"update_time_ms": {`86400002`, func(p *runloop.NetworkPolicy) any { return p.UpdateTime }, time.Date(1970, 1, 2, 0, 0, 0, 2e6, time.UTC)},
	}
	requireProperties(t, "NetworkPolicyView", fields)
	for name, field := range fields {
		members := map[string]string{"id": `"npol_1"`, "egress": `{}`}
		members[name] = field.json
		policy := answered(t, object(members))
		assert.Equal(t, field.want, field.get(policy), name)
	}
}

func TestEgressNames(t *testing.T) {
	t.Parallel()
	fields := map[string]struct {
		json string
		want runloop.EgressRules
	}{
		"allow_all":              {`true`, runloop.EgressRules{AllowAll: true}},
		"allow_devbox_to_devbox": {`true`, runloop.EgressRules{AllowDevboxToDevbox: true}},
		"allowed_hostnames":      {`["set.example"]`, runloop.EgressRules{AllowedHostnames: []string{"set.example"}}},
		"allow_agent_gateway":    {`true`, runloop.EgressRules{AllowAgentGateway: true}},
		"allow_mcp_gateway":      {`true`, runloop.EgressRules{AllowMCPGateway: true}},
		"allow_runloop_mirrors":  {`true`, runloop.EgressRules{AllowRunloopMirrors: true}},
		"allowed_cidrs":          {oneCIDRJSON, runloop.EgressRules{AllowedCIDRs: oneCIDR}},
	}
	requireProperties(t, "EgressRulesView", fields)
	for name, field := range fields {
		egress := object(map[string]string{name: field.json})
		policy := answered(t, object(map[string]string{"id": `"npol_1"`, "egress": egress}))
		assert.Equal(t, field.want, policy.Egress, name)
	}
}

func TestPageNames(t *testing.T) {
	t.Parallel()
	fields := map[string]struct {
		json string
		want runloop.NetworkPolicyPage
	}{
		"network_policies": {
			`[{"id": "npol_1", "egress": {}}]`,
			runloop.NetworkPolicyPage{NetworkPolicies: []runloop.NetworkPolicy{{ID: "npol_1"}}},
		},
		"has_more":    {`true`, runloop.NetworkPolicyPage{HasMore: true}},
		"total_count": {`7`, runloop.NetworkPolicyPage{TotalCount: new(7)}},
	}
	requireProperties(t, "NetworkPolicyListView", fields)
	for name, field := range fields {
		members := map[string]string{"network_policies": `[]`, "has_more": `false`}
		members[name] = field.json
		page, err := serviceOver(t, canned(http.StatusOK, object(members))).List(t.Context(), runloop.NetworkPolicyListParams{})
		require.NoError(t, err, name)
		assert.Equal(t, field.want, *page, name)
	}
}

func TestListNames(t *testing.T) {
	t.Parallel()
	type params = runloop.NetworkPolicyListParams
	fields := map[string]struct {
		params params
		value  string
	}{
		"name":                {params{Name: "set"}, "set"},
		"id":                  {params{ID: "set"}, "set"},
		"limit":               {params{Limit: 7}, "7"},
		"starting_after":      {params{StartingAfter: "set"}, "set"},
		"include_total_count": {params{IncludeTotalCount: new(false)}, "false"},
		"search":              {params{Search: "set"}, "set"},
	}
	var parameters []string
	for _, item := range live(t).Items() {
		if name, found := strings.CutPrefix(string(item), "listNetworkPolicies: query parameter "); found {
			parameters = append(parameters, name)
		}
	}
	require.Equal(t, parameters, slices.Sorted(maps.Keys(fields)), "each parameter has its field")
	for name, field := range fields {
		var query url.Values
		serviceOver(t, stub(func(r *http.Request) (int, string) {
			query = r.URL.Query()
			return http.StatusBadRequest, `{}`
		})).List(t.Context(), field.params)
		assert.Equal(t, url.Values{name: {field.value}}, query)
	}
}

var oneCIDR = []runloop.AllowedCIDR{{
	CIDR:  "192.0.2.0/24",
	Ports: []runloop.PortRule{{Port: 8000, EndPort: 8999, Protocol: runloop.ProtocolUDP}},
}}

const oneCIDRJSON = `[{"cidr": "192.0.2.0/24", "ports": [{"port": 8000, "end_port": 8999, "protocol": "UDP"}]}]`

// requireProperties requires that the fields are those of the live schema.
func requireProperties[T any](t *testing.T, schema string, fields map[string]T) {
	t.Helper()
	require.Equal(t, live(t).Properties(schema), slices.Sorted(maps.Keys(fields)), "each property has its field")
}

// sentBody returns the body of the one request that the call sends.
func sentBody(t *testing.T, call func(*runloop.NetworkPoliciesService)) map[string]json.RawMessage {
	t.Helper()
	var body []byte
	call(serviceOver(t, stub(func(r *http.Request) (int, string) {
		var err error
		body, err = io.ReadAll(r.Body)
		assert.NoError(t, err)
		return http.StatusBadRequest, `{}`
	})))
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(body, &members), "%s", body)
	return members
}

// answered returns the policy that the SDK makes of the API's answer.
func answered(t *testing.T, answer string) *runloop.NetworkPolicy {
	t.Helper()
	policy, err := serviceOver(t, canned(http.StatusOK, answer)).Get(t.Context(), "npol_1")
	require.NoError(t, err, answer)
	return policy
}

// object returns a JSON object of members that are JSON already.
func object(members map[string]string) string {
	var list []string
	for name, value := range members {
		list = append(list, fmt.Sprintf("%q: %s", name, value))
	}
	return "{" + strings.Join(list, ", ") + "}"
}
