package runloop_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// The API key is planted wherever it can come back from, and must not come out
// anywhere: not by a verb of fmt, not in a log, not in JSON, not by reflection.

// plantedKeys are keys as they are, and one of characters that texts escape.
var plantedKeys = map[string]string{
	"plain": "ak_PLANTED_0123456789",
	"odd":   `ak>PLANTED&/"\+=%41'~`,
}

func TestClientAndOptionsKeepTheKey(t *testing.T) {
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

func TestAClientThatIsInUseKeepsTheKey(t *testing.T) {
	t.Parallel()
	for name, key := range plantedKeys {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := runloop.NewClient(runloop.WithAPIKey(key), runloop.WithMiddleware(mark("1")), runloop.WithHTTPClient(&http.Client{
				Transport: clienttest.RoundTripper(clienttest.Respond(200, clienttest.PageJSON)),
			}))
			require.NoError(t, err)
			page, err := client.NetworkPolicies.List(t.Context(), runloop.NetworkPolicyListParams{})
			require.NoError(t, err)
			assertSecret(t, key, client)
			assertSecret(t, key, page)
		})
	}
}

// echoes are servers that send back what they should not.
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

func TestErrorsKeepAKeyThatTheServerEchoes(t *testing.T) {
	t.Parallel()
	for name, key := range plantedKeys {
		for form, written := range formsOf(t, key) {
			for server, transport := range echoes(written) {
				t.Run(name+"/"+form+"/"+server, func(t *testing.T) {
					t.Parallel()
					_, client := clienttest.NewAPI(t, runloop.WithAPIKey(key), runloop.WithMaxRetries(0),
						runloop.WithHTTPClient(&http.Client{Transport: transport}))
					for _, call := range []clienttest.PolicyCall{clienttest.CreateCall, clienttest.GetCall} {
						_, err := call.Do(t.Context(), client)
						require.Error(t, err)
						assertSecret(t, key, err)
						if answer, ok := errors.AsType[*runloop.APIError](err); ok {
							assert.Contains(t, string(answer.Body), "[REDACTED]")
							assertSecret(t, key, answer.Header)
							assertSecret(t, key, string(answer.Body))
						}
					}
				})
			}
		}
	}
}

func TestNoPartOfTheKeyIsLeftWhereABodyIsCut(t *testing.T) {
	t.Parallel()
	key := plantedKeys["plain"]
	const limit = 64 << 10
	for _, before := range []int{limit - len(key), limit - len(key) + 1, limit - len(key)/2, limit - 4, limit - 1, limit} {
		body := strings.Repeat("x", before) + key + strings.Repeat("x", limit)
		_, client := clienttest.NewAPI(t, runloop.WithAPIKey(key), runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(clienttest.Respond(400, body))}))
		_, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
		kept := clienttest.AsAPIError(t, err).Body
		assert.InDelta(t, limit, len(kept), float64(len(key)))
		assert.NotContains(t, string(kept), key[:4], "of a key that starts at %d", before)
	}
}

// Texts are cut to what fits into a line. A key must be gone before that: half of it
// would no longer be found.
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
	for name, server := range map[string]clienttest.RoundTripper{
		"content type":        clienttest.RoundTripper(clienttest.RespondWith(200, "<html>", http.Header{"Content-Type": {"text/html; token=" + key}})),
		"ID":                  clienttest.RoundTripper(clienttest.Respond(200, `{"id": "`+pad+key+`", "egress": {}}`)),
		"name of a member":    clienttest.RoundTripper(clienttest.Respond(200, `{"`+key+`": tru}`)),
		"text that is cut":    broken("bad credentials: Bearer " + key[:50]),
		"message that is cut": clienttest.RoundTripper(clienttest.Respond(401, `{"message": "`+strings.Repeat(pad, 25)+key+`"}`)),
		"message":             clienttest.RoundTripper(clienttest.Respond(401, `{"message": "`+pad+pad+pad+pad+key+`"}`)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			_, client := clienttest.NewAPI(t, runloop.WithAPIKey(key), runloop.WithMaxRetries(0),
				runloop.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
				runloop.WithHTTPClient(&http.Client{Transport: server}))

			_, err := client.NetworkPolicies.Get(t.Context(), "npol_1")

			require.Error(t, err)
			shown := err.Error() + log.String()
			if answer, ok := errors.AsType[*runloop.APIError](err); ok {
				shown += answer.Message + string(answer.Body)
			}
			assert.NotContains(t, shown, key[:8])
			assert.NotContains(t, shown, "0123456789")
		})
	}
}

func TestErrorsKeepAKeyThatTheTransportTells(t *testing.T) {
	t.Parallel()
	for name, key := range plantedKeys {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for what, say := range map[string]func(*http.Request) error{
				"the header":     func(r *http.Request) error { return fmt.Errorf("cannot send %v", r.Header) },
				"the value":      func(r *http.Request) error { return fmt.Errorf("cannot send %q", r.Header.Get("Authorization")) },
				"the URL":        func(r *http.Request) error { return fmt.Errorf("cannot reach %s", r.URL) },
				"the quoted URL": func(r *http.Request) error { return &url.Error{Op: "Get", URL: r.URL.String(), Err: io.EOF} },
			} {
				_, client := clienttest.NewAPI(t, runloop.WithAPIKey(key), runloop.WithMaxRetries(0),
					runloop.WithHTTPClient(&http.Client{Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
						return nil, say(r)
					})}))
				for _, call := range clienttest.PolicyCalls {
					_, err := call.Do(t.Context(), client)
					require.Error(t, err, what)
					for ; err != nil; err = errors.Unwrap(err) { // the cause is as fit to print
						assertSecret(t, key, err)
						assertSecret(t, "name=build", err)
						assertSecret(t, "limit=1000", err)
					}
				}
			}
		})
	}
}

func TestLogsHaveNoBodiesNoQueriesAndNoKey(t *testing.T) {
	t.Parallel()
	for name, key := range plantedKeys {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			servers := echoes(key)
			servers["no answer"] = func(r *http.Request) (*http.Response, error) {
				return nil, errors.New("cannot send " + r.URL.String() + " with " + r.Header.Get("Authorization"))
			}
			for _, transport := range servers {
				_, client := clienttest.NewAPI(t, runloop.WithAPIKey(key), runloop.WithMaxRetries(0),
					runloop.WithLogger(logger), runloop.WithHTTPClient(&http.Client{Transport: transport}))
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
		})
	}
}
