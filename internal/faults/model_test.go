package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// A model is a second server of the API, small enough to be checked by reading, with a
// clock of its own. It keeps a journal of every request and of what that changed, so
// that no test has to take the client's word for it.
type model struct {
	server *wiretest.Server
	skew   time.Duration // of the server's clock
	limit  int           // the most policies or devboxes on a page
	// plan returns what happens to the request at a position, counted from 1. nil is
	// nothing.
	plan func(position int) *fault
	// on, when not nil, is called for each request: when it arrives, and when it is about
	// to be responded to. Nothing is locked.
	on func(position int, responding bool)
	modelDevboxes

	mu       sync.Mutex
	position int
	policies []modelPolicy // the oldest first
	created  int
	journal  []*entry
	states   [][]modelPolicy // all that were, the present one included
	fired    []*fault        // that requests met
	times    []time.Duration // of the requests, those that were not read included
}

type modelPolicy struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Egress      map[string]any `json:"egress"`
	Created     int64          `json:"create_time_ms"`
	Updated     int64          `json:"update_time_ms"`
	InUse       bool           `json:"-"`
}

// An entry of the journal is a request that arrived.
type entry struct {
	at                   time.Duration
	position             int
	client               string // its header X-Client
	method, target, body string
	requestID            string
	fault                string
	status               int // of the API's own response, 0 while there is none
	// effects are what the request did, "created npol_1", each time it was carried out.
	effects []string
}

func (e *entry) String() string {
	return fmt.Sprintf("%8.3fs %s %s %s %s %s [%s] %s", e.at.Seconds(), e.client, e.method, e.target, e.body, e.requestID, e.fault, strings.Join(e.effects, ", "))
}

// newModel returns a model. It is for a bubble.
func newModel(t testing.TB, plan func(position int) *fault) *model {
	m := &model{limit: 2, plan: plan, states: [][]modelPolicy{nil}}
	m.server = wiretest.NewServer(t, wiretest.Do("the model", m.serve).Forever())
	m.server.Transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if m.take(func(f *fault) bool { return f.refuses }) { // the connection
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}
		return m.server.DialContext(ctx, network, address)
	}
	return m
}

// take consumes the next request's fault if it is of that kind.
func (m *model) take(is func(*fault) bool) bool {
	m.mu.Lock()
	f := m.plan(m.position + 1)
	if f == nil || !is(f) {
		m.mu.Unlock()
		return false
	}
	m.position++
	position := m.position
	m.times = append(m.times, m.server.Now())
	m.fired = append(m.fired, f)
	m.mu.Unlock()
	m.tell(position, false)
	m.tell(position, true)
	return true
}

func (m *model) tell(position int, responding bool) {
	if m.on != nil {
		m.on(position, responding)
	}
}

// serve is the step of one request.
func (m *model) serve(c *wiretest.Conn) {
	if m.take(func(f *fault) bool { return f.unread }) {
		c.Close()
		return
	}
	r := c.Read()
	if r == nil {
		return
	}
	body, _ := io.ReadAll(r.Body)
	m.mu.Lock()
	m.position++
	m.times = append(m.times, m.server.Now())
	f := m.plan(m.position)
	e := &entry{
		at: m.server.Now(), position: m.position, client: r.Header.Get("X-Client"), method: r.Method, target: r.RequestURI, body: string(body),
		requestID: r.Header.Get("X-Request-Id"),
	}
	m.journal = append(m.journal, e)
	if f != nil {
		e.fault = f.name
		m.fired = append(m.fired, f)
	}
	m.mu.Unlock()
	m.tell(e.position, false)
	if f == nil || f.commits {
		m.hold(c, e)
	}
	m.mu.Lock()
	var response string
	if f == nil {
		response = m.carryOut(e)
	} else {
		response = m.meet(f, e)
	}
	if next := m.plan(m.position + 1); next != nil && next.refuses { // or there is no dial to refuse
		response = strings.Replace(response, "\r\n", "\r\nConnection: close\r\n", 1)
	}
	m.mu.Unlock()
	m.tell(e.position, true)
	if f != nil && f.takes > 0 {
		c.Sleep(f.takes)
	}
	c.Write(response)
	switch {
	case f == nil:
	case f.stalls:
		c.Stall()
	case f.closes:
		c.Close()
	}
}

// meet returns what comes back of a request that meets a fault.
func (m *model) meet(f *fault, e *entry) (response string) {
	if f.late > 0 {
		time.AfterFunc(f.late, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.carryOut(e)
		})
	}
	own := ""
	if f.commits {
		own = m.carryOut(e)
	}
	if f.repeats {
		return m.carryOut(e)
	}
	if f.status == 0 {
		return f.raw(own)
	}
	return m.response(f.status, f.body, f.headers...)
}

func (m *model) now() time.Time { return time.Now().Add(m.skew) }

func (m *model) response(status int, body string, headers ...string) string {
	headers = append(slices.Clip(headers), "Date: "+m.now().UTC().Format(http.TimeFormat))
	return wiretest.Response(status, body, headers...)
}

// carryOut does what a request asks for, and returns the response.
func (m *model) carryOut(e *entry) string {
	status, body, effect := m.route(e)
	e.status = status
	if effect != "" {
		e.effects = append(e.effects, effect)
		m.states = append(m.states, slices.Clone(m.policies))
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return m.response(status, string(text))
}

func refusal(message string) map[string]string { return map[string]string{"message": message} }

func (m *model) route(e *entry) (status int, body any, effect string) {
	path, query, _ := strings.Cut(e.target, "?")
	if after, ok := strings.CutPrefix(path, devboxesPath); ok {
		return m.routeDevbox(e, after, query)
	}
	id, verb, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(path, "/v1/network-policies"), "/"), "/")
	i := slices.IndexFunc(m.policies, func(p modelPolicy) bool { return p.ID == id })
	switch {
	case id == "" && e.method == http.MethodGet:
		return m.list(query)
	case id == "":
		return m.create(e.body)
	case i < 0:
		return 404, refusal("Network policy not found"), ""
	case e.method == http.MethodGet:
		return 200, m.policies[i], ""
	case verb == "":
		return m.update(i, e.body)
	case m.policies[i].InUse || m.usesPolicy(id):
		return 400, refusal("Network policy is in use by active devboxes"), ""
	}
	deleted := m.policies[i]
	m.policies = slices.Delete(slices.Clone(m.policies), i, i+1)
	return 200, deleted, "deleted " + id
}

func (m *model) list(rawQuery string) (int, any, string) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		panic(err)
	}
	var found []modelPolicy
	for _, p := range slices.Backward(m.policies) { // the newest first
		if id := query.Get("id"); (id == "" || p.ID == id) && strings.Contains(p.Name, query.Get("name")) {
			found = append(found, p)
		}
	}
	if after := query.Get("starting_after"); after != "" {
		i := slices.IndexFunc(found, func(p modelPolicy) bool { return p.ID == after })
		if i < 0 {
			return 404, refusal("Network policy not found"), ""
		}
		found = found[i+1:]
	}
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil {
		limit = 20
	}
	limit = min(limit, m.limit, len(found))
	return 200, map[string]any{"network_policies": append([]modelPolicy{}, found[:limit]...), "has_more": limit < len(found)}, ""
}

func (m *model) taken(name, except string) bool {
	return slices.ContainsFunc(m.policies, func(p modelPolicy) bool { return p.Name == name && p.ID != except })
}

func (m *model) create(body string) (int, any, string) {
	p := modelPolicy{Egress: map[string]any{
		"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": []any{}, "allow_agent_gateway": false,
		"allow_mcp_gateway": false, "allow_runloop_mirrors": false, "allowed_cidrs": []any{},
	}}
	p.set(body)
	if m.taken(p.Name, "") {
		return 400, refusal(fmt.Sprintf("Network policy with name %q already exists", p.Name)), ""
	}
	m.created++
	p.ID, p.Created, p.Updated = fmt.Sprintf("npol_%d", m.created), m.now().UnixMilli(), m.now().UnixMilli()
	m.policies = append(slices.Clone(m.policies), p)
	return 200, p, "created " + p.ID
}

func (m *model) update(i int, body string) (int, any, string) {
	p := m.policies[i]
	p.Egress = make(map[string]any)
	maps.Copy(p.Egress, m.policies[i].Egress)
	p.set(body)
	if m.taken(p.Name, p.ID) {
		return 400, refusal(fmt.Sprintf("Network policy with name %q already exists", p.Name)), ""
	}
	p.Updated = m.now().UnixMilli()
	m.policies = slices.Clone(m.policies)
	m.policies[i] = p
	return 200, p, "changed " + p.ID
}

// set takes over what the body of a create or an update has.
func (p *modelPolicy) set(body string) {
	var fields map[string]any
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		panic(err)
	}
	for name, value := range fields {
		switch name {
		case "name":
			p.Name = value.(string)
		case "description":
			p.Description = value.(string)
		default:
			p.Egress[name] = value
		}
	}
}

// add puts a policy into the account that was created a while ago.
func (m *model) add(p runloop.NetworkPolicy, age time.Duration, inUse bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	egress, _ := json.Marshal(p.Egress)
	added := modelPolicy{Name: p.Name, Description: p.Description, InUse: inUse}
	if err := json.Unmarshal(egress, &added.Egress); err != nil {
		panic(err)
	}
	m.created++
	added.ID, added.Created, added.Updated = fmt.Sprintf("npol_%d", m.created), m.now().Add(-age).UnixMilli(), m.now().Add(-age).UnixMilli()
	m.policies = append(m.policies, added)
	m.states = [][]modelPolicy{slices.Clone(m.policies)}
}

// public returns the policy as a client that reads it has it.
func (p modelPolicy) public() runloop.NetworkPolicy {
	var public runloop.NetworkPolicy
	text, err := json.Marshal(p)
	if err == nil {
		err = json.Unmarshal(text, &public)
	}
	if err != nil {
		panic(err)
	}
	return public
}

// account returns the policies that there are.
func (m *model) account() []modelPolicy {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.policies)
}

// requests returns a copy of the journal from an entry on.
func (m *model) requests(from int) []*entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.journal[from:])
}

// effects returns what the requests have done so far.
func (m *model) effects(requests []*entry) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var effects []string
	for _, e := range requests {
		effects = append(effects, e.effects...)
	}
	return effects
}

// A middleware sends requests of its own under the context of each request, over its
// own connections: for a token, from the API's host or from another.
type middleware struct {
	next, own http.RoundTripper
	hosts     []string
}

func (w *middleware) RoundTrip(r *http.Request) (*http.Response, error) {
	for _, host := range w.hosts {
		token, err := http.NewRequestWithContext(r.Context(), http.MethodPost, "http://"+host+"/token", strings.NewReader("{}"))
		if err != nil {
			return nil, err
		}
		token.Header.Set("X-Request-Id", "token")
		resp, err := w.own.RoundTrip(token)
		if err != nil {
			return nil, err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return w.next.RoundTrip(r)
}

// client returns a client of the model, with a middleware if there are hosts that it
// is to ask.
func (m *model) client(t testing.TB, hosts []string, opts ...runloop.Option) *runloop.Client {
	if len(hosts) == 0 {
		return clienttest.NewWireClient(t, m.server, opts...)
	}
	tokens := wiretest.NewServer(t, wiretest.Reply(200, `{"token": "t"}`).Forever())
	return clienttest.NewClientOver(t, &middleware{m.server.Transport, tokens.Transport, hosts}, opts...)
}

// A caseTB is a test within a test, which cleans up when it ends.
type caseTB struct {
	testing.TB
	cleanups []func()
}

func (c *caseTB) Cleanup(f func()) { c.cleanups = append(c.cleanups, f) }

func (c *caseTB) end() {
	for _, f := range slices.Backward(c.cleanups) {
		f()
	}
}
