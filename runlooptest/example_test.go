package runlooptest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/jarcoal/httpmock"
	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// start starts a server with a policy, and returns a client of it. In a test, use
// NewTestServer, which closes the server by itself.
func start() (*runlooptest.Server, *runloop.Client) {
	server := runlooptest.NewServer(runlooptest.WithPolicies(runloop.NetworkPolicy{ID: "npol_1", Name: "build"}))
	client, err := server.Client()
	if err != nil {
		log.Fatal(err)
	}
	return server, client
}

// An orchestrator launches two tasks that may connect to the same hosts.
func Example() {
	ctx := context.Background()
	server, client := start()
	defer server.Close()

	rules := runloop.EgressRules{AllowedHostnames: []string{"github.com", "*.npmjs.org"}}
	for range 2 {
		_, err := client.Devboxes.Launch(ctx, runloop.DevboxCreateParams{
			NetworkPolicy: &runloop.NetworkPolicyCreateParams{Name: "task-" + rules.Fingerprint(), Egress: rules},
		})
		if err != nil {
			log.Fatal(err)
		}
	}

	for _, policy := range server.Policies() {
		fmt.Println(policy.ID, policy.Egress.AllowedHostnames)
	}
	for _, devbox := range server.Devboxes() {
		fmt.Println(devbox.ID, devbox.Status, devbox.NetworkPolicyID)
	}
	// Output:
	// npol_1 []
	// npol_000001 [github.com *.npmjs.org]
	// dbx_000001 running npol_000001
	// dbx_000002 running npol_000001
}

// The first devbox runs out of memory, and the second gets another policy.
func ExampleAPI_ScriptDevboxes() {
	ctx := context.Background()
	server, client := start()
	defer server.Close()

	server.ScriptDevboxes(
		runlooptest.DevboxScript{Statuses: []string{"provisioning", "failure"}, FailureReason: "out_of_memory"},
		runlooptest.DevboxScript{Echo: new("npol_other")},
	)
	for range 2 {
		_, err := client.Devboxes.Launch(ctx, runloop.DevboxCreateParams{NetworkPolicyID: "npol_1"})
		fmt.Println(errors.Is(err, runloop.ErrDevboxFailed), errors.Is(err, runloop.ErrPolicyNotAttached))
	}
	fmt.Println(len(server.Running()), "of", len(server.Devboxes()), "devboxes are running")
	// Output:
	// true false
	// false true
	// 0 of 2 devboxes are running
}

// Another program deletes the policy while a get of it is in progress.
func ExampleBefore() {
	ctx := context.Background()
	server, client := start()
	defer server.Close()

	server.Inject(runlooptest.GetNetworkPolicy, runlooptest.Before(func() {
		if _, err := client.NetworkPolicies.Delete(ctx, "npol_1"); err != nil {
			log.Print(err)
		}
	}))
	_, err := client.NetworkPolicies.Get(ctx, "npol_1")
	fmt.Println(errors.Is(err, runloop.ErrNotFound))
	// Output: true
}

// The response to a create is lost. The client finds out that the policy was created.
func ExampleAPI_Inject() {
	ctx := context.Background()
	server, client := start()
	defer server.Close()

	server.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Disconnect().AfterCommit())
	policy, err := client.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: "test"})
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(policy.ID, len(server.Policies()), len(server.Unfired()))
	// Output: npol_000001 2 0
}

// A program clears the host names of a policy.
func ExampleAPI_Requests() {
	ctx := context.Background()
	server, client := start()
	defer server.Close()

	_, err := client.NetworkPolicies.Update(ctx, "npol_1", runloop.NetworkPolicyUpdateParams{AllowedHostnames: &[]string{}})
	if err != nil {
		log.Fatal(err)
	}

	for _, r := range server.Requests(runlooptest.UpdateNetworkPolicy) {
		fmt.Println(r.Method, r.Path, string(r.Body), r.Status)
	}
	// Output: POST /v1/network-policies/npol_1 {"allowed_hostnames":[]} 200
}

// A mock serves one path of the API, and the fake serves the others.
func ExampleServer_HTTPClient() {
	ctx := context.Background()
	server, _ := start()
	defer server.Close()

	mock := httpmock.NewMockTransport()
	mock.RegisterResponder("GET", server.URL+"/v1/blueprints", httpmock.NewStringResponder(200, `{"blueprints": []}`))
	mock.RegisterNoResponder(server.HTTPClient().Transport.RoundTrip)
	client, err := server.Client(runloop.WithHTTPClient(&http.Client{Transport: mock}))
	if err != nil {
		log.Fatal(err)
	}

	_, err = client.NetworkPolicies.Get(ctx, "npol_1")
	fmt.Println(err, client.Do(ctx, "GET", "/v1/blueprints", nil, nil), len(server.Requests()))
	// Output: <nil> <nil> 1
}
