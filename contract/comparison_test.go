package contract_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/wiretest"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// The README compares the SDK with Runloop's own client for TypeScript. This file repeats the
// sentence before the table, the head and the rows, each row with the test that runs its scenario
// against both clients, on separate servers.

const comparisonSentence = "The official client is `@runloop/api-client` 1.32.0 for TypeScript, compared on 2026-11-25:"

const comparisonHead = "| scenario | this SDK | official client |\n| --- | --- | --- |\n"

var comparison = []struct {
	row  string
	test func(*testing.T, *node)
}{
	{"| The response to a create is lost | returns the policy | throws the 400 of its second attempt: the name is taken, by that very policy |", compareLostCreate},
	{"| The response to a delete is lost | succeeds | throws the 404 of its second attempt |", compareLostDelete},
	{"| The response to the create of a devbox is lost | returns the devbox, found by a tag in its metadata | sends it again: two devboxes run, and the caller knows one |", compareLostDevbox},
	{"| A devbox is not running in time | shuts the devbox down; the error names it | throws a `PollingTimeoutError` without the ID; the devbox is left |", compareSlowDevbox},
	{"| A devbox does not use the policy it was created with | `ErrPolicyNotAttached`; shuts the devbox down | returns it |", compareUnattachedPolicy},
	{"| A response is cut off or stalls | retries | throws a `FetchError` if it is cut off, waits beyond `timeout` if it stalls |", compareBrokenResponses},
	{"| An HTML page with status 200 | `ErrInvalidResponse` | returns it as the policy, or as an empty list |", comparePageOfHTML},
	{"| Retry-After of an hour | `ErrRateLimited` immediately | waits |", compareLongRetryAfter},
	{"| An outage: 503 to every request | 4 requests per call, and for all calls of a client 500 retries, then one per second | 6 requests per call, so it survives longer outages |", compareOutage},
	{"| A name is taken | `ErrNameTaken` after 1 request, whether the status is 400 or 409 | `BadRequestError` after 1 request, `ConflictError` after 6 |", compareTakenName},
	{"| Eight concurrent calls for one policy | `Ensure` returns it to all eight | `create` returns it to one and throws for seven |", compareConcurrentCalls},
	{"| Iterating over 100 policies | 1 request | 5 requests, or 1 with a `limit` |", compareIteration},
	{"| A host name with a scheme | rejected, with what to write instead | sent |", compareHostNameWithScheme},
	{"| A path instead of an ID | escaped: no policy has that ID | followed: an update of `../devboxes/dbx_000001/shutdown` shuts the devbox down |", comparePathAsID},
	{"| The API key in printed values | nowhere | in the client, and in errors in which the API repeats it |", comparePrintedKey},
	{"| The rest of the API | `Client.Do`, with your own types | a typed method for each call |", compareRestOfTheAPI},
}

func testComparison(t *testing.T, node *node) {
	for _, c := range comparison {
		scenario := strings.Split(c.row, "|")[1]
		t.Run(strings.TrimSpace(scenario), func(t *testing.T) {
			t.Parallel()
			c.test(t, node)
		})
	}
}

func TestComparisonInREADME(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	var table strings.Builder
	table.WriteString(comparisonSentence + "\n\n" + comparisonHead)
	for _, c := range comparison {
		table.WriteString(c.row + "\n")
	}
	assert.Contains(t, string(readme), table.String()+"\n")
}

func TestComparisonIsWithTheInstalledVersion(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile(filepath.Join(typescriptDir, "package.json"))
	require.NoError(t, err)
	var manifest struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	require.NoError(t, json.Unmarshal(file, &manifest))
	assert.Contains(t, comparisonSentence, "`@runloop/api-client` "+manifest.Dependencies["@runloop/api-client"]+" ")
}

// What both clients create, most of the time.
var (
	buildParams = createParams{Name: "build", Egress: runloop.EgressRules{AllowedHostnames: []string{"github.com"}}}
	buildBody   = map[string]any{"name": "build", "allowed_hostnames": []string{"github.com"}}
)

var lost = runlooptest.Disconnect().AfterCommit()

// faulty returns a fake with policies, whose next request for an operation meets a fault.
func faulty(t *testing.T, operation runlooptest.Operation, fault runlooptest.Fault, policies ...runloop.NetworkPolicy) *runlooptest.Server {
	fake := runlooptest.NewLoopbackServer(t, runlooptest.WithPolicies(policies...))
	fake.Inject(operation, fault)
	return fake
}

// scripted returns a fake with a policy, and with a script for its next devbox.
func scripted(t *testing.T, script runlooptest.DevboxScript) *runlooptest.Server {
	fake := runlooptest.NewLoopbackServer(t, runlooptest.WithPolicies(aPolicy("build")))
	fake.ScriptDevboxes(script)
	return fake
}

func compareLostCreate(t *testing.T, node *node) {
	scenario := func() *runlooptest.Server { return faulty(t, runlooptest.CreateNetworkPolicy, lost) }

	fake := scenario()
	policy, err := newClient(t, fake.URL).NetworkPolicies.Create(t.Context(), buildParams)
	require.NoError(t, err)
	assert.Equal(t, fake.Policies(), []runloop.NetworkPolicy{*policy})
	assert.Len(t, fake.Requests(runlooptest.ListNetworkPolicies), 1)
	assertOneRequestID(t, fake)

	fake = scenario()
	err = node.call(t, fake.URL, call{method: "create", args: []any{buildBody}}).thrown(t)
	assert.EqualError(t, err, `BadRequestError: 400 Network policy with name "build" already exists`)
	assert.Len(t, fake.Policies(), 1)
	assert.Len(t, fake.Requests(), 2)
	assertOneRequestID(t, fake)
}

// assertOneRequestID asserts that there were two creates under one request ID.
func assertOneRequestID(t *testing.T, fake *runlooptest.Server) {
	t.Helper()
	if creates := fake.Requests(runlooptest.CreateNetworkPolicy); assert.Len(t, creates, 2) {
		assert.Len(t, creates[0].Header.Values("X-Request-Id"), 1)
		assert.Equal(t, creates[0].Header.Values("X-Request-Id"), creates[1].Header.Values("X-Request-Id"))
	}
}

func compareLostDelete(t *testing.T, node *node) {
	scenario := func() *runlooptest.Server { return faulty(t, runlooptest.DeleteNetworkPolicy, lost, aPolicy("build")) }

	fake := scenario()
	_, err := newClient(t, fake.URL).NetworkPolicies.Delete(t.Context(), fake.Policies()[0].ID)
	require.NoError(t, err)
	assert.Empty(t, fake.Policies())
	assert.Len(t, fake.Requests(runlooptest.DeleteNetworkPolicy), 2)
	assert.Len(t, fake.Requests(runlooptest.ListNetworkPolicies), 1, "its lookup")

	fake = scenario()
	err = node.call(t, fake.URL, call{method: "delete", args: []any{fake.Policies()[0].ID}}).thrown(t)
	assert.ErrorContains(t, err, "NotFoundError: 404")
	assert.Empty(t, fake.Policies())
	assert.Len(t, fake.Requests(), 2)
}

func compareLostDevbox(t *testing.T, node *node) {
	scenario := func() *runlooptest.Server { return faulty(t, runlooptest.CreateDevbox, lost, aPolicy("build")) }

	fake := scenario()
	params := runloop.DevboxCreateParams{NetworkPolicyID: fake.Policies()[0].ID}
	devbox, err := newClient(t, fake.URL).Devboxes.Create(t.Context(), params)
	require.NoError(t, err)
	assert.Len(t, fake.Requests(runlooptest.CreateDevbox), 1)
	if assert.Len(t, fake.Devboxes(), 1) {
		assert.Equal(t, fake.Devboxes()[0].ID, devbox.ID)
		assert.Equal(t, devbox.Metadata[runloop.MetadataRequestID], fake.Devboxes()[0].Metadata[runloop.MetadataRequestID])
	}

	for _, method := range []string{"create", "createAndAwaitRunning"} {
		fake = scenario()
		returned := node.call(t, fake.URL, createDevbox(fake, method, nil)).returned(t)
		if running := fake.Running(); assert.Len(t, running, 2, method) {
			assert.Subset(t, returned, map[string]any{"id": running[1].ID})
		}
	}
}

// createDevbox is a call that creates a devbox with the fake's policy.
func createDevbox(fake *runlooptest.Server, method string, options map[string]any) call {
	params := map[string]any{"launch_parameters": map[string]any{"network_policy_id": fake.Policies()[0].ID}}
	return call{service: "devboxes", method: method, args: []any{params}, options: options}
}

func compareSlowDevbox(t *testing.T, node *node) {
	const patience = time.Second
	scenario := func() *runlooptest.Server {
		return scripted(t, runlooptest.DevboxScript{Statuses: []string{"provisioning"}})
	}

	fake := scenario()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := newClient(t, fake.URL).Devboxes.Launch(ctx, runloop.DevboxCreateParams{NetworkPolicyID: fake.Policies()[0].ID})
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	if failed, ok := errors.AsType[*runloop.DevboxError](err); assert.True(t, ok, "%v", err) {
		assert.Equal(t, fake.Devboxes()[0].ID, failed.Devbox.ID)
		assert.True(t, failed.ShutDown)
		assert.ErrorContains(t, err, failed.Devbox.ID)
	}
	assert.Empty(t, fake.Running())

	fake = scenario()
	options := map[string]any{"longPoll": map[string]any{"timeoutMs": patience.Milliseconds()}}
	err = node.call(t, fake.URL, createDevbox(fake, "createAndAwaitRunning", options)).thrown(t)
	assert.ErrorContains(t, err, "PollingTimeoutError: ")
	if assert.Len(t, fake.Running(), 1) {
		assert.NotContains(t, err.Error(), fake.Running()[0].ID)
	}
	assert.Empty(t, fake.Requests(runlooptest.ShutdownDevbox))
}

func compareUnattachedPolicy(t *testing.T, node *node) {
	scenario := func() *runlooptest.Server { return scripted(t, runlooptest.DevboxScript{Echo: new("")}) }

	fake := scenario()
	_, err := newClient(t, fake.URL).Devboxes.Launch(t.Context(), runloop.DevboxCreateParams{NetworkPolicyID: fake.Policies()[0].ID})
	assert.ErrorIs(t, err, runloop.ErrPolicyNotAttached)
	assert.Len(t, fake.Devboxes(), 1)
	assert.Empty(t, fake.Running())

	fake = scenario()
	returned := node.call(t, fake.URL, createDevbox(fake, "createAndAwaitRunning", nil)).returned(t)
	assert.Subset(t, returned, map[string]any{"status": "running", "launch_parameters": map[string]any{}})
	assert.Len(t, fake.Running(), 1)
}

func compareBrokenResponses(t *testing.T, node *node) {
	for name, broken := range map[string]http.HandlerFunc{
		"is cut off": func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
		"stalls":     func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		scenario := func() *wiretest.Loopback {
			var came atomic.Int32
			return serve(t, func(w http.ResponseWriter, r *http.Request) {
				if came.Add(1) > 1 {
					_, _ = io.WriteString(w, policyJSON)
					return
				}
				_, _ = io.WriteString(w, policyJSON[:len(policyJSON)/2])
				_ = http.NewResponseController(w).Flush()
				broken(w, r)
			})
		}

		server := scenario()
		policy, err := newClient(t, server.URL, runloop.WithAttemptTimeout(time.Second)).NetworkPolicies.Get(t.Context(), "npol_1")
		require.NoError(t, err, name)
		assert.Equal(t, "npol_1", policy.ID, name)
		assert.Equal(t, 2, server.Requests(), name)

		server = scenario()
		retrieve := call{method: "retrieve", args: []any{"npol_1"}, timeout: time.Second}
		if name == "stalls" {
			retrieve.patience = 3 * time.Second
			assert.True(t, node.call(t, server.URL, retrieve).outcome(t).Waiting)
		} else {
			assert.ErrorContains(t, node.call(t, server.URL, retrieve).thrown(t), "FetchError: ")
		}
		assert.Equal(t, 1, server.Requests(), name)
	}
}

func comparePageOfHTML(t *testing.T, node *node) {
	const page = "<html>Sign in to the guest network</html>"
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, page)
	})

	policies := newClient(t, server.URL).NetworkPolicies
	_, err := policies.Get(t.Context(), "npol_1")
	assert.ErrorIs(t, err, runloop.ErrInvalidResponse)
	_, err = policies.List(t.Context(), runloop.NetworkPolicyListParams{})
	assert.ErrorIs(t, err, runloop.ErrInvalidResponse)

	assert.Equal(t, page, node.call(t, server.URL, call{method: "retrieve", args: []any{"npol_1"}}).returned(t))
	assert.Empty(t, node.call(t, server.URL, call{method: "list", iterate: 100}).returned(t))
}

func compareLongRetryAfter(t *testing.T, node *node) {
	limited := runlooptest.Status(http.StatusTooManyRequests).WithHeader("Retry-After", "3600")
	scenario := func() *runlooptest.Server { return faulty(t, runlooptest.GetNetworkPolicy, limited, aPolicy("build")) }

	fake := scenario()
	_, err := newClient(t, fake.URL).NetworkPolicies.Get(t.Context(), fake.Policies()[0].ID)
	assert.ErrorIs(t, err, runloop.ErrRateLimited)
	if limited, ok := errors.AsType[*runloop.APIError](err); assert.True(t, ok) {
		assert.Equal(t, time.Hour, limited.RetryAfter)
	}
	assert.Len(t, fake.Requests(), 1)

	fake = scenario()
	retrieve := call{method: "retrieve", args: []any{fake.Policies()[0].ID}, patience: 3 * time.Second} // a backoff takes one second at most
	assert.True(t, node.call(t, fake.URL, retrieve).outcome(t).Waiting)
	assert.Len(t, fake.Requests(), 1)
}

func compareOutage(t *testing.T, node *node) {
	// outage returns a server that fails the first requests.
	outage := func(requests int32) *wiretest.Loopback {
		var came atomic.Int32
		return serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if came.Add(1) <= requests {
				shortenWait(w)
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_, _ = io.WriteString(w, policyJSON)
		})
	}

	server := outage(5)
	_, err := newClient(t, server.URL).NetworkPolicies.Get(t.Context(), "npol_1")
	assert.ErrorIs(t, err, runloop.ErrServer)
	assert.Equal(t, 4, server.Requests())

	server = outage(5)
	returned := node.call(t, server.URL, call{method: "retrieve", args: []any{"npol_1"}}).returned(t)
	assert.Subset(t, returned, map[string]any{"id": "npol_1"})
	assert.Equal(t, 6, server.Requests())

	const calls = 400
	server = outage(math.MaxInt32)
	client := newClient(t, server.URL)
	start := time.Now()
	concurrently(calls, func() {
		_, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
		assert.ErrorIs(t, err, runloop.ErrServer)
	})
	seconds := int(time.Since(start) / time.Second)
	assert.GreaterOrEqual(t, server.Requests(), calls+500)
	assert.LessOrEqual(t, server.Requests(), calls+500+seconds)

	server = outage(math.MaxInt32)
	node.call(t, server.URL, call{method: "retrieve", args: []any{"npol_1"}, times: calls})
	assert.Equal(t, calls*6, server.Requests())
}

func compareTakenName(t *testing.T, node *node) {
	for _, test := range []struct {
		status   int
		class    string
		requests int
	}{
		{http.StatusBadRequest, "BadRequestError", 1},
		{http.StatusConflict, "ConflictError", 6},
	} {
		scenario := func() *wiretest.Loopback {
			return serve(t, func(w http.ResponseWriter, _ *http.Request) {
				shortenWait(w)
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, `{"message": "Network policy with name \"build\" already exists"}`)
			})
		}

		server := scenario()
		_, err := newClient(t, server.URL).NetworkPolicies.Create(t.Context(), buildParams)
		assert.ErrorIs(t, err, runloop.ErrNameTaken)
		assert.Equal(t, 1, server.Requests())

		server = scenario()
		err = node.call(t, server.URL, call{method: "create", args: []any{buildBody}}).thrown(t)
		assert.ErrorContains(t, err, test.class+": ")
		assert.Equal(t, test.requests, server.Requests())
	}
}

func compareConcurrentCalls(t *testing.T, node *node) {
	const calls = 8

	fake := runlooptest.NewLoopbackServer(t)
	client := newClient(t, fake.URL)
	concurrently(calls, func() {
		policy, err := client.NetworkPolicies.Ensure(t.Context(), buildParams)
		if assert.NoError(t, err) {
			assert.Equal(t, fake.Policies(), []runloop.NetworkPolicy{*policy})
		}
	})

	fake = runlooptest.NewLoopbackServer(t)
	report := node.call(t, fake.URL, call{method: "create", args: []any{buildBody}, times: calls})
	var threw []string
	for _, outcome := range report.Outcomes {
		if outcome.Threw != nil {
			threw = append(threw, outcome.Threw.Class)
		}
	}
	assert.Len(t, report.Outcomes, calls)
	assert.Len(t, threw, calls-1)
	assert.Subset(t, []string{"BadRequestError"}, threw)
	assert.Len(t, fake.Policies(), 1)
	assert.ElementsMatch(t, []string{"constructor", "create", "retrieve", "update", "list", "delete"}, report.Methods)
}

func compareIteration(t *testing.T, node *node) {
	scenario := func() *runlooptest.Server {
		fake := runlooptest.NewLoopbackServer(t)
		for i := range 100 {
			fake.AddPolicy(aPolicy(fmt.Sprint(i)))
		}
		return fake
	}

	fake := scenario()
	met := 0
	for _, err := range newClient(t, fake.URL).NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{}) {
		require.NoError(t, err)
		met++
	}
	assert.Equal(t, 100, met)
	assert.Len(t, fake.Requests(), 1)

	fake = scenario()
	assert.Len(t, node.call(t, fake.URL, call{method: "list", iterate: 1000}).returned(t), 100)
	assert.Len(t, fake.Requests(), 5)

	fake = scenario()
	limit := map[string]any{"limit": 1000}
	assert.Len(t, node.call(t, fake.URL, call{method: "list", args: []any{limit}, iterate: 1000}).returned(t), 100)
	assert.Len(t, fake.Requests(), 1)
}

func compareHostNameWithScheme(t *testing.T, node *node) {
	hostnames := []string{"https://github.com"}

	fake := runlooptest.NewLoopbackServer(t)
	params := createParams{Name: "build", Egress: runloop.EgressRules{AllowedHostnames: hostnames}}
	_, err := newClient(t, fake.URL).NetworkPolicies.Create(t.Context(), params)
	assert.ErrorContains(t, err, `"https://github.com" has a scheme: write "github.com"`)
	assert.Empty(t, fake.Requests())

	fake = runlooptest.NewLoopbackServer(t)
	node.call(t, fake.URL, call{method: "create", args: []any{map[string]any{"name": "build", "allowed_hostnames": hostnames}}}).returned(t)
	assert.Equal(t, hostnames, fake.Policies()[0].Egress.AllowedHostnames)
}

func comparePathAsID(t *testing.T, node *node) {
	const id = "../devboxes/dbx_000001/shutdown"
	scenario := func() (*runlooptest.Server, *runloop.Client) {
		fake := runlooptest.NewLoopbackServer(t)
		client := newClient(t, fake.URL)
		require.NoError(t, client.Do(t.Context(), "POST", "/v1/devboxes", nil, nil))
		return fake, client
	}

	fake, client := scenario()
	_, err := client.NetworkPolicies.Update(t.Context(), id, runloop.NetworkPolicyUpdateParams{})
	assert.ErrorIs(t, err, runloop.ErrNotFound)
	assert.Len(t, fake.Running(), 1)

	fake, _ = scenario()
	node.call(t, fake.URL, call{method: "update", args: []any{id, map[string]any{}}}).returned(t)
	assert.Empty(t, fake.Running())
}

func comparePrintedKey(t *testing.T, node *node) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"message": "unknown: %s"}`, r.Header.Get("Authorization"))
	})

	client := newClient(t, server.URL)
	_, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
	assert.ErrorContains(t, err, "unknown: Bearer ")
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v", client, client, client), comparisonKey)
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), comparisonKey)

	report := node.call(t, server.URL, call{method: "retrieve", args: []any{"npol_1"}})
	assert.Contains(t, report.Printed, comparisonKey)
	assert.ErrorContains(t, report.thrown(t), "unknown: Bearer "+comparisonKey)
}

func compareRestOfTheAPI(t *testing.T, node *node) {
	fake := runlooptest.NewLoopbackServer(t)
	require.NoError(t, newClient(t, fake.URL).Do(t.Context(), "GET", "/v1/devboxes", nil, nil))
	var services []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[runloop.Client]()) {
		if field.IsExported() {
			services = append(services, field.Name)
		}
	}
	assert.Equal(t, []string{"NetworkPolicies", "Devboxes"}, services)

	report := node.call(t, fake.URL, call{service: "devboxes", method: "list"})
	assert.Subset(t, report.Services, []string{
		"accounts", "agents", "axons", "benchmarks", "blueprints", "devboxes", "gatewayConfigs",
		"mcpConfigs", "networkPolicies", "objects", "scenarios", "secrets",
	})
}

const comparisonKey = "comparison-key"

// policyJSON is a policy as the API returns it.
const policyJSON = `{"id": "npol_1", "name": "build", "egress": {}, "create_time_ms": 1, "update_time_ms": 1}`

// newClient returns a client of the SDK with default settings.
func newClient(t *testing.T, url string, opts ...runloop.Option) *runloop.Client {
	t.Helper()
	client, err := runloop.NewClient(append(opts, runloop.WithBaseURL(url), runloop.WithAPIKey(comparisonKey))...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// serve starts a server of JSON that also speaks HTTP/2 without TLS, as Runloop's client does.
func serve(t *testing.T, handler http.HandlerFunc) *wiretest.Loopback {
	t.Helper()
	return wiretest.NewLoopback(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		handler(w, r)
	}, func(server *httptest.Server) {
		server.Config.Protocols = new(http.Protocols)
		server.Config.Protocols.SetHTTP1(true)
		server.Config.Protocols.SetUnencryptedHTTP2(true)
	})
}

// shortenWait makes Runloop's client retry immediately, instead of waiting for half a minute in
// total. The SDK does not wait less than usual.
func shortenWait(w http.ResponseWriter) { w.Header().Set("Retry-After-Ms", "1") }

// concurrently calls f a number of times.
func concurrently(times int, f func()) {
	var calls sync.WaitGroup
	for range times {
		calls.Go(f)
	}
	calls.Wait()
}
