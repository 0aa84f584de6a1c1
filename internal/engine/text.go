package engine

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns s as one line of at most limit bytes, without control characters and invalid
// UTF-8.
func Printable(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return Truncate(strings.TrimSpace(s), limit)
}

// Truncate returns s, cut between two runes to at most limit bytes.
func Truncate(s string, limit int) string {
	const ellipsis = "..."
	if len(s) <= limit {
		return s
	}
	if limit < len(ellipsis) {
		return ""
	}
	cut := limit - len(ellipsis)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + ellipsis
}

// Quote returns a value for an error text: quoted, and cut to at most 120 bytes.
func Quote(s string) string {
	const maxQuoted = 120 // a byte of s can become ten
	quoted := strconv.Quote(Truncate(s, 80))
	if len(quoted) > maxQuoted {
		quoted = Truncate(quoted, maxQuoted-1) + `"`
	}
	return quoted
}
