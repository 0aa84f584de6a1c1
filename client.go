package runloop

import (
	"fmt"
	"io"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// version is the version of this source code.
const version = "0.1.0"

// builtVersion is the version of the SDK in this program.
var builtVersion = sync.OnceValue(func() string {
	info, _ := debug.ReadBuildInfo()
	return versionIn(info)
})

// versionIn returns the release of the SDK that a program was built with. It is the
// constant if the program uses no release: a commit, a replacement, or the SDK's own tests.
func versionIn(info *debug.BuildInfo) string {
	if info != nil {
		for _, module := range info.Deps {
			if module.Path == "github.com/runloop-community/runloop-go" && module.Replace == nil && release.MatchString(module.Version) {
				return strings.TrimPrefix(module.Version, "v")
			}
		}
	}
	return version
}

var release = regexp.MustCompile(`^v\d+\.\d+\.\d+$`)

const opNewClient = "new client"

// A Client is a client for the Runloop API. Create one with [NewClient] and share it:
// it is safe for concurrent use. The zero value is not usable.
//
// A Client owns a connection pool and a retry budget, and need not be closed. Idle
// connections are closed after 30 seconds, or earlier if the garbage collector finds that
// the client is no longer in use.
type Client struct {
	// NetworkPolicies provides access to the Network Policies API.
	NetworkPolicies *NetworkPoliciesService
	// Devboxes provides access to the Devboxes API.
	Devboxes *DevboxesService

	settings *settings
	config   *engine.Config // for calls without options
	pool     *pool
	budget   *engine.Budget
}

// NewClient returns a client for the API. By default, that is https://api.runloop.ai.
//
// Settings for which no option is passed are read from the environment variables
// RUNLOOP_API_KEY, RUNLOOP_BASE_URL and RUNLOOP_CUSTOM_HEADERS. Surrounding space is
// trimmed, and empty variables are ignored. NewClient sends nothing. If the API key is
// missing or a setting is invalid, the error is a [*ValidationError] that describes what to
// write instead.
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
// remains usable. Connections of an HTTP client passed to [WithHTTPClient] are not affected.
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
		return nil, nil, invalid(op, "Client", "nil or zero Client: create one with NewClient")
	}
	if len(opts) == 0 {
		return c.config, c.settings, nil
	}
	s := c.settings.with(opts)
	cfg, err := s.config(op, c.pool, c.budget)
	return cfg, s, err
}
