package faults

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// A fault is what happens to one request of a model, and to its response.
type fault struct {
	name string
	// applied: the API applies the request first.
	applied bool
	// late: a middlebox delivers the request after that time, whatever the client received.
	late time.Duration
	// repeats: a proxy sends the request twice, and forwards the second response.
	repeats bool

	refuses bool          // the connection
	unread  bool          // the connection closes before the request is read
	closes  bool          // the connection closes after the response
	stalls  bool          // nothing comes after the response
	takes   time.Duration // the response

	status  int // of the response; 0 is raw's
	body    string
	headers []string
	// raw returns the bytes to send in place of a response. own is the API's response.
	raw func(own string) string

	// unclear: the client cannot tell whether the API applied the request.
	unclear bool
	// passes: the call succeeds with another attempt.
	passes bool
}

func nothing(string) string { return "" }

func unchanged(own string) string { return own }

func cutInBody(own string) string {
	if own == "" {
		return wiretest.Response(200, `{"id": "npol_`, "Content-Length: 400")
	}
	return own[:len(own)-5]
}

const (
	portalHTML = "<html><body>sign in</body></html>"
	html       = "Content-Type: text/html"
	text       = "Content-Type: text/plain"

	silent400      = "400 without a message"
	stalledBody    = "body that stalls"
	deliveredTwice = "delivered twice"
	foreign        = "200 about another "
)

// refusing are the faults in which the API, or a proxy in front of it, does not apply the
// request.
var refusing = []fault{
	{name: "connection refused", refuses: true, raw: nothing, closes: true, passes: true},
	{name: "closed unread", unread: true, unclear: true, raw: nothing, closes: true, passes: true},
	{name: "cut body of a 400", raw: func(string) string {
		return wiretest.Response(400, `{"message": "a policy ca`, "Content-Length: 400")
	}, closes: true, passes: true},
	{name: "425", status: 425, body: clienttest.BusyJSON, passes: true},
	{name: "429", status: 429, body: clienttest.BusyJSON, passes: true},
	{name: "404 page", status: 404, body: "default backend - 404", headers: []string{text}},
	{name: "404 HTML", status: 404, body: portalHTML, headers: []string{html}},
	{name: "empty 404", status: 404},
	{name: "404 of a gateway", status: 404, body: `{"message":"no Route matched with those values"}`},
	{name: "400 HTML", status: 400, body: portalHTML, headers: []string{html}},
	{name: silent400, status: 400, body: `{}`},
	{name: "307", status: 307, headers: []string{"Location: https://elsewhere.example.test/"}},
}

// ambiguous are those after which the request may have been applied or not.
var ambiguous = []fault{
	{name: "closed after the request", raw: nothing, closes: true, passes: true},
	{name: "hang", raw: nothing, stalls: true, passes: true},
	{name: "cut headers", raw: func(string) string { return "HTTP/1.1 200 OK\r\nContent-" }, closes: true, passes: true},
	{name: "cut body", raw: cutInBody, closes: true, passes: true},
	{name: stalledBody, raw: cutInBody, stalls: true, passes: true},
	{name: "408", status: 408, body: clienttest.BusyJSON, passes: true},
	{name: "500", status: 500, body: clienttest.BusyJSON, passes: true},
	{name: "502", status: 502, body: portalHTML, headers: []string{html}, passes: true},
	{name: "503", status: 503, body: clienttest.BusyJSON, passes: true},
	{name: "504", status: 504, body: portalHTML, headers: []string{html}, passes: true},
	{name: "520", status: 520, body: portalHTML, headers: []string{html}, passes: true},
	{name: "200 HTML", status: 200, body: portalHTML, headers: []string{html}},
	{name: "204", status: 204},
	{name: "empty 200", status: 200},
	{name: "200 {}", status: 200, body: `{}`},
	{name: foreign + "policy", status: 200, body: strings.NewReplacer("build", "other", "npol_1", "npol_other").Replace(policyJSON)},
	{name: "303", status: 303, headers: []string{"Location: https://elsewhere.example.test/"}},
}

// delayed are those of middleboxes that deliver a request late, or twice.
var delayed = []fault{
	{name: "504, delivered before the retry", unclear: true, late: 100 * time.Millisecond, status: 504, passes: true},
	{name: "504, delivered after the retry", unclear: true, late: 600 * time.Millisecond, status: 504, passes: true},
	{name: "504, delivered after the call", unclear: true, late: 10 * time.Minute, status: 504, passes: true},
	{name: "closed, delivered before the retry", unclear: true, late: 100 * time.Millisecond, raw: nothing, closes: true, passes: true},
	{name: "closed, delivered after the call", unclear: true, late: 10 * time.Minute, raw: nothing, closes: true, passes: true},
	{name: deliveredTwice, repeats: true, passes: true},
}

// Faults of the soaks and of devboxes alone.
var (
	slow       = fault{name: "slow", takes: 20 * time.Second, applied: true, raw: unchanged, passes: true}
	busyLong   = fault{name: "503 for long", unclear: true, status: 503, headers: []string{"Retry-After: 90"}}
	busyAWhile = fault{name: "503 for a while", unclear: true, status: 503, headers: []string{"Retry-After: 3"}, passes: true}
)

// faultsOf returns all faults of requests with a method. Whether the API applied a read does
// not matter.
func faultsOf(method string) []fault {
	all := slices.Clone(refusing)
	for _, f := range ambiguous {
		f.unclear = true
		all = append(all, f)
		if method != http.MethodGet {
			f.name += ", applied"
			f.applied = true
			all = append(all, f)
		}
	}
	if method != http.MethodGet {
		all = append(all, delayed...)
	}
	return all
}

// like returns the faults with one of the names.
func like(all []fault, names ...string) []fault {
	return slices.DeleteFunc(all, func(f fault) bool { return !slices.Contains(names, f.name) })
}
