package runloop_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// The limits include net/http's allocations and some room for its next releases.
const (
	allocsOfGet    = 30 // fewer than net/http with encoding/json
	allocsOfPage   = 50 // the garbage collector may have freed the decoder's buffers
	allocsOfPolicy = 5  // of a page: ID, name, description, text of the host names, slice of them
)

// raceDetector is true in a build with the race detector.
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

// Unknown fields are joined once: joining them again for each field would take minutes for a
// response of a few megabytes.
func TestMemoryOfUnknownFields(t *testing.T) {
	var fields strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&fields, `"rule_%d":true,`, i)
	}
	body := strings.Replace(wholePolicyJSON(0), `"egress": {`, `"egress": {`+fields.String(), 1)
	client := allocClient(t, body)
	var policy *runloop.NetworkPolicy
	var err error
	cost := costOf(func() { policy, err = client.NetworkPolicies.Get(t.Context(), "npol_0000") })
	require.NoError(t, err)
	require.Len(t, policy.Egress.Diff(runloop.EgressRules{}), 10_000+3) // two hosts, a gateway
	require.Less(t, cost, uint64(100*len(body)))
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

// wholePolicyJSON returns a policy of usual size.
func wholePolicyJSON(i int) string {
	hostnames := strings.Repeat(`"registry.npmjs.org", `, 7) + `"*.github.com"`
	return fmt.Sprintf(`{"id": "npol_%04d", "name": "task-%04d", "description": "package registries only", "egress": {
		"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [%s], "allow_agent_gateway": true,
		"allow_mcp_gateway": false}, "create_time_ms": 1767225600000, "update_time_ms": 1767225601000}`, i, i, hostnames)
}

// allocClient returns a client of an API that always sends the same response, and allocates
// nothing for it.
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
