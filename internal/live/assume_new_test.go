package live

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// What a policy is that was made with nothing but a name.
var newPolicyAssumptions = []assumption{
	{
		name:  "what a create does not say is denied",
		fake:  "nothing is allowed",
		check: func(c *trial) string { return allowed(c.pair().older) },
	},
	{
		name:  "a description that was not sent is null",
		fake:  "null",
		check: func(c *trial) string { return c.pair().older.member("description") },
	},
	{
		name: "an id begins with npol_",
		fake: "npol_",
		check: func(c *trial) string {
			id := c.pair().older.id()
			return id[:min(len(id), len("npol_"))]
		},
	},
	{
		name: "the times of a new policy are Unix milliseconds",
		fake: "now",
		check: func(c *trial) string {
			for _, name := range []string{"create_time_ms", "update_time_ms"} {
				if value := c.pair().older.member(name); !aboutNow(value) {
					return name + " " + value
				}
			}
			return "now"
		},
	},
	{
		name: "the times of a new policy are the same",
		fake: "the same",
		check: func(c *trial) string {
			made, changed := c.pair().older.member("create_time_ms"), c.pair().older.member("update_time_ms")
			if made != changed {
				return made + " and " + changed
			}
			return "the same"
		},
	},
	{
		name:  "a new policy can be read at once",
		fake:  "nothing has changed",
		check: func(c *trial) string { return c.pair().read.changedSince(c.pair().older) },
	},
	{
		name:  "a new policy is in lists at once",
		fake:  "there",
		check: func(c *trial) string { return c.pair().listed.has(c.pair().older.id()) },
	},
}

// allowed says what a policy allows, of the members that version 0.1 has.
func allowed(policy answer) string {
	var rules []string
	for _, name := range []string{"allow_all", "allow_devbox_to_devbox", "allow_agent_gateway", "allow_mcp_gateway"} {
		if value := policy.member("egress." + name); value != "false" {
			rules = append(rules, name+" "+value)
		}
	}
	if value := policy.member("egress.allowed_hostnames"); value != "[]" {
		rules = append(rules, "allowed_hostnames "+value)
	}
	switch {
	case !policy.ok():
		return policy.code()
	case len(rules) > 0:
		return strings.Join(rules, ", ")
	}
	return "nothing is allowed"
}

// aboutNow reports whether a number is the present in Unix milliseconds, as far as
// two clocks agree.
func aboutNow(number string) bool {
	const tolerance = 10 * time.Minute
	var ms int64
	if json.Unmarshal([]byte(number), &ms) != nil {
		return false
	}
	return time.Since(time.UnixMilli(ms)).Abs() < tolerance
}

// has says whether a list has the policy.
func (a answer) has(id string) string {
	switch {
	case !a.ok():
		return a.code()
	case slices.Contains(a.ids(), id):
		return "there"
	}
	return "not there"
}
