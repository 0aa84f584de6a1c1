package clienttest

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

// What the SDK writes into headers, as regular expressions.
const (
	UserAgent = `^runloop-go/\d+\.\d+\.\d+$`
	UUID4     = `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`
)

// AsAPIError returns err as the answer of the API that it must be.
func AsAPIError(t testing.TB, err error) *runloop.APIError {
	t.Helper()
	e, ok := errors.AsType[*runloop.APIError](err)
	require.Truef(t, ok, "%T is no *APIError: %v", err, err)
	return e
}

// AsTransportError returns err as the lack of a usable answer that it must be.
func AsTransportError(t testing.TB, err error) *runloop.TransportError {
	t.Helper()
	e, ok := errors.AsType[*runloop.TransportError](err)
	require.Truef(t, ok, "%T is no *TransportError: %v", err, err)
	return e
}

// Invalid is the error of a call with a single problem.
func Invalid(op, field, problem string) *runloop.ValidationError {
	return &runloop.ValidationError{Op: op, Field: field, Problem: problem, Problems: []string{field + ": " + problem}}
}

// MaybeApplied returns what an error says of a write's effect.
func MaybeApplied(err error) bool {
	if e, ok := errors.AsType[*runloop.APIError](err); ok {
		return e.MaybeApplied
	}
	e, ok := errors.AsType[*runloop.TransportError](err)
	return ok && e.MaybeApplied
}

// Sentinels returns the names of the sentinels that err matches.
func Sentinels(err error) []string {
	names := []string{}
	for _, sentinel := range []struct {
		name string
		err  error
	}{
		{"ErrBadRequest", runloop.ErrBadRequest},
		{"ErrUnauthorized", runloop.ErrUnauthorized},
		{"ErrForbidden", runloop.ErrForbidden},
		{"ErrNotFound", runloop.ErrNotFound},
		{"ErrConflict", runloop.ErrConflict},
		{"ErrRateLimited", runloop.ErrRateLimited},
		{"ErrServer", runloop.ErrServer},
		{"ErrNameTaken", runloop.ErrNameTaken},
		{"ErrPolicyInUse", runloop.ErrPolicyInUse},
		{"ErrPolicyLimit", runloop.ErrPolicyLimit},
		{"ErrDrift", runloop.ErrDrift},
		{"ErrInvalidResponse", runloop.ErrInvalidResponse},
		{"ErrResponseTooLarge", runloop.ErrResponseTooLarge},
	} {
		if errors.Is(err, sentinel.err) {
			names = append(names, sentinel.name)
		}
	}
	return names
}

// AssertBackoff checks the waits between attempts that end at once: 0.25 to 0.5 s, 0.5
// to 1 s, 1 to 2 s, and so on.
func AssertBackoff(t testing.TB, times []time.Duration) {
	t.Helper()
	limit := 500 * time.Millisecond
	for i := 1; i < len(times); i++ {
		wait := times[i] - times[i-1]
		assert.GreaterOrEqual(t, wait, limit/2, "wait %d", i)
		assert.LessOrEqual(t, wait, limit, "wait %d", i)
		limit = min(2*limit, 8*time.Second)
	}
}
