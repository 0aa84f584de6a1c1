package runlooptest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// launchTask is the program under test: it launches a devbox that may connect to the
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
		"launch_parameters": map[string]string{"network_policy_id": policy.ID},
	}, nil)
}

// An orchestrator launches two tasks with the same needs. In a test, create the
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
	// dbx_000001 provisioning npol_000001
	// dbx_000002 provisioning npol_000001
}

// The first devbox fails, the second is stuck in the queue, and the third does not
// get its policy, which only its second response shows.
func ExampleAPI_ScriptDevboxes() {
	server := runlooptest.NewServer(runlooptest.WithPolicies(runloop.NetworkPolicy{ID: "npol_1", Name: "build"}))
	defer server.Close()
	client, err := server.Client()
	if err != nil {
		log.Fatal(err)
	}

	server.ScriptDevboxes(
		runlooptest.DevboxScript{Statuses: []string{"provisioning", "failure"}, FailureReason: "out_of_memory"},
		runlooptest.DevboxScript{Statuses: []string{"queued"}},
		runlooptest.DevboxScript{Echo: new(""), EchoFrom: 2},
	)
	ctx := context.Background()
	for range 3 {
		var devbox struct {
			ID               string `json:"id"`
			Status           string `json:"status"`
			FailureReason    string `json:"failure_reason"`
			LaunchParameters struct {
				NetworkPolicyID string `json:"network_policy_id"`
			} `json:"launch_parameters"`
		}
		err := client.Do(ctx, http.MethodPost, "/v1/devboxes", map[string]any{
			"launch_parameters": map[string]string{"network_policy_id": "npol_1"},
		}, &devbox)
		if err != nil {
			log.Fatal(err)
		}
		if err := client.Do(ctx, http.MethodGet, "/v1/devboxes/"+devbox.ID, nil, &devbox); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %q %q\n", devbox.Status, devbox.FailureReason, devbox.LaunchParameters.NetworkPolicyID)
	}
	fmt.Println(len(server.Running()), "of", len(server.Devboxes()), "still run")
	// Output:
	// failure "out_of_memory" "npol_1"
	// queued "" "npol_1"
	// running "" ""
	// 2 of 3 still run
}

// Another program deletes the policy while a get of it is under way.
func ExampleBefore() {
	server := runlooptest.NewServer(runlooptest.WithPolicies(runloop.NetworkPolicy{ID: "npol_1", Name: "build"}))
	defer server.Close()
	client, err := server.Client()
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	server.Inject(runlooptest.GetNetworkPolicy, runlooptest.Before(func() {
		if _, err := client.NetworkPolicies.Delete(ctx, "npol_1"); err != nil {
			log.Print(err)
		}
	}))
	_, err = client.NetworkPolicies.Get(ctx, "npol_1")
	fmt.Println(errors.Is(err, runloop.ErrNotFound))
	// Output: true
}

// The response to a create is lost after the policy was created. The client finds
// out, and creates no second one.
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
