package runloop_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"

	runloop "github.com/runloop-community/runloop-go"
)

// respond is an answer with headers.
func respond(status int, body string, header http.Header) httpmock.Responder {
	return func(*http.Request) (*http.Response, error) {
		r := httpmock.NewStringResponse(status, body)
		r.Header = header
		return r, nil
	}
}

// fail is no answer.
func fail(text string) httpmock.Responder { return httpmock.NewErrorResponder(errors.New(text)) }

func TestErrorTexts(t *testing.T) {
	t.Parallel()
	html := http.Header{"Content-Type": {"text/html"}}
	for name, test := range map[string]struct {
		call   policyCall
		answer httpmock.Responder
		want   string
	}{
		"unknown policy": {getCall, answer(404, `{"message": "Network policy not found"}`),
			"runloop: get network policy: 404 Not Found: Network policy not found (1 attempt)"},
		"wrong key": {listCall, answer(401, `{"message": "Invalid API key"}`),
			"runloop: list network policies: 401 Unauthorized: Invalid API key (1 attempt)"},
		"no body": {getCall, answer(403, ``),
			"runloop: get network policy: 403 Forbidden (1 attempt)"},
		"code and request ID": {getCall, answer(400, `{"message": "bad limit", "error": "bad_request", "request_id": "req_1"}`),
			"runloop: get network policy: 400 Bad Request: bad limit (1 attempt, code bad_request, request req_1)"},
		"name taken": {createCall, respond(409, `{"message": "Network policy already exists"}`, http.Header{"X-Request-Id": {"req_1"}}),
			"runloop: create network policy: 409 Conflict: Network policy already exists (1 attempt, request req_1)"},
		"policy in use": {deleteCall, respond(400, `{"message": "Policy is in use by active devboxes"}`, http.Header{"X-Request-Id": {"req_1"}}),
			"runloop: delete network policy: 400 Bad Request: Policy is in use by active devboxes (1 attempt, request req_1)"},
		"a write that may have been applied": {updateCall, respond(503, ``, http.Header{"X-Request-Id": {"req_1"}}),
			"runloop: update network policy: 503 Service Unavailable (1 attempt, request req_1, it may have been applied)"},
		"a proxy's page": {getCall, respond(502, `<html><h1>Bad Gateway</h1></html>`, html),
			"runloop: get network policy: 502 Bad Gateway (1 attempt)"},
		"a wait that is too long": {getCall, respond(429, ``, http.Header{"Retry-After": {"3600"}}),
			"runloop: get network policy: 429 Too Many Requests (1 attempt)"},
		"a status without a name": {getCall, answer(599, ``),
			"runloop: get network policy: 599 (1 attempt)"},
		"a status without a name, and a message": {getCall, answer(599, `{"message": "upstream timed out"}`),
			"runloop: get network policy: 599: upstream timed out (1 attempt)"},
		"redirect": {getCall, respond(302, ``, http.Header{"Location": {"https://login.example.test/sso?return=x"}}),
			"runloop: get network policy: 302 Found: redirects are not followed, this one leads to https://login.example.test/sso (1 attempt)"},
		"no connection": {getCall, fail("dial tcp: connection refused"),
			"runloop: get network policy: no usable answer (1 attempt): dial tcp: connection refused"},
		"a write without an answer": {updateCall, fail("connection reset by peer"),
			"runloop: update network policy: no usable answer (1 attempt, it may have been applied): connection reset by peer"},
		"a captive portal": {getCall, respond(200, `<html>`, html),
			`runloop: get network policy: no usable answer (1 attempt): invalid response: status 200, content type "text/html": jsontext: invalid character '<' at start of value`},
		"no answer in the answer": {getCall, answer(204, ``),
			`runloop: get network policy: no usable answer (1 attempt): invalid response: status 204, content type "application/json": the body is empty`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, failWith(t, test.call, test.answer).Error())
		})
	}
}

func TestEveryVerbPrintsTheTextAlone(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		failWith(t, getCall, answer(404, `{"message": "not found"}`)),
		failWith(t, getCall, fail("connection refused")),
	} {
		text := err.Error()
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%t"} {
			assert.Equal(t, text, fmt.Sprintf(verb, err), verb)
		}
		assert.Equal(t, strconv.Quote(text), fmt.Sprintf("%q", err))
		assert.Equal(t, fmt.Sprintf("%x", text), fmt.Sprintf("%x", err))
		assert.Equal(t, text[:7], fmt.Sprintf("%.7s", err))
	}
}

func TestErrorTextsAreShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long ", 1000)
	wide := strings.Repeat("\U0001F6A7", 1000)
	control := strings.Repeat("\x00", 1000)
	for _, text := range []string{long, wide, control, strings.Repeat(`"`, 1000)} {
		_, client := newAPI(t, runloop.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return nil, errors.New(text)
		})}), runloop.WithMaxRetries(0))
		_, lister := newAPI(t, runloop.WithHTTPClient(&http.Client{Transport: roundTripper(answer(200, emptyPageJSON))}))
		_, notFound := lister.NetworkPolicies.GetByName(t.Context(), "x"+text)
		_, noSuchID := client.NetworkPolicies.Get(t.Context(), "x"+text)
		_, badOption := runloop.NewClient(runloop.WithAPIKey(testKey), runloop.WithHeader(text, ""))
		_, badHost := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{
			Name: "build", Egress: runloop.EgressRules{AllowedHostnames: []string{text}},
		})
		for what, err := range map[string]error{
			"no policy has the name": notFound,
			"no answer":              noSuchID,
			"bad option":             badOption,
			"bad host name":          badHost,
			"bad method":             client.Do(t.Context(), text, "/v1/devboxes", nil, nil),
			"bad path":               client.Do(t.Context(), http.MethodGet, text, nil, nil),
			"long path":              client.Do(t.Context(), http.MethodGet, "/"+strings.Repeat("x", 1000), nil, nil),
			"drift": &runloop.DriftError{Op: text, Diff: []string{text, text},
				Policy: &runloop.NetworkPolicy{ID: text, Name: text}},
			"APIError": &runloop.APIError{Op: text, StatusCode: 500, Code: text, Message: text,
				RequestID: text, Attempts: 101, MaybeApplied: true},
			"ValidationError": &runloop.ValidationError{Op: text, Field: text, Problem: text},
		} {
			if assert.Error(t, err, what) {
				assert.Less(t, len(err.Error()), 300, "%s: %s", what, err)
				assert.NotContains(t, err.Error(), "\x00", what)
			}
		}
	}
}
