package live

// The checks go in this order: the sample begins without allow_devbox_to_devbox.
var allowAllAssumptions = []assumption{
	{
		name:  "allow_all turns allow_devbox_to_devbox on",
		fake:  "true",
		check: memberAfter(`{"allow_all": true}`, "egress.allow_devbox_to_devbox"),
	},
	{
		name:  "allow_devbox_to_devbox stays on when allow_all is taken back",
		fake:  "true",
		check: memberAfter(`{"allow_all": false}`, "egress.allow_devbox_to_devbox"),
	},
	{
		name:  "allow_devbox_to_devbox cannot be turned off under allow_all",
		fake:  "true",
		check: memberAfter(`{"allow_all": true, "allow_devbox_to_devbox": false}`, "egress.allow_devbox_to_devbox"),
	},
	{
		name:  "host names are kept under allow_all",
		fake:  `["github.com"]`,
		check: memberAfter(`{"allow_all": true, "allowed_hostnames": ["github.com"]}`, "egress.allowed_hostnames"),
	},
}
