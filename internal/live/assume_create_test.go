package live

import (
	"strings"

	runloop "github.com/runloop-community/runloop-go"
)

var createAssumptions = []assumption{
	{
		name: "a create answers all that was sent",
		fake: "all of it",
		check: func(c *trial) string {
			const sent = `"description": "made by a test", "allow_all": false, "allow_devbox_to_devbox": true, ` +
				`"allowed_hostnames": ["github.com", "*.npmjs.org"], "allow_agent_gateway": true, "allow_mcp_gateway": true`
			return c.tryCreate(c.name(), sent).echoes(`{` + sent + `}`)
		},
	},
	{
		name: "null in a create is as if it was not there",
		fake: "nothing is allowed",
		check: func(c *trial) string {
			return allowed(c.tryCreate(c.name(), `"description": null, "allow_all": null, "allow_devbox_to_devbox": null, `+
				`"allowed_hostnames": null, "allow_agent_gateway": null, "allow_mcp_gateway": null`))
		},
	},
	{
		name:  "a taken name is refused with 400",
		fake:  "400, already exists",
		check: func(c *trial) string { return c.tryCreate(c.pair().name+"-older", "").saying("already exists") },
	},
	{
		name: "a create under the same x-request-id is carried out again",
		fake: "400, already exists",
		check: func(c *trial) string {
			name := c.name()
			key := runloop.WithIdempotencyKey(name)
			first := c.createAs(name, "", key)
			second := c.tryCreate(name, "", key)
			if second.ok() && second.id() == first.id() {
				return second.code() + ", the first policy"
			}
			return second.saying("already exists")
		},
	},
	{
		name:  "names that differ in case are two names",
		fake:  "200",
		check: func(c *trial) string { return c.tryCreate(strings.ToUpper(c.pair().name+"-older"), "").code() },
	},
	{
		name: "blanks around a name are kept",
		fake: `"  NAME  "`,
		check: func(c *trial) string {
			name := c.name()
			shown := c.tryCreate("  "+name+"  ", "").member("name")
			return strings.ReplaceAll(shown, name, "NAME")
		},
	},
	{
		name:  "an unknown member in a create is refused with 400",
		fake:  "400",
		check: func(c *trial) string { return c.tryCreate(c.name(), `"no_such_member": true`).code() },
	},
	{
		name:  "a member of another type is refused with 400",
		fake:  "400",
		check: func(c *trial) string { return c.tryCreate(c.name(), `"allow_all": "false"`).code() },
	},
}
