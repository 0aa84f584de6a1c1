package live

// whole is what the sample and others are made with.
const whole = `"description": "made by a test", "allow_agent_gateway": true, "allowed_hostnames": ["github.com", "*.npmjs.org"]`

// A sample is a policy that checks update, one after the other.
type sample struct {
	*trial
	name string
	id   string
	// now is the policy as the API showed it last.
	now answer
}

// sample returns the sample, which the first check that needs it makes.
func (c *trial) sample() *sample {
	if c.fixtures.sample == nil {
		s := &sample{trial: c.stay(c.ctx), name: c.name()}
		s.now = s.createAs(s.name, whole)
		s.id = s.now.id()
		c.fixtures.sample = s
	}
	c.needs(c.fixtures.sample.trial)
	return c.fixtures.sample
}

// change updates the sample, and returns what it was before and the answer.
func (c *trial) change(body string) (before, after answer) {
	s := c.sample()
	before, after = s.now, c.update(s.id, body)
	if after.ok() {
		s.now = after
	}
	return before, after
}

// changedBy is a check of what an update changes.
func changedBy(body string) func(*trial) string {
	return func(c *trial) string {
		before, after := c.change(body)
		return after.changedSince(before)
	}
}

// memberAfter is a check of what a member is after an update.
func memberAfter(body, name string) func(*trial) string {
	return func(c *trial) string {
		_, after := c.change(body)
		return after.member(name)
	}
}

// statusOf is a check of how an update is answered.
func statusOf(body string) func(*trial) string {
	return func(c *trial) string {
		_, after := c.change(body)
		return after.code()
	}
}
