package contract_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go"
)

// A stub responds to requests with the status and the body that it returns.
type stub func(*http.Request) (status int, body string)

func (answer stub) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := answer(r)
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", status, http.StatusText(status)),
		StatusCode: status,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(strings.NewReader(body)),
		Request:    r,
	}, nil
}

// canned responds to every request alike.
func canned(status int, body string) stub {
	return func(*http.Request) (int, string) { return status, body }
}

// clientOver returns a client whose requests go to the transport, once each.
func clientOver(t *testing.T, transport http.RoundTripper) *runloop.Client {
	t.Helper()
	client, err := runloop.NewClient(
		runloop.WithAPIKey("key"),
		runloop.WithHTTPClient(&http.Client{Transport: transport}),
		runloop.WithMaxRetries(0),
	)
	require.NoError(t, err)
	return client
}

// serviceOver returns the same client's calls for policies.
func serviceOver(t *testing.T, transport http.RoundTripper) *runloop.NetworkPoliciesService {
	t.Helper()
	return clientOver(t, transport).NetworkPolicies
}
