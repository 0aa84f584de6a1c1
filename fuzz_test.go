package runloop_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

// What can be read can be written, and then stays as it is.
func FuzzPolicyJSON(f *testing.F) {
	f.Add(policyJSON)
	for _, place := range placesOfUnknownMembers {
		f.Add(`{"egress": ` + strings.Replace(place.egress, "MEMBER", `"n\u0065w": {"<b>": [1e400, -0.0, "\ud83d\ude80"]}`, 1) + `}`)
	}
	f.Add(`{"create_time_ms": -9223372036854775808, "update_time_ms": 9223372036854775807}`)
	f.Add(`{"\u0069d": "\/", "name": "\u0000", "egress": {"allowed_hostnames": ["\"", "\\"]}}`)
	f.Add(`null`)
	f.Add(`{"id": "npol_1"}{}`)

	f.Fuzz(func(t *testing.T, document string) {
		kept := runloop.NetworkPolicy{ID: "kept", Egress: runloop.EgressRules{AllowMCPGateway: true}}
		first := kept
		if err := json.Unmarshal([]byte(document), &first); err != nil {
			require.Equal(t, kept, first, "an error changes nothing")
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

// The list of host names has a reader of its own, which reads what encoding/json does.
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
			return // encoding/json puts up with more
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

// An ID is refused, or is one segment of the path that decodes to it.
func FuzzIDs(f *testing.F) {
	for _, id := range []string{"npol_1", "", ".", "..", "%2e", "a/b", "../x", "a?b#c", "a b", "100%", "é", "\x00", "\xff", "a+b;c&d=e", "{id}"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		var paths []string
		client := newClientOver(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			sent, err := url.ParseRequestURI(r.URL.RequestURI())
			require.NoError(t, err)
			assert.Empty(t, sent.RawQuery)
			paths = append(paths, sent.EscapedPath())
			return answer(404, `{}`)(r)
		}))

		_, err := client.NetworkPolicies.Delete(t.Context(), id)

		if _, refused := errors.AsType[*runloop.ValidationError](err); refused {
			assert.Empty(t, paths)
			return
		}
		require.Len(t, paths, 1)
		segment, isDelete := strings.CutSuffix(strings.TrimPrefix(paths[0], policiesPath+"/"), "/delete")
		assert.True(t, isDelete)
		assert.NotContains(t, segment, "/")
		decoded, err := url.PathUnescape(segment)
		require.NoError(t, err)
		assert.Equal(t, id, decoded)
	})
}

// Whatever is refused, the refusal shows the value and says what to do about it.
func FuzzHostnames(f *testing.F) {
	for _, hostname := range []string{
		"github.com", "*.npmjs.org", "*", "", " ", "https://github.com/x", "10.1.2.3", "[::1]:80", "10.0.0.0/8", "::/0", "git@github.com:x",
		"a..b", "foo*.x", "a\\b", "%zz.com/", "https://[", "\xff", "a\x00b", strings.Repeat("x", 64) + ".com", "//", "?", "@", ":", "[]", "fe80::1%25eth0",
		strings.Repeat("\x80", 100),
	} {
		f.Add(hostname)
	}
	advice := regexp.MustCompile(`: write |: leave it out$|: set AllowAll instead$|: the API allows IPv4 ranges only|is not valid UTF-8$|is longer than \d+ bytes$|has a label longer than \d+ bytes$`)
	writeRange := regexp.MustCompile(`: write "([^"]*)" into AllowedCIDRs$`)
	f.Fuzz(func(t *testing.T, hostname string) {
		rules := runloop.EgressRules{AllowedHostnames: []string{hostname}}
		rules.Fingerprint()
		assert.True(t, rules.Equal(rules))
		err := rules.Validate()
		if err == nil {
			return
		}
		refused, ok := errors.AsType[*runloop.ValidationError](err)
		require.True(t, ok)
		assert.Equal(t, "AllowedHostnames[0]", refused.Field)
		assert.Regexp(t, `^"`, refused.Problem, "it shows the value")
		assert.Regexp(t, advice, refused.Problem)
		assert.Less(t, len(err.Error()), 300)

		if write := writeRange.FindStringSubmatch(refused.Problem); write != nil {
			assert.NoError(t, cidrs(runloop.AllowedCIDR{CIDR: write[1]}).Validate(), "the advice is good")
		}
	})
}
