package faults

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// The package documentation promises when a call is sent again. Each sentence of it is
// quoted in promises, with what happens and what is counted at the server.

// A promise is a sentence of the documentation, or some that follow each other.
type promise struct {
	sentence  string
	scenarios []scenario
}

// A scenario is a call and the script of what it meets.
type scenario struct {
	name  string
	do    func(context.Context, *runloop.Client) error
	steps []wiretest.Step
	// requests is how many reach the server.
	requests int
	// waits are the shortest and the longest time between them.
	waits []between
	// ends is what the error matches, nil for a success.
	ends error
	// check is for what else there is to see.
	check func(t *testing.T, err error, server *wiretest.Server)
}

type between [2]time.Duration

var errAny = errors.New("an error that has no sentinel")

func TestDocumentedRetryContract(t *testing.T) {
	for _, promise := range promises() {
		for _, s := range promise.scenarios {
			t.Run(s.name, clienttest.InBubble(func(t *testing.T) { s.run(t, promise.sentence) }))
		}
	}
}

func (s scenario) run(t *testing.T, sentence string) {
	server, client := script(t, s.steps...)

	err := s.do(t.Context(), client)

	switch s.ends {
	case nil:
		require.NoError(t, err, sentence)
	case errAny:
		require.Error(t, err, sentence)
	default:
		require.ErrorIs(t, err, s.ends, sentence)
	}
	times := server.Times()
	require.Len(t, times, s.requests, sentence)
	for i, wait := range s.waits {
		assert.GreaterOrEqual(t, times[i+1]-times[i], wait[0], sentence)
		assert.LessOrEqual(t, times[i+1]-times[i], wait[1], sentence)
	}
	if s.check != nil {
		s.check(t, err, server)
	}
}

// Every sentence stands in the documentation as it is quoted, and the documentation
// has no other.
func TestEverySentenceOfTheRetryContractHasATest(t *testing.T) {
	t.Parallel()
	documentation, err := os.ReadFile("../../doc.go")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(documentation), "# Retries\n")
	require.True(t, found)
	section, _, found = strings.Cut(section, "\n# ")
	require.True(t, found)
	section = strings.Join(strings.Fields(section), " ")

	for _, promise := range promises() {
		before, after, found := strings.Cut(section, promise.sentence)
		if assert.True(t, found, "this is promised no more: %s", promise.sentence) {
			section = before + after
		}
	}

	assert.Empty(t, strings.Trim(section, " -"), "this is promised, but no test has it")
}

// Calls and answers that scenarios have in common.

func doing(call clienttest.PolicyCall, opts ...runloop.Option) func(context.Context, *runloop.Client) error {
	return func(ctx context.Context, client *runloop.Client) error {
		_, err := call.Policy(ctx, client, opts...)
		return err
	}
}

// within10s is a call that its context gives ten seconds.
func within10s(do func(context.Context, *runloop.Client) error) func(context.Context, *runloop.Client) error {
	return func(ctx context.Context, client *runloop.Client) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		return do(ctx, client)
	}
}

// times is a call made many times over, which returns the last error.
func times(n int, do func(context.Context, *runloop.Client) error) func(context.Context, *runloop.Client) error {
	return func(ctx context.Context, client *runloop.Client) (err error) {
		for range n {
			err = do(ctx, client)
		}
		return err
	}
}

// thousand is a call made a thousand times at once, which returns one of the errors.
func thousand(do func(context.Context, *runloop.Client) error) func(context.Context, *runloop.Client) error {
	return func(ctx context.Context, client *runloop.Client) error {
		return atOnce(1000, func(int, runloop.Option) error { return do(ctx, client) })[0]
	}
}

// raw is a call by Client.Do.
func raw(method string, opts ...runloop.Option) func(context.Context, *runloop.Client) error {
	return func(ctx context.Context, client *runloop.Client) error {
		return client.Do(ctx, method, "/v1/devboxes", map[string]string{"name": "box"}, nil, opts...)
	}
}

func answer(status int, headers ...string) wiretest.Step {
	return wiretest.Reply(status, `{"message": "no"}`, headers...)
}

func steps(steps ...wiretest.Step) []wiretest.Step { return steps }

// What else there is to see.

// sameRequestID is for the writes that were sent.
func sameRequestID(t *testing.T, _ error, server *wiretest.Server) {
	for _, r := range server.Requests() {
		if r.Method == http.MethodPost {
			assert.Equal(t, server.Requests()[0].Header.Get("X-Request-Id"), r.Header.Get("X-Request-Id"))
		}
	}
	assert.NotEmpty(t, server.Requests()[0].Header.Get("X-Request-Id"))
}

func endedAtOnce(t *testing.T, err error, server *wiretest.Server) {
	assert.Zero(t, server.Now())
	assert.Equal(t, "no", clienttest.AsAPIError(t, err).Message)
}

func reportsMaybe(t *testing.T, err error, _ *wiretest.Server) {
	assert.True(t, clienttest.MaybeApplied(err))
	assert.ErrorIs(t, err, runloop.ErrMaybeApplied)
}

func isNotNotFound(t *testing.T, err error, _ *wiretest.Server) {
	assert.NotErrorIs(t, err, runloop.ErrNotFound)
	assert.Equal(t, 404, clienttest.AsAPIError(t, err).StatusCode)
}

func endsWithLookup(t *testing.T, _ error, server *wiretest.Server) {
	requests := server.Requests()
	last := requests[len(requests)-1]
	assert.Equal(t, http.MethodGet, last.Method)
	assert.Contains(t, last.Target, "/v1/network-policies?")
}

func isRedirect(t *testing.T, err error, _ *wiretest.Server) {
	assert.Equal(t, 307, clienttest.AsAPIError(t, err).StatusCode)
}
