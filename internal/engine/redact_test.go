package engine

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRedactorKnowsTheKeyInItsForms(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"ak_plain", `ak/+="\<&>%`} {
		inJSON, _ := json.Marshal(key)
		r := redactor(NewSecret(key), "")
		for form, text := range map[string]string{
			"as it is":   key,
			"in a query": url.QueryEscape(key),
			"in a path":  url.PathEscape(key),
			"quoted":     strconv.Quote(key)[1 : len(strconv.Quote(key))-1],
			"in JSON":    string(inJSON[1 : len(inJSON)-1]),
		} {
			assert.Equal(t, "before [REDACTED] after [REDACTED]", r.Replace("before "+text+" after "+text), "%s, %s", key, form)
		}
	}
}

func TestRedactorDropsTheQuery(t *testing.T) {
	t.Parallel()
	r := redactor(Secret{}, "name=secret&limit=1")

	assert.Equal(t, `Get "http://localhost/v1/network-policies": EOF`,
		r.Replace(`Get "http://localhost/v1/network-policies?name=secret&limit=1": EOF`))
}

func TestRedactorOfNothingChangesNothing(t *testing.T) {
	t.Parallel()
	r := redactor(Secret{}, "")

	assert.Equal(t, "text?", r.Replace("text?"))
}

func TestRedactHeaderLeavesTheOriginal(t *testing.T) {
	t.Parallel()
	h := http.Header{"X-Echo": {"a", "Bearer ak_12345"}, "X-Ak_12345": {"b"}}
	r := redactor(NewSecret("ak_12345"), "")

	clean := redactHeader(r, h)

	assert.Equal(t, []string{"a", "Bearer [REDACTED]"}, clean["X-Echo"])
	assert.Equal(t, http.Header{"X-Echo": {"a", "Bearer ak_12345"}, "X-Ak_12345": {"b"}}, h)
}

// A short key is a word, and removing it would tear texts apart.
func TestRedactorLeavesShortKeys(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "x", "already", "1234567"} {
		assert.Equal(t, "already exists 1234567", Redact(NewSecret(key), "already exists 1234567"), key)
	}
	assert.Equal(t, "already exists [REDACTED]", Redact(NewSecret("12345678"), "already exists 12345678"))
}
