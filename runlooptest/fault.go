package runlooptest

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"
)

// A Fault is what happens to one request, scripted with [API.Inject]. The zero
// Fault is none: the request is served as usual, which makes it a placeholder
// between faults.
//
// Faults are values: the methods return a changed copy. They combine, so that
// Page(404).AfterCommit().WithCutBody(20) is half of a proxy's page for a request
// that was applied.
type Fault struct {
	kind        faultKind
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

// Respond responds with this status and body instead of applying the request. The
// body may be anything. Its Content-Type is application/json unless
// [Fault.WithHeader] sets another. Respond panics when the status is not from 200
// to 999.
func Respond(status int, body string) Fault {
	if status < 200 || status > 999 {
		panic(fmt.Sprintf("runlooptest: cannot answer with status %d", status))
	}
	return Fault{kind: scripted, status: status, body: body}
}

// Status responds like [Respond], with an error body of the API's shape whose
// message is the text of the status.
func Status(status int) Fault {
	return Respond(status, string(errorJSON("scripted_fault", http.StatusText(status))))
}

// Page responds like [Respond], with an HTML page as a proxy in front of the API
// sends it. Its text is that of the status: "404 Not Found", for example, although
// the API knows nothing of it.
func Page(status int) Fault {
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	body := "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title + "</h1></center>\r\n</body>\r\n</html>\r\n"
	return Respond(status, body).WithHeader("Content-Type", "text/html")
}

// Disconnect closes the connection without a response and without applying the
// request. With [Fault.AfterCommit] the request is applied first.
//
// The transport of net/http sends a GET again by itself when this happens on a
// connection that it used before: the client sees no error then, and the record
// has two requests. Over HTTP/2 it is not the connection that ends, here and after
// a cut body, but the request's stream.
func Disconnect() Fault { return Fault{kind: disconnect} }

// Late closes the connection without a response, and applies the request d later,
// as a middlebox does that delivers a request after its client gave up. The delivery
// has no record of its own, and none happens once the program or the bubble has
// ended. Late panics when d is negative.
func Late(d time.Duration) Fault {
	if d < 0 {
		panic(fmt.Sprintf("runlooptest: cannot deliver a request %v later", d))
	}
	return Fault{kind: late, lateBy: d}
}

// Replay applies the request twice and sends the second response, as a proxy does
// that repeats requests by itself. The record has one request.
func Replay() Fault { return Fault{kind: replay} }

// CutBody applies the request and closes the connection after the headers and the
// first n bytes of the body; Content-Length promises the whole body. It has fired
// only if the body is longer than n. CutBody panics when n is negative.
func CutBody(n int) Fault { return Fault{}.WithCutBody(n) }

// WithCutBody cuts the body of the fault's response like [CutBody], as in
// Status(400).WithCutBody(10).
func (f Fault) WithCutBody(n int) Fault {
	if n < 0 {
		panic(fmt.Sprintf("runlooptest: cannot cut a body after %d bytes", n))
	}
	f.cut, f.cutAfter = true, n
	return f
}

// ReplaceBody applies the request and responds with the status that it has, but
// with this body.
func ReplaceBody(body string) Fault { return Fault{kind: replaceBody, body: body} }

// RepeatCursor makes the response to a list lead back to where the client is: it
// has more, and its last item is the one that the client just started after. The
// first page of a list has its own items, and has more even when it does not. It
// has fired only if the page has an item, and can be scripted for
// [ListNetworkPolicies] and [ListDevboxes] only.
func RepeatCursor() Fault { return Fault{kind: repeatCursor} }

// Before calls do as soon as the request has arrived, and then serves the request
// as usual. It is for what another program does in between, such as deleting the
// policy that the request is about.
//
// No lock of the API is held meanwhile: do may call the API's methods and send
// requests to it. It runs on the goroutine that serves the request, and must not
// call FailNow of a test.
func Before(do func()) Fault { return Fault{}.Before(do) }

// Before makes the fault call do first, as [Before] does: as soon as the request has
// arrived, ahead of every delay.
func (f Fault) Before(do func()) Fault {
	f.before = do
	return f
}

// Delay serves the request as usual, after d.
func Delay(d time.Duration) Fault { return Fault{}.WithDelay(d) }

// WithDelay makes the fault wait for d before the request is applied: a request
// whose client gives up meanwhile is not applied. With [Fault.AfterCommit], it waits
// between the commit and the response.
func (f Fault) WithDelay(d time.Duration) Fault {
	f.delay = d
	return f
}

// AfterCommit makes the fault strike after the request was applied, so that the
// account has changed and the client does not know. It makes a difference to
// [Respond], [Status], [Page], [Disconnect] and delays; [Late] never applies the
// request first, and all others always do.
func (f Fault) AfterCommit() Fault {
	f.afterCommit = true
	return f
}

// WithHeader sets a header of the response, replacing the one that it would have.
func (f Fault) WithHeader(name, value string) Fault {
	f.header = f.header.Clone()
	if f.header == nil {
		f.header = http.Header{}
	}
	f.header.Set(name, value)
	return f
}

// String describes the fault, as messages and the record of requests have it. It
// is "none" for the zero Fault.
func (f Fault) String() string {
	var parts []string
	if f.before != nil {
		parts = append(parts, "call")
	}
	if f.delay != 0 {
		parts = append(parts, "delay "+f.delay.String())
	}
	switch f.kind {
	case scripted:
		parts = append(parts, fmt.Sprintf("answer %d", f.status))
	case disconnect:
		parts = append(parts, "disconnect")
	case late:
		parts = append(parts, "deliver "+f.lateBy.String()+" late")
	case replay:
		parts = append(parts, "replay")
	case replaceBody:
		parts = append(parts, "replace body")
	case repeatCursor:
		parts = append(parts, "repeat cursor")
	case healthy:
		if len(f.header) > 0 && !f.cut {
			parts = append(parts, "set headers")
		}
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

// commits reports whether a request that meets the fault is applied before the
// response.
func (f Fault) commits() bool {
	return f.afterCommit || f.kind != scripted && f.kind != disconnect
}

// distort turns the API's response into what the client sees. It returns false when
// there was nothing for the fault to act on.
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
