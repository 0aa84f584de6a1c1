package engine

import (
	"context"
	"errors"
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

func hostPort(proxy *url.URL) string {
	port := proxy.Port()
	if port == "" {
		port = "80"
		if proxy.Scheme == "https" {
			port = "443"
		}
	}
	return net.JoinHostPort(proxy.Hostname(), port)
}

// proxyRefusal returns err, or the refusal of a proxy that err stands for: an
// http.Transport without CheckProxy reports a refusal as an error whose text is that of
// the status. Such a text is not evidence once there was a connection. proxyOf
// returns the proxy's host and port, and may be nil.
func proxyRefusal(err error, connected bool, proxyOf func() string) error {
	if _, known := errors.AsType[*ProxyRefused](err); known || connected {
		return err
	}
	status := statusOf(err)
	if status == 0 {
		return err
	}
	refused := &ProxyRefused{StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status))}
	if proxyOf != nil {
		refused.Proxy = proxyOf()
	}
	return refused
}

// statusOf returns the error status of which err, or an error that it wraps, has exactly
// the text, and otherwise 0.
func statusOf(err error) int {
	for ; err != nil; err = errors.Unwrap(err) {
		text := err.Error()
		for status := http.StatusBadRequest; status < 600; status++ {
			if known := http.StatusText(status); known != "" && text == known {
				return status
			}
		}
	}
	return 0
}
