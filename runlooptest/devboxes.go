package runlooptest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// How long wait_for_status holds a request.
const (
	defaultHoldSeconds = 10
	maxHoldSeconds     = 30
)

func (a *API) createDevbox(c *call) (any, error) { return a.launch(c, false) }

// createAndAwaitDevbox looks once and does not wait: the API, too, may return a
// devbox that is not running yet.
func (a *API) createAndAwaitDevbox(c *call) (any, error) { return a.launch(c, true) }

func (a *API) launch(c *call, look bool) (any, error) {
	var params devboxParams
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	if err := a.checkSource(&params); err != nil {
		return nil, err
	}
	launch, policyID, err := launchParameters(params.LaunchParameters)
	if err != nil {
		return nil, err
	}

	a.mu.Lock()
	defer a.mu.Unlock()
	if policyID != nil && a.policies.byID[*policyID] == nil {
		return nil, badRequest("launch_parameters.network_policy_id: network policy with id %q not found", *policyID)
	}
	now := a.nowMS()
	d := &devbox{
		Devbox: Devbox{
			ID:                   a.devboxes.newID(),
			Name:                 value(params.Name),
			NetworkPolicyID:      value(policyID),
			BlueprintID:          value(params.BlueprintID),
			BlueprintName:        value(params.BlueprintName),
			SnapshotID:           value(params.SnapshotID),
			Entrypoint:           value(params.Entrypoint),
			EnvironmentVariables: params.EnvironmentVariables,
			Metadata:             params.Metadata,
			LaunchParameters:     json.RawMessage(launch),
			CreateTime:           fromMS(now),
		},
		name:    params.Name,
		script:  a.nextScript(),
		startup: a.config.startup,
	}
	d.start(now)
	a.devboxes.add(d.ID, d)
	if look {
		d.look(now)
	}
	return d.view(), nil
}

// checkSource checks what the devbox is created from.
func (a *API) checkSource(p *devboxParams) error {
	given := 0
	for _, source := range []*string{p.BlueprintID, p.BlueprintName, p.SnapshotID} {
		if source == nil {
			continue
		}
		if *source == "" {
			return badRequest("blueprint_id, blueprint_name and snapshot_id must not be empty")
		}
		given++
	}
	if given > 1 {
		return badRequest("At most one of blueprint_id, blueprint_name and snapshot_id is allowed")
	}
	for _, blueprint := range []*string{p.BlueprintID, p.BlueprintName} {
		if a.config.blueprints != nil && blueprint != nil && !slices.Contains(a.config.blueprints, *blueprint) {
			return badRequest("Blueprint %q not found", *blueprint)
		}
	}
	return nil
}

// launchParameters returns the launch parameters whole, nil if there are none, and
// the policy among them.
func launchParameters(sent *jsontext.Value) (launch jsontext.Value, policyID *string, err error) {
	if sent == nil {
		return nil, nil, nil
	}
	if sent.Kind() != '{' {
		return nil, nil, badRequest("launch_parameters is not an object")
	}
	var params launchParams
	if err := jsonv2.Unmarshal(*sent, &params); err != nil {
		return nil, nil, badRequest("Invalid launch_parameters: %s", jsonProblem(err))
	}
	return *sent, params.NetworkPolicyID, nil
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (a *API) getDevbox(c *call) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d := a.devboxes.byID[c.id]
	if d == nil {
		return nil, unknownDevbox(c.id)
	}
	d.look(a.nowMS())
	return d.view(), nil
}

func (a *API) shutdownDevbox(c *call) (any, error) {
	if err := c.decode(new(emptyParams)); err != nil {
		return nil, err
	}

	a.mu.Lock()
	defer a.mu.Unlock()
	d := a.devboxes.byID[c.id]
	if d == nil {
		return nil, unknownDevbox(c.id)
	}
	d.shutDown(a.nowMS())
	return d.view(), nil
}

func (a *API) waitForDevboxStatus(c *call) (any, error) {
	params := waitParams{TimeoutSeconds: new(defaultHoldSeconds)}
	if err := c.decode(&params, jsonv2.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	if err := params.check(); err != nil {
		return nil, err
	}
	end := time.Now().Add(time.Duration(*params.TimeoutSeconds) * time.Second)
	for {
		w, err := a.tryStatus(c.id, params.Statuses)
		if err != nil || w.view != nil {
			return w.view, err
		}
		left := time.Until(end)
		if left <= 0 {
			break
		}
		if w.timed {
			left = min(left, w.due)
		}
		timer := time.NewTimer(left)
		select {
		case <-w.changed:
		case <-timer.C:
		case <-c.ctx.Done():
			end = time.Time{}
		}
		timer.Stop()
	}
	return nil, &apiError{
		status:  http.StatusRequestTimeout,
		code:    "timeout",
		message: fmt.Sprintf("Devbox %q did not reach the status within %d seconds", c.id, *params.TimeoutSeconds),
	}
}

func (p *waitParams) check() error {
	if len(p.Statuses) == 0 {
		return badRequest("statuses must have at least one status")
	}
	for _, s := range p.Statuses {
		if !slices.Contains(devboxStatuses, s) {
			return badRequest("statuses: %q is not a devbox status", s)
		}
	}
	if p.TimeoutSeconds == nil {
		p.TimeoutSeconds = new(defaultHoldSeconds)
	}
	if s := *p.TimeoutSeconds; s < 1 || s > maxHoldSeconds {
		return badRequest("timeout_seconds is not from 1 to %d", maxHoldSeconds)
	}
	return nil
}

// A waitStep is what a wait finds: the view that it waited for, or what to wait
// for next.
type waitStep struct {
	view    any           // nil as long as the devbox has none of the statuses
	changed chan struct{} // closed when the status changes
	due     time.Duration // until time changes it
	timed   bool          // whether time does
}

// tryStatus looks at a devbox until it has one of the statuses or no look moves it
// on any more.
func (a *API) tryStatus(id string, statuses []string) (waitStep, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d := a.devboxes.byID[id]
	if d == nil {
		return waitStep{}, unknownDevbox(id)
	}
	d.look(a.nowMS())
	for d.startup == 0 && len(d.next) > 0 && !slices.Contains(statuses, d.Status) {
		d.look(a.nowMS())
	}
	if slices.Contains(statuses, d.Status) {
		return waitStep{view: d.view()}, nil
	}
	w := waitStep{changed: d.changed}
	if w.due, w.timed = d.due(); w.timed {
		w.due -= time.Since(d.launched)
	}
	return w, nil
}

// inUse reports whether an active devbox uses the policy. It expects that a.mu is
// held.
func (a *API) inUse(policyID string) bool {
	return slices.ContainsFunc(a.devboxes.ordered, func(d *devbox) bool {
		d.settle()
		return d.NetworkPolicyID == policyID && !d.over()
	})
}
