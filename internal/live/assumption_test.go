package live

import (
	"context"
	"errors"
	"slices"
)

// An assumption is something that the fake takes for granted about the API.
type assumption struct {
	// name says it in a short sentence.
	name string
	// fake is what the fake shows when it is checked.
	fake string
	// check returns what the API shows.
	check func(*trial) string
	// devbox says that the check launches one, or would if the API accepted what it
	// is to refuse.
	devbox bool
}

// assumptions returns all of them, in the order in which they are tried.
func assumptions() []assumption {
	return slices.Concat(
		devboxAssumptions, // first: a policy may stay in use for a while
		newPolicyAssumptions,
		createAssumptions,
		listAssumptions,
		updateAssumptions,
		allowAllAssumptions,
		hostnameAssumptions,
		cidrAssumptions,
		unknownAssumptions,
		answerAssumptions,
		deleteAssumptions,
	)
}

// A result is what came of a check.
type result string

const (
	passed   result = "passed"    // the API shows what the fake shows
	differs  result = "differs"   // it shows something else
	failed   result = "failed"    // the check could not be made
	notTried result = "not tried" // the check was not made
)

// noOccasion is why a check was not made that the account gives no occasion for.
type noOccasion string

func (n noOccasion) Error() string { return string(n) }

// tryAll makes the checks one after the other.
func (a *account) tryAll(ctx context.Context, assumptions []assumption, devboxes bool) record {
	r := newRecord(a.client)
	for _, assumed := range assumptions {
		r.rows = append(r.rows, a.try(ctx, assumed, devboxes))
	}
	return r
}

func (a *account) try(ctx context.Context, assumed assumption, devboxes bool) row {
	row := row{assumption: assumed}
	switch {
	case ctx.Err() != nil:
		row.result, row.shown = notTried, "the run was interrupted"
		return row
	case assumed.devbox && !devboxes:
		row.result, row.shown = notTried, "it needs -devbox"
		return row
	}
	c := a.begin(ctx)
	defer c.end()
	row.shown = assumed.check(c)
	row.said = c.said
	switch reason, none := errors.AsType[noOccasion](c.err); {
	case none:
		row.result, row.shown = notTried, string(reason)
	case c.err != nil:
		row.result, row.shown = failed, c.err.Error()
	case row.shown != assumed.fake:
		row.result = differs
	default:
		row.result = passed
	}
	return row
}
