package runloop

import (
	"context"
	"fmt"
	"iter"
)

// defaultPageSize of All is fifty times the API's: a request takes some 20 ms, and
// a page of 1,000 policies is 75 KB on the wire.
const defaultPageSize = 1000

// All returns every policy that params asks for, page after page. Nothing is sent
// before the first step, each range starts afresh, and leaving the loop sends
// nothing more:
//
//	for policy, err := range client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(policy.Name)
//	}
//
// An error is yielded once, with a nil policy, and ends the loop. To go on from
// there, set StartingAfter to the ID of the last policy seen. A server that would
// make the loop endless, by a cursor that comes again or an empty page that is not
// the last, is an error that matches [ErrInvalidResponse].
//
// A page has params.Limit policies, 1000 if that is 0, and is without the total
// count unless params.IncludeTotalCount says otherwise. Policies that others create
// or delete meanwhile may or may not be among those returned.
func (s *NetworkPoliciesService) All(ctx context.Context, params NetworkPolicyListParams, opts ...Option) iter.Seq2[*NetworkPolicy, error] {
	return s.all(ctx, opList, params, opts)
}

func (s *NetworkPoliciesService) all(ctx context.Context, op string, params NetworkPolicyListParams, opts []Option) iter.Seq2[*NetworkPolicy, error] {
	if params.Limit == 0 {
		params.Limit = defaultPageSize
	}
	if params.IncludeTotalCount == nil {
		params.IncludeTotalCount = new(false)
	}
	return func(yield func(*NetworkPolicy, error) bool) {
		params := params // each range starts afresh
		seen := map[string]bool{"": true, params.StartingAfter: true}
		for {
			page, err := s.list(ctx, op, params, opts)
			if err != nil {
				yield(nil, err)
				return
			}
			cursor := page.NextCursor() // the caller may change the policies
			for i := range page.NetworkPolicies {
				if !yield(&page.NetworkPolicies[i], nil) {
					return
				}
			}
			if !page.HasMore {
				return
			}
			if seen[cursor] {
				yield(nil, stuck(op, cursor != ""))
				return
			}
			seen[cursor] = true
			params.StartingAfter = cursor
		}
	}
}

// stuck is the error of a list that does not get on.
func stuck(op string, hasPolicies bool) error {
	detail := "the page says that there are more, but is empty"
	if hasPolicies {
		detail = "the page ends with the same policy as one before" // whose ID may be anything
	}
	return &TransportError{
		Op:       op,
		Attempts: 1,
		cause:    fmt.Errorf("%w: %s", ErrInvalidResponse, detail),
		detail:   fmt.Sprintf("%s: %s", ErrInvalidResponse, detail),
	}
}
