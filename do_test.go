package runloop_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

type devbox struct {
	ID     string            `json:"id"`
	Status string            `json:"status,omitempty"`
	Labels map[string]string `json:"metadata,omitempty"`
}

const boxPath = "/v1/devboxes/dbx_1"

func TestDoCallsAnEndpointWithoutAMethod(t *testing.T) {
	t.Parallel()
	api, client := responding(t, `{"id": "dbx_1", "status": "running", "unknown": 1}`)
	type launch struct {
		Name       string            `json:"name"`
		Parameters map[string]string `json:"launch_parameters"`
	}
	var box devbox
	err := client.Do(t.Context(), http.MethodPost, "/v1/devboxes", launch{"task", map[string]string{"network_policy_id": "npol_1"}}, &box)
	require.NoError(t, err)
	assert.Equal(t, devbox{ID: "dbx_1", Status: "running"}, box)
	sent := api.Only()
	assert.JSONEq(t, `{"name": "task", "launch_parameters": {"network_policy_id": "npol_1"}}`, sent.Body)
	assert.Equal(t, "application/json", sent.Header.Get("Content-Type"))
	assert.Equal(t, "Bearer "+clienttest.APIKey, sent.Header.Get("Authorization"))
}

func TestDoMethods(t *testing.T) {
	t.Parallel()
	for method, isWrite := range map[string]bool{
		"GET": false, "HEAD": false, "OPTIONS": false, "PUT": true, "DELETE": true, "POST": true, "PATCH": true,
	} {
		api, client := responding(t, ``)
		require.NoError(t, client.Do(t.Context(), method, boxPath, nil, nil), method)
		sent := api.Only()
		assert.Equal(t, method, sent.Method)
		assert.Equal(t, isWrite, sent.Header.Get("X-Request-Id") != "", "%s: only a write has a request ID", method)
	}
	const all = "GET, HEAD, OPTIONS, PUT, DELETE, POST or PATCH"
	for method, instead := range map[string]string{
		"": all, "TRACE": all, "CONNECT": all, "PURGE": all, "GET\r\nX-Evil: 1": all, "get": "GET", "Get ": "GET", "patch": "PATCH",
	} {
		api, client := clienttest.NewAPI(t)
		err := client.Do(t.Context(), method, "/v1/devboxes", nil, nil)
		assert.Equal(t, fmt.Sprintf("runloop: do: method: %q is not a supported method: write %s", method, instead), refused(t, err, "do", "method"))
		assert.Empty(t, api.Sent())
	}
}

func TestDoPaths(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"/", "/v1/devboxes", "/v1/devboxes/", "/v1/devboxes/a%2Fb", "/v1/devboxes/a..b/...", "/v1/devboxes:search",
		"/v1/devboxes?limit=5&name=a%26b", "/v1/devboxes?url=https://x/../y", "/v1/devboxes/{id}", "/v1/me@example.test",
	} {
		var sent *url.URL
		_, client := clienttest.NewAPI(t, runloop.WithBaseURL("https://gate.example.test/runloop"),
			runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				sent = r.URL
				return clienttest.Respond(200, ``)(r)
			})}))
		require.NoError(t, client.Do(t.Context(), http.MethodGet, path, nil, nil), path)
		assert.Equal(t, "gate.example.test", sent.Host, path)
		assert.Equal(t, "/runloop"+strings.ReplaceAll(path, "{id}", "%7Bid%7D"), sent.RequestURI())
	}
}

func TestDoInvalidPaths(t *testing.T) {
	t.Parallel()
	for problem, paths := range map[string][]string{
		`is not relative to the base URL: write it as in "/v1/devboxes"`: {
			"", "v1/devboxes", "?limit=1", "https://evil.example.test/v1", "//evil.example.test/v1", "//robot:pass@evil.example.test",
			"@evil.example.test/v1", "mailto:robot", ".",
		},
		"has a dot segment: write the resolved path":     {"/.", "/v1/../v2", "/v1/devboxes/..", "/v1/%2e%2E/v2", "/v1/.%2e", "/v1/a%2f..%2fb"},
		"has a fragment, which is never sent: remove it": {"/v1/devboxes#top"},
		"has a character that must be escaped: use url.PathEscape and url.Values": {
			"/v1/my devbox", "/v1/devboxes?name=my devbox", " /v1/devboxes", "/v1/devboxes\r\nX-Evil: 1", "/v1/devboxes\x00",
			"/v1/développement", "/v1/\xff",
		},
		"is not a valid path: escape it with url.PathEscape": {"/v1/%zz", "/v1/100%"},
	} {
		for _, path := range paths {
			api, client := clienttest.NewAPI(t)
			err := client.Do(t.Context(), http.MethodGet, path, nil, nil)
			assert.Contains(t, refused(t, err, "do", "path"), problem, path)
			assert.Empty(t, api.Sent())
		}
	}
}

func TestDoBodies(t *testing.T) {
	t.Parallel()
	type namedBytes []byte
	for name, test := range map[string]struct {
		body any
		want string
	}{
		"struct":            {devbox{ID: "dbx_1"}, `{"id": "dbx_1"}`},
		"pointer":           {&devbox{ID: "dbx_1", Labels: map[string]string{"a": "b"}}, `{"id": "dbx_1", "metadata": {"a": "b"}}`},
		"map":               {map[string]any{"b": 1, "a": []string{}}, `{"a": [], "b": 1}`},
		"raw JSON":          {json.RawMessage(` {"a": 1.50, "b": null} `), `{"a": 1.50, "b": null}`},
		"string":            {"text", `"text"`},
		"number":            {42, `42`},
		"explicit null":     {json.RawMessage(`null`), `null`},
		"empty map":         {map[string]any{}, `{}`},
		"empty list":        {[]string{}, `[]`},
		"policy of the SDK": {runloop.AllowedCIDR{CIDR: "10.0.0.0/8"}, `{"cidr": "10.0.0.0/8"}`},
		"HTML":              {map[string]string{"a": "<b>&"}, `{"a": "<b>&"}`},
		"large number":      {map[string]any{"n": json.Number("12345678901234567890")}, `{"n": 12345678901234567890}`},
		"order of fields":   {struct{ B, A int }{1, 2}, `{"B": 1, "A": 2}`},
	} {
		api, client := responding(t, ``)
		require.NoError(t, client.Do(t.Context(), http.MethodPut, boxPath, test.body, nil), name)
		sent := api.Only()
		assert.JSONEq(t, test.want, sent.Body, name)
		assert.Equal(t, "application/json", sent.Header.Get("Content-Type"))
	}
	var noMap map[string]string
	var nothing any
	for _, body := range []any{
		nil, (*devbox)(nil), noMap, []string(nil), []byte(nil), json.RawMessage(nil), (*bytes.Buffer)(nil), new(*devbox), &noMap, &nothing,
	} {
		api, client := responding(t, ``)
		require.NoError(t, client.Do(t.Context(), http.MethodPut, boxPath, body, nil))
		sent := api.Only()
		assert.Empty(t, sent.Body, "%T", body)
		assert.NotContains(t, sent.Header, "Content-Type")
	}
	for name, test := range map[string]struct {
		body    any
		problem string
	}{
		"nil function":              {(func())(nil), "unsupported type"},
		"pointer to itself":         {circle(), "refers to itself: pass a value that JSON can represent"},
		"bytes of a named type":     {namedBytes(`{}`), "bytes would be sent in base64: wrap JSON in json.RawMessage"},
		"bytes":                     {[]byte(`{}`), "bytes would be sent in base64: wrap JSON in json.RawMessage"},
		"reader":                    {strings.NewReader(`{}`), "*strings.Reader is a reader: pass the value to encode as JSON"},
		"buffer":                    {bytes.NewBufferString(`{}`), "*bytes.Buffer is a reader"},
		"function":                  {struct{ F func() }{}, "unsupported type"},
		"channel":                   {make(chan int), "unsupported type"},
		"invalid raw JSON":          {json.RawMessage(`{"a"`), "unexpected end of JSON input"},
		"raw JSON with a duplicate": {json.RawMessage(`{"a": 1, "a": 2}`), "duplicate object member name"},
		"failing MarshalJSON":       {failingMarshaler{}, "no such thing"},
	} {
		api, client := clienttest.NewAPI(t)
		err := client.Do(t.Context(), http.MethodPut, boxPath, test.body, nil)
		assert.Contains(t, refused(t, err, "PUT "+boxPath, "body"), test.problem, name)
		assert.Empty(t, api.Sent())
	}
}

// circle returns a pointer to itself.
func circle() any {
	type pointer *pointer
	p := new(pointer)
	*p = p
	return p
}

type failingMarshaler struct{}

func (failingMarshaler) MarshalJSON() ([]byte, error) { return nil, errors.New("no such thing") }

func TestDoResults(t *testing.T) {
	t.Parallel()
	api, client := responding(t, ` {"id": "dbx_1", "metadata": {"a": "b"}, "n": 12345678901234567890} `)
	do := func(result any) error {
		return client.Do(t.Context(), http.MethodGet, boxPath, nil, result)
	}

	var box devbox
	require.NoError(t, do(&box))
	assert.Equal(t, devbox{ID: "dbx_1", Labels: map[string]string{"a": "b"}}, box)
	var pointer *devbox
	require.NoError(t, do(&pointer))
	assert.Equal(t, "dbx_1", pointer.ID)
	var fields map[string]any
	require.NoError(t, do(&fields))
	assert.Equal(t, "dbx_1", fields["id"])
	var value any
	require.NoError(t, do(&value))
	assert.Equal(t, fields, value)
	var raw json.RawMessage
	require.NoError(t, do(&raw))
	assert.JSONEq(t, `{"id": "dbx_1", "metadata": {"a": "b"}, "n": 12345678901234567890}`, string(raw))
	require.NoError(t, do(nil))

	before := len(api.Sent())
	for _, result := range []any{box, fields, "text", 1, (*devbox)(nil), (*any)(nil)} {
		text := refused(t, do(result), "GET /v1/devboxes/dbx_1", "result")
		assert.Contains(t, text, fmt.Sprintf("%T is not a pointer to decode into", result))
	}
	assert.Len(t, api.Sent(), before, "nothing was sent")
}

// encoding/json decodes a number into a float64 if the target is an any.
func TestDoKeepsLargeIntegersInTypedFields(t *testing.T) {
	t.Parallel()
	_, client := responding(t, `{"n": 9007199254740993}`)
	var typed struct{ N int64 }
	var number struct{ N json.Number }
	var raw map[string]json.RawMessage
	for _, result := range []any{&typed, &number, &raw} {
		require.NoError(t, client.Do(t.Context(), http.MethodGet, boxPath, nil, result))
	}
	assert.Equal(t, int64(9007199254740993), typed.N)
	assert.Equal(t, json.Number("9007199254740993"), number.N)
	assert.Equal(t, "9007199254740993", string(raw["n"]))
}

func TestDoHasNoResultForHEAD(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	err := client.Do(t.Context(), http.MethodHead, boxPath, nil, new(any))
	assert.Contains(t, refused(t, err, "HEAD "+boxPath, "result"), "a response to HEAD has no body: pass nil")
	assert.Empty(t, api.Sent())
}

func TestDoRetriesHEAD(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		api, client := clienttest.NewAPI(t)
		api.On(http.MethodHead, boxPath, clienttest.Respond(503, ``), clienttest.Fail("connection reset"), clienttest.Respond(200, ``))
		require.NoError(t, client.Do(t.Context(), http.MethodHead, boxPath, nil, nil))
		assert.Len(t, api.Sent(), 3)
	})(t)
}

func TestDoIdempotent(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodGet} {
		t.Run(method, clienttest.InBubble(func(t *testing.T) {
			api, client := clienttest.NewAPI(t)
			api.On(method, "/v1/devboxes/dbx_1/suspend", clienttest.Respond(500, clienttest.BusyJSON),
				clienttest.Fail("connection reset"), clienttest.Respond(200, `{"id": "dbx_1"}`))
			var box devbox
			shared := append(make([]runloop.Option, 0, 8), runloop.WithIdempotent(), runloop.WithUserAgent("bot/1"))
			err := client.Do(t.Context(), method, "/v1/devboxes/dbx_1/suspend", nil, &box, shared...)
			require.NoError(t, err)
			assert.Equal(t, "dbx_1", box.ID)
			sent := api.Sent()
			require.Len(t, sent, 3)
			assert.Equal(t, sent[0].Header["X-Request-Id"], sent[2].Header["X-Request-Id"])
			assert.Nil(t, shared[:3][2], "the caller's slice is not modified")
		}))
	}
	t.Run("without", clienttest.InBubble(func(t *testing.T) {
		api, client := clienttest.NewAPI(t)
		api.On(http.MethodPost, "/v1/devboxes", clienttest.Respond(500, clienttest.BusyJSON))
		require.ErrorIs(t, client.Do(t.Context(), http.MethodPost, "/v1/devboxes", nil, nil), runloop.ErrServer)
		api.Only()
	}))
}

// After an attempt that may have been applied, a 404 proves nothing: the request may have
// deleted the resource, and load balancers send 404 too.
func TestDoNotFoundAfterAnAmbiguousAttempt(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"page": `<html>`, "message": `{"message": "not found"}`} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			api, client := clienttest.NewAPI(t)
			api.On(http.MethodDelete, boxPath, clienttest.Respond(503, ``), clienttest.Respond(404, body))
			api.On(http.MethodGet, boxPath, clienttest.Respond(503, ``), clienttest.Respond(404, body))
			err := client.Do(t.Context(), http.MethodDelete, boxPath, nil, nil)
			require.ErrorIs(t, err, runloop.ErrMaybeApplied)
			require.NotErrorIs(t, err, runloop.ErrNotFound)
			err = client.Do(t.Context(), http.MethodGet, boxPath, nil, nil)
			require.ErrorIs(t, err, runloop.ErrNotFound, "a read is never in doubt")
		}))
	}
}

func TestDoWithoutAResultIgnoresTheBody(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `null`, `{"id": "dbx_1"}`, `<html>`, "\xff"} {
		for _, status := range []int{200, 202, 204} {
			api, client := clienttest.NewAPI(t)
			api.On(http.MethodDelete, boxPath, clienttest.Respond(status, body))
			require.NoError(t, client.Do(t.Context(), http.MethodDelete, boxPath, nil, nil))
		}
	}
}

func TestDoLeavesTheResultUnchangedOnError(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status     int
		body, want string
	}{
		{200, ``, "the body is empty"},
		{200, " \n", "the body is empty"},
		{204, ``, "the body is empty"},
		{200, " null\n", "the JSON is null"},
		{200, `[]`, "cannot unmarshal array into Go value of type runloop_test.devbox"},
		{200, `{"id": "dbx_2", "metadata": {"a": "b"}, "status": 1}`, "cannot unmarshal number into Go struct field"},
		{200, `<html>`, "invalid character '<'"},
		{200, `{"id": "dbx_2", "metadata": {"a"`, "unexpected EOF"},
		{200, `{"id": "dbx_2"} x`, "the JSON is followed by more data"},
		{200, `{"id": "dbx_2"}{"id": "dbx_3"}`, "the JSON is followed by more data"},
		{200, `{"id": "dbx_2", "id": "dbx_3"}`, "duplicate object member name"},
		{200, "{\"id\": \"dbx_\xff\"}", "invalid UTF-8"},
		{200, `{"id": "dbx_\ud800"}`, "surrogate"},
		{200, `{"id": "dbx_2", "x": ` + strings.Repeat(`[`, 20_000) + strings.Repeat(`]`, 20_000) + `}`, "exceeded max depth"},
		{404, `{"id": "dbx_2"}`, "404 Not Found"},
		{302, `{"id": "dbx_2"}`, "302 Found"},
	} {
		api, client := clienttest.NewAPI(t, runloop.WithMaxRetries(0))
		api.On(http.MethodGet, boxPath, clienttest.Respond(test.status, test.body))
		box := devbox{ID: "before", Labels: map[string]string{"kept": "yes"}}
		err := client.Do(t.Context(), http.MethodGet, boxPath, nil, &box)
		require.ErrorContains(t, err, test.want)
		assert.True(t, strings.HasPrefix(err.Error(), "runloop: GET /v1/devboxes/dbx_1: "), err)
		assert.Equal(t, test.status < 300, errors.Is(err, runloop.ErrInvalidResponse))
		assert.Equal(t, devbox{ID: "before", Labels: map[string]string{"kept": "yes"}}, box)
	}
}

func TestDoErrorsNameTheMethodAndThePath(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodDelete, boxPath, clienttest.Respond(400, `{"message": "already exists"}`))
	err := client.Do(t.Context(), http.MethodDelete, "/v1/devboxes/dbx_1?token=s3cret", nil, nil)
	assert.Equal(t, "DELETE /v1/devboxes/dbx_1", clienttest.AsAPIError(t, err).Op)
	assert.Equal(t, []string{"ErrBadRequest"}, clienttest.Sentinels(err), "Do has no ErrPolicyInUse or ErrNameTaken")
	assert.Equal(t, "token=s3cret", api.Only().Query)
	assert.NotContains(t, err.Error(), "s3cret")
}
