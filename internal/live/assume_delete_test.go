package live

import "net/url"

var deleteAssumptions = []assumption{
	{
		name:  "a delete answers the policy as it was",
		fake:  "nothing has changed",
		check: func(c *trial) string { return c.deleted().answer.changedSince(c.deleted().created) },
	},
	{
		name:  "a deleted policy is in no list any more",
		fake:  "not there",
		check: func(c *trial) string { return c.deleted().listed.has(c.deleted().id) },
	},
	{
		name:  "a deleted policy is answered with 404",
		fake:  "404, not found",
		check: func(c *trial) string { return c.get(c.deleted().id).saying("not found") },
	},
	{
		name:  "a second delete is answered with 404",
		fake:  "404, not found",
		check: func(c *trial) string { return c.delete(c.deleted().id, `{}`).saying("not found") },
	},
	{
		name:  "a starting_after that is deleted is refused with 400",
		fake:  "400",
		check: func(c *trial) string { return c.list("starting_after=" + url.QueryEscape(c.deleted().id)).code() },
	},
	{
		name:  "the name of a deleted policy is free again",
		fake:  "200",
		check: func(c *trial) string { return c.tryCreate(c.deleted().name, "").code() },
	},
	{
		name: "a delete does not need a body",
		fake: "nothing has changed",
		check: func(c *trial) string {
			created := c.create(whole)
			return c.delete(created.id(), "").changedSince(created)
		},
	},
	{
		// It may delete the sample, so it comes last.
		name:  "a member in the body of a delete is refused with 400",
		fake:  "400",
		check: func(c *trial) string { return c.delete(c.sample().id, `{"no_such_member": true}`).code() },
	},
}
