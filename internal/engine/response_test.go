package engine_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

func TestResponseOfASuccess(t *testing.T) {
	t.Parallel()
	for _, call := range clienttest.PolicyCalls {
		t.Run(call.Op, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			api.On(call.Method, call.Path, clienttest.RespondWith(200, call.Success, http.Header{"X-Served-By": {"eu-1"}}))

			var response *http.Response
			_, err := call.Do(t.Context(), client, runloop.WithResponseInto(&response))

			require.NoError(t, err)
			assert.Equal(t, 200, response.StatusCode)
			assert.Equal(t, "eu-1", response.Header.Get("X-Served-By"))
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			assert.Equal(t, call.Success, string(body), "it can be read again")
			require.NoError(t, response.Body.Close())
			assert.Equal(t, call.Method, response.Request.Method)
			assert.Equal(t, call.Path, response.Request.URL.Path)
			assert.Empty(t, response.Request.Header, "which had the key")
		})
	}
}

func TestResponseOfAnError(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(404, `{"message": "Network policy not found"}`))

	var response *http.Response
	_, err := client.NetworkPolicies.Get(t.Context(), "npol_1", runloop.WithResponseInto(&response))

	require.ErrorIs(t, err, runloop.ErrNotFound)
	assert.Equal(t, 404, response.StatusCode)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, `{"message": "Network policy not found"}`, string(body))
}

func TestResponseThatCannotBeReadAsAPolicy(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(200, `<html>`))
	var response *http.Response
	_, err := client.NetworkPolicies.Get(t.Context(), "npol_1", runloop.WithResponseInto(&response))
	require.ErrorIs(t, err, runloop.ErrInvalidResponse)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, `<html>`, string(body))
}

func TestResponseIntoIsUnchangedWithoutAResponse(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t, runloop.WithMaxRetries(0))
	api.On(http.MethodGet, clienttest.PolicyPath, httpmock.NewErrorResponder(errors.New("connection refused")))
	before := &http.Response{StatusCode: 299}
	response := before

	_, err := client.NetworkPolicies.Get(t.Context(), "npol_1", runloop.WithResponseInto(&response))
	require.Error(t, err)
	assert.Same(t, before, response)

	_, err = client.NetworkPolicies.Get(t.Context(), "", runloop.WithResponseInto(&response))
	require.Error(t, err)
	assert.Same(t, before, response)
}

// Users dump responses into their logs: that must work, and show no key.
func TestResponseCanBeDumped(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		body   string
	}{
		"success":               {200, clienttest.PolicyJSON},
		"error":                 {404, `{"message": "not found"}`},
		"error with the key":    {401, `{"message": "bad key ` + clienttest.APIKey + `"}`},
		"success with the key":  {200, `{"id": "npol_1", "name": "build", "egress": {}, "debug": "` + clienttest.APIKey + `"}`},
		"body beyond the limit": {500, strings.Repeat("x", 100<<10)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t, runloop.WithMaxRetries(0))
			api.On(http.MethodGet, clienttest.PolicyPath, func(*http.Request) (*http.Response, error) {
				r := httpmock.NewStringResponse(test.status, test.body)
				r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
				r.Status = fmt.Sprintf("%d no such key: %s", test.status, clienttest.APIKey)
				r.ContentLength = int64(len(test.body))
				r.Header = http.Header{"X-Echo": {"Bearer " + clienttest.APIKey}}
				r.Trailer = http.Header{"X-Echo": {"Bearer " + clienttest.APIKey}}
				return r, nil
			})
			var response *http.Response
			_, _ = client.NetworkPolicies.Get(t.Context(), "npol_1", runloop.WithResponseInto(&response))
			dump, err := httputil.DumpResponse(response, true)
			require.NoError(t, err)
			assert.Contains(t, string(dump), "HTTP/1.1 "+fmt.Sprint(test.status))
			assert.Contains(t, string(dump), "X-Echo: Bearer [REDACTED]")
			assert.NotContains(t, string(dump), clienttest.APIKey)
			assert.NotContains(t, fmt.Sprint(response.Trailer), clienttest.APIKey)
		})
	}
}
