// Package peer has the clients that are compared, each with the same few calls.
package peer

import (
	"context"
	"fmt"
	"net/http"
)

// Names of the peers that others refer to.
const (
	Floor       = "net/http + encoding/json"
	Ours        = "runloop-go"
	Ogen        = "ogen"
	OapiCodegen = "oapi-codegen"
	TypeScript  = "official TypeScript client"
)

const apiKey = "benchmark-key"

// A Peer makes clients of one kind. With a nil transport they have a connection pool
// of their own, as it comes.
type Peer struct {
	Name string
	New  func(baseURL string, transport http.RoundTripper) (Client, error)
}

// A Client reads policies. It decodes all of their members, whatever it passes on.
type Client interface {
	Get(ctx context.Context, id string) (Policy, error)
	// Iterate visits every policy, page after page; 0 is the client's own page size.
	Iterate(ctx context.Context, pageSize int, visit func(Policy)) error
	// Page returns the first page in the client's own type.
	Page(ctx context.Context, pageSize int) (any, error)
	Close()
}

// A Policy is what a peer read, to see that it did.
type Policy struct {
	ID        string
	Hostnames []string
}

// All returns the peers that are compared in everything, the floor first. Those with
// generated code are there when they are built in.
func All() []Peer {
	peers := []Peer{
		{Floor, newEncodingJSON},
		{"net/http + json v2", newJSONv2},
	}
	peers = append(peers, generated...)
	return append(peers, Peer{Ours, newRunloop})
}

// Pooled is the floor with a connection pool for many goroutines.
var Pooled = Peer{"net/http, 256 idle connections", newPooled}

// Named returns the peer with a name.
func Named(name string) (Peer, error) {
	for _, p := range append(All(), Pooled) {
		if p.Name == name {
			return p, nil
		}
	}
	return Peer{}, fmt.Errorf("there is no peer %q", name)
}

// newPool returns a connection pool as http.DefaultTransport has it.
func newPool() *http.Transport { return http.DefaultTransport.(*http.Transport).Clone() }

// httpClient returns a client with the transport, or with a pool of its own.
func httpClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		transport = newPool()
	}
	return &http.Client{Transport: transport}
}
