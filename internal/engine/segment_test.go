package engine

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSegment(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"npol_1":     "npol_1",
		"../x":       "..%2Fx",
		"a/b":        "a%2Fb",
		"a?b":        "a%3Fb",
		"a#b":        "a%23b",
		"a b":        "a%20b",
		"a%2Fb":      "a%252Fb",
		"%2e%2e%2fx": "%252e%252e%252fx",
		"...":        "...",
		"é":          "%C3%A9",
		"a+b":        "a+b",
		"a;b":        "a%3Bb",
	} {
		got, err := Segment(s)
		require.NoError(t, err, s)
		assert.Equal(t, want, got)
	}
}

func TestSegmentRefusesWhatNamesAnotherPath(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", " ", "\t", ".", "..", "%2e", "%2E%2e", ".%2e", "%2E.", "a\x00", "a\nb", "\x7f", "\u0085", "\xff", "a\xc3"} {
		segment, err := Segment(s)
		assert.Error(t, err, "%q", s)
		assert.Empty(t, segment)
	}
}

// A server with the five routes of the API sees the route that was meant, and the
// text that was put in.
func FuzzSegment(f *testing.F) {
	for _, seed := range []string{"npol_1", "..", "a/b", "a?b#c", "%2e%2e", "é", "delete", "a\\b", strings.Repeat("x", 9000)} {
		f.Add(seed)
	}
	var route, id string
	mux := http.NewServeMux()
	for _, pattern := range []string{
		"GET /v1/network-policies", "POST /v1/network-policies",
		"GET /v1/network-policies/{id}", "POST /v1/network-policies/{id}", "POST /v1/network-policies/{id}/delete",
	} {
		mux.HandleFunc(pattern, func(_ http.ResponseWriter, r *http.Request) { route, id = pattern, r.PathValue("id") })
	}
	f.Fuzz(func(t *testing.T, s string) {
		segment, err := Segment(s)
		if err != nil {
			return
		}
		require.True(t, utf8.ValidString(s))
		back, err := url.PathUnescape(segment)
		require.NoError(t, err)
		require.Equal(t, s, back)
		if s == "/" {
			return // which ServeMux takes for the end of a path, though it is escaped
		}
		for want, method := range map[string]string{
			"GET /v1/network-policies/{id}":         "GET",
			"POST /v1/network-policies/{id}":        "POST",
			"POST /v1/network-policies/{id}/delete": "POST",
		} {
			route, id = "", ""
			_, path, _ := strings.Cut(want, " ")
			path = strings.Replace(path, "{id}", segment, 1)
			mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, nil))
			require.Equal(t, want, route)
			require.Equal(t, s, id)
		}
	})
}
