package live

import (
	"fmt"
	"net/url"
	"strings"
)

var listAssumptions = []assumption{
	{
		name:  "a list without limit has the newest policy first",
		fake:  "newer, older",
		check: func(c *trial) string { return c.pair().in(c.pages("")) },
	},
	{
		name: "a list without limit has 20 policies",
		fake: "20",
		check: func(c *trial) string {
			list := c.pages("")
			if list.ok() && list.member("has_more") == "false" {
				c.err = noOccasion("the account has no more than one page of policies")
			}
			return fmt.Sprint(len(list.ids()))
		},
	},
	{
		name: "limit bounds the page, and has_more says that there is another",
		fake: "1, has_more true",
		check: func(c *trial) string {
			return extent(c.pages("limit=1&name=" + c.pair().name))
		},
	},
	{
		name: "has_more is false on the last page",
		fake: "2, has_more false",
		check: func(c *trial) string {
			return extent(c.pages("limit=2&name=" + c.pair().name))
		},
	},
	{
		name: "starting_after goes on behind the policy",
		fake: "the other one, has_more false",
		check: func(c *trial) string {
			first := c.pages("limit=1&name=" + c.pair().name).ids()
			if len(first) != 1 {
				return "no first page"
			}
			second := c.pages("limit=1&name=" + c.pair().name + "&starting_after=" + url.QueryEscape(first[0]))
			if ids := second.ids(); len(ids) == 1 && ids[0] != first[0] {
				return "the other one, has_more " + second.member("has_more")
			}
			return c.pair().in(second)
		},
	},
	{
		name:  "total_count counts all that match, and not the page",
		fake:  "2",
		check: totalCount("&include_total_count=true"),
	},
	{
		name:  "total_count is there unless the list is asked without it",
		fake:  "2",
		check: totalCount(""),
	},
	{
		name:  "include_total_count=false leaves it out",
		fake:  "absent",
		check: totalCount("&include_total_count=false"),
	},
	{
		name: "the filter name finds a part of a name",
		fake: "both",
		check: func(c *trial) string {
			return c.found("name=" + c.pair().name[len("runloop-"):])
		},
	},
	{
		name: "the filter name does not mind the case",
		fake: "both",
		check: func(c *trial) string {
			return c.found("name=" + strings.ToUpper(c.pair().name))
		},
	},
	{
		name: "search finds a part of a name",
		fake: "both",
		check: func(c *trial) string {
			return c.found("search=" + c.pair().name[len("runloop-"):])
		},
	},
	{
		name: "search finds an id",
		fake: "newer",
		check: func(c *trial) string {
			return c.found("search=" + url.QueryEscape(c.pair().newer.id()))
		},
	},
	{
		name: "the filter id finds an id",
		fake: "newer",
		check: func(c *trial) string {
			return c.found("id=" + url.QueryEscape(c.pair().newer.id()))
		},
	},
	{
		name: "the filter id finds no part of an id",
		fake: "neither",
		check: func(c *trial) string {
			newer := c.pair().newer.id()
			return c.found("id=" + url.QueryEscape(newer[:max(len(newer)-1, 0)]))
		},
	},
	{
		name: "an empty filter filters nothing out",
		fake: "newer",
		check: func(c *trial) string {
			return c.found("name=&search=&id=" + url.QueryEscape(c.pair().newer.id()))
		},
	},
	{
		name: "an unknown parameter is ignored",
		fake: "newer",
		check: func(c *trial) string {
			return c.found("no_such_parameter=1&id=" + url.QueryEscape(c.pair().newer.id()))
		},
	},
	{
		name:  "an unknown starting_after is refused with 400",
		fake:  "400",
		check: func(c *trial) string { return c.list("starting_after=" + c.missing()).code() },
	},
	{
		name:  "limit 5000 is accepted",
		fake:  "200",
		check: answeredList("limit=5000&include_total_count=false"),
	},
	{
		name:  "limit 5001 is refused with 400",
		fake:  "400",
		check: answeredList("limit=5001"),
	},
	{
		name:  "limit 0 is refused with 400",
		fake:  "400",
		check: answeredList("limit=0"),
	},
	{
		name:  "a limit that is no number is refused with 400",
		fake:  "400",
		check: answeredList("limit=many"),
	},
	{
		name:  "an include_total_count that is neither true nor false is refused with 400",
		fake:  "400",
		check: answeredList("limit=1&include_total_count=yes"),
	},
	{
		name:  "a parameter that comes twice is refused with 400",
		fake:  "400",
		check: answeredList("limit=1&limit=2"),
	},
}

// extent says how many policies the page has, and whether it is the last.
func extent(list answer) string {
	if !list.ok() {
		return list.code()
	}
	return fmt.Sprintf("%d, has_more %s", len(list.ids()), list.member("has_more"))
}

// totalCount is a check of what total_count a page with one of the pair has.
func totalCount(query string) func(*trial) string {
	return func(c *trial) string {
		return c.pages("limit=1&name=" + c.pair().name + query).member("total_count")
	}
}

// answeredList is a check of how a list with the query is answered.
func answeredList(query string) func(*trial) string {
	return func(c *trial) string { return c.list(query).code() }
}
