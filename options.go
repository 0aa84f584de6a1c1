package runloop

import (
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// An Option overrides a default. [NewClient] and every method accept options: passed to
// NewClient, an option applies to every call; passed to a method, it applies to that call
// only. Some options are for a single call, and NewClient rejects them.
//
// The order of options does not matter, except that the last of several of one kind
// wins. [WithMiddleware], [WithIgnoredRules] and headers of different names add up. All
// options are validated together: an invalid value is a [*ValidationError], and nothing
// is sent. A nil Option is ignored.
type Option func(*settings)

// WithAPIKey sets the API key, sent as a bearer token. The default is RUNLOOP_API_KEY.
// Pass the key alone, without quotes and without "Bearer". The key never appears in
// logs, errors or formatted output.
func WithAPIKey(key string) Option {
	secret := engine.NewSecret(key)
	return func(s *settings) { s.apiKey, s.apiKeySource = secret, "WithAPIKey" }
}

// WithBaseURL sets the base URL. The default is RUNLOOP_BASE_URL, or else
// https://api.runloop.ai. A path is kept, but must not end in /v1, which the SDK adds.
// The scheme is https; http is accepted for loopback addresses, and for other hosts
// with [WithPlaintextHTTP].
func WithBaseURL(url string) Option {
	return func(s *settings) { s.baseURL, s.baseURLSource = url, "WithBaseURL" }
}

// WithPlaintextHTTP accepts a base URL with the scheme http for hosts that are not
// loopback. Anyone on the network path can then read the API key.
func WithPlaintextHTTP() Option {
	return func(s *settings) { s.plaintextHTTP = true }
}

// WithHTTPClient sends requests through client.Transport, for example to use a proxy or
// certificates of your own. A nil Transport is [http.DefaultTransport]. To add tracing,
// metrics or headers, use [WithMiddleware], which keeps the SDK's connection pool.
//
// The client's Timeout limits one attempt unless [WithAttemptTimeout] is set. A client
// with a Jar or CheckRedirect is rejected, because neither would be used: the SDK stores
// no cookies and follows no redirects. The client is not modified, and its idle
// connections are not closed.
//
// By default, the SDK uses a connection pool of its own: HTTP/2, the proxy of the
// environment (HTTPS_PROXY and NO_PROXY), and up to 256 idle connections per host,
// closed after 30 seconds.
func WithHTTPClient(client *http.Client) Option {
	return func(s *settings) {
		s.httpClient, s.httpClientSet = client, true
		s.transport = nil
	}
}

// WithMiddleware wraps the transport: the SDK's own connection pool, or that of
// [WithHTTPClient]. The first middleware is the outermost. A RoundTripper that it returns
// is called once per attempt, retries included, possibly concurrently, and sees the
// request as it is sent, the API key included.
//
// The middleware of a call is added to that of the client, inside of it. A call with
// WithMiddleware or WithHTTPClient builds a chain of its own, so each middleware is
// called again: keep state that calls share, such as a rate limiter, outside of it.
func WithMiddleware(middleware ...func(http.RoundTripper) http.RoundTripper) Option {
	return func(s *settings) {
		s.middleware = slices.Concat(s.middleware, middleware)
		s.transport = nil
	}
}

// WithHeader adds a header to each request. Unlike the API key, its value is not kept
// secret: it can appear in an error if the API repeats it. A header of the client is
// replaced by one of the same name that is passed to a method.
//
// Headers that the SDK or net/http sets, or that change how a request is processed, are
// rejected. So are Idempotency-Key and X-Idempotency-Key, because net/http would silently
// replay a POST: see [WithIdempotencyKey].
//
// NewClient reads more headers from RUNLOOP_CUSTOM_HEADERS, one "Name: value" per line.
// Options take precedence.
func WithHeader(name, value string) Option {
	return func(s *settings) { s.setHeader(header{name, value, "WithHeader"}) }
}

// WithUserAgent appends product, as in "my-orchestrator/1.2", to the SDK's own
// User-Agent.
func WithUserAgent(product string) Option {
	return func(s *settings) { s.userAgent = product }
}

// WithAttemptTimeout limits one attempt, from getting a connection to reading the last
// byte of the response. The default is the Timeout of [WithHTTPClient]'s client, or else
// 30 seconds. To limit a call with all its attempts and pauses, use a context.
func WithAttemptTimeout(limit time.Duration) Option {
	return func(s *settings) { s.timeout, s.timeoutSet = limit, true }
}

// WithMaxRetries sets the maximum number of retries of a request after transient errors,
// from 0 to 100. The default is 3: four attempts in all.
func WithMaxRetries(n int) Option {
	return func(s *settings) { s.maxRetries = n }
}

// WithoutRetryBudget disables the retry budget, which limits the retries of all calls of
// a client together. By default a retry takes 5 of 2,500 tokens, and healthy responses
// put tokens back, so that retries do not multiply the load of an outage. Without the
// budget, more calls survive a long partial outage.
func WithoutRetryBudget() Option {
	return func(s *settings) { s.noBudget = true }
}

// WithLogger sets the logger. The client logs one event per attempt at Debug; at Info,
// writes that took effect although their response was lost; at Warn, calls that ran out of
// attempts. Events contain no bodies, queries or keys; the text of an error can quote an
// ID, a name or the content type of a response. By default, and with nil, the client logs
// nothing.
func WithLogger(logger *slog.Logger) Option {
	return func(s *settings) { s.logger = logger }
}

// WithIgnoredRules names unknown egress fields that the program accepts: rules that a
// newer API has added, and that this version of the SDK cannot express. Without it,
// [NetworkPoliciesService.Ensure] and [NetworkPoliciesService.Apply] report such a field
// as drift unless its value allows nothing. The names are those of the API's JSON.
// Fields named for the client and for a call add up.
func WithIgnoredRules(names ...string) Option {
	return func(s *settings) { s.ignoredRules = slices.Concat(s.ignoredRules, names) }
}

// WithIdempotent declares that sending the request of a [Client.Do] call twice has the
// same effect as sending it once, so that a POST or PATCH is retried after any transient
// error. It applies to a single call of Do: NewClient and all other methods reject it.
func WithIdempotent() Option {
	return func(s *settings) { s.idempotent = true }
}

// WithIdempotencyKey sets the x-request-id of a write, which defaults to a new UUID per
// call. It is the same on every attempt of the call. A process that repeats a write after
// a crash can pass the same key again. The option applies to a single call: NewClient
// rejects it. Reads ignore it.
func WithIdempotencyKey(key string) Option {
	return func(s *settings) { s.idempotencyKey, s.idempotencyKeySet = key, true }
}

// WithResponseInto stores the call's last response, error responses included, in *dst,
// which is unchanged if there was none. The body has been read and can be read again. The
// option applies to a single call: NewClient rejects it. All stores the response of the
// last page requested; Ensure and Apply store the response of their last write, and nothing
// if there was nothing to write.
func WithResponseInto(dst **http.Response) Option {
	return func(s *settings) { s.response, s.responseSet = dst, true }
}
