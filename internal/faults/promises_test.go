package faults

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// found is what a lookup finds: the policy that a create was to make, unless the
// parameters change it. The times are those of a bubble, the year 2000.
func found(old, new string, headers ...string) wiretest.Step {
	page := `{"network_policies": [{"id": "npol_1", "name": "build", "description": null, "egress": ` + denyAllJSON +
		`, "create_time_ms": 946684800000, "update_time_ms": 946684800000}], "has_more": false}`
	return wiretest.Reply(200, strings.Replace(page, old, new, 1), headers...)
}

func seconds(shortest, longest float64) between {
	return between{time.Duration(shortest * 1e9), time.Duration(longest * 1e9)}
}

// retried are scenarios in which an error status is followed by a success.
func retried(statuses ...int) (scenarios []scenario) {
	for _, status := range statuses {
		scenarios = append(scenarios, scenario{name: fmt.Sprint(status), do: doing(clienttest.GetCall),
			steps: steps(answer(status), wiretest.Reply(200, policyJSON)), requests: 2})
	}
	return scenarios
}

func promises() []promise {
	get, create, update, remove := doing(clienttest.GetCall), doing(createCall), doing(clienttest.UpdateCall), doing(clienttest.DeleteCall)

	ok := wiretest.Reply(200, policyJSON)
	busy := answer(503)
	lost := wiretest.HangUp()
	cut := wiretest.Cut(wiretest.Response(200, `{"id":`, "Content-Length: 400"))
	taken := wiretest.Reply(400, `{"message": "a policy of this name already exists"}`)
	nobody := wiretest.Reply(200, `{"network_policies": [], "has_more": false}`)
	noSuchHost := &net.DNSError{Err: "no such host", Name: "api.test", IsNotFound: true}
	untrusted := &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
	own := found("", "")
	const created = `"create_time_ms": 946684800000`
	fourMinutes := found(created, `"create_time_ms": 946684560000`)
	const fourMinutesAgo, inFourMinutes = "Fri, 31 Dec 1999 23:56:00 GMT", "Sat, 01 Jan 2000 00:04:00 GMT"
	at := func(date string) wiretest.Step { // what is found has the time of a server with this clock
		if date == fourMinutesAgo {
			return found(created, `"create_time_ms": 946684560000`, "Date: "+date)
		}
		return found("", "", "Date: "+date)
	}
	renamed := wiretest.Reply(200, strings.Replace(policyJSON, "build", "other", 1))
	cutRefusal := func(status int) wiretest.Step {
		return wiretest.Cut(wiretest.Response(status, `{"message":`, "Content-Length: 400"))
	}
	ofOthers := found(`null`, `"of others"`)
	wider := found(`"allow_mcp_gateway": false`, `"allow_mcp_gateway": true`)
	return []promise{
		{"A call makes up to four attempts.", []scenario{
			{name: "the fourth succeeds", do: get, steps: steps(busy.Times(3), ok), requests: 4},
			{name: "there is no fifth", do: get, steps: steps(busy.Times(4)), requests: 4, ends: runloop.ErrServer},
		}},
		{"[WithMaxRetries] sets how many retries follow the first.", []scenario{
			{name: "no retry", do: doing(clienttest.GetCall, runloop.WithMaxRetries(0)), steps: steps(busy), requests: 1, ends: runloop.ErrServer},
			{name: "five retries", do: doing(clienttest.GetCall, runloop.WithMaxRetries(5)), steps: steps(busy.Times(5), ok), requests: 6},
		}},
		{"Connection errors, attempts that take longer than 30 seconds ([WithAttemptTimeout]), and the statuses 408, 425, 429 and 500 and above, except 501 and 505, are retried.",
			append(retried(408, 425, 429, 500, 502, 503, 504, 507, 529, 599),
				scenario{name: "refused", do: get, steps: steps(wiretest.Refuse(), ok), requests: 1},
				scenario{name: "closed", do: get, steps: steps(lost, ok), requests: 2},
				scenario{name: "silent", do: get, steps: steps(wiretest.Stall(""), ok), requests: 2, waits: []between{seconds(30.25, 30.5)}},
				scenario{name: "silent with WithTimeout", do: doing(clienttest.GetCall, runloop.WithAttemptTimeout(5*time.Second)),
					steps: steps(wiretest.Stall(""), ok), requests: 2, waits: []between{seconds(5.25, 5.5)}},
				scenario{name: "501", do: get, steps: steps(answer(501)), requests: 1, ends: runloop.ErrServer},
				scenario{name: "505", do: get, steps: steps(answer(505)), requests: 1, ends: runloop.ErrServer},
			)},
		{"So is every other 4xx whose body breaks off.", []scenario{
			{name: "400 that breaks off", do: get, steps: steps(cutRefusal(400), ok), requests: 2},
			{name: "404 that breaks off", do: get, steps: steps(cutRefusal(404), ok), requests: 2},
			{name: "409 of a write that breaks off", do: update, steps: steps(cutRefusal(409), ok), requests: 2, check: sameRequestID},
		}},
		{"The header x-should-retry overrides the status.", []scenario{
			{name: "yes to a 400", do: get, steps: steps(answer(400, "x-should-retry: true"), ok), requests: 2},
			{name: "no to a 503", do: get, steps: steps(answer(503, "x-should-retry: false")), requests: 1, ends: runloop.ErrServer},
		}},
		{"A host name that does not resolve, a certificate that cannot be verified, a redirect, 409 and every other status are final.",
			[]scenario{
				{name: "no such host", do: get, steps: steps(wiretest.DialError(noSuchHost)), ends: noSuchHost},
				{name: "untrusted", do: get, steps: steps(wiretest.DialError(untrusted)), ends: untrusted},
				{name: "redirect", do: get, steps: steps(answer(307, "Location: http://127.0.0.1/elsewhere")), requests: 1, ends: errAny, check: isRedirect},
				{name: "409", do: get, steps: steps(answer(409)), requests: 1, ends: runloop.ErrConflict},
				{name: "404", do: get, steps: steps(answer(404)), requests: 1, ends: runloop.ErrNotFound},
			}},
		{"Between attempts the client waits 0.5 seconds, then 1, then 2, up to 8, each less a random part of up to one half.", []scenario{
			{name: "waits double", do: doing(clienttest.GetCall, runloop.WithMaxRetries(6)), steps: steps(busy.Times(6), ok), requests: 7, waits: []between{
				seconds(0.25, 0.5), seconds(0.5, 1), seconds(1, 2), seconds(2, 4), seconds(4, 8), seconds(4, 8)}},
		}},
		{"It waits longer if Retry-After or Retry-After-Ms asks for it.", []scenario{
			{name: "Retry-After", do: get, steps: steps(answer(429, "Retry-After: 7"), ok), requests: 2, waits: []between{seconds(7, 7)}},
			{name: "Retry-After-Ms", do: get, steps: steps(answer(503, "Retry-After-Ms: 1500"), ok), requests: 2, waits: []between{seconds(1.5, 1.5)}},
			{name: "never shorter", do: get, steps: steps(answer(429, "Retry-After: 0"), ok), requests: 2, waits: []between{seconds(0.25, 0.5)}},
		}},
		{"A wait of more than 60 seconds, or one that the context's deadline does not allow, ends the call immediately, with the API's response.", []scenario{
			{name: "60 s", do: get, steps: steps(answer(429, "Retry-After: 60"), ok), requests: 2, waits: []between{seconds(60, 60)}},
			{name: "61 s", do: get, steps: steps(answer(429, "Retry-After: 61")), requests: 1, ends: runloop.ErrRateLimited, check: endedAtOnce},
			{name: "beyond the deadline", do: within10s(get), steps: steps(answer(429, "Retry-After: 20")), requests: 1, ends: runloop.ErrRateLimited, check: endedAtOnce},
		}},
		{"The body is read within the attempt: a response that breaks off is a connection error.", []scenario{
			{name: "cut body", do: get, steps: steps(cut, ok), requests: 2},
			{name: "trickling body", do: get, steps: steps(wiretest.Trickle(wiretest.Response(200, "", "Content-Length: 400"), ' ', time.Second), ok),
				requests: 2, waits: []between{seconds(30.25, 30.5)}},
		}},
		{"All calls of a client share a budget of retries, so that an outage is not multiplied: see [WithoutRetryBudget].", []scenario{
			{name: "budget", do: thousand(get), steps: steps(busy.Forever()), requests: 1000 + 500, ends: runloop.ErrServer},
		}},
		{"Writes are retried too, with the same x-request-id.", []scenario{
			{name: "update under one ID", do: update, steps: steps(busy, lost, ok), requests: 3, check: sameRequestID},
			{name: "create under one ID", do: create, steps: steps(busy, lost, ok), requests: 3, check: sameRequestID},
		}},
		{"Names are unique and IDs are assigned by the API, so a repeated write creates no duplicate, but its response can be misleading.", []scenario{
			{name: "the second create is refused, and looked up", do: create, steps: steps(lost, taken, own), requests: 3, check: endsWithLookup},
		}},
		{"If an attempt may have been applied and no later one succeeds, the client looks up what became of the write:", []scenario{
			{name: "not after 429", do: create, steps: steps(answer(429), taken), requests: 2, ends: runloop.ErrNameTaken},
			{name: "not after a refused connection", do: create, steps: steps(wiretest.Refuse(), taken), requests: 1, ends: runloop.ErrNameTaken},
			{name: "not of a first attempt", do: create, steps: steps(taken), requests: 1, ends: runloop.ErrNameTaken},
			{name: "not of a redirect of the whole request", do: update, steps: steps(answer(308)), requests: 1, ends: errAny},
			{name: "after a redirect to a result", do: update, steps: steps(answer(303), ok), requests: 2},
		}},
		{"Create looks the name up.", []scenario{
			{name: "refused", do: create, steps: steps(busy, taken, own), requests: 3, check: endsWithLookup},
			{name: "used up", do: create, steps: steps(lost.Times(4), own), requests: 5, check: endsWithLookup},
		}},
		{"It returns the policy that it finds if that equals what was sent, description included, and was created after the call began, by the server's clock.", []scenario{
			{name: "created during the call", do: create, steps: steps(lost, taken, own), requests: 3},
			{name: "four minutes", do: create, steps: steps(lost, taken, fourMinutes), requests: 3, ends: runloop.ErrNameTaken, check: reportsMaybe},
			{name: "four minutes by the server's clock", do: create, steps: steps(lost, taken, at(fourMinutesAgo)), requests: 3},
			{name: "now by a clock that is behind the server's", do: create, steps: steps(lost, taken, at(inFourMinutes)), requests: 3, ends: runloop.ErrNameTaken, check: reportsMaybe},
			{name: "another description", do: create, steps: steps(lost, taken, ofOthers), requests: 3, ends: runloop.ErrNameTaken, check: reportsMaybe},
			{name: "other rules", do: create, steps: steps(lost, taken, wider), requests: 3, ends: runloop.ErrNameTaken, check: reportsMaybe},
		}},
		{"So Create is not a lock under faults: another program may have created the policy during the call.", nil},
		{"After a success response that cannot be decoded, Create looks before it retries.", []scenario{
			{name: "a page", do: create, steps: steps(wiretest.Reply(200, "<html>"), own), requests: 2, check: endsWithLookup},
			{name: "nothing", do: create, steps: steps(wiretest.Reply(204, ""), own), requests: 2, check: endsWithLookup},
		}},
		{"If there is no policy, it retries once.", []scenario{
			{name: "retried after the lookup", do: create, steps: steps(cut, nobody, ok), requests: 3, check: sameRequestID},
			{name: "no third time", do: create, steps: steps(cut, nobody, cut, nobody), requests: 4, ends: io.ErrUnexpectedEOF, check: reportsMaybe},
		}},
		{"Update is repeated.", []scenario{
			{name: "update", do: update, steps: steps(lost, cut, busy, ok), requests: 4},
		}},
		{"If that does not succeed, Update reads the policy, and succeeds if it has the values that were set.", []scenario{
			{name: "it has them", do: update, steps: steps(lost.Times(4), ok), requests: 5},
			{name: "it has them, after a refusal", do: update, steps: steps(busy, answer(403), ok), requests: 3},
			{name: "it has not", do: update, steps: steps(lost.Times(4), renamed), requests: 5, ends: io.EOF, check: reportsMaybe},
			{name: "it cannot be read", do: update, steps: steps(lost.Times(4), answer(404)), requests: 5, ends: io.EOF, check: reportsMaybe},
		}},
		{"Delete looks in the list.", []scenario{
			{name: "after a refusal", do: remove, steps: steps(busy, answer(400), nobody), requests: 3, check: endsWithLookup},
			{name: "after a success response that cannot be decoded", do: remove, steps: steps(wiretest.Reply(200, "{}"), nobody), requests: 2, check: endsWithLookup},
			{name: "gone before", do: remove, steps: steps(answer(404)), requests: 1, ends: runloop.ErrNotFound},
		}},
		{"If the list does not contain the policy, Delete succeeds.", []scenario{
			{name: "gone after a lost response", do: remove, steps: steps(lost, answer(404), nobody), requests: 3},
			{name: "gone after four lost responses", do: remove, steps: steps(lost.Times(4), nobody), requests: 5},
			{name: "still there", do: remove, steps: steps(lost.Times(4), own), requests: 5, ends: io.EOF, check: reportsMaybe},
		}},
		{"A 404 alone proves nothing, because load balancers send it too.", []scenario{
			{name: "still there after 404", do: remove, steps: steps(busy, answer(404), own), requests: 3, ends: runloop.ErrMaybeApplied, check: isNotNotFound},
			{name: "no list after 404", do: remove, steps: steps(busy, answer(404), answer(404)), requests: 3, ends: runloop.ErrMaybeApplied, check: isNotNotFound},
		}},
		{"In an outage, the lookup is one request.", []scenario{
			{name: "create in an outage", do: create, steps: steps(busy.Times(5)), requests: 5, ends: runloop.ErrServer, check: reportsMaybe},
			{name: "update in an outage", do: update, steps: steps(lost.Times(5)), requests: 5, ends: io.EOF, check: reportsMaybe},
			{name: "delete in an outage", do: remove, steps: steps(busy.Times(5)), requests: 5, ends: runloop.ErrServer, check: reportsMaybe},
		}},
		{"What stays unknown is reported: the error matches [ErrMaybeApplied].", []scenario{
			{name: "update, unknown", do: update, steps: steps(busy.Times(4), answer(403)), requests: 5, ends: runloop.ErrServer, check: reportsMaybe},
			{name: "delete, unknown", do: remove, steps: steps(busy.Times(4), answer(403)), requests: 5, ends: runloop.ErrServer, check: reportsMaybe},
			{name: "create, when the lookup fails too", do: create, steps: steps(busy.Times(4), answer(403)), requests: 5, ends: runloop.ErrServer, check: reportsMaybe},
		}},
		{"Repeating the call duplicates nothing, although a repeated Create may find its own policy in the way.", []scenario{
			{name: "update twice", do: times(2, update), steps: steps(busy.Times(4), answer(403), ok), requests: 6},
			{name: "create twice", do: times(2, create), steps: steps(lost.Times(4), answer(403), taken), requests: 6, ends: runloop.ErrNameTaken},
		}},
		{"No client can prevent that a proxy delivers a request after its attempt was abandoned, or repeats it by itself. A deleted policy can then come back, and an old update can overwrite a new one.", nil},
		{"[Client.Do] does not know what its endpoint does, and retries POST and PATCH only when the request certainly was not received, or after 429, unless [WithIdempotent] is set.", []scenario{
			{name: "POST refused", do: raw(http.MethodPost), steps: steps(wiretest.Refuse(), ok), requests: 1},
			{name: "POST 429", do: raw(http.MethodPost), steps: steps(answer(429), ok), requests: 2},
			{name: "POST 503", do: raw(http.MethodPost), steps: steps(busy), requests: 1, ends: runloop.ErrServer, check: reportsMaybe},
			{name: "POST lost", do: raw(http.MethodPost), steps: steps(lost), requests: 1, ends: io.EOF, check: reportsMaybe},
			{name: "PATCH 503", do: raw(http.MethodPatch), steps: steps(busy), requests: 1, ends: runloop.ErrServer, check: reportsMaybe},
			{name: "POST 503 that is idempotent", do: raw(http.MethodPost, runloop.WithIdempotent()), steps: steps(busy, lost, ok), requests: 3, check: sameRequestID},
			{name: "PUT 503", do: raw(http.MethodPut), steps: steps(busy, ok), requests: 2},
		}},
		// A reservation, and no promise.
		{"Later versions may retry more kinds of failure.", nil},
	}
}
