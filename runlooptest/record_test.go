package runlooptest_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRequestsAreRecorded(t *testing.T) {
	inBubble(func(t *testing.T) {
		s := runlooptest.NewTestServer(t)
		s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Disconnect().AfterCommit())
		start := time.Now()
		requireDropped(t, s, policiesPath, `{"name": "x"}`)
		time.Sleep(time.Minute)
		req, err := newRequest(s, "GET", policiesPath+"?name=a%26b&limit=5", ``)
		require.NoError(t, err)
		req.Header["X-Twice"] = []string{"1", "2"}
		response, err := do(s, req)
		require.NoError(t, err)
		assert.Equal(t, "req_000002", response.header.Get("X-Runloop-Request-Id"))
		unknown := send(t, s, "PUT", "/v1/a%2Fb", `?`)
		assert.Equal(t, "req_000003", unknown.header.Get("X-Runloop-Request-Id"))

		requests := s.Requests()
		assert.Equal(t, "application/json", requests[0].Header.Get("Content-Type"))
		assert.Equal(t, "Bearer any-key", requests[1].Header.Get("Authorization"))
		assert.Equal(t, []string{"1", "2"}, requests[1].Header["X-Twice"])
		for i := range requests {
			requests[i].Header = nil
		}
		assert.Equal(t, []runlooptest.Request{
			{ID: "req_000001", Time: start, Operation: runlooptest.CreateNetworkPolicy, Method: "POST", Path: policiesPath,
				Query: url.Values{}, Body: []byte(`{"name": "x"}`), Fault: "disconnect after commit"},
			{ID: "req_000002", Time: start.Add(time.Minute), Operation: runlooptest.ListNetworkPolicies, Method: "GET", Path: policiesPath,
				Query: url.Values{"name": {"a&b"}, "limit": {"5"}}, Body: []byte{}, Status: 200},
			{ID: "req_000003", Time: start.Add(time.Minute), Method: "PUT", Path: "/v1/a%2Fb", Query: url.Values{}, Body: []byte(`?`), Status: 404},
		}, requests)
	})(t)
}

func TestEveryOperationCanFailAndIsRecorded(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1))
	for _, target := range everyOperation {
		s.Inject(target.op, runlooptest.Status(503), runlooptest.Status(503))
		for n := range 2 {
			r := send(t, s, target.method, target.path, ``)
			requireRefusal(t, r, 503, "Service Unavailable")
			require.Len(t, s.Requests(target.op), n+1)
			assert.Equal(t, s.Requests(target.op)[n].ID, r.header.Get("X-Runloop-Request-Id"))
		}
	}
	assert.Len(t, s.Policies(), 1)
	assert.Empty(t, s.Devboxes())
	assert.Len(t, s.Requests(runlooptest.CreateDevbox, runlooptest.GetDevbox), 4)
	assert.Len(t, s.Requests(), 2*len(everyOperation))

	s.ResetRequests()
	assert.Empty(t, s.Requests())
	get(t, s, policiesPath)
	assert.Len(t, s.Requests(), 1)
	assert.Equal(t, fmt.Sprintf("req_%06d", 2*len(everyOperation)+1), s.Requests()[0].ID, "IDs continue")
}

func TestRecordedRequestsAreCopies(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t)
	post(t, s, policiesPath+"?a=b", `{"name": "x"}`)
	r := s.Requests()[0]
	r.Header["Authorization"][0] = "changed"
	r.Query["a"][0] = "changed"
	r.Body[0] = '!'
	r = s.Requests()[0]
	assert.Equal(t, []string{"Bearer any-key", "b", `{"name": "x"}`}, []string{r.Header.Get("Authorization"), r.Query.Get("a"), string(r.Body)})
}

func TestWithoutRecord(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithoutRecord())
	assert.Equal(t, "req_000001", send(t, s, "GET", policiesPath, ``).header.Get("X-Runloop-Request-Id"))
	assert.Empty(t, s.Requests())
}

func TestLogger(t *testing.T) {
	inBubble(func(t *testing.T) {
		var out bytes.Buffer
		s := runlooptest.NewTestServer(t, runlooptest.WithLogger(slog.New(slog.NewJSONHandler(&out, nil))))
		s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Disconnect().WithDelay(time.Second))
		requireDropped(t, s, policiesPath, `{"name": "private"}`)
		get(t, s, policiesPath+"?limit=1")
		send(t, s, "GET", "/nowhere", ``)

		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		require.Len(t, lines, 3)
		for i, want := range []map[string]any{
			{"method": "POST", "path": policiesPath, "operation": "createNetworkPolicy", "status": 0.0, "took": 1e9, "request_id": "req_000001", "fault": "delay 1s, disconnect"},
			{"method": "GET", "path": policiesPath, "operation": "listNetworkPolicies", "status": 200.0, "took": 0.0, "request_id": "req_000002", "query": "limit=1"},
			{"method": "GET", "path": "/nowhere", "operation": "", "status": 404.0, "took": 0.0, "request_id": "req_000003"},
		} {
			want["level"], want["msg"], want["time"] = "INFO", "request", field(t, lines[i], "time")
			var got map[string]any
			require.NoError(t, json.Unmarshal([]byte(lines[i]), &got))
			assert.Equal(t, want, got)
		}
		assert.NotContains(t, out.String(), "any-key")
		assert.NotContains(t, out.String(), "private")
	})(t)
}
