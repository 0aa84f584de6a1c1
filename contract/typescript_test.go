package contract_test

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

const typescriptDir = "typescript"

// TestTypeScriptClient lets Runloop's own client for TypeScript do all that it can
// do to network policies with the fake, which runs as a program. The client is as it
// was published; all it is told is a base URL and a key.
func TestTypeScriptClient(t *testing.T) {
	t.Parallel()
	installTypeScriptClient(t)
	const key = "typescript-key"
	fake := startFakeProgram(t, "-api-key", key)

	// To look at the file makes go test forget the result when the file changes.
	require.FileExists(t, filepath.Join(typescriptDir, "client.test.mjs"))
	output, err := runIn(t, typescriptDir, []string{"RUNLOOP_BASE_URL=" + fake.url, "RUNLOOP_API_KEY=" + key}, "npm", "test", "--silent")
	require.NoError(t, err, output)
	t.Log(output)

	client, err := runloop.NewClient(runloop.WithBaseURL(fake.url), runloop.WithAPIKey(key))
	require.NoError(t, err)
	page, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{})
	require.NoError(t, err)
	client.CloseIdleConnections()
	assert.Empty(t, page.NetworkPolicies, "the client has deleted what it made")

	requests := fake.stop(t)
	for _, op := range []runlooptest.Operation{
		runlooptest.CreateNetworkPolicy, runlooptest.ListNetworkPolicies, runlooptest.GetNetworkPolicy,
		runlooptest.UpdateNetworkPolicy, runlooptest.DeleteNetworkPolicy,
		runlooptest.CreateDevbox, runlooptest.GetDevbox, runlooptest.ShutdownDevbox,
	} {
		assert.Contains(t, requests, "operation="+string(op)+" status=200")
	}
	assert.NotContains(t, requests, `operation=""`, "the client has no call that the fake has not")
	assert.NotContains(t, requests, "status=5")
}

// installTypeScriptClient installs what the lock file names, unless it is there.
func installTypeScriptClient(t *testing.T) {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			skipUnlessCI(t, "%s is not installed", program)
		}
	}
	if _, err := runIn(t, typescriptDir, nil, "npm", "ls", "--all"); err == nil {
		return
	}
	output, err := runIn(t, typescriptDir, nil, "npm", "ci")
	if err != nil && unreachable.MatchString(output) {
		skipUnlessCI(t, "npm can't reach its registry:\n%s", output)
	}
	require.NoError(t, err, output)
}

// unreachable matches what npm prints when the registry does not answer.
var unreachable = regexp.MustCompile(`\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT|FETCH_ERROR)\b`)

// skipUnlessCI skips the test for want of something that CI is sure to have.
func skipUnlessCI(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// A fakeProgram is cmd/runloop-fake while it runs.
type fakeProgram struct {
	url    string
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

func startFakeProgram(t *testing.T, args ...string) *fakeProgram {
	t.Helper()
	path := filepath.Join(t.TempDir(), "runloop-fake")
	output, err := runIn(t, "..", nil, "go", "build", "-o", path, "./cmd/runloop-fake")
	require.NoError(t, err, output)

	// The end of the context kills a program that was not stopped.
	p := &fakeProgram{cmd: exec.CommandContext(t.Context(), path, append([]string{"-addr", "127.0.0.1:0"}, args...)...)}
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	require.True(t, ok, line)
	p.url = url
	return p
}

// stop ends the program as a user would, and returns its log of requests.
func (p *fakeProgram) stop(t *testing.T) string {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.cmd.Wait())
	return p.stderr.String()
}

// runIn runs a program in a directory, with additions to the environment, and
// returns all that it printed.
func runIn(t *testing.T, dir string, env []string, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = time.Second // for what the program may have started
	output, err := cmd.CombinedOutput()
	return string(output), err
}
