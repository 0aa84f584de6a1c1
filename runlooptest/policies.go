package runlooptest

import "github.com/go-json-experiment/json"

func (a *API) createPolicy(c *call) (any, error) {
	params, err := a.decodePolicy(c)
	if err != nil {
		return nil, err
	}
	if params.Name == nil {
		return nil, badRequest("name is required")
	}
	view := a.emptyPolicy()
	if err := params.applyTo(view, &a.config); err != nil {
		return nil, err
	}

	a.mu.Lock()
	defer a.mu.Unlock()
	if a.policies.byName[view.Name] != nil {
		return nil, a.nameTaken(view.Name)
	}
	if limit := a.config.policyLimit; limit > 0 && len(a.policies.ordered) >= limit {
		return nil, policyLimitReached(limit)
	}
	view.ID = a.policies.newID()
	view.CreateTimeMS = a.nowMS()
	view.UpdateTimeMS = view.CreateTimeMS
	a.policies.add(view)
	return view, nil
}

func (a *API) getPolicy(c *call) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	view := a.policies.byID[c.id]
	if view == nil {
		return nil, a.unknownPolicy(c.id)
	}
	return view, nil
}

func (a *API) updatePolicy(c *call) (any, error) {
	params, err := a.decodePolicy(c)
	if err != nil {
		return nil, err
	}

	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.policies.byID[c.id]
	if old == nil {
		return nil, a.unknownPolicy(c.id)
	}
	view := *old
	if err := params.applyTo(&view, &a.config); err != nil {
		return nil, err
	}
	if other := a.policies.byName[view.Name]; other != nil && other != old {
		return nil, a.nameTaken(view.Name)
	}
	view.UpdateTimeMS = a.nowMS()
	a.policies.replace(old, &view)
	return &view, nil
}

func (a *API) deletePolicy(c *call) (any, error) {
	if err := c.decode(new(emptyParams), json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}

	a.mu.Lock()
	defer a.mu.Unlock()
	view := a.policies.byID[c.id]
	if view == nil {
		return nil, a.unknownPolicy(c.id)
	}
	if a.inUse(c.id) {
		return nil, policyInUse(c.id)
	}
	a.policies.remove(view)
	return view, nil
}

func (a *API) decodePolicy(c *call) (*policyParams, error) {
	params := new(policyParams)
	var into any = params
	if a.config.v01 {
		into = &params.policyParamsV01
	}
	return params, c.decode(into, json.RejectUnknownMembers(true))
}

// emptyPolicy returns a policy that has every default and allows nothing.
func (a *API) emptyPolicy() *policyView {
	view := &policyView{Egress: egressView{AllowedHostnames: []string{}}}
	if !a.config.v01 {
		view.Egress.AllowRunloopMirrors = new(bool)
		view.Egress.AllowedCIDRs = []cidrView{}
	}
	if len(a.config.unknownFields) > 0 {
		view.Egress.unknown = mustMarshal(a.config.unknownFields)
	}
	return view
}
