package runlooptest

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
)

// The time for which wait_for_status holds a request.
const defaultHoldSeconds, maxHoldSeconds = 10, 30

func (a *API) createDevbox(c *call) (any, *refusal) { return a.launch(c, false) }

// createAndAwaitDevbox counts as one read and does not wait: the API, too, may return a
// devbox that is not running yet.
func (a *API) createAndAwaitDevbox(c *call) (any, *refusal) { return a.launch(c, true) }

func (a *API) launch(c *call, look bool) (any, *refusal) {
	var params devboxParams
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	if err := a.checkSource(&params); err != nil {
		return nil, err
	}
	policyID, err := a.checkLaunchParameters(&params)
	if err != nil {
		return nil, err
	}
	now := a.nowMS()
	d := &devbox{
		Devbox: Devbox{
			ID:                   a.devboxes.newID(),
			Name:                 value(params.Name),
			NetworkPolicyID:      policyID,
			BlueprintID:          value(params.BlueprintID),
			BlueprintName:        value(params.BlueprintName),
			SnapshotID:           value(params.SnapshotID),
			Entrypoint:           params.Entrypoint,
			EnvironmentVariables: params.EnvironmentVariables,
			Metadata:             params.Metadata,
			LaunchParameters:     []byte(params.LaunchParameters),
			CreateTime:           fromMS(now),
		},
		name:    params.Name,
		startup: a.config.startup,
	}
	d.script, _ = a.devboxScripts.take()
	d.start(now)
	a.devboxes.add(d.ID, d)
	if look {
		d.look(now)
	}
	return d.view(), nil
}

// checkSource checks what the devbox is created from.
func (a *API) checkSource(p *devboxParams) *refusal {
	sources := slices.DeleteFunc([]*string{p.BlueprintID, p.BlueprintName, p.SnapshotID}, func(s *string) bool { return s == nil })
	switch {
	case len(sources) > 1:
		return badRequest("At most one of blueprint_id, blueprint_name and snapshot_id is allowed")
	case len(sources) == 1 && *sources[0] == "":
		return badRequest("blueprint_id, blueprint_name and snapshot_id must not be empty")
	case len(sources) == 1 && p.SnapshotID == nil && a.config.blueprints != nil && !slices.Contains(a.config.blueprints, *sources[0]):
		return badRequest("Blueprint %q not found", *sources[0])
	}
	return nil
}

// checkLaunchParameters returns the policy of the launch parameters. It sets those to
// nil if they are null.
func (a *API) checkLaunchParameters(p *devboxParams) (policyID string, err *refusal) {
	switch p.LaunchParameters.Kind() {
	case 0, 'n':
		p.LaunchParameters = nil
		return "", nil
	case '{':
	default:
		return "", badRequest("launch_parameters is not an object")
	}
	var params launchParams
	if err := json.Unmarshal(p.LaunchParameters, &params); err != nil {
		return "", badRequest("Invalid launch_parameters: %s", jsonProblem(err))
	}
	if id := params.NetworkPolicyID; id != nil && a.policies.byID[*id] == nil {
		return "", badRequest("launch_parameters.network_policy_id: network policy with id %q not found", *id)
	}
	return value(params.NetworkPolicyID), nil
}

// value returns *p, or the zero value if p is nil.
func value[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// findDevbox returns the devbox with the ID, or a refusal: a 400 and not a 404, as in
// the live API.
func (a *API) findDevbox(id string) (*devbox, *refusal) {
	d := a.devboxes.byID[id]
	if d == nil {
		return nil, refuse(http.StatusBadRequest, "not_found", "Devbox with id %q not found", id)
	}
	return d, nil
}

func (a *API) getDevbox(c *call) (any, *refusal) {
	d, err := a.findDevbox(c.id)
	if err != nil {
		return nil, err
	}
	d.look(a.nowMS())
	return d.view(), nil
}

// listDevboxes reads every devbox, not only those of the page: a search by one status
// after the other then finds a devbox that advances.
func (a *API) listDevboxes(c *call) (any, *refusal) {
	var status string
	q, err := parseList(c, &a.devboxes, map[string]*string{"status": &status})
	if err != nil {
		return nil, err
	}
	if status != "" && !slices.Contains(devboxStatuses, status) {
		return nil, badRequest("status: %q is not a devbox status", status)
	}
	for _, d := range a.devboxes.ordered {
		d.look(a.nowMS())
	}
	devboxes, total, more := q.page(a, c, func(d *devbox) bool {
		return status == "" || d.Status == status
	})
	view := &devboxListView{HasMore: more, TotalCount: total}
	for _, d := range devboxes {
		view.Devboxes = append(view.Devboxes, d.view())
	}
	return view, nil
}

func (a *API) shutdownDevbox(c *call) (any, *refusal) {
	if err := c.decode(new(struct{})); err != nil {
		return nil, err
	}
	d, err := a.findDevbox(c.id)
	if err != nil {
		return nil, err
	}
	d.shutDown(a.nowMS())
	return d.view(), nil
}

// waitForDevboxStatus releases a.mu while it waits, as [sync.Cond.Wait] does.
func (a *API) waitForDevboxStatus(c *call) (any, *refusal) {
	var params waitParams
	if err := c.decode(&params, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	if len(params.Statuses) == 0 {
		return nil, badRequest("statuses must have at least one status")
	}
	for _, s := range params.Statuses {
		if !slices.Contains(devboxStatuses, s) {
			return nil, badRequest("statuses: %q is not a devbox status", s)
		}
	}
	seconds := *cmp.Or(params.TimeoutSeconds, new(defaultHoldSeconds))
	if seconds < 1 || seconds > maxHoldSeconds {
		return nil, badRequest("timeout_seconds is not from 1 to %d", maxHoldSeconds)
	}
	d, err := a.findDevbox(c.id)
	if err != nil {
		return nil, err
	}
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	for {
		for d.look(a.nowMS()) && !slices.Contains(params.Statuses, d.Status) {
		}
		if slices.Contains(params.Statuses, d.Status) {
			return d.view(), nil
		}
		left := time.Until(end)
		if left <= 0 || c.Context().Err() != nil {
			return nil, refuse(http.StatusRequestTimeout, "timeout", "Devbox %q did not reach the status within %d seconds", c.id, seconds)
		}
		if due, timed := d.due(); timed {
			left = min(left, due-time.Since(d.launched))
		}
		changed := d.changed
		a.mu.Unlock()
		sleep(c.Context(), left, changed)
		a.mu.Lock()
	}
}
