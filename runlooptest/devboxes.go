package runlooptest

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	statusRunning  = "running"
	statusShutdown = "shutdown"
)

func (a *API) createDevbox(c *call) (any, error) {
	var params devboxParams
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	if params.NetworkPolicyID != nil {
		return nil, badRequest("network_policy_id belongs into launch_parameters")
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
	view := &devboxView{
		ID:               fmt.Sprintf("dbx_%06d", len(a.devboxes)+1),
		Name:             params.Name,
		Status:           statusRunning,
		CreateTimeMS:     now,
		LaunchParameters: launch,
		Metadata:         params.Metadata,
		StateTransitions: []transitionView{
			{"provisioning", now},
			{"initializing", now},
			{statusRunning, now},
		},
	}
	if policyID != nil {
		view.policyID = *policyID
	}
	a.devboxes = append(a.devboxes, view)
	return view, nil
}

func (a *API) getDevbox(c *call) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := a.devboxIndex(c.id)
	if i < 0 {
		return nil, unknownDevbox(c.id)
	}
	return a.devboxes[i], nil
}

func (a *API) shutdownDevbox(c *call) (any, error) {
	if err := c.decode(new(emptyParams)); err != nil {
		return nil, err
	}

	a.mu.Lock()
	defer a.mu.Unlock()
	i := a.devboxIndex(c.id)
	if i < 0 {
		return nil, unknownDevbox(c.id)
	}
	if a.devboxes[i].Status == statusShutdown {
		return a.devboxes[i], nil
	}
	view := *a.devboxes[i]
	now := a.nowMS()
	view.Status = statusShutdown
	view.EndTimeMS = &now
	view.ShutdownReason = new("api_shutdown")
	view.StateTransitions = append(slices.Clip(view.StateTransitions), transitionView{statusShutdown, now})
	a.devboxes[i] = &view
	return &view, nil
}

// launchParameters returns the launch parameters to show, whole, and the policy
// among them, which is nil when there is none.
func launchParameters(sent *jsontext.Value) (shown jsontext.Value, policyID *string, err error) {
	if sent == nil {
		return jsontext.Value("{}"), nil, nil
	}
	var launch launchParams
	if sent.Kind() != '{' {
		return nil, nil, badRequest("launch_parameters is not an object")
	}
	if err := json.Unmarshal(*sent, &launch); err != nil {
		return nil, nil, badRequest("Invalid launch_parameters: %s", jsonProblem(err))
	}
	return *sent, launch.NetworkPolicyID, nil
}

// The methods below expect that a.mu is held.

func (a *API) devboxIndex(id string) int {
	return slices.IndexFunc(a.devboxes, func(d *devboxView) bool { return d.ID == id })
}

// inUse says whether a devbox that is not shut down has the policy.
func (a *API) inUse(policyID string) bool {
	return slices.ContainsFunc(a.devboxes, func(d *devboxView) bool {
		return d.policyID == policyID && d.Status != statusShutdown
	})
}
