package live

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	runloop "github.com/runloop-community/runloop-go"
)

// A run makes checks one after the other, and adds a row for each. The account may have policies
// and devboxes of other programs: the run changes only its own.
type run struct {
	client *runloop.Client
	ctx    context.Context
	// prefix begins the name of everything that the run creates, and no other name.
	prefix string
	names  int

	rows []row
	// err is why the next check cannot be made, stuck is why the other checks of the group cannot,
	// and refusal is the body of the last error response since the previous check.
	err, stuck error
	refusal    string

	policies map[string]bool // to delete, by ID
	devboxes map[string]bool // to shut down, by ID
	launches int

	requests    atomic.Int64
	onRequest   func(number int64) // of tests
	host, agent string             // where the first request went, and its User-Agent
}

func newRun(ctx context.Context, newClient func(...runloop.Option) (*runloop.Client, error)) (*run, error) {
	r := &run{
		ctx:       ctx,
		prefix:    "runloop-go-live-" + time.Now().UTC().Format("20060102t150405") + "-" + strings.ToLower(rand.Text()[:8]),
		policies:  map[string]bool{},
		devboxes:  map[string]bool{},
		onRequest: func(int64) {},
	}
	var err error
	r.client, err = newClient(runloop.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			number := r.requests.Add(1)
			if number == 1 {
				r.host, r.agent = request.URL.Host, request.UserAgent()
			}
			r.onRequest(number)
			return next.RoundTrip(request)
		})
	}))
	return r, err
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A noOccasion is why a check is not tried.
type noOccasion string

func (n noOccasion) Error() string { return string(n) }

const (
	errInterrupted = noOccasion("the run was interrupted")
	errLaunches    = noOccasion("two devboxes have been launched")
)

// group makes checks that share what they create, and then deletes that. With a reason, they are
// not tried.
func (r *run) group(reason error, checks func()) {
	r.err, r.stuck = reason, reason
	checks()
	r.err, r.stuck = nil, nil
	r.sweep(ignore) // what is left now is left to cleanUp
}

// need ends the group unless the response is a success.
func (r *run) need(res response) response {
	if r.err == nil && !res.ok() {
		r.err = fmt.Errorf("what the check needs was refused: %s %s", res.code(), excerpt(res.body))
	}
	r.stuck = r.err
	return res
}

// check adds a row with what the fake shows and what the API shows.
func (r *run) check(name, fake, shown string) {
	row := row{name: name, fake: fake, shown: shown, refusal: r.refusal, result: passed}
	if r.err != nil && r.ctx.Err() != nil {
		r.err, r.stuck = errInterrupted, errInterrupted
	}
	if _, none := r.err.(noOccasion); none {
		row.result, row.shown = notTried, r.err.Error()
	} else if r.err != nil {
		row.result, row.shown = failed, r.err.Error()
	} else if shown != fake {
		row.result = differs
	}
	r.rows = append(r.rows, row)
	r.err, r.refusal = r.stuck, ""
}

// promise adds a row for something that the SDK promises whatever the API does.
func (r *run) promise(name string, kept func(*promise)) {
	p := new(promise)
	if r.err == nil {
		p.collect(kept)
	}
	if r.ctx.Err() != nil {
		r.err = errInterrupted
	}
	r.check(name, "", strings.Join(p.broken, "; "))
	r.rows[len(r.rows)-1].promise = true
}

// A promise collects its failed assertions. It is a TestingT for testify.
type promise struct{ broken []string }

func (p *promise) collect(kept func(*promise)) {
	defer func() {
		if failed := recover(); failed != nil && failed != p {
			panic(failed)
		}
	}()
	kept(p)
}

func (p *promise) Errorf(format string, args ...any) {
	p.broken = append(p.broken, strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " "))
}

func (p *promise) FailNow() { panic(p) }

// name returns a name that is free.
func (r *run) name() string {
	r.names++
	return fmt.Sprintf("%s-%02d", r.prefix, r.names)
}

// owns reports whether the name is one of the run's. The API may have trimmed it, and one check
// writes it in upper case.
func (r *run) owns(name string) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(name)), r.prefix)
}

// send sends a request, and returns the response, which may be a refusal. A body is JSON, and "" is
// none. 429 and 5xx are errors: they show nothing about the API's behavior.
func (r *run) send(method, path, body string, opts ...runloop.Option) (res response) {
	if r.err != nil {
		return res
	}
	var sent any
	if body != "" {
		sent = json.RawMessage(body)
	}
	var received *http.Response
	err := r.client.Do(r.ctx, method, path, sent, nil, append(opts, runloop.WithResponseInto(&received))...)
	refusal, refused := errors.AsType[*runloop.APIError](err)
	switch {
	case refused && refusal.StatusCode != http.StatusTooManyRequests && refusal.StatusCode < 500:
		res.message, r.refusal = refusal.Message, string(refusal.Body)
	case err != nil:
		r.err = err
		return res
	}
	res.status, res.header = received.StatusCode, received.Header
	res.body, r.err = io.ReadAll(received.Body)
	return res
}

const policies, devboxes = "/v1/network-policies", "/v1/devboxes"

func policy(id string) string { return policies + "/" + url.PathEscape(id) }

func devbox(id string) string { return devboxes + "/" + url.PathEscape(id) }

func (r *run) get(path string) response { return r.send(http.MethodGet, path, "") }

func (r *run) post(path, body string) response { return r.send(http.MethodPost, path, body) }

// create creates a policy, which may be refused. The fields follow the name.
func (r *run) create(name, fields string, opts ...runloop.Option) response {
	created := r.send(http.MethodPost, policies, named(name, fields), opts...)
	return r.keep(r.policies, created)
}

// mustCreate creates a policy that the group needs.
func (r *run) mustCreate(name, fields string) response { return r.need(r.create(name, fields)) }

// mayLaunch ends the devbox that was launched before. It returns false if there must be no more.
func (r *run) mayLaunch() bool {
	if len(r.devboxes) > 0 {
		r.sweep(ignore)
	}
	if r.err == nil && (r.launches >= maxLaunches || len(r.devboxes) > 0) {
		r.err = errLaunches
	}
	return r.err == nil
}

const maxLaunches = 2

// launch launches a devbox, which may be refused. The fields follow the name.
func (r *run) launch(fields string) (launched response) {
	if r.mayLaunch() {
		launched = r.post(devboxes, named(r.name(), fields))
		if launched.ok() || r.err != nil { // an error may have launched one, too
			r.launches++
		}
	}
	return r.keep(r.devboxes, launched)
}

// keep remembers the ID of what was created.
func (r *run) keep(created map[string]bool, res response) response {
	if res.ok() && res.id() == "" {
		r.err = fmt.Errorf("the response to a create has no id: %s", excerpt(res.body))
	} else if res.ok() {
		created[res.id()] = true
	}
	return res
}

func named(name, fields string) string {
	if fields != "" {
		fields = ", " + fields
	}
	return fmt.Sprintf(`{"name": %q%s}`, name, fields)
}

// unknown returns an ID that does not exist.
func (r *run) unknown(kind string) string { return kind + "_" + r.name() }

// sweep shuts down and deletes what the run has created, and reports what it cannot. It has a
// minute, also after an interrupt.
func (r *run) sweep(report func(format string, args ...any)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), time.Minute)
	defer cancel()
	for id := range r.devboxes {
		if _, err := r.client.Devboxes.Shutdown(ctx, id); err == nil || errors.Is(err, runloop.ErrNotFound) {
			delete(r.devboxes, id)
		} else {
			report("devbox %s of %s could not be shut down and may cost money: %v", id, r.prefix, err)
		}
	}
	for id := range r.policies {
		if _, err := r.client.NetworkPolicies.Delete(ctx, id); err == nil || errors.Is(err, runloop.ErrNotFound) {
			delete(r.policies, id)
		} else {
			report("policy %s of %s could not be deleted: %v", id, r.prefix, err)
		}
	}
}

func ignore(string, ...any) {}

// cleanUp deletes what the run has created and what it finds by its name, such as a devbox whose
// create had no response. It reports what it cannot delete.
func (r *run) cleanUp(report func(format string, args ...any)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), time.Minute)
	defer cancel()
	for devbox, err := range r.client.Devboxes.All(ctx, runloop.DevboxListParams{}) {
		if r.launches == 0 {
			break
		} else if err != nil {
			report("could not list the devboxes named %s*; some may run and cost money: %v", r.prefix, err)
		} else if r.owns(devbox.Name) && devbox.Status != runloop.DevboxShutdown && devbox.Status != runloop.DevboxFailure {
			r.devboxes[devbox.ID] = true
		}
	}
	for policy, err := range r.client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{}) {
		if err != nil {
			report("could not list the policies named %s*; some may exist: %v", r.prefix, err)
		} else if r.owns(policy.Name) {
			r.policies[policy.ID] = true
		}
	}
	r.sweep(report)
}
