package live

// The checks go in this order: each needs what the ones before have left.
var updateAssumptions = []assumption{
	{
		name:  "an update keeps what it does not set, rule by rule",
		fake:  "egress.allow_mcp_gateway has changed",
		check: changedBy(`{"allow_mcp_gateway": true}`),
	},
	{
		name: "an update keeps what is null",
		fake: "nothing has changed",
		check: changedBy(`{"name": null, "description": null, "allow_all": null, "allow_devbox_to_devbox": null, ` +
			`"allowed_hostnames": null, "allow_agent_gateway": null, "allow_mcp_gateway": null}`),
	},
	{
		name:  "an update without members is accepted",
		fake:  "nothing has changed",
		check: changedBy(`{}`),
	},
	{
		name: "an update that is refused changes nothing",
		fake: "nothing has changed",
		check: func(c *trial) string {
			before, refused := c.change(`{"description": "new", "allowed_hostnames": ["api.*.example.com"]}`)
			if refused.ok() {
				return "the update is accepted"
			}
			return c.get(c.sample().id).changedSince(before)
		},
	},
	{
		name:  "an update replaces a list whole",
		fake:  `["api.openai.com"]`,
		check: memberAfter(`{"allowed_hostnames": ["api.openai.com"]}`, "egress.allowed_hostnames"),
	},
	{
		name: "an update can be read at once",
		fake: "nothing has changed",
		check: func(c *trial) string {
			_, updated := c.change(`{"allowed_hostnames": ["github.com"]}`)
			return c.get(c.sample().id).changedSince(updated)
		},
	},
	{
		name:  "an update with [] empties the host names",
		fake:  "[]",
		check: memberAfter(`{"allowed_hostnames": []}`, "egress.allowed_hostnames"),
	},
	{
		name:  `an update with "" leaves an empty description`,
		fake:  `""`,
		check: memberAfter(`{"description": ""}`, "description"),
	},
	{
		name: "an update moves update_time_ms",
		fake: "later",
		check: func(c *trial) string {
			_, updated := c.change(`{"description": "new"}`)
			if updated.number("update_time_ms") > updated.number("create_time_ms") {
				return "later"
			}
			return "not later"
		},
	},
	{
		name: "an update leaves a policy in its place in lists",
		fake: "in its place",
		check: func(c *trial) string {
			both := c.pair()
			query := "limit=2&name=" + both.name
			before := both.in(c.pages(query))
			c.update(both.older.id(), `{"description": "new"}`)
			if after := both.in(c.list(query)); after != before {
				return before + ", then " + after
			}
			return "in its place"
		},
	},
	{
		name:  "an unknown member in an update is refused with 400",
		fake:  "400",
		check: statusOf(`{"no_such_member": true}`),
	},
	{
		name:  "a blank name is refused with 400",
		fake:  "400",
		check: statusOf(`{"name": "  "}`),
	},
	{
		name: "a rename to a taken name is refused with 400",
		fake: "400, already exists",
		check: func(c *trial) string {
			_, refused := c.change(`{"name": "` + c.pair().name + `-newer"}`)
			return refused.saying("already exists")
		},
	},
	{
		name: "a rename to the name that it has is accepted",
		fake: "200",
		check: func(c *trial) string {
			_, renamed := c.change(`{"name": "` + c.sample().name + `"}`)
			return renamed.code()
		},
	},
}
