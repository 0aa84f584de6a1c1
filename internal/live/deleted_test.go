package live

// A deletedPolicy is one that is no more.
type deletedPolicy struct {
	*trial
	name, id string
	// created and answer are the answers to the create and the delete.
	created, answer answer
	// listed is what a list by its name showed directly after the delete.
	listed answer
}

// deleted returns the policy, which the first check that needs it makes and deletes.
func (c *trial) deleted() *deletedPolicy {
	if c.fixtures.deleted == nil {
		d := &deletedPolicy{trial: c.stay(c.ctx), name: c.name()}
		d.created = d.createAs(d.name, whole)
		d.id = d.created.id()
		d.answer = d.delete(d.id, `{}`)
		d.listed = d.list("name=" + d.name)
		c.fixtures.deleted = d
	}
	c.needs(c.fixtures.deleted.trial)
	return c.fixtures.deleted
}
