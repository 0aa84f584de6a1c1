package runloop_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

// matches returns the names of the sentinels that err matches.
func matches(err error) []string {
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

// failWith makes the call once, has the API answer it so, and returns the error.
func failWith(t *testing.T, call policyCall, answer httpmock.Responder, opts ...runloop.Option) error {
	t.Helper()
	api, client := newAPI(t, append([]runloop.Option{runloop.WithMaxRetries(0)}, opts...)...)
	// A create whose effect is unknown looks the name up.
	api.answers(http.MethodGet, policiesPath, httpmock.NewStringResponder(200, emptyPageJSON))
	api.answers(call.method, call.path, answer)
	got, err := call.do(t.Context(), client)
	require.Error(t, err)
	assert.Nil(t, got, "no value comes with an error")
	return err
}

func apiError(t *testing.T, err error) *runloop.APIError {
	t.Helper()
	answer, ok := errors.AsType[*runloop.APIError](err)
	require.Truef(t, ok, "%T is no *APIError: %v", err, err)
	return answer
}

func TestWhatAnErrorIsAbout(t *testing.T) {
	t.Parallel()
	every := func(sentinels ...string) map[string][]string {
		return map[string][]string{"": sentinels}
	}
	for _, test := range []struct {
		status  int
		message string
		want    map[string][]string // by operation, "" for those that are not there
	}{
		{400, "limit must be positive", map[string][]string{
			"":                      {"ErrBadRequest"},
			"delete network policy": {"ErrBadRequest", "ErrPolicyInUse"},
		}},
		{400, "Policy is in use by active devboxes", map[string][]string{
			"":                      {"ErrBadRequest"},
			"delete network policy": {"ErrBadRequest", "ErrPolicyInUse"},
		}},
		{400, "Network policy with name 'build' Already Exists", map[string][]string{
			"":                      {"ErrBadRequest"},
			"create network policy": {"ErrBadRequest", "ErrNameTaken"},
			"update network policy": {"ErrBadRequest", "ErrNameTaken"},
			"delete network policy": {"ErrBadRequest", "ErrPolicyInUse"},
		}},
		// The live API answers some unknown IDs with 400.
		{400, "Network policy Not Found: npol_1", every("ErrBadRequest", "ErrNotFound")},
		{400, "npol_1 does not exist", every("ErrBadRequest", "ErrNotFound")},
		{400, "npol_1 doesn't exist", every("ErrBadRequest", "ErrNotFound")},
		{401, "", every("ErrUnauthorized")},
		{403, "account does not have devbox capability", every("ErrForbidden")},
		{404, "", every("ErrNotFound")},
		{405, "not found", every()},
		{409, "", map[string][]string{
			"":                      {"ErrConflict"},
			"create network policy": {"ErrConflict", "ErrNameTaken"},
			"update network policy": {"ErrConflict", "ErrNameTaken"},
		}},
		{410, "already exists, not found", every()},
		{413, "", every()},
		{422, "already exists, not found", every()},
		{429, "", every("ErrRateLimited")},
		{500, "not found", every("ErrServer")},
		{501, "", every("ErrServer")},
		{502, "", every("ErrServer")},
		{503, "", every("ErrServer")},
		{504, "", every("ErrServer")},
		{529, "", every("ErrServer")},
		{302, "", every()},
		{304, "", every()},
	} {
		for _, call := range policyCalls {
			t.Run(fmt.Sprintf("%d %s/%s", test.status, test.message, call.op), func(t *testing.T) {
				t.Parallel()
				err := failWith(t, call, answer(test.status, fmt.Sprintf(`{"message": %q}`, test.message)))
				want, special := test.want[call.op]
				if !special {
					want = test.want[""]
				}
				assert.ElementsMatch(t, want, matches(err))
				answer := apiError(t, err)
				assert.Equal(t, test.status, answer.StatusCode)
				assert.Equal(t, call.op, answer.Op)
				assert.Equal(t, test.message, answer.Message)
				assert.Equal(t, 1, answer.Attempts)
				assert.Equal(t, call.isWrite() && test.status >= 500 && test.status != 501, answer.MaybeApplied)
			})
		}
	}
}

func TestFieldsOfAnAPIError(t *testing.T) {
	t.Parallel()
	err := failWith(t, getCall, func(*http.Request) (*http.Response, error) {
		r := httpmock.NewStringResponse(429, `{"message": "slow down", "error": "rate_limited", "request_id": "req_body"}`)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Retry-After", "90")
		r.Header.Set("X-Runloop-Request-Id", "req_header")
		return r, nil
	})
	answer := apiError(t, err)
	assert.Equal(t, "get network policy", answer.Op)
	assert.Equal(t, 429, answer.StatusCode)
	assert.Equal(t, "rate_limited", answer.Code)
	assert.Equal(t, "slow down", answer.Message)
	assert.Equal(t, "req_header", answer.RequestID)
	assert.Equal(t, 90*time.Second, answer.RetryAfter)
	assert.Equal(t, 1, answer.Attempts)
	assert.False(t, answer.MaybeApplied)
	assert.Equal(t, "90", answer.Header.Get("Retry-After"))
	assert.JSONEq(t, `{"message": "slow down", "error": "rate_limited", "request_id": "req_body"}`, string(answer.Body))
}

func TestRequestIDOfAnErrorIsTheOneThatWasSentWhenTheAPINamesNone(t *testing.T) {
	t.Parallel()
	api, client := newAPI(t)
	api.answers(http.MethodPost, policyPath, answer(403, `{}`))
	_, err := updateCall.do(t.Context(), client)
	assert.Equal(t, api.only().Header.Get("X-Request-Id"), apiError(t, err).RequestID)

	assert.Empty(t, apiError(t, failWith(t, getCall, answer(403, `{}`))).RequestID, "a read sends none")
}

func TestOnly64KiBOfAnErrorBodyAreKept(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ length, kept int }{
		"as long as the limit": {64 << 10, 64 << 10},
		"one byte longer":      {64<<10 + 1, 64 << 10},
		"ten megabytes":        {10 << 20, 64 << 10},
		"without an end":       {1 << 40, 64 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var read int64
			err := failWith(t, getCall, func(*http.Request) (*http.Response, error) {
				body := io.TeeReader(io.LimitReader(endless(strings.Repeat("x", 32<<10)), int64(test.length)), counter{&read})
				return &http.Response{StatusCode: 500, Header: http.Header{}, Body: io.NopCloser(body)}, nil
			})
			body := apiError(t, err).Body
			assert.Len(t, body, test.kept)
			assert.Empty(t, strings.Trim(string(body), "x"))
			assert.Less(t, read, int64(128<<10), "the rest is not even read")
			assert.Less(t, len(err.Error()), 300)
		})
	}
}

// An endless reader repeats its text.
type endless string

func (e endless) Read(p []byte) (int, error) { return copy(p, e), nil }

// A counter counts what is written to it.
type counter struct{ n *int64 }

func (c counter) Write(p []byte) (int, error) {
	*c.n += int64(len(p))
	return len(p), nil
}

func TestAnErrorBodyThatBreaksOffKeepsItsStatus(t *testing.T) {
	t.Parallel()
	err := failWith(t, getCall, func(*http.Request) (*http.Response, error) {
		body := io.MultiReader(strings.NewReader("half of"), brokenReader{})
		return &http.Response{StatusCode: 404, Header: http.Header{}, Body: io.NopCloser(body)}, nil
	})
	require.ErrorIs(t, err, runloop.ErrNotFound)
	assert.Equal(t, "half of", string(apiError(t, err).Body))
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestErrorValuesWithoutACall(t *testing.T) {
	t.Parallel()
	for _, err := range []error{&runloop.APIError{}, &runloop.TransportError{}, &runloop.ValidationError{}, &runloop.DriftError{}} {
		assert.Contains(t, err.Error(), "runloop: ")
		assert.NotContains(t, err.Error(), "%!")
		assert.NoError(t, errors.Unwrap(err))
	}
	assert.False(t, (&runloop.TransportError{}).Timeout())
	// Users make such values in tests of their own.
	assert.ErrorIs(t, fmt.Errorf("launching: %w", &runloop.APIError{StatusCode: 404}), runloop.ErrNotFound)
	assert.ErrorIs(t, &runloop.DriftError{Policy: &runloop.NetworkPolicy{Name: "build"}}, runloop.ErrDrift)
}
