package runloop_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"strings"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// A success response that cannot be decoded is an error, never an empty or partial value.

// unreadable makes the call and checks that the response is invalid.
func unreadable(t *testing.T, call clienttest.PolicyCall, status int, body, problem string) {
	t.Helper()
	err := clienttest.FailWith(t, call, clienttest.Respond(status, body))
	require.ErrorIs(t, err, runloop.ErrInvalidResponse)
	e := clienttest.AsAPIError(t, err)
	assert.Equal(t, status, e.StatusCode)
	assert.Equal(t, call.IsWrite(), e.MaybeApplied, "the API reported success")
	assert.Equal(t, 1, e.Attempts)
	assert.Contains(t, err.Error(), `: invalid response: content type "application/json": `)
	assert.Contains(t, err.Error(), problem)
	assert.Less(t, len(err.Error()), 300)
}

func TestResponsesThatAreNotAnObject(t *testing.T) {
	t.Parallel()
	for body, problem := range map[string]string{
		``:                               "the body is empty",
		" \r\n\t ":                       "the body is empty",
		`null`:                           "the JSON must be an object, not null",
		`[]`:                             "the JSON must be an object, not an array",
		`"x"`:                            "the JSON must be an object, not a string",
		`1`:                              "the JSON must be an object, not a number",
		`true`:                           "the JSON must be an object, not true",
		`<html>Welcome</html>`:           "invalid character '<'",
		`{"id": "npol_1", "egress": {`:   "unexpected EOF",
		`{"id": "npol`:                   "unexpected EOF",
		`{`:                              "unexpected EOF",
		`{'id': 'npol_1'}`:               "invalid character",
		`{id: 1}`:                        "invalid character",
		`{"unknown": 1,}`:                "invalid character",
		`{"unknown": NaN}`:               "invalid character",
		"\x1f\x8b\x08\x00\x00":           "invalid character",
		"\ufeff" + clienttest.PolicyJSON: "invalid character",
		strings.Repeat(`{"a":`, 20_000) + `1` + strings.Repeat(`}`, 20_000):              "exceeded max depth",
		`{"unknown": ` + strings.Repeat(`[`, 20_000) + strings.Repeat(`]`, 20_000) + `}`: "exceeded max depth",
	} {
		for _, call := range clienttest.PolicyCalls {
			unreadable(t, call, 200, body, problem)
		}
	}
	for _, call := range clienttest.PolicyCalls {
		unreadable(t, call, 204, ``, "the body is empty")
		unreadable(t, call, 202, `{}`, "the JSON has no ")
	}
}

// invalidPolicies are objects that look like a policy.
var invalidPolicies = map[string]string{
	`{}`:                              `has no "id"`,
	`{"name": "build", "egress": {}}`: `has no "id"`,
	`{"id": "", "name": "build", "egress": {}}`:             `has no "id"`,
	`{"id": null, "name": "build", "egress": {}}`:           `has no "id"`,
	`{"ID": "npol_1", "name": "build", "egress": {}}`:       `has no "id"`,
	`{"id": 1, "name": "build", "egress": {}}`:              "/id must be a string, not a number",
	`{"id": {}, "name": "build", "egress": {}}`:             "/id must be a string, not an object",
	"{\"id\": \"npol_\xff1\", \"egress\": {}}":              "invalid UTF-8",
	`{"id": "npol_\ud8001", "egress": {}}`:                  "surrogate",
	"{\"id\": \"npol_1\", \"egress\": {}, \"x\": \"\xff\"}": "invalid UTF-8",
	`{"id": "npol_1", "name": "build"}`:                     `has no "egress"`,
	`{"id": "npol_1", "name": "build", "egress": null}`:     "/egress must be an object, not null",
	`{"id": "npol_1", "name": "build", "egress": []}`:       "/egress must be an object, not an array",

	withEgress(`"allow_all": "false"`):                                           "/egress/allow_all must be true or false, not a string",
	withEgress(`"allow_mcp_gateway": 0`):                                         "/egress/allow_mcp_gateway must be true or false, not a number",
	withEgress(`"allowed_hostnames": "github.com"`):                              "/egress/allowed_hostnames must be an array of strings, not a string",
	withEgress(`"allowed_hostnames": ["a", null]`):                               "/egress/allowed_hostnames/1 must be a string, not null",
	withEgress(`"allowed_hostnames": [["a"]]`):                                   "/egress/allowed_hostnames/0 must be a string, not an array",
	withEgress(`"allowed_cidrs": {}`):                                            "/egress/allowed_cidrs must be an array, not an object",
	withEgress(`"allowed_cidrs": [{"cidr": "x", "ports": [{"port": "443"}]}]`):   "/egress/allowed_cidrs/0/ports/0/port must be a 32-bit integer, not a string",
	withEgress(`"allowed_cidrs": [{"cidr": "10.0.0.0/8"}, {}]`):                  `/egress/allowed_cidrs/1 has no "cidr"`,
	withEgress(`"allowed_cidrs": [{"cidr": null}]`):                              `/egress/allowed_cidrs/0 has no "cidr"`,
	withEgress(`"allowed_cidrs": [{"cidr": "x", "ports": [{}]}]`):                `/egress/allowed_cidrs/0/ports/0 has no "port"`,
	withEgress(`"allowed_cidrs": [{"cidr": "x", "ports": [{"port": null}]}]`):    `/egress/allowed_cidrs/0/ports/0 has no "port"`,
	withEgress(`"allowed_cidrs": [{"cidr": "` + strings.Repeat("1", 51) + `"}]`): `/egress/allowed_cidrs/0/cidr has a string of more than 50 bytes`,
	withEgress(`"allowed_hostnames": ["` + strings.Repeat("a", 1001) + `"]`):     `/egress/allowed_hostnames has a string of more than 1000 bytes`,
	withEgress(`"allow_all": tru`):                                               "invalid character",
	withEgress(`"allowed_hostnames": ["a" "b"]`):                                 "invalid character",
	withEgress(`"allowed_hostnames": [1]`):                                       "/egress/allowed_hostnames/0 must be a string, not a number",
	withEgress(`"allowed_cidrs": [null]`):                                        "/egress/allowed_cidrs/0 must be an object, not null",
	withEgress(`"allowed_cidrs": ["10.0.0.0/8"]`):                                "/egress/allowed_cidrs/0 must be an object, not a string",
	withEgress(`"allowed_cidrs": [{"cidr": "x", "ports": [{"port": 80.5}]}]`):    "/egress/allowed_cidrs/0/ports/0/port must be a 32-bit integer, without",
	withEgress(`"new": `):                                                        "missing value",
	withEgress(`"new": true, "new": false`):                                      "duplicate object member name",
	withEgress(`"new": "\ud83d"`):                                                "surrogate",

	`{"id": "npol_1", "egress": {}, "create_time_ms": -}`: "invalid character",
	`{"id": "npol_1", "egress": {}, "name": "\x"}`:        "invalid",
	`{"id": "npol_1", "egress": {}, "\ud83d": 1}`:         "surrogate",
	`{"id": "npol_1", "egress": {}, "name": 1}`:           "/name must be a string, not a number",
	withEgress(`"allow_all": true, "allow_all": false`):   "duplicate object member name",

	`{"id": "npol_1", "egress": {}, "create_time_ms": 1e3}`:                 "/create_time_ms must be a 64-bit integer, without a fraction or exponent",
	`{"id": "npol_1", "egress": {}, "create_time_ms": 1.0}`:                 "/create_time_ms must be a 64-bit integer, without a fraction or exponent",
	`{"id": "npol_1", "egress": {}, "update_time_ms": 9223372036854775808}`: "/update_time_ms must be a 64-bit integer, without a fraction or exponent",
	`{"id": "npol_1", "egress": {}, "update_time_ms": "1"}`:                 "/update_time_ms must be a 64-bit integer, not a string",
	`{"id": "npol_2", "id": "npol_1", "name": "build", "egress": {}}`:       "duplicate object member name",
	`{"id": "npol_2", "\u0069d": "npol_1", "name": "build", "egress": {}}`:  "duplicate object member name",
}

func withEgress(field string) string {
	return `{"id": "npol_1", "name": "build", "egress": {` + field + `}}`
}

func TestResponsesThatAreNotAPolicy(t *testing.T) {
	t.Parallel()
	for body, problem := range invalidPolicies {
		for _, call := range clienttest.PolicyCalls {
			response := body
			if call.Op == clienttest.ListCall.Op {
				response = `{"network_policies": [` + clienttest.PolicyJSON + `, ` + body + `], "has_more": false}`
			}
			unreadable(t, call, 200, response, problem)
		}
	}
	const other = `{"id": "npol_2", "name": "other", "egress": {}}`
	for _, call := range []clienttest.PolicyCall{clienttest.GetCall, clienttest.UpdateCall, clienttest.DeleteCall} {
		unreadable(t, call, 200, other, `the response has policy "npol_2" instead of "npol_1"`)
	}
	unreadable(t, clienttest.CreateCall, 200, other, `the response has policy "other" instead of "build"`)
}

func TestResponsesWithMoreData(t *testing.T) {
	t.Parallel()
	for _, rest := range []string{`x`, `}`, `{}`, `null`, `0`, `,`, clienttest.PolicyJSON, "\x00", `// done`, `<!-- cached -->`} {
		for _, call := range clienttest.PolicyCalls {
			unreadable(t, call, 200, call.Success+"\n"+rest, "the JSON is followed by more data")
		}
	}
}

func TestResponsesThatAreNotAPage(t *testing.T) {
	t.Parallel()
	for body, problem := range map[string]string{
		clienttest.PolicyJSON:                                                                      `the JSON has no "network_policies"`,
		`{"has_more": false}`:                                                                      `the JSON has no "network_policies"`,
		`{"network_policies": null, "has_more": false}`:                                            `the JSON has no "network_policies"`,
		`{"network_policies": {}, "has_more": false}`:                                              "/network_policies must be an array, not an object",
		`{"network_policies": [null], "has_more": false}`:                                          "/network_policies/0 must be an object, not null",
		`{"network_policies": ["npol_1"], "has_more": false}`:                                      "/network_policies/0 must be an object, not a string",
		`{"network_policies": [` + clienttest.PolicyJSON + `, null], "has_more": false}`:           "/network_policies/1 must be an object, not null",
		`{"network_policies": [` + clienttest.PolicyJSON + `, {"egress": {}}], "has_more": false}`: `/network_policies/1 has no "id"`,
		`{"network_policies": []}`:                                                                 `the JSON has no "has_more"`,
		`{"network_policies": [], "has_more": null}`:                                               `the JSON has no "has_more"`,
		`{"network_policies": [], "has_more": "false"}`:                                            "/has_more must be true or false, not a string",
		`{"network_policies": [], "has_more": false, "total_count": "1"}`:                          "/total_count must be a 32-bit integer, not a string",
		`{"network_policies": [], "has_more": false, "total_count": 2147483648}`:                   "/total_count must be a 32-bit integer, without a fraction or exponent",
		`{"network_policies": [], "network_policies": [], "has_more": false}`:                      "duplicate object member name",
		`{"network_policies": [` + clienttest.PolicyJSON + `,`:                                     "unexpected EOF",
		`{"network_policies": [` + clienttest.PolicyJSON:                                           "unexpected EOF",
	} {
		unreadable(t, clienttest.ListCall, 200, body, problem)
	}
}

func TestResponsesWithAnotherPolicy(t *testing.T) {
	t.Parallel()
	const other = `{"id": "npol_2", "name": "other", "egress": {}}`
	for _, call := range []clienttest.PolicyCall{clienttest.GetCall, clienttest.UpdateCall, clienttest.DeleteCall} {
		unreadable(t, call, 200, other, `the response has policy "npol_2" instead of "npol_1"`)
	}
	unreadable(t, clienttest.CreateCall, 200, other, `the response has policy "other" instead of "build"`)
}

func TestResponsesOfOlderAndNewerServers(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"a server of version 0.1": `{"id": "npol_1", "name": "build", "egress": {"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": ["github.com"], "allow_agent_gateway": false, "allow_mcp_gateway": false}, "create_time_ms": 1, "update_time_ms": 2}`,
		"required fields only":    `{"id": "npol_1", "name": "build", "egress": {}}`,
		"null fields":             `{"id": "npol_1", "name": "build", "description": null, "egress": {"allow_all": null, "allowed_hostnames": null, "allowed_cidrs": null}, "create_time_ms": null}`,
		"unknown fields":          `{"schema": 2, "id": "npol_1", "name": "build", "egress": {"allow_ipv6": false, "denied": [{"x": [1, 2.5e300]}]}, "labels": {"a": "b"}, "Id": 1}`,
		"surrounding spaces":      "\r\n\t " + clienttest.PolicyJSON + "\r\n",
	} {
		for _, call := range clienttest.PolicyCalls {
			t.Run(name+"/"+call.Op, func(t *testing.T) {
				t.Parallel()
				body := body
				if call.Op == clienttest.ListCall.Op {
					body = `{"object": "list", "network_policies": [` + body + `], "has_more": false, "next": null}`
				}
				_, client := responding(t, body)
				got, err := call.Do(t.Context(), client)
				require.NoError(t, err)
				policy, isPolicy := got.(*runloop.NetworkPolicy)
				if !isPolicy {
					policy = &got.(*runloop.NetworkPolicyPage).NetworkPolicies[0]
				}
				assert.Equal(t, "npol_1", policy.ID)
				assert.Equal(t, "build", policy.Name)
			})
		}
	}
}

// JSON can write a text in several ways, in names and in values.
func TestDecodeEscapes(t *testing.T) {
	t.Parallel()
	for json, text := range map[string]string{
		`"build"`:            "build",
		`"buil\u0064"`:       "build",
		`"a\/b"`:             "a/b",
		`"\"\\"`:             `"\`,
		`"\b\f\n\r\t\u0000"`: "\b\f\n\r\t\x00",
		`"é日"`:               "é日",
		`"\u00e9\u65E5"`:     "é日",
		`"\ud83d\uDE80"`:     "🚀",
		`"x\\"`:              `x\`,
		`"\ufffd"`:           "\ufffd",
		`""`:                 "",
	} {
		policy := got(t, `{"\u0069d": "npol\u005f1", "n\u0061me": `+json+`, "description": `+json+`,
			"\u0065gress": {"allowed\u005fhostnames": ["plain.example", `+json+`, "*.example", `+json+`],
			"allow\u005fall": true, "allowed_cidrs": [{"\u0063idr": `+json+`, "ports": [{"port": 1, "protocol": `+json+`}]}]}}`)
		assert.Equal(t, &runloop.NetworkPolicy{ID: "npol_1", Name: text, Description: text, Egress: runloop.EgressRules{
			AllowAll: true, AllowedHostnames: []string{"plain.example", text, "*.example", text},
			AllowedCIDRs: []runloop.AllowedCIDR{{CIDR: text, Ports: []runloop.PortRule{{Port: 1, Protocol: runloop.Protocol(text)}}}},
		}}, policy)
	}
}

func TestDecodeHostLists(t *testing.T) {
	t.Parallel()
	for json, hosts := range map[string][]string{
		`[]`:                             nil,
		"[ \t\r\n ]":                     nil,
		`["github.com"]`:                 {"github.com"},
		"[\n\t\"a\" ,\r\n \"b\"\n]":      {"a", "b"},
		`["a,b", "]", "[", "{\"x\":1}"]`: {"a,b", "]", "[", `{"x":1}`},
		`["\"", "\\\"", "\\", "\\\\"]`:   {`"`, `\"`, `\`, `\\`},
		`["", "", "a", ""]`:              {"", "", "a", ""},
		`["a", "a"]`:                     {"a", "a"},
	} {
		assert.Equal(t, hosts, gotRules(t, `{"allowed_hostnames": `+json+`}`).AllowedHostnames)
	}
}

// The reader of host names is not jsontext's, and decodes the same as encoding/json.
func FuzzHostListJSON(f *testing.F) {
	for _, list := range []string{
		`[]`, `["a"]`, `[ "a" , "b" ]`, `["\"", "\\", "\\\"", "]", ","]`, `["\u0061\ud83d\ude80"]`, `[null]`, `["a"`, `[,]`, `["a" "b"]`, `[["a"]]`, `"a"`, `null`,
	} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		document := `{"allowed_hostnames": ` + list + `}`
		var rules runloop.EgressRules
		if rules.UnmarshalJSON([]byte(document)) != nil {
			return // encoding/json accepts more
		}
		var want struct {
			AllowedHostnames []string `json:"allowed_hostnames"`
		}
		require.NoError(t, json.Unmarshal([]byte(document), &want))
		assert.Equal(t, len(want.AllowedHostnames), len(rules.AllowedHostnames))
		for i, hostname := range rules.AllowedHostnames {
			assert.Equal(t, want.AllowedHostnames[i], hostname)
		}
	})
}

// got returns the policy that Get decodes from a response.
func got(t *testing.T, body string) *runloop.NetworkPolicy {
	t.Helper()
	_, client := responding(t, body)
	policy, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
	require.NoError(t, err)
	return policy
}

// gotRules returns the rules that Get decodes from a response.
func gotRules(t *testing.T, egress string) runloop.EgressRules {
	t.Helper()
	return got(t, `{"id": "npol_1", "name": "build", "egress": `+egress+`, "create_time_ms": 1, "update_time_ms": 1}`).Egress
}

func TestDecodeAResponseOfTheLiveAPI(t *testing.T) {
	t.Parallel()
	policy := got(t, `{
		"id": "npol_1", "name": "build", "description": "package registries only", "egress": {
			"allow_all": false, "allow_devbox_to_devbox": true, "allowed_hostnames": ["github.com", "*.npmjs.org"],
			"allow_agent_gateway": true, "allow_mcp_gateway": true, "allow_runloop_mirrors": true,
			"allowed_cidrs": [
				{"cidr": "10.0.0.0/8", "ports": null},
				{"cidr": "10.1.0.0/16"},
				{"cidr": "10.2.0.0/16", "ports": []},
				{"cidr": "192.0.2.1/32", "ports": [
					{"port": 443, "end_port": null, "protocol": null},
					{"port": 8000, "end_port": 8080, "protocol": "TCP"},
					{"port": 53, "protocol": "UDP"}
				]}
			]
		},
		"create_time_ms": 1767225600123,
		"update_time_ms": 1767225601999
	}`)
	assert.Equal(t, &runloop.NetworkPolicy{
		ID: "npol_1", Name: "build", Description: "package registries only",
		Egress: runloop.EgressRules{
			AllowDevboxToDevbox: true, AllowAgentGateway: true, AllowMCPGateway: true, AllowRunloopMirrors: true,
			AllowedHostnames: []string{"github.com", "*.npmjs.org"},
			AllowedCIDRs: []runloop.AllowedCIDR{
				{CIDR: "10.0.0.0/8"}, {CIDR: "10.1.0.0/16"}, {CIDR: "10.2.0.0/16"},
				{CIDR: "192.0.2.1/32", Ports: []runloop.PortRule{{Port: 443}, {Port: 8000, EndPort: 8080, Protocol: "TCP"}, {Port: 53, Protocol: "UDP"}}},
			},
		},
		CreateTime: time.Date(2026, 1, 1, 0, 0, 0, 123e6, time.UTC),
		UpdateTime: time.Date(2026, 1, 1, 0, 0, 1, 999e6, time.UTC),
	}, policy)
}

func TestDecodeEachFlag(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]runloop.EgressRules{
		"allow_all":              {AllowAll: true},
		"allow_devbox_to_devbox": {AllowDevboxToDevbox: true},
		"allow_agent_gateway":    {AllowAgentGateway: true},
		"allow_mcp_gateway":      {AllowMCPGateway: true},
		"allow_runloop_mirrors":  {AllowRunloopMirrors: true},
	} {
		assert.Equal(t, want, gotRules(t, `{"`+field+`": true}`))
		assert.Equal(t, runloop.EgressRules{}, gotRules(t, `{"`+field+`": false}`))
	}
}

func TestDecodeNull(t *testing.T) {
	t.Parallel()
	policy := got(t, `{"id": "npol_1", "name": null, "description": null, "egress": {
		"allow_all": null, "allow_devbox_to_devbox": null, "allowed_hostnames": null, "allow_agent_gateway": null,
		"allow_mcp_gateway": null, "allow_runloop_mirrors": null, "allowed_cidrs": null
	}, "create_time_ms": null, "update_time_ms": null}`)
	assert.Equal(t, &runloop.NetworkPolicy{ID: "npol_1"}, policy)
}

func TestUnknownFieldsOfAPolicyAreIgnored(t *testing.T) {
	t.Parallel()
	plain := got(t, clienttest.PolicyJSON)
	last := strings.LastIndex(clienttest.PolicyJSON, `}`)
	for _, field := range []string{
		`"owner": "me"`,
		`"labels": {"a": {"b": [1, {"id": "npol_2"}]}}`,
		`"tags": [[], {}, null, "x"]`,
		`"ID": "npol_2", "Name": "x", "Egress": {"allow_all": true}`,
		`"\u006eew\/member": 1`,
		`"": 1`,
		`"revision": 123456789012345678901234567890`,
		`"_id": null`,
		`"deep": ` + strings.Repeat("[", 500) + strings.Repeat("]", 500),
		`"notes": "` + strings.Repeat("long ", 10_000) + `"`,
		`"parent": {"egress": {"allow_all": true}}`,
	} {
		assert.Equal(t, plain, got(t, strings.Replace(clienttest.PolicyJSON, `{`, `{`+field+`, `, 1)), "first: %.40s", field)
		assert.Equal(t, plain, got(t, clienttest.PolicyJSON[:last]+`, `+field+`}`), "last: %.40s", field)
	}
}

// The API may trim a name or store it in another case.
func TestCreateWhoseNameComesBackInAnotherForm(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"build", "Build", "BUILD ", " build"} {
		_, client := responding(t, policyNamed(t, name))
		policy, err := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "build"})
		require.NoError(t, err)
		assert.Equal(t, name, policy.Name)
	}
}

func TestTimesAreUTCToTheMillisecond(t *testing.T) {
	t.Parallel()
	for ms, want := range map[string]time.Time{
		"0":              time.Unix(0, 0).UTC(),
		"1":              time.Unix(0, 1e6).UTC(),
		"1767225600001":  time.Date(2026, 1, 1, 0, 0, 0, 1e6, time.UTC),
		"-1":             time.Date(1969, 12, 31, 23, 59, 59, 999e6, time.UTC),
		"4102444800999":  time.Date(2100, 1, 1, 0, 0, 0, 999e6, time.UTC),
		"-2208988800000": time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		policy := got(t, `{"id": "npol_1", "egress": {}, "create_time_ms": `+ms+`, "update_time_ms": `+ms+`}`)
		assert.Equal(t, want, policy.CreateTime)
		assert.Equal(t, want, policy.UpdateTime)
		assert.Equal(t, time.UTC, policy.CreateTime.Location())
	}
}

func TestDecodePages(t *testing.T) {
	t.Parallel()
	const first = `{"id": "npol_1", "name": "a", "egress": {}, "create_time_ms": 1, "update_time_ms": 1}`
	const second = `{"id": "npol_2", "name": "b", "egress": {}, "create_time_ms": 1, "update_time_ms": 1, "new": [1]}`
	for _, test := range []struct {
		json    string
		ids     []string
		hasMore bool
		total   *int
		cursor  string
	}{
		{`{"network_policies": [], "has_more": false}`, nil, false, nil, ""},
		{`{"network_policies": [` + first + `], "has_more": false, "total_count": 1}`, []string{"npol_1"}, false, new(1), ""},
		{`{"network_policies": [` + first + `, ` + second + `], "has_more": true, "total_count": 2147483647}`,
			[]string{"npol_1", "npol_2"}, true, new(2147483647), "npol_2"},
		{`{"network_policies": [` + first + `], "has_more": true, "total_count": null}`, []string{"npol_1"}, true, nil, "npol_1"},
		{`{"network_policies": [], "has_more": false, "total_count": 0}`, nil, false, new(0), ""},
		{`{"object": "list", "url": {"x": []}, "has_more": false, "network_policies": [` + second + `], "next": null}`, []string{"npol_2"}, false, nil, ""},
	} {
		_, client := responding(t, test.json)
		page, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{})
		require.NoError(t, err)
		var ids []string
		for _, policy := range page.NetworkPolicies {
			ids = append(ids, policy.ID)
		}
		assert.Equal(t, test.ids, ids)
		assert.Equal(t, test.hasMore, page.HasMore)
		assert.Equal(t, test.total, page.TotalCount)
		assert.Equal(t, test.cursor, page.NextCursor())
	}
}

// A decoded policy can be encoded, and then no longer changes.
func FuzzPolicyJSON(f *testing.F) {
	f.Add(clienttest.PolicyJSON)
	for _, place := range placesOfUnknownFields {
		f.Add(`{"egress": ` + strings.Replace(place.egress, "FIELD", `"n\u0065w": {"<b>": [1e400, -0.0, "\ud83d\ude80"]}`, 1) + `}`)
	}
	f.Add(`{"create_time_ms": -9223372036854775808, "update_time_ms": 9223372036854775807}`)
	f.Add(`{"\u0069d": "\/", "name": "\u0000", "egress": {"allowed_hostnames": ["\"", "\\"]}}`)
	f.Add(`null`)
	f.Add(`{"id": "npol_1"}{}`)

	f.Fuzz(func(t *testing.T, document string) {
		kept := runloop.NetworkPolicy{ID: "kept", Egress: runloop.EgressRules{AllowMCPGateway: true}}
		first := kept
		if err := json.Unmarshal([]byte(document), &first); err != nil {
			require.Equal(t, kept, first, "unchanged after an error")
			return
		}
		data, err := json.Marshal(first)
		require.NoError(t, err)
		var second runloop.NetworkPolicy
		require.NoError(t, json.Unmarshal(data, &second), "%s", data)
		again, err := json.Marshal(second)
		require.NoError(t, err)
		assert.Equal(t, string(data), string(again))
		assert.True(t, first.Egress.Equal(second.Egress), "%s", data)
		assert.Empty(t, first.Egress.Diff(second.Egress))
		assert.Equal(t, first.Egress.Fingerprint(), second.Egress.Fingerprint())
		assert.Equal(t, first.Egress.String(), second.Egress.String())
		assert.Equal(t, first.Egress.Validate(), second.Egress.Validate())
	})
}

// A codec is a JSON package that users may choose.
type codec struct {
	name      string
	marshal   func(any) ([]byte, error)
	unmarshal func([]byte, any) error
}

var codecs = []codec{
	{"encoding/json", json.Marshal, json.Unmarshal},
	{"go-json-experiment/json", func(v any) ([]byte, error) { return jsonv2.Marshal(v) }, func(data []byte, v any) error { return jsonv2.Unmarshal(data, v) }},
}

func forEachCodec(t *testing.T, test func(*testing.T, codec)) {
	t.Helper()
	for _, c := range codecs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

const denyAllJSON = `{"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [], "allow_agent_gateway": false,
	"allow_mcp_gateway": false, "allow_runloop_mirrors": false, "allowed_cidrs": []}`

func TestMarshal(t *testing.T) {
	t.Parallel()
	for value, want := range map[any]string{
		&runloop.EgressRules{}: denyAllJSON,
		// Delete may return a policy without times.
		&runloop.NetworkPolicy{ID: "npol_1"}: `{"id": "npol_1", "name": "", "egress": ` + denyAllJSON + `}`,
		&runloop.NetworkPolicy{
			ID: "npol_1", Name: "build", Description: "d",
			Egress: runloop.EgressRules{AllowMCPGateway: true, AllowedHostnames: []string{"github.com"}, AllowedCIDRs: []runloop.AllowedCIDR{
				{CIDR: "10.0.0.0/8"}, {CIDR: "192.0.2.1/32", Ports: []runloop.PortRule{{Port: 443}, {Port: 1, EndPort: 2, Protocol: runloop.ProtocolUDP}}},
			}},
			CreateTime: time.Date(2026, 1, 1, 1, 0, 0, 123_999_999, time.FixedZone("CET", 3600)),
			UpdateTime: time.UnixMilli(1767225601000),
		}: `{"id": "npol_1", "name": "build", "description": "d", "egress": {
			"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": ["github.com"],
			"allow_agent_gateway": false, "allow_mcp_gateway": true, "allow_runloop_mirrors": false,
			"allowed_cidrs": [{"cidr": "10.0.0.0/8"}, {"cidr": "192.0.2.1/32", "ports": [
				{"port": 443}, {"port": 1, "end_port": 2, "protocol": "UDP"}]}]},
			"create_time_ms": 1767225600123, "update_time_ms": 1767225601000}`,
	} {
		for _, c := range codecs {
			data, err := c.marshal(value)
			require.NoError(t, err, c.name)
			assert.JSONEq(t, want, string(data), c.name)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	forEachCodec(t, func(t *testing.T, c codec) {
		forEachSeed(t, func(t *testing.T, g generator) {
			want := runloop.NetworkPolicy{ID: "npol_1", Name: "n", Egress: g.rules(), CreateTime: time.UnixMilli(g.Int64N(4e12)).UTC()}
			data, err := c.marshal(want)
			require.NoError(t, err)
			var policy runloop.NetworkPolicy
			require.NoError(t, c.unmarshal(data, &policy), "%s", data)
			assert.Equal(t, want, policy)

			response := g.policyJSON()
			var first, second runloop.NetworkPolicy
			require.NoError(t, c.unmarshal([]byte(response), &first), "%s", response)
			data, err = c.marshal(first)
			require.NoError(t, err)
			require.NoError(t, c.unmarshal(data, &second), "%s", data)
			assert.True(t, first.Egress.Equal(second.Egress), "%s\n%s", response, data)
			again, err := c.marshal(second)
			require.NoError(t, err)
			assert.Equal(t, string(data), string(again))
		})
	})
}

// Ranges and ports are also used alone, in the configuration of programs.
func TestJSONRoundTripOfRanges(t *testing.T) {
	t.Parallel()
	const document = `[{"cidr": "10.0.0.0/8", "vlan": 7, "ports": [{"port": 443, "protocol": "TCP", "icmp": true}, {"port": 1, "end_port": 9}]}]`
	forEachCodec(t, func(t *testing.T, c codec) {
		var ranges []runloop.AllowedCIDR
		require.NoError(t, c.unmarshal([]byte(document), &ranges))
		assert.Equal(t, runloop.ProtocolTCP, ranges[0].Ports[0].Protocol)
		assert.Equal(t, runloop.PortRule{Port: 1, EndPort: 9}, ranges[0].Ports[1])
		data, err := c.marshal(ranges)
		require.NoError(t, err)
		assert.JSONEq(t, document, string(data))

		for _, bad := range []string{`{"cidr": 1}`, `[]`, `{"ports": [{"port": 1e1}]}`, `{"cidr": "a", "cidr": "b"}`} {
			kept := ranges[0]
			require.Error(t, c.unmarshal([]byte(bad), &kept), bad)
			assert.Equal(t, ranges[0], kept)
		}
		port := ranges[0].Ports[0]
		require.Error(t, c.unmarshal([]byte(`{"port": 2147483648}`), &port))
		assert.Equal(t, ranges[0].Ports[0], port)
	})
}

func TestJSONKeepsUnknownFieldsOfRules(t *testing.T) {
	t.Parallel()
	const egress = `{"allow_tunnels": true, "n\u0065w": {"b": [1.50, null, "<&>\/"], "a": {}}, "off": false,
		"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [],
		"allow_agent_gateway": false, "allow_mcp_gateway": false, "allow_runloop_mirrors": false,
		"allowed_cidrs": [{"cidr": "10.0.0.0/8", "vlan": 7, "ports": [{"port": 1, "icmp": true}]}]}`
	forEachCodec(t, func(t *testing.T, c codec) {
		var policy runloop.NetworkPolicy
		require.NoError(t, c.unmarshal([]byte(`{"owner": "me", "egress": `+egress+`, "create_time_ms": 1, "update_time_ms": 2}`), &policy))
		data, err := c.marshal(policy)
		require.NoError(t, err)
		assert.JSONEq(t, `{"id": "", "name": "", "egress": `+egress+`, "create_time_ms": 1, "update_time_ms": 2}`, string(data))
	})
}

func TestUnmarshalReplacesTheWholeValue(t *testing.T) {
	t.Parallel()
	forEachCodec(t, func(t *testing.T, c codec) {
		rules := runloop.EgressRules{AllowAll: true, AllowedHostnames: []string{"github.com"}}
		require.NoError(t, c.unmarshal([]byte(`{"new": 1}`), &rules))
		require.NoError(t, c.unmarshal([]byte(`{"allow_mcp_gateway": true}`), &rules))
		assert.Equal(t, runloop.EgressRules{AllowMCPGateway: true}, rules)
	})
}

func TestUnmarshalNullIsNoChange(t *testing.T) {
	t.Parallel()
	forEachCodec(t, func(t *testing.T, c codec) {
		var kept struct {
			Policy *runloop.NetworkPolicy
			Rules  []runloop.EgressRules
		}
		require.NoError(t, c.unmarshal([]byte(`{"Policy": null, "Rules": [{"allow_all": true}, {}]}`), &kept))
		assert.Nil(t, kept.Policy)
		assert.Equal(t, []runloop.EgressRules{{AllowAll: true}, {}}, kept.Rules)
	})
	policy := runloop.NetworkPolicy{ID: "npol_1"}
	require.NoError(t, policy.UnmarshalJSON([]byte(`null`)))
	assert.Equal(t, "npol_1", policy.ID)
}

func TestUnmarshalThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	documents := []string{``, `["npol_2"]`, `{"id": "npol_2", "egress": {"allow_all": true`}
	for document, problem := range invalidPolicies {
		if !strings.Contains(problem, "has no") { // Unmarshal has no required fields
			documents = append(documents, document)
		}
	}
	for _, document := range documents {
		for _, c := range codecs {
			kept := runloop.NetworkPolicy{ID: "npol_1", Egress: runloop.EgressRules{AllowedHostnames: []string{"github.com"}}}
			before := kept
			require.Error(t, c.unmarshal([]byte(document), &kept), "%s: %s", c.name, document)
			assert.Equal(t, before, kept, "%s: %s", c.name, document)
		}
		var zero runloop.NetworkPolicy
		require.Error(t, zero.UnmarshalJSON([]byte(document)), document)
		assert.Zero(t, zero, document)
	}
	for _, tail := range []string{`{}`, `null`, `x`, `,`, `}`} {
		var zero runloop.NetworkPolicy
		require.Error(t, zero.UnmarshalJSON([]byte(`{"id": "npol_2"}`+tail)), tail)
		assert.Zero(t, zero)
	}
}

// Invalid UTF-8 is an error instead of a text that differs from the value.
func TestMarshalRefusesInvalidUTF8(t *testing.T) {
	t.Parallel()
	forEachCodec(t, func(t *testing.T, c codec) {
		var rules runloop.EgressRules
		require.NoError(t, c.unmarshal([]byte(`{"new": 1, "allowed_cidrs": [{"new": 1, "ports": [{"new": 1}]}]}`), &rules))
		for _, spoil := range []func(*runloop.EgressRules){
			func(r *runloop.EgressRules) { r.AllowedHostnames = []string{"\xff"} },
			func(r *runloop.EgressRules) { r.AllowedCIDRs[0].CIDR = "\xff" },
			func(r *runloop.EgressRules) { r.AllowedCIDRs[0].Ports[0].Protocol = "\xff" },
		} {
			spoil(&rules)
			data, err := c.marshal(rules)
			require.Error(t, err)
			assert.Empty(t, data)
		}
	})
}

// gob encodes exported fields only. Without the methods of the rules, it would drop unknown
// fields, which may allow something.
func TestGobRoundTrip(t *testing.T) {
	t.Parallel()
	rules := gotRules(t, `{"new": {"x": 9007199254740993}, "allowed_hostnames": ["github.com"],
		"allowed_cidrs": [{"cidr": "10.0.0.0/8", "vlan": 7, "ports": [{"port": 1, "icmp": true}]}]}`)
	policy := runloop.NetworkPolicy{ID: "npol_1", Name: "n", Egress: rules, CreateTime: time.UnixMilli(1).UTC()}
	assert.Equal(t, policy, throughGob(t, policy))
	assert.Equal(t, runloop.NetworkPolicy{}, throughGob(t, runloop.NetworkPolicy{}))
	assert.Equal(t, []runloop.NetworkPolicy{policy, {}}, throughGob(t, []runloop.NetworkPolicy{policy, {}}))
	assert.Equal(t, rules.AllowedCIDRs, throughGob(t, rules.AllowedCIDRs))
	assert.Equal(t, rules.AllowedCIDRs[0].Ports, throughGob(t, rules.AllowedCIDRs[0].Ports))
	page := runloop.NetworkPolicyPage{NetworkPolicies: []runloop.NetworkPolicy{policy}, HasMore: true, TotalCount: new(1)}
	assert.Equal(t, page, throughGob(t, page))

	create := runloop.NetworkPolicyCreateParams{Name: "n", Egress: rules}
	assert.Equal(t, create, throughGob(t, create))
	for _, update := range []runloop.NetworkPolicyUpdateParams{
		{},
		{Description: new(""), AllowAll: new(false), AllowedHostnames: &[]string{}, AllowedCIDRs: &[]runloop.AllowedCIDR{}},
		{Name: new("n"), AllowMCPGateway: new(true), AllowedCIDRs: &rules.AllowedCIDRs},
	} {
		assert.Equal(t, update, throughGob(t, update))
	}
	var noHosts []string
	assert.Equal(t, runloop.NetworkPolicyUpdateParams{AllowedHostnames: &[]string{}},
		throughGob(t, runloop.NetworkPolicyUpdateParams{AllowedHostnames: &noHosts}), "the list is still cleared")
	forEachSeed(t, func(t *testing.T, g generator) {
		rules := g.rules()
		assert.Equal(t, rules, throughGob(t, rules))
	})
}

func throughGob[T any](t *testing.T, value T) (back T) {
	t.Helper()
	var data bytes.Buffer
	require.NoError(t, gob.NewEncoder(&data).Encode(value))
	require.NoError(t, gob.NewDecoder(&data).Decode(&back))
	return back
}
