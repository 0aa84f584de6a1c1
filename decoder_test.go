package runloop_test

import (
	"encoding/json"
	"strings"
	"testing"

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
	withEgress(`"allowed_hostnames": ["a", null]`):                               "/egress/allowed_hostnames must be a string, not null",
	withEgress(`"allowed_hostnames": [["a"]]`):                                   "/egress/allowed_hostnames must be a string, not an array",
	withEgress(`"allowed_cidrs": {}`):                                            "/egress/allowed_cidrs must be an array, not an object",
	withEgress(`"allowed_cidrs": [{"cidr": "x", "ports": [{"port": "443"}]}]`):   "/egress/allowed_cidrs/0/ports/0/port must be a 32-bit integer, not a string",
	withEgress(`"allowed_cidrs": [{"cidr": "10.0.0.0/8"}, {}]`):                  `/egress/allowed_cidrs/1 has no "cidr"`,
	withEgress(`"allowed_cidrs": [{"cidr": null}]`):                              `/egress/allowed_cidrs/0 has no "cidr"`,
	withEgress(`"allowed_cidrs": [{"cidr": "x", "ports": [{}]}]`):                `/egress/allowed_cidrs/0/ports/0 has no "port"`,
	withEgress(`"allowed_cidrs": [{"cidr": "x", "ports": [{"port": null}]}]`):    `/egress/allowed_cidrs/0/ports/0 has no "port"`,
	withEgress(`"allowed_cidrs": [{"cidr": "` + strings.Repeat("1", 51) + `"}]`): `/egress/allowed_cidrs/0/cidr has a string of more than 50 bytes`,
	withEgress(`"allowed_hostnames": ["` + strings.Repeat("a", 1001) + `"]`):     `/egress/allowed_hostnames has a string of more than 1000 bytes`,
	withEgress(`"allow_all": true, "allow_all": false`):                          "duplicate object member name",

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

func TestAnswersAboutAnotherPolicy(t *testing.T) {
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
	for _, test := range []struct{ name, json, text string }{
		{"none", `"build"`, "build"},
		{"a letter", `"buil\u0064"`, "build"},
		{"a slash", `"a\/b"`, "a/b"},
		{"quotes and backslashes", `"\"\\"`, `"\`},
		{"control characters", `"\b\f\n\r\t\u0000"`, "\b\f\n\r\t\x00"},
		{"more than ASCII", `"é日"`, "é日"},
		{"more than ASCII, escaped", `"\u00e9\u65E5"`, "é日"},
		{"a surrogate pair", `"\ud83d\uDE80"`, "🚀"},
		{"a backslash at the end", `"x\\"`, `x\`},
		{"the replacement character itself", `"\ufffd"`, "\ufffd"},
		{"empty", `""`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			policy := got(t, `{"\u0069d": "npol\u005f1", "n\u0061me": `+test.json+`, "description": `+test.json+`,
				"\u0065gress": {"allowed\u005fhostnames": ["plain.example", `+test.json+`, "*.example", `+test.json+`],
				"allow\u005fall": true, "allowed_cidrs": [{"\u0063idr": `+test.json+`, "ports": [{"port": 1, "protocol": `+test.json+`}]}]}}`)

			assert.Equal(t, "npol_1", policy.ID)
			assert.Equal(t, test.text, policy.Name)
			assert.Equal(t, test.text, policy.Description)
			assert.True(t, policy.Egress.AllowAll)
			assert.Equal(t, []string{"plain.example", test.text, "*.example", test.text}, policy.Egress.AllowedHostnames)
			assert.Equal(t, test.text, policy.Egress.AllowedCIDRs[0].CIDR)
			assert.Equal(t, runloop.Protocol(test.text), policy.Egress.AllowedCIDRs[0].Ports[0].Protocol)
		})
	}
}

func TestDecodeHostLists(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, json string
		hosts      []string
	}{
		{"empty", `[]`, nil},
		{"blanks only", "[ \t\r\n ]", nil},
		{"one", `["github.com"]`, []string{"github.com"}},
		{"blanks between", "[\n\t\"a\" ,\r\n \"b\"\n]", []string{"a", "b"}},
		{"separators in a text", `["a,b", "]", "[", "{\"x\":1}"]`, []string{"a,b", "]", "[", `{"x":1}`}},
		{"quotes in a text", `["\"", "\\\"", "\\", "\\\\"]`, []string{`"`, `\"`, `\`, `\\`}},
		{"empty texts", `["", "", "a", ""]`, []string{"", "", "a", ""}},
		{"repetitions", `["a", "a"]`, []string{"a", "a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.hosts, gotRules(t, `{"allowed_hostnames": `+test.json+`}`).AllowedHostnames)
		})
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
