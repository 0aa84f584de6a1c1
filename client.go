package runloop

import (
	"fmt"
	"io"

	"github.com/runloop-community/runloop-go/internal/engine"
)

const version = "0.1.0"

const opNewClient = "new client"

// A Client is a client for the Runloop API. Create one with [NewClient] and share it:
// it is safe for concurrent use. It owns a connection pool and a retry budget, and need
// not be closed: the pool's idle connections are closed after 30 seconds, or once the
// garbage collector finds that neither the client nor a call of it is in use.
type Client struct {
	// NetworkPolicies provides access to the Network Policies API.
	NetworkPolicies *NetworkPoliciesService
	// Devboxes launches devboxes under network policies.
	Devboxes *DevboxesService

	settings *settings
	config   *engine.Config // of the settings, for calls without options
	pool     *pool
	budget   *engine.Budget
}

// NewClient returns a client for the API at https://api.runloop.ai.
//
// Settings without an option are read from the environment, once: RUNLOOP_API_KEY,
// RUNLOOP_BASE_URL and RUNLOOP_CUSTOM_HEADERS. Surrounding space is trimmed, and empty
// variables are ignored. NewClient sends nothing. A missing API key and invalid values
// are reported as a [*ValidationError] that tells what to write instead.
func NewClient(opts ...Option) (*Client, error) {
	s := newSettings(opts)
	c := &Client{settings: s, pool: newPool(), budget: engine.NewBudget()}
	if err := s.refuseCallOptions(); err != nil {
		return nil, err
	}
	var err error
	if c.config, err = s.config(opNewClient, c.pool, c.budget); err != nil {
		return nil, err
	}
	c.NetworkPolicies = &NetworkPoliciesService{client: c, shared: new(flights)}
	c.Devboxes = &DevboxesService{client: c}
	return c, nil
}

// CloseIdleConnections closes the idle connections of the client's own pool. The client
// can be used afterwards. The connections of a client passed to [WithHTTPClient] are
// not affected.
func (c *Client) CloseIdleConnections() {
	if c != nil && c.pool != nil {
		c.pool.transport.CloseIdleConnections()
	}
}

// Format prevents fmt from printing the client's contents.
func (c Client) Format(s fmt.State, _ rune) { io.WriteString(s, "runloop.Client") }

// configFor returns the configuration and the settings of one call.
func (c *Client) configFor(op string, opts []Option) (*engine.Config, *settings, error) {
	if c == nil || c.settings == nil {
		return nil, nil, invalid(op, "Client", "it is nil or was not made by NewClient")
	}
	if len(opts) == 0 {
		return c.config, c.settings, nil
	}
	s := c.settings.with(opts)
	cfg, err := s.config(op, c.pool, c.budget)
	return cfg, s, err
}
