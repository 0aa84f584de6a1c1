package live

var hostnameAssumptions = []assumption{
	{
		name: "host names are kept as they are sent: order, case and doubles",
		fake: `["b.example.com","A.example.com","b.example.com"]`,
		check: memberAfter(`{"allowed_hostnames": ["b.example.com", "A.example.com", "b.example.com"]}`,
			"egress.allowed_hostnames"),
	},
	{
		name:  "a wildcard that is not in the first label is refused with 400",
		fake:  "400",
		check: statusOf(`{"allowed_hostnames": ["api.*.example.com"]}`),
	},
	{
		name:  "a host name with a blank in it is refused with 400",
		fake:  "400",
		check: statusOf(`{"allowed_hostnames": ["api example.com"]}`),
	},
	{
		name:  "an empty host name is refused with 400",
		fake:  "400",
		check: statusOf(`{"allowed_hostnames": [""]}`),
	},
	{
		name: "a bare or partial wildcard, an address, a port and a scheme are accepted in host names",
		fake: "200",
		check: statusOf(`{"allowed_hostnames": ["*", "api*.example.com", "192.0.2.1", "example.com:443", ` +
			`"https://example.com"]}`),
	},
}
