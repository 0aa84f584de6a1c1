package runlooptest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// An API is a fake API with one account: an [http.Handler] with state. Create one with
// [New], or together with a server by [NewTestServer], [NewLoopbackServer] or
// [NewServer]. Its methods are safe for concurrent use.
type API struct {
	config config

	mu            sync.Mutex // guards the fields below; released while a request waits
	policies      store[policyView]
	byName        map[string]*policyView
	devboxes      store[devbox]
	devboxScripts script[DevboxScript]
	faults        map[Operation]*script[Fault]
	missed        []string // the scripted faults that had nothing to act on
	random        *rand.Rand
	requests      []*Request
	requestCount  int
}

// New returns an API without a server. It panics if a policy of [WithPolicies] cannot
// be added, or the fields of [WithUnknownFields] are invalid.
//
// A fault that closes the connection panics with [http.ErrAbortHandler], which the
// servers of net/http and httptest expect. If you call ServeHTTP directly, recover it.
func New(opts ...Option) *API {
	a := &API{
		config:   newConfig(opts),
		policies: store[policyView]{kind: "network policy", prefix: "npol", byID: map[string]*policyView{}},
		byName:   map[string]*policyView{},
		devboxes: store[devbox]{kind: "devbox", prefix: "dbx", byID: map[string]*devbox{}},
		faults:   map[Operation]*script[Fault]{},
	}
	for _, r := range routes {
		a.faults[r.op] = new(script[Fault])
	}
	if a.config.faultRate > 0 {
		a.random = rand.New(rand.NewPCG(a.config.faultSeed, 0))
	}
	mustMarshal(a.emptyPolicy()) // panics if the unknown fields are invalid
	for _, p := range a.config.policies {
		a.AddPolicy(p)
	}
	return a
}

// A call is one request on its way through the API.
type call struct {
	*http.Request
	target
	body    []byte
	bodyErr *refusal

	fault       Fault
	faultNumber int  // its number in the operation's script; 0 if it was not scripted
	missed      bool // the fault had nothing to act on
}

// ServeHTTP serves one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	c := &call{Request: r, target: locate(r.Method, r.URL)}
	c.body, c.bodyErr = readBody(w, r)
	record := a.arrive(c)
	res := a.respond(c)
	now := a.finish(c, record, res.status)
	record.log(r.Context(), a.config.logger, time.Since(start))
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	w.Header().Set("X-Runloop-Request-Id", record.ID)
	res.send(w)
}

// arrive begins the request's record and picks its fault in one step, so that faults
// meet requests in the order of the record.
func (a *API) arrive(c *call) *Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requestCount++
	record := &Request{
		ID:     fmt.Sprintf("req_%06d", a.requestCount),
		Time:   a.config.clock(),
		Method: c.Method,
		Path:   c.URL.EscapedPath(),
		Query:  c.URL.Query(),
		Header: c.Header.Clone(),
		Body:   c.body,
	}
	if c.route != nil {
		record.Operation = c.route.op
		c.fault, c.faultNumber = a.nextFault(c.route.op)
		c.missed = c.fault.kind == repeatCursor // until a list repeats it
	}
	if !c.fault.none() {
		record.Fault = c.fault.String()
	}
	if !a.config.withoutRecord {
		a.requests = append(a.requests, record)
	}
	return record
}

// respond applies the request, unless its fault prevents that, and returns what the
// client receives.
func (a *API) respond(c *call) response {
	if c.fault.before != nil {
		c.fault.before()
	}
	delayBefore, delayAfter := c.fault.delay, time.Duration(0)
	if c.fault.afterCommit {
		delayBefore, delayAfter = delayAfter, delayBefore
	}
	ctx := c.Context()
	if !sleep(ctx, a.config.latency, nil) || !sleep(ctx, delayBefore, nil) {
		return response{}
	}
	var res response
	switch {
	case c.fault.kind == late:
		gone, cancel := context.WithCancel(context.Background())
		cancel() // the client waits for nothing
		orphan := *c
		orphan.Request = c.WithContext(gone)
		time.AfterFunc(c.fault.lateBy, func() { a.perform(&orphan) })
	case c.fault.kind == replay:
		a.perform(c)
		res = a.perform(c)
	case c.fault.commits():
		res = a.perform(c)
	}
	if !sleep(ctx, delayAfter, nil) {
		return response{}
	}
	res, ok := c.fault.distort(res)
	c.missed = c.missed || !ok
	return res
}

// perform checks the request and applies it.
func (a *API) perform(c *call) response {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.authorize(c.Header)
	var view any
	switch {
	case err != nil:
	case c.route == nil:
		err = c.noRoute()
	case c.bodyErr != nil:
		err = c.bodyErr
	default:
		view, err = c.route.perform(a, c)
	}
	if err != nil {
		return err.response()
	}
	return newResponse(http.StatusOK, mustMarshal(view))
}

// authorize refuses a request without a valid bearer token with 401, and any other with
// 403 if the account lacks the capability. It does not repeat what the client sent.
func (a *API) authorize(header http.Header) *refusal {
	token := ""
	if values := header.Values("Authorization"); len(values) == 1 {
		if scheme, rest, _ := strings.Cut(values[0], " "); strings.EqualFold(scheme, "Bearer") {
			token = strings.TrimSpace(rest)
		}
	}
	if token == "" || a.config.apiKey != "" && token != a.config.apiKey {
		return refuse(http.StatusUnauthorized, "unauthorized", "Invalid or missing authentication").with("Www-Authenticate", "Bearer")
	}
	if a.config.withoutCapability {
		return refuse(http.StatusForbidden, "forbidden", "Account does not have devbox capability")
	}
	return nil
}

// finish completes the record before the response is sent: a client that has its
// response finds the request complete. It returns the time.
func (a *API) finish(c *call, record *Request, status int) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	record.Status = status
	if c.missed && c.faultNumber > 0 {
		a.missed = append(a.missed, fmt.Sprintf("%s: fault %d (%v): the response gave it nothing to act on", c.route.op, c.faultNumber, c.fault))
	}
	return a.config.clock()
}

// nowMS returns the time by the clock of the API.
func (a *API) nowMS() int64 { return a.config.clock().UnixMilli() }

// sleep returns true after d, or when wake is closed, and false when the context ends.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-wake:
		return true
	case <-ctx.Done():
		return false
	}
}
