package contract_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
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

// The README compares the SDK with Runloop's own client for TypeScript. The rows of its
// table stand below word for word, which TestREADMEComparison of the SDK checks, each
// with the test that puts its situation to both clients.

const comparisonHead = "| situation | this SDK | `@runloop/api-client` 1.32.0 for TypeScript |"

var comparison = []struct {
	row  string
	test func(*testing.T)
}{
	{"| A create whose answer gets lost | returns the policy | throws the 400 of its second attempt: the name is taken, by that very policy |", compareLostCreate},
	{"| A delete whose answer gets lost | succeeds | throws the 404 of its second attempt |", compareLostDelete},
	{"| An answer that breaks off or stops midway | asks again | throws a `FetchError` when it breaks off, waits beyond `timeout` when it stops |", compareBrokenAnswers},
	{"| A page of HTML with status 200 | `ErrInvalidResponse` | returns it as the policy, or as an empty list |", comparePageOfHTML},
	{"| Retry-After of an hour | `ErrRateLimited` at once | waits |", compareLongRetryAfter},
	{"| An outage, 503 to everything | 4 requests a call, and for all calls of a client 500 retries, then one a second | 6 requests a call, and so outlasts a longer one |", compareOutage},
	{"| A name that is taken | `ErrNameTaken` after 1 request, whether the API says 400 or 409 | `BadRequestError` after 1 request, `ConflictError` after 6 |", compareTakenName},
	{"| Eight calls at once for one policy | `Ensure` gives it to all eight | `create` gives it to one and throws for seven |", compareEightCalls},
	{"| Going through 100 policies | 1 request | 5 requests, or 1 with a `limit` |", compareIteration},
	{"| A host name with a scheme | refused, with what to write instead | sent |", compareHostNameWithScheme},
	{"| A path where an ID belongs | escaped: no policy has that ID | followed: an update of `../devboxes/dbx_000001/shutdown` shuts the devbox down |", comparePathAsID},
	{"| The API key in what is printed | nowhere | in the client, and in errors in which the API repeats it |", comparePrintedKey},
	{"| Devboxes and the rest of the API | `Client.Do`, with types of your own | a typed call for each |", compareRestOfTheAPI},
}

func TestComparison(t *testing.T) {
	installTypeScriptClient(t) // before t.Parallel, so no other test does at the same time
	t.Parallel()
	// To look at the file makes go test forget the result when the file changes.
	require.FileExists(t, filepath.Join(typescriptDir, "call.mjs"))
	for _, c := range comparison {
		situation := strings.Split(c.row, "|")[1]
		t.Run(strings.TrimSpace(situation), func(t *testing.T) {
			t.Parallel()
			c.test(t)
		})
	}
}

func TestComparisonIsWithTheVersionThatIsInstalled(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile(filepath.Join(typescriptDir, "package.json"))
	require.NoError(t, err)
	var manifest struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	require.NoError(t, json.Unmarshal(file, &manifest))
	assert.Contains(t, comparisonHead, "`@runloop/api-client` "+manifest.Dependencies["@runloop/api-client"]+" ")
}

// What both clients are asked for, most of the time.
var (
	buildParams = runloop.NetworkPolicyCreateParams{
		Name:   "build",
		Egress: runloop.EgressRules{AllowedHostnames: []string{"github.com"}},
	}
	buildBody = map[string]any{"name": "build", "allowed_hostnames": []string{"github.com"}}
)

func compareLostCreate(t *testing.T) {
	situation := func() *runlooptest.Server {
		fake := runlooptest.NewLoopbackServer(t)
		fake.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Disconnect().AfterCommit())
		return fake
	}

	fake := situation()
	policy, err := newClient(t, fake.URL).NetworkPolicies.Create(t.Context(), buildParams)
	require.NoError(t, err)
	assert.Equal(t, fake.Policies(), []runloop.NetworkPolicy{*policy})
	assert.Len(t, fake.Requests(runlooptest.ListNetworkPolicies), 1)
	assert.Len(t, requestIDs(fake), 2)
	assert.Len(t, slices.Compact(requestIDs(fake)), 1)

	fake = situation()
	err = officially(t, fake.URL, call{method: "create", args: []any{buildBody}}).thrown(t)
	assert.EqualError(t, err, `BadRequestError: 400 Network policy with name "build" already exists`)
	assert.Len(t, fake.Policies(), 1)
	assert.Len(t, fake.Requests(), 2)
	assert.Len(t, requestIDs(fake), 2)
	assert.Len(t, slices.Compact(requestIDs(fake)), 1)
}

// requestIDs returns what the creates were sent under.
func requestIDs(fake *runlooptest.Server) []string {
	var ids []string
	for _, request := range fake.Requests(runlooptest.CreateNetworkPolicy) {
		ids = append(ids, request.Header.Values("X-Request-Id")...)
	}
	return ids
}

func compareLostDelete(t *testing.T) {
	situation := func() *runlooptest.Server {
		fake := runlooptest.NewLoopbackServer(t, runlooptest.WithPolicies(aPolicy("build")))
		fake.Inject(runlooptest.DeleteNetworkPolicy, runlooptest.Disconnect().AfterCommit())
		return fake
	}

	fake := situation()
	_, err := newClient(t, fake.URL).NetworkPolicies.Delete(t.Context(), fake.Policies()[0].ID)
	require.NoError(t, err)
	assert.Empty(t, fake.Policies())
	assert.Len(t, fake.Requests(runlooptest.DeleteNetworkPolicy), 2)
	assert.Len(t, fake.Requests(runlooptest.ListNetworkPolicies), 1, "its lookup")

	fake = situation()
	err = officially(t, fake.URL, call{method: "delete", args: []any{fake.Policies()[0].ID}}).thrown(t)
	assert.ErrorContains(t, err, "NotFoundError: 404")
	assert.Empty(t, fake.Policies())
	assert.Len(t, fake.Requests(), 2)
}

func compareBrokenAnswers(t *testing.T) {
	for name, broken := range map[string]http.HandlerFunc{
		"breaks off": func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
		"stops":      func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		situation := func() *wiretest.Loopback {
			var came atomic.Int32
			return serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if came.Add(1) > 1 {
					_, _ = io.WriteString(w, policyJSON)
					return
				}
				_, _ = io.WriteString(w, policyJSON[:len(policyJSON)/2])
				_ = http.NewResponseController(w).Flush()
				broken(w, r)
			})
		}

		server := situation()
		policy, err := newClient(t, server.URL, runloop.WithAttemptTimeout(time.Second)).NetworkPolicies.Get(t.Context(), "npol_1")
		require.NoError(t, err, name)
		assert.Equal(t, "npol_1", policy.ID, name)
		assert.Equal(t, 2, server.Requests(), name)

		server = situation()
		outcome := officially(t, server.URL, call{
			method:   "retrieve",
			args:     []any{"npol_1"},
			timeout:  time.Second,
			patience: 3 * time.Second,
		}).outcome(t)
		switch name {
		case "breaks off":
			require.NotNil(t, outcome.Threw, name)
			assert.Equal(t, "FetchError", outcome.Threw.Class)
		case "stops":
			assert.True(t, outcome.Waiting, name)
		}
		assert.Equal(t, 1, server.Requests(), name)
	}
}

func comparePageOfHTML(t *testing.T) {
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

	assert.Equal(t, page, officially(t, server.URL, call{method: "retrieve", args: []any{"npol_1"}}).returned(t))
	assert.Empty(t, officially(t, server.URL, call{method: "list", iterate: 100}).returned(t))
}

func compareLongRetryAfter(t *testing.T) {
	situation := func() *runlooptest.Server {
		fake := runlooptest.NewLoopbackServer(t, runlooptest.WithPolicies(aPolicy("build")))
		fake.Inject(runlooptest.GetNetworkPolicy,
			runlooptest.Status(http.StatusTooManyRequests).WithHeader("Retry-After", "3600"))
		return fake
	}

	fake := situation()
	_, err := newClient(t, fake.URL).NetworkPolicies.Get(t.Context(), fake.Policies()[0].ID)
	assert.ErrorIs(t, err, runloop.ErrRateLimited)
	if limited, ok := errors.AsType[*runloop.APIError](err); assert.True(t, ok) {
		assert.Equal(t, time.Hour, limited.RetryAfter)
	}
	assert.Len(t, fake.Requests(), 1)

	fake = situation()
	outcome := officially(t, fake.URL, call{
		method:   "retrieve",
		args:     []any{fake.Policies()[0].ID},
		patience: 3 * time.Second, // its own wait would be one second at most
	}).outcome(t)
	assert.True(t, outcome.Waiting)
	assert.Len(t, fake.Requests(), 1)
}

func compareOutage(t *testing.T) {
	// outage is over after so many requests.
	outage := func(requests int32) *wiretest.Loopback {
		var came atomic.Int32
		return serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
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
	returned := officially(t, server.URL, call{method: "retrieve", args: []any{"npol_1"}}).returned(t)
	assert.Subset(t, returned, map[string]any{"id": "npol_1"})
	assert.Equal(t, 6, server.Requests())

	const calls = 400
	server = outage(math.MaxInt32)
	client := newClient(t, server.URL)
	start := time.Now()
	atOnce(calls, func() {
		_, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
		assert.ErrorIs(t, err, runloop.ErrServer)
	})
	seconds := int(time.Since(start) / time.Second)
	assert.GreaterOrEqual(t, server.Requests(), calls+500)
	assert.LessOrEqual(t, server.Requests(), calls+500+seconds)

	server = outage(math.MaxInt32)
	officially(t, server.URL, call{method: "retrieve", args: []any{"npol_1"}, times: calls})
	assert.Equal(t, calls*6, server.Requests())
}

func compareTakenName(t *testing.T) {
	for _, test := range []struct {
		status   int
		class    string
		requests int
	}{
		{http.StatusBadRequest, "BadRequestError", 1},
		{http.StatusConflict, "ConflictError", 6},
	} {
		situation := func() *wiretest.Loopback {
			return serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				shortenWait(w)
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, `{"message": "Network policy with name \"build\" already exists"}`)
			})
		}

		server := situation()
		_, err := newClient(t, server.URL).NetworkPolicies.Create(t.Context(), buildParams)
		assert.ErrorIs(t, err, runloop.ErrNameTaken)
		assert.Equal(t, 1, server.Requests())

		server = situation()
		err = officially(t, server.URL, call{method: "create", args: []any{buildBody}}).thrown(t)
		assert.ErrorContains(t, err, test.class+": ")
		assert.Equal(t, test.requests, server.Requests())
	}
}

func compareEightCalls(t *testing.T) {
	const calls = 8

	fake := runlooptest.NewLoopbackServer(t)
	client := newClient(t, fake.URL)
	atOnce(calls, func() {
		policy, err := client.NetworkPolicies.Ensure(t.Context(), buildParams)
		if assert.NoError(t, err) {
			assert.Equal(t, fake.Policies(), []runloop.NetworkPolicy{*policy})
		}
	})

	fake = runlooptest.NewLoopbackServer(t)
	report := officially(t, fake.URL, call{method: "create", args: []any{buildBody}, times: calls})
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

func compareIteration(t *testing.T) {
	situation := func() *runlooptest.Server {
		fake := runlooptest.NewLoopbackServer(t)
		for i := range 100 {
			fake.AddPolicy(aPolicy(fmt.Sprint(i)))
		}
		return fake
	}

	fake := situation()
	met := 0
	for _, err := range newClient(t, fake.URL).NetworkPolicies.All(t.Context(), runloop.NetworkPolicyListParams{}) {
		require.NoError(t, err)
		met++
	}
	assert.Equal(t, 100, met)
	assert.Len(t, fake.Requests(), 1)

	fake = situation()
	assert.Len(t, officially(t, fake.URL, call{method: "list", iterate: 1000}).returned(t), 100)
	assert.Len(t, fake.Requests(), 5)

	fake = situation()
	limit := map[string]any{"limit": 1000}
	assert.Len(t, officially(t, fake.URL, call{method: "list", args: []any{limit}, iterate: 1000}).returned(t), 100)
	assert.Len(t, fake.Requests(), 1)
}

func compareHostNameWithScheme(t *testing.T) {
	hostnames := []string{"https://github.com"}

	fake := runlooptest.NewLoopbackServer(t)
	_, err := newClient(t, fake.URL).NetworkPolicies.Create(t.Context(), runloop.NetworkPolicyCreateParams{
		Name:   "build",
		Egress: runloop.EgressRules{AllowedHostnames: hostnames},
	})
	assert.ErrorContains(t, err, `"https://github.com" has a scheme: write "github.com"`)
	assert.Empty(t, fake.Requests())

	fake = runlooptest.NewLoopbackServer(t)
	officially(t, fake.URL, call{
		method: "create",
		args:   []any{map[string]any{"name": "build", "allowed_hostnames": hostnames}},
	}).returned(t)
	assert.Equal(t, hostnames, fake.Policies()[0].Egress.AllowedHostnames)
}

func comparePathAsID(t *testing.T) {
	const id = "../devboxes/dbx_000001/shutdown"
	situation := func() (*runlooptest.Server, *runloop.Client) {
		fake := runlooptest.NewLoopbackServer(t)
		client := newClient(t, fake.URL)
		require.NoError(t, client.Do(t.Context(), "POST", "/v1/devboxes", nil, nil))
		return fake, client
	}

	fake, client := situation()
	_, err := client.NetworkPolicies.Update(t.Context(), id, runloop.NetworkPolicyUpdateParams{})
	assert.ErrorIs(t, err, runloop.ErrNotFound)
	assert.Len(t, fake.Running(), 1)

	fake, _ = situation()
	officially(t, fake.URL, call{method: "update", args: []any{id, map[string]any{}}}).returned(t)
	assert.Empty(t, fake.Running())
}

func comparePrintedKey(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"message": "unknown: %s"}`, r.Header.Get("Authorization"))
	})

	client := newClient(t, server.URL)
	_, err := client.NetworkPolicies.Get(t.Context(), "npol_1")
	assert.ErrorContains(t, err, "unknown: Bearer ")
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v", client, client, client), comparisonKey)
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), comparisonKey)

	report := officially(t, server.URL, call{method: "retrieve", args: []any{"npol_1"}})
	assert.Contains(t, report.Printed, comparisonKey)
	assert.ErrorContains(t, report.thrown(t), "unknown: Bearer "+comparisonKey)
}

func compareRestOfTheAPI(t *testing.T) {
	fake := runlooptest.NewLoopbackServer(t, runlooptest.WithPolicies(aPolicy("build")))
	id := fake.Policies()[0].ID

	devbox, err := newClient(t, fake.URL).Devboxes.Create(t.Context(), runloop.DevboxCreateParams{NetworkPolicyID: id})
	require.NoError(t, err)
	assert.Equal(t, id, devbox.NetworkPolicyID)
	var services []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[runloop.Client]()) {
		if field.IsExported() {
			services = append(services, field.Name)
		}
	}
	assert.Equal(t, []string{"NetworkPolicies", "Devboxes"}, services)

	report := officially(t, fake.URL, call{
		service: "devboxes",
		method:  "create",
		args:    []any{map[string]any{"launch_parameters": map[string]any{"network_policy_id": id}}},
	})
	assert.Subset(t, report.returned(t), map[string]any{"launch_parameters": map[string]any{"network_policy_id": id}})
	assert.Subset(t, report.Services, []string{
		"accounts", "agents", "axons", "benchmarks", "blueprints", "devboxes", "gatewayConfigs",
		"mcpConfigs", "networkPolicies", "objects", "scenarios", "secrets",
	})

	if assert.Len(t, fake.Devboxes(), 2) {
		assert.Equal(t, id, fake.Devboxes()[0].NetworkPolicyID)
		assert.Equal(t, id, fake.Devboxes()[1].NetworkPolicyID)
	}
}

const comparisonKey = "comparison-key"

// policyJSON is a policy as the API answers it.
const policyJSON = `{"id": "npol_1", "name": "build", "egress": {}, "create_time_ms": 1, "update_time_ms": 1}`

// newClient returns a client of the SDK as it is by default.
func newClient(t *testing.T, url string, opts ...runloop.Option) *runloop.Client {
	t.Helper()
	client, err := runloop.NewClient(append(opts, runloop.WithBaseURL(url), runloop.WithAPIKey(comparisonKey))...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// serve starts a server that speaks HTTP/2 without TLS too, as Runloop's client does.
func serve(t *testing.T, handler http.HandlerFunc) *wiretest.Loopback {
	t.Helper()
	return wiretest.NewLoopback(t, handler, func(server *httptest.Server) {
		server.Config.Protocols = new(http.Protocols)
		server.Config.Protocols.SetHTTP1(true)
		server.Config.Protocols.SetUnencryptedHTTP2(true)
	})
}

// shortenWait lets Runloop's client go on at once where it would wait, for half a
// minute in sum. The SDK does not wait less than it would otherwise.
func shortenWait(w http.ResponseWriter) { w.Header().Set("Retry-After-Ms", "1") }

// atOnce calls f so many times at once.
func atOnce(times int, f func()) {
	var calls sync.WaitGroup
	for range times {
		calls.Go(f)
	}
	calls.Wait()
}

// A call is one of Runloop's client, with that as it is by default.
type call struct {
	service  string // "networkPolicies" by default
	method   string
	args     []any
	iterate  int           // through the list, up to so many policies
	times    int           // at once; 1 by default
	timeout  time.Duration // of the client, if it is not to be the default
	patience time.Duration // for the outcome; a minute by default
}

// A report is what the program call.mjs says.
type report struct {
	Outcomes []outcome `json:"outcomes"`
	Services []string  `json:"services"` // of the client
	Methods  []string  `json:"methods"`  // of the service
	Printed  string    `json:"printed"`  // by console.log of the client
}

// An outcome is what one call returned or threw, or that it still waits.
type outcome struct {
	Waiting  bool    `json:"waiting"`
	Returned any     `json:"returned"`
	Threw    *thrown `json:"threw"`
}

type thrown struct {
	Class   string `json:"class"`
	Message string `json:"message"`
}

func (e *thrown) Error() string { return e.Class + ": " + e.Message }

// officially makes a call with Runloop's client.
func officially(t *testing.T, url string, c call) *report {
	t.Helper()
	settings := map[string]any{"baseURL": url, "bearerToken": comparisonKey}
	if c.timeout > 0 {
		settings["timeout"] = c.timeout.Milliseconds()
	}
	question, err := json.Marshal(map[string]any{
		"settings": settings,
		"service":  cmp.Or(c.service, "networkPolicies"),
		"method":   c.method,
		"args":     c.args,
		"iterate":  c.iterate,
		"times":    cmp.Or(c.times, 1),
		"patience": cmp.Or(c.patience, time.Minute).Milliseconds(),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "call.mjs", string(question))
	cmd.Dir = typescriptDir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	answer, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	r := new(report)
	require.NoError(t, json.Unmarshal(answer, r), string(answer))
	return r
}

// outcome returns the outcome of the only call.
func (r *report) outcome(t *testing.T) outcome {
	t.Helper()
	require.Len(t, r.Outcomes, 1)
	return r.Outcomes[0]
}

// returned returns what the only call returned.
func (r *report) returned(t *testing.T) any {
	t.Helper()
	o := r.outcome(t)
	require.Nil(t, o.Threw)
	require.False(t, o.Waiting)
	return o.Returned
}

// thrown returns what the only call threw.
func (r *report) thrown(t *testing.T) error {
	t.Helper()
	o := r.outcome(t)
	require.NotNil(t, o.Threw, "%v", o)
	return o.Threw
}
