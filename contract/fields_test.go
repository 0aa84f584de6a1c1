package contract_test

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
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

// The tests of this file tie each property of the document to a field of the SDK, over the wire:
// what is set in Go arrives under exactly this name, and the other way round.

// A field ties a property or parameter to a field of T.
type field[T any] struct {
	name string
	set  func(*T)
	want string // what is sent, or returned
}

// addedLater are the properties and parameters that version 0.1 does not have.
var addedLater = []string{"allow_runloop_mirrors", "allowed_cidrs", "search"}

// combinations yields every choice of the fields that the edition has, set in their order: the
// first has none, the last has all.
func combinations[T any](e *edition, fields []field[T]) iter.Seq[T] {
	fields = slices.DeleteFunc(slices.Clone(fields), func(f field[T]) bool { return !e.isToday && slices.Contains(addedLater, f.name) })
	return func(yield func(T) bool) {
		for choice := range 1 << len(fields) {
			var value T
			for i, field := range fields {
				if choice>>i&1 == 1 {
					field.set(&value)
				}
			}
			if !yield(value) {
				return
			}
		}
	}
}

// requireNames requires that the fields are those of the document.
func requireNames[T any](t *testing.T, names []string, fields []field[T]) {
	t.Helper()
	var have []string
	for _, field := range fields {
		have = append(have, field.name)
	}
	slices.Sort(have)
	require.ElementsMatch(t, names, slices.Compact(have), "each property has its field")
}

type (
	createParams = runloop.NetworkPolicyCreateParams
	updateParams = runloop.NetworkPolicyUpdateParams
	listParams   = runloop.NetworkPolicyListParams
)

var oneCIDR = []runloop.AllowedCIDR{{
	CIDR:  "192.0.2.0/24",
	Ports: []runloop.PortRule{{Port: 8000, EndPort: 8999, Protocol: runloop.ProtocolUDP}},
}}

const oneCIDRJSON = `[{"cidr": "192.0.2.0/24", "ports": [{"port": 8000, "end_port": 8999, "protocol": "UDP"}]}]`

// createFields have no name, which is unique.
var createFields = []field[createParams]{
	{"description", func(p *createParams) { p.Description = "set" }, `"set"`},
	{"allow_all", func(p *createParams) { p.Egress.AllowAll = true }, `true`},
	{"allow_devbox_to_devbox", func(p *createParams) { p.Egress.AllowDevboxToDevbox = true }, `true`},
	{"allowed_hostnames", func(p *createParams) { p.Egress.AllowedHostnames = []string{} }, `[]`},
	{"allowed_hostnames", func(p *createParams) { p.Egress.AllowedHostnames = []string{"set.example"} }, `["set.example"]`},
	{"allow_agent_gateway", func(p *createParams) { p.Egress.AllowAgentGateway = true }, `true`},
	{"allow_mcp_gateway", func(p *createParams) { p.Egress.AllowMCPGateway = true }, `true`},
	{"allow_runloop_mirrors", func(p *createParams) { p.Egress.AllowRunloopMirrors = true }, `true`},
	{"allowed_cidrs", func(p *createParams) { p.Egress.AllowedCIDRs = []runloop.AllowedCIDR{} }, `[]`},
	{"allowed_cidrs", func(p *createParams) { p.Egress.AllowedCIDRs = oneCIDR }, oneCIDRJSON},
}

func TestCreateNames(t *testing.T) {
	t.Parallel()
	name := field[createParams]{"name", func(p *createParams) { p.Name = "set" }, `"set"`}
	fields := append(slices.Clone(createFields), name)
	requireNames(t, today(t).Properties("NetworkPolicyCreateParameters"), fields)
	body := func(p createParams) map[string]json.RawMessage {
		return sentBody(t, func(c *runloop.Client) { c.NetworkPolicies.Create(t.Context(), p) })
	}
	unset := body(createParams{Name: "unset"})
	for _, field := range fields {
		p := createParams{Name: "unset"}
		field.set(&p)
		sent := body(p)
		if field.want != `[]` || sent[field.name] != nil { // an empty list is no list
			assert.JSONEq(t, field.want, string(sent[field.name]), field.name)
		}
		delete(sent, field.name)
		want := maps.Clone(unset)
		delete(want, field.name)
		assert.Equal(t, want, sent, "%s changes nothing else", field.name)
	}
}

// updateValues are what an update sets in all of its fields.
type updateValues struct {
	description string
	flag        bool
	hostnames   []string
	cidrs       []runloop.AllowedCIDR
}

// updates have lists that are nil, empty, and neither. updateFields are those of the last.
var updates = []updateValues{
	{},
	{hostnames: []string{}, cidrs: []runloop.AllowedCIDR{}},
	{"set", true, []string{"set.example"}, oneCIDR},
}

func updateFields(v updateValues) []field[updateParams] {
	return []field[updateParams]{
		{"name", func(p *updateParams) { p.Name = new("renamed") }, `"renamed"`},
		{"description", func(p *updateParams) { p.Description = &v.description }, `"set"`},
		{"allow_all", func(p *updateParams) { p.AllowAll = &v.flag }, `true`},
		{"allow_devbox_to_devbox", func(p *updateParams) { p.AllowDevboxToDevbox = &v.flag }, `true`},
		{"allowed_hostnames", func(p *updateParams) { p.AllowedHostnames = &v.hostnames }, `["set.example"]`},
		{"allow_agent_gateway", func(p *updateParams) { p.AllowAgentGateway = &v.flag }, `true`},
		{"allow_mcp_gateway", func(p *updateParams) { p.AllowMCPGateway = &v.flag }, `true`},
		{"allow_runloop_mirrors", func(p *updateParams) { p.AllowRunloopMirrors = &v.flag }, `true`},
		{"allowed_cidrs", func(p *updateParams) { p.AllowedCIDRs = &v.cidrs }, oneCIDRJSON},
	}
}

func TestUpdateNames(t *testing.T) {
	t.Parallel()
	fields := updateFields(updates[2])
	requireNames(t, today(t).Properties("NetworkPolicyUpdateParameters"), fields)
	for _, field := range fields {
		var p updateParams
		field.set(&p)
		sent := sentBody(t, func(c *runloop.Client) { c.NetworkPolicies.Update(t.Context(), "npol_1", p) })
		require.Len(t, sent, 1, field.name)
		assert.JSONEq(t, field.want, string(sent[field.name]), field.name)
	}
}

// listFields are for an account that has the policy.
func listFields(policy runloop.NetworkPolicy) []field[listParams] {
	return []field[listParams]{
		{"name", func(p *listParams) { p.Name = policy.Name }, policy.Name},
		{"id", func(p *listParams) { p.ID = policy.ID }, policy.ID},
		{"limit", func(p *listParams) { p.Limit = 1 }, "1"},
		{"limit", func(p *listParams) { p.Limit = 5000 }, "5000"},
		{"starting_after", func(p *listParams) { p.StartingAfter = policy.ID }, policy.ID},
		{"include_total_count", func(p *listParams) { p.IncludeTotalCount = new(false) }, "false"},
		{"include_total_count", func(p *listParams) { p.IncludeTotalCount = new(true) }, "true"},
		{"search", func(p *listParams) { p.Search = policy.ID }, policy.ID},
	}
}

func TestListNames(t *testing.T) {
	t.Parallel()
	fields := listFields(runloop.NetworkPolicy{ID: "npol_1", Name: "set"})
	var parameters []string
	for _, item := range today(t).Items() {
		if name, found := strings.CutPrefix(string(item), "listNetworkPolicies: query parameter "); found {
			parameters = append(parameters, name)
		}
	}
	requireNames(t, parameters, fields)
	for _, field := range fields {
		var p listParams
		field.set(&p)
		var query url.Values
		clientOver(t, stub(func(r *http.Request) (int, string) {
			query = r.URL.Query()
			return http.StatusBadRequest, `{}`
		})).NetworkPolicies.List(t.Context(), p)
		assert.Equal(t, url.Values{field.name: {field.want}}, query)
	}
}

func TestPolicyNames(t *testing.T) {
	t.Parallel()
	type policy = runloop.NetworkPolicy
	requireDecoded(t, "NetworkPolicyView", map[string]string{"id": `"npol_1"`, "egress": `{}`}, policy{ID: "npol_1"}, getPolicy, []field[policy]{
		{"id", func(p *policy) { p.ID = "npol_1" }, `"npol_1"`},
		{"name", func(p *policy) { p.Name = "set" }, `"set"`},
		{"description", func(p *policy) { p.Description = "set" }, `"set"`},
		{"egress", func(p *policy) { p.Egress.AllowAll = true }, `{"allow_all": true}`},
		{"create_time_ms", func(p *policy) { p.CreateTime = time.Date(1970, 1, 2, 0, 0, 0, 1e6, time.UTC) }, `86400001`},
		{"update_time_ms", func(p *policy) { p.UpdateTime = time.Date(1970, 1, 2, 0, 0, 0, 2e6, time.UTC) }, `86400002`},
	})
	type egress = runloop.EgressRules
	requireDecoded(t, "EgressRulesView", nil, egress{}, func(c *runloop.Client, t *testing.T) egress { return getPolicy(c, t).Egress }, []field[egress]{
		{"allow_all", func(e *egress) { e.AllowAll = true }, `true`},
		{"allow_devbox_to_devbox", func(e *egress) { e.AllowDevboxToDevbox = true }, `true`},
		{"allowed_hostnames", func(e *egress) { e.AllowedHostnames = []string{"set.example"} }, `["set.example"]`},
		{"allow_agent_gateway", func(e *egress) { e.AllowAgentGateway = true }, `true`},
		{"allow_mcp_gateway", func(e *egress) { e.AllowMCPGateway = true }, `true`},
		{"allow_runloop_mirrors", func(e *egress) { e.AllowRunloopMirrors = true }, `true`},
		{"allowed_cidrs", func(e *egress) { e.AllowedCIDRs = oneCIDR }, oneCIDRJSON},
	})
	type page = runloop.NetworkPolicyPage
	requireDecoded(t, "NetworkPolicyListView", map[string]string{"network_policies": `[]`, "has_more": `false`}, page{}, listPolicies, []field[page]{
		{"network_policies", func(p *page) { p.NetworkPolicies = []policy{{ID: "npol_1"}} }, `[{"id": "npol_1", "egress": {}}]`},
		{"has_more", func(p *page) { p.HasMore = true }, `true`},
		{"total_count", func(p *page) { p.TotalCount = new(7) }, `7`},
	})
}

func getPolicy(c *runloop.Client, t *testing.T) runloop.NetworkPolicy {
	policy, err := c.NetworkPolicies.Get(t.Context(), "npol_1")
	require.NoError(t, err)
	return *policy
}

func listPolicies(c *runloop.Client, t *testing.T) runloop.NetworkPolicyPage {
	page, err := c.NetworkPolicies.List(t.Context(), listParams{})
	require.NoError(t, err)
	return *page
}

// requireDecoded requires that a response with each of the fields, and with those that are
// required, is returned as the zero value with that field.
func requireDecoded[T any](t *testing.T, schema string, required map[string]string, zero T, call func(*runloop.Client, *testing.T) T, fields []field[T]) {
	t.Helper()
	requireNames(t, today(t).Properties(schema), fields)
	for _, field := range fields {
		object := maps.Clone(required)
		if required == nil { // rules are in a policy
			object = map[string]string{"id": `"npol_1"`, "egress": fmt.Sprintf(`{%q: %s}`, field.name, field.want)}
		} else {
			object[field.name] = field.want
		}
		raw := map[string]json.RawMessage{}
		for name, value := range object {
			raw[name] = json.RawMessage(value)
		}
		body, err := json.Marshal(raw)
		require.NoError(t, err)
		want := zero
		field.set(&want)
		got := call(clientOver(t, canned(http.StatusOK, string(body))), t)
		assert.Equal(t, want, got, field.name)
	}
}

// sentBody returns the body of the one request that the call sends.
func sentBody(t *testing.T, call func(*runloop.Client)) map[string]json.RawMessage {
	t.Helper()
	var body []byte
	call(clientOver(t, stub(func(r *http.Request) (int, string) {
		var err error
		body, err = io.ReadAll(r.Body)
		assert.NoError(t, err)
		return http.StatusBadRequest, `{}`
	})))
	return object(t, body)
}

// object returns the fields of a JSON object.
func object(t *testing.T, body []byte) map[string]json.RawMessage {
	t.Helper()
	var fields map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(body, &fields), "%s", body)
	return fields
}
