// Package peer has the clients that are compared.
package peer

import (
	"context"
	"net/http"
)

// Names of peers that are not always there.
const (
	Ogen       = "ogen"
	TypeScript = "official TypeScript client"
)

const apiKey = "benchmark-key"

// A Peer creates clients of one kind. If the transport is nil, a client has its own
// connection pool with default settings.
type Peer struct {
	Name string
	New  func(baseURL string, transport http.RoundTripper) (Client, error)
}

// All returns the peers of every comparison, the floor first and this SDK last.
func All() []Peer {
	peers := append([]Peer{Floor, {"net/http + json v2", bare(decodeV2)}}, generated...)
	return append(peers, Runloop)
}

// generated has the peers with generated code, which the build tag peers includes.
var generated []Peer

// A Client reads policies. It decodes all of their fields, even those that Policy lacks.
type Client struct {
	Get func(ctx context.Context, id string) (Policy, error)
	// List visits the policies of one page, and returns the page in the client's own type. A
	// page size of 0 is the client's default.
	List func(ctx context.Context, pageSize int, after string, visit func(Policy)) (page any, more bool, err error)
	// All visits the policies of all pages. It is nil if the client has no such method.
	All   func(ctx context.Context, pageSize int, visit func(Policy)) error
	Close func()
}

// A Policy shows that a client read one.
type Policy struct {
	ID        string
	Hostnames []string
}

// Iterate visits every policy.
func (c Client) Iterate(ctx context.Context, pageSize int, visit func(Policy)) (err error) {
	if c.All != nil {
		return c.All(ctx, pageSize, visit)
	}
	for after, more := "", true; more && err == nil; {
		_, more, err = c.List(ctx, pageSize, after, func(p Policy) {
			after = p.ID
			visit(p)
		})
	}
	return err
}

func httpClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	return &http.Client{Transport: transport}
}
