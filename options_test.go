package runloop_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// refused checks that err is a ValidationError about the field, and returns its text.
func refused(t *testing.T, err error, op, field string) string {
	t.Helper()
	var invalid *runloop.ValidationError
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, op, invalid.Op)
	assert.Equal(t, field, invalid.Field)
	assert.Less(t, len(err.Error()), 300)
	assert.NotContains(t, err.Error(), "\n")
	return err.Error()
}

// rejectedOption checks that NewClient and every call reject the option, send nothing, and
// do not show the secret.
func rejectedOption(t *testing.T, option runloop.Option, field, problem string) {
	t.Helper()
	_, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), option)
	errs := map[string]error{"new client": err}
	api, client := clienttest.NewAPI(t)
	for _, call := range clienttest.PolicyCalls {
		_, errs[call.Op] = call.Do(t.Context(), client, option)
	}
	for op, err := range errs {
		text := refused(t, err, op, field)
		assert.Contains(t, text, problem)
		assert.NotContains(t, text, "s3cret")
	}
	assert.Empty(t, api.Sent())
}

// A value that is not checked can end a header and begin another.
func TestInvalidOptions(t *testing.T) {
	t.Parallel()
	tooLong := strings.Repeat("x", 8<<10+1)
	const (
		invalidKey    = "the API key contains a space, a line break or another invalid character: remove it"
		invalidHeader = "the value of header X-Team has a line break or another invalid character: remove it"
		aboutName     = "the name of a header has an invalid character after "
	)
	key, header := runloop.WithAPIKey, func(value string) runloop.Option { return runloop.WithHeader("X-Team", value) }
	for _, test := range []struct {
		field, problem string
		options        []runloop.Option
	}{
		{"WithAPIKey", "the API key is empty: write the key, or omit the option for RUNLOOP_API_KEY", []runloop.Option{key(""), key(" \t")}},
		{"WithAPIKey", invalidKey, []runloop.Option{
			key("ak_s3cret "), key("ak s3cret ak_s3cret"), key("ak_s3cret\r\nX-Evil: 1"), key("ak_s3cret\x00"), key("ak_s3creté"), key("ak_s3cret\xff"),
		}},
		{"WithAPIKey", "the API key is longer than 8192 bytes: write the key alone", []runloop.Option{key("ak_s3cret" + tooLong)}},
		{"WithHTTPClient", "nil client: omit the option", []runloop.Option{runloop.WithHTTPClient(nil)}},
		{"WithHTTPClient", "has a Jar, which the SDK does not use: set Jar to nil",
			[]runloop.Option{runloop.WithHTTPClient(&http.Client{Jar: untouchedJar{}})}},
		{"WithHTTPClient", "has a CheckRedirect, which the SDK does not use: set it to nil",
			[]runloop.Option{runloop.WithHTTPClient(&http.Client{CheckRedirect: noRedirect})}},
		{"WithHTTPClient", "Transport is a nil *http.Transport",
			[]runloop.Option{runloop.WithHTTPClient(&http.Client{Transport: (*http.Transport)(nil)})}},
		{"WithHTTPClient", "the client's Timeout of 30ns is shorter than a millisecond: write it as in 30*time.Second",
			[]runloop.Option{runloop.WithHTTPClient(&http.Client{Timeout: 30})}},
		{"WithIgnoredRules", ` is not the name of an egress field: write the API's name, as in "allowed_ports"`,
			[]runloop.Option{runloop.WithIgnoredRules("allowed_ports", ""), runloop.WithIgnoredRules(" allowed_ports")}},
		{"WithHeader", `a header has no name: write one, as in "X-Team"`, []runloop.Option{runloop.WithHeader("", "ak_s3cret")}},
		{"WithHeader", aboutName + `"X": write letters, digits and hyphens`, []runloop.Option{runloop.WithHeader("X Team", "ak_s3cret")}},
		{"WithHeader", aboutName + `"X-Team": write`,
			[]runloop.Option{runloop.WithHeader("X-Team:", "ak_s3cret"), runloop.WithHeader("X-Team\r\nX-Evil", "ak_s3cret")}},
		{"WithHeader", invalidHeader, []runloop.Option{
			header("ak_s3cret\rX-Evil: 1"), header("ak_s3cret\nX-Evil: 1"), header("ak_s3cret\x00"), header("ak_s3cret\x7f"), header("ak_s3creté"),
		}},
		{"WithHeader", "the value of header X-Team is longer than 8192 bytes: shorten it", []runloop.Option{header("ak_s3cret" + tooLong)}},
		{"WithHeader", "use WithIdempotencyKey on a single call", []runloop.Option{runloop.WithHeader("X-IDEMPOTENCY-KEY", "ak_s3cret")}},
		{"WithBaseURL", "is not a valid URL", []runloop.Option{runloop.WithBaseURL("http://localhost/ak_s3cret\r\nX-Evil: 1")}},
		{"WithUserAgent", "has a line break", []runloop.Option{runloop.WithUserAgent("bot/1\nX-Evil: ak_s3cret")}},
		{"WithAttemptTimeout", "0s is not positive: omit the option for the default of 30s", []runloop.Option{runloop.WithAttemptTimeout(0)}},
		{"WithAttemptTimeout", "-1s is not positive", []runloop.Option{runloop.WithAttemptTimeout(-time.Second)}},
		{"WithAttemptTimeout", "30ns is shorter than a millisecond: write it as in 30*time.Second", []runloop.Option{runloop.WithAttemptTimeout(30)}},
		{"WithMaxRetries", "-1 is not between 0 and 100: write 0 for no retries", []runloop.Option{runloop.WithMaxRetries(-1)}},
		{"WithMaxRetries", "101 is not between 0 and 100", []runloop.Option{runloop.WithMaxRetries(101)}},
	} {
		for _, option := range test.options {
			rejectedOption(t, option, test.field, test.problem)
		}
	}
	for _, name := range []string{
		"allow_all", "allow_devbox_to_devbox", "allowed_hostnames", "allow_agent_gateway", "allow_mcp_gateway", "allow_runloop_mirrors", "allowed_cidrs",
	} {
		problem := strconv.Quote(name) + " is a rule that the SDK knows: name only fields that it does not know"
		rejectedOption(t, runloop.WithIgnoredRules("new", name), "WithIgnoredRules", problem)
	}
}

func TestValidOptions(t *testing.T) {
	t.Parallel()
	var response *http.Response
	for _, option := range []runloop.Option{
		nil,
		runloop.WithAPIKey("ak_other"), runloop.WithAPIKey(`!"#$%&'()*+,-./:;=>?@[\]^_{|}~`),
		runloop.WithHeader("X-Team", "blue"), runloop.WithHeader("X-Team", ""), runloop.WithHeader("X-Team", "light\tblue, dark blue"),
		runloop.WithHeader("x!#$%&'*+-.^_`|~9", "1"), runloop.WithHeader("X-Team", strings.Repeat("x", 8<<10)),
		runloop.WithUserAgent("bot/1"), runloop.WithUserAgent(""),
		runloop.WithAttemptTimeout(time.Minute), runloop.WithMaxRetries(0), runloop.WithMaxRetries(100), runloop.WithoutRetryBudget(),
		runloop.WithLogger(slog.New(slog.DiscardHandler)), runloop.WithLogger(nil),
		runloop.WithPlaintextHTTP(), runloop.WithMiddleware(),
		runloop.WithIgnoredRules("allowed_ports", "audit", "Allow_All", "ports"), runloop.WithIgnoredRules(),
		runloop.WithIdempotencyKey(strings.Repeat("k", 255)), runloop.WithResponseInto(&response),
	} {
		api, client := responding(t, clienttest.PolicyJSON)
		_, err := clienttest.UpdateCall.Do(t.Context(), client, option)
		require.NoError(t, err)
		api.Only()
	}
	_, err := runloop.NewClient(runloop.WithAPIKey("x"), runloop.WithAttemptTimeout(time.Millisecond))
	require.NoError(t, err)
}

// An untouchedJar panics if it is used.
type untouchedJar struct{ http.CookieJar }

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// A key that is pasted with more around it is rejected, and no part of it appears in the error.
func TestAPIKeysWithExtraText(t *testing.T) {
	t.Parallel()
	for problem, keys := range map[string][]string{
		"the API key is in quotes: remove them": {
			`"ak_s3cret"`, `'ak_s3cret'`, "`ak_s3cret`", `"ak_s3cret`, `ak_s3cret"`, ` "ak_s3cret" `, `\"ak_s3cret\"`, `'"ak_s3cret"'`,
			"“ak_s3cret”", "‘ak_s3cret’", "„ak_s3cret“", "«ak_s3cret»", `"Bearer ak_s3cret"`,
		},
		`the API key begins with "Bearer" or "Authorization", which the SDK adds: write the key alone`: {
			"Bearer ak_s3cret", "bearer ak_s3cret", "BEARER\tak_s3cret", "Bearer: ak_s3cret", " Bearer  ak_s3cret", "Bearer",
			"Bearer=ak_s3cret", "Authorization: Bearer ak_s3cret", "authorization:ak_s3cret",
		},
		"the API key is a placeholder or a variable that was not expanded: write the key itself": {
			"${RUNLOOP_KEY_s3cret}", "ak_${s3cret}", "$(cat s3cret)", "$RUNLOOP_API_KEY", "$s3cret", "%RUNLOOP_API_KEY%", "%s3cret%",
			"<your-key-s3cret>", "ak_<s3cret>", "{{ .s3cret }}", "{{s3cret}}", "export RUNLOOP_API_KEY=ak_s3cret",
		},
		"the API key begins with RUNLOOP_API_KEY=: write what follows it": {"RUNLOOP_API_KEY=ak_s3cret", " RUNLOOP_API_KEY="},
	} {
		for _, key := range keys {
			_, err := runloop.NewClient(runloop.WithAPIKey(key))
			assert.Equal(t, "runloop: new client: WithAPIKey: "+problem, refused(t, err, "new client", "WithAPIKey"), key)
			assertSecret(t, "s3cret", err)
			rejectedOption(t, runloop.WithAPIKey(key), "WithAPIKey", problem)
		}
	}
	for _, key := range []string{"bearer_of_news", "authorizationless", "ak_Bearer", "a$b", "100%", "x"} {
		_, err := runloop.NewClient(runloop.WithAPIKey(key))
		assert.NoError(t, err, key)
	}
}

func TestAllProblemsOfOptionsAreReported(t *testing.T) {
	t.Parallel()
	_, err := runloop.NewClient(runloop.WithAPIKey(`"s3cret"`), runloop.WithBaseURL("https://api.runloop.ai/v1"),
		runloop.WithMaxRetries(-1), runloop.WithHeader("Host", "x"), runloop.WithHTTPClient(nil))
	assert.Contains(t, refused(t, err, "new client", "WithAPIKey"), "(and 4 more problems)")
	var invalid *runloop.ValidationError
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, []string{
		"WithAPIKey: the API key is in quotes: remove them",
		"WithBaseURL: ends in /v1, which the SDK adds: remove it, and write one like https://api.runloop.ai",
		"WithHeader: the header Host cannot be set: use WithBaseURL",
		"WithMaxRetries: -1 is not between 0 and 100: write 0 for no retries",
		"WithHTTPClient: nil client: omit the option for the default",
	}, invalid.Problems)
}

func TestNewClientRejectsOptionsOfASingleCall(t *testing.T) {
	t.Parallel()
	var response *http.Response
	for field, option := range map[string]runloop.Option{
		"WithIdempotencyKey": runloop.WithIdempotencyKey("task-17"),
		"WithResponseInto":   runloop.WithResponseInto(&response),
	} {
		_, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), option)
		assert.Equal(t, "runloop: new client: "+field+": it applies to a single call: pass it to the method", refused(t, err, "new client", field))
	}
}

// TestDoIdempotent has the effect of WithIdempotent on Do.
func TestOnlyDoAcceptsWithIdempotent(t *testing.T) {
	t.Parallel()
	rejectedOption(t, runloop.WithIdempotent(), "WithIdempotent", ": WithIdempotent: it applies to a single call of Do: pass it to Do")
}

func TestInvalidOptionsOfASingleCall(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		option         runloop.Option
		field, problem string
	}{
		{runloop.WithIdempotencyKey(""), "WithIdempotencyKey", "the key is empty: omit the option for a new one"},
		{runloop.WithIdempotencyKey(strings.Repeat("k", 256)), "WithIdempotencyKey", "longer than 255 bytes: write a shorter one"},
		{runloop.WithIdempotencyKey("k\r\nX-Evil: 1"), "WithIdempotencyKey", "other than visible ASCII: write letters, digits and punctuation only"},
		{runloop.WithIdempotencyKey("task 17"), "WithIdempotencyKey", "other than visible ASCII"},
		{runloop.WithIdempotencyKey("tâche"), "WithIdempotencyKey", "other than visible ASCII"},
		{runloop.WithResponseInto(nil), "WithResponseInto", "nil destination: pass the address of an *http.Response variable"},
	} {
		api, client := clienttest.NewAPI(t)
		_, err := clienttest.CreateCall.Do(t.Context(), client, test.option)
		assert.Contains(t, refused(t, err, "create network policy", test.field), test.problem)
		assert.Empty(t, api.Sent())
	}
}

func TestOrderOfOptionsDoesNotMatter(t *testing.T) {
	t.Parallel()
	options := []runloop.Option{
		runloop.WithBaseURL("http://api.example.test"),
		runloop.WithPlaintextHTTP(), // which the URL above needs
		nil,
		runloop.WithAPIKey(clienttest.APIKey),
		runloop.WithAttemptTimeout(time.Minute),
		runloop.WithHeader("X-Team", "blue"),
	}
	for range options {
		options = append(options[1:], options[0])
		client, err := runloop.NewClient(options...)
		require.NoError(t, err)
		require.NotNil(t, client)
	}
}

func TestTheLastOptionOfAKindWins(t *testing.T) {
	t.Parallel()
	api, client := responding(t, clienttest.PolicyJSON,
		runloop.WithAPIKey("not a key"), runloop.WithAPIKey("ak_last"),
		runloop.WithAttemptTimeout(-1), runloop.WithAttemptTimeout(time.Minute),
		runloop.WithHeader("x-team", "bad\n"), runloop.WithHeader("X-Team", "blue"),
		runloop.WithUserAgent("first/1"), runloop.WithUserAgent("last/2"),
	)
	require.NoError(t, clienttest.GetPolicy(t.Context(), client))
	header := api.Only().Header
	assert.Equal(t, []string{"Bearer ak_last"}, header["Authorization"])
	assert.Equal(t, []string{"blue"}, header["X-Team"])
	assert.Regexp(t, `/\d+\.\d+\.\d+ last/2$`, header.Get("User-Agent"))
}

func TestOptionsOfACallApplyToThatCall(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))
	api.RegisterResponder(http.MethodGet, "https://eu.example.test/api"+clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))
	require.NoError(t, clienttest.GetPolicy(t.Context(), client,
		runloop.WithAPIKey("ak_other"), runloop.WithBaseURL("https://eu.example.test/api"), runloop.WithUserAgent("bot/1")))
	require.NoError(t, clienttest.GetPolicy(t.Context(), client))

	sent := api.Sent()
	require.Len(t, sent, 2)
	assert.Equal(t, "/api"+clienttest.PolicyPath, sent[0].Path)
	assert.Equal(t, "Bearer ak_other", sent[0].Header.Get("Authorization"))
	assert.Equal(t, clienttest.PolicyPath, sent[1].Path)
	assert.Equal(t, "Bearer "+clienttest.APIKey, sent[1].Header.Get("Authorization"))
	assert.Regexp(t, clienttest.UserAgent, sent[1].Header.Get("User-Agent"))
}

func TestTheTimeoutOfAnAttempt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		httpClient   time.Duration
		client, call []runloop.Option
		want         time.Duration
	}{
		"the default":                       {0, nil, nil, 30 * time.Second},
		"the http.Client's":                 {5 * time.Second, nil, nil, 5 * time.Second},
		"a negative one of the http.Client": {-time.Second, nil, nil, 30 * time.Second},
		"the option":                        {5 * time.Second, []runloop.Option{runloop.WithAttemptTimeout(time.Minute)}, nil, time.Minute},
		"the call's option": {5 * time.Second, []runloop.Option{runloop.WithAttemptTimeout(time.Minute)},
			[]runloop.Option{runloop.WithAttemptTimeout(2 * time.Second)}, 2 * time.Second},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			var took []time.Duration
			silent := clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				start := time.Now()
				<-r.Context().Done()
				took = append(took, time.Since(start))
				return nil, r.Context().Err()
			})
			_, client := clienttest.NewAPI(t, append(test.client,
				runloop.WithHTTPClient(&http.Client{Transport: silent, Timeout: test.httpClient}))...)
			err := clienttest.GetPolicy(t.Context(), client, test.call...)
			assert.Equal(t, []time.Duration{test.want, test.want, test.want, test.want}, took)
			e := clienttest.AsTransportError(t, err)
			assert.Equal(t, 4, e.Attempts)
			assert.True(t, e.Timeout())
			assert.NotErrorIs(t, err, context.DeadlineExceeded, "the caller's deadline has not passed")
			assert.NotErrorIs(t, err, context.Canceled)
			assert.ErrorContains(t, err, "no response within "+test.want.String())
		}))
	}
}

func TestTheResponseOfAllIsThatOfTheLastPage(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	page := func(id string, more bool) httpmock.Responder {
		return clienttest.Respond(200, fmt.Sprintf(`{"network_policies": [{"id": %q, "egress": {}}], "has_more": %t}`, id, more))
	}
	api.On(http.MethodGet, clienttest.PoliciesPath, page("npol_1", true), page("npol_2", false))

	var response *http.Response
	var seen []string
	for policy, err := range client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{}, runloop.WithResponseInto(&response)) {
		require.NoError(t, err)
		require.NotNil(t, response)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		seen = append(seen, policy.ID+" "+string(body))
	}
	require.Len(t, seen, 2)
	assert.Contains(t, seen[0], "npol_1 ")
	assert.Contains(t, seen[0], `"id": "npol_2"`, "All requests the next page before it yields the last policy of a page")
}

// responding returns an API that responds to every request with the body, and a client of it.
func responding(t testing.TB, body string, opts ...runloop.Option) (*clienttest.API, *runloop.Client) {
	t.Helper()
	api, client := clienttest.NewAPI(t, opts...)
	api.RegisterNoResponder(clienttest.Respond(200, body))
	return api, client
}

func TestUserAgentNamesTheProduct(t *testing.T) {
	t.Parallel()
	api, client := responding(t, clienttest.PolicyJSON, runloop.WithUserAgent("my-orchestrator/1.2 (linux)"))
	require.NoError(t, clienttest.GetPolicy(t.Context(), client))
	assert.Regexp(t, `^runloop-go/\d+\.\d+\.\d+ my-orchestrator/1\.2 \(linux\)$`, api.Only().Header.Get("User-Agent"))
}

func TestIdempotencyKeyIsTheRequestIDOfAWrite(t *testing.T) {
	t.Parallel()
	for _, call := range clienttest.PolicyCalls {
		api, client := responding(t, call.Success)
		_, err := call.Do(t.Context(), client, runloop.WithIdempotencyKey("task-17"))
		require.NoError(t, err)
		header := api.Only().Header
		if call.IsWrite() {
			assert.Equal(t, []string{"task-17"}, header["X-Request-Id"], call.Op)
		} else {
			assert.NotContains(t, header, "X-Request-Id", call.Op)
		}
		// With these, net/http would replay a POST.
		assert.NotContains(t, header, "Idempotency-Key")
		assert.NotContains(t, header, "X-Idempotency-Key")
	}
}

func TestHeadersOfTheClientAndOfACall(t *testing.T) {
	t.Parallel()
	api, client := responding(t, clienttest.PolicyJSON, runloop.WithHeader("x-team", "blue"), runloop.WithHeader("X-Stage", "test"))
	require.NoError(t, clienttest.GetPolicy(t.Context(), client, runloop.WithHeader("X-TEAM", "red"), runloop.WithHeader("X-Task", "")))
	require.NoError(t, clienttest.GetPolicy(t.Context(), client, runloop.WithMaxRetries(0)))

	sent := api.Sent()
	require.Len(t, sent, 2)
	assert.Equal(t, []string{"red"}, sent[0].Header["X-Team"], "the call's header replaces the client's")
	assert.Equal(t, []string{"test"}, sent[0].Header["X-Stage"])
	assert.Equal(t, []string{""}, sent[0].Header["X-Task"])
	assert.Equal(t, []string{"blue"}, sent[1].Header["X-Team"], "the client is unchanged")
	assert.NotContains(t, sent[1].Header, "X-Task")
}

func TestReservedHeadersAreRejected(t *testing.T) {
	t.Parallel()
	for instead, names := range map[string][]string{
		"use WithAPIKey":                          {"Authorization", "authorization"},
		"use WithUserAgent":                       {"User-Agent"},
		"use WithIdempotencyKey on a single call": {"X-Request-ID", "Idempotency-Key", "x-idempotency-key"},
		"the SDK sets it":                         {"Accept", "Content-Type"},
		"net/http sets it":                        {"Accept-Encoding", "Content-Length", "Transfer-Encoding", "Trailer"},
		"use WithBaseURL":                         {"HOST"},
		"controls the connection, which net/http manages": {
			"Connection", "Keep-Alive", "Proxy-Connection", "upgrade", "TE", "HTTP2-Settings",
		},
		"write the credentials in the URL of the proxy": {"Proxy-Authorization"},
		"use Do with the method":                        {"X-HTTP-Method-Override", "X-Http-Method", "x-method-override"},
		"the SDK sends whole bodies":                    {"Content-Range"},
		"the SDK does not compress bodies":              {"Content-Encoding"},
		"the SDK does not wait for 100 Continue":        {"Expect"},
		"the SDK reads whole responses":                 {"range"},
		"the SDK sends no conditional requests":         {"If-None-Match", "if-match", "IF-MODIFIED-SINCE", "If-Range", "If-Anything-New"},
	} {
		for _, name := range names {
			_, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), runloop.WithHeader(name, "ak_secret"))
			text := refused(t, err, "new client", "WithHeader")
			assert.Contains(t, text, "the header "+http.CanonicalHeaderKey(name)+" cannot be set: ")
			assert.Contains(t, text, instead)
			assert.NotContains(t, text, "ak_secret")
		}
	}
}

func TestBaseURLs(t *testing.T) {
	t.Parallel()
	for base, prefix := range map[string]string{
		"https://api.example.test":             "https://api.example.test",
		"https://api.example.test/":            "https://api.example.test",
		"https://api.example.test///":          "https://api.example.test",
		"https://api.example.test:8443":        "https://api.example.test:8443",
		"HTTPS://api.example.test":             "https://api.example.test",
		"https://api.runloop.ai.example.test#": "https://api.runloop.ai.example.test",
		"https://gate.example.test/runloop/":   "https://gate.example.test/runloop",
	} {
		assert.Equal(t, prefix+clienttest.PolicyPath, urlOf(t, runloop.WithBaseURL(base)))
	}
	for _, base := range []string{
		"https://gate.example.test/runloop", "https://gate.example.test/v1/x", "https://gate.example.test/v10",
		"https://gate.example.test/api-v1", "https://v1", "https://gate.example.test/a%2Fb/c", "https://gate.example.test/a..b/...",
		"https://[2001:db8::1]:8443/x", "https://[fe80::1%25eth0]:8443/x", "http://localhost", "http://localhost:8080",
		"http://127.0.0.1:8080", "http://127.200.3.4", "http://[::1]:8080", "http://[::ffff:127.0.0.1]:8080",
	} {
		assert.Equal(t, base+clienttest.PolicyPath, urlOf(t, runloop.WithBaseURL(base)))
	}
}

// urlOf returns the URL to which a client with the options sends a request.
func urlOf(t *testing.T, opts ...runloop.Option) string {
	t.Helper()
	var url string
	client, err := runloop.NewClient(append(opts, runloop.WithAPIKey(clienttest.APIKey),
		runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			url = r.URL.String()
			return clienttest.Respond(200, clienttest.PolicyJSON)(r)
		})}))...)
	require.NoError(t, err)
	require.NoError(t, clienttest.GetPolicy(t.Context(), client))
	return url
}

func TestInvalidBaseURLs(t *testing.T) {
	t.Parallel()
	for problem, bases := range map[string][]string{
		"does not start with https://, or http:// for a loopback address: write one like https://api.runloop.ai": {
			"", "api.runloop.ai", "api.runloop.ai:443", "//api.runloop.ai", "ftp://api.runloop.ai", "localhost:8080", "https:api.runloop.ai",
		},
		"has no host": {"https://", "https:///v1", "https://:443", "https:/api.runloop.ai"},
		"has an invalid host or port": {
			"https://https://api.runloop.ai", "https://api.runloop.ai:", "https://.", "https://a..b", "https://.runloop.ai", "https://<host>", "https://api.runloop.ai:0", "https://api.runloop.ai:99999"},
		"is not a valid URL": {
			"https://${API_HOST}", "https://api runloop ai", "https://api.runloop.ai:port",
			"https://[::1", "https://api.runloop.ai/%zz", "https://robot:s3cret@api.runloop.ai:x", "https://robot:s3cret%zz@api.runloop.ai",
		},
		"has space around it: remove it": {" https://api.runloop.ai", "https://api.runloop.ai\n", " "},
		"has a query or fragment":        {"https://api.runloop.ai?", "https://api.runloop.ai/?key=s3cret", "https://api.runloop.ai/#s3cret"},
		"has a dot segment": {
			"https://api.runloop.ai/./x", "https://api.runloop.ai/x/..", "https://api.runloop.ai/%2e%2E/x", "https://api.runloop.ai/a%2f..%2fb",
		},
		"ends in /v1, which the SDK adds: remove it": {
			"https://api.runloop.ai/v1", "https://api.runloop.ai/v1/", "https://api.runloop.ai/V1", "https://api.runloop.ai//v1//",
			"https://api.runloop.ai/%761", "https://gate.example.test/runloop/v1", "http://127.0.0.1:8080/v1",
		},
		"has an invalid path": {"https://api.runloop.ai/${X}", "https://api.runloop.ai/<path>", "https://api.runloop.ai/a b", "https://api.runloop.ai/%7bx%7d"},
		"has the path of a method": {
			"https://api.runloop.ai/v1/network-policies", "https://api.runloop.ai/v1/network-policies/", "https://api.runloop.ai/v1/devboxes/dbx_1",
		},
		"has a user name or password": {"https://robot@api.runloop.ai", "https://robot:s3cret@api.runloop.ai", "http://robot:s3cret@localhost"},
	} {
		for _, base := range bases {
			_, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), runloop.WithBaseURL(base), runloop.WithPlaintextHTTP())
			text := refused(t, err, "new client", "WithBaseURL")
			assert.Contains(t, text, problem, base)
			assert.NotContains(t, text, "robot")
			assertSecret(t, "s3cret", err)
		}
	}
}

// Anyone on the network path can read the key, so the caller must accept that.
func TestPlaintextBeyondLoopbackNeedsItsOption(t *testing.T) {
	t.Parallel()
	for _, base := range []string{
		"http://api.runloop.ai", "http://localhost.example.test", "http://mylocalhost", "http://127.0.0.1.example.test",
		"http://0.0.0.0:8080", "http://10.0.0.1:8080", "http://api.localhost:8080", "http://[::]:8080", "http://[2001:db8::1]",
	} {
		_, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), runloop.WithBaseURL(base))
		text := refused(t, err, "new client", "WithBaseURL")
		assert.Contains(t, text, "with http://, anyone on the network path can read the API key: write https://, or add WithPlaintextHTTP", base)
		assert.Equal(t, base+clienttest.PolicyPath, urlOf(t, runloop.WithBaseURL(base), runloop.WithPlaintextHTTP()))
	}
}

// The tests of the environment are not parallel, because the whole process shares it.

// firstRequest returns the first request of a client with the environment and opts.
func firstRequest(t *testing.T, opts ...runloop.Option) *http.Request {
	t.Helper()
	var request *http.Request
	client, err := runloop.NewClient(append(opts, runloop.WithHTTPClient(&http.Client{
		Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			request = r
			return clienttest.Respond(200, clienttest.PolicyJSON)(r)
		}),
	}))...)
	require.NoError(t, err)
	require.NoError(t, clienttest.GetPolicy(t.Context(), client))
	return request
}

// setEnvironment sets all variables that NewClient reads.
func setEnvironment(t *testing.T, key, baseURL, headers string) {
	t.Setenv("RUNLOOP_API_KEY", key)
	t.Setenv("RUNLOOP_BASE_URL", baseURL)
	t.Setenv("RUNLOOP_CUSTOM_HEADERS", headers)
}

func TestTheEnvironmentIsReadOnce(t *testing.T) {
	setEnvironment(t, "ak_first", "https://first.example.test/x", "X-Team: blue")
	var sent []*http.Request
	client, err := runloop.NewClient(runloop.WithMiddleware(func(http.RoundTripper) http.RoundTripper {
		return clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			sent = append(sent, r)
			return clienttest.Respond(200, clienttest.PolicyJSON)(r)
		})
	}))
	require.NoError(t, err)
	setEnvironment(t, "ak_second", "https://second.example.test", "X-Team: red")
	require.NoError(t, clienttest.GetPolicy(t.Context(), client))
	require.NoError(t, clienttest.GetPolicy(t.Context(), client, runloop.WithMaxRetries(0)))
	for _, r := range sent {
		assert.Equal(t, "https://first.example.test/x/v1/network-policies/npol_1", r.URL.String())
		assert.Equal(t, "Bearer ak_first", r.Header.Get("Authorization"))
		assert.Equal(t, "blue", r.Header.Get("X-Team"))
	}
	second := firstRequest(t)
	assert.Equal(t, "second.example.test", second.URL.Host)
	assert.Equal(t, "Bearer ak_second", second.Header.Get("Authorization"))
}

func TestEnvironmentIsTrimmed(t *testing.T) {
	setEnvironment(t, " ak_trimmed\r\n", "\thttps://api.example.test/ \n", "  \n")
	r := firstRequest(t)
	assert.Equal(t, "https://api.example.test/v1/network-policies/npol_1", r.URL.String())
	assert.Equal(t, "Bearer ak_trimmed", r.Header.Get("Authorization"))
}

func TestEmptyVariables(t *testing.T) {
	for _, empty := range []string{"", "  ", "\n"} {
		setEnvironment(t, "ak_key", empty, empty)
		r := firstRequest(t)
		assert.Equal(t, "https://api.runloop.ai/v1/network-policies/npol_1", r.URL.String())
		assert.Len(t, r.Header, 3)

		setEnvironment(t, empty, "", "")
		_, err := runloop.NewClient()
		assert.Equal(t, "runloop: new client: WithAPIKey: missing API key: set RUNLOOP_API_KEY, or pass WithAPIKey", err.Error())
	}
}

func TestOptionsTakePrecedenceOverTheEnvironment(t *testing.T) {
	for name, environment := range map[string][2]string{
		"good values": {"ak_environment", "https://environment.example.test"},
		"bad values":  {"not a key", "http://robot:s3cret@environment.example.test?x"},
	} {
		setEnvironment(t, environment[0], environment[1], "")
		r := firstRequest(t, runloop.WithAPIKey("ak_option"), runloop.WithBaseURL("https://option.example.test"))
		assert.Equal(t, "option.example.test", r.URL.Host, name)
		assert.Equal(t, "Bearer ak_option", r.Header.Get("Authorization"), name)
	}
	setEnvironment(t, "ak_environment", "", "")
	_, err := runloop.NewClient(runloop.WithAPIKey(""))
	refused(t, err, "new client", "WithAPIKey") // an empty option is a mistake
}

func TestErrorsNameTheVariable(t *testing.T) {
	setEnvironment(t, "not a key: s3cret", "", "")
	_, err := runloop.NewClient()
	assert.NotContains(t, refused(t, err, "new client", "RUNLOOP_API_KEY"), "s3cret")

	setEnvironment(t, "ak_key", "https://robot:s3cret@api.runloop.ai", "")
	_, err = runloop.NewClient()
	assert.NotContains(t, refused(t, err, "new client", "RUNLOOP_BASE_URL"), "s3cret")

	setEnvironment(t, "ak_key", "http://api.runloop.ai", "")
	_, err = runloop.NewClient()
	assert.Contains(t, refused(t, err, "new client", "RUNLOOP_BASE_URL"), "add WithPlaintextHTTP")
	assert.Equal(t, "http", firstRequest(t, runloop.WithPlaintextHTTP()).URL.Scheme)
}

func TestCustomHeaders(t *testing.T) {
	setEnvironment(t, "ak_key", "", "\n X-Team :  light blue \r\n\n\t\nX-Colons: a:b: c\nX-Empty:\nx-stage: test\nX-Twice: 1\nx-twice: 2\n")
	r := firstRequest(t, runloop.WithHeader("X-Stage", "production"))
	assert.Equal(t, []string{"light blue"}, r.Header["X-Team"])
	assert.Equal(t, []string{"a:b: c"}, r.Header["X-Colons"])
	assert.Equal(t, []string{""}, r.Header["X-Empty"])
	assert.Equal(t, []string{"production"}, r.Header["X-Stage"], "the option takes precedence")
	assert.Equal(t, []string{"2"}, r.Header["X-Twice"], "the last one wins")
	assert.Len(t, r.Header, 3+5)
}

func TestInvalidCustomHeaders(t *testing.T) {
	for value, problem := range map[string]string{
		"s3cret":                       `line 1 has no colon: write "Name: value"`,
		"X-Team: blue\n\ns3cret\n":     "line 3 has no colon",
		"\n\ns3cret":                   "line 3 has no colon",
		": s3cret":                     `a header has no name: write one, as in "X-Team"`,
		"X Team: s3cret":               `the name of a header has an invalid character after "X"`,
		"X-Team=s3cret:":               `the name of a header has an invalid character after "X-Team"`,
		"X-Team: s3cret\rX-Evil: 1":    "the value of header X-Team has a line break",
		"X-Team: s3cret\x01":           "the value of header X-Team has a line break or another invalid character",
		"X-Team: s3cr\xe9t":            "the value of header X-Team has a line break or another invalid character",
		"authorization: Bearer s3cret": "the header Authorization cannot be set: use WithAPIKey",
		"Idempotency-Key: s3cret":      "the header Idempotency-Key cannot be set: net/http would replay writes",
	} {
		setEnvironment(t, "ak_key", "", value)
		_, err := runloop.NewClient()
		text := refused(t, err, "new client", "RUNLOOP_CUSTOM_HEADERS")
		assert.Contains(t, text, problem)
		assert.NotContains(t, text, "s3cret")
	}
	setEnvironment(t, "ak_key", "", "X-Team: bad\x01")
	r := firstRequest(t, runloop.WithHeader("x-team", "blue"))
	assert.Equal(t, []string{"blue"}, r.Header["X-Team"], "an option replaces the invalid value")
}
