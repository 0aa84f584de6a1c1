package engine_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// P1: the library logs each request with its whole URL to standard error, unless it
// is told not to, and net/http logs transports that misbehave. Only another process
// can see all of it: these tests run themselves again.

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

func TestStandardErrorStaysEmpty(t *testing.T) {
	if os.Getenv(inAnotherProcess) == "" {
		t.Parallel()
		assert.Empty(t, stderrOf(t))
		return
	}
	clienttest.InBubble(func(t *testing.T) {
		server := wiretest.NewServer(t,
			wiretest.Refuse(),
			wiretest.HangUp(),
			wiretest.Reply(503, clienttest.BusyJSON),
			wiretest.Reply(429, clienttest.BusyJSON, "Retry-After: 2"), // gives up
			wiretest.Reply(302, "", "Location: http://evil.example/?token=1"),
			wiretest.Cut(wiretest.Response(200, `{"id":`, "Content-Length: 90")).Times(4), // gives up
			wiretest.Reply(404, notFoundJSON),
			wiretest.Stall("")) // is cancelled
		client := clienttest.NewWireClient(t, server)
		list := func(ctx context.Context) error {
			_, err := client.NetworkPolicies.List(ctx, runloop.NetworkPolicyListParams{Name: "in the query"})
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()

		require.ErrorIs(t, list(ctx), runloop.ErrRateLimited)
		require.Error(t, clienttest.UpdatePolicy(ctx, client))
		require.Error(t, list(ctx))
		require.ErrorIs(t, list(ctx), runloop.ErrNotFound)
		require.ErrorIs(t, list(ctx), context.DeadlineExceeded)

		misbehaving := clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			resp, _ := clienttest.Answer(200, clienttest.PolicyJSON)(r)
			return resp, errors.New("a response and an error")
		}))
		require.Error(t, clienttest.GetPolicy(t.Context(), misbehaving))
	})(t)
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
			wiretest.Do("answer, and more later", func(c *wiretest.Conn) {
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
