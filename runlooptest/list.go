package runlooptest

import (
	"net/url"
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
	name, id, search  string
	startingAfter     string
	limit             int
	includeTotalCount bool
}

func (a *API) listPolicies(c *call) (any, error) {
	q, err := a.parseListQuery(c.rawQuery)
	if err != nil {
		return nil, err
	}

	a.mu.Lock()
	defer a.mu.Unlock()
	var cursor *policyView
	if q.startingAfter != "" {
		cursor = a.policies.byID[q.startingAfter]
		if cursor == nil {
			return nil, badRequest("starting_after: network policy with id %q not found", q.startingAfter)
		}
	}

	view := &policyListView{}
	total := 0
	afterCursor := cursor == nil
	for p := range a.policies.all(a.config.oldestFirst) {
		if q.matches(p) {
			total++
			switch {
			case !afterCursor:
			case len(view.NetworkPolicies) < q.limit:
				view.NetworkPolicies = append(view.NetworkPolicies, p)
			default:
				view.HasMore = true
			}
		}
		if p == cursor {
			afterCursor = true
		}
	}
	if q.includeTotalCount {
		view.TotalCount = &total
	}
	if c.fault.kind == repeatCursor {
		c.cursorRepeated = view.repeatCursor(cursor)
	}
	return view, nil
}

// repeatCursor makes a client that goes on from this page send the cursor that
// it has just sent. It returns false when the page has no item to go on from.
func (v *policyListView) repeatCursor(cursor *policyView) bool {
	if cursor != nil {
		v.NetworkPolicies = []*policyView{cursor}
	}
	v.HasMore = len(v.NetworkPolicies) > 0
	return v.HasMore
}

// matches says whether the filters keep the policy. Partial matches ignore case,
// which is the wider of the two readings of the API's description: a client that
// wants one exact name has to compare for itself.
func (q *listQuery) matches(p *policyView) bool {
	return (q.name == "" || containsFold(p.Name, q.name)) &&
		(q.id == "" || p.ID == q.id) &&
		(q.search == "" || containsFold(p.ID, q.search) || containsFold(p.Name, q.search))
}

func containsFold(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}

// parseListQuery refuses values that it cannot read and parameters that come
// twice. An empty value is no value, and unknown parameters are ignored.
func (a *API) parseListQuery(rawQuery string) (*listQuery, error) {
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, badRequest("Malformed query")
	}
	q := &listQuery{limit: defaultListLimit, includeTotalCount: true}
	for name, value := range values {
		var problem string
		switch v := value[0]; name {
		case "name":
			q.name = v
		case "id":
			q.id = v
		case "starting_after":
			q.startingAfter = v
		case "search":
			if a.config.v01 {
				continue
			}
			q.search = v
		case "limit":
			problem = q.setLimit(v)
		case "include_total_count":
			problem = q.setIncludeTotalCount(v)
		default:
			continue
		}
		switch {
		case problem != "":
			return nil, badRequest("%s %s", name, problem)
		case len(value) > 1:
			return nil, badRequest("%s was sent more than once", name)
		case !utf8.ValidString(value[0]):
			return nil, badRequest("%s is not valid UTF-8", name)
		}
	}
	return q, nil
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
