// Command consumer stands for a user's program: scripts/check-consumer builds it in a
// separate module, which downloads this one like a release.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

func main() {
	server := runlooptest.NewServer()
	defer server.Close()
	client, err := server.Client()
	if err != nil {
		log.Fatal(err)
	}
	if err := ensure(context.Background(), client); err != nil {
		log.Fatal(err)
	}
}

func ensure(ctx context.Context, client *runloop.Client) error {
	policy, err := client.NetworkPolicies.Ensure(ctx, runloop.NetworkPolicyCreateParams{
		Name:   "consumer",
		Egress: runloop.EgressRules{AllowedHostnames: []string{"github.com"}},
	})
	if err == nil {
		fmt.Println(policy.Name, policy.Egress)
	}
	return err
}
