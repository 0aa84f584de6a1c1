package wiretest_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// A verdict is a test that keeps its failures to itself.
type verdict struct {
	testing.TB
	errors []string
	end    func()
}

func (v *verdict) Helper()          {}
func (v *verdict) Cleanup(f func()) { v.end = f }
func (v *verdict) Errorf(format string, args ...any) {
	v.errors = append(v.errors, fmt.Sprintf(format, args...))
}

func get(server *wiretest.Server, url string) (string, error) {
	resp, err := (&http.Client{Transport: server.Transport}).Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d %s", resp.StatusCode, body), err
}

func TestAScriptThatDoesNotFitFailsTheTest(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		script []wiretest.Step
		want   string
	}{
		"steps left over":      {[]wiretest.Step{wiretest.Reply(200, ""), wiretest.HangUp(), wiretest.HangUp()}, `wiretest: no request for the step "send \"\" and hang up" and the 1 after it`},
		"a dial too many":      {nil, "wiretest: a dial has no step"},
		"a request too many":   {[]wiretest.Step{wiretest.Reply(200, "")}, `wiretest: a request on an open connection has no step, but ""`},
		"a request for a dial": {[]wiretest.Step{wiretest.Reply(200, ""), wiretest.Refuse()}, `wiretest: a request on an open connection has no step, but "dial: `},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v := &verdict{TB: t}
				server := wiretest.NewServer(v, tt.script...)

				_, _ = get(server, "http://localhost")
				if len(tt.script) < 3 {
					_, err := get(server, "http://localhost")
					require.Error(t, err)
				}
				v.end()

				require.NotEmpty(t, v.errors)
				assert.Contains(t, v.errors[0], tt.want)
			})
		})
	}
}
