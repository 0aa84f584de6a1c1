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

// redactor removes what must not leave the client: the API key, which a server
// can echo into a header or a body, and the query of the request, which stands in
// the errors of net/http.
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

// minSecret is the length from which a key is a secret. A shorter one is none, and
// would tear words apart.
const minSecret = 8

// Redact returns text without the key, in whatever form a server writes it.
func Redact(key Secret, text string) string { return redactor(key, "").Replace(text) }

// keyForms returns the key in the forms in which servers write it, each once.
func keyForms(secret Secret) []string {
	key := secret.Reveal()
	if len(key) < minSecret {
		return nil
	}
	quoted := strconv.Quote(key)
	quoted = quoted[1 : len(quoted)-1]
	inJSON, _ := json.Marshal(key) // a string always has a JSON form
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

// lowerEscapes writes %2F as %2f.
func lowerEscapes(escaped string) string {
	text := []byte(escaped)
	for i, c := range text {
		if c == '%' {
			text[i+1] |= 0x20 // which leaves digits as they are
			text[i+2] |= 0x20
		}
	}
	return string(text)
}

// redactHeader returns h without secrets. It shares the values that have none.
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

// redactBody returns body without secrets. One that was cut may end within the key.
func redactBody(r *strings.Replacer, secret Secret, body []byte, cut bool) []byte {
	text := r.Replace(string(body))
	if cut {
		text = text[:len(text)-partialKey(text, secret)]
	}
	return []byte(text)
}

// partialKey returns the length of the beginning of the key at the end of text.
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
