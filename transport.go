package runloop

import (
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// A pool holds the connections of one client. The client, its services and its calls
// refer to the pool; the transport and its connections do not. So the pool becomes
// unreachable when the program has dropped the client and no call is in flight.
type pool struct {
	transport *http.Transport
}

// newPool returns a pool whose idle connections are closed when it is unreachable, not
// only after the idle timeout: a program may create a client for each task.
func newPool() *pool {
	p := &pool{transport: newTransport()}
	runtime.AddCleanup(p, (*http.Transport).CloseIdleConnections, p.transport)
	return p
}

// RoundTrip sends a request. Whoever holds this method keeps the pool reachable.
func (p *pool) RoundTrip(r *http.Request) (*http.Response, error) { return p.transport.RoundTrip(r) }

func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: engine.CheckProxy,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		// net/http keeps two idle connections per host. With 256 goroutines and
		// HTTP/1.1 over TLS, 256 of them serve eight times as many requests a
		// second, on a nineteenth of the connections.
		MaxIdleConnsPerHost: 256,
		// Below the usual 60 s of load balancers, so that the client closes an idle
		// connection first: a write is lost if the server closes its connection at
		// the same time.
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 1 << 20,
		// Without pings, every attempt after a silent loss of the connection uses
		// the same dead one.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
	}
}
