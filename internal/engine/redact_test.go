package engine

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRedactorRemovesTheKeyInEveryForm(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"ak_plain", `ak/+="\<&>%`} {
		inJSON, _ := json.Marshal(key)
		r := redactor(NewSecret(key), "")
		for form, text := range map[string]string{
			"plain":      key,
			"in a query": url.QueryEscape(key),
			"in a path":  url.PathEscape(key),
			"quoted":     strconv.Quote(key)[1 : len(strconv.Quote(key))-1],
			"in JSON":    string(inJSON[1 : len(inJSON)-1]),
		} {
			assert.Equal(t, "before [REDACTED] after [REDACTED]", r.Replace("before "+text+" after "+text), "%s, %s", key, form)
		}
	}
}

func TestRedactorRemovesTheQuery(t *testing.T) {
	t.Parallel()
	const text = `Get "http://localhost/v1/network-policies?name=secret&limit=1": EOF`
	assert.Equal(t, `Get "http://localhost/v1/network-policies": EOF`, redactor(Secret{}, "name=secret&limit=1").Replace(text))
	assert.Equal(t, text, redactor(Secret{}, "").Replace(text))
}

func TestRedactHeaderReturnsACopy(t *testing.T) {
	t.Parallel()
	h := http.Header{"X-Echo": {"a", "Bearer ak_12345"}, "X-Ak_12345": {"b"}}

	clean := redactHeader(redactor(NewSecret("ak_12345"), ""), h)

	assert.Equal(t, []string{"a", "Bearer [REDACTED]"}, clean["X-Echo"])
	assert.Equal(t, http.Header{"X-Echo": {"a", "Bearer ak_12345"}, "X-Ak_12345": {"b"}}, h)
}

func TestRedactIgnoresShortKeys(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "x", "already", "1234567"} {
		assert.Equal(t, "already exists 1234567", Redact(NewSecret(key), "already exists 1234567"), key)
	}
	assert.Equal(t, "already exists [REDACTED]", Redact(NewSecret("12345678"), "already exists 12345678"))
}
