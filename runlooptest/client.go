package runlooptest

import (
	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/noenv"
)

// defaultAPIKey is what [Server.Client] sends when the fake accepts any key.
const defaultAPIKey = "test-key"

// Client returns a client of the SDK for this server, with its URL, a key that it
// accepts and its [Server.HTTPClient]. The client reads nothing from the environment,
// whatever RUNLOOP_* is set. The options are applied after these and may replace
// them. The error is that of [runloop.NewClient].
func (s *Server) Client(opts ...runloop.Option) (*runloop.Client, error) {
	key := s.config.apiKey
	if key == "" {
		key = defaultAPIKey
	}
	return runloop.NewClient(append([]runloop.Option{
		noenv.Option.(runloop.Option),
		runloop.WithBaseURL(s.URL),
		runloop.WithAPIKey(key),
		runloop.WithHTTPClient(s.HTTPClient()),
	}, opts...)...)
}
