package engine

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestARefusalOfAProxyNamesIt(t *testing.T) {
	t.Parallel()
	for proxy, want := range map[string]string{
		"http://proxy.corp:3128":              "proxy.corp:3128",
		"http://robot:s3cret@proxy.corp:3128": "proxy.corp:3128",
		"http://proxy.corp":                   "proxy.corp:80",
		"https://proxy.corp/s3cret":           "proxy.corp:443",
		"http://[::1]:3128":                   "[::1]:3128",
	} {
		u, err := url.Parse(proxy)
		assert.NoError(t, err)
		err = CheckProxy(t.Context(), u, nil, &http.Response{StatusCode: 403, Status: "403 Forbidden"})
		assert.EqualError(t, err, "proxy "+want+" refused the connection: 403 Forbidden")
		assert.NoError(t, CheckProxy(t.Context(), u, nil, &http.Response{StatusCode: 200}))
	}
}

func TestTheTextOfAProxyIsBounded(t *testing.T) {
	t.Parallel()
	err := &ProxyRefused{Proxy: strings.Repeat("p", 1000), StatusCode: 403, Status: "403 \r\n\x1b[31m" + strings.Repeat("x", 1000)}
	assert.Less(t, len(err.Error()), 200)
	assert.NotRegexp(t, `[[:cntrl:]]`, err.Error())
}

func TestTheTextOfAStatusIsARefusalBeforeAnyConnection(t *testing.T) {
	t.Parallel()
	ask := func() string { return "proxy.corp:3128" }
	for name, test := range map[string]struct {
		err       error
		connected bool
		want      int
	}{
		"a status":           {errors.New("Forbidden"), false, 403},
		"one to retry":       {errors.New("Service Unavailable"), false, 503},
		"wrapped":            {fmt.Errorf("otel: %w", errors.New("Proxy Authentication Required")), false, 407},
		"in a url.Error":     {&url.Error{Op: "Get", URL: "https://x", Err: errors.New("Unauthorized")}, false, 401},
		"with a connection":  {errors.New("Forbidden"), true, 0},
		"no status":          {errors.New("connection refused"), false, 0},
		"in another case":    {errors.New("forbidden"), false, 0},
		"part of a text":     {errors.New("token: Forbidden"), false, 0},
		"a success":          {errors.New("OK"), false, 0},
		"a redirect":         {errors.New("Found"), false, 0},
		"empty":              {errors.New(""), false, 0},
		"one that is itself": {&ProxyRefused{Proxy: "other:1", StatusCode: 502, Status: "502 Bad Gateway"}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := proxyRefusal(test.err, test.connected, ask)
			if test.want == 0 {
				assert.Same(t, test.err, got)
				return
			}
			assert.Equal(t, &ProxyRefused{"proxy.corp:3128", test.want, fmt.Sprintf("%d %s", test.want, http.StatusText(test.want))}, got)
		})
	}
	assert.EqualError(t, proxyRefusal(errors.New("Forbidden"), false, nil), "the proxy refused the connection: 403 Forbidden")
}
