package runloop_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"unsafe"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// These tests plant the API key wherever it can come back from. It must not appear anywhere:
// not by a verb of fmt, in a log, in JSON or by reflection.

// plantedKeys are a usual key, and one with characters that texts escape.
var plantedKeys = map[string]string{
	"plain": "ak_PLANTED_0123456789",
	"odd":   `ak>PLANTED&/"\+=%41'~`,
}

func TestClientAndOptionsHideTheKey(t *testing.T) {
	for name, key := range plantedKeys { // not parallel: it sets the environment
		t.Run(name, func(t *testing.T) {
			t.Setenv("RUNLOOP_API_KEY", key)
			fromEnvironment, err := runloop.NewClient()
			require.NoError(t, err)
			option := runloop.WithAPIKey(key)
			fromOption, err := runloop.NewClient(option)
			require.NoError(t, err)

			for _, client := range []*runloop.Client{fromEnvironment, fromOption} {
				assertSecret(t, key, client)
				assertSecret(t, key, *client)
				assertSecret(t, key, client.NetworkPolicies)
				assertSecret(t, key, *client.NetworkPolicies)
				assertSecret(t, key, client.NetworkPolicies.Get)
				assertSecret(t, key, client.Devboxes)
				assertSecret(t, key, *client.Devboxes)
				assert.Equal(t, "runloop.Client", fmt.Sprintf("%+v", client))
			}
			assertSecret(t, key, option)
			assertSecret(t, key, []runloop.Option{option})
		})
	}
}

// keyedClient returns a client with the key that sends requests to server once.
func keyedClient(t *testing.T, key string, server clienttest.RoundTripper, opts ...runloop.Option) *runloop.Client {
	t.Helper()
	return clienttest.NewClientOver(t, server, append(opts, runloop.WithAPIKey(key), runloop.WithMaxRetries(0))...)
}

func TestAClientInUseHidesTheKey(t *testing.T) {
	t.Parallel()
	for _, key := range plantedKeys {
		client := keyedClient(t, key, clienttest.RoundTripper(clienttest.Respond(200, clienttest.PageJSON)), runloop.WithMiddleware(mark("1")))
		page, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{})
		require.NoError(t, err)
		assertSecret(t, key, client)
		assertSecret(t, key, page)
	}
}

// echoes are servers that send back the key.
func echoes(key string) map[string]clienttest.RoundTripper {
	headers := http.Header{
		"Content-Type": {"application/json; key=" + key}, "Location": {"https://x.example.test/" + key + "?key=" + key},
		"X-Runloop-Error-Code": {key}, "X-Runloop-Request-Id": {key}, "X-Debug": {"Bearer " + key}, key: {"1"},
	}
	servers := map[string]clienttest.RoundTripper{
		"in the code and the ID": clienttest.RoundTripper(clienttest.Respond(400, `{"message": "bad key", "code": "`+key+`", "request_id": "`+key+`"}`)),
		"in plain text":          clienttest.RoundTripper(clienttest.RespondWith(400, "bad key "+key, http.Header{"Content-Type": {"text/plain"}})),
	}
	for _, status := range []int{200, 204, 302, 400, 401, 404, 409, 500} {
		servers[fmt.Sprint(status)] = clienttest.RoundTripper(clienttest.RespondWith(status, `{"message": "bad key `+key+`", "`+key+`": 1, "id": "`+key+`"}`, headers))
	}
	return servers
}

func TestErrorsHideAKeyThatTheServerEchoes(t *testing.T) {
	t.Parallel()
	for name, key := range plantedKeys {
		for form, written := range formsOf(t, key) {
			t.Run(name+"/"+form, func(t *testing.T) {
				t.Parallel()
				for server, transport := range echoes(written) {
					client := keyedClient(t, key, transport)
					for _, call := range []clienttest.PolicyCall{clienttest.CreateCall, clienttest.GetCall} {
						_, err := call.Do(t.Context(), client)
						require.Error(t, err, server)
						assertSecret(t, key, err)
						if response, ok := errors.AsType[*runloop.APIError](err); ok {
							assert.Contains(t, string(response.Body), "[REDACTED]", server)
							assertSecret(t, key, response.Header)
							assertSecret(t, key, string(response.Body))
						}
					}
				}
			})
		}
	}
}

func TestNoPartOfTheKeyIsLeftWhereABodyIsCut(t *testing.T) {
	t.Parallel()
	key := plantedKeys["plain"]
	const limit = 64 << 10
	for _, before := range []int{limit - len(key), limit - len(key) + 1, limit - len(key)/2, limit - 4, limit - 1, limit} {
		body := strings.Repeat("x", before) + key + strings.Repeat("x", limit)
		err := clienttest.GetPolicy(t.Context(), keyedClient(t, key, clienttest.RoundTripper(clienttest.Respond(400, body))))
		kept := clienttest.AsAPIError(t, err).Body
		assert.InDelta(t, limit, len(kept), float64(len(key)))
		assert.NotContains(t, string(kept), key[:4], "of a key that starts at %d", before)
	}
}

// Texts are cut to the length of a line. The key must be redacted before that, because a
// part of it would not be recognized.
func TestNoPartOfTheKeyIsLeftWhereATextIsCut(t *testing.T) {
	t.Parallel()
	const key = "ak_0123456789~abcdefghijklmnopqrstuvwxyz/ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	pad := strings.Repeat("x", 40)
	broken := func(body string) clienttest.RoundTripper {
		return func(*http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: http.StatusUnauthorized,
				Header:     http.Header{"Content-Type": {"text/plain"}},
				Body:       io.NopCloser(io.MultiReader(strings.NewReader(body), iotest.ErrReader(io.ErrUnexpectedEOF))),
			}, nil
		}
	}
	rt := func(r httpmock.Responder) clienttest.RoundTripper { return clienttest.RoundTripper(r) }
	for name, server := range map[string]clienttest.RoundTripper{
		"content type":        rt(clienttest.RespondWith(200, "<html>", http.Header{"Content-Type": {"text/html; token=" + key}})),
		"ID":                  rt(clienttest.Respond(200, `{"id": "`+pad+key+`", "egress": {}}`)),
		"name of a field":     rt(clienttest.Respond(200, `{"`+key+`": tru}`)),
		"text that is cut":    broken("bad credentials: Bearer " + key[:50]),
		"message that is cut": rt(clienttest.Respond(401, `{"message": "`+strings.Repeat(pad, 25)+key+`"}`)),
		"message":             rt(clienttest.Respond(401, `{"message": "`+pad+pad+pad+pad+key+`"}`)),
	} {
		var log bytes.Buffer
		client := keyedClient(t, key, server, runloop.WithLogger(debugLogger(&log)))
		_, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
		require.Error(t, err, name)
		shown := err.Error() + log.String()
		if response, ok := errors.AsType[*runloop.APIError](err); ok {
			shown += response.Message + string(response.Body)
		}
		assert.NotContains(t, shown, key[:8], name)
		assert.NotContains(t, shown, "0123456789", name)
	}
}

func debugLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestErrorsHideAKeyInTheErrorOfTheTransport(t *testing.T) {
	t.Parallel()
	for _, key := range plantedKeys {
		for _, fail := range []func(*http.Request) error{
			func(r *http.Request) error { return fmt.Errorf("cannot send %v", r.Header) },
			func(r *http.Request) error { return fmt.Errorf("cannot send %q", r.Header.Get("Authorization")) },
			func(r *http.Request) error { return fmt.Errorf("cannot reach %s", r.URL) },
			func(r *http.Request) error { return &url.Error{Op: "Get", URL: r.URL.String(), Err: io.EOF} },
		} {
			client := keyedClient(t, key, func(r *http.Request) (*http.Response, error) { return nil, fail(r) })
			for _, call := range clienttest.PolicyCalls {
				_, err := call.Do(t.Context(), client)
				require.Error(t, err)
				for ; err != nil; err = errors.Unwrap(err) { // the cause is also safe to print
					assertSecret(t, key, err)
					assertSecret(t, "name=build", err)
					assertSecret(t, "limit=1000", err)
				}
			}
		}
	}
}

func TestLogsHaveNoBodiesNoQueriesAndNoKey(t *testing.T) {
	t.Parallel()
	for _, key := range plantedKeys {
		var log bytes.Buffer
		servers := echoes(key)
		servers["no response"] = func(r *http.Request) (*http.Response, error) {
			return nil, errors.New("cannot send " + r.URL.String() + " with " + r.Header.Get("Authorization"))
		}
		for _, server := range servers {
			client := keyedClient(t, key, server, runloop.WithLogger(debugLogger(&log)))
			for _, call := range clienttest.PolicyCalls {
				_, err := call.Do(t.Context(), client)
				require.Error(t, err)
			}
			require.Error(t, client.Do(t.Context(), http.MethodPut, "/v1/devboxes?name=build", "github.com", new(int)))
		}
		for _, secret := range []string{key, "?", "name=build", "limit=", "github.com", "bad key", "Bearer " + key} {
			assert.NotContains(t, log.String(), secret)
		}
		assert.Contains(t, log.String(), `operation="PUT /v1/devboxes" method=PUT path=/v1/devboxes`)
	}
}

// formsOf returns the text in the forms in which servers write it.
func formsOf(t *testing.T, s string) map[string]string {
	t.Helper()
	escaped, err := json.Marshal(s)
	require.NoError(t, err)
	quoted := strconv.Quote(s)
	forms := map[string]string{
		"in HTML":                html.EscapeString(s),
		"in JSON":                quoted[1 : len(quoted)-1],
		"in JSON for HTML":       string(escaped[1 : len(escaped)-1]),
		"in JSON by PHP":         strings.ReplaceAll(quoted[1:len(quoted)-1], "/", `\/`),
		"in a query":             url.QueryEscape(s),
		"in a path":              url.PathEscape(s),
		"in a query, lower case": strings.NewReplacer("%3C", "%3c", "%3E", "%3e", "%2F", "%2f", "%5C", "%5c", "%2B", "%2b", "%3D", "%3d").Replace(url.QueryEscape(s)),
	}
	maps.DeleteFunc(forms, func(_, form string) bool { return form == s })
	forms["as it is"] = s
	return forms
}

// prints returns every output of v: by fmt, in a log, in JSON and by reflection.
func prints(v any) map[string]string {
	outputs := map[string]string{"fmt.Sprint": fmt.Sprint(v), "fmt.Sprintln": fmt.Sprintln(v), "panic": recovered(v)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "% X", "%d", "%t", "%p", "%T", "%10.300s"} {
		outputs[verb] = fmt.Sprintf(verb, v)
		outputs[verb+" in a struct"] = fmt.Sprintf(verb, struct{ V any }{v})
		outputs[verb+" in a slice"] = fmt.Sprintf(verb, []any{v})
	}
	var text, document bytes.Buffer
	options := &slog.HandlerOptions{Level: slog.LevelDebug}
	slog.New(slog.NewTextHandler(&text, options)).Error("failed", "v", v, slog.Group("g", "v", v))
	slog.New(slog.NewJSONHandler(&document, options)).Error("failed", "v", v, slog.Group("g", "v", v))
	outputs["slog text"], outputs["slog JSON"] = text.String(), document.String()
	marshalled, _ := json.Marshal(v) // []byte is in base64, which dump decodes
	outputs["json.Marshal"] = string(marshalled)
	if err, ok := v.(error); ok {
		outputs["Error"] = err.Error()
		outputs["wrapped"] = fmt.Errorf("launching: %w", err).Error()
		outputs["joined"] = errors.Join(err, io.EOF).Error()
	}
	var dumped strings.Builder
	dump(&dumped, reflect.ValueOf(v), map[unsafe.Pointer]bool{})
	outputs["a dump by reflection"] = dumped.String()
	return outputs
}

func recovered(v any) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	panic(v)
}

// dump writes every string that reflection reaches from v, including unexported fields.
func dump(w *strings.Builder, v reflect.Value, seen map[unsafe.Pointer]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || seen[v.UnsafePointer()] {
			return
		}
		seen[v.UnsafePointer()] = true
		dump(w, v.Elem(), seen)
	case reflect.Interface:
		dump(w, v.Elem(), seen)
	case reflect.Struct:
		for _, field := range v.Fields() {
			dump(w, field, seen)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			dump(w, key, seen)
			dump(w, v.MapIndex(key), seen)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 && v.Kind() == reflect.Slice {
			w.Write(v.Bytes())
		}
		for i := range v.Len() {
			dump(w, v.Index(i), seen)
		}
	case reflect.String:
		w.WriteString(v.String() + "\n")
	}
}

func TestDumpReachesEverything(t *testing.T) {
	t.Parallel()
	type inner struct{ text *string }
	v := &struct {
		m map[string]any
		b []byte
		p **inner
	}{m: map[string]any{"in a key": []any{"in a value"}}, b: []byte("in bytes"), p: new(&inner{new("behind pointers")})}
	var w strings.Builder
	dump(&w, reflect.ValueOf(v), map[unsafe.Pointer]bool{})
	for _, part := range []string{"in a key", "in a value", "in bytes", "behind pointers"} {
		assert.Contains(t, w.String(), part)
	}
}

// assertSecret checks that no output of v contains a form of the key.
func assertSecret(t *testing.T, key string, v any) {
	t.Helper()
	for output, text := range prints(v) {
		for form, written := range formsOf(t, key) {
			if strings.Contains(text, written) || strings.Contains(text, fmt.Sprintf("%x", written)) {
				t.Fatalf("%s shows the key of %T, %s: %s", output, v, form, text)
			}
		}
	}
}
