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
		r := redactor(&Config{Key: NewSecret(key)}, "")
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
	r := redactor(&Config{}, "name=secret&limit=1")

	assert.Equal(t, `Get "http://localhost/v1/network-policies": EOF`,
		r.Replace(`Get "http://localhost/v1/network-policies?name=secret&limit=1": EOF`))
}

func TestRedactorOfNothingChangesNothing(t *testing.T) {
	t.Parallel()
	r := redactor(&Config{}, "")

	assert.Equal(t, "text?", r.Replace("text?"))
}

func TestRedactHeaderLeavesTheOriginal(t *testing.T) {
	t.Parallel()
	h := http.Header{"X-Echo": {"a", "Bearer ak_1"}, "X-Ak_1": {"b"}}
	r := redactor(&Config{Key: NewSecret("ak_1")}, "")

	clean := redactHeader(r, h)

	assert.Equal(t, []string{"a", "Bearer [REDACTED]"}, clean["X-Echo"])
	assert.Equal(t, http.Header{"X-Echo": {"a", "Bearer ak_1"}, "X-Ak_1": {"b"}}, h)
}
