package runloop

import (
	"net"
	"net/url"
	"strconv"
	"strings"
)

const defaultBaseURL = "https://api.runloop.ai"

// parseBaseURL returns the base URL without a trailing slash, or its problem, without any
// part that may be a password.
func (s *settings) parseBaseURL() (base, problem string) {
	const example = "write one like " + defaultBaseURL
	if s.baseURLSource == "" {
		return defaultBaseURL, ""
	}
	u, err := url.Parse(s.baseURL)
	switch {
	case s.baseURL != strings.TrimSpace(s.baseURL):
		return "", "has space around it: remove it"
	case err != nil:
		return "", "is not a valid URL: " + example
	case u.User != nil:
		return "", "has a user name or password: remove them, and set the key with WithAPIKey"
	case u.Scheme != "https" && u.Scheme != "http" || u.Opaque != "":
		return "", "does not start with https://, or http:// for a loopback address: " + example
	case u.Hostname() == "":
		return "", "has no host: " + example
	case strings.ContainsAny(u.Hostname(), "<>{}$\"'`()*, ") || hasEmptyLabel(u.Hostname()) || strings.HasSuffix(u.Host, ":") || !isPort(u.Port()):
		return "", "has an invalid host or port: " + example
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", "has a query or fragment: remove what follows the path"
	case strings.ContainsAny(u.Path, "<>{}$\"'`()*, "):
		return "", "has an invalid path: write the path of a gateway, or none"
	case strings.Contains(u.Path+"/", "/v1/network-policies/") || strings.Contains(u.Path+"/", "/v1/devboxes/"):
		return "", "has the path of a method, which the SDK adds: remove it, and " + example
	case hasDotSegment(u.Path):
		return "", "has a dot segment in its path: write the resolved path"
	case endsInVersion(u.Path):
		return "", "ends in /v1, which the SDK adds: remove it, and " + example
	case u.Scheme == "http" && !isLoopback(u.Hostname()) && !s.plaintextHTTP:
		return "", "with http://, anyone on the network path can read the API key: write https://, or add WithPlaintextHTTP"
	}
	origin := url.URL{Scheme: u.Scheme, Host: u.Host} // its String escapes the zone of an address
	return origin.String() + strings.TrimRight(u.EscapedPath(), "/"), ""
}

// hasEmptyLabel reports whether the host has two dots in a row, or begins with a dot.
func hasEmptyLabel(host string) bool {
	return strings.HasPrefix(host, ".") || strings.Contains(host, "..")
}

// isPort reports whether the port is empty or a number from 1 to 65535.
func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

// endsInVersion reports whether the path ends in the prefix of every route, /v1.
func endsInVersion(path string) bool {
	path = strings.TrimRight(path, "/")
	return strings.EqualFold(path[strings.LastIndexByte(path, '/')+1:], "v1")
}

// isLoopback excludes names below localhost, because package net resolves them by DNS.
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
