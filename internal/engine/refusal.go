package engine

import (
	"regexp"
	"slices"
	"strings"
)

// A Refusal is a meaning that an error response can have to an operation. The API documents no
// error codes, so the status and the message decide.
type Refusal struct {
	// Err is the error that a failure with this meaning matches.
	Err error
	// Statuses have the meaning regardless of the message.
	Statuses []int
	// MatchMessage reports whether a message has the meaning, for a status in MessageStatuses. The
	// message is one line in lower case, without quoted parts, because those may be names.
	MatchMessage    func(message string) bool
	MessageStatuses []int
	// SilentStatuses have the meaning if the body is complete, is empty or JSON, and has no
	// message under any name.
	SilentStatuses []int
	// NotInDoubt excludes calls whose earlier attempts may have been applied.
	NotInDoubt bool
}

// meaning returns the Err of the first refusal that matches the response, or nil.
func meaning(refusals []Refusal, status int, e errorBody, inDoubt bool) error {
	message := plainMessage(e.message)
	for _, r := range refusals {
		switch {
		case r.NotInDoubt && inDoubt:
		case slices.Contains(r.Statuses, status),
			e.structured && message != "" && slices.Contains(r.MessageStatuses, status) && r.MatchMessage(message),
			e.silent && slices.Contains(r.SilentStatuses, status):
			return r.Err
		}
	}
	return nil
}

// quoted matches the parts of a message that may be names. A name may contain quotes: a quote
// that is escaped or begins a word does not end it. A single quote inside a word is an
// apostrophe.
var quoted = regexp.MustCompile(`\B"(?:[^"\\]|\\.|"\b)*"` + "|\\B`(?:[^`]|`\\b)*`" + `|“[^”]*”|«[^»]*»|\B['‘](?:[^'’\\]|\\.|['’]\b)*['’]\B`)

// plainMessage returns a message in the form that Refusal.MatchMessage expects.
func plainMessage(message string) string {
	message = quoted.ReplaceAllString(message, " ")
	message = strings.NewReplacer("’", "'", "_", " ", "-", " ").Replace(strings.ToLower(message))
	return strings.Join(strings.Fields(message), " ")
}
