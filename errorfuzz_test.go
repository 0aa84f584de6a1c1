package runloop_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
)

// FuzzErrorText lets a server answer whatever it wants: the text of an error stays
// short, on one line, and without the key.
func FuzzErrorText(f *testing.F) {
	for _, status := range []uint16{0, 99, 200, 204, 302, 400, 404, 409, 429, 500, 599, 999} {
		f.Add(status, "application/json", "/v1?x=1", "req_1", []byte(`{"message": "m", "error": "e", "request_id": "r"}`))
	}
	long := strings.Repeat("long ", 500)
	f.Add(uint16(500), "text/plain", long, long, []byte(long))
	f.Add(uint16(400), "application/json", "", long, []byte(`{"message": "`+long+`", "code": "`+long+`"}`))
	f.Add(uint16(502), "text/html", "", "", []byte("<html>"+long))
	f.Add(uint16(200), "application/json", "", "", []byte(`{"id": "`+long+`", "egress": {"`+long+`": 1}}`))
	f.Add(uint16(200), "\x00", "", "", []byte(`{"id": [`))
	f.Add(uint16(401), "", testKey, testKey, []byte(`{"message": "bad key `+testKey+`"}`))
	f.Add(uint16(200), testKey, "", "", []byte(`{"`+testKey+`": [[}`))
	f.Add(uint16(200), "", "", "", []byte(`{"egress": {"allowed_cidrs": [{"`+testKey+`": 1, "ports": 1}]}}`))
	f.Add(uint16(307), "", "https://x.test/"+testKey+"?"+testKey, "", []byte("\xff\x00\u202e\U0001F6A7"))
	f.Add(uint16(404), "text/plain", "://%zz", "\x1b[31m", []byte("a\x00b\u2028c"))

	f.Fuzz(func(t *testing.T, status uint16, contentType, location, requestID string, body []byte) {
		_, client := newAPI(t, runloop.WithMaxRetries(0), runloop.WithHTTPClient(&http.Client{
			Transport: roundTripper(func(*http.Request) (*http.Response, error) {
				return &http.Response{
					StatusCode: int(status),
					Header:     http.Header{"Content-Type": {contentType}, "Location": {location}, "X-Request-Id": {requestID}},
					Body:       io.NopCloser(bytes.NewReader(body)),
				}, nil
			}),
		}))
		for _, call := range policyCalls {
			_, err := call.do(t.Context(), client)
			if err == nil {
				continue
			}
			text := err.Error()
			require.Less(t, len(text), 300)
			require.True(t, utf8.ValidString(text), "%q", text)
			require.Equal(t, -1, strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", text)
			require.True(t, strings.HasPrefix(text, "runloop: "+call.op+": "), text)
			require.NotContains(t, text, testKey)
			require.NotContains(t, text, "name=build", "the query")
		}
	})
}
