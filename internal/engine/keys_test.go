package engine_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// What an error matches does not depend on the API key, even if the key is a word of the
// message or of JSON.
func TestTheKeyDoesNotDecideWhatAnErrorMeans(t *testing.T) {
	t.Parallel()
	const key = "%KEY%" // in the message
	responses := map[string]struct {
		call      clienttest.PolicyCall
		status    int
		message   string
		sentinels []string
	}{
		"name taken": {clienttest.CreateCall, 400, "a network policy with this name already exists", []string{"ErrBadRequest", "ErrNameTaken"}},
		"conflict":   {clienttest.UpdateCall, 409, "the existing policy " + key + " already exists", []string{"ErrConflict", "ErrNameTaken"}},
		"in use":     {clienttest.DeleteCall, 409, "the policy is attached to 2 devboxes", []string{"ErrConflict", "ErrPolicyInUse"}},
		"not found":  {clienttest.GetCall, 400, "nonexistent network policy: " + key + " not found", []string{"ErrBadRequest", "ErrNotFound"}},
		"forbidden":  {clienttest.GetCall, 403, key, []string{"ErrForbidden"}},
	}
	for _, apiKey := range []string{
		"x", "a", "e", "t", "s", ":", "{", "name", "already", "exists", "found", "in", "message", "1234567", // no secrets: they are short
		"existing", "attached", "nonexistent", "12345678", "#KEY##KEY#", "rl_test_planted_key",
	} {
		for name, tt := range responses {
			t.Run(apiKey+"/"+name, func(t *testing.T) {
				t.Parallel()
				echo := apiKey + " and " + apiKey
				message := strings.ReplaceAll(tt.message, key, apiKey)
				err := clienttest.FailWith(t, tt.call,
					clienttest.RespondWith(tt.status, fmt.Sprintf(`{"message":%q,"code":%q}`, message, "c "+apiKey), http.Header{"X-Echo": {echo}}),
					runloop.WithAPIKey(apiKey))

				assert.Equal(t, tt.sentinels, clienttest.Sentinels(err))
				e := clienttest.AsAPIError(t, err)
				assert.False(t, e.MaybeApplied)
				if len(apiKey) < 8 {
					assert.Equal(t, message, e.Message)
					assert.Equal(t, echo, e.Header.Get("X-Echo"))
					assert.Equal(t, "c "+apiKey, e.Code)
					return
				}
				assert.Equal(t, "[REDACTED] and [REDACTED]", e.Header.Get("X-Echo"))
				for _, shown := range []string{err.Error(), e.Message, e.Code, string(e.Body), fmt.Sprint(e.Header), fmt.Sprintf("%+v", err)} {
					assert.NotContains(t, shown, apiKey)
				}
			})
		}
	}
}

func TestAKeyInEveryResponseBreaksNoSuccess(t *testing.T) {
	t.Parallel()
	for _, apiKey := range []string{"x", "a", "e", "t", "name", "egress", "npol_1", "build"} {
		api, client := clienttest.NewAPI(t, runloop.WithAPIKey(apiKey))
		api.On(http.MethodGet, clienttest.PolicyPath, clienttest.Respond(200, clienttest.PolicyJSON))

		policy, err := clienttest.GetCall.Policy(t.Context(), client)

		require.NoError(t, err, apiKey)
		assert.Equal(t, "build", policy.Name)
	}
}

func TestTheKeyInAnErrorOfTheTransport(t *testing.T) {
	t.Parallel()
	for apiKey, want := range map[string]string{
		"reset":    "connection reset by peer",
		"e":        "connection reset by peer",
		"connecti": "[REDACTED]on reset by peer",
	} {
		err := clienttest.FailWith(t, clienttest.GetCall, clienttest.Fail("connection reset by peer"), runloop.WithAPIKey(apiKey))
		assert.EqualError(t, errors.Unwrap(err), want)
	}
}
