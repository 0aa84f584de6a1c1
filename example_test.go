package runloop_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"time"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// fakeClient takes the place of runloop.NewClient: it returns a client of a fake API that
// has these policies.
func fakeClient(policies ...runloop.NetworkPolicy) (client *runloop.Client, stop func()) {
	server := runlooptest.NewServer(runlooptest.WithPolicies(policies...))
	client, err := server.Client()
	if err != nil {
		log.Fatal(err)
	}
	return client, server.Close
}

func ExampleNewClient() {
	// Unset options are read from the environment: RUNLOOP_API_KEY, RUNLOOP_BASE_URL.
	client, err := runloop.NewClient(
		runloop.WithAPIKey("my-key"),
		runloop.WithUserAgent("my-orchestrator/1.2"),
		runloop.WithAttemptTimeout(10*time.Second), // one attempt
		runloop.WithMaxRetries(5),
	)
	fmt.Println(client, err) // the key is not shown

	_, err = runloop.NewClient(runloop.WithAPIKey("my-key"), runloop.WithBaseURL("api.runloop.ai"))
	fmt.Println(err)
	// Output:
	// runloop.Client <nil>
	// runloop: new client: WithBaseURL: does not start with https://, or http:// for a loopback address: write one like https://api.runloop.ai
}

// An option applies to every call of a client, or to one call.
func ExampleOption() {
	ctx := context.Background()
	server := runlooptest.NewServer(runlooptest.WithPolicies(runloop.NetworkPolicy{ID: "npol_1", Name: "build"}))
	defer server.Close()
	baseURL, id := server.URL, "npol_1"

	client, err := runloop.NewClient(runloop.WithBaseURL(baseURL), runloop.WithAPIKey("my-key"))
	if err != nil {
		log.Fatal(err)
	}

	policy, err := client.NetworkPolicies.Get(ctx, id, runloop.WithMaxRetries(0))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(policy.Name)
	// Output: build
}

func ExampleNetworkPoliciesService_Create() {
	ctx := context.Background()
	client, stop := fakeClient()
	defer stop()

	policy, err := client.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{
		Name:        "build",
		Description: "package registries and the artifact store",
		Egress: runloop.EgressRules{
			AllowedHostnames: []string{"github.com", "*.npmjs.org"},
			AllowedCIDRs: []runloop.AllowedCIDR{
				{CIDR: "10.20.0.0/16", Ports: []runloop.PortRule{{Port: 443, Protocol: runloop.ProtocolTCP}}},
			},
		},
	})
	if errors.Is(err, runloop.ErrNameTaken) {
		log.Fatal("the name is taken: Ensure would return that policy")
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(policy.ID, policy.Name, "allows", policy.Egress)
	// Output: npol_000001 build allows 2 hosts, 1 CIDR
}

func ExampleNetworkPoliciesService_Get() {
	ctx := context.Background()
	client, stop := fakeClient(runloop.NetworkPolicy{ID: "npol_1", Name: "build"})
	defer stop()

	policy, err := client.NetworkPolicies.Get(ctx, "npol_1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(policy.Name, "-", policy.Egress)

	_, err = client.NetworkPolicies.Get(ctx, "npol_2")
	fmt.Println("npol_2 is not found:", errors.Is(err, runloop.ErrNotFound))
	// Output:
	// build - deny all
	// npol_2 is not found: true
}

func ExampleNetworkPoliciesService_List() {
	ctx := context.Background()
	client, stop := fakeClient(runloop.NetworkPolicy{Name: "build"}, runloop.NetworkPolicy{Name: "test"}, runloop.NetworkPolicy{Name: "deploy"})
	defer stop()

	// One page, as a user interface shows it. For all policies, use All.
	params := runloop.NetworkPolicyListParams{Limit: 2}
	page, err := client.NetworkPolicies.List(ctx, params)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(page.NetworkPolicies), "of", *page.TotalCount)

	params.StartingAfter = page.NextCursor()
	page, err = client.NetworkPolicies.List(ctx, params)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(page.NetworkPolicies), "more, then more:", page.HasMore)
	// Output:
	// 2 of 3
	// 1 more, then more: false
}

func ExampleNetworkPoliciesService_All() {
	ctx := context.Background()
	client, stop := fakeClient(
		runloop.NetworkPolicy{Name: "task-1"},
		runloop.NetworkPolicy{Name: "task-2", Egress: runloop.EgressRules{AllowAll: true}},
		runloop.NetworkPolicy{Name: "build"},
	)
	defer stop()

	for policy, err := range client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{Name: "task-"}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(policy.Name, "-", policy.Egress)
	}
	// Unordered output:
	// task-1 - deny all
	// task-2 - allow all
}

func ExampleNetworkPoliciesService_Update() {
	ctx := context.Background()
	client, stop := fakeClient(runloop.NetworkPolicy{ID: "npol_1", Name: "build", Egress: runloop.EgressRules{
		AllowedHostnames: []string{"github.com"},
	}})
	defer stop()

	// Nil fields are not changed. A list replaces the whole list.
	policy, err := client.NetworkPolicies.Update(ctx, "npol_1", runloop.NetworkPolicyUpdateParams{
		AllowedHostnames: &[]string{},
		AllowMCPGateway:  new(true),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(policy.Name, "allows", policy.Egress)
	// Output: build allows MCP gateway
}

func ExampleNetworkPoliciesService_Delete() {
	ctx := context.Background()
	client, stop := fakeClient(runloop.NetworkPolicy{ID: "npol_1", Name: "build"})
	defer stop()

	policy, err := client.NetworkPolicies.Delete(ctx, "npol_1")
	switch {
	case errors.Is(err, runloop.ErrPolicyInUse):
		fmt.Println("still in use: shut down the devboxes first")
	case errors.Is(err, runloop.ErrNotFound):
		fmt.Println("already deleted")
	case err != nil:
		log.Fatal(err)
	default:
		fmt.Println("deleted", policy.Name)
	}
	// Output: deleted build
}

func ExampleNetworkPoliciesService_GetByName() {
	ctx := context.Background()
	client, stop := fakeClient(runloop.NetworkPolicy{Name: "build"}, runloop.NetworkPolicy{Name: "build-2"})
	defer stop()

	policy, err := client.NetworkPolicies.GetByName(ctx, "build")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("found", policy.Name)

	_, err = client.NetworkPolicies.GetByName(ctx, "buil")
	fmt.Println(err)
	// Output:
	// found build
	// runloop: get network policy by name: no policy is named "buil": not found
}

func ExampleNetworkPoliciesService_Ensure() {
	ctx := context.Background()
	client, stop := fakeClient()
	defer stop()

	params := runloop.NetworkPolicyCreateParams{
		Name:   "no-network",
		Egress: runloop.EgressRules{}, // deny all
	}
	for range 2 { // in any number of programs, concurrently
		policy, err := client.NetworkPolicies.Ensure(ctx, params)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(policy.ID)
	}

	params.Egress.AllowMCPGateway = true
	_, err := client.NetworkPolicies.Ensure(ctx, params)
	fmt.Println("differs:", errors.Is(err, runloop.ErrDrift))
	// Output:
	// npol_000001
	// npol_000001
	// differs: true
}

func ExampleNetworkPoliciesService_Apply() {
	ctx := context.Background()
	client, stop := fakeClient(runloop.NetworkPolicy{Name: "build", Egress: runloop.EgressRules{AllowAll: true}})
	defer stop()

	// The program is the source of truth: Apply reverts changes made by hand.
	policy, err := client.NetworkPolicies.Apply(ctx, runloop.NetworkPolicyCreateParams{
		Name:   "build",
		Egress: runloop.EgressRules{AllowedHostnames: []string{"github.com"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(policy.Name, "allows", policy.Egress)
	// Output: build allows 1 host
}

func ExampleNetworkPoliciesService_Plan() {
	ctx := context.Background()
	client, stop := fakeClient(runloop.NetworkPolicy{Name: "build", Description: "old", Egress: runloop.EgressRules{
		AllowedHostnames: []string{"github.com", "evil.example"},
	}})
	defer stop()

	// What Apply would do, for review.
	plan, err := client.NetworkPolicies.Plan(ctx, runloop.NetworkPolicyCreateParams{
		Name:   "build",
		Egress: runloop.EgressRules{AllowedHostnames: []string{"github.com", "*.npmjs.org"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(plan.Action, plan.Policy.Name)
	for _, line := range plan.Diff {
		fmt.Println(line)
	}
	// Output:
	// update build
	// - host evil.example
	// + host *.npmjs.org
	// - description "old"
}

func ExampleNetworkPoliciesService_Prune() {
	ctx := context.Background()
	yesterday := time.Now().Add(-24 * time.Hour)
	client, stop := fakeClient(
		runloop.NetworkPolicy{Name: "task-1", CreateTime: yesterday},
		runloop.NetworkPolicy{Name: "task-2"}, // a moment ago
		runloop.NetworkPolicy{Name: "my-task-3", CreateTime: yesterday},
	)
	defer stop()

	deleted, err := client.NetworkPolicies.Prune(ctx, runloop.PruneParams{NamePrefix: "task-", MinAge: time.Hour})
	for _, policy := range deleted { // also together with an error
		fmt.Println("deleted", policy.Name)
	}
	if err != nil {
		log.Fatal(err)
	}
	// Output: deleted task-1
}

func ExampleClient_Do() {
	ctx := context.Background()
	client, stop := fakeClient(runloop.NetworkPolicy{ID: "npol_1", Name: "build"})
	defer stop()

	devbox, err := client.Devboxes.Create(ctx, runloop.DevboxCreateParams{NetworkPolicyID: "npol_1"})
	if err != nil {
		log.Fatal(err)
	}

	// No method forces a shutdown, so use Do.
	var view struct {
		ShutdownReason string `json:"shutdown_reason"`
	}
	path := "/v1/devboxes/" + url.PathEscape(devbox.ID) + "/shutdown?force=true"
	if err := client.Do(ctx, http.MethodPost, path, nil, &view); err != nil {
		log.Fatal(err)
	}
	fmt.Println(view.ShutdownReason)
	// Output: api_shutdown
}
