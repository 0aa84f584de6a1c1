package runloop_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	runloop "github.com/runloop-community/runloop-go"
)

func managePolicies(ctx context.Context, client *runloop.Client) error {
	policy, err := client.NetworkPolicies.Create(ctx, runloop.NetworkPolicyCreateParams{
		Name:   "build",
		Egress: runloop.EgressRules{AllowedHostnames: []string{"github.com", "*.npmjs.org"}},
	})
	if err != nil {
		return err
	}

	for policy, err := range client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{Name: "build"}) {
		if err != nil {
			return err
		}
		fmt.Println(policy.Name, policy.Egress)
	}

	policy, err = client.NetworkPolicies.Update(ctx, policy.ID, runloop.NetworkPolicyUpdateParams{
		AllowedHostnames: &[]string{}, // clear the list: sent as [], never omitted
		AllowMCPGateway:  new(true),   // nil fields are not changed
	})
	if err != nil {
		return err
	}

	_, err = client.NetworkPolicies.Delete(ctx, policy.ID)
	if errors.Is(err, runloop.ErrPolicyInUse) {
		fmt.Println("shut down its devboxes first")
	}
	return err
}

// The life cycle of a policy, from Create to Delete.
func Example_policies() {
	client, stop := fakeClient() // in place of runloop.NewClient()
	defer stop()

	if err := managePolicies(context.Background(), client); err != nil {
		log.Fatal(err)
	}
	// Output: build 2 hosts
}
