package runloop_test

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// The budgets are what the calls allocate, net/http's part included, and a little
// room for its next releases. Whoever needs more has to raise one here, and knows it.
const (
	// allocsOfGet is less than net/http with encoding/json takes for the same.
	allocsOfGet = 30
	// A page may find the decoder's buffers taken by the garbage collector.
	allocsOfPage = 50
	// Each of its policies costs its ID, its name, its description, the text of its
	// host names and the slice of those.
	allocsOfPolicy = 5
)

// raceDetector is set by a file that is compiled for the race detector only.
var raceDetector bool

func TestAllocationsOfGet(t *testing.T) {
	client := allocClient(t, wholePolicyJSON(0))
	requireAllocs(t, allocsOfGet, func() error {
		_, err := client.NetworkPolicies.Get(t.Context(), "npol_0000")
		return err
	})
}

func TestAllocationsOfList(t *testing.T) {
	for _, n := range []int{1, 20, 1000, 5000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			policies := make([]string, n)
			for i := range policies {
				policies[i] = wholePolicyJSON(i)
			}
			client := allocClient(t, `{"network_policies": [`+strings.Join(policies, ",")+`], "has_more": false}`)
			params := runloop.NetworkPolicyListParams{Limit: n}
			requireAllocs(t, allocsOfPage+allocsOfPolicy*n, func() error {
				page, err := client.NetworkPolicies.List(t.Context(), params)
				if err == nil && len(page.NetworkPolicies) != n {
					err = fmt.Errorf("%d policies", len(page.NetworkPolicies))
				}
				return err
			})
		})
	}
}

// The members that the SDK does not know are put together once: to copy them for each
// that comes would take minutes for an answer of a few megabytes.
func TestMemoryOfUnknownMembers(t *testing.T) {
	var members strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&members, `"rule_%d":true,`, i)
	}
	body := strings.Replace(wholePolicyJSON(0), `"egress": {`, `"egress": {`+members.String(), 1)
	client := allocClient(t, body)
	var before, after runtime.MemStats

	runtime.ReadMemStats(&before)
	policy, err := client.NetworkPolicies.Get(t.Context(), "npol_0000")
	runtime.ReadMemStats(&after)

	require.NoError(t, err)
	require.Len(t, policy.Egress.Diff(runloop.EgressRules{}), 10_000+3) // two hosts, a gateway
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(100*len(body)))
}

func requireAllocs(t *testing.T, budget int, call func() error) {
	t.Helper()
	if raceDetector {
		t.Skip("the race detector allocates too")
	}
	require.NoError(t, call())
	allocs := testing.AllocsPerRun(20, func() {
		if err := call(); err != nil {
			panic(err)
		}
	})
	t.Logf("%.0f allocations, %d allowed", allocs, budget)
	require.LessOrEqual(t, allocs, float64(budget))
}

// wholePolicyJSON returns a policy as large as they usually are.
func wholePolicyJSON(i int) string {
	hostnames := strings.Repeat(`"registry.npmjs.org", `, 7) + `"*.github.com"`
	return fmt.Sprintf(`{"id": "npol_%04d", "name": "task-%04d", "description": "package registries only", "egress": {
		"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [%s], "allow_agent_gateway": true,
		"allow_mcp_gateway": false}, "create_time_ms": 1767225600000, "update_time_ms": 1767225601000}`, i, i, hostnames)
}

// allocClient returns a client of an API that always gives the same answer, and
// allocates nothing for it.
func allocClient(t *testing.T, body string) *runloop.Client {
	t.Helper()
	text := new(closableReader)
	resp := &http.Response{
		StatusCode:    http.StatusOK,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          text,
		ContentLength: int64(len(body)),
	}
	data := []byte(body)
	client, err := runloop.NewClient(
		runloop.WithAPIKey(clienttest.APIKey),
		runloop.WithBaseURL("https://api.example.test"),
		runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			text.Reset(data)
			resp.Body, resp.Request = text, r
			return resp, nil
		})}),
	)
	require.NoError(t, err)
	return client
}

type closableReader struct{ bytes.Reader }

func (*closableReader) Close() error { return nil }
