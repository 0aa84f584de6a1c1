package runlooptest

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"
)

// A Fault is what happens to one request, scripted with [API.Inject]. The zero
// Fault is none: the request is served as always, which makes it a placeholder
// between faults.
//
// Faults are values: the methods return a changed copy.
type Fault struct {
	kind        faultKind
	afterCommit bool
	delay       time.Duration
	status      int
	header      http.Header
	body        string
	cutAfter    int
}

type faultKind int

const (
	healthy faultKind = iota
	scriptedAnswer
	disconnect
	cutBody
	replaceBody
	repeatCursor
)

// Answer answers with this status and body in place of carrying the request out.
// The body may be anything. Its Content-Type is application/json unless
// [Fault.WithHeader] says otherwise. Answer panics when the status is not from 200
// to 999.
func Answer(status int, body string) Fault {
	if status < 200 || status > 999 {
		panic(fmt.Sprintf("runlooptest: cannot answer with status %d", status))
	}
	return Fault{kind: scriptedAnswer, status: status, body: body}
}

// Status answers like [Answer], with an error body of the API's shape whose
// message is the status in words.
func Status(status int) Fault {
	return Answer(status, string(errorJSON("scripted_fault", http.StatusText(status))))
}

// Disconnect closes the connection without an answer and without carrying the
// request out. With [Fault.AfterCommit] the request is carried out first.
//
// The transport of net/http sends a GET again by itself when this happens on a
// connection that it used before: the client sees no error then, and the record
// has two requests. Over HTTP/2 it is not the connection that ends, here and in
// CutBody, but the request's stream.
func Disconnect() Fault { return Fault{kind: disconnect} }

// CutBody carries the request out and closes the connection after the headers and
// the first n bytes of the body; Content-Length promises the whole body. It has
// fired only if the body is longer than n. CutBody panics when n is negative.
func CutBody(n int) Fault {
	if n < 0 {
		panic(fmt.Sprintf("runlooptest: cannot cut a body after %d bytes", n))
	}
	return Fault{kind: cutBody, cutAfter: n}
}

// ReplaceBody carries the request out and answers with the status that it has, but
// with this body.
func ReplaceBody(body string) Fault { return Fault{kind: replaceBody, body: body} }

// RepeatCursor makes the answer to a list lead back to where the client is: it has
// more, and its last item is the one that the client just started after. The
// first page of a list has its own items, and has more even when it does not. It
// has fired only if the page has an item, and can be scripted for
// [ListNetworkPolicies] only.
func RepeatCursor() Fault { return Fault{kind: repeatCursor} }

// Delay serves the request as always, after d.
func Delay(d time.Duration) Fault { return Fault{}.WithDelay(d) }

// WithDelay makes the fault wait for d before anything else, the commit included:
// a request whose client gives up meanwhile is not carried out. With
// [Fault.AfterCommit], it waits between the commit and the answer.
func (f Fault) WithDelay(d time.Duration) Fault {
	f.delay = d
	return f
}

// AfterCommit makes the fault strike after the request was carried out, so that
// the account has changed and the client does not know. It makes a difference to
// [Answer], [Status], [Disconnect] and delays; all others carry the request out
// anyway.
func (f Fault) AfterCommit() Fault {
	f.afterCommit = true
	return f
}

// WithHeader sets a header of the answer, in place of the one that it would have.
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
	if f.delay != 0 {
		parts = append(parts, "delay "+f.delay.String())
	}
	switch f.kind {
	case scriptedAnswer:
		parts = append(parts, fmt.Sprintf("answer %d", f.status))
	case disconnect:
		parts = append(parts, "disconnect")
	case cutBody:
		parts = append(parts, fmt.Sprintf("cut body after %d bytes", f.cutAfter))
	case replaceBody:
		parts = append(parts, "replace body")
	case repeatCursor:
		parts = append(parts, "repeat cursor")
	case healthy:
		if len(f.header) > 0 {
			parts = append(parts, "set headers")
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	if f.afterCommit && (f.kind == scriptedAnswer || f.kind == disconnect || f.delay != 0) {
		return strings.Join(parts, ", ") + " after commit"
	}
	return strings.Join(parts, ", ")
}

func (f Fault) none() bool { return f.kind == healthy && f.delay == 0 && len(f.header) == 0 }

// commits says whether a request that meets the fault is carried out.
func (f Fault) commits() bool {
	return f.afterCommit || f.kind != scriptedAnswer && f.kind != disconnect
}

// distort makes of the API's answer what the client gets to see. It returns false
// when there was nothing for the fault to act on.
func (f Fault) distort(ans answer) (answer, bool) {
	ok := true
	switch f.kind {
	case disconnect:
		return answer{}, true
	case scriptedAnswer:
		ans = newAnswer(f.status, []byte(f.body))
	case replaceBody:
		ans = newAnswer(ans.status, []byte(f.body))
	case cutBody:
		ok = f.cutAfter < len(ans.body)
		ans.body = ans.body[:min(f.cutAfter, len(ans.body))]
	}
	maps.Copy(ans.header, f.header)
	return ans, ok
}
