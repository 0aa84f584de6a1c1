package runloop

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
)

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
