package faults

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// policyJSON is the response to a get, an update or a delete of npol_1, and to the create of
// a policy named build that denies all.
const policyJSON = `{"id": "npol_1", "name": "build", "egress": ` + denyAllJSON + `, "create_time_ms": 1767225600000, "update_time_ms": 1767225600000}`

const denyAllJSON = `{"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": [], "allow_agent_gateway": false, "allow_mcp_gateway": false}`

type doFunc = func(context.Context, *runloop.Client) error

// A scenario is a call and the script of what it meets. Without a call, it is a sentence of the
// package documentation, or several consecutive ones, which the scenarios after it demonstrate.
type scenario struct {
	name     string
	do       doFunc
	steps    []wiretest.Step
	requests int   // that reach the server
	ends     error // what the error matches, nil for a success
	check    func(t *testing.T, err error, server *wiretest.Server)
}

var errAny = errors.New("an error that has no sentinel")

func TestDocumentedRetries(t *testing.T) {
	sentence := ""
	for _, s := range scenarios() {
		if s.do == nil {
			sentence = s.name
			continue
		}
		t.Run(s.name, clienttest.InBubble(func(t *testing.T) {
			server := wiretest.NewServer(t, s.steps...)

			err := s.do(t.Context(), clienttest.NewWireClient(t, server))

			require.Equal(t, s.ends == nil, err == nil, "%v: %s", err, sentence)
			if s.ends != nil && s.ends != errAny {
				require.ErrorIs(t, err, s.ends, sentence)
			}
			require.Len(t, server.Requests(), s.requests, sentence)
			if s.check != nil {
				s.check(t, err, server)
			}
		}))
	}
}

// The documentation has exactly the quoted sentences.
func TestEverySentenceAboutRetriesHasAScenario(t *testing.T) {
	t.Parallel()
	documentation, err := os.ReadFile("../../doc.go")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(documentation), "\n# Retries\n")
	require.True(t, found)
	section, _, found = strings.Cut(section, "\n# ")
	require.True(t, found)
	section = strings.Join(strings.Fields(section), " ")

	for _, s := range scenarios() {
		if s.do == nil {
			assert.Contains(t, section, s.name, "no longer documented")
			section = strings.Replace(section, s.name, "", 1)
		}
	}

	assert.Empty(t, strings.Trim(section, " -"), "documented, but without a scenario")
}

func doing(call clienttest.PolicyCall, opts ...runloop.Option) doFunc {
	return func(ctx context.Context, client *runloop.Client) error {
		_, err := call.Do(ctx, client, opts...)
		return err
	}
}

func getWith(opts ...runloop.Option) doFunc { return doing(clienttest.GetCall, opts...) }

func createBuild(ctx context.Context, client *runloop.Client) error {
	_, err := client.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: "build"})
	return err
}

// raw is a call by Client.Do.
func raw(method string, opts ...runloop.Option) doFunc {
	return func(ctx context.Context, client *runloop.Client) error {
		return client.Do(ctx, method, "/v1/devboxes", map[string]string{"name": "box"}, nil, opts...)
	}
}

// within10s is a call whose context ends after ten seconds.
func within10s(do doFunc) doFunc {
	return func(ctx context.Context, client *runloop.Client) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		return do(ctx, client)
	}
}

func twice(do doFunc) doFunc {
	return func(ctx context.Context, client *runloop.Client) error {
		_ = do(ctx, client)
		return do(ctx, client)
	}
}

func aThousand(do doFunc) doFunc {
	return func(ctx context.Context, client *runloop.Client) error {
		return atOnce(goroutines, func(int, runloop.Option) error { return do(ctx, client) })[0]
	}
}

func respond(status int, headers ...string) wiretest.Step {
	return wiretest.Reply(status, `{"message": "no"}`, headers...)
}

func steps(steps ...wiretest.Step) []wiretest.Step { return steps }

// waited checks the pauses between the requests, in seconds: shortest and longest.
func waited(seconds ...float64) func(*testing.T, error, *wiretest.Server) {
	return func(t *testing.T, _ error, server *wiretest.Server) {
		times := server.Times()
		for i := range times[1:] {
			wait := (times[i+1] - times[i]).Seconds()
			assert.True(t, seconds[2*i] <= wait && wait <= seconds[2*i+1], "wait %d: %v s", i, wait)
		}
	}
}

// sameRequestID is for the writes that were sent.
func sameRequestID(t *testing.T, _ error, server *wiretest.Server) {
	first := server.Requests()[0].Header.Get("X-Request-Id")
	assert.NotEmpty(t, first)
	for _, r := range server.Requests() {
		if r.Method == http.MethodPost {
			assert.Equal(t, first, r.Header.Get("X-Request-Id"))
		}
	}
}

func endedAtOnce(t *testing.T, err error, server *wiretest.Server) {
	assert.Zero(t, server.Now())
	assert.Equal(t, "no", clienttest.AsAPIError(t, err).Message)
}

func reportsMaybe(t *testing.T, err error, _ *wiretest.Server) {
	assert.True(t, clienttest.MaybeApplied(err))
	assert.ErrorIs(t, err, runloop.ErrMaybeApplied)
}

func isNotNotFound(t *testing.T, err error, _ *wiretest.Server) {
	assert.NotErrorIs(t, err, runloop.ErrNotFound)
	assert.Equal(t, 404, clienttest.AsAPIError(t, err).StatusCode)
}

func endsWithLookup(t *testing.T, _ error, server *wiretest.Server) {
	requests := server.Requests()
	assert.Equal(t, http.MethodGet, requests[len(requests)-1].Method)
	assert.Contains(t, requests[len(requests)-1].Target, "/v1/network-policies?")
}

// policyList is a list with the policy of createBuild, with one change. The times are those
// of a bubble, the year 2000.
func policyList(old, new string, headers ...string) wiretest.Step {
	page := `{"network_policies": [{"id": "npol_1", "name": "build", "description": null, "egress": ` + denyAllJSON +
		`, "create_time_ms": 946684800000, "update_time_ms": 946684800000}], "has_more": false}`
	return wiretest.Reply(200, strings.Replace(page, old, new, 1), headers...)
}

func scenarios() []scenario {
	create, get, update, remove := createBuild, getWith(), doing(clienttest.UpdateCall), doing(clienttest.DeleteCall)
	ok, busy, lost := wiretest.Reply(200, policyJSON), respond(503), wiretest.HangUp()
	cut := wiretest.Cut(wiretest.Response(200, `{"id":`, "Content-Length: 400"))
	cutRefusal := wiretest.Cut(wiretest.Response(409, `{"message":`, "Content-Length: 400"))
	taken := wiretest.Reply(400, `{"message": "a policy of this name already exists"}`)
	own, nobody := policyList("", ""), wiretest.Reply(200, clienttest.EmptyPageJSON)
	noSuchHost := &net.DNSError{Err: "no such host", Name: "api.test", IsNotFound: true}
	untrusted := &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
	const created, fourMinutesAgo = `"create_time_ms": 946684800000`, `"create_time_ms": 946684560000`

	var transient []wiretest.Step
	for _, status := range []int{408, 425, 429, 500, 502, 503, 504, 507, 529, 599} {
		transient = append(transient, respond(status))
	}
	transient = append(transient, ok)
	return []scenario{
		{name: "A call makes up to four attempts."},
		{"the fourth succeeds", get, steps(busy.Times(3), ok), 4, nil, nil},
		{"there is no fifth", get, steps(busy.Times(4)), 4, runloop.ErrServer, nil},
		{name: "[WithMaxRetries] sets the number of retries."},
		{"five retries", getWith(runloop.WithMaxRetries(5)), steps(busy.Times(5), ok), 6, nil, nil},
		{name: "Connection errors, attempts that take longer than 30 seconds ([WithAttemptTimeout]), and the statuses 408, 425, 429 and 500 and above, except 501 and 505, are retried."},
		{"transient statuses", getWith(runloop.WithMaxRetries(10)), transient, 11, nil, nil},
		{"refused", get, steps(wiretest.Refuse(), ok), 1, nil, nil},
		{"silent", get, steps(wiretest.Stall(""), ok), 2, nil, waited(30.25, 30.5)},
		{"silent with WithAttemptTimeout", getWith(runloop.WithAttemptTimeout(5 * time.Second)), steps(wiretest.Stall(""), ok), 2, nil, waited(5.25, 5.5)},
		{"501", get, steps(respond(501)), 1, runloop.ErrServer, nil},
		{"505", get, steps(respond(505)), 1, runloop.ErrServer, nil},
		{name: "Any other 4xx is retried if its body breaks off."},
		{"a 409 that breaks off", update, steps(cutRefusal, ok), 2, nil, sameRequestID},
		{name: "The header x-should-retry overrides the status."},
		{"yes to a 400", get, steps(respond(400, "x-should-retry: true"), ok), 2, nil, nil},
		{"no to a 503", get, steps(respond(503, "x-should-retry: false")), 1, runloop.ErrServer, nil},
		{name: "A host name that does not resolve, a certificate that cannot be verified, a redirect, 409 and every other status are final."},
		{"no such host", get, steps(wiretest.DialError(noSuchHost)), 0, noSuchHost, nil},
		{"untrusted", get, steps(wiretest.DialError(untrusted)), 0, untrusted, nil},
		{"redirect", get, steps(respond(307, "Location: http://127.0.0.1/elsewhere")), 1, errAny, nil},
		{"409", get, steps(respond(409)), 1, runloop.ErrConflict, nil},
		{"404", get, steps(respond(404)), 1, runloop.ErrNotFound, nil},
		{name: "Between attempts the client waits 0.5 seconds, then 1, then 2, up to 8, each shortened at random by up to half."},
		{"waits double", getWith(runloop.WithMaxRetries(6)), steps(busy.Times(6), ok), 7, nil, waited(0.25, 0.5, 0.5, 1, 1, 2, 2, 4, 4, 8, 4, 8)},
		{name: "It waits longer if Retry-After or Retry-After-Ms asks for it."},
		{"Retry-After", get, steps(respond(429, "Retry-After: 7"), ok), 2, nil, waited(7, 7)},
		{"Retry-After-Ms", get, steps(respond(503, "Retry-After-Ms: 1500"), ok), 2, nil, waited(1.5, 1.5)},
		{"never shorter", get, steps(respond(429, "Retry-After: 0"), ok), 2, nil, waited(0.25, 0.5)},
		{name: "A wait of more than 60 seconds, or one that the context's deadline does not allow, ends the call immediately, with the API's response."},
		{"60 s", get, steps(respond(429, "Retry-After: 60"), ok), 2, nil, waited(60, 60)},
		{"61 s", get, steps(respond(429, "Retry-After: 61")), 1, runloop.ErrRateLimited, endedAtOnce},
		{"beyond the deadline", within10s(get), steps(respond(429, "Retry-After: 20")), 1, runloop.ErrRateLimited, endedAtOnce},
		{name: "The body is read within the attempt: a response that breaks off is a connection error."},
		{"cut body", get, steps(cut, ok), 2, nil, nil},
		{"trickling body", get, steps(wiretest.Trickle(wiretest.Response(200, "", "Content-Length: 400")), ok), 2, nil, waited(30.25, 30.5)},
		{name: "All calls of a client share a budget of retries, so that they do not multiply the load of an outage: see [WithoutRetryBudget]."},
		{"budget", aThousand(get), steps(busy.Forever()), 1000 + 500, runloop.ErrServer, nil},
		{name: "Writes are retried too, with the same x-request-id."},
		{"update under one ID", update, steps(busy, lost, ok), 3, nil, sameRequestID},
		{"create under one ID", create, steps(busy, lost, ok), 3, nil, sameRequestID},
		{name: "Names are unique and IDs are assigned by the API, so a repeated write creates no duplicate, but its response can be misleading."},
		{name: "If an attempt may have been applied and no later one succeeds, the client looks up whether the write took effect:"},
		{"not after 429", create, steps(respond(429), taken), 2, runloop.ErrNameTaken, nil},
		{"not after a refused connection", create, steps(wiretest.Refuse(), taken), 1, runloop.ErrNameTaken, nil},
		{"not of a first attempt", create, steps(taken), 1, runloop.ErrNameTaken, nil},
		{"not of a redirect of the whole request", update, steps(respond(308)), 1, errAny, nil},
		{"after a redirect to a result", update, steps(respond(303), ok), 2, nil, nil},
		{name: "Create looks up the name."},
		{"refused", create, steps(busy, taken, own), 3, nil, endsWithLookup},
		{"used up", create, steps(lost.Times(4), own), 5, nil, endsWithLookup},
		{name: "It returns the policy found if it equals what was sent, including the description, and was created after the call began, by the server's clock."},
		{"created during the call", create, steps(lost, taken, own), 3, nil, nil},
		{"four minutes", create, steps(lost, taken, policyList(created, fourMinutesAgo)), 3, runloop.ErrNameTaken, reportsMaybe},
		{"four minutes by a server's clock that is behind", create, steps(lost, taken, policyList(created, fourMinutesAgo, "Date: Fri, 31 Dec 1999 23:56:00 GMT")), 3, nil, nil},
		{"now by a clock that is behind the server's", create, steps(lost, taken, policyList("", "", "Date: Sat, 01 Jan 2000 00:04:00 GMT")), 3, runloop.ErrNameTaken, reportsMaybe},
		{"another description", create, steps(lost, taken, policyList(`null`, `"of others"`)), 3, runloop.ErrNameTaken, reportsMaybe},
		{"other rules", create, steps(lost, taken, policyList(`"allow_mcp_gateway": false`, `"allow_mcp_gateway": true`)), 3, runloop.ErrNameTaken, reportsMaybe},
		{name: "So do not use Create as a lock: another program may have created the policy during the call."},
		{name: "After a success response that cannot be decoded, Create looks up the name before it retries."},
		{"a page", create, steps(wiretest.Reply(200, "<html>"), own), 2, nil, endsWithLookup},
		{name: "If there is no such policy, it retries once."},
		{"retried after the lookup", create, steps(cut, nobody, ok), 3, nil, sameRequestID},
		{"no third time", create, steps(cut, nobody, cut, nobody), 4, io.ErrUnexpectedEOF, reportsMaybe},
		{name: "Update is retried."},
		{"update", update, steps(lost, cut, busy, ok), 4, nil, nil},
		{name: "If the retries fail, Update reads the policy, and succeeds if the policy has the values that were set."},
		{"it has them", update, steps(lost.Times(4), ok), 5, nil, nil},
		{"it cannot be read", update, steps(lost.Times(4), respond(404)), 5, io.EOF, reportsMaybe},
		{"it has not", update, steps(lost.Times(4), wiretest.Reply(200, strings.Replace(policyJSON, "build", "other", 1))), 5, io.EOF, reportsMaybe},
		{name: "Delete looks for the policy in the list."},
		{"after a refusal", remove, steps(busy, respond(400), nobody), 3, nil, endsWithLookup},
		{"gone before", remove, steps(respond(404)), 1, runloop.ErrNotFound, nil},
		{name: "If the list does not contain it, Delete succeeds."},
		{"gone", remove, steps(lost.Times(4), nobody), 5, nil, nil},
		{"still there", remove, steps(lost.Times(4), own), 5, io.EOF, reportsMaybe},
		{name: "A 404 alone proves nothing, because load balancers send it too."},
		{"still there after 404", remove, steps(busy, respond(404), own), 3, runloop.ErrMaybeApplied, isNotNotFound},
		{"no list after 404", remove, steps(busy, respond(404), respond(404)), 3, runloop.ErrMaybeApplied, isNotNotFound},
		{name: "In an outage, the lookup is not retried."},
		{"create in an outage", create, steps(busy.Times(5)), 5, runloop.ErrServer, reportsMaybe},
		{"update in an outage", update, steps(lost.Times(5)), 5, io.EOF, reportsMaybe},
		{"delete in an outage", remove, steps(busy.Times(5)), 5, runloop.ErrServer, reportsMaybe},
		{name: "If the outcome remains unknown, the error matches [ErrMaybeApplied]."}, // above
		{name: "Repeating the call creates no duplicate, although a repeated Create may report [ErrNameTaken] for the policy that the first call created."},
		{"update twice", twice(update), steps(busy.Times(4), respond(403), ok), 6, nil, nil},
		{"create twice", twice(create), steps(lost.Times(4), respond(403), taken), 6, runloop.ErrNameTaken, nil},
		{name: "No client can prevent a proxy from delivering a request late or twice. A deleted policy can then come back, and an old update can overwrite a new one."},
		{name: "Unless [WithIdempotent] is set, [Client.Do] retries POST and PATCH only if the API certainly did not receive the request, or after 429."},
		{"POST refused", raw(http.MethodPost), steps(wiretest.Refuse(), ok), 1, nil, nil},
		{"POST 429", raw(http.MethodPost), steps(respond(429), ok), 2, nil, nil},
		{"POST lost", raw(http.MethodPost), steps(lost), 1, io.EOF, reportsMaybe},
		{"PATCH 503", raw(http.MethodPatch), steps(busy), 1, runloop.ErrServer, reportsMaybe},
		{"POST 503 that is idempotent", raw(http.MethodPost, runloop.WithIdempotent()), steps(busy, lost, ok), 3, nil, sameRequestID},
		{"PUT 503", raw(http.MethodPut), steps(busy, ok), 2, nil, nil},
		{name: "Later versions may retry more kinds of failure."}, // a reservation
	}
}
