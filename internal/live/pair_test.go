package live

import "strings"

// A pair is two policies that stay for the whole run, for the checks that need not
// make any. The older one was made with nothing but a name.
type pair struct {
	*trial
	// name begins the names of both, and of no other policy.
	name string
	// older and newer are the answers to their creates.
	older, newer answer
	// read and listed are what get and list showed directly after the create of the
	// older one.
	read, listed answer
	// lists are the answers to lists, by query.
	lists map[string]answer
}

// pair returns the pair, which the first check that needs it makes.
func (c *trial) pair() *pair {
	if c.fixtures.pair == nil {
		p := &pair{trial: c.stay(c.ctx), name: c.prefix + "-pair", lists: map[string]answer{}}
		p.older = p.createAs(p.name+"-older", "")
		p.read = p.get(p.older.id())
		p.listed = p.list("name=" + p.name + "-older")
		p.newer = p.createAs(p.name+"-newer", "")
		c.fixtures.pair = p
	}
	c.needs(c.fixtures.pair.trial)
	return c.fixtures.pair
}

// pages lists policies, while nobody changes the pair. The same query is sent once.
func (c *trial) pages(query string) answer {
	lists := c.pair().lists
	if list, known := lists[query]; known {
		return list
	}
	list := c.list(query)
	if c.err == nil {
		lists[query] = list
	}
	return list
}

// found names those of the pair that a list with the query has: "both", "older",
// "newer" or "neither", and "others" when it has others too.
func (c *trial) found(query string) string {
	list := c.pages(query)
	found := c.pair().in(list)
	if found == "newer, older" || found == "older, newer" {
		found = "both"
	}
	for _, id := range list.ids() {
		if id != c.pair().older.id() && id != c.pair().newer.id() {
			return found + " and others"
		}
	}
	return found
}

// in names those of the pair that the list has, in its order: "newer, older".
func (p *pair) in(list answer) string {
	var names []string
	for _, id := range list.ids() {
		switch id {
		case p.older.id():
			names = append(names, "older")
		case p.newer.id():
			names = append(names, "newer")
		}
	}
	switch {
	case !list.ok():
		return list.code()
	case len(names) == 0:
		return "neither"
	}
	return strings.Join(names, ", ")
}
