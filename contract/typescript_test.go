package contract_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go/runlooptest"
)

const typescriptDir = "typescript"

// TestOfficialClient starts node once, with Runloop's own client for TypeScript as it was
// published. The client makes all of its calls for network policies, and many for devboxes, to
// the fake. It only has a base URL and a key. Meanwhile, it is compared with the SDK.
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
	cmd     *exec.Cmd
	stderr  bytes.Buffer
	stdin   io.WriteCloser
	stopped chan struct{} // closed after its last report

	mu      sync.Mutex
	pending map[int]chan *report // by the number of the call
	calls   int
}

func startNode(t *testing.T, env ...string) *node {
	t.Helper()
	// The end of the context kills a program that was not stopped.
	n := &node{cmd: exec.CommandContext(t.Context(), "npm", "test", "--silent"), stopped: make(chan struct{}), pending: map[int]chan *report{}}
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
	go n.read(stdout)
	return n
}

// read delivers the reports.
func (n *node) read(stdout io.Reader) {
	defer close(n.stopped)
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadBytes('\n')
		r := new(report)
		if err != nil || json.Unmarshal(line, r) != nil {
			return
		}
		n.mu.Lock()
		n.pending[r.Number] <- r
		n.mu.Unlock()
	}
}

// stop waits for the tests of the program, and returns their output.
func (n *node) stop() (string, error) {
	if err := n.stdin.Close(); err != nil {
		return "", err
	}
	<-n.stopped
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

// A report is what peer.mjs writes about a call.
type report struct {
	Number   int       `json:"number"`
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
	reports := make(chan *report, 1)
	n.mu.Lock()
	n.calls++
	n.pending[n.calls] = reports
	question := map[string]any{
		"number":   n.calls,
		"settings": settings,
		"service":  cmp.Or(c.service, "networkPolicies"),
		"method":   c.method,
		"args":     append([]any{}, c.args...),
		"iterate":  c.iterate,
		"times":    cmp.Or(c.times, 1),
		"patience": c.patience.Milliseconds(),
	}
	if c.options != nil {
		question["options"] = c.options
	}
	line, err := json.Marshal(question)
	if err == nil {
		_, err = n.stdin.Write(append(line, '\n'))
	}
	n.mu.Unlock()
	require.NoError(t, err)
	select {
	case r := <-reports:
		return r
	case <-n.stopped:
		require.FailNow(t, "node has ended", n.stderr.String())
		return nil
	}
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
