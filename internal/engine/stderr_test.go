package engine_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// What comes to standard error besides the SDK. Only another process can see all of
// it: the test runs itself again.

const inAnotherProcess = "RUNLOOP_TEST_IN_ANOTHER_PROCESS"

// stderrOf runs the test alone in a process of its own, and returns what that wrote
// to standard error.
func stderrOf(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), inAnotherProcess+"=1", "GOCOVERDIR="+t.TempDir())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), "%s%s", &stdout, &stderr)
	require.Contains(t, stdout.String(), "PASS")
	return stderr.String()
}

// N8: for bytes that nobody asked for, net/http itself prints a line, with the bytes
// in it. No SDK on top of it can keep that back; this one adds nothing to it.
func TestStandardErrorWithBytesAfterABody(t *testing.T) {
	if os.Getenv(inAnotherProcess) == "" {
		t.Parallel()
		for line := range strings.Lines(stderrOf(t)) {
			assert.Contains(t, line, "Unsolicited response received on idle HTTP channel starting with")
		}
		return
	}
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.Do("reply, and more later", func(c *wiretest.Conn) {
				c.Read()
				c.Write(wiretest.Response(200, clienttest.PolicyJSON))
				c.Sleep(time.Second)
				c.Write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nextra")
				c.Close()
			}),
			wiretest.Cut(wiretest.Response(200, clienttest.PolicyJSON)+"extra"))
		client := clienttest.NewWireClient(t, server)

		for range 2 {
			require.NoError(t, clienttest.UpdatePolicy(t.Context(), client))
			time.Sleep(2 * time.Second)
		}
	})(t)
}
