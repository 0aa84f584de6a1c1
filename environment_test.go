package runloop_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// The tests of this file set environment variables, which the whole process shares:
// none of them is parallel. Go runs the parallel tests when these are over.

// firstRequest returns the first request of a client that has only the environment
// and opts.
func firstRequest(t *testing.T, opts ...runloop.Option) *http.Request {
	t.Helper()
	request, err := tryFirstRequest(t, opts...)
	require.NoError(t, err)
	return request
}

func tryFirstRequest(t *testing.T, opts ...runloop.Option) (*http.Request, error) {
	t.Helper()
	var request *http.Request
	transport := clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		request = r
		return clienttest.Respond(200, clienttest.PolicyJSON)(r)
	})
	client, err := runloop.NewClient(append(opts, runloop.WithHTTPClient(&http.Client{Transport: transport}))...)
	if err != nil {
		return nil, err
	}
	_, err = client.NetworkPolicies.Get(t.Context(), "npol_1")
	require.NoError(t, err)
	return request, nil
}

// setEnvironment sets all variables that NewClient reads.
func setEnvironment(t *testing.T, key, baseURL, headers string) {
	t.Setenv("RUNLOOP_API_KEY", key)
	t.Setenv("RUNLOOP_BASE_URL", baseURL)
	t.Setenv("RUNLOOP_CUSTOM_HEADERS", headers)
}

func TestEnvironmentIsReadAtConstruction(t *testing.T) {
	setEnvironment(t, "ak_first", "https://first.example.test/x", "X-Team: blue")
	var sent []*http.Request
	client, err := runloop.NewClient(runloop.WithHTTPClient(&http.Client{
		Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			sent = append(sent, r)
			return clienttest.Respond(200, clienttest.PolicyJSON)(r)
		}),
	}))
	require.NoError(t, err)

	setEnvironment(t, "ak_second", "https://second.example.test", "X-Team: red")
	_, err = client.NetworkPolicies.Get(t.Context(), "npol_1")
	require.NoError(t, err)
	_, err = client.NetworkPolicies.Get(t.Context(), "npol_1", runloop.WithMaxRetries(0))
	require.NoError(t, err)

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

func TestEmptyVariablesAreAsUnset(t *testing.T) {
	for _, empty := range []string{"", "  ", "\n"} {
		setEnvironment(t, "ak_key", empty, empty)
		r := firstRequest(t)
		assert.Equal(t, "https://api.runloop.ai/v1/network-policies/npol_1", r.URL.String())
		assert.Len(t, r.Header, 3)

		setEnvironment(t, empty, "", "")
		_, err := tryFirstRequest(t)
		assert.Equal(t, "runloop: new client: WithAPIKey: missing API key: set RUNLOOP_API_KEY, or pass WithAPIKey", err.Error())
	}
}

func TestOptionsGoBeforeTheEnvironment(t *testing.T) {
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
	_, err := tryFirstRequest(t, runloop.WithAPIKey(""))
	refused(t, err, "new client", "WithAPIKey") // an empty option is a mistake, not a wish for the environment's
}

func TestErrorsNameTheVariable(t *testing.T) {
	setEnvironment(t, "not a key: s3cret", "", "")
	_, err := tryFirstRequest(t)
	assert.NotContains(t, refused(t, err, "new client", "RUNLOOP_API_KEY"), "s3cret")

	setEnvironment(t, "ak_key", "https://robot:s3cret@api.runloop.ai", "")
	_, err = tryFirstRequest(t)
	assert.NotContains(t, refused(t, err, "new client", "RUNLOOP_BASE_URL"), "s3cret")

	setEnvironment(t, "ak_key", "http://api.runloop.ai", "")
	_, err = tryFirstRequest(t)
	assert.Contains(t, refused(t, err, "new client", "RUNLOOP_BASE_URL"), "add WithPlaintextHTTP")
	assert.Equal(t, "http", firstRequest(t, runloop.WithPlaintextHTTP()).URL.Scheme)
}

func TestCustomHeaders(t *testing.T) {
	setEnvironment(t, "ak_key", "", "\n X-Team :  light blue \r\n\n\t\nX-Colons: a:b: c\nX-Empty:\nx-stage: test\nX-Twice: 1\nx-twice: 2\n")
	r := firstRequest(t, runloop.WithHeader("X-Stage", "production"))
	assert.Equal(t, []string{"light blue"}, r.Header["X-Team"])
	assert.Equal(t, []string{"a:b: c"}, r.Header["X-Colons"])
	assert.Equal(t, []string{""}, r.Header["X-Empty"])
	assert.Equal(t, []string{"production"}, r.Header["X-Stage"], "the option goes before the variable")
	assert.Equal(t, []string{"2"}, r.Header["X-Twice"], "the last one wins, as of options")
	assert.Len(t, r.Header, 3+5)
}

func TestBadCustomHeadersAreRefused(t *testing.T) {
	for name, test := range map[string]struct{ value, problem string }{
		"no colon":          {"s3cret", `line 1 has no colon: write "Name: value"`},
		"no colon, later":   {"X-Team: blue\n\ns3cret\n", "line 3 has no colon"},
		"blank lines first": {"\n\ns3cret", "line 3 has no colon"},
		"no name":           {": s3cret", `a header has no name: write one, as in "X-Team"`},
		"blank in the name": {"X Team: s3cret", `the name of a header has an invalid character after "X"`},
		"value in the name": {"X-Team=s3cret:", `the name of a header has an invalid character after "X-Team"`},
		"CR in the value":   {"X-Team: s3cret\rX-Evil: 1", "the value of header X-Team has a line break"},
		"control character": {"X-Team: s3cret\x01", "the value of header X-Team has a line break or another invalid character"},
		"not ASCII":         {"X-Team: s3cr\xe9t", "the value of header X-Team has a line break or another invalid character"},
		"reserved":          {"authorization: Bearer s3cret", "the header Authorization cannot be set: use WithAPIKey"},
		"repeats writes":    {"Idempotency-Key: s3cret", "the header Idempotency-Key cannot be set: net/http would replay writes"},
	} {
		t.Run(name, func(t *testing.T) {
			setEnvironment(t, "ak_key", "", test.value)
			_, err := tryFirstRequest(t)
			text := refused(t, err, "new client", "RUNLOOP_CUSTOM_HEADERS")
			assert.Contains(t, text, test.problem)
			assert.NotContains(t, text, "s3cret")
		})
	}
	setEnvironment(t, "ak_key", "", "X-Team: bad\x01")
	r := firstRequest(t, runloop.WithHeader("x-team", "blue"))
	assert.Equal(t, []string{"blue"}, r.Header["X-Team"], "a bad value that an option replaces does no harm")
}
