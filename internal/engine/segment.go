package engine

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// segment escapes s as one segment of a path. It rejects what a server, a proxy or a URL
// library may not treat as one name: blanks, dot segments in any form, control characters and
// invalid UTF-8.
func segment(s string) (string, error) {
	switch {
	case strings.TrimSpace(s) == "":
		return "", errors.New("is empty")
	case !utf8.ValidString(s):
		return "", errors.New("is not valid UTF-8")
	case strings.ContainsFunc(s, unicode.IsControl):
		return "", errors.New("has a control character")
	case isDots(s):
		return "", errors.New("is a dot segment, which names another path")
	}
	return url.PathEscape(s), nil
}

// isDots reports whether s is "." or "..", plain or percent-encoded.
func isDots(s string) bool {
	if len(s) > len("%2e%2e") {
		return false
	}
	s = strings.ReplaceAll(strings.ToLower(s), "%2e", ".")
	return s == "." || s == ".."
}
