package live

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	runloop "github.com/runloop-community/runloop-go"
)

const devboxesPath = "/v1/devboxes"

// A box is a devbox that stays for several checks, since a launch costs money.
type box struct {
	*trial
	id     string
	policy string // the ID of the one that it was launched with
	// answer is the answer to the launch.
	answer answer
}

// box returns the box, which the first check that needs it launches.
func (c *trial) box() *box {
	if c.fixtures.box == nil {
		b := &box{trial: c.stay(c.ctx)}
		b.policy = b.create("").id()
		b.answer = b.launch(`"launch_parameters": {"network_policy_id": "` + b.policy + `"}`)
		if b.err == nil && !b.answer.ok() {
			b.err = fmt.Errorf("the devbox for the check was refused: %d %s", b.answer.status, excerpt(b.answer.body))
		}
		b.id = b.answer.id()
		c.fixtures.box = b
	}
	c.needs(c.fixtures.box.trial)
	return c.fixtures.box
}

// launch launches a devbox, which may be refused. The members follow the name.
func (c *trial) launch(members string) answer {
	if c.err != nil {
		return answer{}
	}
	name := c.name()
	launched := c.send(http.MethodPost, devboxesPath, `{"name": "`+name+`", `+members+`}`)
	switch {
	case launched.ok() && launched.id() == "":
		c.err = fmt.Errorf("a launch answered no id: %s", excerpt(launched.body))
		c.lost = append(c.lost, name)
	case launched.ok():
		c.boxes[launched.id()] = name
	case maybeApplied(c.err):
		c.lost = append(c.lost, name)
	}
	return launched
}

func (c *trial) devbox(id string) answer {
	return c.send(http.MethodGet, devboxesPath+"/"+url.PathEscape(id), "")
}

func (c *trial) shutDown(id string) answer {
	shutDown := c.send(http.MethodPost, devboxesPath+"/"+url.PathEscape(id)+"/shutdown", "")
	if shutDown.ok() {
		c.gone(id)
	}
	return shutDown
}

// maybeApplied reports whether a write that failed may have been carried out.
func maybeApplied(err error) bool {
	if e, ok := errors.AsType[*runloop.APIError](err); ok {
		return e.MaybeApplied
	}
	e, ok := errors.AsType[*runloop.TransportError](err)
	return ok && e.MaybeApplied
}
