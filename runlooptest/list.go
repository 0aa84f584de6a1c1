package runlooptest

import (
	"net/url"
	"strconv"
	"unicode/utf8"
)

const defaultListLimit, maxListLimit = 20, 5000

// A listQuery has the parameters that every list has.
type listQuery[T any] struct {
	items             *store[T]
	cursor            *T // the page starts after it; nil for the first page
	limit             int
	includeTotalCount bool
}

// parseList parses the query of a list and stores the values of its filters. It refuses
// invalid values and repeated parameters, and ignores unknown ones. An empty value is
// the same as none.
func parseList[T any](c *call, items *store[T], filters map[string]*string) (*listQuery[T], *refusal) {
	values, err := url.ParseQuery(c.URL.RawQuery)
	if err != nil {
		return nil, badRequest("Malformed query")
	}
	q := &listQuery[T]{items: items, limit: defaultListLimit, includeTotalCount: true}
	var after, limit, total string
	filters["starting_after"], filters["limit"], filters["include_total_count"] = &after, &limit, &total
	for name, into := range filters {
		switch sent := values[name]; {
		case len(sent) > 1:
			return nil, badRequest("%s was sent more than once", name)
		case len(sent) == 1 && !utf8.ValidString(sent[0]):
			return nil, badRequest("%s is not valid UTF-8", name)
		case len(sent) == 1:
			*into = sent[0]
		}
	}
	q.cursor = items.byID[after]
	if after != "" && q.cursor == nil {
		return nil, badRequest("starting_after: %s with id %q not found", items.kind, after)
	}
	if limit != "" {
		q.limit, err = strconv.Atoi(limit)
		if err != nil || q.limit < 1 || q.limit > maxListLimit {
			return nil, badRequest("limit must be a number from 1 to %d", maxListLimit)
		}
	}
	switch total {
	case "", "true":
	case "false":
		q.includeTotalCount = false
	default:
		return nil, badRequest("include_total_count must be true or false")
	}
	return q, nil
}

// page returns the items of a page: those that match and come after the cursor.
func (q *listQuery[T]) page(a *API, c *call, matches func(*T) bool) (shown []*T, total *int, more bool) {
	count := 0
	afterCursor := q.cursor == nil
	for i, item := range q.items.ordered {
		if !a.config.oldestFirst {
			item = q.items.ordered[len(q.items.ordered)-1-i]
		}
		if matches(item) {
			count++
			switch {
			case !afterCursor:
			case len(shown) < q.limit:
				shown = append(shown, item)
			default:
				more = true
			}
		}
		afterCursor = afterCursor || item == q.cursor
	}
	if c.fault.kind == repeatCursor {
		// A client that continues from this page sends the cursor that it just sent.
		if q.cursor != nil {
			shown = []*T{q.cursor}
		}
		more = len(shown) > 0
		c.missed = !more
	}
	if q.includeTotalCount {
		total = &count
	}
	return shown, total, more
}
