package runloop

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const unknownEverywhere = `{"new": "s3cret", "also": 1, "allowed_cidrs": [{"cidr": "10.0.0.0/8", "new": "s3cret",
	"ports": [{"port": 1, "protocol": "TCP", "new": "s3cret", "n\u0065xt": 2}]}]}`

func TestIgnoring(t *testing.T) {
	t.Parallel()
	var rules EgressRules
	require.NoError(t, rules.UnmarshalJSON([]byte(unknownEverywhere)))
	before := rules.Fingerprint()

	assert.Equal(t, []string{"cidr 10.0.0.0/8 TCP 1", "cidr 10.0.0.0/8 TCP 1 unknown next", "unknown also"}, rules.ignoring([]string{"new", "other"}).Rules())
	assert.Equal(t, []string{"cidr 10.0.0.0/8 TCP 1"}, rules.ignoring([]string{"new", "also", "next"}).Rules())
	assert.Equal(t, rules.Rules(), rules.ignoring(nil).Rules())
	assert.Equal(t, before, rules.Fingerprint(), "the rules themselves keep them")

	data, err := rules.ignoring([]string{"new"}).MarshalJSON()
	require.NoError(t, err)
	assert.NotContains(t, string(data), "s3cret")
}

func TestDiffWithoutValues(t *testing.T) {
	t.Parallel()
	var rules, changed EgressRules
	require.NoError(t, rules.UnmarshalJSON([]byte(unknownEverywhere)))
	require.NoError(t, changed.UnmarshalJSON([]byte(`{"new": "other", "n\nw": 1, "allowed_hostnames": ["a.example"]}`)))

	assert.Equal(t, []string{
		`- cidr 10.0.0.0/8 TCP 1`,
		"- cidr 10.0.0.0/8 TCP 1 unknown new",
		"- cidr 10.0.0.0/8 TCP 1 unknown next",
		"- cidr 10.0.0.0/8 unknown new",
		"- unknown also",
		"- unknown new",
		"+ host a.example",
		`+ unknown "n\nw"`,
		"+ unknown new",
	}, rules.diffWithoutValues(changed))
	assert.Empty(t, rules.diffWithoutValues(rules))
}

func TestVersionInTheUserAgent(t *testing.T) {
	t.Parallel()
	assert.Equal(t, version, versionIn(nil))
	const path = "github.com/runloop-community/runloop-go"
	for _, test := range []struct {
		module debug.Module
		want   string
	}{
		{debug.Module{Path: path, Version: "v1.20.3"}, "1.20.3"},
		{debug.Module{Path: path, Version: "v1.20.3", Replace: &debug.Module{Path: "../fork"}}, version},
		{debug.Module{Path: path, Version: "v1.20.4-0.20260101000000-0123456789ab"}, version},
		{debug.Module{Path: path, Version: "v1.20.3+dirty"}, version},
		{debug.Module{Path: path, Version: "(devel)"}, version},
		{debug.Module{Path: path + "/contract", Version: "v1.20.3"}, version},
	} {
		info := &debug.BuildInfo{Deps: []*debug.Module{{Path: "example.test/other", Version: "v9.9.9"}, &test.module}}
		assert.Equal(t, test.want, versionIn(info), "%+v", test.module)
	}
}
