package engine_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
	"github.com/runloop-community/runloop-go/internal/wiretest"
)

const (
	notFoundJSON = `{"message":"network policy not found"}`
	takenJSON    = `{"message":"a network policy with this name already exists"}`
	// policyOfNowJSON is a policy created in a bubble, whose clock starts with the year 2000.
	policyOfNowJSON = `{"id":"npol_1","name":"build","egress":{"allowed_hostnames":[]},"create_time_ms":946684800000,"update_time_ms":946684800000}`
	pageOfNowJSON   = `{"network_policies":[` + policyOfNowJSON + `],"has_more":false}`
)

// Requests of all kinds.
var (
	// postCall is a write that could take effect twice.
	postCall = clienttest.PolicyCall{Name: "Do(POST)", Op: "POST /v1/devboxes", Method: "POST", Do: doPost}
	// putCall is a write that is idempotent and is not looked up.
	putCall = clienttest.PolicyCall{Name: "Do(PUT)", Op: "PUT " + clienttest.PolicyPath, Method: "PUT", Path: clienttest.PolicyPath, Success: clienttest.PolicyJSON,
		Do: func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			return nil, clienttest.UpdatePolicy(ctx, c, opts...)
		}}
	// createCall creates a policy that policyOfNowJSON may be.
	createCall = clienttest.PolicyCall{Name: "create", Op: "create network policy", Method: "POST", Path: clienttest.PoliciesPath,
		Do: func(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
			return c.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: "build"}, opts...)
		}}
)

func doPost(ctx context.Context, c *runloop.Client, opts ...runloop.Option) (any, error) {
	return nil, c.Do(ctx, http.MethodPost, "/v1/devboxes", map[string]int{"a": 1}, nil, opts...)
}

// newServer returns a server with a script, and a client that is connected to it.
func newServer(t testing.TB, script ...wiretest.Step) (*wiretest.Server, *runloop.Client) {
	t.Helper()
	server := wiretest.NewServer(t, script...)
	return server, clienttest.NewWireClient(t, server)
}

// policyOK is the response to a policy call, other than a list, that succeeds.
var policyOK = wiretest.Reply(200, clienttest.PolicyJSON)

// busy is a response that is retried.
func busy(status int, headers ...string) wiretest.Step {
	return wiretest.Reply(status, clienttest.BusyJSON, headers...)
}

// An outcome is what the caller and the server see of a call.
type outcome struct {
	status    int // of an *APIError, 200 for a success, 0 for a *TransportError
	attempts  int // of an error
	maybe     bool
	sentinels string
	requests  int
}

func outcomeOf(server *wiretest.Server, err error) outcome {
	o := outcome{status: 200, maybe: clienttest.MaybeApplied(err), sentinels: strings.Join(clienttest.Sentinels(err), " "), requests: len(server.Requests())}
	if e, ok := errors.AsType[*runloop.APIError](err); ok {
		o.status, o.attempts = e.StatusCode, e.Attempts
	} else if e, ok := errors.AsType[*runloop.TransportError](err); ok {
		o.status, o.attempts = 0, e.Attempts
	} else if err != nil {
		panic(err)
	}
	return o
}
