package runloop_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	runloop "github.com/runloop-community/runloop-go"
)

func ExampleDevboxesService_Launch() {
	ctx := context.Background()
	client, stop := fakeClient() // instead of runloop.NewClient()
	defer stop()

	rules := runloop.EgressRules{AllowedHostnames: []string{"github.com"}}
	devbox, err := client.Devboxes.Launch(ctx, runloop.DevboxCreateParams{
		Name:             "task-17",
		NetworkPolicy:    &runloop.NetworkPolicyCreateParams{Name: "task-" + rules.Fingerprint(), Egress: rules},
		LaunchParameters: runloop.DevboxLaunchParameters{KeepAlive: 20 * time.Minute},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Devboxes.Shutdown(context.WithoutCancel(ctx), devbox.ID)

	fmt.Println(devbox.Name, "is", devbox.Status, "and uses", devbox.NetworkPolicyID)
	// Output: task-17 is running and uses npol_000001
}

func ExampleDevboxesService_Create() {
	ctx := context.Background()
	client, stop := fakeClient(runloop.NetworkPolicy{ID: "npol_1", Name: "build"})
	defer stop()

	// A program that crashes and repeats the call with the same key gets the same devbox.
	params := runloop.DevboxCreateParams{Name: "task-17", NetworkPolicyID: "npol_1"}
	for range 2 {
		devbox, err := client.Devboxes.Create(ctx, params, runloop.WithIdempotencyKey("task-17-attempt-1"))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(devbox.ID, devbox.NetworkPolicyID, devbox.Metadata[runloop.MetadataRequestID])
	}
	// Output:
	// dbx_000001 npol_1 task-17-attempt-1
	// dbx_000001 npol_1 task-17-attempt-1
}

func ExampleDevboxesService_AwaitRunning() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	client, stop := fakeClient(runloop.NetworkPolicy{ID: "npol_1", Name: "build"})
	defer stop()

	created, err := client.Devboxes.Create(ctx, runloop.DevboxCreateParams{NetworkPolicyID: "npol_1"})
	if err != nil {
		log.Fatal(err)
	}
	running, err := client.Devboxes.AwaitRunning(ctx, created.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(created)
	fmt.Println(running)
	// Output:
	// dbx_000001 (provisioning)
	// dbx_000001 (running)
}

func ExampleDevboxesService_Get() {
	ctx := context.Background()
	client, stop := fakeClient(runloop.NetworkPolicy{ID: "npol_1", Name: "build"})
	defer stop()
	created, err := client.Devboxes.Create(ctx, runloop.DevboxCreateParams{NetworkPolicyID: "npol_1"})
	if err != nil {
		log.Fatal(err)
	}

	devbox, err := client.Devboxes.Get(ctx, created.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(devbox.Status, devbox.NetworkPolicyID)

	_, err = client.Devboxes.Get(ctx, "dbx_unknown")
	fmt.Println(errors.Is(err, runloop.ErrNotFound))
	// Output:
	// running npol_1
	// true
}

func ExampleDevboxesService_List() {
	ctx := context.Background()
	client, stop := fakeClient(runloop.NetworkPolicy{ID: "npol_1", Name: "build"})
	defer stop()
	for range 3 {
		if _, err := client.Devboxes.Launch(ctx, runloop.DevboxCreateParams{NetworkPolicyID: "npol_1"}); err != nil {
			log.Fatal(err)
		}
	}

	page, err := client.Devboxes.List(ctx, runloop.DevboxListParams{Limit: 2, IncludeTotalCount: new(true)})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(page.Devboxes), "of", *page.TotalCount, "and more after", page.NextCursor())
	// Output: 2 of 3 and more after dbx_000002
}

// After an error of a launch, it may be unknown whether a devbox was created. Its request
// ID finds it later.
func ExampleDevboxesService_All() {
	ctx := context.Background()
	client, stop := fakeClient(runloop.NetworkPolicy{ID: "npol_1", Name: "build"})
	defer stop()
	created, err := client.Devboxes.Create(ctx, runloop.DevboxCreateParams{NetworkPolicyID: "npol_1"})
	if err != nil {
		log.Fatal(err)
	}
	requestID := created.Metadata[runloop.MetadataRequestID]

	for devbox, err := range client.Devboxes.All(ctx, runloop.DevboxListParams{}) {
		if err != nil {
			log.Fatal(err)
		}
		if devbox.Metadata[runloop.MetadataRequestID] == requestID {
			fmt.Println("found", devbox)
		}
	}
	// Output: found dbx_000001 (running)
}

func ExampleDevboxesService_Shutdown() {
	ctx := context.Background()
	client, stop := fakeClient(runloop.NetworkPolicy{ID: "npol_1", Name: "build"})
	defer stop()
	devbox, err := client.Devboxes.Launch(ctx, runloop.DevboxCreateParams{NetworkPolicyID: "npol_1"})
	if err != nil {
		log.Fatal(err)
	}

	for range 2 { // repeating it is safe
		ended, err := client.Devboxes.Shutdown(ctx, devbox.ID)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(ended.Status, ended.ShutdownReason)
	}
	// Output:
	// shutdown api_shutdown
	// shutdown api_shutdown
}

func ExampleDevboxError() {
	ctx := context.Background()
	client, stop := fakeClient(runloop.NetworkPolicy{ID: "npol_1", Name: "build"})
	defer stop()
	devbox, err := client.Devboxes.Create(ctx, runloop.DevboxCreateParams{NetworkPolicyID: "npol_1"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.Devboxes.Shutdown(ctx, devbox.ID); err != nil {
		log.Fatal(err)
	}

	_, err = client.Devboxes.AwaitRunning(ctx, devbox.ID)
	fmt.Println(errors.Is(err, runloop.ErrDevboxFailed))
	if e, ok := errors.AsType[*runloop.DevboxError](err); ok && !e.ShutDown {
		fmt.Println("a devbox may be left:", e.Devbox, e.RequestID) // Devbox can be nil
	}
	fmt.Println(err)
	// Output:
	// true
	// runloop: await running devbox: the devbox was shut down: api_shutdown (devbox dbx_000001 is shut down)
}
