package engine

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const redacted = "[REDACTED]"

// redactor removes what must not leave the client: the API key, which a server
// can echo into a header or a body, and the query of the request, which stands in
// the errors of net/http.
func redactor(cfg *Config, query string) *strings.Replacer {
	var pairs []string
	if key := cfg.Key.Reveal(); key != "" {
		quoted := strconv.Quote(key)
		for _, form := range []string{key, url.QueryEscape(key), url.PathEscape(key), quoted[1 : len(quoted)-1]} {
			pairs = append(pairs, form, redacted)
		}
	}
	if query != "" {
		pairs = append(pairs, "?"+query, "")
	}
	return strings.NewReplacer(pairs...)
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

func redactBody(r *strings.Replacer, body []byte) []byte {
	return []byte(r.Replace(string(body)))
}
