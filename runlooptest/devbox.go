package runlooptest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	statusRunning  = "running"
	statusFailure  = "failure"
	statusShutdown = "shutdown"
)

// devboxStatuses are the statuses that the API knows. A script may use others.
var devboxStatuses = strings.Fields("queued provisioning initializing running suspending suspended resuming failure shutdown")

// A Devbox is a devbox of the fake's account. Printed, it is its ID and status.
type Devbox struct {
	// ID is "dbx_000001" for the first devbox, and so on.
	ID string
	// Name is empty if the launch did not set one.
	Name string
	// Status is "provisioning", "running" or "shutdown", or any status of a script.
	Status string
	// NetworkPolicyID is the policy that the launch asked for, even if a script makes
	// responses show another. It is empty without a policy.
	NetworkPolicyID string
	// BlueprintID, BlueprintName and SnapshotID are the source of the devbox. At most
	// one is set.
	BlueprintID, BlueprintName, SnapshotID string
	// Entrypoint is the launch's entrypoint, if any.
	Entrypoint string
	// EnvironmentVariables are those of the launch. No response shows them.
	EnvironmentVariables map[string]string
	// Metadata is that of the launch.
	Metadata map[string]string
	// LaunchParameters is the JSON object of the launch, or nil.
	LaunchParameters json.RawMessage
	// CreateTime is in UTC, rounded down to milliseconds.
	CreateTime time.Time
	// EndTime is when the devbox failed or was shut down. It is zero before.
	EndTime time.Time
	// FailureReason is the script's reason, once the status is "failure".
	FailureReason string
	// ShutdownReason is "api_shutdown" after a shutdown call. It is the script's reason
	// if the script shut the devbox down.
	ShutdownReason string
}

// Format prints the ID and the status, whatever the verb, and no environment variables.
func (d Devbox) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%s (%s)", d.ID, d.Status) }

// over reports whether the devbox has ended.
func (d *Devbox) over() bool { return d.Status == statusFailure || d.Status == statusShutdown }

// A DevboxScript sets how one devbox behaves; see [API.ScriptDevboxes]. The zero
// DevboxScript changes nothing: use it as a placeholder between scripts.
type DevboxScript struct {
	// Statuses are the statuses of the devbox in order. The response to the launch
	// shows the first, and each read moves the devbox to the next; with [WithStartup],
	// time does. The last one stays, so one status is enough for a devbox that is
	// stuck. Statuses that the API does not know are allowed. The default is
	// "provisioning", "running". A shutdown call ends a scripted devbox as it ends any
	// other.
	Statuses []string
	// FailureReason is shown while the status is "failure".
	FailureReason string
	// ShutdownReason is shown after the script shuts the devbox down.
	ShutdownReason string
	// Echo replaces the network_policy_id in the launch parameters of responses. The
	// empty string removes it, as if the policy were not attached. Nil shows the
	// policy that the launch asked for.
	Echo *string
	// EchoFrom is the number of the first response with the Echo, counting the
	// responses that show the devbox. The response to the launch is 1, the next get,
	// wait, shutdown or list with the devbox is 2. The zero value means 1.
	EchoFrom int
}

// problem returns what is wrong with the script, or "".
func (s *DevboxScript) problem() string {
	switch {
	case slices.Contains(s.Statuses, ""):
		return "a status is empty: leave it out"
	case s.FailureReason != "" && !slices.Contains(s.Statuses, statusFailure):
		return `FailureReason needs "failure" in Statuses`
	case s.ShutdownReason != "" && !slices.Contains(s.Statuses, statusShutdown):
		return `ShutdownReason needs "shutdown" in Statuses`
	case s.EchoFrom < 0:
		return "EchoFrom is negative: use 1 or more"
	case s.EchoFrom > 0 && s.Echo == nil:
		return "EchoFrom needs Echo"
	}
	return ""
}

// none reports whether the script changes nothing.
func (s DevboxScript) none() bool { return len(s.Statuses) == 0 && s.Echo == nil }

// ScriptDevboxes scripts the next devboxes: the next launch takes the first script, the
// one after that the second, and so on. A refused launch takes none. Later calls append
// scripts. If no launch takes a script, the server of a test fails the test.
//
// ScriptDevboxes panics if a script has an empty status, a reason without its status,
// or EchoFrom without Echo.
func (a *API) ScriptDevboxes(scripts ...DevboxScript) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range scripts {
		if problem := scripts[i].problem(); problem != "" {
			panic("runlooptest: invalid DevboxScript: " + problem)
		}
	}
	for _, s := range scripts {
		s.Statuses = slices.Clone(s.Statuses)
		if s.Echo != nil {
			s.Echo = new(*s.Echo)
		}
		a.devboxScripts.items = append(a.devboxScripts.items, s)
	}
}

// devbox is a devbox as the fake stores it. API.mu guards it.
type devbox struct {
	Devbox
	name        *string // as sent: responses distinguish an empty name from none
	script      DevboxScript
	transitions []transitionView
	changed     chan struct{} // closed and replaced when the status changes
	views       int           // the number of responses that showed the devbox

	next     []string // the statuses to come
	steps    int      // how many there were in all
	launched time.Time
	startup  time.Duration // 0 if reads, not time, move the devbox on
}

// start puts the devbox into the first status of its script.
func (d *devbox) start(nowMS int64) {
	statuses := d.script.Statuses
	if len(statuses) == 0 {
		statuses = []string{"provisioning", statusRunning}
	}
	d.launched = time.Now()
	d.steps = len(statuses) - 1
	d.changed = make(chan struct{})
	d.next = statuses
	d.advance(nowMS)
}

// enter changes the status and wakes the requests that wait for that.
func (d *devbox) enter(status string, ms int64) {
	d.Status = status
	d.transitions = append(d.transitions, transitionView{status, ms})
	close(d.changed)
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

// look moves the devbox on, as each read by a client does. It reports whether another
// read moves it further.
func (d *devbox) look(nowMS int64) (more bool) {
	if d.startup > 0 {
		d.settle()
		return false
	}
	if len(d.next) > 0 {
		d.advance(nowMS)
	}
	return len(d.next) > 0
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

// due returns the time from the launch to the next status. It returns false if there is
// none, or if reads move the devbox.
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
	if echo := d.script.Echo; echo != nil && d.views >= d.script.EchoFrom {
		launch = echoing(launch, *echo)
	} else if launch == nil {
		launch = jsontext.Value("{}")
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

// echoing returns launch parameters, or nil for none, with another policy, or without one.
func echoing(launch jsontext.Value, policyID string) jsontext.Value {
	fields := map[string]jsontext.Value{}
	_ = jsonv2.Unmarshal(launch, &fields) // it is an object, or nil
	delete(fields, "network_policy_id")
	if policyID != "" {
		fields["network_policy_id"] = mustMarshal(policyID)
	}
	return mustMarshal(fields)
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
