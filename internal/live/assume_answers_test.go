package live

import (
	"errors"
	"fmt"
	"strings"

	runloop "github.com/runloop-community/runloop-go"
)

var answerAssumptions = []assumption{
	{
		name: "every answer has an X-Runloop-Request-Id of its own",
		fake: "of its own",
		check: func(c *trial) string {
			const header = "X-Runloop-Request-Id"
			success, refusal := c.pair().read.header.Get(header), c.refusal().header.Get(header)
			switch {
			case success == "" && refusal == "":
				return "none"
			case success == "":
				return "none with a success"
			case refusal == "":
				return "none with a refusal"
			case success == refusal:
				return "the same"
			}
			return "of its own"
		},
	},
	{
		name: "the body of a refusal has a message",
		fake: "a message",
		check: func(c *trial) string {
			message, _ := c.refusal().value("message").(string)
			if strings.TrimSpace(message) == "" {
				return "none"
			}
			return "a message"
		},
	},
	{
		name: "answers are application/json, refusals too",
		fake: "application/json, application/json",
		check: func(c *trial) string {
			return c.pair().read.contentType() + ", " + c.refusal().contentType()
		},
	},
	{
		name:  "a wrong key is refused with 401",
		fake:  "401, ErrUnauthorized",
		check: func(c *trial) string { return c.listAs("runloop-go-live-no-key") },
	},
}

// refusal is the answer to a get of an unknown ID.
func (c *trial) refusal() answer {
	if c.fixtures.refusal == nil {
		refusal := c.get(c.missing())
		if c.err != nil {
			return answer{}
		}
		c.fixtures.refusal = &refusal
	}
	return *c.fixtures.refusal
}

// listAs says how a list with another key is answered.
func (c *trial) listAs(key string) string {
	_, err := c.client.NetworkPolicies.List(c.ctx, runloop.NetworkPolicyListParams{Limit: 1}, runloop.WithAPIKey(key))
	refusal, ok := errors.AsType[*runloop.APIError](err)
	switch {
	case err == nil:
		return "200"
	case !ok:
		c.err = err
		return ""
	}
	c.said = string(refusal.Body)
	if errors.Is(err, runloop.ErrUnauthorized) {
		return fmt.Sprintf("%d, ErrUnauthorized", refusal.StatusCode)
	}
	return fmt.Sprint(refusal.StatusCode)
}
