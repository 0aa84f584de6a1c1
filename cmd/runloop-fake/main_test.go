package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/runloop-community/runloop-go"
	_ "github.com/runloop-community/runloop-go/internal/clienttest" // unsets RUNLOOP_*
	"github.com/runloop-community/runloop-go/internal/noenv"
	"github.com/runloop-community/runloop-go/internal/wiretest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A buffer is what a running program writes, to be read while it runs.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// readyURL reads the line that says where the program listens.
func readyURL(t *testing.T, stdout io.Reader) string {
	t.Helper()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	url, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "listening on ")
	require.True(t, ok, line)
	return url
}

// start runs the program until the test ends, and returns its URL and its log.
func start(t *testing.T, args ...string) (url string, stderr *buffer) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stdoutReader, stdout := io.Pipe()
	stderr = new(buffer)
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), stdout, stderr)
		stdout.Close()
	}()
	t.Cleanup(func() {
		cancel()
		assert.Equal(t, exitOK, <-status, stderr)
	})
	return readyURL(t, stdoutReader), stderr
}

func newClient(t *testing.T, url string, opts ...runloop.Option) *runloop.Client {
	t.Helper()
	client, err := runloop.NewClient(append([]runloop.Option{
		noenv.Option.(runloop.Option), runloop.WithBaseURL(url), runloop.WithAPIKey("secret-key"),
	}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func TestServesAndLogs(t *testing.T) {
	t.Parallel()
	url, stderr := start(t, "-policies", "1234", "-policy-limit", "1235")
	client := newClient(t, url)

	count := 0
	for policy, err := range client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{}) {
		require.NoError(t, err)
		if count == 0 {
			assert.Equal(t, "policy-1234", policy.Name, "the newest is first")
			assert.Equal(t, []string{"host-1234.example.com"}, policy.Egress.AllowedHostnames)
		}
		count++
	}
	assert.Equal(t, 1234, count)
	_, err := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "private"})
	require.NoError(t, err)
	_, err = client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "private-2"})
	require.ErrorContains(t, err, "limit of 1235")

	logged := stderr.String()
	assert.Contains(t, logged, "method=POST path=/v1/network-policies operation=createNetworkPolicy status=200")
	assert.Equal(t, 4, strings.Count(logged, "\n"), logged)
	assert.NotContains(t, logged, "secret-key")
	assert.NotContains(t, logged, "private")
}

func TestHTTP2WithoutTLS(t *testing.T) {
	t.Parallel()
	wiretest.NeedHTTP2(t)
	url, stderr := start(t)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	res, err := (&http.Client{Transport: transport}).Get(url + "/v1/network-policies")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, 2, res.ProtoMajor)
	assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
	assert.Contains(t, stderr.String(), "operation=listNetworkPolicies")
}

func TestAPIKey(t *testing.T) {
	t.Parallel()
	url, _ := start(t, "-api-key", "the-key")
	_, err := newClient(t, url).NetworkPolicies.Get(t.Context(), "npol_000001")
	require.ErrorIs(t, err, runloop.ErrUnauthorized)
	_, err = newClient(t, url, runloop.WithAPIKey("the-key")).NetworkPolicies.Get(t.Context(), "npol_000001")
	require.ErrorIs(t, err, runloop.ErrNotFound)
}

func TestFaults(t *testing.T) {
	t.Parallel()
	url, stderr := start(t, "-fault-rate", "1", "-fault-seed", "7")
	client := newClient(t, url, runloop.WithMaxRetries(0))
	_, err := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "x"})
	require.Error(t, err)
	assert.Contains(t, stderr.String(), "fault=")
}

// do sends a request without a method of its own and returns the response's body.
func do(t *testing.T, client *runloop.Client, method, path, body string) (map[string]any, error) {
	t.Helper()
	var sent any
	if body != "" {
		sent = json.RawMessage(body)
	}
	var got map[string]any
	err := client.Do(t.Context(), method, path, sent, &got)
	return got, err
}

func TestDevboxes(t *testing.T) {
	t.Parallel()
	url, _ := start(t, "-policies", "1", "-blueprints", "bp_1,base", "-clock-skew", "-24h",
		"-script", "queued", "-script", "provisioning,failure:out_of_memory", "-script", "running,shutdown:idle", "-script", "echo=npol_x@2,provisioning,running")
	client := newClient(t, url)
	const body = `{"blueprint_id": "bp_1", "launch_parameters": {"network_policy_id": "npol_000001"}}`
	var got []string
	for range 5 {
		created, err := do(t, client, "POST", "/v1/devboxes", body)
		require.NoError(t, err)
		seen, err := do(t, client, "GET", "/v1/devboxes/"+created["id"].(string), "")
		require.NoError(t, err)
		policy := seen["launch_parameters"].(map[string]any)["network_policy_id"]
		got = append(got, fmt.Sprint(created["status"], " ", seen["status"], " ", seen["failure_reason"], " ", seen["shutdown_reason"], " ", policy))
		assert.InDelta(t, time.Now().Add(-24*time.Hour).UnixMilli(), created["create_time_ms"], 60_000)
	}
	assert.Equal(t, []string{
		"queued queued <nil> <nil> npol_000001",
		"provisioning failure out_of_memory <nil> npol_000001",
		"running shutdown <nil> idle npol_000001",
		"provisioning running <nil> <nil> npol_x",
		"provisioning running <nil> <nil> npol_000001",
	}, got)
	_, err := do(t, client, "POST", "/v1/devboxes", `{"blueprint_id": "bp_2"}`)
	require.ErrorContains(t, err, "not found")
}

func TestDeviations(t *testing.T) {
	t.Parallel()
	url, _ := start(t, "-trim-names", "-lower-names", "-default-protocol", "TCP", "-conflict-status", "409", "-unknown-id-status", "400", "-oldest-first", "-startup", "1h")
	client := newClient(t, url, runloop.WithMaxRetries(0))
	const body = `{"name": " Build ", "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 1}]}]}`
	_, err := do(t, client, "POST", "/v1/network-policies", body)
	require.NoError(t, err)
	_, err = client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "other"})
	require.NoError(t, err)
	page, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{})
	require.NoError(t, err)
	assert.Equal(t, "build", page.NetworkPolicies[0].Name)
	assert.Equal(t, runloop.ProtocolTCP, page.NetworkPolicies[0].Egress.AllowedCIDRs[0].Ports[0].Protocol)

	_, err = do(t, client, "POST", "/v1/network-policies", body)
	require.ErrorContains(t, err, "409 Conflict")
	_, err = do(t, client, "GET", "/v1/network-policies/npol_x", "")
	require.ErrorContains(t, err, "400 Bad Request")
	created, err := do(t, client, "POST", "/v1/devboxes", "")
	require.NoError(t, err)
	seen, err := do(t, client, "GET", "/v1/devboxes/"+created["id"].(string), "")
	require.NoError(t, err)
	assert.Equal(t, "provisioning", seen["status"])

	url, _ = start(t, "-version-0.1")
	_, err = do(t, newClient(t, url), "POST", "/v1/network-policies", body)
	require.ErrorContains(t, err, "unknown field")
}

func TestRequestsUnderWayAreAnsweredBeforeTheEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stdoutReader, stdout := io.Pipe()
	stderr := new(buffer)
	status := make(chan int, 1)
	go func() { status <- run(ctx, []string{"-addr", "127.0.0.1:0", "-latency", "200ms"}, stdout, stderr) }()
	url := readyURL(t, stdoutReader)

	// 100 Continue says that the server has the request and now wants its body:
	// the end comes while the request waits for its latency.
	trace := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: cancel})
	req, err := http.NewRequestWithContext(trace, http.MethodPost, url+"/v1/network-policies", strings.NewReader(`{"name": "x"}`))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer x")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Expect", "100-continue")
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Hour}}
	res, err := client.Do(req)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())

	assert.Equal(t, http.StatusOK, res.StatusCode)
	require.Error(t, ctx.Err())
	assert.Equal(t, exitOK, <-status)
	assert.Contains(t, stderr.String(), "status=200")
}

func TestUsage(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { taken.Close() })
	tests := []struct {
		name   string
		args   []string
		status int
		text   string
	}{
		{"help", []string{"-h"}, exitOK, "-fault-rate probability"},
		{"unknown flag", []string{"-port", "1"}, exitUsage, "flag provided but not defined: -port"},
		{"argument", []string{"serve"}, exitUsage, `unexpected argument "serve"`},
		{"negative policies", []string{"-policies", "-1"}, exitUsage, "-policies -1 is negative"},
		{"negative latency", []string{"-latency", "-1s"}, exitUsage, "-latency -1s is negative"},
		{"latency without a unit", []string{"-latency", "20"}, exitUsage, "-latency"},
		{"fault rate", []string{"-fault-rate", "1.5"}, exitUsage, "-fault-rate 1.5 is not from 0 to 1"},
		{"fault rate that is none", []string{"-fault-rate", "NaN"}, exitUsage, "-fault-rate NaN is not from 0 to 1"},
		{"fault seed", []string{"-fault-seed", "-1"}, exitUsage, "-fault-seed"},
		{"negative startup", []string{"-startup", "-1s"}, exitUsage, "-startup -1s is negative"},
		{"conflict status", []string{"-conflict-status", "422"}, exitUsage, "-conflict-status 422 is neither 400 nor 409"},
		{"unknown-id status", []string{"-unknown-id-status", "410"}, exitUsage, "-unknown-id-status 410 is neither 400 nor 404"},
		{"default protocol", []string{"-default-protocol", "tcp"}, exitUsage, `-default-protocol "tcp" is neither TCP nor UDP`},
		{"empty script", []string{"-script", ""}, exitUsage, "a status is empty"},
		{"empty status in a script", []string{"-script", "queued,,running"}, exitUsage, "a status is empty"},
		{"reason of a status without", []string{"-script", "running:idle"}, exitUsage, `"running" has a reason`},
		{"echo of no response", []string{"-script", "echo=npol_1@0"}, exitUsage, `"0" is not the number of a response`},
		{"echo of a word", []string{"-script", "echo=@x"}, exitUsage, `"x" is not the number of a response`},
		{"address", []string{"-addr", "nowhere"}, exitError, "nowhere"},
		{"address in use", []string{"-addr", taken.Addr().String()}, exitError, "address already in use"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			assert.Equal(t, tt.status, run(t.Context(), tt.args, &stdout, &stderr))
			assert.Empty(t, stdout.String())
			assert.Contains(t, stderr.String(), tt.text)
		})
	}
}

func TestSignalsEndTheProcess(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "runloop-fake")
	out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			var stderr bytes.Buffer
			cmd := exec.CommandContext(t.Context(), program, "-addr", "127.0.0.1:0", "-policies", "1")
			cmd.Stderr = &stderr
			stdout, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			t.Cleanup(func() { _ = cmd.Wait() }) // the context has ended by then, which kills it
			url := readyURL(t, stdout)
			policy, err := newClient(t, url).NetworkPolicies.GetByName(t.Context(), "policy-0001")
			require.NoError(t, err)
			assert.Equal(t, "npol_000001", policy.ID)

			require.NoError(t, cmd.Process.Signal(sig))
			rest, err := io.ReadAll(stdout)
			require.NoError(t, err)
			assert.Empty(t, rest, "one line is all")
			err = cmd.Wait()
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				t.Fatalf("%v\n%s", exit, &stderr)
			}
			require.NoError(t, err)
			assert.Contains(t, stderr.String(), "operation=listNetworkPolicies")
		})
	}
}
