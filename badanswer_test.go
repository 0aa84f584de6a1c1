package runloop_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

// An answer that says success and cannot be read is an error, never a value that
// is empty or half filled.

// unreadable makes the call and checks that it takes the answer for an invalid one.
func unreadable(t *testing.T, call policyCall, status int, body, problem string) {
	t.Helper()
	err := failWith(t, call, answer(status, body)) // which also checks that there is no value
	require.ErrorIs(t, err, runloop.ErrInvalidResponse)
	transport, ok := errors.AsType[*runloop.TransportError](err)
	require.True(t, ok)
	assert.Equal(t, call.isWrite(), transport.MaybeApplied, "the API said that it did it")
	assert.Equal(t, 1, transport.Attempts)
	assert.False(t, transport.Timeout())
	assert.Contains(t, err.Error(), fmt.Sprintf(`invalid response: status %d, content type "application/json": `, status))
	assert.Contains(t, err.Error(), problem)
	assert.Less(t, len(err.Error()), 300)
}

func TestAnswersThatAreNoObject(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ body, problem string }{
		"empty":        {``, "the body is empty"},
		"blank":        {" \r\n\t ", "the body is empty"},
		"null":         {`null`, "it has null where an object belongs"},
		"array":        {`[]`, "it has [ where an object belongs"},
		"string":       {`"x"`, "it has string where an object belongs"},
		"number":       {`1`, "it has number where an object belongs"},
		"boolean":      {`true`, "it has true where an object belongs"},
		"HTML":         {`<html><body>Welcome to our Wi-Fi</body></html>`, "invalid character '<'"},
		"BOM":          {"\ufeff" + policyJSON, `invalid character`},
		"cut in it":    {`{"id": "npol_1", "egress": {`, "unexpected EOF"},
		"cut in text":  {`{"id": "npol`, "unexpected EOF"},
		"open":         {`{`, "unexpected EOF"},
		"not JSON":     {`{'id': 'npol_1'}`, "invalid character"},
		"no quotes":    {`{id: 1}`, "invalid character"},
		"a last comma": {`{"unknown": 1,}`, "invalid character"},
		"NaN":          {`{"unknown": NaN}`, "invalid character"},
		"binary":       {"\x1f\x8b\x08\x00\x00", "invalid character"},
		"deep":         {strings.Repeat(`{"a":`, 20_000) + `1` + strings.Repeat(`}`, 20_000), "exceeded max depth"},
		"deep arrays":  {`{"unknown": ` + strings.Repeat(`[`, 20_000) + strings.Repeat(`]`, 20_000) + `}`, "exceeded max depth"},
	} {
		for _, call := range policyCalls {
			t.Run(name+"/"+call.op, func(t *testing.T) {
				t.Parallel()
				unreadable(t, call, 200, test.body, test.problem)
			})
		}
	}
	for _, call := range policyCalls {
		unreadable(t, call, 204, ``, "the body is empty")
		unreadable(t, call, 202, `{}`, "it has no ")
	}
}

// badPolicies are answers that look like a policy.
var badPolicies = map[string]struct{ body, problem string }{
	"no members":              {`{}`, `has no "id"`},
	"no id":                   {`{"name": "build", "egress": {}}`, `has no "id"`},
	"empty id":                {`{"id": "", "name": "build", "egress": {}}`, `has no "id"`},
	"id is null":              {`{"id": null, "name": "build", "egress": {}}`, `has no "id"`},
	"id in another case":      {`{"ID": "npol_1", "name": "build", "egress": {}}`, `has no "id"`},
	"id is a number":          {`{"id": 1, "name": "build", "egress": {}}`, "/id has number where a string belongs"},
	"id is an object":         {`{"id": {}, "name": "build", "egress": {}}`, "/id has { where a string belongs"},
	"invalid UTF-8 in the id": {"{\"id\": \"npol_\xff1\", \"name\": \"build\", \"egress\": {}}", "invalid UTF-8"},
	"lone surrogate in id":    {`{"id": "npol_\ud8001", "name": "build", "egress": {}}`, "surrogate"},
	"invalid UTF-8 anywhere":  {"{\"id\": \"npol_1\", \"name\": \"build\", \"egress\": {}, \"unknown\": \"\xff\"}", "invalid UTF-8"},
	"no egress":               {`{"id": "npol_1", "name": "build"}`, `has no "egress"`},
	"egress is null":          {`{"id": "npol_1", "name": "build", "egress": null}`, "/egress has null where an object belongs"},
	"egress is an array":      {`{"id": "npol_1", "name": "build", "egress": []}`, "/egress has [ where an object belongs"},
	"flag is a string":        {`{"id": "npol_1", "name": "build", "egress": {"allow_all": "false"}}`, "/egress/allow_all has string where true or false belongs"},
	"flag is a number":        {`{"id": "npol_1", "name": "build", "egress": {"allow_mcp_gateway": 0}}`, "/egress/allow_mcp_gateway has number where true or false belongs"},
	"hosts are a string":      {`{"id": "npol_1", "name": "build", "egress": {"allowed_hostnames": "github.com"}}`, "/egress/allowed_hostnames has string where an array of strings belongs"},
	"a host is null":          {`{"id": "npol_1", "name": "build", "egress": {"allowed_hostnames": ["a", null]}}`, "/egress/allowed_hostnames has null where a string belongs"},
	"a host is an array":      {`{"id": "npol_1", "name": "build", "egress": {"allowed_hostnames": [["a"]]}}`, "/egress/allowed_hostnames has [ where a string belongs"},
	"ranges are an object":    {`{"id": "npol_1", "name": "build", "egress": {"allowed_cidrs": {}}}`, "/egress/allowed_cidrs has { where an array belongs"},
	"a port is a string":      {`{"id": "npol_1", "name": "build", "egress": {"allowed_cidrs": [{"ports": [{"port": "443"}]}]}}`, "/egress/allowed_cidrs/0/ports/0/port has string where an integer of 32 bits"},
	"time with an exponent":   {`{"id": "npol_1", "name": "build", "egress": {}, "create_time_ms": 1e3}`, "/create_time_ms has number where an integer of 64 bits belongs"},
	"time with a fraction":    {`{"id": "npol_1", "name": "build", "egress": {}, "create_time_ms": 1.0}`, "/create_time_ms has number where an integer of 64 bits belongs"},
	"time beyond 64 bits":     {`{"id": "npol_1", "name": "build", "egress": {}, "update_time_ms": 9223372036854775808}`, "/update_time_ms has number where an integer of 64 bits belongs"},
	"time is a string":        {`{"id": "npol_1", "name": "build", "egress": {}, "update_time_ms": "1"}`, "/update_time_ms has string where an integer of 64 bits belongs"},
	"a name twice":            {`{"id": "npol_2", "id": "npol_1", "name": "build", "egress": {}}`, "duplicate object member name"},
	"a name twice, escaped":   {`{"id": "npol_2", "\u0069d": "npol_1", "name": "build", "egress": {}}`, "duplicate object member name"},
	"a flag twice":            {`{"id": "npol_1", "name": "build", "egress": {"allow_all": true, "allow_all": false}}`, "duplicate object member name"},
}

func TestAnswersThatAreNoPolicy(t *testing.T) {
	t.Parallel()
	for name, test := range badPolicies {
		for _, call := range policyCalls {
			t.Run(name+"/"+call.op, func(t *testing.T) {
				t.Parallel()
				body := test.body
				if call.op == listCall.op {
					body = `{"network_policies": [` + policyJSON + `, ` + body + `], "has_more": false}`
				}
				unreadable(t, call, 200, body, test.problem)
			})
		}
	}
}

func TestAnswersThatGoOn(t *testing.T) {
	t.Parallel()
	for _, rest := range []string{`x`, `}`, `{}`, `null`, `0`, `,`, policyJSON, "\x00", `// done`, `<!-- cached -->`} {
		for _, call := range policyCalls {
			unreadable(t, call, 200, call.success+"\n"+rest, "there is more after the end")
		}
	}
}

func TestAnswersThatAreNoPage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ body, problem string }{
		"a policy":                {policyJSON, `it has no "network_policies"`},
		"no policies":             {`{"has_more": false}`, `it has no "network_policies"`},
		"policies are null":       {`{"network_policies": null, "has_more": false}`, `it has no "network_policies"`},
		"policies are an object":  {`{"network_policies": {}, "has_more": false}`, "/network_policies has { where an array belongs"},
		"a policy is null":        {`{"network_policies": [null], "has_more": false}`, "/network_policies/0 has null where an object belongs"},
		"a policy is its id":      {`{"network_policies": ["npol_1"], "has_more": false}`, "/network_policies/0 has string where an object belongs"},
		"the second is null":      {`{"network_policies": [` + policyJSON + `, null], "has_more": false}`, "/network_policies/1 has null where an object belongs"},
		"the second has no id":    {`{"network_policies": [` + policyJSON + `, {"egress": {}}], "has_more": false}`, `/network_policies/1 has no "id"`},
		"no has_more":             {`{"network_policies": []}`, `it has no "has_more"`},
		"has_more is null":        {`{"network_policies": [], "has_more": null}`, `it has no "has_more"`},
		"has_more is a string":    {`{"network_policies": [], "has_more": "false"}`, "/has_more has string where true or false belongs"},
		"count is a string":       {`{"network_policies": [], "has_more": false, "total_count": "1"}`, "/total_count has string where an integer of 32 bits belongs"},
		"count beyond 32 bits":    {`{"network_policies": [], "has_more": false, "total_count": 2147483648}`, "/total_count has number where an integer of 32 bits belongs"},
		"policies come twice":     {`{"network_policies": [], "network_policies": [], "has_more": false}`, "duplicate object member name"},
		"cut between two of them": {`{"network_policies": [` + policyJSON + `,`, "unexpected EOF"},
		"cut behind the last":     {`{"network_policies": [` + policyJSON, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			unreadable(t, listCall, 200, test.body, test.problem)
		})
	}
}

func TestAnswersAboutAnotherPolicy(t *testing.T) {
	t.Parallel()
	const other = `{"id": "npol_2", "name": "other", "egress": {}}`
	for _, call := range []policyCall{getCall, updateCall, deleteCall} {
		unreadable(t, call, 200, other, `it is about policy "npol_2", asked for was "npol_1"`)
	}
	unreadable(t, createCall, 200, other, `it is about policy "other", created was "build"`)
}

func TestAnswersThatAreTooLarge(t *testing.T) {
	t.Parallel()
	var read int64
	err := failWith(t, updateCall, func(*http.Request) (*http.Response, error) {
		body := io.TeeReader(endless(strings.Repeat("x", 32<<10)), counter{&read})
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(body)}, nil
	})
	assert.Equal(t, []string{"ErrResponseTooLarge"}, matches(err))
	assert.Equal(t, "runloop: update network policy: no usable answer (1 attempt, it may have been applied): response too large: more than 32 MiB", err.Error())
	assert.InDelta(t, 32<<20, read, 1<<20)
}

func TestAnswersThatMayBeOlderOrNewerThanTheSDK(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"a server of version 0.1": `{"id": "npol_1", "name": "build", "egress": {"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": ["github.com"], "allow_agent_gateway": false, "allow_mcp_gateway": false}, "create_time_ms": 1, "update_time_ms": 2}`,
		"the least there is":      `{"id": "npol_1", "name": "build", "egress": {}}`,
		"members that are null":   `{"id": "npol_1", "name": "build", "description": null, "egress": {"allow_all": null, "allowed_hostnames": null, "allowed_cidrs": null}, "create_time_ms": null}`,
		"members from the future": `{"schema": 2, "id": "npol_1", "name": "build", "egress": {"allow_ipv6": false, "denied": [{"x": [1, 2.5e300]}]}, "labels": {"a": "b"}, "Id": 1}`,
		"with blanks around it":   "\r\n\t " + policyJSON + "\r\n",
	} {
		for _, call := range policyCalls {
			t.Run(name+"/"+call.op, func(t *testing.T) {
				t.Parallel()
				body := body
				if call.op == listCall.op {
					body = `{"object": "list", "network_policies": [` + body + `], "has_more": false, "next": null}`
				}
				api, client := newAPI(t)
				api.answers(call.method, call.path, answer(200, body))
				got, err := call.do(t.Context(), client)
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
