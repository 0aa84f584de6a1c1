package engine

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// A ProxyRefused reports that a proxy refused to connect to the API (CONNECT). The
// status is the proxy's, and nothing reached the API.
type ProxyRefused struct {
	// Proxy is the proxy's host and port, without credentials, "" when unknown.
	Proxy      string
	StatusCode int
	// Status is the proxy's status line, as in "403 Forbidden".
	Status string
}

func (e *ProxyRefused) Error() string {
	proxy := "the proxy"
	if e.Proxy != "" {
		proxy = "proxy " + Printable(e.Proxy, 80)
	}
	return fmt.Sprintf("%s refused the connection: %s", proxy, Printable(e.Status, 60))
}

// CheckProxy is the OnProxyConnectResponse of an [http.Transport]. Without it, net/http
// reports the text of the proxy's status alone, which reads like the API's.
func CheckProxy(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &ProxyRefused{Proxy: hostPort(proxy), StatusCode: resp.StatusCode, Status: resp.Status}
}

// hostPort returns what net/http connects to for a URL.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "https" {
			port = "443"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// proxyRefusal returns err, or the refusal of a proxy that err stands for: a program's
// own http.Transport, without CheckProxy, reports a refusal as an error whose text is that
// of the status. Middleware that wraps it may report errors of its own: only the whole text
// counts.
func (t *Transport) proxyRefusal(req *http.Request, err error) error {
	status := statusOf(err)
	if status == 0 {
		return err
	}
	proxy := t.proxyOf(req)
	if proxy == nil {
		return err
	}
	return &ProxyRefused{Proxy: hostPort(proxy), StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status))}
}

// proxyOf returns the proxy of a request, nil for none and for one that is not known.
func (t *Transport) proxyOf(req *http.Request) *url.URL {
	if t.NetHTTP == nil || t.NetHTTP.Proxy == nil {
		return nil
	}
	proxy, err := t.NetHTTP.Proxy(req)
	if err != nil {
		return nil
	}
	return proxy
}

// statusOf returns the status that is no success whose text err has, and 0 for every other
// error.
func statusOf(err error) int {
	for status := http.StatusMultipleChoices; status < 600; status++ {
		if text := http.StatusText(status); text != "" && err.Error() == text {
			return status
		}
	}
	return 0
}

// mayPass reports whether the proxy may connect at another time.
func (e *ProxyRefused) mayPass() bool {
	return (&Response{StatusCode: e.StatusCode}).isTransient()
}
