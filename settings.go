package runloop

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/runloop-community/runloop-go/internal/engine"
	"github.com/runloop-community/runloop-go/internal/testenv"
)

const (
	defaultTimeout    = 30 * time.Second
	defaultMaxRetries = 3
	maxMaxRetries     = 100
)

// settings is what options record, as they record it. The sources say for errors
// where a value came from, and are empty when there is none.
type settings struct {
	apiKey            engine.Secret
	apiKeySource      string
	baseURL           string
	baseURLSource     string
	plaintextHTTP     bool
	httpClient        func() *http.Client // hidden like Config.RoundTrip
	headers           map[string]header   // by canonical name; replaced, never written to
	userAgent         string
	timeout           time.Duration
	timeoutSet        bool
	maxRetries        int
	noBudget          bool
	logger            *slog.Logger
	idempotencyKey    string
	idempotencyKeySet bool
	response          **http.Response
	responseSet       bool
	inDoubt           bool // an earlier request of the call may have been applied
	ignoredRules      []string
	noEnvironment     bool
}

func init() {
	testenv.WithoutEnvironment = Option(func(s *settings) { s.noEnvironment = true })
}

// A header is one as it was given.
type header struct{ name, value, source string }

func newSettings(opts []Option) *settings {
	return (&settings{maxRetries: defaultMaxRetries}).with(opts)
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

// readEnvironment fills in what no option set.
func (s *settings) readEnvironment() error {
	if s.noEnvironment {
		return nil
	}
	if key := environment("RUNLOOP_API_KEY"); s.apiKeySource == "" && key != "" {
		s.apiKey, s.apiKeySource = engine.NewSecret(key), "RUNLOOP_API_KEY"
	}
	if base := environment("RUNLOOP_BASE_URL"); s.baseURLSource == "" && base != "" {
		s.baseURL, s.baseURLSource = base, "RUNLOOP_BASE_URL"
	}
	const variable = "RUNLOOP_CUSTOM_HEADERS"
	byOption := s.headers
	for i, line := range strings.Split(os.Getenv(variable), "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, value, found := strings.Cut(line, ":")
		if !found {
			return invalid(opNewClient, variable, fmt.Sprintf(`line %d has no colon: write "Name: value"`, i+1))
		}
		name = strings.TrimSpace(name)
		if _, set := byOption[http.CanonicalHeaderKey(name)]; !set {
			s.setHeader(header{name, strings.TrimSpace(value), variable})
		}
	}
	return nil
}

func environment(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// config checks the settings and puts them together for the engine. The pool and
// the budget are the client's.
func (s *settings) config(op string, pool *http.Transport, budget *engine.Budget) (*engine.Config, error) {
	refuse := func(field, format string, args ...any) (*engine.Config, error) {
		return nil, invalid(op, field, fmt.Sprintf(format, args...))
	}
	if s.apiKeySource == "" {
		return refuse("WithAPIKey", "there is no API key: set RUNLOOP_API_KEY, or pass WithAPIKey")
	}
	if problem := apiKeyProblem(s.apiKey.Reveal()); problem != "" {
		return refuse(s.apiKeySource, "%s", problem)
	}
	base, problem := s.parseBaseURL()
	if problem != "" {
		return refuse(s.baseURLSource, "%s", problem)
	}
	headers := make(http.Header, len(s.headers))
	for _, name := range slices.Sorted(maps.Keys(s.headers)) { // for the same error each time
		h := s.headers[name]
		if problem := headerProblem(name, h); problem != "" {
			return refuse(h.source, "%s", problem)
		}
		headers[name] = []string{h.value}
	}
	switch {
	case valueProblem(s.userAgent) != "":
		return refuse("WithUserAgent", "%s", valueProblem(s.userAgent))
	case s.httpClient != nil && s.httpClient() == nil:
		return refuse("WithHTTPClient", "the client is nil: leave the option out for the default")
	case s.timeoutSet && s.timeout <= 0:
		return refuse("WithAttemptTimeout", "%s is not positive: leave the option out for the default of %s", s.timeout, defaultTimeout)
	case s.maxRetries < 0 || s.maxRetries > maxMaxRetries:
		return refuse("WithMaxRetries", "%d is not between 0 and %d: write 0 for no retries", s.maxRetries, maxMaxRetries)
	case s.idempotencyKeySet && idempotencyKeyProblem(s.idempotencyKey) != "":
		return refuse("WithIdempotencyKey", "%s", idempotencyKeyProblem(s.idempotencyKey))
	case s.responseSet && s.response == nil:
		return refuse("WithResponseInto", "the destination is nil: pass the address of an *http.Response")
	}
	cfg := &engine.Config{
		BaseURL:    base,
		Key:        s.apiKey,
		UserAgent:  strings.TrimSpace("runloop-go/" + version + " " + s.userAgent),
		Header:     headers,
		Transport:  pool,
		Timeout:    cmp.Or(s.timeout, defaultTimeout),
		MaxRetries: s.maxRetries,
		Logger:     cmp.Or(s.logger, silent),
	}
	if s.httpClient != nil {
		client := s.httpClient()
		cfg.Transport = cmp.Or(client.Transport, http.DefaultTransport)
		cfg.Timeout = cmp.Or(s.timeout, max(client.Timeout, 0), defaultTimeout)
	}
	if !s.noBudget {
		cfg.Budget = budget
	}
	return cfg, nil
}

var silent = slog.New(slog.DiscardHandler)

// refuseCallOptions refuses for a client what has a meaning for one call only.
func (s *settings) refuseCallOptions() error {
	const problem = "it is for one call: pass it to the method"
	if s.idempotencyKeySet {
		return invalid(opNewClient, "WithIdempotencyKey", problem)
	}
	if s.responseSet {
		return invalid(opNewClient, "WithResponseInto", problem)
	}
	return nil
}

// apiKeyProblem says what is wrong with a key, without a part of it.
func apiKeyProblem(key string) string {
	switch {
	case strings.TrimSpace(key) == "":
		return "the API key is empty"
	case strings.ContainsFunc(key, notVisibleASCII):
		return "the API key has a blank, a line break or another character that no key has: trim it"
	case len(key) > maxHeaderValue:
		return "the API key is too long for a header"
	}
	return ""
}

func notVisibleASCII(r rune) bool { return r <= ' ' || r > '~' }

func idempotencyKeyProblem(key string) string {
	const maxKey = 255
	switch {
	case key == "":
		return "the key is empty: leave the option out for a new one"
	case len(key) > maxKey:
		return fmt.Sprintf("the key is longer than %d bytes", maxKey)
	case strings.ContainsFunc(key, notVisibleASCII):
		return "the key has a character other than visible ASCII"
	}
	return ""
}
