package engine

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable makes s fit for one line of a log: no control characters, no invalid
// UTF-8, at most limit bytes.
func Printable(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return Truncate(strings.TrimSpace(s), limit)
}

// Truncate cuts s to at most limit bytes, between two runes.
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

// Quote shows a value that may be long or hostile.
func Quote(s string) string {
	const maxQuoted = 120 // a byte of s can take ten
	quoted := strconv.Quote(Truncate(s, 80))
	if len(quoted) > maxQuoted {
		quoted = Truncate(quoted, maxQuoted-1) + `"`
	}
	return quoted
}
