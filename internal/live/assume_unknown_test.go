package live

import "net/http"

var unknownAssumptions = []assumption{
	{
		name:  "a get of an unknown id is answered with 404",
		fake:  "404, not found",
		check: func(c *trial) string { return c.refusal().saying("not found") },
	},
	{
		name:  "an update of an unknown id is answered with 404",
		fake:  "404, not found",
		check: func(c *trial) string { return c.update(c.missing(), `{"description": "new"}`).saying("not found") },
	},
	{
		name:  "a delete of an unknown id is answered with 404",
		fake:  "404, not found",
		check: func(c *trial) string { return c.delete(c.missing(), `{}`).saying("not found") },
	},
	{
		name:  "an id of another form is answered with 404",
		fake:  "404, not found",
		check: func(c *trial) string { return c.get("no such id").saying("not found") },
	},
	{
		name:  "an unknown devbox is answered with 400",
		fake:  "400, not found",
		check: func(c *trial) string { return c.devbox("dbx_" + c.name()).saying("not found") },
	},
	{
		name:  "a path with a slash at its end is answered with 404",
		fake:  "404",
		check: func(c *trial) string { return c.send(http.MethodGet, policiesPath+"/", "").code() },
	},
	{
		name:  "a method that a path does not have is answered with 405",
		fake:  "405",
		check: func(c *trial) string { return c.send(http.MethodDelete, policyPath(c.missing()), "").code() },
	},
}
