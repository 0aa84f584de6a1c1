package runloop

import (
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// A pool holds the connections of one client. The client, its services and its calls
// refer to the pool; the transport and its connections do not. The pool therefore becomes
// unreachable once the program has dropped the client and no call is in flight.
type pool struct {
	transport *http.Transport
}

// newPool returns a pool whose idle connections are closed when it becomes unreachable,
// because a program may create a client for each task.
func newPool() *pool {
	p := &pool{transport: newTransport()}
	runtime.AddCleanup(p, (*http.Transport).CloseIdleConnections, p.transport)
	return p
}

// RoundTrip sends a request. A reference to this method keeps the pool reachable.
func (p *pool) RoundTrip(r *http.Request) (*http.Response, error) { return p.transport.RoundTrip(r) }

func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: engine.CheckProxy,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		// net/http's default is 2. With 256 goroutines and HTTP/1.1 over TLS, 256 idle
		// connections serve eight times as many requests per second, and open a
		// nineteenth of the connections.
		MaxIdleConnsPerHost: 256,
		// Load balancers close idle connections after 60 seconds. The client closes
		// them earlier, because a write is lost if the server closes its connection
		// at the same time.
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 1 << 20,
		// Without pings, every attempt after a silent loss of the connection would
		// use the same dead connection.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
	}
}
