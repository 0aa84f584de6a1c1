package runloop_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// runTask launches a devbox that may connect to two hosts only, and shuts it down.
func runTask(ctx context.Context) (err error) { // named, so that the deferred call can set it
	client, err := runloop.NewClient() // reads RUNLOOP_API_KEY
	if err != nil {
		return err
	}

	rules := runloop.EgressRules{AllowedHostnames: []string{"github.com", "*.npmjs.org"}}
	devbox, err := client.Devboxes.Launch(ctx, runloop.DevboxCreateParams{
		Name:          "task-17",
		NetworkPolicy: &runloop.NetworkPolicyCreateParams{Name: "task-" + rules.Fingerprint(), Egress: rules},
	})
	if err != nil {
		return err
	}
	defer func() {
		_, shutdownErr := client.Devboxes.Shutdown(context.WithoutCancel(ctx), devbox.ID)
		err = errors.Join(err, shutdownErr)
	}()

	fmt.Println(devbox, "uses", devbox.NetworkPolicyID)
	return nil
}

// Tasks with the same rules share a policy, across goroutines and programs.
func Example() {
	api := runlooptest.NewServer() // a fake API
	defer api.Close()
	os.Setenv("RUNLOOP_BASE_URL", api.URL)
	defer os.Unsetenv("RUNLOOP_BASE_URL")
	os.Setenv("RUNLOOP_API_KEY", "any-key")
	defer os.Unsetenv("RUNLOOP_API_KEY")

	for range 2 {
		if err := runTask(context.Background()); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(len(api.Running()), "devboxes are left")
	// Output:
	// dbx_000001 (running) uses npol_000001
	// dbx_000002 (running) uses npol_000001
	// 0 devboxes are left
}
