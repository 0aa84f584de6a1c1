package runloop

import (
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// An Option overrides a default. Passed to [NewClient], it applies to every call; passed to
// a method, it applies to that call only. NewClient rejects the options that are documented
// to apply to a single call.
//
// The order of options does not matter, except that the last of several of one kind wins.
// [WithMiddleware], [WithIgnoredRules] and headers of different names are cumulative. All
// options are validated together. If one is invalid, the call returns a [*ValidationError]
// and sends nothing. A nil Option is ignored.
type Option func(*settings)

// WithAPIKey sets the API key, which is sent as a bearer token. The default is the
// environment variable RUNLOOP_API_KEY. Pass the key alone, without quotes and without
// "Bearer". The key never appears in logs, errors or formatted output.
func WithAPIKey(key string) Option {
	secret := engine.NewSecret(key)
	return func(s *settings) { s.apiKey, s.apiKeySource = secret, "WithAPIKey" }
}

// WithBaseURL sets the base URL. The default is the environment variable RUNLOOP_BASE_URL,
// or https://api.runloop.ai if it is empty. It may have a path, but must not end in /v1:
// the paths of requests begin with that. The scheme must be https, except that http is
// accepted for loopback addresses, and for other hosts with [WithPlaintextHTTP].
func WithBaseURL(url string) Option {
	return func(s *settings) { s.baseURL, s.baseURLSource = url, "WithBaseURL" }
}

// WithPlaintextHTTP accepts a base URL with the scheme http for hosts other than loopback
// addresses. Anyone on the network path can then read the API key.
func WithPlaintextHTTP() Option {
	return func(s *settings) { s.plaintextHTTP = true }
}

// WithHTTPClient sends requests through client.Transport, for example to use your own
// proxy or certificates. A nil Transport means [http.DefaultTransport]. To add tracing,
// metrics or headers, use [WithMiddleware], which keeps the SDK's connection pool.
//
// The client's Timeout limits one attempt unless [WithAttemptTimeout] is set. A client
// with a Jar or CheckRedirect is rejected, because the SDK stores no cookies and follows
// no redirects. The client is not modified, and its idle connections are not closed.
//
// By default, the SDK uses its own connection pool. It speaks HTTP/2, uses the proxy of
// the environment (HTTPS_PROXY and NO_PROXY), and keeps up to 256 idle connections per
// host for 30 seconds.
func WithHTTPClient(client *http.Client) Option {
	return func(s *settings) {
		s.httpClient, s.httpClientSet = client, true
		s.transport = nil
	}
}

// WithMiddleware wraps the transport, which is the SDK's connection pool or that of
// [WithHTTPClient]. The first middleware is the outermost. The RoundTripper that it returns
// is called once per attempt, possibly concurrently. It sees the request as it is sent,
// including the API key.
//
// Middleware passed to a method runs inside the client's. A call with WithMiddleware or
// WithHTTPClient builds a new chain, so every middleware function is called again. Keep
// state that calls share, such as a rate limiter, outside these functions.
func WithMiddleware(middleware ...func(http.RoundTripper) http.RoundTripper) Option {
	return func(s *settings) {
		s.middleware = slices.Concat(s.middleware, middleware)
		s.transport = nil
	}
}

// WithHeader sets a header of every request. Passed to a method, it replaces the client's
// header of the same name. The value is not kept secret: it can appear in an error if the
// API repeats it.
//
// Headers that the SDK or net/http sets, or that change how a request is processed, are
// rejected. So are Idempotency-Key and X-Idempotency-Key, because net/http would silently
// replay a POST: use [WithIdempotencyKey].
//
// NewClient reads further headers from the environment variable RUNLOOP_CUSTOM_HEADERS,
// one "Name: value" per line. Options take precedence.
func WithHeader(name, value string) Option {
	return func(s *settings) { s.setHeader(header{name, value, "WithHeader"}) }
}

// WithUserAgent appends product, such as "my-orchestrator/1.2", to the SDK's User-Agent.
func WithUserAgent(product string) Option {
	return func(s *settings) { s.userAgent = product }
}

// WithAttemptTimeout limits one attempt, from getting a connection to reading the last
// byte of the response. It is at least a millisecond. The default is the Timeout of
// [WithHTTPClient]'s client, or 30 seconds if that is 0. To limit a whole call, including
// its retries and pauses, use a context.
func WithAttemptTimeout(limit time.Duration) Option {
	return func(s *settings) { s.timeout, s.timeoutSet = limit, true }
}

// WithMaxRetries sets the maximum number of retries of a request after transient errors,
// from 0 to 100. The default is 3, which is four attempts in all.
func WithMaxRetries(n int) Option {
	return func(s *settings) { s.maxRetries = n }
}

// WithoutRetryBudget disables the retry budget, which limits the retries of all calls of a
// client together, so that they do not multiply the load of an outage. By default, each
// retry takes 5 of 2,500 tokens, and healthy responses and time restore tokens. Without the
// budget, more calls survive a long partial outage.
func WithoutRetryBudget() Option {
	return func(s *settings) { s.noBudget = true }
}

// WithLogger sets the logger. By default, and with nil, the client logs nothing. At level
// Debug, it logs each attempt; at Info, each write that took effect although its response
// was lost; at Warn, each call that fails because no further retry is allowed. Events
// contain no bodies, queries or keys. The text of an error can quote an ID, a name or the
// content type of a response.
func WithLogger(logger *slog.Logger) Option {
	return func(s *settings) { s.logger = logger }
}

// WithIgnoredRules names the unknown egress fields that the program accepts: rules of a
// newer API that this version of the SDK cannot express. Without it,
// [NetworkPoliciesService.Ensure] and [NetworkPoliciesService.Apply] report such a field as
// drift unless its value allows nothing. The names are those of the API's JSON. The name of
// a rule that the SDK knows is rejected. Names passed to a method are added to those passed
// to NewClient.
func WithIgnoredRules(names ...string) Option {
	return func(s *settings) { s.ignoredRules = slices.Concat(s.ignoredRules, names) }
}

// WithIdempotent declares that sending the request of a [Client.Do] call twice has the
// same effect as sending it once. Do then retries a POST or PATCH after every transient
// error. The option applies to a single call of Do: NewClient and all other methods reject
// it.
func WithIdempotent() Option {
	return func(s *settings) { s.idempotent = true }
}

// WithIdempotencyKey sets the x-request-id of a write, which is the same on every attempt.
// The key is 1 to 255 visible ASCII characters. The default is a new UUID per call. A
// process that repeats a write after a crash can pass the same key again; for devboxes, see
// [DevboxesService.Create]. Reads ignore the option. It applies to a single call: NewClient
// rejects it.
func WithIdempotencyKey(key string) Option {
	return func(s *settings) { s.idempotencyKey, s.idempotencyKeySet = key, true }
}

// WithResponseInto stores the call's last response, error responses included, in *dst.
// Without a response, *dst is unchanged. The body can be read, although the call has read
// it already. All stores the response of the last page that it requested. Ensure and Apply
// store the response of their last write, if there was one. The option applies to a single
// call: NewClient rejects it.
func WithResponseInto(dst **http.Response) Option {
	return func(s *settings) { s.response, s.responseSet = dst, true }
}
