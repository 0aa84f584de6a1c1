package runlooptest_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
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

func TestAuthorization(t *testing.T) {
	t.Parallel()
	anyKey, theKey := runlooptest.WithAPIKey(""), runlooptest.WithAPIKey("s3cret-key")
	for name, tt := range map[string]struct {
		opt    runlooptest.Option
		header []string // the Authorization headers
		status int
	}{
		"any key":                        {anyKey, []string{"Bearer anything"}, 200},
		"any key, scheme in lower case":  {anyKey, []string{"bearer anything"}, 200},
		"no header":                      {anyKey, nil, 401},
		"empty header":                   {anyKey, []string{""}, 401},
		"no token":                       {anyKey, []string{"Bearer"}, 401},
		"blank token":                    {anyKey, []string{"Bearer   "}, 401},
		"token without a scheme":         {anyKey, []string{"s3cret-key"}, 401},
		"another scheme":                 {anyKey, []string{"Basic s3cret-key"}, 401},
		"two headers":                    {anyKey, []string{"Bearer s3cret-key", "Bearer s3cret-key"}, 401},
		"the key":                        {theKey, []string{"Bearer s3cret-key"}, 200},
		"another key":                    {theKey, []string{"Bearer S3cret-key"}, 401},
		"a longer key":                   {theKey, []string{"Bearer s3cret-key s3cret-key"}, 401},
		"without capability":             {runlooptest.WithoutCapability(), []string{"Bearer s3cret-key"}, 403},
		"without capability and the key": {runlooptest.WithoutCapability(), nil, 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := runlooptest.NewTestServer(t, tt.opt, seeded(1))
			before := s.Policies()
			for _, target := range everyOperation {
				req, err := newRequest(s, target.method, target.path, ``)
				require.NoError(t, err)
				req.Header["Authorization"] = tt.header
				r, err := do(s, req)
				require.NoError(t, err)
				switch tt.status {
				case 200:
					assert.NotContains(t, []int{401, 403}, r.status)
				case 401:
					requireRefusal(t, r, 401, "authentication")
					assert.Equal(t, "Bearer", r.header.Get("WWW-Authenticate"))
				case 403:
					requireRefusal(t, r, 403, "capability")
				}
				assert.NotContains(t, strings.ToLower(r.body+fmt.Sprint(r.header)), "key", "no response has the key")
			}
			if tt.status != 200 {
				assert.Equal(t, before, s.Policies())
				assert.Empty(t, s.Devboxes())
			}
		})
	}
}

func TestInvalidBodies(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1))
	before := s.Policies()
	port := func(port string) string {
		return `{"name": "x", "allowed_cidrs": [{"cidr": "10.0.0.0/8", "ports": [{"port": ` + port + `}]}]}`
	}
	for name, tt := range map[string]struct{ body, text string }{
		"cut off":                  {`{"name": "x"`, "malformed JSON"},
		"trailing garbage":         {`{"name": "x"} x`, "malformed JSON"},
		"second document":          {`{"name": "x"}{"name": "y"}`, "malformed JSON"},
		"trailing comma":           {`{"name": "x",}`, "malformed JSON"},
		"comment":                  {`{"name": "x" /* y */}`, "malformed JSON"},
		"bare word":                {`{name: "x"}`, "malformed JSON"},
		"single quotes":            {`{'name': 'x'}`, "malformed JSON"},
		"NaN":                      {`{"name": NaN}`, "malformed JSON"},
		"raw control character":    {"{\"name\": \"a\nb\"}", "malformed JSON"},
		"invalid UTF-8":            {"{\"name\": \"\xff\"}", "malformed JSON"},
		"lone surrogate":           {`{"name": "\ud800"}`, "malformed JSON"},
		"byte order mark":          {"\xef\xbb\xbf{}", "not a JSON object"},
		"array":                    {`[{"name": "x"}]`, "not a JSON object"},
		"string":                   {`"name"`, "not a JSON object"},
		"null":                     {`null`, "not a JSON object"},
		"white space":              {"  \n", "not a JSON object"},
		"form":                     {`name=x`, "not a JSON object"},
		"unknown field":            {`{"name": "x", "allow_everything": true}`, "unknown field at /allow_everything"},
		"field in another case":    {`{"Name": "x"}`, "unknown field at /Name"},
		"unknown field of a CIDR":  {`{"name": "x", "allowed_cidrs": [{"cidr": "10.0.0.0/8", "port": 1}]}`, "unknown field at /allowed_cidrs/0/port"},
		"egress as in responses":   {`{"name": "x", "egress": {"allow_all": true}}`, "unknown field at /egress"},
		"duplicate field":          {`{"name": "x", "name": "y"}`, "duplicate field at /name"},
		"duplicate field, escaped": {`{"name": "x", "n\u0061me": "y"}`, "duplicate field at /name"},
		"number as name":           {`{"name": 1}`, "wrong type or value at /name"},
		"string as flag":           {`{"name": "x", "allow_all": "true"}`, "wrong type or value at /allow_all"},
		"number as flag":           {`{"name": "x", "allow_all": 1}`, "wrong type or value at /allow_all"},
		"string as list":           {`{"name": "x", "allowed_hostnames": "a.example"}`, "wrong type or value at /allowed_hostnames"},
		"object as list":           {`{"name": "x", "allowed_hostnames": {}}`, "wrong type or value at /allowed_hostnames"},
		"number as host name":      {`{"name": "x", "allowed_hostnames": [1]}`, "wrong type or value at /allowed_hostnames/0"},
		"string as CIDR":           {`{"name": "x", "allowed_cidrs": ["10.0.0.0/8"]}`, "wrong type or value at /allowed_cidrs/0"},
		"fraction as port":         {port(`1.5`), "wrong type or value at /allowed_cidrs/0/ports/0/port"},
		"string as port":           {port(`"1"`), "wrong type or value"},
		"number beyond 64 bits":    {port(`99999999999999999999`), "wrong type or value"},
		"deep":                     {`{"name": ` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, "Invalid request body"},
	} {
		t.Run(name, func(t *testing.T) {
			postRefused(t, s, policiesPath, tt.body, tt.text)
			postRefused(t, s, policyPath, tt.body, tt.text)
			postRefused(t, s, policyPath+"/delete", tt.body, "")
			assert.Equal(t, before, s.Policies())
		})
	}
}

func TestContentType(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]int{
		"application/json": 200, "application/json; charset=utf-8": 200, "Application/JSON": 200,
		"": 415, "text/plain": 415, "application/x-www-form-urlencoded": 415, "application/json/x;;": 415,
	} {
		s := runlooptest.NewTestServer(t)
		for body, want := range map[string]int{`{"name": "x"}`: want, ``: 400} { // without a body it does not matter
			req, err := newRequest(s, "POST", policiesPath, body)
			require.NoError(t, err)
			req.Header["Content-Type"] = []string{contentType}
			r, err := do(s, req)
			require.NoError(t, err)
			if want == 200 {
				requireOK(t, r)
			} else {
				requireRefusal(t, r, want, "")
			}
		}
	}
}

func TestOversizeBodies(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	bodyOf := func(size int) string {
		const start, end = `{"name": "x", "description": "`, `"}`
		return start + strings.Repeat("d", size-len(start)-len(end)) + end
	}
	onBothNetworks(t, func(t *testing.T, s *runlooptest.Server) {
		for _, size := range []int{limit + 1, 2 * limit, 8 * limit} {
			requireRefusal(t, send(t, s, "POST", policiesPath, bodyOf(size)), 413, "1 MiB")
			assert.Empty(t, s.Policies())
		}
		for _, r := range s.Requests() {
			assert.LessOrEqual(t, len(r.Body), limit)
		}
		post(t, s, policiesPath, bodyOf(limit))
	})
}

func TestMethods(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1))
	before := s.Policies()
	for path, allow := range map[string]string{
		policiesPath: "POST, GET", policyPath: "GET, POST", policyPath + "/delete": "POST",
		devboxesPath: "POST, GET", devboxPath: "GET", devboxPath + "/wait_for_status": "POST", devboxPath + "/shutdown": "POST",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "post"} {
			if !strings.Contains(allow, method) {
				r := send(t, s, method, path, ``)
				requireRefusal(t, r, 405, "method")
				assert.Equal(t, allow, r.header.Get("Allow"), "%s %s", method, path)
			}
		}
		head := send(t, s, "HEAD", path, ``)
		assert.Equal(t, 405, head.status)
		assert.Empty(t, head.body)
	}
	assert.Equal(t, before, s.Policies())
}

func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, seeded(1))
	before := s.Policies()
	for _, path := range []string{
		"", "/", "//", "/v1", "/v1/", "/v2/network-policies", "/V1/network-policies", "/v1/network_policies",
		"/v1/network-policies/", "//v1/network-policies", "/v1//network-policies", "/v1/network-policies//",
		"/v1/network-policies//delete", policyPath + "/", policyPath + "//delete", policyPath + "/delete/", policyPath + "/Delete",
		policyPath + "/remove", policyPath + "/delete/x", "/v1/./network-policies", "/v1/../v1/network-policies",
		"/v1/network-policies/.", "/v1/network-policies/..", "/v1/network-policies/%2e", "/v1/network-policies/%2E%2e",
		"/v1/network-policies/../network-policies/npol_000001", "/v1/network-policies/x/../npol_000001", policyPath + "/.",
		policyPath + "/../npol_000001/delete", "/v1/network-policies/../delete", "/v1%2Fnetwork-policies",
		"/v1/network-policies%2Fnpol_000001", policyPath + "%2Fdelete/delete/x",
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

func TestEscapedPaths(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewTestServer(t, runlooptest.WithPolicies(runloop.NetworkPolicy{ID: "a/b c?d#e;é", Name: "odd"}))
	for _, id := range []string{"a%2Fb%20c%3Fd%23e%3B%C3%A9", "%61%2fb%20c%3fd%23e;%c3%a9"} {
		assert.Equal(t, "a/b c?d#e;é", field(t, get(t, s, "/%761/network%2Dpolicies/"+id), "id"))
	}
	assert.Equal(t, "/%761/network%2Dpolicies/a%2Fb%20c%3Fd%23e%3B%C3%A9", s.Requests()[0].Path)
}

func TestRawBytes(t *testing.T) {
	t.Parallel()
	s := runlooptest.NewLoopbackServer(t, seeded(1))
	const write = "POST /v1/network-policies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\n"
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
		write + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
		write + "Content-Length: 99\r\n\r\n{\"name\": \"half\"}",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		require.NoError(t, err)
		_, err = io.WriteString(conn, raw)
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			if res.StatusCode >= 500 {
				assert.Equal(t, 505, res.StatusCode, raw) // from net/http: no such version
			}
			res.Body.Close()
		}
		conn.Close()
	}
	assert.Len(t, s.Policies(), 1)
	get(t, s, policiesPath)
}

func TestConcurrentClients(t *testing.T) {
	t.Parallel()
	const clients, rounds = 64, 3
	onBothNetworks(t, func(t *testing.T, s *runlooptest.Server) {
		var wg sync.WaitGroup
		created := make(chan string, clients*rounds)
		expect := func(status int, method, path, body string) string {
			r, err := trySend(s, method, path, body)
			if assert.NoError(t, err) {
				assert.Equal(t, status, r.status, r.body)
			}
			return r.body
		}
		for i := range clients {
			wg.Go(func() {
				for n := range rounds {
					r, err := trySend(s, "POST", policiesPath, `{"name": "shared"}`)
					if assert.NoError(t, err) && r.status == 200 {
						created <- r.body
					}
					policy := expect(200, "POST", policiesPath, fmt.Sprintf(`{"name": "own-%d-%d"}`, i, n))
					id := strings.Split(policy+`""""`, `"`)[3]
					path := policiesPath + "/" + id
					expect(200, "POST", path, `{"allowed_hostnames": ["a.example"]}`)
					box := expect(200, "POST", devboxesPath, `{"launch_parameters": {"network_policy_id": "`+id+`"}}`)
					box = devboxesPath + "/" + strings.Split(box+`""""`, `"`)[3]
					expect(200, "GET", policiesPath+"?limit=5", ``)
					expect(200, "GET", path, ``)
					s.Policies()
					s.Requests(runlooptest.GetNetworkPolicy)
					expect(400, "POST", path+"/delete", `{}`)
					expect(200, "GET", devboxesPath+"?limit=5000", ``)
					expect(200, "POST", box+"/wait_for_status", anyEnd)
					expect(200, "GET", box, ``)
					expect(200, "POST", box+"/shutdown", ``)
				}
			})
		}
		wg.Wait()
		assert.Len(t, created, 1, "one create of a name wins")
		ids := map[string]bool{}
		for _, p := range s.Policies() {
			ids[p.ID] = true
		}
		assert.Len(t, ids, 1+clients*rounds)
		assert.Len(t, s.Policies(), 1+clients*rounds)
		assert.Len(t, s.Devboxes(), clients*rounds)
		assert.Len(t, s.Requests(), clients*rounds*11)
		assert.Empty(t, s.Running())
	}, runlooptest.WithPolicyLimit(0))
}

// It replaces the writer of the log package, so it is not parallel.
func TestNothingIsWrittenToStderr(t *testing.T) {
	var out bytes.Buffer
	before := log.Writer()
	log.SetOutput(&out)
	defer log.SetOutput(before)
	s := runlooptest.NewLoopbackServer(t)
	s.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Disconnect(), runlooptest.CutBody(3))
	for range 2 {
		_, err := trySend(s, "POST", policiesPath, `{"name": "x"}`)
		require.Error(t, err)
	}
	s.Close()
	assert.Empty(t, out.String())
}
