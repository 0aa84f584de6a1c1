package runloop_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

func TestNewClientSendsNothingAndStartsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // which fails when a goroutine is left
		api, _ := clienttest.NewAPI(t)
		_, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey))
		require.NoError(t, err)
		assert.Empty(t, api.Sent())
	})
}

func TestClientsThatWereNotMadeByNewClient(t *testing.T) {
	t.Parallel()
	var (
		none      *runloop.Client
		zero      runloop.Client
		noService *runloop.NetworkPoliciesService
		emptyOne  runloop.NetworkPoliciesService
		params    = runloop.NetworkPolicyCreateParams{Name: "build"}
	)
	first := func(s *runloop.NetworkPoliciesService) error {
		for _, err := range s.All(t.Context(), runloop.NetworkPolicyListParams{}) {
			return err
		}
		return nil
	}
	for name, call := range map[string]func() error{
		"nil client, Do":          func() error { return none.Do(t.Context(), "GET", "/v1/devboxes", nil, nil) },
		"zero client, Do":         func() error { return zero.Do(t.Context(), "GET", "/v1/devboxes", nil, nil) },
		"zero client, Get":        func() error { _, err := zero.NetworkPolicies.Get(t.Context(), "npol_1"); return err },
		"nil service, Get":        func() error { _, err := noService.Get(t.Context(), "npol_1"); return err },
		"nil service, All":        func() error { return first(noService) },
		"zero service, Create":    func() error { _, err := emptyOne.Create(t.Context(), params); return err },
		"zero service, Delete":    func() error { _, err := emptyOne.Delete(t.Context(), "npol_1"); return err },
		"zero service, Ensure":    func() error { _, err := emptyOne.Ensure(t.Context(), params); return err },
		"zero service, GetByName": func() error { _, err := emptyOne.GetByName(t.Context(), "build"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := call()
			var invalid *runloop.ValidationError
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, "Client", invalid.Field)
			assert.Contains(t, err.Error(), "nil or zero Client: create one with NewClient")
		})
	}
	assert.NotPanics(t, none.CloseIdleConnections)
	assert.NotPanics(t, zero.CloseIdleConnections)
}

func TestNilContextIsRefused(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	var none context.Context
	calls := append([]clienttest.PolicyCall{{
		Op: "GET /v1/devboxes",
		Do: func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			return nil, c.Do(ctx, http.MethodGet, "/v1/devboxes", nil, nil, opts...)
		},
	}}, clienttest.PolicyCalls...)
	for _, call := range calls {
		_, err := call.Do(none, client)
		var invalid *runloop.ValidationError
		require.ErrorAs(t, err, &invalid)
		assert.Equal(t, "runloop: "+call.Op+": ctx: nil context: pass context.Background()", err.Error())
	}
	assert.Empty(t, api.Sent())
}

func TestHTTPClientWithoutTransport(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(clienttest.PolicyJSON))
	}))
	defer server.Close()
	for name, opts := range map[string][]runloop.Option{
		"the client's own pool":           nil,
		"an http.Client with its default": {runloop.WithHTTPClient(&http.Client{})},
	} {
		client, err := runloop.NewClient(append(opts, runloop.WithAPIKey(clienttest.APIKey), runloop.WithBaseURL(server.URL))...)
		require.NoError(t, err, name)
		for range 2 { // the second time after closing
			policy, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
			require.NoError(t, err, name)
			assert.Equal(t, "build", policy.Name, name)
			client.CloseIdleConnections()
		}
	}
}

func TestHTTPClientIsNotWrittenTo(t *testing.T) {
	t.Parallel()
	api, _ := clienttest.NewAPI(t)
	api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))
	mine := &http.Client{
		Transport: api,
		Timeout:   time.Minute,
	}
	before := *mine
	client, err := runloop.NewClient(
		runloop.WithAPIKey(clienttest.APIKey),
		runloop.WithBaseURL("https://api.example.test"),
		runloop.WithHTTPClient(mine),
		runloop.WithAttemptTimeout(time.Second),
	)
	require.NoError(t, err)

	_, err = client.NetworkPolicies.Get(t.Context(), "npol_1")
	require.NoError(t, err)
	client.CloseIdleConnections()

	assert.Equal(t, before, *mine)
}

// The race detector sees it when calls write into what they share: the client, lists
// of options, the headers that a transport adds to.
func TestAClientIsForManyGoroutines(t *testing.T) {
	t.Parallel()
	var api *clienttest.API
	api, client := clienttest.NewAPI(t, runloop.WithHeader("X-Worker", "none"), runloop.WithHTTPClient(&http.Client{
		Transport: clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			r.Header.Add("X-Trace", "1")
			return api.RoundTrip(r)
		}),
	}))
	for _, call := range clienttest.PolicyCalls {
		api.On(call.Method, call.Path, clienttest.Respond(200, call.Success))
	}
	shared := []runloop.Option{runloop.WithHeader("X-Shared", "yes"), runloop.WithUserAgent("orchestrator/1"), runloop.WithMaxRetries(1)}

	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			call := clienttest.PolicyCalls[i%len(clienttest.PolicyCalls)]
			_, err := call.Do(t.Context(), client, shared[:1+i%3]...) // with room behind the last
			assert.NoError(t, err)
			_, err = call.Do(t.Context(), client, append(slices.Clip(shared), runloop.WithHeader("X-Worker", strconv.Itoa(i)))...)
			assert.NoError(t, err)
		})
	}
	wg.Wait()

	sent := api.Sent()
	require.Len(t, sent, 64)
	workers := map[string]int{}
	for _, r := range sent {
		assert.Equal(t, "yes", r.Header.Get("X-Shared"))
		assert.Equal(t, []string{"1"}, r.Header["X-Trace"])
		workers[r.Header.Get("X-Worker")]++
	}
	assert.Len(t, workers, 33)
	assert.Equal(t, 32, workers["none"])
}
