package runloop

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// An Option sets how a client, or one call of it, talks to the API. [NewClient]
// and every method take the same options: given to a call, they hold for that
// call alone. Their order does not matter; of two of the same kind the last one
// wins. They are checked when all are read: a bad value is a [*ValidationError],
// and nothing is sent. A nil Option is ignored.
type Option func(*settings)

// WithAPIKey sets the key that goes out as the bearer token. Without it, NewClient
// reads RUNLOOP_API_KEY. No log, error or format verb shows the key.
func WithAPIKey(key string) Option {
	secret := engine.NewSecret(key)
	return func(s *settings) { s.apiKey, s.apiKeySource = secret, "WithAPIKey" }
}

// WithBaseURL sets where the API is. Without it, NewClient reads RUNLOOP_BASE_URL,
// and without that it is https://api.runloop.ai. A path in it is kept. The scheme
// is https; http is allowed for loopback addresses, for others only together with
// [WithPlaintextHTTP].
func WithBaseURL(url string) Option {
	return func(s *settings) { s.baseURL, s.baseURLSource = url, "WithBaseURL" }
}

// WithPlaintextHTTP allows a base URL with the scheme http on hosts that are not
// loopback. Everyone on the way can then read the API key.
func WithPlaintextHTTP() Option {
	return func(s *settings) { s.plaintextHTTP = true }
}

// WithHTTPClient sends requests through the transport of client, for a proxy,
// certificates of your own, or observability. Its Timeout is the limit of one
// attempt where there is no WithAttemptTimeout. Its Jar and CheckRedirect are not used:
// the SDK keeps no cookies and follows no redirects. The client is not written to,
// and its idle connections are left alone.
//
// Without it, the client has a connection pool of its own: HTTP/2, the proxy of
// the environment, and 256 idle connections a host for 30 seconds.
func WithHTTPClient(client *http.Client) Option {
	return func(s *settings) { s.httpClient = func() *http.Client { return client } }
}

// WithHeader adds a header to each request. Its value is not kept secret as the API
// key is: an error can show it, if the API repeats it. The headers that the SDK sets itself
// are refused, and so are Idempotency-Key and X-Idempotency-Key, which make
// net/http repeat a POST unseen: see [WithIdempotencyKey].
//
// NewClient reads more headers from RUNLOOP_CUSTOM_HEADERS, one "Name: value" a
// line. One that is set here as well is ignored there.
func WithHeader(name, value string) Option {
	return func(s *settings) { s.setHeader(header{name, value, "WithHeader"}) }
}

// WithUserAgent appends product, as in "my-orchestrator/1.2", to the SDK's own
// User-Agent.
func WithUserAgent(product string) Option {
	return func(s *settings) { s.userAgent = product }
}

// WithAttemptTimeout limits one attempt, from looking for a connection to the last byte
// of the body. The default is the Timeout of [WithHTTPClient]'s client, else 30
// seconds. To limit a call with all its attempts and waits, use a context.
func WithAttemptTimeout(limit time.Duration) Option {
	return func(s *settings) { s.timeout, s.timeoutSet = limit, true }
}

// WithMaxRetries sets how often a request is sent again after a fault that may
// pass, at most: 0 to 100. The default is 3, four attempts in all.
func WithMaxRetries(n int) Option {
	return func(s *settings) { s.maxRetries = n }
}

// WithoutRetryBudget turns off the bound on the retries of all calls of a client
// together. By default a retry takes 5 of 2,500 tokens, and a healthy response puts
// some back, so that an outage of the API is not multiplied by retries. Without the
// budget more calls survive long partial outages.
func WithoutRetryBudget() Option {
	return func(s *settings) { s.noBudget = true }
}

// WithLogger makes the client log to logger: at level Debug one event an attempt,
// at level Warn each call that gave up and each write whose effect had to be found
// out. Events have no bodies, queries or keys; the text of an error can quote an ID, a
// name or the content type of an answer. The default, and nil, is silence.
func WithLogger(logger *slog.Logger) Option {
	return func(s *settings) { s.logger = logger }
}

// WithIdempotencyKey sets the x-request-id of a write, which is a new UUID for
// each call otherwise. It is the same on every attempt of the call. A process that
// repeats a write after a crash can give the same key again. It is for a single
// call: NewClient refuses it. Calls that only read ignore it.
func WithIdempotencyKey(key string) Option {
	return func(s *settings) { s.idempotencyKey, s.idempotencyKeySet = key, true }
}

// WithResponseInto stores the last answer of the call in *dst, that of an error
// too; *dst stays as it is when no answer came. The body is read and can be read
// again. It is for a single call: NewClient refuses it. With All, it is the answer
// of the last page so far; with Ensure and Apply that of the last write, so one
// that finds the policy as it is to be stores none.
func WithResponseInto(dst **http.Response) Option {
	return func(s *settings) { s.response, s.responseSet = dst, true }
}
