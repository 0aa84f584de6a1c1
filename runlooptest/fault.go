package runlooptest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A Fault changes how one request is served; script it with [API.Inject]. The zero
// Fault serves the request as usual: use it as a placeholder between faults.
//
// Faults are values, and their methods return changed copies. They combine:
// Page(404).AfterCommit().WithCutBody(20) is the first half of a proxy's page in
// response to a request that was applied.
type Fault struct {
	kind        faultKind
	text        string // what String calls the kind
	afterCommit bool
	before      func()
	delay       time.Duration
	lateBy      time.Duration
	status      int
	header      http.Header
	body        string
	cut         bool
	cutAfter    int
}

type faultKind int

const (
	healthy faultKind = iota
	scripted
	disconnect
	late
	replay
	replaceBody
	repeatCursor
)

// Respond responds with the status and body instead of applying the request. The body
// may be anything. Its Content-Type is application/json; [Fault.WithHeader] sets
// another. Respond panics if the status is not from 200 to 999.
func Respond(status int, body string) Fault {
	if status < 200 || status > 999 {
		panic(fmt.Sprintf("runlooptest: status %d is not from 200 to 999", status))
	}
	return Fault{kind: scripted, text: fmt.Sprintf("status %d", status), status: status, body: body}
}

// Status responds like [Respond] with an error body of the API, whose message is the
// text of the status.
func Status(status int) Fault {
	return Respond(status, string(mustMarshal(refuse(status, "scripted_fault", "%s", http.StatusText(status)))))
}

// Page responds like [Respond] with an HTML page as proxies send it. Its text is that
// of the status, for example "404 Not Found".
func Page(status int) Fault {
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	body := "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title + "</h1></center>\r\n</body>\r\n</html>\r\n"
	return Respond(status, body).WithHeader("Content-Type", "text/html")
}

// Disconnect closes the connection without a response. It does not apply the request;
// with [Fault.AfterCommit], it does so first.
//
// On a connection that was used before, the transport of net/http retries a GET by
// itself: the client sees no error, and the record has two requests. Over HTTP/2, the
// request's stream ends instead of the connection.
func Disconnect() Fault { return Fault{kind: disconnect, text: "disconnect"} }

// Late closes the connection without a response and applies the request d later, like a
// proxy that delivers a request after its client has given up. The late delivery is not
// recorded, and does not happen if the program or the bubble ends first. Late panics if
// d is negative.
func Late(d time.Duration) Fault {
	if d < 0 {
		panic(fmt.Sprintf("runlooptest: delay %v is negative", d))
	}
	return Fault{kind: late, text: fmt.Sprintf("deliver %v late", d), lateBy: d}
}

// Replay applies the request twice and sends the second response, like a proxy that
// retries requests. The record has one request.
func Replay() Fault { return Fault{kind: replay, text: "replay"} }

// CutBody applies the request and closes the connection after the headers and the first
// n bytes of the body; Content-Length promises the whole body. It fires only if the
// body is longer than n. CutBody panics if n is negative.
func CutBody(n int) Fault { return Fault{}.WithCutBody(n) }

// WithCutBody cuts the fault's response like [CutBody]. It panics if n is negative.
func (f Fault) WithCutBody(n int) Fault {
	if n < 0 {
		panic(fmt.Sprintf("runlooptest: length %d of a cut body is negative", n))
	}
	f.cut, f.cutAfter = true, n
	return f
}

// ReplaceBody applies the request and responds with the API's status, but with this
// body.
func ReplaceBody(body string) Fault {
	return Fault{kind: replaceBody, text: "replace body", body: body}
}

// RepeatCursor responds to a list with only the item after which the client asked to
// start, and with has_more, so a client that continues gets the same page again. The
// first page keeps its items, also with has_more. RepeatCursor fires only if the page
// has an item. Only [ListNetworkPolicies] and [ListDevboxes] accept it.
func RepeatCursor() Fault { return Fault{kind: repeatCursor, text: "repeat cursor"} }

// Before calls do when the request arrives and then serves the request as usual. Use it
// for what another program does concurrently, such as deleting the policy.
//
// The function may call the API's methods and send requests to it. It runs on the
// goroutine that serves the request, so it must not close the server or call FailNow of a
// test.
func Before(do func()) Fault { return Fault{}.Before(do) }

// Before makes the fault call do first, as [Before] does, and before any delay.
func (f Fault) Before(do func()) Fault {
	f.before = do
	return f
}

// Delay serves the request as usual, but after d.
func Delay(d time.Duration) Fault { return Fault{}.WithDelay(d) }

// WithDelay delays the fault by d, before the request is applied: if the client cancels
// the request meanwhile, it is not applied. With [Fault.AfterCommit], the delay is
// between the commit and the response.
func (f Fault) WithDelay(d time.Duration) Fault {
	f.delay = d
	return f
}

// AfterCommit applies the request before the fault strikes: the account has changed, and
// the client does not know. It affects [Respond], [Status], [Page], [Disconnect] and
// delays. [Late] never applies the request first; the other faults always do.
func (f Fault) AfterCommit() Fault {
	f.afterCommit = true
	return f
}

// WithHeader sets a header of the response, such as Retry-After.
func (f Fault) WithHeader(name, value string) Fault {
	f.header = f.header.Clone()
	if f.header == nil {
		f.header = http.Header{}
	}
	f.header.Set(name, value)
	return f
}

// String describes the fault, as in "delay 1s, status 503 after commit". The zero Fault
// is "none".
func (f Fault) String() string {
	var parts []string
	if f.before != nil {
		parts = append(parts, "call")
	}
	if f.delay != 0 {
		parts = append(parts, "delay "+f.delay.String())
	}
	if f.kind != healthy {
		parts = append(parts, f.text)
	} else if len(f.header) > 0 && !f.cut {
		parts = append(parts, "set headers")
	}
	if f.afterCommit && (f.kind == scripted || f.kind == disconnect || f.delay != 0 && f.kind != late) {
		parts[len(parts)-1] += " after commit"
	}
	if f.cut {
		parts = append(parts, fmt.Sprintf("cut body after %d bytes", f.cutAfter))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func (f Fault) none() bool {
	return f.kind == healthy && f.before == nil && f.delay == 0 && len(f.header) == 0 && !f.cut
}

// commits reports whether the fault applies the request before the response.
func (f Fault) commits() bool {
	return f.afterCommit || f.kind != scripted && f.kind != disconnect
}

// distort turns the API's response into the one that the client receives. It returns
// false if the response gave the fault nothing to act on.
func (f Fault) distort(res response) (response, bool) {
	switch f.kind {
	case disconnect, late:
		return response{}, true
	case scripted:
		res = newResponse(f.status, []byte(f.body))
	case replaceBody:
		res = newResponse(res.status, []byte(f.body))
	}
	ok := true
	if f.cut {
		ok = f.cutAfter < len(res.body)
		res.body = res.body[:min(f.cutAfter, len(res.body))]
	}
	maps.Copy(res.header, f.header)
	return res, ok
}

// A script is a sequence of faults, or of devbox scripts.
type script[T any] struct {
	items []T
	taken int
}

// take returns the next item and its number, or the zero item and 0 at the end.
func (s *script[T]) take() (item T, number int) {
	if s.taken == len(s.items) {
		return item, 0
	}
	s.taken++
	return s.items[s.taken-1], s.taken
}

// Inject scripts faults for an operation: its next request meets the first fault, the
// one after that the second, and so on. Later calls append faults. If a fault does not
// fire, the server of a test fails the test.
//
// Inject panics if the operation is unknown, or if [RepeatCursor] is injected for an
// operation that is not a list.
func (a *API) Inject(op Operation, faults ...Fault) {
	s := a.faults[op]
	if s == nil {
		panic(fmt.Sprintf("runlooptest: unknown operation %q: use one of the package's constants", op))
	}
	isList := op == ListNetworkPolicies || op == ListDevboxes
	if !isList && slices.ContainsFunc(faults, func(f Fault) bool { return f.kind == repeatCursor }) {
		panic(fmt.Sprintf("runlooptest: %s has no cursor to repeat: inject RepeatCursor for a list", op))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s.items = append(s.items, faults...)
}

// Unfired describes the scripted faults that did not fire, and the devbox scripts that
// no launch took. A fault does not fire if no request came, or if the response gave it
// nothing to act on, such as a body that was too short to be cut.
func (a *API) Unfired() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	lines := slices.Clone(a.missed)
	for _, op := range slices.Sorted(maps.Keys(a.faults)) {
		s := a.faults[op]
		for i, f := range s.items[s.taken:] {
			if !f.none() {
				lines = append(lines, fmt.Sprintf("%s: fault %d (%v): no request came", op, s.taken+i+1, f))
			}
		}
	}
	for i, s := range a.devboxScripts.items[a.devboxScripts.taken:] {
		if !s.none() {
			lines = append(lines, fmt.Sprintf("devbox script %d: no launch came", a.devboxScripts.taken+i+1))
		}
	}
	return lines
}

// nextFault returns the fault that the next request of the operation meets and, if it
// was scripted, its number in the script.
func (a *API) nextFault(op Operation) (Fault, int) {
	// Drawn for scripted requests too, so that a script does not shift the random
	// faults of later requests.
	random := a.drawFault()
	if f, number := a.faults[op].take(); number > 0 {
		return f, number
	}
	return random, 0
}

// drawFault returns a random fault at the configured rate, and none otherwise. It always
// draws the same number of times.
func (a *API) drawFault() Fault {
	if a.random == nil {
		return Fault{}
	}
	hit := a.random.Float64() < a.config.faultRate
	faults := []Fault{
		Status(http.StatusTooManyRequests).WithHeader("Retry-After", "1"),
		Status(http.StatusServiceUnavailable),
		Status(http.StatusBadGateway).AfterCommit(),
		Disconnect(),
		Disconnect().AfterCommit(),
		CutBody(a.random.IntN(32)),
	}
	f := faults[a.random.IntN(len(faults))]
	if !hit {
		return Fault{}
	}
	return f
}
