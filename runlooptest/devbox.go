package runlooptest

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	statusProvisioning = "provisioning"
	statusRunning      = "running"
	statusFailure      = "failure"
	statusShutdown     = "shutdown"
)

// devboxStatuses are the statuses that the API knows. A script may use others.
var devboxStatuses = []string{
	"queued", statusProvisioning, "initializing", statusRunning,
	"suspending", "suspended", "resuming", statusFailure, statusShutdown,
}

// A Devbox is a devbox of the fake.
type Devbox struct {
	// ID is "dbx_000001" for the first devbox, and so on.
	ID string
	// Name is empty when the devbox has none.
	Name string
	// Status is "provisioning", "running", "shutdown", or any other that a script
	// sets.
	Status string
	// NetworkPolicyID is the policy that the launch asked for, whatever a script
	// makes responses show. It is empty when the devbox was launched without one.
	NetworkPolicyID string
	// BlueprintID, BlueprintName and SnapshotID are what the devbox was launched
	// from. At most one is set.
	BlueprintID, BlueprintName, SnapshotID string
	// Entrypoint is empty when the devbox has none.
	Entrypoint string
	// EnvironmentVariables are those of the launch. No response shows them.
	EnvironmentVariables map[string]string
	// Metadata is that of the launch.
	Metadata map[string]string
	// LaunchParameters is the JSON object that the launch had. It is nil when the
	// launch had none.
	LaunchParameters json.RawMessage
	// CreateTime is in UTC, to the millisecond.
	CreateTime time.Time
	// EndTime is when the devbox failed or was shut down. It is zero before.
	EndTime time.Time
	// FailureReason is set when the status is "failure" and the script has a reason.
	FailureReason string
	// ShutdownReason is "api_shutdown" after a shutdown call, and the script's when
	// the devbox shut down on its own.
	ShutdownReason string
}

// over reports whether the devbox has ended.
func (d *Devbox) over() bool { return d.Status == statusFailure || d.Status == statusShutdown }

// A DevboxScript is how one devbox behaves; see [API.ScriptDevboxes]. The zero
// DevboxScript changes nothing, which makes it a placeholder between scripts.
type DevboxScript struct {
	// Statuses are the statuses of the devbox, one after the other. The response to
	// the create shows the first; each look moves the devbox to the next (with
	// [WithStartup], time does), and the last one stays. One status is enough for a
	// devbox that is stuck, such as "queued". Statuses that the API does not know
	// are allowed. Nil means "provisioning", "running".
	Statuses []string
	// FailureReason is shown while the status is "failure".
	FailureReason string
	// ShutdownReason is shown when the script shuts the devbox down.
	ShutdownReason string
	// Echo replaces the network_policy_id in the launch parameters that responses
	// show. The empty string leaves it out, as if the policy were not attached. Nil
	// shows what the launch asked for.
	Echo *string
	// EchoFrom is the number of the first response to which Echo applies, among the
	// responses that show the devbox: 1 is the response to the create, 2 is the next
	// get, wait, shutdown or list that contains the devbox. 0 means 1.
	EchoFrom int
}

// problem returns what makes no sense about the script, or "".
func (s *DevboxScript) problem() string {
	switch {
	case slices.Contains(s.Statuses, ""):
		return "a status is empty"
	case s.FailureReason != "" && !slices.Contains(s.Statuses, statusFailure):
		return `FailureReason needs the status "failure"`
	case s.ShutdownReason != "" && !slices.Contains(s.Statuses, statusShutdown):
		return `ShutdownReason needs the status "shutdown"`
	case s.EchoFrom < 0:
		return "EchoFrom is negative"
	case s.EchoFrom > 0 && s.Echo == nil:
		return "EchoFrom needs Echo"
	}
	return ""
}

// none reports whether the script changes nothing.
func (s *DevboxScript) none() bool { return len(s.Statuses) == 0 && s.Echo == nil }

// ScriptDevboxes scripts how the next devboxes behave: the next launch takes the
// first script, the one after that the second, and so on. A launch that is refused
// takes none. Scripts that are added later follow those that still wait. A server
// for a test fails the test if no launch takes one.
//
// A shutdown call ends a scripted devbox like any other.
//
// ScriptDevboxes panics when a script makes no sense: an empty status, a reason
// without its status, or EchoFrom without Echo.
func (a *API) ScriptDevboxes(scripts ...DevboxScript) {
	for i := range scripts {
		if problem := scripts[i].problem(); problem != "" {
			panic("runlooptest: invalid DevboxScript: " + problem)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range scripts {
		s.Statuses = slices.Clone(s.Statuses)
		if s.Echo != nil {
			s.Echo = new(*s.Echo)
		}
		a.devboxScripts = append(a.devboxScripts, s)
	}
}

// nextScript returns the script of the next launch. It expects that a.mu is held.
func (a *API) nextScript() DevboxScript {
	if a.nextDevboxScript == len(a.devboxScripts) {
		return DevboxScript{}
	}
	a.nextDevboxScript++
	return a.devboxScripts[a.nextDevboxScript-1]
}

// devbox is a devbox as the fake stores it. API.mu guards it.
type devbox struct {
	Devbox
	name        *string // as it was sent: responses tell an empty name from none
	script      DevboxScript
	transitions []transitionView // only appended to, so that views may share them
	changed     chan struct{}    // closed and replaced when the status changes
	views       int              // how many responses have shown the devbox

	next     []string // the statuses to come
	steps    int      // how many there were
	launched time.Time
	startup  time.Duration // 0 if looks and not time move the devbox on
}

// start puts the devbox into the first status of its script.
func (d *devbox) start(nowMS int64) {
	statuses := d.script.Statuses
	if len(statuses) == 0 {
		statuses = []string{statusProvisioning, statusRunning}
	}
	d.launched = time.Now()
	d.steps = len(statuses) - 1
	d.next = statuses[1:]
	d.enter(statuses[0], nowMS)
}

// enter changes the status and wakes those who wait for that.
func (d *devbox) enter(status string, ms int64) {
	d.Status = status
	d.transitions = append(d.transitions, transitionView{status, ms})
	if d.changed != nil {
		close(d.changed)
	}
	d.changed = make(chan struct{})
	if d.over() {
		d.EndTime = fromMS(ms)
	}
	switch status {
	case statusFailure:
		d.FailureReason = d.script.FailureReason
	case statusShutdown:
		d.ShutdownReason = d.script.ShutdownReason
	}
}

func (d *devbox) advance(ms int64) {
	status := d.next[0]
	d.next = d.next[1:]
	d.enter(status, ms)
}

// look moves the devbox on, as each look of a client does.
func (d *devbox) look(nowMS int64) {
	if d.startup == 0 && len(d.next) > 0 {
		d.advance(nowMS)
	}
	d.settle()
}

// settle moves the devbox to the status that it has reached by now.
func (d *devbox) settle() {
	for {
		due, timed := d.due()
		if !timed || time.Since(d.launched) < due {
			return
		}
		d.advance(d.CreateTime.UnixMilli() + due.Milliseconds())
	}
}

// due returns when the next status begins, as time since the launch. It returns
// false when there is none, or when it waits for a look.
func (d *devbox) due() (time.Duration, bool) {
	if d.startup == 0 || len(d.next) == 0 {
		return 0, false
	}
	return d.startup * time.Duration(d.steps-len(d.next)+1) / time.Duration(d.steps), true
}

// shutDown ends the devbox, unless it has ended.
func (d *devbox) shutDown(nowMS int64) {
	d.settle()
	if d.over() {
		return
	}
	d.next = nil
	d.enter(statusShutdown, nowMS)
	d.ShutdownReason = "api_shutdown"
}

// view returns the devbox as the next response shows it.
func (d *devbox) view() *devboxView {
	d.views++
	launch := jsontext.Value(d.LaunchParameters)
	if launch == nil {
		launch = jsontext.Value("{}")
	}
	if echo := d.script.Echo; echo != nil && d.views >= d.script.EchoFrom {
		launch = echoing(launch, *echo)
	}
	v := &devboxView{
		ID:               d.ID,
		Name:             d.name,
		Status:           d.Status,
		BlueprintID:      d.BlueprintID,
		SnapshotID:       d.SnapshotID,
		CreateTimeMS:     d.CreateTime.UnixMilli(),
		LaunchParameters: launch,
		Metadata:         d.Metadata,
		StateTransitions: d.transitions,
		FailureReason:    d.FailureReason,
		ShutdownReason:   d.ShutdownReason,
	}
	if !d.EndTime.IsZero() {
		v.EndTimeMS = new(d.EndTime.UnixMilli())
	}
	return v
}

// echoing returns launch parameters with another policy, or without one.
func echoing(launch jsontext.Value, policyID string) jsontext.Value {
	var fields map[string]jsontext.Value
	if err := jsonv2.Unmarshal(launch, &fields); err != nil {
		panic("runlooptest: " + err.Error()) // it was decoded when it arrived
	}
	delete(fields, "network_policy_id")
	if policyID != "" {
		fields["network_policy_id"] = jsontext.Value(mustMarshal(policyID))
	}
	return jsontext.Value(mustMarshal(fields))
}

// copied returns a copy that shares nothing.
func (d *devbox) copied() Devbox {
	c := d.Devbox
	c.EnvironmentVariables = maps.Clone(c.EnvironmentVariables)
	c.Metadata = maps.Clone(c.Metadata)
	c.LaunchParameters = slices.Clone(c.LaunchParameters)
	return c
}

func fromMS(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
