package runloop_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
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

func TestDoCallsAnEndpointThatIsNotWrapped(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodPost, "/v1/devboxes", clienttest.Respond(200, `{"id": "dbx_1", "status": "running", "unknown": 1}`))

	type launch struct {
		Name       string            `json:"name"`
		Parameters map[string]string `json:"launch_parameters"`
	}
	var box devbox
	err := client.Do(t.Context(), http.MethodPost, "/v1/devboxes",
		launch{Name: "task", Parameters: map[string]string{"network_policy_id": "npol_1"}}, &box)

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
		api, client := clienttest.NewAPI(t)
		api.On(method, "/v1/devboxes/dbx_1", clienttest.Respond(200, ``))
		require.NoError(t, client.Do(t.Context(), method, "/v1/devboxes/dbx_1", nil, nil), method)
		sent := api.Only()
		assert.Equal(t, method, sent.Method)
		assert.Equal(t, isWrite, sent.Header.Get("X-Request-Id") != "", "%s: only a write has an ID", method)
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
	for path, want := range map[string]string{
		"/":                               "/",
		"/v1/devboxes":                    "/v1/devboxes",
		"/v1/devboxes/":                   "/v1/devboxes/",
		"/v1/devboxes/a%2Fb":              "/v1/devboxes/a%2Fb",
		"/v1/devboxes/a..b/...":           "/v1/devboxes/a..b/...",
		"/v1/devboxes:search":             "/v1/devboxes:search",
		"/v1/devboxes?limit=5&name=a%26b": "/v1/devboxes?limit=5&name=a%26b",
		"/v1/devboxes?url=https://x/../y": "/v1/devboxes?url=https://x/../y",
		"/v1/devboxes/{id}":               "/v1/devboxes/%7Bid%7D",
		"/v1/me@example.test":             "/v1/me@example.test",
	} {
		var sent string
		_, client := clienttest.NewAPI(t, runloop.WithBaseURL("https://gate.example.test/runloop"),
			runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				assert.Equal(t, "gate.example.test", r.URL.Host, path)
				sent = r.URL.RequestURI()
				return clienttest.Respond(200, ``)(r)
			})}))
		require.NoError(t, client.Do(t.Context(), http.MethodGet, path, nil, nil), path)
		assert.Equal(t, "/runloop"+want, sent)
	}
}

func TestDoRefusesWhatIsNoPathBelowTheBaseURL(t *testing.T) {
	t.Parallel()
	for path, problem := range map[string]string{
		"":                               `is not relative to the base URL: write it as in "/v1/devboxes"`,
		"v1/devboxes":                    "is not relative to the base URL",
		"?limit=1":                       "is not relative to the base URL",
		"https://evil.example.test/v1":   "is not relative to the base URL",
		"//evil.example.test/v1":         "is not relative to the base URL",
		"//robot:pass@evil.example.test": "is not relative to the base URL",
		"@evil.example.test/v1":          "is not relative to the base URL",
		"mailto:robot":                   "is not relative to the base URL",
		".":                              "is not relative to the base URL",
		"/.":                             "has a dot segment: write the resolved path",
		"/v1/../v2":                      "has a dot segment",
		"/v1/devboxes/..":                "has a dot segment",
		"/v1/%2e%2E/v2":                  "has a dot segment",
		"/v1/.%2e":                       "has a dot segment",
		"/v1/a%2f..%2fb":                 "has a dot segment",
		"/v1/devboxes#top":               "has a fragment, which is never sent: remove it",
		"/v1/my devbox":                  "has a character that must be escaped: use url.PathEscape and url.Values",
		"/v1/devboxes?name=my devbox":    "has a character that must be escaped",
		" /v1/devboxes":                  "has a character that must be escaped",
		"/v1/devboxes\r\nX-Evil: 1":      "has a character that must be escaped",
		"/v1/devboxes\x00":               "has a character that must be escaped",
		"/v1/développement":              "has a character that must be escaped",
		"/v1/\xff":                       "has a character that must be escaped",
		"/v1/%zz":                        "is not a valid path: escape it with url.PathEscape",
		"/v1/100%":                       "is not a valid path: escape it with url.PathEscape",
	} {
		t.Run(fmt.Sprintf("%q", path), func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			err := client.Do(t.Context(), http.MethodGet, path, nil, nil)
			assert.Contains(t, refused(t, err, "do", "path"), problem)
			assert.Empty(t, api.Sent())
		})
	}
}

type unmarshalable struct{ F func() }

func TestDoBodies(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body any
		want string
	}{
		"struct":              {devbox{ID: "dbx_1"}, `{"id": "dbx_1"}`},
		"pointer":             {&devbox{ID: "dbx_1", Labels: map[string]string{"a": "b"}}, `{"id": "dbx_1", "metadata": {"a": "b"}}`},
		"map":                 {map[string]any{"b": 1, "a": []string{}}, `{"a": [], "b": 1}`},
		"raw JSON":            {json.RawMessage(` {"a": 1.50, "b": null} `), `{"a": 1.50, "b": null}`},
		"string":              {"text", `"text"`},
		"number":              {42, `42`},
		"explicit null":       {json.RawMessage(`null`), `null`},
		"empty map":           {map[string]any{}, `{}`},
		"empty list":          {[]string{}, `[]`},
		"policy of the SDK":   {runloop.AllowedCIDR{CIDR: "10.0.0.0/8"}, `{"cidr": "10.0.0.0/8"}`},
		"characters of HTML":  {map[string]string{"a": "<b>&"}, `{"a": "<b>&"}`},
		"large number":        {map[string]any{"n": json.Number("12345678901234567890")}, `{"n": 12345678901234567890}`},
		"an encoding's order": {struct{ B, A int }{1, 2}, `{"B": 1, "A": 2}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			api.On(http.MethodPut, "/v1/devboxes", clienttest.Respond(200, ``))
			require.NoError(t, client.Do(t.Context(), http.MethodPut, "/v1/devboxes", test.body, nil))
			sent := api.Only()
			assert.JSONEq(t, test.want, sent.Body)
			assert.Equal(t, "application/json", sent.Header.Get("Content-Type"))
		})
	}
	var noMap map[string]string
	var nothing any
	for name, body := range map[string]any{
		"nil":               nil,
		"nil pointer":       (*devbox)(nil),
		"nil map":           noMap,
		"nil slice":         []string(nil),
		"nil bytes":         []byte(nil),
		"nil raw JSON":      json.RawMessage(nil),
		"nil reader":        (*bytes.Buffer)(nil),
		"nil in a pointer":  new(*devbox),
		"nil map, likewise": &noMap,
		"nil interface":     &nothing,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			api.On(http.MethodPut, "/v1/devboxes", clienttest.Respond(200, ``))
			require.NoError(t, client.Do(t.Context(), http.MethodPut, "/v1/devboxes", body, nil))
			sent := api.Only()
			assert.Empty(t, sent.Body)
			assert.NotContains(t, sent.Header, "Content-Type")
		})
	}
	for name, test := range map[string]struct {
		body    any
		problem string
	}{
		"nil function":             {(func())(nil), "unsupported type"},
		"circle":                   {circle(), "leads to itself: pass a value that JSON can represent"},
		"bytes of a type":          {namedBytes(`{}`), "bytes would be sent in base64: wrap JSON in json.RawMessage"},
		"bytes":                    {[]byte(`{}`), "bytes would be sent in base64: wrap JSON in json.RawMessage"},
		"reader":                   {strings.NewReader(`{}`), "*strings.Reader is a reader: pass the value to encode as JSON"},
		"buffer":                   {bytes.NewBufferString(`{}`), "*bytes.Buffer is a reader"},
		"function":                 {unmarshalable{}, "unsupported type"},
		"channel":                  {make(chan int), "unsupported type"},
		"raw JSON that is none":    {json.RawMessage(`{"a"`), "unexpected end of JSON input"},
		"raw JSON with a twin":     {json.RawMessage(`{"a": 1, "a": 2}`), "duplicate object member name"},
		"a MarshalJSON that fails": {failingMarshaler{}, "no such thing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			err := client.Do(t.Context(), http.MethodPut, "/v1/devboxes", test.body, nil)
			assert.Contains(t, refused(t, err, "PUT /v1/devboxes", "body"), test.problem)
			assert.Empty(t, api.Sent())
		})
	}
}

// circle returns a pointer that leads to itself.
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
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodGet, "/v1/devboxes/dbx_1", clienttest.Respond(200, ` {"id": "dbx_1", "metadata": {"a": "b"}, "n": 12345678901234567890} `))
	do := func(result any) error {
		return client.Do(t.Context(), http.MethodGet, "/v1/devboxes/dbx_1", nil, result)
	}

	var box devbox
	require.NoError(t, do(&box))
	assert.Equal(t, devbox{ID: "dbx_1", Labels: map[string]string{"a": "b"}}, box)
	var pointer *devbox
	require.NoError(t, do(&pointer))
	assert.Equal(t, "dbx_1", pointer.ID)
	var members map[string]any
	require.NoError(t, do(&members))
	assert.Equal(t, "dbx_1", members["id"])
	var value any
	require.NoError(t, do(&value))
	assert.Equal(t, members, value)
	var raw json.RawMessage
	require.NoError(t, do(&raw))
	assert.JSONEq(t, `{"id": "dbx_1", "metadata": {"a": "b"}, "n": 12345678901234567890}`, string(raw))
	require.NoError(t, do(nil))

	before := len(api.Sent())
	for _, result := range []any{box, members, "text", 1, (*devbox)(nil), (*any)(nil)} {
		text := refused(t, do(result), "GET /v1/devboxes/dbx_1", "result")
		assert.Contains(t, text, fmt.Sprintf("%T is not a pointer to decode into", result))
	}
	assert.Len(t, api.Sent(), before, "nothing was sent")
}

// encoding/json makes a float64 of a number that is decoded into an any.
func TestDoKeepsLargeIntegersInTypedFields(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodGet, "/v1/devboxes/dbx_1", clienttest.Respond(200, `{"n": 9007199254740993}`))
	var typed struct{ N int64 }
	var number struct{ N json.Number }
	var raw map[string]json.RawMessage
	for _, result := range []any{&typed, &number, &raw} {
		require.NoError(t, client.Do(t.Context(), http.MethodGet, "/v1/devboxes/dbx_1", nil, result))
	}
	assert.Equal(t, int64(9007199254740993), typed.N)
	assert.Equal(t, json.Number("9007199254740993"), number.N)
	assert.Equal(t, "9007199254740993", string(raw["n"]))
}

func TestDoHasNoResultForHEAD(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	err := client.Do(t.Context(), http.MethodHead, "/v1/devboxes", nil, new(any))
	assert.Contains(t, refused(t, err, "HEAD /v1/devboxes", "result"), "a response to HEAD has no body: pass nil")
	assert.Empty(t, api.Sent())
}

func TestDoRetriesHEAD(t *testing.T) {
	clienttest.InBubble(func(t *testing.T) {
		api, client := clienttest.NewAPI(t)
		api.On(http.MethodHead, "/v1/devboxes", clienttest.Respond(503, ``), clienttest.Fail("connection reset"), clienttest.Respond(200, ``))
		require.NoError(t, client.Do(t.Context(), http.MethodHead, "/v1/devboxes", nil, nil))
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
			assert.Nil(t, shared[:3][2], "the caller's list is not written to")
		}))
	}
	t.Run("without", clienttest.InBubble(func(t *testing.T) {
		api, client := clienttest.NewAPI(t)
		api.On(http.MethodPost, "/v1/devboxes", clienttest.Respond(500, clienttest.BusyJSON))
		require.ErrorIs(t, client.Do(t.Context(), http.MethodPost, "/v1/devboxes", nil, nil), runloop.ErrServer)
		api.Only()
	}))
}

// After an attempt that may have been applied, a 404 tells nothing: the request may have
// deleted what it names, and a load balancer sends 404 as well.
func TestDoBelievesNoNotFoundInDoubt(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"page": `<html>`, "message": `{"message": "not found"}`} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			api, client := clienttest.NewAPI(t)
			api.On(http.MethodDelete, "/v1/devboxes/dbx_1", clienttest.Respond(503, ``), clienttest.Respond(404, body))
			api.On(http.MethodGet, "/v1/devboxes/dbx_1", clienttest.Respond(503, ``), clienttest.Respond(404, body))

			err := client.Do(t.Context(), http.MethodDelete, "/v1/devboxes/dbx_1", nil, nil)
			require.ErrorIs(t, err, runloop.ErrMaybeApplied)
			require.NotErrorIs(t, err, runloop.ErrNotFound)

			err = client.Do(t.Context(), http.MethodGet, "/v1/devboxes/dbx_1", nil, nil)
			require.ErrorIs(t, err, runloop.ErrNotFound, "what only reads is never in doubt")
		}))
	}
}

func TestDoWithoutAResultDoesNotLookAtTheBody(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `null`, `{"id": "dbx_1"}`, `<html>`, "\xff"} {
		for _, status := range []int{200, 202, 204} {
			api, client := clienttest.NewAPI(t)
			api.On(http.MethodDelete, "/v1/devboxes/dbx_1", clienttest.Respond(status, body))
			require.NoError(t, client.Do(t.Context(), http.MethodDelete, "/v1/devboxes/dbx_1", nil, nil))
		}
	}
}

func TestDoLeavesTheResultAsItWasOnAnyError(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"empty":             {200, ``, "the body is empty"},
		"blank":             {200, " \n", "the body is empty"},
		"no content":        {204, ``, "the body is empty"},
		"null":              {200, `null`, "the JSON is null"},
		"null, with blanks": {200, " null\n", "the JSON is null"},
		"array":             {200, `[]`, "cannot unmarshal array into Go value of type runloop_test.devbox"},
		"wrong type, late":  {200, `{"id": "dbx_2", "metadata": {"a": "b"}, "status": 1}`, "cannot unmarshal number into Go struct field"},
		"HTML":              {200, `<html>`, "invalid character '<'"},
		"cut":               {200, `{"id": "dbx_2", "metadata": {"a"`, "unexpected EOF"},
		"trailing garbage":  {200, `{"id": "dbx_2"} x`, "the JSON is followed by more data"},
		"second document":   {200, `{"id": "dbx_2"}{"id": "dbx_3"}`, "the JSON is followed by more data"},
		"a name twice":      {200, `{"id": "dbx_2", "id": "dbx_3"}`, "duplicate object member name"},
		"invalid UTF-8":     {200, "{\"id\": \"dbx_\xff\"}", "invalid UTF-8"},
		"lone surrogate":    {200, `{"id": "dbx_\ud800"}`, "surrogate"},
		"deep":              {200, `{"id": "dbx_2", "x": ` + strings.Repeat(`[`, 20_000) + strings.Repeat(`]`, 20_000) + `}`, "exceeded max depth"},
		"error status":      {404, `{"id": "dbx_2"}`, "404 Not Found"},
		"redirect":          {302, `{"id": "dbx_2"}`, "302 Found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t, runloop.WithMaxRetries(0))
			api.On(http.MethodGet, "/v1/devboxes/dbx_1", clienttest.Respond(test.status, test.body))
			labels := map[string]string{"kept": "yes"}
			box := devbox{ID: "before", Labels: labels}

			err := client.Do(t.Context(), http.MethodGet, "/v1/devboxes/dbx_1", nil, &box)

			require.ErrorContains(t, err, test.want)
			assert.True(t, strings.HasPrefix(err.Error(), "runloop: GET /v1/devboxes/dbx_1: "), err)
			assert.Equal(t, test.status < 300, errors.Is(err, runloop.ErrInvalidResponse))
			assert.Equal(t, devbox{ID: "before", Labels: map[string]string{"kept": "yes"}}, box)
		})
	}
}

func TestDoErrorsNameTheMethodAndThePath(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodDelete, "/v1/devboxes/dbx_1", clienttest.Respond(400, `{"message": "already exists"}`))
	err := client.Do(t.Context(), http.MethodDelete, "/v1/devboxes/dbx_1?token=s3cret", nil, nil)
	answer := clienttest.AsAPIError(t, err)
	assert.Equal(t, "DELETE /v1/devboxes/dbx_1", answer.Op)
	assert.Equal(t, []string{"ErrBadRequest"}, clienttest.Sentinels(err), "Do knows no policies, so none that is in use")
	assert.Equal(t, "token=s3cret", api.Only().Query)
	assert.NotContains(t, err.Error(), "s3cret")
}

type namedBytes []byte
