package runloop_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// refused says that err is a ValidationError about the field, and returns its text.
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

// N7: what is written into a header unchecked can end it and begin another.
func TestBadOptionsAreRefused(t *testing.T) {
	t.Parallel()
	tooLong := strings.Repeat("x", 8<<10+1)
	for name, test := range map[string]struct {
		option  runloop.Option
		field   string
		problem string
	}{
		"key, empty":            {runloop.WithAPIKey(""), "WithAPIKey", "the API key is empty: write the key, or omit the option for RUNLOOP_API_KEY"},
		"key, blank":            {runloop.WithAPIKey(" \t"), "WithAPIKey", "the API key is empty: write the key, or omit the option for RUNLOOP_API_KEY"},
		"key, blank at its end": {runloop.WithAPIKey("ak_secret "), "WithAPIKey", "contains a space"},
		"key, blank in it":      {runloop.WithAPIKey("ak secret ak_secret"), "WithAPIKey", "contains a space"},
		"key, line break":       {runloop.WithAPIKey("ak_secret\r\nX-Evil: 1"), "WithAPIKey", "contains a space, a line break"},
		"key, NUL":              {runloop.WithAPIKey("ak_secret\x00"), "WithAPIKey", "another invalid character"},
		"key, not ASCII":        {runloop.WithAPIKey("ak_secreté"), "WithAPIKey", "another invalid character"},
		"key, not UTF-8":        {runloop.WithAPIKey("ak_secret\xff"), "WithAPIKey", "another invalid character"},
		"key, too long":         {runloop.WithAPIKey("ak_secret" + tooLong), "WithAPIKey", "the API key is longer than 8192 bytes: write the key alone"},
		"HTTP client, nil":      {runloop.WithHTTPClient(nil), "WithHTTPClient", "nil client: omit the option"},
		"HTTP client, jar":      {runloop.WithHTTPClient(&http.Client{Jar: untouchedJar{}}), "WithHTTPClient", "has a Jar, which the SDK does not use: set Jar to nil"},
		"HTTP client, redirect": {runloop.WithHTTPClient(&http.Client{CheckRedirect: noRedirect}), "WithHTTPClient", "has a CheckRedirect, which the SDK does not use: set it to nil"},
		"HTTP client, nil in":   {runloop.WithHTTPClient(&http.Client{Transport: (*http.Transport)(nil)}), "WithHTTPClient", "Transport is a nil *http.Transport"},
		"ignored rule, empty":   {runloop.WithIgnoredRules("allowed_ports", ""), "WithIgnoredRules", `"" is not the name of an egress field`},
		"ignored rule, blanks":  {runloop.WithIgnoredRules(" allowed_ports"), "WithIgnoredRules", `" allowed_ports" is not the name of an egress field`},
		"header, no name":       {runloop.WithHeader("", "ak_secret"), "WithHeader", `a header has no name: write one, as in "X-Team"`},
		"header, blank in name": {runloop.WithHeader("X Team", "ak_secret"), "WithHeader", `the name of a header has an invalid character after "X"`},
		"header, colon in name": {runloop.WithHeader("X-Team:", "ak_secret"), "WithHeader", `the name of a header has an invalid character after "X-Team"`},
		"header, name injects":  {runloop.WithHeader("X-Team\r\nX-Evil", "ak_secret"), "WithHeader", `the name of a header has an invalid character after "X-Team"`},
		"header, CR":            {runloop.WithHeader("X-Team", "ak_secret\rX-Evil: 1"), "WithHeader", "the value of header X-Team has a line break"},
		"header, LF":            {runloop.WithHeader("X-Team", "ak_secret\nX-Evil: 1"), "WithHeader", "the value of header X-Team has a line break"},
		"header, NUL":           {runloop.WithHeader("X-Team", "ak_secret\x00"), "WithHeader", "the value of header X-Team has a line break or another invalid character"},
		"header, DEL":           {runloop.WithHeader("X-Team", "ak_secret\x7f"), "WithHeader", "or another invalid character"},
		"header, not ASCII":     {runloop.WithHeader("X-Team", "ak_secreté"), "WithHeader", "or another invalid character"},
		"header, too long":      {runloop.WithHeader("X-Team", "ak_secret"+tooLong), "WithHeader", "is longer than 8192 bytes: shorten it"},
		"header, replays":       {runloop.WithHeader("idempotency-key", "ak_secret"), "WithHeader", "use WithIdempotencyKey on a single call"},
		"header, replays too":   {runloop.WithHeader("X-IDEMPOTENCY-KEY", "ak_secret"), "WithHeader", "use WithIdempotencyKey on a single call"},
		"base URL, injects":     {runloop.WithBaseURL("http://localhost/ak_secret\r\nX-Evil: 1"), "WithBaseURL", "is not a valid URL"},
		"user agent, LF":        {runloop.WithUserAgent("bot/1\nX-Evil: ak_secret"), "WithUserAgent", "has a line break"},
		"timeout, zero":         {runloop.WithAttemptTimeout(0), "WithAttemptTimeout", "0s is not positive: omit the option for the default of 30s"},
		"timeout, no unit":      {runloop.WithAttemptTimeout(30), "WithAttemptTimeout", "30ns is shorter than a millisecond: write it as in 30*time.Second"},
		"timeout, negative":     {runloop.WithAttemptTimeout(-time.Second), "WithAttemptTimeout", "-1s is not positive"},
		"retries, negative":     {runloop.WithMaxRetries(-1), "WithMaxRetries", "-1 is not between 0 and 100: write 0 for no retries"},
		"retries, too many":     {runloop.WithMaxRetries(101), "WithMaxRetries", "101 is not between 0 and 100"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), test.option)
			text := refused(t, err, "new client", test.field)
			assert.Contains(t, text, test.problem)
			assert.NotContains(t, text, "ak_secret")

			api, client := clienttest.NewAPI(t)
			for _, call := range clienttest.PolicyCalls {
				_, err := call.Do(t.Context(), client, test.option)
				text := refused(t, err, call.Op, test.field)
				assert.Contains(t, text, test.problem)
				assert.NotContains(t, text, "ak_secret")
			}
			assert.Empty(t, api.Sent())
		})
	}
}

func TestGoodOptionsAreTaken(t *testing.T) {
	t.Parallel()
	var response *http.Response
	for name, option := range map[string]runloop.Option{
		"key":                    runloop.WithAPIKey("ak_other"),
		"key of odd characters":  runloop.WithAPIKey(`!"#$%&'()*+,-./:;=>?@[\]^_{|}~`),
		"header":                 runloop.WithHeader("X-Team", "blue"),
		"header, empty":          runloop.WithHeader("X-Team", ""),
		"header, tab and blanks": runloop.WithHeader("X-Team", "light\tblue, dark blue"),
		"header, every mark":     runloop.WithHeader("x!#$%&'*+-.^_`|~9", "1"),
		"header, longest":        runloop.WithHeader("X-Team", strings.Repeat("x", 8<<10)),
		"user agent":             runloop.WithUserAgent("bot/1"),
		"user agent, empty":      runloop.WithUserAgent(""),
		"timeout":                runloop.WithAttemptTimeout(time.Minute),
		"no retries":             runloop.WithMaxRetries(0),
		"most retries":           runloop.WithMaxRetries(100),
		"no budget":              runloop.WithoutRetryBudget(),
		"logger":                 runloop.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))),
		"logger, nil is silent":  runloop.WithLogger(nil),
		"plaintext":              runloop.WithPlaintextHTTP(),
		"no middleware":          runloop.WithMiddleware(),
		"ignored rules":          runloop.WithIgnoredRules("allowed_ports", "audit"),
		"no ignored rules":       runloop.WithIgnoredRules(),
		"nil is ignored":         nil,
		"idempotency key":        runloop.WithIdempotencyKey(strings.Repeat("k", 255)),
		"response":               runloop.WithResponseInto(&response),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			api.On(http.MethodPost, clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))
			_, err := clienttest.UpdateCall.Do(t.Context(), client, option)
			require.NoError(t, err)
			api.Only()
		})
	}
}

// An untouchedJar panics when it is used.
type untouchedJar struct{ http.CookieJar }

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// What is pasted in place of a key is refused, and no part of it appears in the error.
func TestAPIKeysThatAreNotTheKeyAlone(t *testing.T) {
	t.Parallel()
	const (
		quoted      = "the API key is in quotes: remove them"
		scheme      = `the API key begins with "Bearer" or "Authorization", which the SDK adds: write the key alone`
		placeholder = "the API key is a placeholder or a variable that was not expanded: write the key itself"
	)
	for key, problem := range map[string]string{
		`"ak_s3cret"`:                      quoted,
		`'ak_s3cret'`:                      quoted,
		"`ak_s3cret`":                      quoted,
		`"ak_s3cret`:                       quoted,
		`ak_s3cret"`:                       quoted,
		` "ak_s3cret" `:                    quoted,
		`\"ak_s3cret\"`:                    quoted,
		`'"ak_s3cret"'`:                    quoted,
		"“ak_s3cret”":                      quoted,
		"‘ak_s3cret’":                      quoted,
		"„ak_s3cret“":                      quoted,
		"«ak_s3cret»":                      quoted,
		`"Bearer ak_s3cret"`:               quoted,
		"Bearer ak_s3cret":                 scheme,
		"bearer ak_s3cret":                 scheme,
		"BEARER\tak_s3cret":                scheme,
		"Bearer: ak_s3cret":                scheme,
		" Bearer  ak_s3cret":               scheme,
		"Bearer":                           scheme,
		"Bearer=ak_s3cret":                 scheme,
		"Authorization: Bearer ak_s3cret":  scheme,
		"authorization:ak_s3cret":          scheme,
		"${RUNLOOP_KEY_s3cret}":            placeholder,
		"ak_${s3cret}":                     placeholder,
		"$(cat s3cret)":                    placeholder,
		"$RUNLOOP_API_KEY":                 placeholder,
		"$s3cret":                          placeholder,
		"%RUNLOOP_API_KEY%":                placeholder,
		"%s3cret%":                         placeholder,
		"<your-key-s3cret>":                placeholder,
		"ak_<s3cret>":                      placeholder,
		"{{ .s3cret }}":                    placeholder,
		"{{s3cret}}":                       placeholder,
		"RUNLOOP_API_KEY=ak_s3cret":        placeholder,
		"export RUNLOOP_API_KEY=ak_s3cret": placeholder,
	} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			_, err := runloop.NewClient(runloop.WithAPIKey(key))
			assert.Equal(t, "runloop: new client: WithAPIKey: "+problem, refused(t, err, "new client", "WithAPIKey"))

			api, client := clienttest.NewAPI(t)
			err = clienttest.GetPolicy(t.Context(), client, runloop.WithAPIKey(key))
			assert.Equal(t, "runloop: get network policy: WithAPIKey: "+problem, refused(t, err, "get network policy", "WithAPIKey"))
			assertSecret(t, "s3cret", err)
			assert.Empty(t, api.Sent())
		})
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

func TestOptionsOfOneCallAreRefusedByNewClient(t *testing.T) {
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

// WithIdempotent means something to Do alone: see TestDoIdempotent.
func TestIdempotentIsRefusedByAllButDo(t *testing.T) {
	t.Parallel()
	const problem = ": WithIdempotent: it applies to a single call of Do: pass it to Do"
	_, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey), runloop.WithIdempotent())
	assert.Equal(t, "runloop: new client"+problem, refused(t, err, "new client", "WithIdempotent"))
	api, client := clienttest.NewAPI(t)
	for _, call := range clienttest.PolicyCalls {
		_, err := call.Do(t.Context(), client, runloop.WithIdempotent())
		assert.Equal(t, "runloop: "+call.Op+problem, refused(t, err, call.Op, "WithIdempotent"))
	}
	assert.Empty(t, api.Sent())
}

func TestBadOptionsOfOneCall(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		option         runloop.Option
		field, problem string
	}{
		"idempotency key, empty":      {runloop.WithIdempotencyKey(""), "WithIdempotencyKey", "the key is empty: omit the option for a new one"},
		"idempotency key, too long":   {runloop.WithIdempotencyKey(strings.Repeat("k", 256)), "WithIdempotencyKey", "longer than 255 bytes: write a shorter one"},
		"idempotency key, injects":    {runloop.WithIdempotencyKey("k\r\nX-Evil: 1"), "WithIdempotencyKey", "other than visible ASCII: write letters, digits and punctuation only"},
		"idempotency key, blank":      {runloop.WithIdempotencyKey("task 17"), "WithIdempotencyKey", "other than visible ASCII: write letters, digits and punctuation only"},
		"idempotency key, not ASCII":  {runloop.WithIdempotencyKey("tâche"), "WithIdempotencyKey", "other than visible ASCII: write letters, digits and punctuation only"},
		"response, no place to go to": {runloop.WithResponseInto(nil), "WithResponseInto", "nil destination"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			_, err := clienttest.CreateCall.Do(t.Context(), client, test.option)
			assert.Contains(t, refused(t, err, "create network policy", test.field), test.problem)
			assert.Empty(t, api.Sent())
		})
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

func TestOfTwoOptionsOfAKindTheLastWins(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t,
		runloop.WithAPIKey("not a key"), runloop.WithAPIKey("ak_last"),
		runloop.WithAttemptTimeout(-1), runloop.WithAttemptTimeout(time.Minute),
		runloop.WithHeader("x-team", "bad\n"), runloop.WithHeader("X-Team", "blue"),
		runloop.WithUserAgent("first/1"), runloop.WithUserAgent("last/2"),
	)
	api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))
	_, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
	require.NoError(t, err)
	header := api.Only().Header
	assert.Equal(t, []string{"Bearer ak_last"}, header["Authorization"])
	assert.Equal(t, []string{"blue"}, header["X-Team"])
	assert.Regexp(t, `/\d+\.\d+\.\d+ last/2$`, header.Get("User-Agent"))
}

func TestOptionsOfACallHoldForThatCall(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))
	api.RegisterResponder(http.MethodGet, "https://eu.example.test/api"+clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))

	_, err := client.NetworkPolicies.Get(t.Context(), "npol_1",
		runloop.WithAPIKey("ak_other"), runloop.WithBaseURL("https://eu.example.test/api"), runloop.WithUserAgent("bot/1"))
	require.NoError(t, err)
	_, err = client.NetworkPolicies.Get(t.Context(), "npol_1")
	require.NoError(t, err)

	sent := api.Sent()
	require.Len(t, sent, 2)
	assert.Equal(t, "/api"+clienttest.PolicyPath, sent[0].Path)
	assert.Equal(t, "Bearer ak_other", sent[0].Header.Get("Authorization"))
	assert.Equal(t, clienttest.PolicyPath, sent[1].Path)
	assert.Equal(t, "Bearer "+clienttest.APIKey, sent[1].Header.Get("Authorization"))
	assert.Regexp(t, clienttest.UserAgent, sent[1].Header.Get("User-Agent"))
}

func TestWhereTheTimeoutOfAnAttemptComesFrom(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		httpClient   time.Duration
		client, call []runloop.Option
		want         time.Duration
	}{
		"the default":                      {0, nil, nil, 30 * time.Second},
		"the http.Client's":                {5 * time.Second, nil, nil, 5 * time.Second},
		"an http.Client's that is no time": {-time.Second, nil, nil, 30 * time.Second},
		"the option, before both":          {5 * time.Second, []runloop.Option{runloop.WithAttemptTimeout(time.Minute)}, nil, time.Minute},
		"the call's, before all": {5 * time.Second, []runloop.Option{runloop.WithAttemptTimeout(time.Minute)},
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

			_, err := client.NetworkPolicies.Get(t.Context(), "npol_1", test.call...)

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

func TestResponseOfALoopIsTheLastPages(t *testing.T) {
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
	assert.Contains(t, seen[0], `"id": "npol_2"`, "the last policy of a page comes after the next page")
}
