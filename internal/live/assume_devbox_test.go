package live

// The checks of one devbox go in this order: it is shut down on the way.
var devboxAssumptions = []assumption{
	{
		name:   "a devbox is provisioned first",
		fake:   `"provisioning"`,
		devbox: true,
		check:  func(c *trial) string { return c.box().answer.member("status") },
	},
	{
		name:   "a devbox shows the policy that it was launched with",
		fake:   "the policy",
		devbox: true,
		check: func(c *trial) string {
			box := c.box()
			shown := c.devbox(box.id)
			switch policy := shown.value("launch_parameters", "network_policy_id"); {
			case !shown.ok():
				return shown.code()
			case policy != box.policy:
				return text(policy)
			}
			return "the policy"
		},
	},
	{
		name:   "a policy in use cannot be deleted",
		fake:   "400, in use",
		devbox: true,
		check: func(c *trial) string {
			return c.delete(c.box().policy, `{}`).saying("in use")
		},
	},
	{
		name:   "a devbox that is shut down has the status shutdown at once",
		fake:   `"shutdown"`,
		devbox: true,
		check: func(c *trial) string {
			return c.shutDown(c.box().id).member("status")
		},
	},
	{
		name:   "a second shutdown is accepted",
		fake:   "200",
		devbox: true,
		check:  func(c *trial) string { return c.shutDown(c.box().id).code() },
	},
	{
		name:   "once its devbox is shut down, a policy can be deleted",
		fake:   "200",
		devbox: true,
		check:  func(c *trial) string { return c.delete(c.box().policy, `{}`).code() },
	},
	{
		name:   "a launch with an unknown policy is refused with 400",
		fake:   "400, not found",
		devbox: true,
		check: func(c *trial) string {
			return c.launch(`"launch_parameters": {"network_policy_id": "` + c.missing() + `"}`).saying("not found")
		},
	},
	{
		name:   "a policy outside of the launch parameters is ignored",
		fake:   "ignored",
		devbox: true,
		check: func(c *trial) string {
			launched := c.launch(`"network_policy_id": "` + c.pair().older.id() + `"`)
			if !launched.ok() {
				return launched.code()
			}
			c.shutDown(launched.id())
			if policy := launched.value("launch_parameters", "network_policy_id"); policy != nil {
				return text(policy)
			}
			return "ignored"
		},
	},
}
