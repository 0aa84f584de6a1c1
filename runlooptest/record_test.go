package runlooptest_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRequestsAreRecorded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := runlooptest.NewTestServer(t)
		s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Disconnect().AfterCommit())
		start := time.Now()

		_, err := trySend(s, "POST", "/v1/network-policies", `{"name": "x"}`)
		require.Error(t, err)
		time.Sleep(time.Minute)
		req, err := http.NewRequest("GET", s.URL+"/v1/network-policies?name=a%26b&limit=5", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer the-key")
		req.Header.Add("X-Twice", "1")
		req.Header.Add("X-Twice", "2")
		listed, err := do(s, req)
		require.NoError(t, err)
		send(t, s, "PUT", "/v1/a%2Fb", `?`)

		requests := s.Requests()
		require.Len(t, requests, 3)

		created := requests[0]
		assert.Equal(t, "req_000001", created.ID)
		assert.Equal(t, start, created.Time)
		assert.Equal(t, runlooptest.CreateNetworkPolicy, created.Operation)
		assert.Equal(t, "POST", created.Method)
		assert.Equal(t, "/v1/network-policies", created.Path)
		assert.Empty(t, created.Query)
		assert.Equal(t, "application/json", created.Header.Get("Content-Type"))
		assert.Equal(t, `{"name": "x"}`, string(created.Body))
		assert.Zero(t, created.Status)
		assert.Equal(t, "disconnect after commit", created.Fault)

		assert.Equal(t, "req_000002", requests[1].ID)
		assert.Equal(t, "req_000002", listed.header.Get("X-Runloop-Request-Id"))
		assert.Equal(t, start.Add(time.Minute), requests[1].Time)
		assert.Equal(t, runlooptest.ListNetworkPolicies, requests[1].Operation)
		assert.Equal(t, url.Values{"name": {"a&b"}, "limit": {"5"}}, requests[1].Query)
		assert.Equal(t, "Bearer the-key", requests[1].Header.Get("Authorization"))
		assert.Equal(t, []string{"1", "2"}, requests[1].Header.Values("X-Twice"))
		assert.Empty(t, requests[1].Body)
		assert.Equal(t, 200, requests[1].Status)
		assert.Empty(t, requests[1].Fault)

		assert.Empty(t, requests[2].Operation)
		assert.Equal(t, "PUT", requests[2].Method)
		assert.Equal(t, "/v1/a%2Fb", requests[2].Path)
		assert.Equal(t, 404, requests[2].Status)
	})
}

func TestRequestsByOperation(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1))
	for _, target := range everyOperation {
		send(t, s, target.method, target.path, ``)
		send(t, s, target.method, target.path, ``)
	}
	for _, target := range everyOperation {
		assert.Len(t, s.Requests(target.op), 2)
	}
	assert.Len(t, s.Requests(runlooptest.CreateDevbox, runlooptest.GetDevbox), 4)
	assert.Len(t, s.Requests(), 2*len(everyOperation))

	s.ResetRequests()
	assert.Empty(t, s.Requests())
	send(t, s, "GET", "/v1/network-policies", ``)
	assert.Len(t, s.Requests(), 1)
	assert.Equal(t, fmt.Sprintf("req_%06d", 2*len(everyOperation)+1), s.Requests()[0].ID, "ids go on")
}

func TestRecordedRequestsAreCopies(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t)
	send(t, s, "POST", "/v1/network-policies?a=b", `{"name": "x"}`)
	r := s.Requests()[0]
	r.Header.Set("Authorization", "changed")
	r.Query.Set("a", "changed")
	r.Body[0] = '!'
	again := s.Requests()[0]
	assert.Equal(t, "Bearer any-key", again.Header.Get("Authorization"))
	assert.Equal(t, "b", again.Query.Get("a"))
	assert.Equal(t, `{"name": "x"}`, string(again.Body))
}

func TestWithoutRecord(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithoutRecord())
	r := send(t, s, "POST", "/v1/network-policies", `{"name": "x"}`)
	assert.Equal(t, "req_000001", r.header.Get("X-Runloop-Request-Id"))
	assert.Empty(t, s.Requests())
}

func TestLogger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := runlooptest.NewTestServer(t, runlooptest.WithLogger(slog.New(slog.NewJSONHandler(&out, nil))))
		s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Disconnect().WithDelay(time.Second))
		_, err := trySend(s, "POST", "/v1/network-policies", `{"name": "private"}`)
		require.Error(t, err)
		send(t, s, "GET", "/v1/network-policies?limit=1", ``)
		send(t, s, "GET", "/nowhere", ``)

		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		require.Len(t, lines, 3)
		for i, want := range []map[string]any{
			{"method": "POST", "path": "/v1/network-policies", "operation": "createNetworkPolicy", "status": 0.0, "took": 1e9, "request_id": "req_000001", "fault": "delay 1s, disconnect"},
			{"method": "GET", "path": "/v1/network-policies", "operation": "listNetworkPolicies", "status": 200.0, "took": 0.0, "request_id": "req_000002", "query": "limit=1"},
			{"method": "GET", "path": "/nowhere", "operation": "", "status": 404.0, "took": 0.0, "request_id": "req_000003"},
		} {
			want["level"], want["msg"], want["time"] = "INFO", "request", field(t, lines[i], "time")
			var got map[string]any
			require.NoError(t, json.Unmarshal([]byte(lines[i]), &got))
			assert.Equal(t, want, got)
		}
		assert.NotContains(t, out.String(), "any-key")
		assert.NotContains(t, out.String(), "private")
	})
}
