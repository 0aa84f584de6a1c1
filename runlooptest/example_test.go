package runlooptest_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// launchTask is the program under test: it launches a devbox that reaches the
// hosts and nothing else.
func launchTask(ctx context.Context, client *runloop.Client, hosts ...string) error {
	rules := runloop.EgressRules{AllowedHostnames: hosts}
	policy, err := client.NetworkPolicies.Ensure(ctx, runloop.NetworkPolicyCreateParams{
		Name:   "task-" + rules.Fingerprint(),
		Egress: rules,
	})
	if err != nil {
		return err
	}
	return client.Do(ctx, http.MethodPost, "/v1/devboxes", map[string]any{
		"launch_parameters": runloop.LaunchParameters{NetworkPolicyID: policy.ID},
	}, nil)
}

// An orchestrator launches two tasks with the same needs. In a test, make the
// server with NewTestServer instead.
func Example() {
	server := runlooptest.NewServer()
	defer server.Close()
	client, err := server.Client()
	if err != nil {
		log.Fatal(err)
	}

	for range 2 {
		if err := launchTask(context.Background(), client, "github.com", "*.npmjs.org"); err != nil {
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
	// npol_000001 [github.com *.npmjs.org]
	// dbx_000001 running npol_000001
	// dbx_000002 running npol_000001
}

// The answer of a create gets lost after the policy was made. The client finds
// out, and makes no second one.
func ExampleAPI_Inject() {
	server := runlooptest.NewServer()
	defer server.Close()
	client, err := server.Client()
	if err != nil {
		log.Fatal(err)
	}

	server.Inject(runlooptest.CreateNetworkPolicy, runlooptest.Disconnect().AfterCommit())
	policy, err := client.NetworkPolicies.Create(context.Background(), runloop.NetworkPolicyCreateParams{Name: "build"})
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(policy.ID, "of", len(server.Policies()))
	fmt.Println("unfired faults:", len(server.Unfired()))
	// Output:
	// npol_000001 of 1
	// unfired faults: 0
}

// What a program sent, operation by operation.
func ExampleAPI_Requests() {
	server := runlooptest.NewServer(runlooptest.WithPolicies(
		runloop.NetworkPolicy{Name: "build"},
		runloop.NetworkPolicy{Name: "build-arm"},
	))
	defer server.Close()
	client, err := server.Client()
	if err != nil {
		log.Fatal(err)
	}

	_, err = client.NetworkPolicies.Update(context.Background(), "npol_000002", runloop.NetworkPolicyUpdateParams{
		AllowedHostnames: &[]string{},
	})
	if err != nil {
		log.Fatal(err)
	}

	for _, r := range server.Requests(runlooptest.UpdateNetworkPolicy) {
		fmt.Println(r.Method, r.Path, string(r.Body), r.Status)
	}
	// Output:
	// POST /v1/network-policies/npol_000002 {"allowed_hostnames":[]} 200
}

// Without an SDK: the fake is an http.Handler like any other.
func ExampleNew() {
	api := runlooptest.New(runlooptest.WithAPIKey("the-key"), runlooptest.WithPolicyLimit(100))
	server := &http.Server{Addr: "127.0.0.1:8787", Handler: api}
	fmt.Println(server.Addr)
	// Output: 127.0.0.1:8787
}
