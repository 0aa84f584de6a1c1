package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

const devboxesPath = "/v1/devboxes"

// modelDevboxes is the part of a model that has the devboxes.
type modelDevboxes struct {
	boxes []*modelBox // the oldest first
	// script returns what becomes of a devbox that is created, by the number of the
	// create. nil is healthy.
	script func(n int) boxScript
	// lag is how long lists do not have a new devbox.
	lag time.Duration
	// onCreate, when not nil, is called before a devbox is created.
	onCreate func()
}

// A modelBox is a devbox.
type modelBox struct {
	id, name string
	tag      string
	metadata map[string]string
	policy   string // that it truly uses
	asked    string // for in the create
	under    string // the name of the policy at the time of the create
	boxScript

	created time.Duration
	looks   int
	isShut  bool          // a shutdown was requested
	over    time.Duration // when it takes effect
}

// A boxScript is what becomes of a devbox.
type boxScript struct {
	name string
	// statuses come one after another; the last one stays.
	statuses []string
	// every is the time between two of them, 0 for a step with each look.
	every  time.Duration
	reason string // of a failure, or of a shutdown of its own
	// uses is the policy that it uses: the requested one, none, or another.
	uses policyOfBox
	// echo is the policy that the response to the create shows.
	echo policyOfBox
	// lingers is how long a shutdown takes.
	lingers time.Duration
}

type policyOfBox int

const (
	asUsed policyOfBox = iota // what is requested, or what is used
	asRequested
	none
	another
)

func (p policyOfBox) of(requested, used string) string {
	switch p {
	case asRequested:
		return requested
	case none:
		return ""
	case another:
		return "npol_other"
	}
	return used
}

var healthy = boxScript{name: "healthy", statuses: []string{"queued", "provisioning", "initializing", "running"}, every: 2 * time.Second}

func (b *modelBox) stage(now time.Duration) int {
	i := b.looks
	if b.every > 0 {
		i = int((now - b.created) / b.every)
	}
	return min(i, len(b.statuses)-1)
}

// status is the truth.
func (b *modelBox) status(now time.Duration) string {
	status := b.statuses[b.stage(now)]
	if status != "failure" && b.isShut && now >= b.over {
		return "shutdown"
	}
	return status
}

func (b *modelBox) hasEnded(now time.Duration) bool {
	status := b.status(now)
	return status == "failure" || status == "shutdown"
}

func (b *modelBox) String() string {
	return fmt.Sprintf("%s (%s, tag %s, uses %q, requested %q)", b.id, b.name, b.tag, b.policy, b.asked)
}

// view returns the devbox as a response shows it.
func (b *modelBox) view(now time.Duration, policy string) map[string]any {
	status := b.status(now)
	b.looks++
	launch := map[string]any{"resource_size_request": "SMALL"}
	if policy != "" {
		launch["network_policy_id"] = policy
	}
	v := map[string]any{
		"id": b.id, "name": b.name, "status": status, "metadata": b.metadata, "launch_parameters": launch,
		"create_time_ms": b.created.Milliseconds(), "end_time_ms": nil, "capabilities": []any{}, "state_transitions": []any{},
	}
	switch {
	case status == "failure":
		v["failure_reason"], v["end_time_ms"] = b.reason, now.Milliseconds()
	case status == "shutdown" && b.isShut:
		v["shutdown_reason"], v["end_time_ms"] = "api_shutdown", now.Milliseconds()
	case status == "shutdown":
		v["shutdown_reason"], v["end_time_ms"] = b.reason, now.Milliseconds()
	}
	return v
}

// usesPolicy reports whether an active devbox uses a policy.
func (m *model) usesPolicy(id string) bool {
	now := m.server.Now()
	return slices.ContainsFunc(m.boxes, func(b *modelBox) bool { return b.policy == id && !b.hasEnded(now) })
}

func (m *model) routeDevbox(e *entry, path, query string) (status int, body any, effect string) {
	id, verb, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	now := m.server.Now()
	i := slices.IndexFunc(m.boxes, func(b *modelBox) bool { return b.id == id })
	switch {
	case id == "" && e.method == http.MethodGet:
		return m.listDevboxes(query)
	case id == "":
		return m.createDevbox(e.body)
	case i < 0:
		return 400, refusal("Devbox not found"), ""
	}
	b := m.boxes[i]
	switch {
	case e.method == http.MethodGet:
		return 200, b.view(now, b.policy), ""
	case verb == "wait_for_status":
		if wait := waitOf(e); slices.Contains(wait.Statuses, b.status(now)) {
			return 200, b.view(now, b.policy), ""
		}
		b.looks++
		return 408, refusal("timed out"), ""
	case b.hasEnded(now) || b.isShut:
		return 200, b.view(now, b.policy), ""
	}
	b.isShut, b.over = true, now+b.lingers
	return 200, b.view(now, b.policy), "shut down " + b.id
}

type waitRequest struct {
	Statuses       []string `json:"statuses"`
	TimeoutSeconds int      `json:"timeout_seconds"`
}

func waitOf(e *entry) (wait waitRequest) {
	if err := json.Unmarshal([]byte(e.body), &wait); err != nil || len(wait.Statuses) == 0 || wait.TimeoutSeconds < 1 || wait.TimeoutSeconds > 30 {
		panic("a wait that the API refuses: " + e.body)
	}
	return wait
}

// hold holds the response to a wait until the devbox has one of the statuses, or the
// time is over. Nothing is locked.
func (m *model) hold(c *wiretest.Conn, e *entry) {
	id, found := strings.CutSuffix(strings.TrimPrefix(e.target, devboxesPath+"/"), "/wait_for_status")
	if !found {
		return
	}
	wait := waitOf(e)
	end := e.at + time.Duration(wait.TimeoutSeconds)*time.Second
	for now := m.server.Now(); now < end; now = m.server.Now() {
		m.mu.Lock()
		i := slices.IndexFunc(m.boxes, func(b *modelBox) bool { return b.id == id })
		done := i < 0 || slices.Contains(wait.Statuses, m.boxes[i].status(now))
		m.mu.Unlock()
		if done {
			return
		}
		c.Sleep(min(time.Second, end-now))
		if m.server.Now() == now {
			return // the test is over
		}
	}
}

func (m *model) listDevboxes(rawQuery string) (int, any, string) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		panic(err)
	}
	now := m.server.Now()
	var found []*modelBox
	for _, b := range slices.Backward(m.boxes) { // the newest first
		if status := query.Get("status"); (status == "" || b.status(now) == status) && now-b.created >= m.lag {
			found = append(found, b)
		}
	}
	if after := query.Get("starting_after"); after != "" {
		i := slices.IndexFunc(m.boxes, func(b *modelBox) bool { return b.id == after })
		if i < 0 {
			return 404, refusal("Devbox not found"), ""
		}
		// The cursor may have left the list of its status.
		found = slices.DeleteFunc(found, func(b *modelBox) bool { return b.number() >= m.boxes[i].number() })
	}
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil {
		limit = 20
	}
	limit = min(limit, m.limit, len(found))
	views := []any{}
	for _, b := range found[:limit] {
		views = append(views, b.view(now, b.policy))
	}
	return 200, map[string]any{"devboxes": views, "has_more": limit < len(found)}, ""
}

func (b *modelBox) number() int {
	n, _ := strconv.Atoi(strings.TrimPrefix(b.id, "dbx_"))
	return n
}

func (m *model) createDevbox(body string) (int, any, string) {
	if m.onCreate != nil {
		m.onCreate()
	}
	var fields struct {
		Name     string            `json:"name"`
		Metadata map[string]string `json:"metadata"`
		Launch   struct {
			Policy string `json:"network_policy_id"`
		} `json:"launch_parameters"`
	}
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		panic(err)
	}
	i := slices.IndexFunc(m.policies, func(p modelPolicy) bool { return p.ID == fields.Launch.Policy })
	if i < 0 && fields.Launch.Policy != "" {
		return 400, refusal("Network policy not found"), ""
	}
	b := &modelBox{name: fields.Name, metadata: fields.Metadata, asked: fields.Launch.Policy, boxScript: healthy}
	if m.script != nil {
		b.boxScript = m.script(len(m.boxes))
	}
	if b.policy = b.uses.of(b.asked, b.asked); i >= 0 {
		b.under = m.policies[i].Name
	}
	m.addBox(b)
	return 200, b.view(b.created, b.echo.of(b.asked, b.policy)), "created " + b.id
}

// boxNamed returns the devbox with the ID, or nil.
func (m *model) boxNamed(id string) *modelBox {
	i := slices.IndexFunc(m.boxes, func(b *modelBox) bool { return b.id == id })
	if i < 0 {
		return nil
	}
	return m.boxes[i]
}

// addBox puts a devbox into the account.
func (m *model) addBox(b *modelBox) {
	b.id, b.created = fmt.Sprintf("dbx_%d", len(m.boxes)+1), m.server.Now()
	b.tag = b.metadata[runloop.MetadataRequestID]
	m.boxes = append(m.boxes, b)
}

// foreignBox is somebody else's devbox.
func foreignBox(status string) string {
	return fmt.Sprintf(`{"id":"dbx_other","status":%q,"metadata":{"runloop-go-request-id":"other"},"launch_parameters":{"network_policy_id":"npol_1"},"create_time_ms":1}`, status)
}

// alike are faults that a call of Devboxes treats as others are treated. The policies'
// matrix has them all.
var alike = []string{"425", "404 HTML", "empty 404", "cut headers", stalledBody, "500", "503", "504", "520", "200 {}", "504, delivered after the retry", "closed, delivered before the retry"}

// faultsOfRequest are all faults of a request.
func faultsOfRequest(e *entry) []fault {
	all := slices.DeleteFunc(faultsOf(e.method), func(f fault) bool {
		return slices.Contains(alike, strings.TrimSuffix(f.name, ", carried out"))
	})
	all = append(all, fault{name: "slow", takes: 20 * time.Second, commits: true, raw: func(own string) string { return own }, passes: true})
	if !strings.HasPrefix(e.target, devboxesPath) {
		return all
	}
	status := "running"
	if strings.HasSuffix(e.target, "/shutdown") {
		status = "shutdown"
	}
	for i := range all {
		if strings.HasPrefix(all[i].name, "200 about another policy") {
			all[i].name = strings.Replace(all[i].name, "policy", "devbox", 1)
			all[i].body = foreignBox(status)
		}
	}
	return all
}
