package runlooptest

import (
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	defaultListLimit = 20
	maxListLimit     = 5000
)

// listQuery is the parsed query of a list. Empty strings filter nothing.
type listQuery struct {
	name, id, search  string // of policies
	status            string // of devboxes
	startingAfter     string
	limit             int
	includeTotalCount bool
}

func (a *API) listPolicies(c *call) (any, error) {
	q := newListQuery()
	params := map[string]*string{"name": &q.name, "id": &q.id, "search": &q.search}
	if a.config.v01 {
		delete(params, "search")
	}
	if err := q.parse(c.rawQuery, params); err != nil {
		return nil, err
	}

	a.mu.Lock()
	defer a.mu.Unlock()
	cursor := a.policies.byID[q.startingAfter]
	if q.startingAfter != "" && cursor == nil {
		return nil, badRequest("starting_after: network policy with id %q not found", q.startingAfter)
	}
	policies, total, more := page(c, q, cursor, a.policies.listed(a.config.oldestFirst), q.matches)
	return &policyListView{NetworkPolicies: policies, HasMore: more, TotalCount: total}, nil
}

// A list is a look at every devbox, and not only at those that it shows: a search
// that goes through the statuses in order then finds a devbox that advances.
func (a *API) listDevboxes(c *call) (any, error) {
	q := newListQuery()
	if err := q.parse(c.rawQuery, map[string]*string{"status": &q.status}); err != nil {
		return nil, err
	}
	if q.status != "" && !slices.Contains(devboxStatuses, q.status) {
		return nil, badRequest("status: %q is not a devbox status", q.status)
	}

	a.mu.Lock()
	defer a.mu.Unlock()
	cursor := a.devboxes.byID[q.startingAfter]
	if q.startingAfter != "" && cursor == nil {
		return nil, badRequest("starting_after: devbox with id %q not found", q.startingAfter)
	}
	for _, d := range a.devboxes.ordered {
		d.look(a.nowMS())
	}
	devboxes, total, more := page(c, q, cursor, a.devboxes.listed(a.config.oldestFirst), func(d *devbox) bool {
		return q.status == "" || d.Status == q.status
	})
	view := &devboxListView{Devboxes: make([]*devboxView, len(devboxes)), HasMore: more, TotalCount: total}
	for i, d := range devboxes {
		view.Devboxes[i] = d.view()
	}
	return view, nil
}

// page returns the items of a page: those that match and come after the cursor,
// which is nil for the first page.
func page[T any](c *call, q *listQuery, cursor *T, items iter.Seq[*T], matches func(*T) bool) (shown []*T, total *int, more bool) {
	count := 0
	afterCursor := cursor == nil
	for item := range items {
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
		if item == cursor {
			afterCursor = true
		}
	}
	if c.fault.kind == repeatCursor {
		// A client that continues from this page sends the cursor that it has just sent.
		if cursor != nil {
			shown = []*T{cursor}
		}
		more = len(shown) > 0
		c.cursorRepeated = more
	}
	if q.includeTotalCount {
		total = &count
	}
	return shown, total, more
}

// matches reports whether the filters keep the policy. Partial matches ignore case,
// which is the wider of the two readings of the API's description: a client that
// wants one exact name has to compare names itself.
func (q *listQuery) matches(p *policyView) bool {
	return (q.name == "" || containsFold(p.Name, q.name)) &&
		(q.id == "" || p.ID == q.id) &&
		(q.search == "" || containsFold(p.ID, q.search) || containsFold(p.Name, q.search))
}

func containsFold(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}

func newListQuery() *listQuery {
	return &listQuery{limit: defaultListLimit, includeTotalCount: true}
}

// parse refuses invalid values and repeated parameters. An empty value is no
// value. filters has the parameters of this list; unknown ones are ignored.
func (q *listQuery) parse(rawQuery string, filters map[string]*string) error {
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return badRequest("Malformed query")
	}
	for name, value := range values {
		var problem string
		switch v := value[0]; name {
		case "starting_after":
			q.startingAfter = v
		case "limit":
			problem = q.setLimit(v)
		case "include_total_count":
			problem = q.setIncludeTotalCount(v)
		default:
			filter, known := filters[name]
			if !known {
				continue
			}
			*filter = v
		}
		switch {
		case problem != "":
			return badRequest("%s %s", name, problem)
		case len(value) > 1:
			return badRequest("%s was sent more than once", name)
		case !utf8.ValidString(value[0]):
			return badRequest("%s is not valid UTF-8", name)
		}
	}
	return nil
}

func (q *listQuery) setLimit(v string) (problem string) {
	if v == "" {
		return ""
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > maxListLimit {
		return "must be a number from 1 to " + strconv.Itoa(maxListLimit)
	}
	q.limit = n
	return ""
}

func (q *listQuery) setIncludeTotalCount(v string) (problem string) {
	switch v {
	case "", "true":
	case "false":
		q.includeTotalCount = false
	default:
		return "must be true or false"
	}
	return ""
}
