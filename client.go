package runloop

import (
	"fmt"
	"io"
	"net/http"

	"github.com/runloop-community/runloop-go/internal/engine"
)

const version = "0.1.0"

const opNewClient = "new client"

// A Client talks to the Runloop API. Make one with [NewClient] and share it: it is
// safe for use by many goroutines, and owns a pool of connections and a budget of
// retries. It needs no closing.
type Client struct {
	// NetworkPolicies has the calls of the Network Policies API.
	NetworkPolicies *NetworkPoliciesService
	// Devboxes launches devboxes under network policies.
	Devboxes *DevboxesService

	settings *settings
	config   *engine.Config         // of the settings, for calls without options
	pool     func() *http.Transport // hidden like Config.RoundTrip
	budget   *engine.Budget
}

// NewClient returns a client for the API at https://api.runloop.ai.
//
// What no option sets is read from the environment, now: RUNLOOP_API_KEY,
// RUNLOOP_BASE_URL and RUNLOOP_CUSTOM_HEADERS, blanks around them trimmed and empty
// ones ignored. NewClient sends nothing. A missing key and every bad value are a
// [*ValidationError] that says what to do.
func NewClient(opts ...Option) (*Client, error) {
	s := newSettings(opts)
	if err := s.refuseCallOptions(); err != nil {
		return nil, err
	}
	if err := s.readEnvironment(); err != nil {
		return nil, err
	}
	pool := newTransport()
	c := &Client{settings: s, pool: func() *http.Transport { return pool }, budget: engine.NewBudget()}
	var err error
	if c.config, err = s.config(opNewClient, pool, c.budget); err != nil {
		return nil, err
	}
	c.NetworkPolicies = &NetworkPoliciesService{client: c, shared: new(flights)}
	c.Devboxes = &DevboxesService{client: c}
	return c, nil
}

// CloseIdleConnections closes the connections of the client's own pool that no
// call uses now. The client can be used afterwards. The connections of a client
// given by [WithHTTPClient] are left alone.
func (c *Client) CloseIdleConnections() {
	if c != nil && c.pool != nil {
		c.pool().CloseIdleConnections()
	}
}

// Format keeps what the client holds out of every verb.
func (c Client) Format(s fmt.State, _ rune) { io.WriteString(s, "runloop.Client") }

// configFor returns the configuration of one call.
func (c *Client) configFor(op string, opts []Option) (*engine.Config, *settings, error) {
	if c == nil || c.settings == nil {
		return nil, nil, invalid(op, "Client", "it is nil or was not made by NewClient")
	}
	if len(opts) == 0 {
		return c.config, c.settings, nil
	}
	s := c.settings.with(opts)
	cfg, err := s.config(op, c.pool(), c.budget)
	return cfg, s, err
}
