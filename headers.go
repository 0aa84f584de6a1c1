package runloop

import (
	"fmt"
	"strings"
)

const maxHeaderValue = 8 << 10 // what servers commonly accept

// reservedHeaders says what to use instead of a header that is not the caller's to set.
var reservedHeaders = map[string]string{
	"Authorization":     "use WithAPIKey",
	"User-Agent":        "use WithUserAgent",
	"X-Request-Id":      "use WithIdempotencyKey on a single call",
	"Idempotency-Key":   "net/http would repeat writes unseen; use WithIdempotencyKey on a single call",
	"X-Idempotency-Key": "net/http would repeat writes unseen; use WithIdempotencyKey on a single call",
	"Accept":            "the SDK sets it",
	"Accept-Encoding":   "net/http sets it",
	"Content-Type":      "the SDK sets it",
	"Content-Length":    "net/http sets it",
	"Transfer-Encoding": "net/http sets it",
	"Connection":        "net/http sets it",
	"Host":              "use WithBaseURL",
}

// headerProblem says what is wrong with a header, without its value.
func headerProblem(canonical string, h header) string {
	// Of a bad name, only the good beginning is told: it may go on with the value.
	if i := strings.IndexFunc(h.name, notInName); i >= 0 {
		return fmt.Sprintf("after %.40q, the name of a header has a character that none has", h.name[:i])
	}
	if h.name == "" {
		return "a header has no name"
	}
	if instead, reserved := reservedHeaders[canonical]; reserved {
		return fmt.Sprintf("the header %s cannot be set: %s", canonical, instead)
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
		return fmt.Sprintf("is longer than %d bytes", maxHeaderValue)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }):
		return "has a line break or another character that no header can carry"
	}
	return ""
}
