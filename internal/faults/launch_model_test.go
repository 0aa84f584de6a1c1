package faults

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

const devboxesPath = "/v1/devboxes"

// modelDevboxes is the part of a model that has the devboxes.
type modelDevboxes struct {
	boxes []*modelBox // the oldest first
	// script returns the script of a new devbox.
	script func() boxScript
	// lag is how long a new devbox is missing from lists.
	lag time.Duration
	// onCreate, unless nil, is called before a devbox is created.
	onCreate func()
}

// A modelBox is a devbox.
type modelBox struct {
	number   int
	id, name string
	tag      string
	metadata map[string]string
	policy   string // that it really uses
	asked    string // the policy that the create asked for
	under    string // the name of the policy at the time of the create
	boxScript

	created time.Duration
	looks   int
	isShut  bool          // a shutdown was requested
	over    time.Duration // when it takes effect
}

// A boxScript is what happens to a devbox.
type boxScript struct {
	name string
	// statuses follow each other; the last one stays.
	statuses []string
	// every is the time between two of them. With 0, each read moves the devbox to the next.
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
	return []string{used, requested, "", "npol_other"}[p]
}

const everyStep = 2 * time.Second

var healthy = boxScript{name: "healthy", statuses: []string{"queued", "provisioning", "initializing", "running"}, every: everyStep}

// status is the truth.
func (b *modelBox) status(now time.Duration) string {
	stage := b.looks
	if b.every > 0 {
		stage = int((now - b.created) / b.every)
	}
	status := b.statuses[min(stage, len(b.statuses)-1)]
	if status != "failure" && b.isShut && now >= b.over {
		return "shutdown"
	}
	return status
}

func (b *modelBox) hasEnded(now time.Duration) bool {
	return slices.Contains([]string{"failure", "shutdown"}, b.status(now))
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
	if status == "failure" || status == "shutdown" {
		v[status+"_reason"], v["end_time_ms"] = b.reason, now.Milliseconds()
	}
	if status == "shutdown" && b.isShut {
		v["shutdown_reason"] = "api_shutdown"
	}
	return v
}

// usesPolicy reports whether an active devbox uses a policy.
func (m *model) usesPolicy(id string) bool {
	now := m.server.Now()
	return slices.ContainsFunc(m.boxes, func(b *modelBox) bool { return b.policy == id && !b.hasEnded(now) })
}

func (m *model) routeDevbox(e *entry, path string, query url.Values) (status int, body any, effect string) {
	id, verb, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	b, now := m.box(id), m.server.Now()
	switch {
	case id == "" && e.method == http.MethodGet:
		return m.listDevboxes(query)
	case id == "":
		return m.createDevbox(e.body)
	case b == nil:
		return 400, refusal("Devbox not found"), ""
	case verb == "wait_for_status" && !slices.Contains(waitOf(e).Statuses, b.status(now)):
		b.looks++
		return 408, refusal("timed out"), ""
	case e.method == http.MethodGet || verb == "wait_for_status" || b.hasEnded(now) || b.isShut:
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
	decode([]byte(e.body), &wait)
	if len(wait.Statuses) == 0 || wait.TimeoutSeconds < 1 || wait.TimeoutSeconds > 30 {
		panic("a wait that the API refuses: " + e.body)
	}
	return wait
}

// hold holds the response to a wait until the devbox has one of the statuses, or the time is
// over. Nothing is locked.
func (m *model) hold(c *wiretest.Conn, e *entry) {
	id, found := strings.CutSuffix(strings.TrimPrefix(e.target, devboxesPath+"/"), "/wait_for_status")
	if !found {
		return
	}
	wait := waitOf(e)
	end := e.at + time.Duration(wait.TimeoutSeconds)*time.Second
	for now := m.server.Now(); now < end; now = m.server.Now() {
		m.mu.Lock()
		b := m.box(id)
		done := b == nil || slices.Contains(wait.Statuses, b.status(now))
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

func (m *model) listDevboxes(query url.Values) (int, any, string) {
	now := m.server.Now()
	var found []*modelBox
	for _, b := range slices.Backward(m.boxes) { // the newest first
		if status := query.Get("status"); (status == "" || b.status(now) == status) && now-b.created >= m.lag {
			found = append(found, b)
		}
	}
	if id := query.Get("starting_after"); id != "" {
		after := m.box(id)
		if after == nil {
			return 404, refusal("Devbox not found"), ""
		}
		// The cursor may have left the list of its status.
		found = slices.DeleteFunc(found, func(b *modelBox) bool { return b.number >= after.number })
	}
	limit := m.limitOf(query, len(found))
	views := []any{}
	for _, b := range found[:limit] {
		views = append(views, b.view(now, b.policy))
	}
	return 200, map[string]any{"devboxes": views, "has_more": limit < len(found)}, ""
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
	decode([]byte(body), &fields)
	i := slices.IndexFunc(m.policies, byID(fields.Launch.Policy))
	if i < 0 && fields.Launch.Policy != "" {
		return 400, refusal("Network policy not found"), ""
	}
	b := &modelBox{name: fields.Name, metadata: fields.Metadata, asked: fields.Launch.Policy, boxScript: m.script()}
	if b.policy = b.uses.of(b.asked, b.asked); i >= 0 {
		b.under = m.policies[i].Name
	}
	m.addBox(b)
	return 200, b.view(b.created, b.echo.of(b.asked, b.policy)), "created " + b.id
}

// box returns the devbox with the ID, or nil.
func (m *model) box(id string) *modelBox {
	for _, b := range m.boxes {
		if b.id == id {
			return b
		}
	}
	return nil
}

func (m *model) addBox(b *modelBox) {
	b.number, b.created, b.tag = len(m.boxes)+1, m.server.Now(), b.metadata[runloop.MetadataRequestID]
	b.id = fmt.Sprintf("dbx_%d", b.number)
	m.boxes = append(m.boxes, b)
}

// short names a request.
func (e *entry) short() string {
	path, _, _ := strings.Cut(e.target, "?")
	isDevbox := strings.HasPrefix(path, devboxesPath)
	switch {
	case isDevbox && strings.HasSuffix(path, "/shutdown"):
		return "shutdown"
	case isDevbox && strings.HasSuffix(path, "/wait_for_status"):
		return "wait"
	case path == devboxesPath && e.method == http.MethodPost:
		return "create"
	case path == devboxesPath:
		return "list"
	case isDevbox:
		return "get"
	case e.method == http.MethodPost:
		return "create policy"
	}
	return "list policies"
}

// aboutDevboxes turns the faults about another policy into faults about another devbox.
func aboutDevboxes(all []fault, status string) []fault {
	for i := range all {
		if after, found := strings.CutPrefix(all[i].name, foreign+"policy"); found {
			all[i].name = foreign + "devbox" + after
			all[i].body = fmt.Sprintf(`{"id":"dbx_other","status":%q,"metadata":{"runloop-go-request-id":"other"},"launch_parameters":{"network_policy_id":"npol_1"},"create_time_ms":1}`, status)
		}
	}
	return all
}

// alike are faults that a call of Devboxes treats like others. The policies' matrix has all.
var alike = []string{"425", "404 HTML", "empty 404", "cut headers", stalledBody, "500", "503", "504", "520", "200 {}", "504, delivered after the retry", "closed, delivered before the retry"}

// launchFaults returns all faults of a request of a launch.
func (e *entry) launchFaults() []fault {
	all := slices.DeleteFunc(e.faults(), func(f fault) bool { return slices.Contains(alike, strings.TrimSuffix(f.name, ", applied")) })
	all = append(all, slow)
	switch {
	case !strings.HasPrefix(e.target, devboxesPath):
		return all
	case strings.HasSuffix(e.target, "/shutdown"):
		return aboutDevboxes(all, "shutdown")
	}
	return aboutDevboxes(all, "running")
}
