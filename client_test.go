package runloop_test

import (
	"context"
	"iter"
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
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine is left
		api, _ := clienttest.NewAPI(t)
		_, err := runloop.NewClient(runloop.WithAPIKey(clienttest.APIKey))
		require.NoError(t, err)
		assert.Empty(t, api.Sent())
	})
}

func TestNilAndZeroClients(t *testing.T) {
	t.Parallel()
	var (
		none        *runloop.Client
		zero        runloop.Client
		noService   *runloop.NetworkPoliciesService
		zeroService runloop.NetworkPoliciesService
		params      = runloop.NetworkPolicyCreateParams{Name: "build"}
	)
	errOf := func(_ any, err error) error { return err }
	for name, err := range map[string]error{
		"nil client, Do":          none.Do(t.Context(), "GET", "/v1/devboxes", nil, nil),
		"zero client, Do":         zero.Do(t.Context(), "GET", "/v1/devboxes", nil, nil),
		"zero client, Get":        errOf(zero.NetworkPolicies.Get(t.Context(), "npol_1")),
		"nil service, Get":        errOf(noService.Get(t.Context(), "npol_1")),
		"nil service, All":        errOf(firstOf(noService.All(t.Context(), runloop.NetworkPolicyListParams{}))),
		"zero service, Create":    errOf(zeroService.Create(t.Context(), params)),
		"zero service, Delete":    errOf(zeroService.Delete(t.Context(), "npol_1")),
		"zero service, Ensure":    errOf(zeroService.Ensure(t.Context(), params)),
		"zero service, GetByName": errOf(zeroService.GetByName(t.Context(), "build")),
	} {
		var invalid *runloop.ValidationError
		require.ErrorAs(t, err, &invalid, name)
		assert.Equal(t, "Client: nil or zero Client: create one with NewClient", invalid.Field+": "+invalid.Problem, name)
	}
	assert.NotPanics(t, none.CloseIdleConnections)
	assert.NotPanics(t, zero.CloseIdleConnections)
}

// firstOf returns the first step of the iteration.
func firstOf[V any](steps iter.Seq2[V, error]) (V, error) {
	for value, err := range steps {
		return value, err
	}
	return *new(V), nil
}

func TestNilContext(t *testing.T) {
	t.Parallel()
	api, client := clienttest.NewAPI(t)
	var none context.Context
	errs := map[string]error{"GET /v1/devboxes": client.Do(none, http.MethodGet, "/v1/devboxes", nil, nil)}
	for _, call := range clienttest.PolicyCalls {
		_, errs[call.Op] = call.Do(none, client)
	}
	for op, err := range errs {
		assert.Equal(t, "runloop: "+op+": ctx: nil context: pass context.Background()", refused(t, err, op, "ctx"))
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
		for range 2 { // again after CloseIdleConnections
			policy, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
			require.NoError(t, err, name)
			assert.Equal(t, "build", policy.Name, name)
			client.CloseIdleConnections()
		}
	}
}

func TestTheHTTPClientIsNotModified(t *testing.T) {
	t.Parallel()
	api, _ := responding(t, clienttest.PolicyJSON)
	mine := &http.Client{Transport: api, Timeout: time.Minute}
	before := *mine
	client := clienttest.NewClientOver(t, nil, runloop.WithHTTPClient(mine), runloop.WithAttemptTimeout(time.Second))
	require.NoError(t, clienttest.GetPolicy(t.Context(), client))
	client.CloseIdleConnections()
	assert.Equal(t, before, *mine)
}

// The race detector reports calls that modify what they share: the client, slices of
// options, and the headers to which a transport adds.
func TestConcurrentCallsOfAClient(t *testing.T) {
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
			_, err := call.Do(t.Context(), client, shared[:1+i%3]...) // with spare capacity
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
