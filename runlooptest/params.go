package runlooptest

import "strings"

// applyTo sets in v what the params provide. What they leave out keeps its value,
// and a list that they provide replaces the whole list.
func (p *policyParams) applyTo(v *policyView, c *config) error {
	if p.Name != nil {
		name := *p.Name
		if c.normalizeName != nil {
			name = c.normalizeName(name)
		}
		if strings.TrimSpace(name) == "" {
			return badRequest("name must not be blank")
		}
		v.Name = name
	}
	if p.Description != nil {
		v.Description = p.Description
	}

	e := &v.Egress
	setBool(&e.AllowAll, p.AllowAll)
	setBool(&e.AllowDevboxToDevbox, p.AllowDevboxToDevbox)
	setBool(&e.AllowAgentGateway, p.AllowAgentGateway)
	setBool(&e.AllowMCPGateway, p.AllowMCPGateway)
	if p.AllowRunloopMirrors != nil {
		e.AllowRunloopMirrors = p.AllowRunloopMirrors
	}
	// The API stores what allow_all implies: devbox-to-devbox stays on when
	// allow_all is turned off again, until it is turned off itself.
	if e.AllowAll {
		e.AllowDevboxToDevbox = true
	}

	if p.AllowedHostnames != nil {
		hostnames, err := checkHostnames(p.AllowedHostnames)
		if err != nil {
			return err
		}
		e.AllowedHostnames = hostnames
	}
	if p.AllowedCIDRs != nil {
		cidrs, err := checkCIDRs(p.AllowedCIDRs, string(c.defaultProtocol))
		if err != nil {
			return err
		}
		e.AllowedCIDRs = cidrs
	}
	return nil
}

func setBool(to, from *bool) {
	if from != nil {
		*to = *from
	}
}
