package runlooptest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// API is the fake API of one account: an [http.Handler] with state. Create one with
// [New], or together with a server with [NewServer] or [NewTestServer].
//
// Its methods are safe for concurrent use.
type API struct {
	config config

	mu         sync.Mutex // guards all below; never held while anything waits
	policies   policyStore
	devboxes   store[*devbox]
	scripts    map[Operation]*script
	missed     []string // scripted faults that had nothing to act on
	random     *rand.Rand
	requests   []*Request
	requestIDs int

	devboxScripts    []DevboxScript
	nextDevboxScript int
}

// New returns an API that listens nowhere. It panics when a policy of
// [WithPolicies] cannot be added.
//
// A fault that closes the connection panics with [http.ErrAbortHandler], which the
// server of net/http expects. A caller that is not such a server has to recover.
func New(opts ...Option) *API {
	a := &API{
		config:   newConfig(opts),
		policies: newPolicyStore(),
		devboxes: newStore[*devbox]("dbx"),
		scripts:  map[Operation]*script{},
	}
	if a.config.faultRate > 0 {
		a.random = rand.New(rand.NewPCG(a.config.faultSeed, 0))
	}
	mustMarshal(a.emptyPolicy()) // checks the unknown fields
	for _, p := range a.config.policies {
		a.AddPolicy(p)
	}
	return a
}

// A call is one request on its way through the API.
type call struct {
	target
	ctx      context.Context // of the request
	header   http.Header
	rawQuery string
	body     []byte
	bodyErr  error

	fault          Fault
	faultNumber    int  // its number in the operation's script; 0 if it has none
	cursorRepeated bool // a list has repeated its cursor
	missed         bool // the fault had nothing to act on
}

// ServeHTTP serves one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	c := &call{
		target:   locate(r.Method, r.URL),
		ctx:      r.Context(),
		header:   r.Header,
		rawQuery: r.URL.RawQuery,
	}
	c.body, c.bodyErr = readBody(w, r)
	record := a.arrive(c, r)
	res := a.respond(c)
	now := a.finish(c, record, res.status)
	record.log(r.Context(), a.config.logger, time.Since(start))
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	w.Header().Set("X-Runloop-Request-Id", record.ID)
	res.send(w)
}

// arrive begins the request's record and picks its fault, in one step: faults meet
// requests in the order of the record.
func (a *API) arrive(c *call, r *http.Request) *Request {
	record := &Request{
		Operation: c.operation(),
		Method:    r.Method,
		Path:      r.URL.EscapedPath(),
		Query:     r.URL.Query(),
		Header:    r.Header.Clone(),
		Body:      c.body,
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requestIDs++
	record.ID = fmt.Sprintf("req_%06d", a.requestIDs)
	record.Time = a.config.clock()
	if c.route != nil {
		c.fault, c.faultNumber = a.nextFault(c.route.op)
	}
	if !c.fault.none() {
		record.Fault = c.fault.String()
	}
	if !a.config.withoutRecord {
		a.requests = append(a.requests, record)
	}
	return record
}

// respond applies the request, unless its fault forbids that, and returns what the
// client sees.
func (a *API) respond(c *call) response {
	if c.fault.before != nil {
		c.fault.before()
	}
	ctx := c.ctx
	delayBefore, delayAfter := c.fault.delay, time.Duration(0)
	if c.fault.afterCommit {
		delayBefore, delayAfter = delayAfter, delayBefore
	}
	if !sleep(ctx, a.config.latency) || !sleep(ctx, delayBefore) {
		return response{}
	}
	var res response
	switch {
	case c.fault.kind == late:
		orphan := *c
		time.AfterFunc(c.fault.lateBy, func() { a.deliver(&orphan) })
	case c.fault.kind == replay:
		a.perform(c)
		res = a.perform(c)
	case c.fault.commits():
		res = a.perform(c)
	}
	if !sleep(ctx, delayAfter) {
		return response{}
	}
	res, ok := c.fault.distort(res)
	c.missed = !ok || c.fault.kind == repeatCursor && !c.cursorRepeated
	return res
}

// deliver performs a request whose client has gone.
func (a *API) deliver(c *call) {
	var cancel context.CancelFunc
	c.ctx, cancel = context.WithCancel(context.Background())
	cancel() // nothing waits for a status
	a.perform(c)
}

// perform checks the request and applies it.
func (a *API) perform(c *call) response {
	if err := a.authorize(c.header); err != nil {
		return errorResponse(err)
	}
	if c.route == nil {
		return errorResponse(noRoute(c.allowed))
	}
	if c.bodyErr != nil {
		return errorResponse(c.bodyErr)
	}
	view, err := c.route.perform(a, c)
	if err != nil {
		return errorResponse(err)
	}
	return viewResponse(view)
}

// finish completes the record before the response is sent, so that a client that
// has its response finds its request complete. It returns the time.
func (a *API) finish(c *call, record *Request, status int) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	record.Status = status
	if c.missed && c.faultNumber > 0 {
		a.missed = append(a.missed, fmt.Sprintf("%s: fault %d (%v): the response gave it nothing to act on", c.route.op, c.faultNumber, c.fault))
	}
	return a.config.clock()
}

// nowMS is the time as the API has it.
func (a *API) nowMS() int64 { return a.config.clock().UnixMilli() }

// sleep returns true after d, or false as soon as the context is done.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
