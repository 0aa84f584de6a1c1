package runlooptest_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBodiesThatAreNoRequest(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, text string }{
		{"cut", `{"name": "x"`, "malformed JSON"},
		{"trailing garbage", `{"name": "x"} x`, "malformed JSON"},
		{"second document", `{"name": "x"}{"name": "y"}`, "malformed JSON"},
		{"trailing comma", `{"name": "x",}`, "malformed JSON"},
		{"comment", `{"name": "x" /* y */}`, "malformed JSON"},
		{"bare word", `{name: "x"}`, "malformed JSON"},
		{"single quotes", `{'name': 'x'}`, "malformed JSON"},
		{"NaN", `{"name": NaN}`, "malformed JSON"},
		{"raw control character", "{\"name\": \"a\nb\"}", "malformed JSON"},
		{"invalid UTF-8", "{\"name\": \"\xff\"}", "malformed JSON"},
		{"lone surrogate", `{"name": "\ud800"}`, "malformed JSON"},
		{"byte order mark", "\xef\xbb\xbf{}", "not a JSON object"},
		{"array", `[{"name": "x"}]`, "not a JSON object"},
		{"string", `"name"`, "not a JSON object"},
		{"null", `null`, "not a JSON object"},
		{"blanks", "  \n", "not a JSON object"},
		{"form", `name=x`, "not a JSON object"},
		{"unknown member", `{"name": "x", "allow_everything": true}`, "unknown field at /allow_everything"},
		{"member in another case", `{"Name": "x"}`, "unknown field at /Name"},
		{"unknown member of a CIDR", `{"name": "x", "allowed_cidrs": [{"cidr": "10.0.0.0/8", "port": 1}]}`, "unknown field at /allowed_cidrs/0/port"},
		{"duplicate member", `{"name": "x", "name": "y"}`, "duplicate field at /name"},
		{"duplicate member, escaped", `{"name": "x", "n\u0061me": "y"}`, "duplicate field at /name"},
		{"number for a name", `{"name": 1}`, "wrong type or value at /name"},
		{"string for a flag", `{"name": "x", "allow_all": "true"}`, "wrong type or value at /allow_all"},
		{"number for a flag", `{"name": "x", "allow_all": 1}`, "wrong type or value at /allow_all"},
		{"string for a list", `{"name": "x", "allowed_hostnames": "a.example"}`, "wrong type or value at /allowed_hostnames"},
		{"object for a list", `{"name": "x", "allowed_hostnames": {}}`, "wrong type or value at /allowed_hostnames"},
		{"number for a host name", `{"name": "x", "allowed_hostnames": [1]}`, "wrong type or value at /allowed_hostnames/0"},
		{"string for a CIDR", `{"name": "x", "allowed_cidrs": ["10.0.0.0/8"]}`, "wrong type or value at /allowed_cidrs/0"},
		{"fraction for a port", `{"name": "x", "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 1.5}]}]}`, "wrong type or value at /allowed_cidrs/0/ports/0/port"},
		{"string for a port", `{"name": "x", "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": "1"}]}]}`, "wrong type or value"},
		{"number beyond 64 bits", `{"name": "x", "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": 99999999999999999999}]}]}`, "wrong type or value"},
		{"egress as in the view", `{"name": "x", "egress": {"allow_all": true}}`, "unknown field at /egress"},
		{"deep", `{"name": ` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, "Invalid request body"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := runlooptest.NewTestServer(t, seeded(1))
			before := s.Policies()
			requireRefusal(t, send(t, s, "POST", "/v1/network-policies", tt.body), 400, tt.text)
			requireRefusal(t, send(t, s, "POST", "/v1/network-policies/npol_000001", tt.body), 400, tt.text)
			requireRefusal(t, send(t, s, "POST", "/v1/network-policies/npol_000001/delete", tt.body), 400, "")
			assert.Equal(t, before, s.Policies())
		})
	}
}

func TestDeleteRefusesMembers(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1))
	requireRefusal(t, send(t, s, "POST", "/v1/network-policies/npol_000001/delete", `{"force": true}`), 400, "unknown field at /force")
	assert.Len(t, s.Policies(), 1)
}

func TestContentType(t *testing.T) {
	t.Parallel()
	tests := []struct {
		contentType, body string
		status            int
	}{
		{"application/json", `{"name": "x"}`, 200},
		{"application/json; charset=utf-8", `{"name": "x"}`, 200},
		{"Application/JSON", `{"name": "x"}`, 200},
		{"", `{"name": "x"}`, 415},
		{"text/plain", `{"name": "x"}`, 415},
		{"application/x-www-form-urlencoded", `{"name": "x"}`, 415},
		{"application/json/x;;", `{"name": "x"}`, 415},
		{"text/plain", ``, 400}, // no body has no type, and no name
	}
	for _, tt := range tests {
		t.Run(tt.contentType+" "+tt.body, func(t *testing.T) {
			t.Parallel()
			s := runlooptest.NewTestServer(t)
			req, err := http.NewRequest("POST", s.URL+"/v1/network-policies", strings.NewReader(tt.body))
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer x")
			if tt.contentType != "" {
				req.Header.Set("Content-Type", tt.contentType)
			}
			r, err := do(s, req)
			require.NoError(t, err)
			if tt.status == 200 {
				requireOK(t, r)
			} else {
				requireRefusal(t, r, tt.status, "")
			}
		})
	}
}

func TestOversizeBodies(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	bodyOf := func(size int) string {
		const frame = `{"name": "x", "description": ""}`
		return frame[:len(frame)-2] + strings.Repeat("d", size-len(frame)) + frame[len(frame)-2:]
	}
	newServer := map[string]func(*testing.T) *runlooptest.Server{
		"in memory":   func(t *testing.T) *runlooptest.Server { return runlooptest.NewTestServer(t) },
		"on loopback": func(t *testing.T) *runlooptest.Server { return runlooptest.NewLoopbackServer(t) },
	}
	for name, newServer := range newServer {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			for _, size := range []int{limit + 1, 2 * limit, 8 * limit} {
				requireRefusal(t, send(t, s, "POST", "/v1/network-policies", bodyOf(size)), 413, "1 MiB")
				assert.Empty(t, s.Policies())
			}
			for _, r := range s.Requests() {
				assert.LessOrEqual(t, len(r.Body), limit)
			}
			requireOK(t, send(t, s, "POST", "/v1/network-policies", bodyOf(limit)))
		})
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	allowed := map[string]string{
		"/v1/network-policies":                    "POST, GET",
		"/v1/network-policies/npol_000001":        "GET, POST",
		"/v1/network-policies/npol_000001/delete": "POST",
		"/v1/devboxes":                            "POST, GET",
		"/v1/devboxes/dbx_000001":                 "GET",
		"/v1/devboxes/dbx_000001/wait_for_status": "POST",
		"/v1/devboxes/dbx_000001/shutdown":        "POST",
	}
	s := runlooptest.NewTestServer(t, seeded(1))
	before := s.Policies()
	for path, allow := range allowed {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "post"} {
			if strings.Contains(allow, method) {
				continue
			}
			r := send(t, s, method, path, ``)
			requireRefusal(t, r, 405, "method")
			assert.Equal(t, allow, r.header.Get("Allow"), "%s %s", method, path)
		}
		head := send(t, s, "HEAD", path, ``)
		assert.Equal(t, 405, head.status)
		assert.Empty(t, head.body)
	}
	assert.Equal(t, before, s.Policies())
}

func TestPathsThatLeadNowhere(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1))
	before := s.Policies()
	for _, path := range []string{
		"", "/", "//", "/v1", "/v1/", "/v2/network-policies", "/V1/network-policies", "/v1/network_policies",
		"/v1/network-policies/", "//v1/network-policies", "/v1//network-policies", "/v1/network-policies//",
		"/v1/network-policies//delete", "/v1/network-policies/npol_000001/", "/v1/network-policies/npol_000001//delete",
		"/v1/network-policies/npol_000001/delete/", "/v1/network-policies/npol_000001/Delete",
		"/v1/network-policies/npol_000001/remove", "/v1/network-policies/npol_000001/delete/x",
		"/v1/./network-policies", "/v1/../v1/network-policies", "/v1/network-policies/.", "/v1/network-policies/..",
		"/v1/network-policies/%2e", "/v1/network-policies/%2E%2e", "/v1/network-policies/../network-policies/npol_000001",
		"/v1/network-policies/x/../npol_000001", "/v1/network-policies/npol_000001/.", "/v1/network-policies/npol_000001/../npol_000001/delete",
		"/v1/network-policies/../delete", "/v1%2Fnetwork-policies", "/v1/network-policies%2Fnpol_000001", "/v1/network-policies/npol_000001%2Fdelete/delete/x",
		"/v1/devboxes/", "/v1/devboxes/..", "/v1/devboxes/x/", "/v1/devboxes//shutdown", "/v1/devboxes/x/suspend",
	} {
		for _, method := range []string{"GET", "POST"} {
			requireRefusal(t, send(t, s, method, path, ``), 404, "No such path")
		}
	}
	assert.Equal(t, before, s.Policies())
	for _, r := range s.Requests() {
		assert.Empty(t, r.Operation, r.Path)
	}
}

// Escapes that a client may use but need not lead to the same operation.
func TestEscapedPathsLeadToTheSameOperation(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithPolicies(runloop.NetworkPolicy{ID: "a/b c?d#e;é", Name: "odd"}))
	for _, id := range []string{"a%2Fb%20c%3Fd%23e%3B%C3%A9", "%61%2fb%20c%3fd%23e;%c3%a9"} {
		body := requireOK(t, send(t, s, "GET", "/%761/network%2Dpolicies/"+id, ``))
		assert.Equal(t, "a/b c?d#e;é", field(t, body, "id"))
	}
	assert.Equal(t, "/%761/network%2Dpolicies/a%2Fb%20c%3Fd%23e%3B%C3%A9", s.Requests()[0].Path)
}

// What no HTTP client would send must not harm the server either.
func TestRawBytes(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewLoopbackServer(t, seeded(1))
	for _, raw := range []string{
		"\r\n\r\n",
		"GET\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"GET / HTTP/9.9\r\n\r\n",
		"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET http://other/v1/network-policies HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/network-policies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nContent-Length: -1\r\n\r\n",
		"POST /v1/network-policies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"POST /v1/network-policies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"name\": \"half\"}",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		require.NoError(t, err)
		_, err = io.WriteString(conn, raw)
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			assert.Less(t, res.StatusCode, 600, raw)
			if res.StatusCode >= 500 {
				assert.Equal(t, 505, res.StatusCode, raw) // net/http's own: no such version
			}
			res.Body.Close()
		}
		conn.Close()
	}
	assert.Len(t, s.Policies(), 1)
	requireOK(t, send(t, s, "GET", "/v1/network-policies", ""))
}

func TestManyClientsAtOnce(t *testing.T) {
	t.Parallel()
	const clients, rounds = 64, 5
	for name, newServer := range map[string]func(runlooptest.TB, ...runlooptest.Option) *runlooptest.Server{
		"in memory":   runlooptest.NewTestServer,
		"on loopback": runlooptest.NewLoopbackServer,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, runlooptest.WithPolicyLimit(0))
			var wg sync.WaitGroup
			created := make(chan string, clients*rounds)
			for i := range clients {
				wg.Go(func() {
					for n := range rounds {
						// One name that all fight for, one of the client's own.
						r, err := trySend(s, "POST", "/v1/network-policies", `{"name": "shared"}`)
						if assert.NoError(t, err) && r.status == 200 {
							created <- r.body
						}
						r, err = trySend(s, "POST", "/v1/network-policies", fmt.Sprintf(`{"name": "own-%d-%d"}`, i, n))
						if !assert.NoError(t, err) || !assert.Equal(t, 200, r.status, r.body) {
							return
						}
						id := r.body[len(`{"id":"`):]
						id = id[:strings.IndexByte(id, '"')]
						for _, step := range []struct{ method, path, body string }{
							{"POST", "/v1/network-policies/" + id, `{"allowed_hostnames": ["a.example"]}`},
							{"POST", "/v1/devboxes", `{"launch_parameters": {"network_policy_id": "` + id + `"}}`},
							{"GET", "/v1/network-policies?limit=5", ``},
							{"GET", "/v1/network-policies/" + id, ``},
						} {
							r, err = trySend(s, step.method, step.path, step.body)
							if assert.NoError(t, err) {
								assert.Equal(t, 200, r.status, r.body)
							}
						}
						s.Policies()
						s.Requests(runlooptest.GetNetworkPolicy)
						r, err = trySend(s, "POST", "/v1/network-policies/"+id+"/delete", `{}`)
						if assert.NoError(t, err) {
							assert.Equal(t, 400, r.status, r.body)
						}
					}
				})
			}
			wg.Wait()
			assert.Len(t, created, 1, "one create of a name wins")
			assert.Len(t, s.Policies(), 1+clients*rounds)
			assert.Len(t, s.Devboxes(), clients*rounds)
			ids := map[string]bool{}
			for _, p := range s.Policies() {
				ids[p.ID] = true
			}
			assert.Len(t, ids, 1+clients*rounds)
			assert.Len(t, s.Requests(), clients*rounds*7)
		})
	}
}

func TestNothingIsWrittenToStderr(t *testing.T) {
	// Not parallel: it replaces the log package's writer for its time.
	var out bytes.Buffer
	restore := captureLog(&out)
	defer restore()
	s := runlooptest.NewLoopbackServer(t)
	s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Disconnect(), runlooptest.CutBody(3))
	for range 2 {
		_, err := trySend(s, "POST", "/v1/network-policies", `{"name": "x"}`)
		require.Error(t, err)
	}
	s.Close()
	assert.Empty(t, out.String())
}
