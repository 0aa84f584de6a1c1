package engine

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const redacted = "[REDACTED]"

// redactor returns a replacer that removes secrets: the API key, which a server may echo in a
// header or a body, and the query of the request, which is in the errors of net/http.
func redactor(key Secret, query string) *strings.Replacer {
	var pairs []string
	for _, form := range keyForms(key) {
		pairs = append(pairs, form, redacted)
	}
	if query != "" {
		pairs = append(pairs, "?"+query, "")
	}
	return strings.NewReplacer(pairs...)
}

// minSecret is the minimum length of a secret. A shorter key may be part of words.
const minSecret = 8

// Redact returns text without the key, in any form in which a server may write it.
func Redact(key Secret, text string) string { return redactor(key, "").Replace(text) }

// keyForms returns the different forms in which servers write the key.
func keyForms(secret Secret) []string {
	key := secret.Reveal()
	if len(key) < minSecret {
		return nil
	}
	quoted := strconv.Quote(key)
	quoted = quoted[1 : len(quoted)-1]
	inJSON, _ := json.Marshal(key) // never fails for a string
	var forms []string
	for _, form := range []string{
		key,
		quoted,
		strings.ReplaceAll(quoted, "/", `\/`),
		string(inJSON[1 : len(inJSON)-1]),
		html.EscapeString(key),
		url.QueryEscape(key),
		lowerEscapes(url.QueryEscape(key)),
		url.PathEscape(key),
		lowerEscapes(url.PathEscape(key)),
		strings.NewReplacer("~", "~0", "/", "~1").Replace(key), // in a JSON pointer
	} {
		if !slices.Contains(forms, form) {
			forms = append(forms, form)
		}
	}
	return forms
}

// lowerEscapes returns percent-escapes in lower case, such as %2f for %2F.
func lowerEscapes(escaped string) string {
	text := []byte(escaped)
	for i, c := range text {
		if c == '%' {
			text[i+1] |= 0x20 // does not change digits
			text[i+2] |= 0x20
		}
	}
	return string(text)
}

// redactHeader returns a copy of h without secrets.
func redactHeader(r *strings.Replacer, h http.Header) http.Header {
	clean := make(http.Header, len(h))
	for name, values := range h {
		name = r.Replace(name)
		for _, value := range values {
			clean[name] = append(clean[name], r.Replace(value))
		}
	}
	return clean
}

// redactBody returns body without secrets. If it was cut, it may end with a part of the key.
func redactBody(r *strings.Replacer, secret Secret, body []byte, cut bool) []byte {
	text := r.Replace(string(body))
	if cut {
		text = text[:len(text)-partialKey(text, secret)]
	}
	return []byte(text)
}

// partialKey returns the length of the longest prefix of the key that text ends with.
func partialKey(text string, secret Secret) (longest int) {
	for _, form := range keyForms(secret) {
		for n := min(len(form), len(text)); n > longest; n-- {
			if strings.HasSuffix(text, form[:n]) {
				longest = n
			}
		}
	}
	return longest
}
