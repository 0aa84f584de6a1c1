package runloop_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	runloop "github.com/runloop-community/runloop-go"
)

// maxCost is what a response may cost in all: its decoding, and what a caller does next.
const maxCost = 300 << 20

// TestCostOfResponses has responses of 32 MiB that would become far more.
func TestCostOfResponses(t *testing.T) {
	if raceDetector || testing.Short() {
		t.Skip("the race detector allocates too, and responses of this size take their time")
	}
	const size = 32<<20 - 1000
	// fill repeats what item returns up to size, with commas.
	fill := func(size int, item func(i int) string) string {
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
	same := func(item string) func(int) string { return func(int) string { return item } }
	field := func(value string) func(int) string {
		return func(i int) string { return fmt.Sprintf(`"%x":%s`, i, value) }
	}
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
	for name, body := range map[string]func() string{
		"host names":            func() string { return egress(list("allowed_hostnames", host)(size)) },
		"short host names":      func() string { return egress(list("allowed_hostnames", same(`""`))(size)) },
		"escaped host names":    func() string { return egress(list("allowed_hostnames", same(`"\u0001"`))(size)) },
		"nulls for host names":  func() string { return egress(list("allowed_hostnames", same(`null`))(size)) },
		"lists for host names":  func() string { return egress(list("allowed_hostnames", same(`[]`))(size)) },
		"objects in host names": func() string { return egress(`"allowed_hostnames":["a",{` + manyFields + `}]`) },
		"a bracket in host names": func() string {
			return egress(`"allowed_hostnames":["]",{` + manyFields + `}]`)
		},
		"a long host name": func() string { return egress(`"allowed_hostnames":["` + strings.Repeat("a", size) + `"]`) },
		"a long host name to quote": func() string {
			return egress(`"allowed_hostnames":["` + strings.Repeat("\x7f", size) + `"]`)
		},
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
			return page(fill(size, func(i int) string {
				if i >= 2 {
					return strings.Repeat(" ", size)
				}
				return egress(`"allowed_cidrs":[` + fill(size, func(i int) string {
					if i >= 10_000 {
						return strings.Repeat(" ", size)
					}
					return fmt.Sprintf(`{"cidr":"%s","ports":[{"port":%d,"end_port":65535,"protocol":"%s"}]}`, strings.Repeat("\x7f", 50), i, strings.Repeat("é", 25))
				}) + `]`)
			}))
		},
		"the largest pages of unknown fields": func() string {
			return page(fill(size, func(i int) string {
				if i >= 3 {
					return strings.Repeat(" ", size)
				}
				return egress(fill(160_000, field("1e9")))
			}))
		},
		"the largest pages of unknown objects": func() string {
			deep := strings.Repeat(`{"b":0,"a":`, 60) + `"` + strings.Repeat("x", 200_000) + `"` + strings.Repeat(`}`, 60)
			return page(fill(size, func(i int) string {
				if i >= 20 {
					return strings.Repeat(" ", size)
				}
				return egress(`"new":` + deep)
			}))
		},
		"a page of one policy": func() string { return page(egress(list("allowed_hostnames", host)(size))) },
		"a page of numbers":    func() string { return page(fill(size, same("1"))) },
		"a page of nulls":      func() string { return page(fill(size, same(`null`))) },
	} {
		t.Run(name, func(t *testing.T) {
			body := body()
			client := allocClient(t, body)
			isPage := strings.Contains(body[:60], "network_policies")
			var policies []runloop.NetworkPolicy
			var err error
			var before, after runtime.MemStats

			runtime.ReadMemStats(&before)
			if isPage {
				var page *runloop.NetworkPolicyPage
				page, err = client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{}, runloop.WithMaxRetries(0))
				if err == nil {
					policies = page.NetworkPolicies
				}
			} else {
				var policy *runloop.NetworkPolicy
				policy, err = client.NetworkPolicies.Get(t.Context(), "npol_1", runloop.WithMaxRetries(0))
				if err == nil {
					policies = append(policies, *policy)
				}
			}
			for _, policy := range policies {
				rules := policy.Egress
				assert.NotEmpty(t, rules.String())
				rules.Equal(runloop.EgressRules{})
				rules.Diff(runloop.EgressRules{})
			}
			runtime.ReadMemStats(&after)

			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(maxCost))
			if strings.HasPrefix(name, "the largest") {
				assert.NoError(t, err)
			} else if err != nil {
				assert.ErrorIs(t, err, runloop.ErrInvalidResponse)
				assert.Less(t, len(err.Error()), 300)
			}
		})
	}
}

// TestCostOfDevboxResponses has the same for devboxes, which keep their metadata and the
// whole of their JSON.
func TestCostOfDevboxResponses(t *testing.T) {
	if raceDetector || testing.Short() {
		t.Skip("the race detector allocates too, and responses of this size take their time")
	}
	const size = 32<<20 - 1000
	repeat := func(size int, item func(i int) string) string {
		var b strings.Builder
		for i := 0; ; i++ {
			next := item(i)
			if b.Len()+len(next)+1 > size {
				return strings.TrimSuffix(b.String(), ",")
			}
			b.WriteString(next + ",")
		}
	}
	same := func(item string) func(int) string { return func(int) string { return item } }
	entry := func(i int) string { return fmt.Sprintf(`"%x":""`, i) }
	box := func(fields string) string { return `{"id":"dbx_1","status":"running",` + fields + `}` }
	page := func(boxes string) string { return `{"has_more":false,"devboxes":[` + boxes + `]}` }
	// each is a page of n devboxes of equal size with as much metadata as that allows.
	each := func(n int) string {
		return page(repeat(size, same(box(`"metadata":{`+repeat(size/n-60, entry)+`}`))))
	}
	for name, body := range map[string]string{
		"metadata":                   box(`"metadata":{` + repeat(size, entry) + `}`),
		"a page of 5000":             each(5000),
		"a page of 500":              each(500),
		"a page of 160":              each(160),
		"a page of 100":              each(100),
		"long metadata":              page(repeat(size, same(box(`"metadata":{"a":"`+strings.Repeat(`\u00e9`, 1000)+`"}`)))),
		"small devboxes":             page(repeat(size, same(`{"id":"a","status":"b"}`))),
		"an unknown text":            box(`"new":"` + strings.Repeat(`\u00e9`, size/6) + `"`),
		"unknown fields":             box(`"launch_parameters":{` + repeat(size, entry) + `}`),
		"unknown lists":              box(`"new":[` + repeat(size, same(`[]`)) + `]`),
		"a long ID":                  `{"id":"` + strings.Repeat(`\u00e9`, size/6) + `","status":"running"}`,
		"a long status":              box(`"failure_reason":"` + strings.Repeat(`\u00e9`, size/6) + `"`),
		"a long policy":              box(`"launch_parameters":{"network_policy_id":"` + strings.Repeat(`a`, size) + `"}`),
		"an object for the metadata": box(`"metadata":{"a":{` + repeat(size, entry) + `}}`),
	} {
		t.Run(name, func(t *testing.T) {
			client := allocClient(t, body)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			if strings.HasPrefix(body, `{"has_more"`) {
				_, _ = client.Devboxes.List(t.Context(), runloop.DevboxListParams{}, runloop.WithMaxRetries(0))
			} else {
				_, _ = client.Devboxes.Get(t.Context(), "dbx_1", runloop.WithMaxRetries(0))
			}
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			t.Logf("%d MiB, %s", (after.TotalAlloc-before.TotalAlloc)>>20, took)
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(maxCost))
		})
	}
}
