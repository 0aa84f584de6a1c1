package engine

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// A ProxyRefused reports that a proxy refused to connect to the API (CONNECT). The status is
// the proxy's. Nothing reached the API.
type ProxyRefused struct {
	// Proxy is the proxy's host and port, without credentials. It is empty if unknown.
	Proxy      string
	StatusCode int
	// Status is the proxy's status line, such as "403 Forbidden".
	Status string
}

func (e *ProxyRefused) Error() string {
	proxy := "the proxy"
	if e.Proxy != "" {
		proxy = "proxy " + Printable(e.Proxy, 80)
	}
	return fmt.Sprintf("%s refused the connection: %s", proxy, Printable(e.Status, 60))
}

// CheckProxy is for the OnProxyConnectResponse of an [http.Transport]. Without it, net/http
// reports only the text of the proxy's status, which looks like the API's.
func CheckProxy(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &ProxyRefused{Proxy: hostPort(proxy), StatusCode: resp.StatusCode, Status: resp.Status}
}

// hostPort returns the address that net/http dials for a URL.
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

// proxyRefusal returns err as a ProxyRefused if a proxy refused the connection, or else err. An
// http.Transport without CheckProxy reports a refusal as an error with the text of the status.
// The whole text must match, because middleware may return its own errors.
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

// proxyOf returns the proxy of a request, or nil if there is none or it is unknown.
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

// statusOf returns the redirect or error status with the text of err, or 0.
func statusOf(err error) int {
	for status := http.StatusMultipleChoices; status < 600; status++ {
		if text := http.StatusText(status); text != "" && err.Error() == text {
			return status
		}
	}
	return 0
}
