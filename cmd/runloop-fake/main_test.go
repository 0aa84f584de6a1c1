package main

import (
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

// readyURL reads the line with the address of the program.
func readyURL(t *testing.T, stdout io.Reader) (url string) {
	t.Helper()
	_, err := fmt.Fscanf(stdout, "listening on %s\n", &url)
	require.NoError(t, err)
	return url
}

// start runs the program until the test ends, or calls stop, which returns the log.
func start(t *testing.T, args ...string) (url string, stop func() string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stdoutReader, stdout := io.Pipe()
	var stderr bytes.Buffer
	status := make(chan int, 1)
	go func() { status <- run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), stdout, &stderr) }()
	stop = sync.OnceValue(func() string {
		cancel()
		assert.Equal(t, exitOK, <-status, &stderr)
		return stderr.String()
	})
	t.Cleanup(func() { stop() })
	return readyURL(t, stdoutReader), stop
}

func newClient(t *testing.T, url string, opts ...runloop.Option) *runloop.Client {
	t.Helper()
	client, err := runloop.NewClient(append([]runloop.Option{
		noenv.Option.(runloop.Option), runloop.WithBaseURL(url), runloop.WithAPIKey("secret-key"), runloop.WithMaxRetries(0),
	}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// do sends a request to the program and returns the body of the response.
func do(t *testing.T, url, method, path, body string) (got map[string]any, err error) {
	t.Helper()
	var sent any
	if body != "" {
		sent = json.RawMessage(body)
	}
	err = newClient(t, url).Do(t.Context(), method, path, sent, &got)
	return got, err
}

func TestServesAndLogs(t *testing.T) {
	t.Parallel()
	url, stop := start(t, "-policies", "1234", "-policy-limit", "1235")
	client := newClient(t, url)
	var all []*runloop.NetworkPolicy
	for policy, err := range client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{}) {
		require.NoError(t, err)
		all = append(all, policy)
	}
	require.Len(t, all, 1234)
	assert.Equal(t, "policy-1234", all[0].Name)
	assert.Equal(t, []string{"host-1234.example.com"}, all[0].Egress.AllowedHostnames)
	private, err := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "Private"})
	require.NoError(t, err)
	assert.Equal(t, "Private", private.Name)
	_, err = client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{Name: "private-2"})
	require.ErrorContains(t, err, "limit of 1235")

	logged := stop()
	assert.Contains(t, logged, "method=POST path=/v1/network-policies operation=createNetworkPolicy status=200")
	assert.Equal(t, 4, strings.Count(logged, "\n"), logged)
	assert.NotContains(t, logged, "secret-key")
	assert.NotContains(t, strings.ToLower(logged), "private")
}

func TestHTTP2WithoutTLS(t *testing.T) {
	t.Parallel()
	wiretest.NeedHTTP2(t)
	url, _ := start(t)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	res, err := (&http.Client{Transport: transport}).Get(url + "/v1/network-policies")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, 2, res.ProtoMajor)
	assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
}

func TestAPIKeyAndFaults(t *testing.T) {
	t.Parallel()
	url, _ := start(t, "-api-key", "the-key")
	_, err := newClient(t, url).NetworkPolicies.Get(t.Context(), "npol_000001")
	require.ErrorIs(t, err, runloop.ErrUnauthorized)
	_, err = newClient(t, url, runloop.WithAPIKey("the-key")).NetworkPolicies.Get(t.Context(), "npol_000001")
	require.ErrorIs(t, err, runloop.ErrNotFound)

	url, stop := start(t, "-fault-rate", "1", "-fault-seed", "7")
	_, err = do(t, url, "POST", "/v1/network-policies", `{"name": "x"}`)
	require.Error(t, err)
	assert.Contains(t, stop(), "fault=")
}

func TestDevboxes(t *testing.T) {
	t.Parallel()
	url, _ := start(t, "-policies", "1", "-blueprints", "bp_1,base", "-clock-skew", "-24h",
		"-script", "queued,echo=npol_000001@1", "-script", "provisioning,failure:out_of_memory", "-script", "running,shutdown:idle", "-script", "echo=npol_x@2,provisioning,running")
	for _, want := range []string{
		"queued queued <nil> <nil> npol_000001",
		"provisioning failure out_of_memory <nil> npol_000001",
		"running shutdown <nil> idle npol_000001",
		"provisioning running <nil> <nil> npol_x",
		"provisioning running <nil> <nil> npol_000001",
	} {
		created, err := do(t, url, "POST", "/v1/devboxes", `{"blueprint_id": "bp_1", "launch_parameters": {"network_policy_id": "npol_000001"}}`)
		require.NoError(t, err)
		seen, err := do(t, url, "GET", "/v1/devboxes/"+created["id"].(string), "")
		require.NoError(t, err)
		policy := seen["launch_parameters"].(map[string]any)["network_policy_id"]
		assert.Equal(t, want, fmt.Sprint(created["status"], " ", seen["status"], " ", seen["failure_reason"], " ", seen["shutdown_reason"], " ", policy))
		assert.InDelta(t, time.Now().Add(-24*time.Hour).UnixMilli(), created["create_time_ms"], 60_000)
	}
	_, err := do(t, url, "POST", "/v1/devboxes", `{"blueprint_id": "bp_2"}`)
	require.ErrorContains(t, err, "not found")
}

func TestDeviations(t *testing.T) {
	t.Parallel()
	url, _ := start(t, "-trim-names", "-lower-names", "-default-protocol", "TCP", "-conflict-status", "409", "-unknown-id-status", "400", "-oldest-first", "-startup", "1h")
	const path, body = "/v1/network-policies", `{"name": " Build ", "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 1}]}]}`
	for _, body := range []string{body, `{"name": "other"}`} {
		_, err := do(t, url, "POST", path, body)
		require.NoError(t, err)
	}
	page, err := newClient(t, url).NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{})
	require.NoError(t, err)
	assert.Equal(t, "build", page.NetworkPolicies[0].Name)
	assert.Equal(t, runloop.ProtocolTCP, page.NetworkPolicies[0].Egress.AllowedCIDRs[0].Ports[0].Protocol)

	_, err = do(t, url, "POST", path, body)
	require.ErrorContains(t, err, "409 Conflict")
	_, err = do(t, url, "GET", path+"/npol_x", "")
	require.ErrorContains(t, err, "400 Bad Request")
	created, err := do(t, url, "POST", "/v1/devboxes", "")
	require.NoError(t, err)
	seen, err := do(t, url, "GET", "/v1/devboxes/"+created["id"].(string), "")
	require.NoError(t, err)
	assert.Equal(t, "provisioning", seen["status"])

	url, _ = start(t, "-version-0.1")
	_, err = do(t, url, "POST", path, body)
	require.ErrorContains(t, err, "unknown field")
}

func TestRequestsInProgressComplete(t *testing.T) {
	t.Parallel()
	url, stop := start(t, "-latency", "200ms")
	// The server has the request when it responds 100 Continue: the program ends while
	// the request waits for its latency.
	trace := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { go stop() }})
	req, err := http.NewRequestWithContext(trace, http.MethodPost, url+"/v1/network-policies", strings.NewReader(`{"name": "x"}`))
	require.NoError(t, err)
	req.Header = http.Header{"Authorization": {"Bearer x"}, "Content-Type": {"application/json"}, "Expect": {"100-continue"}}
	began := time.Now()
	res, err := (&http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Hour}}).Do(req)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, errors.Join(err, res.Body.Close()))
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.GreaterOrEqual(t, time.Since(began), 200*time.Millisecond)
	assert.Contains(t, stop(), "status=200")
}

func TestUsage(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { taken.Close() })
	for _, tt := range []struct {
		args   string
		status int
		text   string
	}{
		{"-h", exitOK, "-fault-rate probability"},
		{"-port=1", exitUsage, "flag provided but not defined: -port"},
		{"serve", exitUsage, `unexpected argument "serve"`},
		{"-policies=-1", exitUsage, `invalid value "-1" for flag -policies`},
		{"-policies=18446744073709551615", exitUsage, "18446744073709551615 policies are more than 1000000"},
		{"-latency=-1s", exitUsage, "runloop-fake: latency -1s is negative"},
		{"-latency=20", exitUsage, `invalid value "20" for flag -latency`},
		{"-fault-rate=1.5", exitUsage, "fault rate 1.5 is not from 0 to 1"},
		{"-fault-rate=NaN", exitUsage, "fault rate NaN is not from 0 to 1"},
		{"-fault-seed=-1", exitUsage, `invalid value "-1" for flag -fault-seed`},
		{"-startup=-1s", exitUsage, "startup -1s is negative"},
		{"-conflict-status=422", exitUsage, "conflict status 422 is neither 400 nor 409"},
		{"-unknown-id-status=410", exitUsage, "unknown-ID status 410 is neither 400 nor 404"},
		{"-default-protocol=tcp", exitUsage, `default protocol "tcp" is neither TCP nor UDP`},
		{"-script=", exitUsage, "a status is empty"},
		{"-script=queued,,running", exitUsage, "a status is empty"},
		{"-script=running:idle", exitUsage, `"running" has a reason`},
		{"-script=echo=npol_1@0", exitUsage, `"0" is not the number of a response`},
		{"-script=echo=@x", exitUsage, `"x" is not the number of a response`},
		{"-addr=nowhere", exitError, "nowhere"},
		{"-addr=" + taken.Addr().String(), exitError, "address already in use"},
	} {
		var stdout, stderr bytes.Buffer
		assert.Equal(t, tt.status, run(t.Context(), []string{tt.args}, &stdout, &stderr), tt.args)
		assert.Empty(t, stdout.String(), tt.args)
		assert.Contains(t, stderr.String(), tt.text)
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
			policy, err := newClient(t, readyURL(t, stdout)).NetworkPolicies.GetByName(t.Context(), "policy-0001")
			require.NoError(t, err)
			assert.Equal(t, "npol_000001", policy.ID)

			require.NoError(t, cmd.Process.Signal(sig))
			rest, err := io.ReadAll(stdout)
			require.NoError(t, err)
			assert.Empty(t, rest, "one line is all")
			require.NoError(t, cmd.Wait(), &stderr)
			assert.Contains(t, stderr.String(), "operation=listNetworkPolicies")
		})
	}
}
