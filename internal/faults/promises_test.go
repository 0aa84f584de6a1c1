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

// found is what a look-up finds: the policy that a create was to make, as far as
// nothing else is said. The times are those of a bubble, the year 2000.
func found(old, new string) wiretest.Step {
	page := `{"network_policies": [{"id": "npol_1", "name": "build", "description": null, "egress": ` + denyAllJSON +
		`, "create_time_ms": 946684800000, "update_time_ms": 946684800000}], "has_more": false}`
	return wiretest.Reply(200, strings.Replace(page, old, new, 1))
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
	tenMinutes := found(created, `"create_time_ms": 946684200000`)
	ofOthers := found(`null`, `"of others"`)
	wider := found(`"allow_mcp_gateway": false`, `"allow_mcp_gateway": true`)
	return []promise{
		{"A call makes up to four attempts.", []scenario{
			{name: "the fourth succeeds", do: get, steps: steps(busy.Times(3), ok), requests: 4},
			{name: "there is no fifth", do: get, steps: steps(busy.Times(4)), requests: 4, ends: runloop.ErrServer},
		}},
		{"[WithMaxRetries] sets how many more than one.", []scenario{
			{name: "no retry", do: doing(clienttest.GetCall, runloop.WithMaxRetries(0)), steps: steps(busy), requests: 1, ends: runloop.ErrServer},
			{name: "five retries", do: doing(clienttest.GetCall, runloop.WithMaxRetries(5)), steps: steps(busy.Times(5), ok), requests: 6},
		}},
		{"Faults of the connection, attempts that take longer than 30 seconds ([WithAttemptTimeout]), and the statuses 408, 425, 429 and 500 and above, but for 501 and 505, lead to another attempt.",
			append(retried(408, 425, 429, 500, 502, 503, 504, 507, 529, 599),
				scenario{name: "refused", do: get, steps: steps(wiretest.Refuse(), ok), requests: 1},
				scenario{name: "closed", do: get, steps: steps(lost, ok), requests: 2},
				scenario{name: "silent", do: get, steps: steps(wiretest.Stall(""), ok), requests: 2, waits: []between{seconds(30.25, 30.5)}},
				scenario{name: "silent with WithTimeout", do: doing(clienttest.GetCall, runloop.WithAttemptTimeout(5*time.Second)),
					steps: steps(wiretest.Stall(""), ok), requests: 2, waits: []between{seconds(5.25, 5.5)}},
				scenario{name: "501", do: get, steps: steps(answer(501)), requests: 1, ends: runloop.ErrServer},
				scenario{name: "505", do: get, steps: steps(answer(505)), requests: 1, ends: runloop.ErrServer},
			)},
		{"The header x-should-retry overrules the status.", []scenario{
			{name: "yes to a 400", do: get, steps: steps(answer(400, "x-should-retry: true"), ok), requests: 2},
			{name: "no to a 503", do: get, steps: steps(answer(503, "x-should-retry: false")), requests: 1, ends: runloop.ErrServer},
		}},
		{"A name that does not resolve, a certificate that does not hold, a redirect, 409 and every other status are final.",
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
		{"It waits longer when Retry-After or Retry-After-Ms says so.", []scenario{
			{name: "Retry-After", do: get, steps: steps(answer(429, "Retry-After: 7"), ok), requests: 2, waits: []between{seconds(7, 7)}},
			{name: "Retry-After-Ms", do: get, steps: steps(answer(503, "Retry-After-Ms: 1500"), ok), requests: 2, waits: []between{seconds(1.5, 1.5)}},
			{name: "never shorter", do: get, steps: steps(answer(429, "Retry-After: 0"), ok), requests: 2, waits: []between{seconds(0.25, 0.5)}},
		}},
		{"A wait of more than 60 seconds, or one that the context's deadline does not allow, ends the call at once, with the API's answer.", []scenario{
			{name: "60 s", do: get, steps: steps(answer(429, "Retry-After: 60"), ok), requests: 2, waits: []between{seconds(60, 60)}},
			{name: "61 s", do: get, steps: steps(answer(429, "Retry-After: 61")), requests: 1, ends: runloop.ErrRateLimited, check: endedAtOnce},
			{name: "beyond the deadline", do: within10s(get), steps: steps(answer(429, "Retry-After: 20")), requests: 1, ends: runloop.ErrRateLimited, check: endedAtOnce},
		}},
		{"The body is read within the attempt: an answer that breaks off is a fault of the connection.", []scenario{
			{name: "cut body", do: get, steps: steps(cut, ok), requests: 2},
			{name: "trickling body", do: get, steps: steps(wiretest.Trickle(wiretest.Response(200, "", "Content-Length: 400"), ' ', time.Second), ok),
				requests: 2, waits: []between{seconds(30.25, 30.5)}},
		}},
		{"All calls of a client share a budget of retries, so that an outage is not multiplied: see [WithoutRetryBudget].", []scenario{
			{name: "budget", do: times(300, get), steps: steps(busy.Forever()), requests: 300 + 500, ends: runloop.ErrServer},
		}},
		{"A write is sent again as well, with the same x-request-id.", []scenario{
			{name: "update under one ID", do: update, steps: steps(busy, lost, ok), requests: 3, check: sameRequestID},
			{name: "create under one ID", do: create, steps: steps(busy, lost, ok), requests: 3, check: sameRequestID},
		}},
		{"Names are unique and IDs are made by the API, so it cannot be doubled, only misreported.", []scenario{
			{name: "the second create is refused, and looked into", do: create, steps: steps(lost, taken, own), requests: 3, check: endsWithLookUp},
		}},
		{"That is looked into when an earlier attempt may have been carried out:", []scenario{
			{name: "not after 429", do: create, steps: steps(answer(429), taken), requests: 2, ends: runloop.ErrNameTaken},
			{name: "not after a refused connection", do: create, steps: steps(wiretest.Refuse(), taken), requests: 1, ends: runloop.ErrNameTaken},
			{name: "not of a first attempt", do: create, steps: steps(taken), requests: 1, ends: runloop.ErrNameTaken},
		}},
		{"Create looks the name up when the API then refuses it, when the attempts are used up, and when an answer says success and cannot be read.", []scenario{
			{name: "refused", do: create, steps: steps(busy, taken, own), requests: 3, check: endsWithLookUp},
			{name: "used up", do: create, steps: steps(lost.Times(4), own), requests: 5, check: endsWithLookUp},
			{name: "cannot be read", do: create, steps: steps(wiretest.Reply(200, "<html>"), own), requests: 2, check: endsWithLookUp},
		}},
		{"It returns the policy that it finds if that equals what was sent and is no older than five minutes before the call.", []scenario{
			{name: "four minutes", do: create, steps: steps(lost, taken, fourMinutes), requests: 3},
			{name: "ten minutes", do: create, steps: steps(lost, taken, tenMinutes), requests: 3, ends: runloop.ErrNameTaken},
			{name: "another description", do: create, steps: steps(lost, taken, ofOthers), requests: 3, ends: runloop.ErrNameTaken, check: saysMaybe},
			{name: "other rules", do: create, steps: steps(lost, taken, wider), requests: 3, ends: runloop.ErrNameTaken, check: saysMaybe},
		}},
		{"If there is none, the remaining attempts go on.", []scenario{
			{name: "sent again after the look", do: create, steps: steps(cut, nobody, ok), requests: 3, check: sameRequestID},
			{name: "four attempts all the same", do: create, steps: steps(cut, nobody, cut, nobody, cut, nobody, cut, nobody), requests: 8, ends: io.ErrUnexpectedEOF, check: saysMaybe},
		}},
		{"Update is repeated.", []scenario{
			{name: "update", do: update, steps: steps(lost, cut, busy, ok), requests: 4},
		}},
		{"Delete counts a policy that is gone as deleted.", []scenario{
			{name: "gone after a lost answer", do: remove, steps: steps(lost, answer(404)), requests: 2},
			{name: "gone before", do: remove, steps: steps(answer(404)), requests: 1, ends: runloop.ErrNotFound},
			{name: "400 for gone, which a look tells", do: remove, steps: steps(lost, answer(400), answer(404)), requests: 3},
		}},
		{"What stays unknown is said: MaybeApplied of the error is true.", []scenario{
			{name: "update, unknown", do: update, steps: steps(busy.Times(4)), requests: 4, ends: runloop.ErrServer, check: saysMaybe},
			{name: "delete, unknown", do: remove, steps: steps(busy.Times(4)), requests: 4, ends: runloop.ErrServer, check: saysMaybe},
			{name: "create, when the look fails too", do: create, steps: steps(busy.Times(4), answer(403)), requests: 5, ends: runloop.ErrServer, check: saysMaybe},
		}},
		{"Repeating the call doubles nothing, though a create may then find its own policy in the way.", []scenario{
			{name: "update twice", do: times(2, update), steps: steps(busy.Times(4), ok), requests: 5},
			{name: "create twice", do: times(2, create), steps: steps(lost.Times(4), answer(403), taken), requests: 6, ends: runloop.ErrNameTaken},
		}},
		{"[Client.Do] does not know what its endpoint does, and sends POST and PATCH again only when the request surely was not received, or on 429.", []scenario{
			{name: "POST refused", do: raw(http.MethodPost), steps: steps(wiretest.Refuse(), ok), requests: 1},
			{name: "POST 429", do: raw(http.MethodPost), steps: steps(answer(429), ok), requests: 2},
			{name: "POST 503", do: raw(http.MethodPost), steps: steps(busy), requests: 1, ends: runloop.ErrServer, check: saysMaybe},
			{name: "POST lost", do: raw(http.MethodPost), steps: steps(lost), requests: 1, ends: io.EOF, check: saysMaybe},
			{name: "PATCH 503", do: raw(http.MethodPatch), steps: steps(busy), requests: 1, ends: runloop.ErrServer, check: saysMaybe},
			{name: "PUT 503", do: raw(http.MethodPut), steps: steps(busy, ok), requests: 2},
		}},
		// A reservation, and no promise.
		{"The set of faults that lead to another attempt may grow with new versions.", nil},
	}
}
