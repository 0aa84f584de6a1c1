package runloop

import (
	"net"
	"net/url"
	"strings"
)

const defaultBaseURL = "https://api.runloop.ai"

// parseBaseURL returns the base URL without a trailing slash, or what is wrong
// with it. It repeats nothing that may hold a password.
func (s *settings) parseBaseURL() (base, problem string) {
	if s.baseURLSource == "" {
		return defaultBaseURL, ""
	}
	u, err := url.Parse(s.baseURL)
	switch {
	case err != nil:
		return "", "it is not a URL: write one like " + defaultBaseURL
	case u.User != nil:
		return "", "it holds a user name or password: leave them out, the API key goes into WithAPIKey"
	case u.Scheme != "https" && u.Scheme != "http" || u.Opaque != "":
		return "", "it does not start with https://: write one like " + defaultBaseURL
	case u.Hostname() == "":
		return "", "it names no host: write one like " + defaultBaseURL
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", "it has a query or fragment: leave out what follows the path"
	case hasDotSegment(u.Path):
		return "", "its path has a dot segment: write the path that it leads to"
	case u.Scheme == "http" && !isLoopback(u.Hostname()) && !s.plaintextHTTP:
		return "", "with http:// everyone on the way can read the API key: write https://, or add WithPlaintextHTTP"
	}
	origin := url.URL{Scheme: u.Scheme, Host: u.Host} // which escapes the zone of an address
	return origin.String() + strings.TrimRight(u.EscapedPath(), "/"), ""
}

// isLoopback does not take names below localhost for loopback: net asks DNS for them.
func isLoopback(host string) bool {
	return strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}

func hasDotSegment(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
