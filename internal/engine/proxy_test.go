package engine

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProxyRefusedNamesTheProxy(t *testing.T) {
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

func TestProxyRefusedIsShort(t *testing.T) {
	t.Parallel()
	err := &ProxyRefused{Proxy: strings.Repeat("p", 1000), StatusCode: 403, Status: "403 \r\n\x1b[31m" + strings.Repeat("x", 1000)}
	assert.Less(t, len(err.Error()), 200)
	assert.NotRegexp(t, `[[:cntrl:]]`, err.Error())
}

// An http.Transport without CheckProxy reports only the text of the status.
func TestAStatusTextIsAProxyRefused(t *testing.T) {
	t.Parallel()
	proxied := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.corp:3128", User: url.UserPassword("u", "s3cret")})}
	noProxyHere := &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }}
	req, err := http.NewRequest(http.MethodGet, "https://api.runloop.ai/v1/network-policies", nil)
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		transport *http.Transport
		text      string
		want      int
	}{
		"a status":              {proxied, "Forbidden", 403},
		"a transient status":    {proxied, "Service Unavailable", 503},
		"a redirect":            {proxied, "Found", 302},
		"no proxy":              {&http.Transport{}, "Forbidden", 0},
		"no proxy for the host": {noProxyHere, "Forbidden", 0},
		"another RoundTripper":  {nil, "Forbidden", 0},
		"another error":         {proxied, "connection refused", 0},
		"another case":          {proxied, "forbidden", 0},
		"a longer text":         {proxied, "token: Forbidden", 0},
		"a success":             {proxied, "OK", 0},
		"empty":                 {proxied, "", 0},
	} {
		want := errors.New(tt.text)
		got := (&Transport{NetHTTP: tt.transport}).proxyRefusal(req, want)
		if tt.want != 0 {
			want = &ProxyRefused{"proxy.corp:3128", tt.want, fmt.Sprintf("%d %s", tt.want, http.StatusText(tt.want))}
		}
		assert.Equal(t, want, got, name)
	}
}

func TestProxyRefusedIsFinalUnlessTransient(t *testing.T) {
	t.Parallel()
	for status := 300; status < 600; status++ {
		transient := status == 408 || status == 425 || status == 429 || status >= 500 && status != 501 && status != 505
		assert.Equal(t, !transient, hopeless(&ProxyRefused{StatusCode: status}), "%d", status)
	}
}
