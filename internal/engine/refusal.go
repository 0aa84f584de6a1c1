package engine

import (
	"regexp"
	"slices"
	"strings"
)

// A Refusal is one meaning that an error response can have to an operation. The API
// documents no error codes, so a meaning is told by the status and the message.
type Refusal struct {
	// Err is what the error matches.
	Err error
	// Statuses mean it in themselves.
	Statuses []int
	// Says reports whether a message means it, when the status is one of SaysStatuses.
	// The message is in lower case, on one line, and without quoted parts, which
	// can be names.
	Says         func(message string) bool
	SaysStatuses []int
	// SilentStatuses mean it when the body is complete, is empty or JSON, and has no
	// message, under whatever name.
	SilentStatuses []int
	// NotInDoubt restricts the meaning to a call of which no earlier attempt may have
	// been applied.
	NotInDoubt bool
}

// meaning returns what the response means to the operation: the first refusal that
// fits, or nil.
func meaning(refusals []Refusal, status int, e errorBody, inDoubt bool) error {
	message := plainMessage(e.message)
	for _, r := range refusals {
		switch {
		case r.NotInDoubt && inDoubt:
		case slices.Contains(r.Statuses, status),
			e.structured && message != "" && slices.Contains(r.SaysStatuses, status) && r.Says(message),
			e.silent && slices.Contains(r.SilentStatuses, status):
			return r.Err
		}
	}
	return nil
}

// quoted are the parts of a message that can be a name, which can have quotes in it: those
// that are escaped or begin a word do not end it. A single quote counts as one only at the
// edge of a word, since it is an apostrophe elsewhere, within a name too.
var quoted = regexp.MustCompile(`\B"(?:[^"\\]|\\.|"\b)*"` + "|\\B`(?:[^`]|`\\b)*`" + `|“[^”]*”|«[^»]*»|\B['‘](?:[^'’\\]|\\.|['’]\b)*['’]\B`)

// plainMessage prepares a message for the words to look for.
func plainMessage(message string) string {
	message = quoted.ReplaceAllString(message, " ")
	message = strings.NewReplacer("’", "'", "_", " ", "-", " ").Replace(strings.ToLower(message))
	return strings.Join(strings.Fields(message), " ")
}
