package contract_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go/runlooptest"
)

const typescriptDir = "typescript"

// TestOfficialClient starts node once, with Runloop's own TypeScript client as published. The
// client makes all of its calls for network policies, and many for devboxes, to the fake. It only
// has a base URL and a key. Meanwhile, it is compared with the SDK.
func TestOfficialClient(t *testing.T) {
	t.Parallel()
	installTypeScriptClient(t)
	// Looking at the files makes go test forget the result if one changes.
	for _, file := range []string{"peer.mjs", "client.test.mjs"} {
		require.FileExists(t, filepath.Join(typescriptDir, file))
	}
	fake := runlooptest.NewLoopbackServer(t, runlooptest.WithAPIKey(comparisonKey))
	node := startNode(t, "RUNLOOP_BASE_URL="+fake.URL, "RUNLOOP_API_KEY="+comparisonKey)

	t.Run("comparison", func(t *testing.T) { testComparison(t, node) })

	output, err := node.stop()
	require.NoError(t, err, output)
	t.Log(output)
	assert.Empty(t, fake.Policies(), "the client has deleted what it created")
	seen := map[string]bool{}
	for _, request := range fake.Requests() {
		seen[fmt.Sprint(request.Operation, " ", request.Status)] = true
		assert.Less(t, request.Status, 500, "%v", request)
		assert.NotEmpty(t, request.Operation, "the fake has every call of the client: %v", request)
	}
	for operation := range calls {
		assert.Contains(t, seen, string(operation)+" 200")
	}
	assert.Contains(t, seen, string(runlooptest.WaitForDevboxStatus)+" 408")
}

// installTypeScriptClient installs what the lock file names, unless it is there.
func installTypeScriptClient(t *testing.T) {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			skipUnlessCI(t, "%s is not installed", program)
		}
	}
	if _, err := runIn(t, typescriptDir, "npm", "ls", "--all"); err == nil {
		return
	}
	output, err := runIn(t, typescriptDir, "npm", "ci", "--ignore-scripts")
	if err != nil && unreachable.MatchString(output) {
		skipUnlessCI(t, "npm can't reach its registry:\n%s", output)
	}
	require.NoError(t, err, output)
}

// unreachable matches what npm prints when the registry does not respond.
var unreachable = regexp.MustCompile(`\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT|FETCH_ERROR)\b`)

// skipUnlessCI skips the test if something is missing that CI must have.
func skipUnlessCI(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// A node is the program peer.mjs while it runs.
type node struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stderr bytes.Buffer
	url    string
}

func startNode(t *testing.T, env ...string) *node {
	t.Helper()
	// The end of the context kills a program that was not stopped. It would not kill what npm starts.
	cmd := exec.CommandContext(t.Context(), "node", "--test-reporter=spec", "--test-reporter-destination=stderr", "peer.mjs")
	n := &node{cmd: cmd}
	n.cmd.Dir = typescriptDir
	n.cmd.Env = append(os.Environ(), env...)
	n.cmd.Stderr = &n.stderr
	var err error
	n.stdin, err = n.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := n.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, n.cmd.Start())
	t.Cleanup(func() { _ = n.cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	n.url = strings.TrimSpace(line)
	return n
}

// stop waits for the tests of the program, and returns their output.
func (n *node) stop() (string, error) {
	if err := n.stdin.Close(); err != nil {
		return "", err
	}
	err := n.cmd.Wait()
	return n.stderr.String(), err
}

// A call is one of Runloop's client, with default settings.
type call struct {
	service  string // "networkPolicies" by default
	method   string
	args     []any
	options  map[string]any // of the request
	iterate  int            // over the list, up to this number of items
	times    int            // concurrently; 1 by default
	timeout  time.Duration  // of the client; 0 is its default
	patience time.Duration  // for the outcome, before the call is aborted; a minute by default
}

// A report is what peer.mjs responds to a call.
type report struct {
	Outcomes []outcome `json:"outcomes"`
	Services []string  `json:"services"` // of the client
	Methods  []string  `json:"methods"`  // of the service
	Printed  string    `json:"printed"`  // by console.log of the client
}

// An outcome is what one call returned or threw, or that it is still waiting.
type outcome struct {
	Waiting  bool    `json:"waiting"`
	Returned any     `json:"returned"`
	Threw    *thrown `json:"threw"`
}

type thrown struct {
	Class   string `json:"class"`
	Message string `json:"message"`
}

func (e *thrown) Error() string { return e.Class + ": " + e.Message }

// call makes a call with Runloop's client.
func (n *node) call(t *testing.T, url string, c call) *report {
	t.Helper()
	settings := map[string]any{"baseURL": url, "bearerToken": comparisonKey}
	if c.timeout > 0 {
		settings["timeout"] = c.timeout.Milliseconds()
	}
	fields := map[string]any{
		"settings": settings,
		"service":  cmp.Or(c.service, "networkPolicies"),
		"method":   c.method,
		"args":     append([]any{}, c.args...),
		"iterate":  c.iterate,
		"times":    cmp.Or(c.times, 1),
		"patience": c.patience.Milliseconds(),
	}
	if c.options != nil {
		fields["options"] = c.options
	}
	body, err := json.Marshal(fields)
	require.NoError(t, err)
	res, err := http.Post(n.url, "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	defer res.Body.Close()
	r := new(report)
	require.NoError(t, json.UnmarshalRead(res.Body, r))
	return r
}

// outcome returns the outcome of the only call.
func (r *report) outcome(t *testing.T) outcome {
	t.Helper()
	require.Len(t, r.Outcomes, 1)
	return r.Outcomes[0]
}

// returned returns what the only call returned.
func (r *report) returned(t *testing.T) any {
	t.Helper()
	o := r.outcome(t)
	require.True(t, o.Threw == nil && !o.Waiting, "%v", o)
	return o.Returned
}

// thrown returns what the only call threw.
func (r *report) thrown(t *testing.T) error {
	t.Helper()
	o := r.outcome(t)
	require.NotNil(t, o.Threw, "%v", o)
	return o.Threw
}

// runIn runs a program in a directory, and returns its output.
func runIn(t *testing.T, dir, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second // for the children of the program
	output, err := cmd.CombinedOutput()
	return string(output), err
}
