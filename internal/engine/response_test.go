package engine_test

import (
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

func TestResponseInto(t *testing.T) {
	t.Parallel()
	type row struct {
		call   clienttest.PolicyCall
		status int
		body   string
		is     error
	}
	tests := map[string]row{
		"an error":            {clienttest.GetCall, 404, `{"message": "Network policy not found"}`, runloop.ErrNotFound},
		"an invalid response": {clienttest.GetCall, 200, `<html>`, runloop.ErrInvalidResponse},
	}
	for _, call := range clienttest.PolicyCalls {
		tests[call.Op] = row{call, 200, call.Success, nil}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, client := clienttest.NewAPI(t)
			api.On(tt.call.Method, tt.call.Path, clienttest.RespondWith(tt.status, tt.body, http.Header{"X-Served-By": {"eu-1"}}))

			var response *http.Response
			_, err := tt.call.Do(t.Context(), client, runloop.WithResponseInto(&response))

			require.ErrorIs(t, err, tt.is)
			assert.Equal(t, tt.status, response.StatusCode)
			assert.Equal(t, "eu-1", response.Header.Get("X-Served-By"))
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			assert.Equal(t, tt.body, string(body), "it can be read again")
			require.NoError(t, response.Body.Close())
			assert.Equal(t, tt.call.Method, response.Request.Method)
			assert.Equal(t, tt.call.Path, response.Request.URL.Path)
			assert.Empty(t, response.Request.Header, "it had the key")
		})
	}
}

func TestResponseIntoIsUnchangedWithoutAResponse(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t, runloop.WithMaxRetries(0))
	api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Fail("connection refused"))
	before := &http.Response{StatusCode: 299}
	for _, id := range []string{"npol_1", ""} {
		response := before
		_, err := client.NetworkPolicies.Get(t.Context(), id, runloop.WithResponseInto(&response))
		require.Error(t, err)
		assert.Same(t, before, response)
	}
}

// Users dump responses into their logs, which must work and not show the key.
func TestAResponseCanBeDumped(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
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
				r := httpmock.NewStringResponse(tt.status, tt.body)
				r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
				r.Status = fmt.Sprintf("%d no such key: %s", tt.status, clienttest.APIKey)
				r.ContentLength = int64(len(tt.body))
				r.Header = http.Header{"X-Echo": {"Bearer " + clienttest.APIKey}}
				r.Trailer = r.Header
				return r, nil
			})
			var response *http.Response
			_ = clienttest.GetPolicy(t.Context(), client, runloop.WithResponseInto(&response))
			dump, err := httputil.DumpResponse(response, true)
			require.NoError(t, err)
			assert.Contains(t, string(dump), fmt.Sprintf("HTTP/1.1 %d", tt.status))
			assert.Contains(t, string(dump), "X-Echo: Bearer [REDACTED]")
			assert.NotContains(t, string(dump), clienttest.APIKey)
			assert.NotContains(t, fmt.Sprint(response.Trailer), clienttest.APIKey)
		})
	}
}
