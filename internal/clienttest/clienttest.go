// Package clienttest contains what the tests of several packages share: clients, calls of
// the network policies, responses of the API, and checks of errors and pauses.
//
// An [API] responds by method and path and records the requests. Use it for tests of
// requests and responses. Use a wiretest.Server, to which [NewWireClient] connects, for
// bytes, connections and times.
//
// Importing this package unsets the environment variables that a client reads, so that no
// test depends on them or reaches an account.
package clienttest

import (
	"errors"
	"net/http"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

func init() {
	for _, variable := range []string{"RUNLOOP_API_KEY", "RUNLOOP_BASE_URL", "RUNLOOP_CUSTOM_HEADERS"} {
		if err := os.Unsetenv(variable); err != nil {
			panic(err)
		}
	}
}

// APIKey is the key of every client that this package creates.
const APIKey = "rl_test_planted_key"

// Regular expressions for headers that the SDK sends.
const (
	UserAgent = `^runloop-go/\d+\.\d+\.\d+$`
	UUID4     = `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`
)

// InBubble returns a parallel test that runs in virtual time.
func InBubble(run func(t *testing.T)) func(*testing.T) {
	return func(t *testing.T) {
		t.Helper()
		t.Parallel()
		synctest.Test(t, run)
	}
}

// NewWireClient returns a client that connects to server.
func NewWireClient(t testing.TB, server *wiretest.Server, opts ...runloop.Option) *runloop.Client {
	t.Helper()
	return NewClientOver(t, server.Transport, opts...)
}

// NewClientOver returns a client that sends requests through transport.
func NewClientOver(t testing.TB, transport http.RoundTripper, opts ...runloop.Option) *runloop.Client {
	t.Helper()
	client, err := runloop.NewClient(append([]runloop.Option{
		runloop.WithAPIKey(APIKey),
		runloop.WithBaseURL("http://localhost"),
		runloop.WithHTTPClient(&http.Client{Transport: transport}),
	}, opts...)...)
	require.NoError(t, err)
	return client
}

// A RoundTripper is a function that implements http.RoundTripper.
type RoundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls f.
func (f RoundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// AsAPIError returns the *APIError in err.
func AsAPIError(t testing.TB, err error) *runloop.APIError {
	t.Helper()
	return as[*runloop.APIError](t, err)
}

// AsTransportError returns the *TransportError in err.
func AsTransportError(t testing.TB, err error) *runloop.TransportError {
	t.Helper()
	return as[*runloop.TransportError](t, err)
}

func as[E error](t testing.TB, err error) E {
	t.Helper()
	e, ok := errors.AsType[E](err)
	require.Truef(t, ok, "%T is not a %T: %v", err, e, err)
	return e
}

// Invalid returns the error of a call with a single problem.
func Invalid(op, field, problem string) *runloop.ValidationError {
	return &runloop.ValidationError{Op: op, Field: field, Problem: problem, Problems: []string{field + ": " + problem}}
}

// MaybeApplied reports whether a write may have been applied.
func MaybeApplied(err error) bool { return errors.Is(err, runloop.ErrMaybeApplied) }

// Sentinels returns the names of the sentinel errors that err matches.
func Sentinels(err error) []string {
	names := []string{}
	for name, sentinel := range map[string]error{
		"ErrBadRequest":       runloop.ErrBadRequest,
		"ErrUnauthorized":     runloop.ErrUnauthorized,
		"ErrForbidden":        runloop.ErrForbidden,
		"ErrNotFound":         runloop.ErrNotFound,
		"ErrConflict":         runloop.ErrConflict,
		"ErrRateLimited":      runloop.ErrRateLimited,
		"ErrServer":           runloop.ErrServer,
		"ErrNameTaken":        runloop.ErrNameTaken,
		"ErrPolicyInUse":      runloop.ErrPolicyInUse,
		"ErrPolicyLimit":      runloop.ErrPolicyLimit,
		"ErrDrift":            runloop.ErrDrift,
		"ErrInvalidResponse":  runloop.ErrInvalidResponse,
		"ErrResponseTooLarge": runloop.ErrResponseTooLarge,
	} {
		if errors.Is(err, sentinel) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// AssertBackoff checks the pauses between attempts that fail immediately: 0.25 to 0.5 s,
// 0.5 to 1 s, 1 to 2 s, and so on.
func AssertBackoff(t testing.TB, times []time.Duration) {
	t.Helper()
	limit := 500 * time.Millisecond
	for i := 1; i < len(times); i++ {
		pause := times[i] - times[i-1]
		assert.GreaterOrEqual(t, pause, limit/2, "pause %d", i)
		assert.LessOrEqual(t, pause, limit, "pause %d", i)
		limit = min(2*limit, 8*time.Second)
	}
}
