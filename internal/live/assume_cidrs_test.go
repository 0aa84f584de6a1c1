package live

// What version 0.1 of the API does not have.
var cidrAssumptions = []assumption{
	{
		name: "allow_runloop_mirrors and allowed_cidrs are known",
		fake: "all of it",
		check: func(c *trial) string {
			const sent = `"allow_runloop_mirrors": true, "allowed_cidrs": [{"cidr": "192.0.2.0/24", "ports": [` +
				`{"port": 443, "end_port": 444, "protocol": "TCP"}, {"port": 53, "end_port": 53, "protocol": "UDP"}]}]`
			return c.tryCreate(c.name(), sent).echoes(`{` + sent + `}`)
		},
	},
	{
		name: "a policy without them shows them all the same",
		fake: "false and []",
		check: func(c *trial) string {
			older := c.pair().older
			return older.member("egress.allow_runloop_mirrors") + " and " + older.member("egress.allowed_cidrs")
		},
	},
	{
		name:  "a range without ports shows none",
		fake:  `[{"cidr":"192.0.2.0/24","ports":[]}]`,
		check: memberAfter(`{"allowed_cidrs": [{"cidr": "192.0.2.0/24"}]}`, "egress.allowed_cidrs"),
	},
	{
		name: "a port shows null for the end and the protocol that it was not given",
		fake: `[{"cidr":"192.0.2.0/24","ports":[{"end_port":null,"port":443,"protocol":null}]}]`,
		check: memberAfter(`{"allowed_cidrs": [{"cidr": "192.0.2.0/24", "ports": [{"port": 443}]}]}`,
			"egress.allowed_cidrs"),
	},
	{
		name:  "a CIDR with host bits is refused with 400",
		fake:  "400",
		check: statusOf(`{"allowed_cidrs": [{"cidr": "192.0.2.1/24"}]}`),
	},
	{
		name:  "a CIDR of IPv6 is refused with 400",
		fake:  "400",
		check: statusOf(`{"allowed_cidrs": [{"cidr": "2001:db8::/32"}]}`),
	},
	{
		name:  "port 0 is refused with 400",
		fake:  "400",
		check: statusOf(`{"allowed_cidrs": [{"cidr": "192.0.2.0/24", "ports": [{"port": 0}]}]}`),
	},
	{
		name:  "an end_port below the port is refused with 400",
		fake:  "400",
		check: statusOf(`{"allowed_cidrs": [{"cidr": "192.0.2.0/24", "ports": [{"port": 443, "end_port": 442}]}]}`),
	},
	{
		name:  "a protocol other than TCP and UDP is refused with 400",
		fake:  "400",
		check: statusOf(`{"allowed_cidrs": [{"cidr": "192.0.2.0/24", "ports": [{"port": 443, "protocol": "ICMP"}]}]}`),
	},
}
