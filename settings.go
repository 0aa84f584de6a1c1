package runloop

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/runloop-community/runloop-go/internal/engine"
	"github.com/runloop-community/runloop-go/internal/noenv"
)

const (
	defaultTimeout    = 30 * time.Second
	defaultMaxRetries = 3
	maxMaxRetries     = 100
)

// settings are the values of the options and the environment, not yet validated. A source
// is the option or variable that a value came from, for errors. It is empty for a default.
type settings struct {
	apiKey            engine.Secret
	apiKeySource      string
	baseURL           string
	baseURLSource     string
	plaintextHTTP     bool
	httpClient        *http.Client
	httpClientSet     bool
	middleware        []func(http.RoundTripper) http.RoundTripper
	headers           map[string]header // by canonical name; replaced, never modified
	malformedHeaders  string            // the problem of RUNLOOP_CUSTOM_HEADERS
	userAgent         string
	timeout           time.Duration
	timeoutSet        bool
	maxRetries        int
	noBudget          bool
	logger            *slog.Logger
	ignoredRules      []string // names of egress fields
	idempotent        bool
	idempotencyKey    string
	idempotencyKeySet bool
	response          **http.Response
	responseSet       bool
	inDoubt           bool // an earlier request of the call may have been applied
	noEnvironment     bool

	// transport is built by config from httpClient and middleware. An option that
	// changes one of them resets it.
	transport *engine.Transport
}

// A header is a header as the caller wrote it.
type header struct{ name, value, source string }

func init() {
	noenv.Option = Option(func(s *settings) { s.noEnvironment = true })
}

// newSettings returns the settings of a client.
func newSettings(opts []Option) *settings {
	s := (&settings{maxRetries: defaultMaxRetries}).with(opts)
	if !s.noEnvironment {
		s.readEnvironment()
	}
	return s
}

// with returns the settings of a call: a copy with opts applied.
func (s *settings) with(opts []Option) *settings {
	copied := *s
	for _, opt := range opts {
		if opt != nil {
			opt(&copied)
		}
	}
	return &copied
}

func (s *settings) setHeader(h header) {
	headers := maps.Clone(s.headers)
	if headers == nil {
		headers = make(map[string]header)
	}
	headers[http.CanonicalHeaderKey(h.name)] = h
	s.headers = headers
}

const customHeaders = "RUNLOOP_CUSTOM_HEADERS"

// readEnvironment sets the settings that no option has set.
func (s *settings) readEnvironment() {
	if key := environment("RUNLOOP_API_KEY"); s.apiKeySource == "" && key != "" {
		s.apiKey, s.apiKeySource = engine.NewSecret(key), "RUNLOOP_API_KEY"
	}
	if base := environment("RUNLOOP_BASE_URL"); s.baseURLSource == "" && base != "" {
		s.baseURL, s.baseURLSource = base, "RUNLOOP_BASE_URL"
	}
	byOption := s.headers
	for i, line := range strings.Split(os.Getenv(customHeaders), "\n") {
		name, value, found := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		_, set := byOption[http.CanonicalHeaderKey(name)]
		switch {
		case !found && name == "": // a blank line
		case !found:
			s.malformedHeaders = cmp.Or(s.malformedHeaders, fmt.Sprintf(`line %d has no colon: write "Name: value"`, i+1))
		case !set:
			s.setHeader(header{name, strings.TrimSpace(value), customHeaders})
		}
	}
}

func environment(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// config validates the settings and returns the engine's configuration. The pool and the
// budget are the client's.
func (s *settings) config(op string, own *pool, budget *engine.Budget) (*engine.Config, error) {
	problems := &problems{op: op}
	check := problems.add

	check(cmp.Or(s.apiKeySource, "WithAPIKey"), s.apiKeyProblem())
	base, problem := s.parseBaseURL()
	check(s.baseURLSource, problem)
	check(customHeaders, s.malformedHeaders)
	headers := make(http.Header, len(s.headers))
	for _, name := range slices.Sorted(maps.Keys(s.headers)) { // for the same error each time
		h := s.headers[name]
		check(h.source, headerProblem(name, h))
		headers[name] = []string{h.value}
	}
	check("WithUserAgent", valueProblem(s.userAgent))
	switch {
	case !s.timeoutSet:
	case s.timeout <= 0:
		check("WithAttemptTimeout", fmt.Sprintf("%s is not positive: omit the option for the default of %s", s.timeout, defaultTimeout))
	default:
		check("WithAttemptTimeout", unitlessProblem(s.timeout))
	}
	if s.maxRetries < 0 || s.maxRetries > maxMaxRetries {
		check("WithMaxRetries", fmt.Sprintf("%d is not between 0 and %d: write 0 for no retries", s.maxRetries, maxMaxRetries))
	}
	check("WithIgnoredRules", s.ignoredRulesProblem())
	if s.idempotent {
		check("WithIdempotent", "it applies to a single call of Do: pass it to Do")
	}
	if s.idempotencyKeySet {
		check("WithIdempotencyKey", idempotencyKeyProblem(s.idempotencyKey))
	}
	if s.responseSet && s.response == nil {
		check("WithResponseInto", "nil destination: pass the address of an *http.Response variable")
	}
	check("WithHTTPClient", s.httpClientProblem())
	if s.transport == nil && problems.err() == nil {
		s.transport, problem = s.newTransport(own)
		check("WithMiddleware", problem)
	}
	if err := problems.err(); err != nil {
		return nil, err
	}

	cfg := &engine.Config{
		BaseURL:    base,
		Key:        s.apiKey,
		UserAgent:  strings.TrimSpace("runloop-go/" + builtVersion() + " " + s.userAgent),
		Header:     headers,
		Transport:  s.transport,
		Timeout:    cmp.Or(s.timeout, defaultTimeout),
		MaxRetries: s.maxRetries,
		Logger:     cmp.Or(s.logger, silent),
	}
	if s.httpClient != nil {
		cfg.Timeout = cmp.Or(s.timeout, max(s.httpClient.Timeout, 0), defaultTimeout)
	}
	if !s.noBudget {
		cfg.Budget = budget
	}
	return cfg, nil
}

var silent = slog.New(slog.DiscardHandler)

// refuseCallOptions rejects the options that apply to a single call.
func (s *settings) refuseCallOptions() error {
	const problem = "it applies to a single call: pass it to the method"
	switch {
	case s.idempotencyKeySet:
		return invalid(opNewClient, "WithIdempotencyKey", problem)
	case s.responseSet:
		return invalid(opNewClient, "WithResponseInto", problem)
	}
	return nil
}

// newTransport builds the chain of middleware, or returns its problem.
func (s *settings) newTransport(own *pool) (transport *engine.Transport, problem string) {
	var next http.RoundTripper = own
	netHTTP := own.transport
	if s.httpClient != nil {
		next = cmp.Or(s.httpClient.Transport, http.DefaultTransport)
		netHTTP, _ = next.(*http.Transport)
	}
	for i, wrap := range slices.Backward(s.middleware) {
		if wrap == nil {
			return nil, fmt.Sprintf("middleware %d is nil: omit it", i+1)
		}
		if next = wrap(next); isNil(next) {
			return nil, fmt.Sprintf("middleware %d returned nil: return a RoundTripper that calls the one passed in", i+1)
		}
	}
	return &engine.Transport{RoundTripper: next, Direct: netHTTP != nil && len(s.middleware) == 0, NetHTTP: netHTTP}, ""
}

func (s *settings) httpClientProblem() string {
	if !s.httpClientSet {
		return ""
	}
	switch client := s.httpClient; {
	case client == nil:
		return "nil client: omit the option for the default"
	case client.Jar != nil:
		return "the client has a Jar, which the SDK does not use: set Jar to nil, and send cookies with WithHeader or WithMiddleware"
	case client.CheckRedirect != nil:
		return "the client has a CheckRedirect, which the SDK does not use: set it to nil, redirects are not followed"
	case client.Transport != nil && isNil(client.Transport):
		return fmt.Sprintf("the client's Transport is a nil %T: set Transport to nil for http.DefaultTransport", client.Transport)
	case unitlessProblem(client.Timeout) != "":
		return "the client's Timeout of " + unitlessProblem(client.Timeout)
	}
	return ""
}

// unitlessProblem returns the problem of a duration that was written without its unit, as
// in 30 for 30*time.Second.
func unitlessProblem(d time.Duration) string {
	if d <= 0 || d >= time.Millisecond {
		return ""
	}
	return fmt.Sprintf("%s is shorter than a millisecond: write it as in 30*time.Second", d)
}

// isNil reports whether v is nil, or is a pointer or interface that leads to a nil.
func isNil(v any) bool {
	value, _ := pointee(v)
	switch value.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Func, reflect.Map, reflect.Slice:
		return value.IsNil()
	}
	return false
}

// pointee follows the pointers and interfaces of v. It returns false if there are more of
// them than in any type, which means that one refers to itself.
func pointee(v any) (reflect.Value, bool) {
	value := reflect.ValueOf(v)
	for range 100 {
		if value.Kind() != reflect.Pointer && value.Kind() != reflect.Interface {
			return value, true
		}
		value = value.Elem()
	}
	return value, false
}

func (s *settings) ignoredRulesProblem() string {
	for _, name := range s.ignoredRules {
		switch name {
		case "allow_all", "allow_devbox_to_devbox", "allowed_hostnames", "allow_agent_gateway",
			"allow_mcp_gateway", "allow_runloop_mirrors", "allowed_cidrs":
			return quote(name) + " is a rule that the SDK knows: name only fields that it does not know"
		}
		if name == "" || strings.TrimSpace(name) != name {
			return fmt.Sprintf(`%.40q is not the name of an egress field: write the API's name, as in "allowed_ports"`, name)
		}
	}
	return ""
}

// apiKeyProblem returns the problem of the key, without any part of the key.
func (s *settings) apiKeyProblem() string {
	const quotes = "\"'`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\u00b4\uff02\uff07"
	if s.apiKeySource == "" {
		return "missing API key: set RUNLOOP_API_KEY, or pass WithAPIKey"
	}
	key := s.apiKey.Reveal()
	trimmed := strings.TrimSpace(key)
	switch {
	case trimmed == "":
		return "the API key is empty: write the key, or omit the option for RUNLOOP_API_KEY"
	case strings.Trim(trimmed, quotes) != trimmed:
		return "the API key is in quotes: remove them"
	case hasScheme(trimmed, "bearer"), hasScheme(trimmed, "authorization"):
		return `the API key begins with "Bearer" or "Authorization", which the SDK adds: write the key alone`
	case strings.HasPrefix(trimmed, "RUNLOOP_API_KEY="):
		return "the API key begins with RUNLOOP_API_KEY=: write what follows it"
	case isPlaceholder(trimmed):
		return "the API key is a placeholder or a variable that was not expanded: write the key itself"
	case strings.ContainsFunc(key, notVisibleASCII):
		return "the API key contains a space, a line break or another invalid character: remove it"
	case len(key) > maxHeaderValue:
		return fmt.Sprintf("the API key is longer than %d bytes: write the key alone", maxHeaderValue)
	}
	return ""
}

// hasScheme reports whether key begins with the word, in any case, followed by a separator
// or nothing.
func hasScheme(key, word string) bool {
	if len(key) < len(word) || !strings.EqualFold(key[:len(word)], word) {
		return false
	}
	rest := key[len(word):]
	return rest == "" || strings.ContainsAny(rest[:1], " \t\r\n:=,%+")
}

// isPlaceholder reports whether key is a placeholder from documentation, or a template or
// shell expression that was not expanded.
func isPlaceholder(key string) bool {
	for _, part := range []string{"<", "${", "$(", "{{", "RUNLOOP_API_KEY"} {
		if strings.Contains(key, part) {
			return true
		}
	}
	return strings.HasPrefix(key, "$") || strings.HasPrefix(key, "%") && strings.HasSuffix(key, "%")
}

func notVisibleASCII(r rune) bool { return r <= ' ' || r > '~' }

func idempotencyKeyProblem(key string) string {
	const maxKey = 255
	switch {
	case key == "":
		return "the key is empty: omit the option for a new one"
	case len(key) > maxKey:
		return fmt.Sprintf("the key is longer than %d bytes: write a shorter one", maxKey)
	case strings.ContainsFunc(key, notVisibleASCII):
		return "the key has a character other than visible ASCII: write letters, digits and punctuation only"
	}
	return ""
}
