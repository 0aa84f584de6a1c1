package runloop_test

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// maxCost bounds the memory that a response may cost: its decoding, and what a caller does next.
const maxCost = 300 << 20

// largeBody is the size of the bodies of these tests, near the limit of 32 MiB.
const largeBody = 32<<20 - 1000

// fill repeats the items up to size, with commas.
func fill(size int, item func(i int) string) string {
	var b strings.Builder
	b.Grow(size)
	for i := 0; ; i++ {
		next := item(i)
		if b.Len()+len(next)+1 > size {
			return b.String()
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(next)
	}
}

func same(item string) func(int) string { return func(int) string { return item } }

// field returns fields with different names and the value.
func field(value string) func(int) string {
	return func(i int) string { return fmt.Sprintf(`"%x":%s`, i, value) }
}

// costOf returns the memory that the call allocates.
func costOf(call func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// skipCosts skips a test of costs if its result would be meaningless or late.
func skipCosts(t *testing.T) {
	t.Helper()
	if raceDetector || testing.Short() {
		t.Skip("the race detector allocates too, and responses of this size take time")
	}
}

// TestCostOfResponses has responses that would become far larger in memory.
func TestCostOfResponses(t *testing.T) {
	skipCosts(t)
	const size = largeBody
	manyFields := fill(size, field("0"))
	egress := func(fields string) string { return `{"id":"npol_1","name":"build","egress":{` + fields + `}}` }
	page := func(policies string) string { return `{"has_more":false,"network_policies":[` + policies + `]}` }
	// each is a page of n policies of equal size, with these fields in egress.
	each := func(n int, fields func(size int) string) string {
		return page(fill(size, same(egress(fields(size/n-60)))))
	}
	list := func(name string, item func(int) string) func(int) string {
		return func(size int) string { return `"` + name + `":[` + fill(size, item) + `]` }
	}
	// most is n policies with m host names each.
	most := func(n, m int, host string) string {
		names := make([]string, m)
		for i := range names {
			names[i] = fmt.Sprintf(host, i)
		}
		policy := egress(`"allowed_hostnames":[` + strings.Join(names, ",") + `]`)
		return policy + strings.Repeat(","+policy, n-1)
	}
	host := func(i int) string { return fmt.Sprintf(`"h%d.example"`, i) }
	// upTo returns n items.
	upTo := func(n int, item func(i int) string) string {
		return fill(size, func(i int) string {
			if i >= n {
				return strings.Repeat(" ", size)
			}
			return item(i)
		})
	}
	for name, body := range map[string]func() string{
		"host names":                     func() string { return egress(list("allowed_hostnames", host)(size)) },
		"short host names":               func() string { return egress(list("allowed_hostnames", same(`""`))(size)) },
		"escaped host names":             func() string { return egress(list("allowed_hostnames", same(`"\u0001"`))(size)) },
		"nulls for host names":           func() string { return egress(list("allowed_hostnames", same(`null`))(size)) },
		"lists for host names":           func() string { return egress(list("allowed_hostnames", same(`[]`))(size)) },
		"objects in host names":          func() string { return egress(`"allowed_hostnames":["a",{` + manyFields + `}]`) },
		"a bracket in host names":        func() string { return egress(`"allowed_hostnames":["]",{` + manyFields + `}]`) },
		"a long host name":               func() string { return egress(`"allowed_hostnames":["` + strings.Repeat("a", size) + `"]`) },
		"a long host name to quote":      func() string { return egress(`"allowed_hostnames":["` + strings.Repeat("\x7f", size) + `"]`) },
		"a long host name in upper case": func() string { return egress(`"allowed_hostnames":["` + strings.Repeat("A", size) + `"]`) },

		"empty ranges": func() string { return egress(list("allowed_cidrs", same(`{}`))(size)) },
		"ranges":       func() string { return egress(list("allowed_cidrs", same(`{"cidr":"10.0.0.0/8"}`))(size)) },
		"port rules": func() string {
			return egress(`"allowed_cidrs":[{"cidr":"10.0.0.0/8",` + list("ports", same(`{"port":1}`))(size) + `}]`)
		},
		"a long range": func() string {
			return egress(`"allowed_cidrs":[{"cidr":"` + strings.Repeat("a", size/2) + `",` + list("ports", same(`{"port":1}`))(size/2) + `}]`)
		},
		"a long protocol": func() string {
			return egress(`"allowed_cidrs":[{"cidr":"","ports":[{"port":1,"protocol":"` + strings.Repeat("é", size/2) + `"}]}]`)
		},

		"unknown fields of rules":    func() string { return egress(manyFields) },
		"unknown values of rules":    func() string { return egress(`"new":[` + fill(size, same("1")) + `]`) },
		"a long unknown field":       func() string { return egress(`"` + strings.Repeat("a", size) + `":1`) },
		"a long unknown text":        func() string { return egress(`"new":"` + strings.Repeat("\x7f", size) + `"`) },
		"a long unknown number":      func() string { return egress(`"new":` + strings.Repeat("1", size)) },
		"unknown levels":             func() string { return egress(`"new":` + strings.Repeat(`[`, size)) },
		"the most unknown fields":    func() string { return egress(fill(180_000, field("true"))) },
		"unknown fields of a policy": func() string { return `{` + manyFields + `,"id":"npol_1","egress":{}}` },
		"unknown fields of a page":   func() string { return `{` + manyFields + `,"network_policies":[],"has_more":false}` },
		"nested unknown fields":      func() string { return `{"a":{"b":[{` + manyFields + `}]}}` },
		"long names":                 func() string { return `{"a":{` + fill(size, field(`"",`+`"`+strings.Repeat("n", 900)+`":0`)) + `}}` },
		"objects of 64 fields":       func() string { return `{"a":[` + fill(size, same(`{`+fill(400, field("0"))+`}`)) + `]}` },
		"objects of 20000 fields":    func() string { return `{"a":[` + fill(size, same(`{`+fill(190_000, field("0"))+`}`)) + `]}` },
		"empty lists":                func() string { return `{"a":[` + fill(size, same(`[]`)) + `]}` },
		"deep objects with long names": func() string {
			return `{"a":` + strings.Repeat(`{"`+strings.Repeat("n", 3300)+`":`, 9_990) + `0`
		},
		"deep objects of the wrong kind": func() string {
			return `{"id":` + strings.Repeat(`{"`+strings.Repeat("n", 3300)+`":`, 9_990) + `x`
		},
		"an object for the id":     func() string { return `{"id":{` + manyFields + `}}` },
		"an object for a flag":     func() string { return egress(`"allow_all":{` + manyFields + `}`) },
		"a long time":              func() string { return `{"id":"npol_1","create_time_ms":` + strings.Repeat("1", size) + `}` },
		"a long name":              func() string { return `{"id":"npol_1","name":"` + strings.Repeat(`\u00e9`, size/6) + `","egress":{}}` },
		"a long id":                func() string { return `{"id":"` + strings.Repeat(`\/`, size/2) + `","egress":{}}` },
		"blanks":                   func() string { return strings.Repeat(" ", size) },
		"one text":                 func() string { return `"` + strings.Repeat(`\n`, size/2) + `"` },
		"the same field with text": func() string { return `{"` + strings.Repeat("a", size) },

		"a page of small policies": func() string { return page(fill(size, same(egress(``)))) },
		"a page of policies":       func() string { return page(fill(size, same(wholePolicyJSON(1)))) },
		"a page of 100":            func() string { return each(100, list("allowed_hostnames", host)) },
		"a page of 340":            func() string { return each(340, list("allowed_hostnames", same(`""`))) },
		"a page of 100 to quote":   func() string { return each(100, list("allowed_hostnames", same(`"`+strings.Repeat("\x7f", 50)+`"`))) },
		"a page of 5000":           func() string { return each(5000, list("allowed_hostnames", host)) },
		"a page of 5000 with ranges": func() string {
			return each(5000, list("allowed_cidrs", same(`{"cidr":"10.0.0.0/8","ports":[{"port":1,"end_port":2,"protocol":"UDP"}]}`)))
		},
		"a page of 5000 with unknown fields": func() string {
			return each(5000, func(size int) string { return fill(size, field("true")) })
		},
		"a page with few unknown fields": func() string {
			return page(fill(size, same(egress(fill(500, field("true"))+`,"allowed_hostnames":["`+strings.Repeat("a", 7000)+`"]`))))
		},
		"the largest pages of host names":       func() string { return page(most(100, 10_000, `"%d.a-name-of-usual-size.com"`)) },
		"the largest pages of short host names": func() string { return page(most(10, 100_000, `"%d.example"`)) },
		"the largest pages in upper case":       func() string { return page(most(100, 10_000, `"%d.A-NAME-OF-USUAL-SIZE.COM"`)) },
		"the largest pages to quote":            func() string { return page(most(100, 10_000, `"%d`+strings.Repeat("\x7f", 23)+`"`)) },
		"the largest pages of long host names to quote": func() string {
			return page(most(100, 330, `"%d`+strings.Repeat("\x7f", 990)+`"`))
		},
		"the largest policies of long host names": func() string {
			return page(most(1, 33_000, `"`+strings.Repeat("a", 980)+`%06d"`))
		},
		"the largest pages of host names in other scripts": func() string { return page(most(100, 10_000, `"%d.ééééééééééé"`)) },
		"the largest pages of escapes":                     func() string { return page(most(100, 10_000, `"\u0061%d.a-name-of-usual"`)) },
		"the largest pages of ranges": func() string {
			ranges := upTo(10_000, func(i int) string {
				return fmt.Sprintf(`{"cidr":"%s","ports":[{"port":%d,"end_port":65535,"protocol":"%s"}]}`, strings.Repeat("\x7f", 50), i, strings.Repeat("é", 25))
			})
			return page(upTo(2, same(egress(`"allowed_cidrs":[`+ranges+`]`))))
		},
		"the largest pages of unknown fields": func() string { return page(upTo(3, same(egress(fill(160_000, field("1e9")))))) },
		"the largest pages of unknown objects": func() string {
			deep := strings.Repeat(`{"b":0,"a":`, 60) + `"` + strings.Repeat("x", 200_000) + `"` + strings.Repeat(`}`, 60)
			return page(upTo(20, same(egress(`"new":`+deep))))
		},
		"a page of one policy": func() string { return page(egress(list("allowed_hostnames", host)(size))) },
		"a page of numbers":    func() string { return page(fill(size, same("1"))) },
		"a page of nulls":      func() string { return page(fill(size, same(`null`))) },
	} {
		t.Run(name, func(t *testing.T) {
			body := body()
			client := allocClient(t, body)
			var err error
			cost := costOf(func() {
				var page runloop.NetworkPolicyPage
				if strings.Contains(body[:60], "network_policies") {
					var got *runloop.NetworkPolicyPage
					if got, err = client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{}, runloop.WithMaxRetries(0)); err == nil {
						page = *got
					}
				} else {
					var got *runloop.NetworkPolicy
					if got, err = client.NetworkPolicies.Get(t.Context(), "npol_1", runloop.WithMaxRetries(0)); err == nil {
						page.NetworkPolicies = []runloop.NetworkPolicy{*got}
					}
				}
				for _, policy := range page.NetworkPolicies {
					assert.NotEmpty(t, policy.Egress.String())
					policy.Egress.Equal(runloop.EgressRules{})
					policy.Egress.Diff(runloop.EgressRules{})
				}
			})
			assert.Less(t, cost, uint64(maxCost))
			if strings.HasPrefix(name, "the largest") {
				assert.NoError(t, err)
			} else if err != nil {
				assert.ErrorIs(t, err, runloop.ErrInvalidResponse)
				assert.Less(t, len(err.Error()), 300)
			}
		})
	}
}

// TestCostOfDevboxResponses has the same for devboxes, which keep their metadata and their
// whole JSON.
func TestCostOfDevboxResponses(t *testing.T) {
	skipCosts(t)
	const size = largeBody
	entry := field(`""`)
	box := func(fields string) string { return `{"id":"dbx_1","status":"running",` + fields + `}` }
	page := func(boxes string) string { return `{"has_more":false,"devboxes":[` + boxes + `]}` }
	// each is a page of n devboxes of equal size with as much metadata as that allows.
	each := func(n int) string {
		return page(fill(size, same(box(`"metadata":{`+fill(size/n-60, entry)+`}`))))
	}
	for name, body := range map[string]string{
		"metadata":                   box(`"metadata":{` + fill(size, entry) + `}`),
		"a page of 5000":             each(5000),
		"a page of 500":              each(500),
		"a page of 160":              each(160),
		"a page of 100":              each(100),
		"long metadata":              page(fill(size, same(box(`"metadata":{"a":"`+strings.Repeat(`\u00e9`, 1000)+`"}`)))),
		"small devboxes":             page(fill(size, same(`{"id":"a","status":"b"}`))),
		"an unknown text":            box(`"new":"` + strings.Repeat(`\u00e9`, size/6) + `"`),
		"unknown fields":             box(`"launch_parameters":{` + fill(size, entry) + `}`),
		"unknown lists":              box(`"new":[` + fill(size, same(`[]`)) + `]`),
		"a long ID":                  `{"id":"` + strings.Repeat(`\u00e9`, size/6) + `","status":"running"}`,
		"a long status":              box(`"failure_reason":"` + strings.Repeat(`\u00e9`, size/6) + `"`),
		"a long policy":              box(`"launch_parameters":{"network_policy_id":"` + strings.Repeat(`a`, size) + `"}`),
		"an object for the metadata": box(`"metadata":{"a":{` + fill(size, entry) + `}}`),
	} {
		t.Run(name, func(t *testing.T) {
			client := allocClient(t, body)
			assert.Less(t, costOf(func() {
				if strings.HasPrefix(body, `{"has_more"`) {
					_, _ = client.Devboxes.List(t.Context(), runloop.DevboxListParams{}, runloop.WithMaxRetries(0))
				} else {
					_, _ = client.Devboxes.Get(t.Context(), "dbx_1", runloop.WithMaxRetries(0))
				}
			}), uint64(maxCost))
		})
	}
}

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
