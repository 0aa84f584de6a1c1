package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"

	runloop "github.com/runloop-community/runloop-go"
)

const policiesPath = "/v1/network-policies"

// A trial makes the requests of one check, and takes away what they made. After the
// first request that finds no answer it sends nothing more: err is why.
type trial struct {
	*account
	ctx context.Context
	err error
	// said is the body of the last refusal.
	said string

	made  map[string]string // names of policies by ID
	boxes map[string]string // names of devboxes by ID
}

func (a *account) begin(ctx context.Context) *trial {
	return &trial{account: a, ctx: ctx, made: map[string]string{}, boxes: map[string]string{}}
}

// stay begins a trial whose policies several checks share.
func (a *account) stay(ctx context.Context) *trial {
	c := a.begin(ctx)
	a.lasting = append(a.lasting, c)
	return c
}

// needs makes the check fail with the trial that it builds on.
func (c *trial) needs(other *trial) {
	if c.err == nil {
		c.err = other.err
	}
}

// end takes away what the trial made. What it cannot take away now, it leaves to the
// account, which tries once more at the end.
func (c *trial) end() {
	ctx, cancel := afterwards(c.ctx)
	defer cancel()
	for _, id := range slices.Sorted(maps.Keys(c.boxes)) {
		if err := shutDown(ctx, c.client, id); err != nil {
			c.devboxes[id] = c.boxes[id]
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.made)) {
		if err := remove(ctx, c.client, id); err != nil {
			c.policies[id] = c.made[id]
		}
	}
}

// name returns a name that no policy has.
func (c *trial) name() string {
	c.names++
	return fmt.Sprintf("%s-%02d", c.prefix, c.names)
}

// keep remembers a policy that the trial made.
func (c *trial) keep(p *runloop.NetworkPolicy) { c.made[p.ID] = p.Name }

// gone forgets a policy or a devbox that the trial has taken away, whoever made it.
func (c *trial) gone(id string) {
	for _, trial := range slices.Concat(c.lasting, []*trial{c}) {
		delete(trial.made, id)
		delete(trial.boxes, id)
	}
}

// send sends a request, and returns the answer, be it a refusal. A body is JSON text,
// and "" is none. 429 and what the server failed at are no answers: they say nothing
// about the API's behaviour.
func (c *trial) send(method, path, body string, opts ...runloop.Option) answer {
	if c.err != nil {
		return answer{}
	}
	var sent any
	if body != "" {
		sent = json.RawMessage(body)
	}
	var response *http.Response
	opts = append([]runloop.Option{runloop.WithResponseInto(&response)}, opts...)
	var message string
	err := c.client.Do(c.ctx, method, path, sent, nil, opts...)
	if err != nil {
		refusal, ok := errors.AsType[*runloop.APIError](err)
		if !ok || refusal.StatusCode == http.StatusTooManyRequests || refusal.StatusCode >= 500 {
			c.err = err
			return answer{}
		}
		message, c.said = refusal.Message, string(refusal.Body)
	}
	received, err := io.ReadAll(response.Body)
	if err != nil {
		c.err = err
		return answer{}
	}
	return answer{response.StatusCode, response.Header, received, message}
}

// tryCreate creates a policy, which may be refused. The members begin with the name.
func (c *trial) tryCreate(name, members string, opts ...runloop.Option) answer {
	quoted, err := json.Marshal(name)
	if err != nil {
		panic(err) // a string can always be encoded
	}
	body := `{"name": ` + string(quoted) + `}`
	if members != "" {
		body = `{"name": ` + string(quoted) + `, ` + members + `}`
	}
	created := c.send(http.MethodPost, policiesPath, body, opts...)
	switch {
	case created.ok() && created.id() == "":
		c.err = fmt.Errorf("a create answered no id: %s", excerpt(created.body))
	case created.ok():
		c.made[created.id()] = name
	}
	return created
}

// create creates a policy that the check needs.
func (c *trial) create(members string) answer { return c.createAs(c.name(), members) }

func (c *trial) createAs(name, members string, opts ...runloop.Option) answer {
	created := c.tryCreate(name, members, opts...)
	if c.err == nil && !created.ok() {
		c.err = fmt.Errorf("the policy for the check was refused: %d %s", created.status, excerpt(created.body))
	}
	return created
}

func (c *trial) get(id string) answer { return c.send(http.MethodGet, policyPath(id), "") }

// list lists policies. The query is escaped already.
func (c *trial) list(query string) answer {
	return c.send(http.MethodGet, policiesPath+"?"+query, "")
}

func (c *trial) update(id, body string) answer {
	return c.send(http.MethodPost, policyPath(id), body)
}

func (c *trial) delete(id, body string) answer {
	deleted := c.send(http.MethodPost, policyPath(id)+"/delete", body)
	if deleted.ok() {
		c.gone(id)
	}
	return deleted
}

func policyPath(id string) string { return policiesPath + "/" + url.PathEscape(id) }

// missing returns an ID that no policy has.
func (c *trial) missing() string { return "npol_" + c.name() }
