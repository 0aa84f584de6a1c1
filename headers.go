package runloop

import (
	"fmt"
	"strings"
)

const maxHeaderValue = 8 << 10 // a common limit of servers

const (
	replays     = "net/http would replay writes; use WithIdempotencyKey on a single call"
	setsIt      = "the SDK sets it"
	netHTTPSets = "net/http sets it"
	hopByHop    = "it controls the connection, which net/http manages"
)

// reservedHeaders are the headers that callers cannot set, by canonical name. The value is
// the reason, or what to do instead.
var reservedHeaders = map[string]string{
	"Authorization":     "use WithAPIKey",
	"User-Agent":        "use WithUserAgent",
	"X-Request-Id":      "use WithIdempotencyKey on a single call",
	"Idempotency-Key":   replays,
	"X-Idempotency-Key": replays,
	"Accept":            setsIt,
	"Content-Type":      setsIt,
	"Accept-Encoding":   netHTTPSets,
	"Content-Length":    netHTTPSets,
	"Transfer-Encoding": netHTTPSets,
	"Trailer":           netHTTPSets,
	"Host":              "use WithBaseURL",
	"Connection":        hopByHop,
	"Upgrade":           hopByHop,
	"Http2-Settings":    hopByHop,
	"Te":                hopByHop,
	"Keep-Alive":        hopByHop,
	"Proxy-Connection":  hopByHop,
	// A header is sent to the API, not to the proxy.
	"Proxy-Authorization": "write the credentials in the URL of the proxy",
	"Content-Encoding":    "the SDK does not compress bodies",
	"Expect":              "the SDK does not wait for 100 Continue",
	"Range":               "the SDK reads whole responses",
	"Content-Range":       "the SDK sends whole bodies",
	// Some gateways replace the method by these.
	"X-Http-Method":          "use Do with the method",
	"X-Http-Method-Override": "use Do with the method",
	"X-Method-Override":      "use Do with the method",
}

// headerProblem returns the problem of a header, without its value.
func headerProblem(canonical string, h header) string {
	// Only the valid beginning of an invalid name is shown: the value may follow it.
	if i := strings.IndexFunc(h.name, notInName); i >= 0 {
		return fmt.Sprintf("the name of a header has an invalid character after %.40q: write letters, digits and hyphens", h.name[:i])
	}
	if h.name == "" {
		return `a header has no name: write one, as in "X-Team"`
	}
	instead, reserved := reservedHeaders[canonical]
	if strings.HasPrefix(canonical, "If-") {
		instead, reserved = "the SDK sends no conditional requests", true
	}
	if reserved {
		return fmt.Sprintf("the header %.40s cannot be set: %s", canonical, instead)
	}
	if problem := valueProblem(h.value); problem != "" {
		return fmt.Sprintf("the value of header %.40s %s", canonical, problem)
	}
	return ""
}

func notInName(r rune) bool {
	return !strings.ContainsRune("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", r)
}

func valueProblem(value string) string {
	switch {
	case len(value) > maxHeaderValue:
		return fmt.Sprintf("is longer than %d bytes: shorten it", maxHeaderValue)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }):
		return "has a line break or another invalid character: remove it"
	}
	return ""
}
