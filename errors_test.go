package runloop_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// The status and the API's own message determine the sentinels, by a table of each
// operation.
func TestSentinelsOfErrorResponses(t *testing.T) {
	t.Parallel()
	const (
		create = "create network policy"
		get    = "get network policy"
		list   = "list network policies"
		update = "update network policy"
		remove = "delete network policy"
	)
	all := []string{create, get, list, update, remove}
	byID := []string{get, update, remove}
	renames := []string{create, update} // UpdateCall sets a name
	type meanings map[string][]string   // the operations to which a sentinel applies
	none := []string{``}
	for _, test := range []struct {
		status int
		want   meanings
		bodies []string
	}{
		{400, meanings{"ErrBadRequest": all}, []string{
			`{"message": "name must be text"}`, `{"message": "Invalid API version"}`, `{"message": "Policy is not in use"}`,
			`{"message": "hostname x.example does not exist"}`, `<html>Bad Request</html>`,
			`Policy is in use, already exists, not found`, `<html>in use, already exists, not found</html>`,
			// A quoted part can be a name.
			`{"message": "policy \"dns not found\" is invalid"}`, `{"message": "the name 'already exists' is invalid"}`,
		}},
		{400, meanings{"ErrBadRequest": all, "ErrPolicyInUse": {remove}}, []string{
			``, `{}`, `{"code": "bad_request"}`, `{"message": "Policy is in use by active devboxes"}`, `{"error": "policy is being used by 2 devboxes"}`,
			`{"message": "network policy \"tenant dns not found\" is in use"}`,
		}},
		{400, meanings{"ErrBadRequest": all, "ErrNameTaken": renames}, []string{
			`{"message": "Network policy with name 'build' Already Exists"}`, `{"error": "name is taken"}`, `{"message": "name must be unique"}`,
		}},
		// The live API responds to some unknown IDs with 400.
		{400, meanings{"ErrBadRequest": all, "ErrNotFound": byID}, []string{
			`{"message": "Network policy Not Found: npol_1"}`, `{"message": "npol_1 does not exist"}`, `{"message": "npol_1 doesn’t exist"}`,
		}},
		{400, meanings{"ErrBadRequest": all, "ErrPolicyLimit": {create}}, []string{
			`{"message": "Network policy limit of 100 reached"}`, `{"message": "Maximum number of network policies reached"}`,
		}},
		{401, meanings{"ErrUnauthorized": all}, []string{``, `{"message": "already exists, not found, in use"}`}},
		{403, meanings{"ErrForbidden": all}, []string{`{"message": "account does not have devbox capability"}`}},
		{403, meanings{"ErrForbidden": all, "ErrPolicyLimit": {create}}, []string{`{"message": "quota exceeded"}`}},
		{404, meanings{"ErrNotFound": byID}, []string{``, `<html>`, `{"message": "no Route matched with those values"}`}},
		{405, meanings{}, []string{`{"message": "not found"}`}},
		{409, meanings{"ErrConflict": all}, []string{
			`<html>in use, already exists, not found</html>`, `{"message": "request in progress"}`, `{"message": "the account is being migrated"}`,
			`{"message": "the policy ‘in use’ is being changed"}`,
		}},
		{409, meanings{"ErrConflict": all, "ErrPolicyInUse": {remove}}, []string{`{"message": "Policy is in use by active devboxes"}`}},
		{409, meanings{"ErrConflict": all, "ErrNameTaken": renames}, []string{`{"message": "Network policy already exists"}`, ``, `{"code": 17}`}},
		{409, meanings{"ErrConflict": all, "ErrPolicyLimit": {create}}, []string{`{"message": "too many policies"}`}},
		{410, meanings{}, []string{`{"message": "already exists, not found"}`}},
		{413, meanings{}, none},
		{422, meanings{}, []string{`{"message": "Network policy already exists"}`, `{"message": "already exists, not found"}`}},
		{422, meanings{"ErrPolicyLimit": {create}}, []string{`{"message": "policy limit reached"}`}},
		{429, meanings{"ErrRateLimited": all}, []string{``, `{"message": "rate limit exceeded"}`}},
		{500, meanings{"ErrServer": all}, []string{`{"message": "not found"}`}},
		{501, meanings{"ErrServer": all}, none},
		{502, meanings{"ErrServer": all}, none},
		{503, meanings{"ErrServer": all}, none},
		{504, meanings{"ErrServer": all}, none},
		{529, meanings{"ErrServer": all}, none},
		{302, meanings{}, none},
		{304, meanings{}, none},
		{307, meanings{}, none},
	} {
		for _, call := range clienttest.PolicyCalls {
			want := []string{}
			for sentinel, operations := range test.want {
				if slices.Contains(operations, call.Op) {
					want = append(want, sentinel)
				}
			}
			for _, body := range test.bodies {
				err := clienttest.FailWith(t, call, clienttest.Respond(test.status, body))
				assert.ElementsMatch(t, want, clienttest.Sentinels(err), "%s: %d %s", call.Op, test.status, body)
				response := clienttest.AsAPIError(t, err)
				assert.Equal(t, test.status, response.StatusCode)
				assert.Equal(t, call.Op, response.Op)
				assert.Equal(t, 1, response.Attempts)
				inDoubt := test.status >= 500 && test.status != 501 || test.status < 400 && test.status != 307
				assert.Equal(t, call.IsWrite() && inDoubt, response.MaybeApplied)
				assert.Equal(t, response.MaybeApplied, errors.Is(err, runloop.ErrMaybeApplied))
			}
		}
	}
}

// A list can only report an unknown cursor: without a cursor, a 404 has another meaning.
func TestOnlyAListWithACursorIsNotFound(t *testing.T) {
	t.Parallel()
	for status, body := range map[int]string{404: ``, 400: `{"message": "starting_after: npol_1 not found"}`} {
		api, client := clienttest.NewAPI(t)
		api.On(http.MethodGet, clienttest.PoliciesPath, clienttest.Respond(status, body))
		_, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{StartingAfter: "npol_1"})
		require.ErrorIs(t, err, runloop.ErrNotFound)
		_, err = client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{ID: "npol_1", Name: "build"})
		require.Error(t, err)
		require.NotErrorIs(t, err, runloop.ErrNotFound)
	}
}

// The error of an unusable success has the status, request ID, header and body, for the
// API's support.
func TestAnUnusableSuccessIsAnAPIError(t *testing.T) {
	t.Parallel()
	for _, call := range clienttest.PolicyCalls {
		for _, test := range []struct {
			name   string
			status int
			body   io.Reader
			kept   string
			want   error
		}{
			{"a page", 200, strings.NewReader("<html>"), "<html>", runloop.ErrInvalidResponse},
			{"no body", 204, strings.NewReader(""), "", runloop.ErrInvalidResponse},
			{"a message", 201, strings.NewReader(`{"message": "already exists"}`), `{"message": "already exists"}`, runloop.ErrInvalidResponse},
			{"too large", 200, io.LimitReader(blanks{}, 32<<20+1), strings.Repeat(" ", 64<<10), runloop.ErrResponseTooLarge},
		} {
			t.Run(test.name+"/"+call.Name, func(t *testing.T) {
				t.Parallel()
				err := clienttest.FailWith(t, call, func(*http.Request) (*http.Response, error) {
					r := httpmock.NewStringResponse(test.status, "")
					r.Body = io.NopCloser(test.body)
					r.Header = http.Header{"X-Request-Id": {"req_1"}, "X-Cache": {"hit"}}
					return r, nil
				})
				require.ErrorIs(t, err, test.want)
				assert.Len(t, clienttest.Sentinels(err), 1)
				response := clienttest.AsAPIError(t, err)
				assert.Equal(t, call.Op, response.Op)
				assert.Equal(t, test.status, response.StatusCode)
				assert.Equal(t, "req_1", response.RequestID)
				assert.Equal(t, "hit", response.Header.Get("X-Cache"))
				assert.Equal(t, test.kept, string(response.Body))
				assert.Empty(t, response.Message)
				assert.Equal(t, call.IsWrite(), response.MaybeApplied)
				_, isTransport := errors.AsType[*runloop.TransportError](err)
				assert.False(t, isTransport)
			})
		}
	}
}

// blanks is an endless body of spaces.
type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// Errors that users create, in their own tests, match by their fields alone.
func TestErrorsCreatedByUsers(t *testing.T) {
	t.Parallel()
	for status, want := range map[int][]string{
		400: {"ErrBadRequest"}, 401: {"ErrUnauthorized"}, 403: {"ErrForbidden"}, 404: {}, 409: {"ErrConflict"},
		429: {"ErrRateLimited"}, 500: {"ErrServer"}, 599: {"ErrServer"}, 0: {}, 200: {},
	} {
		err := &runloop.APIError{Op: "delete network policy", StatusCode: status, Message: "in use, already exists, not found"}
		assert.ElementsMatch(t, want, clienttest.Sentinels(fmt.Errorf("launching: %w", err)), status)
		assert.NotErrorIs(t, err, runloop.ErrMaybeApplied)
		err.MaybeApplied = true
		assert.ErrorIs(t, fmt.Errorf("launching: %w", err), runloop.ErrMaybeApplied)
	}
	assert.NotErrorIs(t, &runloop.TransportError{}, runloop.ErrMaybeApplied)
	assert.ErrorIs(t, &runloop.TransportError{MaybeApplied: true}, runloop.ErrMaybeApplied)
	assert.ErrorIs(t, &runloop.DriftError{Policy: &runloop.NetworkPolicy{Name: "build"}}, runloop.ErrDrift)
}

func TestZeroErrors(t *testing.T) {
	t.Parallel()
	for _, err := range []error{&runloop.APIError{}, &runloop.TransportError{}, &runloop.ValidationError{}, &runloop.DriftError{}} {
		assert.Contains(t, err.Error(), "runloop: ")
		assert.NotContains(t, err.Error(), "%!")
		assert.NoError(t, errors.Unwrap(err))
	}
	assert.False(t, (&runloop.TransportError{}).Timeout())
}

func TestErrorTexts(t *testing.T) {
	t.Parallel()
	html := http.Header{"Content-Type": {"text/html"}}
	req1 := http.Header{"X-Request-Id": {"req_1"}}
	get, respond := clienttest.GetCall, clienttest.Respond
	for _, test := range []struct {
		call     clienttest.PolicyCall
		response httpmock.Responder
		want     string
	}{
		{get, respond(404, `{"message": "Network policy not found"}`), "get network policy: 404 Not Found: Network policy not found (1 attempt)"},
		{clienttest.ListCall, respond(401, `{"message": "Invalid API key"}`), "list network policies: 401 Unauthorized: Invalid API key (1 attempt)"},
		{get, respond(403, ``), "get network policy: 403 Forbidden (1 attempt)"},
		{get, respond(400, `{"message": "bad limit", "error": "bad_request", "request_id": "req_1"}`),
			"get network policy: 400 Bad Request: bad limit (1 attempt; code bad_request; request req_1)"},
		{clienttest.CreateCall, clienttest.RespondWith(409, `{"message": "Network policy already exists"}`, req1),
			"create network policy: 409 Conflict: Network policy already exists (1 attempt; request req_1)"},
		{clienttest.DeleteCall, clienttest.RespondWith(400, `{"message": "Policy is in use by active devboxes"}`, req1),
			"delete network policy: 400 Bad Request: Policy is in use by active devboxes (1 attempt; request req_1)"},
		{clienttest.UpdateCall, clienttest.RespondWith(503, ``, req1),
			"update network policy: 503 Service Unavailable (1 attempt; request req_1; may have been applied)"},
		{get, clienttest.RespondWith(502, `<html><h1>Bad Gateway</h1></html>`, html), "get network policy: 502 Bad Gateway (1 attempt)"},
		{get, clienttest.RespondWith(429, ``, http.Header{"Retry-After": {"3600"}}), "get network policy: 429 Too Many Requests (1 attempt)"},
		{get, respond(503, `{"message": "Service Unavailable"}`), "get network policy: 503 Service Unavailable (1 attempt)"},
		{get, respond(599, ``), "get network policy: 599 (1 attempt)"},
		{get, respond(599, `{"message": "upstream timed out"}`), "get network policy: 599: upstream timed out (1 attempt)"},
		{get, clienttest.RespondWith(302, ``, http.Header{"Location": {"https://login.example.test/sso?return=x"}}),
			"get network policy: 302 Found: redirect to https://login.example.test/sso not followed: check the base URL and the path (1 attempt)"},
		{get, clienttest.Fail("dial tcp: connection refused"), "get network policy: no usable response (1 attempt): dial tcp: connection refused"},
		{clienttest.UpdateCall, clienttest.Fail("connection reset by peer"),
			"update network policy: no usable response (1 attempt; may have been applied): connection reset by peer"},
		{get, clienttest.RespondWith(200, `<html>`, html),
			`get network policy: 200 OK: invalid response: content type "text/html": jsontext: invalid character '<' at start of value (1 attempt)`},
		{get, respond(204, ``), `get network policy: 204 No Content: invalid response: content type "application/json": the body is empty (1 attempt)`},
	} {
		assert.Equal(t, "runloop: "+test.want, clienttest.FailWith(t, test.call, test.response).Error())
	}
}

func TestTheTextOfADrift(t *testing.T) {
	t.Parallel()
	drift := &runloop.DriftError{
		Op:     "ensure network policy",
		Policy: &runloop.NetworkPolicy{ID: "npol_1", Name: "build"},
		Diff:   []string{"- host a.example", "- MCP gateway", "+ host b.example"},
	}
	assert.EqualError(t, drift, `runloop: ensure network policy: policy "build" (npol_1) differs: lacks host a.example, lacks MCP gateway, has host b.example`)
}

func TestEveryVerbPrintsOnlyTheText(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		clienttest.FailWith(t, clienttest.GetCall, clienttest.Respond(404, `{"message": "not found"}`)),
		clienttest.FailWith(t, clienttest.GetCall, clienttest.Fail("connection refused")),
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
		_, client := clienttest.NewAPI(t, runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			return nil, errors.New(text)
		})}), runloop.WithMaxRetries(0))
		_, lister := clienttest.NewAPI(t, runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(clienttest.Respond(200, clienttest.EmptyPageJSON))}))
		_, notFound := lister.NetworkPolicies.GetByName(t.Context(), "x"+text)
		_, noSuchID := client.NetworkPolicies.Get(t.Context(), "x"+text)
		_, badOption := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), runloop.WithHeader(text, ""))
		_, badHost := client.NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{
			Name: "build", Egress: runloop.EgressRules{AllowedHostnames: []string{text}},
		})
		for what, err := range map[string]error{
			"no policy has the name": notFound,
			"no response":            noSuchID,
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

// The error of httpmock for an unexpected request contains the whole URL.
func TestQueriesStayOutOfErrors(t *testing.T) {
	t.Parallel()
	_, client := clienttest.NewAPI(t, runloop.WithMaxRetries(0), runloop.WithHTTPClient(&http.Client{Transport: httpmock.NewMockTransport()}))
	err := client.Do(t.Context(), http.MethodGet, `/v1/devboxes?token=s3cret&"x"=\`, nil, nil)
	require.Error(t, err)
	assertSecret(t, "s3cret", err)
	for _, path := range []string{
		"v1/devboxes?token=s3cret", "https://robot:s3cret@api.example.test/v1?token=s3cret", "//x/?s3cret",
		"/v1/devboxes?token=s3cret#f", "/v1/../x?token=s3cret", "/v1/devboxes?token=s3cret é", "/%zz?s3cret",
	} {
		assertSecret(t, "s3cret", client.Do(t.Context(), http.MethodGet, path, nil, nil))
	}
}

// FuzzErrorText sends arbitrary responses. The text of an error is short, on one line, and
// without the key.
func FuzzErrorText(f *testing.F) {
	for _, status := range []uint16{0, 99, 200, 204, 302, 400, 404, 409, 429, 500, 599, 999} {
		f.Add(status, "application/json", "/v1?x=1", "req_1", []byte(`{"message": "m", "error": "e", "request_id": "r"}`))
	}
	long := strings.Repeat("long ", 500)
	f.Add(uint16(500), "text/plain", long, long, []byte(long))
	f.Add(uint16(400), "application/json", "", long, []byte(`{"message": "`+long+`", "code": "`+long+`"}`))
	f.Add(uint16(502), "text/html", "", "", []byte("<html>"+long))
	f.Add(uint16(200), "application/json", "", "", []byte(`{"id": "`+long+`", "egress": {"`+long+`": 1}}`))
	f.Add(uint16(200), "\x00", "", "", []byte(`{"id": [`))
	f.Add(uint16(401), "", clienttest.APIKey, clienttest.APIKey, []byte(`{"message": "bad key `+clienttest.APIKey+`"}`))
	f.Add(uint16(200), clienttest.APIKey, "", "", []byte(`{"`+clienttest.APIKey+`": [[}`))
	f.Add(uint16(200), "", "", "", []byte(`{"egress": {"allowed_cidrs": [{"`+clienttest.APIKey+`": 1, "ports": 1}]}}`))
	f.Add(uint16(307), "", "https://x.test/"+clienttest.APIKey+"?"+clienttest.APIKey, "", []byte("\xff\x00\u202e\U0001F6A7"))
	f.Add(uint16(404), "text/plain", "://%zz", "\x1b[31m", []byte("a\x00b\u2028c"))

	f.Fuzz(func(t *testing.T, status uint16, contentType, location, requestID string, body []byte) {
		_, client := clienttest.NewAPI(t, runloop.WithMaxRetries(0), runloop.WithHTTPClient(&http.Client{
			Transport: clienttest.RoundTripper(func(*http.Request) (*http.Response, error) {
				return &http.Response{
					StatusCode: int(status),
					Header:     http.Header{"Content-Type": {contentType}, "Location": {location}, "X-Request-Id": {requestID}},
					Body:       io.NopCloser(bytes.NewReader(body)),
				}, nil
			}),
		}))
		for _, call := range clienttest.PolicyCalls {
			_, err := call.Do(t.Context(), client)
			if err == nil {
				continue
			}
			text := err.Error()
			require.Less(t, len(text), 300)
			require.True(t, utf8.ValidString(text), "%q", text)
			require.Equal(t, -1, strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", text)
			require.True(t, strings.HasPrefix(text, "runloop: "+call.Op+": "), text)
			require.NotContains(t, text, clienttest.APIKey)
			require.NotContains(t, text, "name=build", "the query")
		}
	})
}
