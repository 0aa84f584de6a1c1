package runloop_test

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
)

func TestResponseOfASuccess(t *testing.T) {
	t.Parallel()
	for _, call := range policyCalls {
		t.Run(call.op, func(t *testing.T) {
			t.Parallel()
			api, client := newAPI(t)
			api.answers(call.method, call.path, respond(200, call.success, http.Header{"X-Served-By": {"eu-1"}}))

			var response *http.Response
			_, err := call.do(t.Context(), client, runloop.WithResponseInto(&response))

			require.NoError(t, err)
			assert.Equal(t, 200, response.StatusCode)
			assert.Equal(t, "eu-1", response.Header.Get("X-Served-By"))
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			assert.Equal(t, call.success, string(body), "it can be read again")
			require.NoError(t, response.Body.Close())
			assert.Equal(t, call.method, response.Request.Method)
			assert.Equal(t, call.path, response.Request.URL.Path)
			assert.Empty(t, response.Request.Header, "which had the key")
		})
	}
}

func TestResponseOfAnError(t *testing.T) {
	t.Parallel()
	api, client := newAPI(t)
	api.answers(http.MethodGet, policyPath, answer(404, `{"message": "Network policy not found"}`))

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
	api, client := newAPI(t)
	api.answers(http.MethodGet, policyPath, answer(200, `<html>`))
	var response *http.Response
	_, err := client.NetworkPolicies.Get(t.Context(), "npol_1", runloop.WithResponseInto(&response))
	require.ErrorIs(t, err, runloop.ErrInvalidResponse)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, `<html>`, string(body))
}

func TestResponseStaysAsItIsWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	api, client := newAPI(t, runloop.WithMaxRetries(0))
	api.answers(http.MethodGet, policyPath, httpmock.NewErrorResponder(errors.New("connection refused")))
	before := &http.Response{StatusCode: 299}
	response := before

	_, err := client.NetworkPolicies.Get(t.Context(), "npol_1", runloop.WithResponseInto(&response))
	require.Error(t, err)
	assert.Same(t, before, response)

	_, err = client.NetworkPolicies.Get(t.Context(), "", runloop.WithResponseInto(&response))
	require.Error(t, err)
	assert.Same(t, before, response)
}

func TestResponseOfALoopIsTheLastPages(t *testing.T) {
	t.Parallel()
	api, client := newAPI(t)
	page := func(id string, more bool) httpmock.Responder {
		return answer(200, fmt.Sprintf(`{"network_policies": [{"id": %q, "egress": {}}], "has_more": %t}`, id, more))
	}
	api.answers(http.MethodGet, policiesPath, page("npol_1", true), page("npol_2", false))

	var response *http.Response
	for policy, err := range client.NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{}, runloop.WithResponseInto(&response)) {
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		assert.Contains(t, string(body), policy.ID)
	}
}

func TestResponseIsTheAnswerToTheWrite(t *testing.T) {
	t.Parallel()
	api, client := newAPI(t)
	api.answers(http.MethodGet, policiesPath, answer(200, emptyPageJSON))
	api.answers(http.MethodPost, policiesPath, answer(200, policyJSON))
	var response *http.Response
	_, err := client.NetworkPolicies.Ensure(t.Context(), runloop.NetworkPolicyCreateParams{
		Name: "build", Egress: runloop.EgressRules{AllowedHostnames: []string{"*.npmjs.org", "github.com"}},
	}, runloop.WithResponseInto(&response))
	require.NoError(t, err)
	assert.Equal(t, http.MethodPost, response.Request.Method, "and not to the look-up before it")
}

// Users dump responses into their logs: that must work, and show no key.
func TestResponseCanBeDumped(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		body   string
	}{
		"success":               {200, policyJSON},
		"error":                 {404, `{"message": "not found"}`},
		"error with the key":    {401, `{"message": "bad key ` + testKey + `"}`},
		"success with the key":  {200, `{"id": "npol_1", "name": "build", "egress": {}, "debug": "` + testKey + `"}`},
		"body beyond the limit": {500, strings.Repeat("x", 100<<10)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, client := newAPI(t, runloop.WithMaxRetries(0))
			api.answers(http.MethodGet, policyPath, func(*http.Request) (*http.Response, error) {
				r := httpmock.NewStringResponse(test.status, test.body)
				r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
				r.Status = fmt.Sprintf("%d no such key: %s", test.status, testKey)
				r.ContentLength = int64(len(test.body))
				r.Header = http.Header{"X-Echo": {"Bearer " + testKey}}
				r.Trailer = http.Header{"X-Echo": {"Bearer " + testKey}}
				return r, nil
			})
			var response *http.Response
			_, _ = client.NetworkPolicies.Get(t.Context(), "npol_1", runloop.WithResponseInto(&response))
			dump, err := httputil.DumpResponse(response, true)
			require.NoError(t, err)
			assert.Contains(t, string(dump), "HTTP/1.1 "+fmt.Sprint(test.status))
			assert.Contains(t, string(dump), "X-Echo: Bearer [REDACTED]")
			assert.NotContains(t, string(dump), testKey)
			assert.NotContains(t, fmt.Sprint(response.Trailer), testKey)
		})
	}
}
