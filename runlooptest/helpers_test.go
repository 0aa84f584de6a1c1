package runlooptest_test

import (
	"io"
	"log"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/runloop-community/runloop-go/runlooptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// noon is what the clock of most tests stands at.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const noonMS = "1795348800000"

func atNoon() runlooptest.Option {
	return runlooptest.WithClock(func() time.Time { return noon })
}

// A reply is an answer of the fake, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// send sends a request as a client of any language would: with a key, and with
// the Content-Type that a write has.
func send(t *testing.T, s *runlooptest.Server, method, path, body string) reply {
	t.Helper()
	r, err := trySend(s, method, path, body)
	require.NoError(t, err)
	return r
}

func trySend(s *runlooptest.Server, method, path, body string) (reply, error) {
	req, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Authorization", "Bearer any-key")
	if method != http.MethodGet {
		req.Header.Set("Content-Type", "application/json")
	}
	return do(s, req)
}

func do(s *runlooptest.Server, req *http.Request) (reply, error) {
	res, err := s.HTTPClient().Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, string(body)}, err
}

// requireOK requires a 200 and returns its body.
func requireOK(t *testing.T, r reply) string {
	t.Helper()
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.Equal(t, "application/json", r.header.Get("Content-Type"))
	return r.body
}

// requireRefusal requires a status and an error body of the API's shape, whose
// message has the text in it.
func requireRefusal(t *testing.T, r reply, status int, text string) {
	t.Helper()
	require.Equal(t, status, r.status, r.body)
	require.Equal(t, "application/json", r.header.Get("Content-Type"))
	var body struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}
	require.NoError(t, json.Unmarshal([]byte(r.body), &body, json.RejectUnknownMembers(true)), r.body)
	assert.NotEmpty(t, body.Error)
	assert.Contains(t, body.Message, text)
}

// field returns a member of a JSON object, by its path.
func field(t *testing.T, body string, path ...string) any {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal([]byte(body), &v), body)
	for _, name := range path {
		object, ok := v.(map[string]any)
		require.True(t, ok, body)
		require.Contains(t, object, name)
		v = object[name]
	}
	return v
}

// create creates a policy and returns its id.
func create(t *testing.T, s *runlooptest.Server, body string) string {
	t.Helper()
	return field(t, requireOK(t, send(t, s, "POST", "/v1/network-policies", body)), "id").(string)
}

// launch launches a devbox with a policy and returns its id.
func launch(t *testing.T, s *runlooptest.Server, policyID string) string {
	t.Helper()
	r := send(t, s, "POST", "/v1/devboxes", `{"launch_parameters": {"network_policy_id": "`+policyID+`"}}`)
	return field(t, requireOK(t, r), "id").(string)
}

// captureLog sends what the log package writes to w until it is restored.
func captureLog(w io.Writer) (restore func()) {
	before := log.Writer()
	log.SetOutput(w)
	return func() { log.SetOutput(before) }
}
