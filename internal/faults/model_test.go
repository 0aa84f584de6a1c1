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
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

// A model is a second server of the API, small enough to be checked by reading, with its own
// clock. It keeps a journal of every request and its effects, so that no test relies on what the
// client reports.
type model struct {
	server *wiretest.Server
	skew   time.Duration // of the server's clock
	limit  int           // the most policies or devboxes on a page
	// plan returns what happens to the request at a position, counted from 1. nil is nothing.
	plan func(position int) *fault
	// on, unless nil, is called for each request: when it arrives, and before the response.
	// Nothing is locked.
	on func(position int, responding bool)
	modelDevboxes
	open atomic.Int32 // connections

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
	// effects are what the request did, "created npol_1", each time it was applied.
	effects []string
}

func (e *entry) String() string {
	return fmt.Sprintf("%8.3fs %s %s %s %s %s [%s] %s", e.at.Seconds(), e.client, e.method, e.target, e.body, e.requestID, e.fault, strings.Join(e.effects, ", "))
}

func (e *entry) faults() []fault { return faultsOf(e.method) }

// newModel returns a model. It is for a bubble.
func newModel(t testing.TB, plan func(position int) *fault) *model {
	m := &model{limit: 2, plan: plan, states: [][]modelPolicy{nil}}
	m.server = wiretest.NewServer(t, wiretest.Do("the model", m.serve).Forever())
	m.server.Transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if m.take(func(f *fault) bool { return f.refuses }) { // the connection
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}
		conn, err := m.server.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		m.open.Add(1)
		return &countedConn{Conn: conn, closed: sync.OnceFunc(func() { m.open.Add(-1) })}, nil
	}
	return m
}

type countedConn struct {
	net.Conn
	closed func()
}

func (c *countedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// leaks reports whether connections are left that are not idle, once all calls have returned.
func (m *model) leaks() bool {
	m.server.Transport.CloseIdleConnections()
	synctest.Wait()
	return m.open.Load() > 0
}

// take consumes the next request's fault if it is of that kind.
func (m *model) take(is func(*fault) bool) bool {
	m.mu.Lock()
	f := m.plan(m.position + 1)
	if f == nil || !is(f) {
		m.mu.Unlock()
		return false
	}
	m.arrive(f)
	position := m.position
	m.mu.Unlock()
	m.tell(position, false)
	m.tell(position, true)
	return true
}

// arrive notes the next request, and the fault that it meets.
func (m *model) arrive(f *fault) {
	m.position++
	m.times = append(m.times, m.server.Now())
	if f != nil {
		m.fired = append(m.fired, f)
	}
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
	f := m.plan(m.position + 1)
	m.arrive(f)
	e := &entry{
		at: m.server.Now(), position: m.position, client: r.Header.Get("X-Client"), method: r.Method, target: r.RequestURI, body: string(body),
		requestID: r.Header.Get("X-Request-Id"),
	}
	m.journal = append(m.journal, e)
	if f == nil {
		f = &fault{applied: true, raw: unchanged}
	}
	e.fault = f.name
	m.mu.Unlock()
	m.tell(e.position, false)
	if f.applied {
		m.hold(c, e)
	}
	m.mu.Lock()
	response := m.meet(f, e)
	if next := m.plan(m.position + 1); next != nil && next.refuses { // or there is no dial to refuse
		response = strings.Replace(response, "\r\n", "\r\nConnection: close\r\n", 1)
	}
	m.mu.Unlock()
	m.tell(e.position, true)
	if f.takes > 0 {
		c.Sleep(f.takes)
	}
	c.Write(response)
	if f.stalls {
		c.Stall()
	} else if f.closes {
		c.Close()
	}
}

// meet returns the response to a request that meets a fault.
func (m *model) meet(f *fault, e *entry) (response string) {
	if f.late > 0 {
		time.AfterFunc(f.late, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.apply(e)
		})
	}
	own := ""
	if f.applied {
		own = m.apply(e)
	}
	switch {
	case f.repeats:
		m.apply(e)
		return m.apply(e)
	case f.status == 0:
		return f.raw(own)
	}
	return m.response(f.status, f.body, f.headers...)
}

func (m *model) now() time.Time { return time.Now().Add(m.skew) }

func (m *model) response(status int, body string, headers ...string) string {
	headers = append(slices.Clip(headers), "Date: "+m.now().UTC().Format(http.TimeFormat))
	return wiretest.Response(status, body, headers...)
}

// apply does what a request asks for, and returns the response.
func (m *model) apply(e *entry) string {
	status, body, effect := m.route(e)
	e.status = status
	if effect != "" {
		e.effects = append(e.effects, effect)
		m.states = append(m.states, slices.Clone(m.policies))
	}
	return m.response(status, string(encode(body)))
}

func refusal(message string) map[string]string { return map[string]string{"message": message} }

func (m *model) route(e *entry) (status int, body any, effect string) {
	u := must(url.Parse(e.target))
	if after, ok := strings.CutPrefix(u.Path, devboxesPath); ok {
		return m.routeDevbox(e, after, u.Query())
	}
	id, verb, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(u.Path, clienttest.PoliciesPath), "/"), "/")
	i := slices.IndexFunc(m.policies, byID(id))
	switch {
	case id == "" && e.method == http.MethodGet:
		return m.list(u.Query())
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

func (m *model) list(query url.Values) (int, any, string) {
	var found []modelPolicy
	for _, p := range slices.Backward(m.policies) { // the newest first
		if id := query.Get("id"); (id == "" || p.ID == id) && strings.Contains(p.Name, query.Get("name")) {
			found = append(found, p)
		}
	}
	if after := query.Get("starting_after"); after != "" {
		i := slices.IndexFunc(found, byID(after))
		if i < 0 {
			return 404, refusal("Network policy not found"), ""
		}
		found = found[i+1:]
	}
	limit := m.limitOf(query, len(found))
	return 200, map[string]any{"network_policies": append([]modelPolicy{}, found[:limit]...), "has_more": limit < len(found)}, ""
}

// limitOf returns how many of the found items the page of a query has.
func (m *model) limitOf(query url.Values, found int) int {
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil {
		limit = 20
	}
	return min(limit, m.limit, found)
}

// refuseTaken returns a refusal if another policy has the name of p, and nil otherwise.
func (m *model) refuseTaken(p modelPolicy) any {
	if slices.ContainsFunc(m.policies, func(other modelPolicy) bool { return other.Name == p.Name && other.ID != p.ID }) {
		return refusal(fmt.Sprintf("Network policy with name %q already exists", p.Name))
	}
	return nil
}

func (m *model) create(body string) (int, any, string) {
	p := modelPolicy{Egress: map[string]any{
		"allow_all": false, "allow_devbox_to_devbox": false, "allowed_hostnames": []any{}, "allow_agent_gateway": false,
		"allow_mcp_gateway": false, "allow_runloop_mirrors": false, "allowed_cidrs": []any{},
	}}
	p.set(body)
	if refusal := m.refuseTaken(p); refusal != nil {
		return 400, refusal, ""
	}
	m.insert(&p, m.now())
	return 200, p, "created " + p.ID
}

func (m *model) insert(p *modelPolicy, created time.Time) {
	m.created++
	p.ID, p.Created, p.Updated = fmt.Sprintf("npol_%d", m.created), created.UnixMilli(), created.UnixMilli()
	m.policies = append(slices.Clone(m.policies), *p)
}

func (m *model) update(i int, body string) (int, any, string) {
	p := m.policies[i]
	p.Egress = maps.Clone(p.Egress)
	p.set(body)
	if refusal := m.refuseTaken(p); refusal != nil {
		return 400, refusal, ""
	}
	p.Updated = m.now().UnixMilli()
	m.policies = slices.Clone(m.policies)
	m.policies[i] = p
	return 200, p, "changed " + p.ID
}

// set copies the fields of the body of a create or an update.
func (p *modelPolicy) set(body string) {
	var fields map[string]any
	decode([]byte(body), &fields)
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

// add adds a policy that was created a while ago.
func (m *model) add(p runloop.NetworkPolicy, age time.Duration, inUse bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	added := modelPolicy{Name: p.Name, Description: p.Description, InUse: inUse}
	decode(encode(p.Egress), &added.Egress)
	m.insert(&added, m.now().Add(-age))
	m.states = [][]modelPolicy{m.policies}
}

// public returns the policy as a client reads it.
func (p modelPolicy) public() (public runloop.NetworkPolicy) {
	decode(encode(p), &public)
	return public
}

func byID(id string) func(modelPolicy) bool { return func(p modelPolicy) bool { return p.ID == id } }

func byName(name string) func(modelPolicy) bool {
	return func(p modelPolicy) bool { return p.Name == name }
}

// account returns the existing policies.
func (m *model) account() []modelPolicy {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.policies)
}

// requests returns a copy of the journal.
func (m *model) requests() []*entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.journal)
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

// doubled reports whether the API refused the second delivery of one of the requests, which
// its client cannot tell from a refusal of the first.
func (m *model) doubled(requests []*entry) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(requests, func(e *entry) bool { return e.fault == deliveredTwice && e.status >= 400 })
}

func (m *model) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "faults: %q\n%saccount %+v\n", names(m.fired), lines(m.requests()), m.account())
	for _, box := range m.boxes {
		fmt.Fprintf(&b, "devbox  %s: %s\n", box, box.status(m.server.Now()))
	}
	return b.String()
}

func names(faults []*fault) (names []string) {
	for _, f := range faults {
		names = append(names, f.name)
	}
	return names
}

func lines(entries []*entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintln(&b, e)
	}
	return b.String()
}

func encode(v any) []byte { return must(json.Marshal(v)) }

func decode(data []byte, v any) { must(v, json.Unmarshal(data, v)) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// client returns a client of the model. If it has hosts, it has a middleware that requests tokens
// from them, under the context of each request and over its own connections.
func (m *model) client(t testing.TB, hosts []string, opts ...runloop.Option) *runloop.Client {
	if len(hosts) == 0 {
		return clienttest.NewWireClient(t, m.server, opts...)
	}
	tokens := wiretest.NewServer(t, wiretest.Reply(200, `{"token": "t"}`).Forever()).Transport
	return clienttest.NewClientOver(t, clienttest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		for _, host := range hosts {
			token := must(http.NewRequestWithContext(r.Context(), http.MethodPost, "http://"+host+"/token", strings.NewReader("{}")))
			token.Header.Set("X-Request-Id", "token")
			resp, err := tokens.RoundTrip(token)
			if err != nil {
				return nil, err
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		return m.server.Transport.RoundTrip(r)
	}), opts...)
}
