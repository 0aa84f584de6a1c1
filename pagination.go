package runloop

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// defaultPageSize is fifty times the API's default, because requests cost more than
// policies: a request takes about 20 ms, and 1,000 policies are 75 KB on the wire.
const defaultPageSize = 1000

// All returns an iterator over all matching policies. No request is sent before
// iteration begins, none after the loop ends, and each range starts over:
//
//	for policy, err := range client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(policy.Name)
//	}
//
// An error is yielded once, with a nil policy, and ends the loop. To resume, set
// StartingAfter to the ID of the last policy yielded. A list that does not advance yields
// an error that matches [ErrInvalidResponse].
//
// The loop may delete or rename the policies it receives, because each page is requested
// before the last policy of the previous page is yielded. Policies that other programs
// create or delete during the loop may or may not be yielded.
//
// Each request asks for params.Limit policies, or for 1000 if Limit is 0, and for fewer
// if the response would be too large. The API counts the total only if
// params.IncludeTotalCount is set to true.
func (s *NetworkPoliciesService) All(ctx context.Context, params NetworkPolicyListParams, opts ...Option) iter.Seq2[*NetworkPolicy, error] {
	return each(s.pages(ctx, opList, params, byIDRefusals, new(engine.Clock), opts), func(p *NetworkPolicyPage) []NetworkPolicy { return p.NetworkPolicies })
}

// pages iterates over the pages of a list. ofCursor has the meanings of error responses to
// a request with a cursor.
func (s *NetworkPoliciesService) pages(ctx context.Context, op string, params NetworkPolicyListParams, ofCursor []engine.Refusal, clock *engine.Clock, opts []Option) iter.Seq2[*NetworkPolicyPage, error] {
	if params.IncludeTotalCount == nil {
		params.IncludeTotalCount = new(false)
	}
	start := cursor{after: params.StartingAfter, limit: params.Limit}
	return paginate(op, start, func(c cursor) (*NetworkPolicyPage, error) {
		params := params
		params.StartingAfter, params.Limit = c.after, c.limit
		return s.list(ctx, op, params, ofCursor, clock, opts)
	})
}

// A cursor is where a page begins, and its maximum length.
type cursor struct {
	after string
	limit int
}

// A page is a page of any list.
type page interface {
	NextCursor() string
	hasMore() bool
}

// paginate iterates over the pages that fetch returns. If a page is too large, it halves
// the limit and fetches the page again.
func paginate[P page](op string, start cursor, fetch func(cursor) (P, error)) iter.Seq2[P, error] {
	if start.limit == 0 {
		start.limit = defaultPageSize
	}
	return func(yield func(P, error) bool) {
		var none P
		c := start // each range starts over
		seen := map[string]bool{"": true, c.after: true}
		for {
			page, err := fetch(c)
			if errors.Is(err, ErrResponseTooLarge) && c.limit > 1 {
				c.limit /= 2
				continue
			}
			if err != nil {
				yield(none, err)
				return
			}
			next := page.NextCursor() // the caller may change the page
			more := page.hasMore()
			if !yield(page, nil) || !more {
				return
			}
			if seen[next] {
				yield(none, stuck(op, next != ""))
				return
			}
			seen[next] = true
			c.after = next
		}
	}
}

// search passes pages to visit until there are no more or visit returns false. If another
// program deletes the item that a page begins after, search calls reset and starts over.
func search[P any](pages iter.Seq2[P, error], reset func(), visit func(P) bool) error {
	for round := 1; ; round++ {
		reset()
		var err error
		for page, pageErr := range pages {
			if err = pageErr; err != nil || !visit(page) {
				break
			}
		}
		if !errors.Is(err, errGone) || round == maxRounds {
			return err
		}
	}
}

// each iterates over the items of pages. It holds back the last item of a page until the
// next page has arrived, because that item is the cursor of the next page and the loop may
// delete it.
func each[P, T any](pages iter.Seq2[P, error], items func(P) []T) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		var held *T
		for page, err := range pages {
			if err != nil {
				if held == nil || yield(held, nil) {
					yield(nil, err)
				}
				return
			}
			items := items(page)
			for i := range items {
				if held != nil && !yield(held, nil) {
					return
				}
				held = &items[i]
			}
		}
		if held != nil {
			yield(held, nil)
		}
	}
}

// stuck is the error of a list that does not advance.
func stuck(op string, hasItems bool) error {
	detail := "the page is empty but is not the last one"
	if hasItems {
		detail = "the page ends with the same item as an earlier page" // without the ID, which can be any text
	}
	return &APIError{
		Op:         op,
		StatusCode: http.StatusOK,
		Attempts:   1,
		cause:      fmt.Errorf("%w: %s", ErrInvalidResponse, detail),
		detail:     fmt.Sprintf("%s: %s", ErrInvalidResponse, detail),
	}
}
