// Command quickstart creates network policies, launches a devbox under one of them, and
// deletes everything again.
//
// Without RUNLOOP_API_KEY, it starts a fake of the API and uses that. With a key, it uses
// the API, and the devbox costs what a few minutes cost.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second interrupt ends the program without a clean-up
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	if os.Getenv("RUNLOOP_API_KEY") == "" {
		server := runlooptest.NewServer()
		defer server.Close()
		client, err := server.Client()
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "RUNLOOP_API_KEY is not set: using a fake of the API at %s\n\n", server.URL)
		return tour(ctx, client, out)
	}
	client, err := runloop.NewClient() // reads RUNLOOP_API_KEY and RUNLOOP_BASE_URL
	if err != nil {
		return err
	}
	host := cmp.Or(strings.TrimSpace(os.Getenv("RUNLOOP_BASE_URL")), "https://api.runloop.ai")
	fmt.Fprintf(out, "RUNLOOP_API_KEY is set: using %s\n\n", host)
	return tour(ctx, client, out)
}

// tour shows the main calls. It leaves nothing behind, also after an error or interrupt.
func tour(ctx context.Context, client *runloop.Client, out io.Writer) (err error) {
	prefix := "quickstart-" + strings.ToLower(rand.Text()[:8])
	show := func(step, name, result string) { fmt.Fprintf(out, "%-11s%-30s%s\n", step, name, result) }
	defer func() {
		if !errors.Is(err, runloop.ErrUnauthorized) { // with a wrong key, nothing was created
			err = errors.Join(err, cleanUp(ctx, client, prefix, show))
		}
	}()
	policies := client.NetworkPolicies

	offline, err := policies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: prefix + "-offline"})
	if err != nil {
		return err
	}
	show("create", offline.Name, offline.Egress.String()) // the zero rules allow nothing

	params := runloop.NetworkPolicyCreateParams{
		Name:        prefix + "-build",
		Description: "package registries only",
		Egress:      runloop.EgressRules{AllowedHostnames: []string{"github.com", "*.npmjs.org"}},
	}
	build, err := policies.Create(ctx, params)
	if err != nil {
		return err
	}
	show("create", build.Name, strings.Join(build.Egress.Rules(), ", "))

	if _, err := policies.Create(ctx, params); !errors.Is(err, runloop.ErrNameTaken) {
		return cmp.Or(err, errors.New("two policies have the same name"))
	}
	show("create", build.Name, "refused: the name is taken")

	build, err = policies.Update(ctx, build.ID, runloop.NetworkPolicyUpdateParams{
		AllowedHostnames: &[]string{"github.com"}, // replaces the list; nil fields are not changed
		AllowMCPGateway:  new(true),
	})
	if err != nil {
		return err
	}
	show("update", build.Name, strings.Join(build.Egress.Rules(), ", "))

	for policy, err := range policies.All(ctx, runloop.NetworkPolicyListParams{Name: prefix}) {
		if err != nil {
			return err
		}
		show("list", policy.Name, policy.ID)
	}

	show("launch", prefix+"-devbox", "waiting; a devbox takes up to three minutes")
	devbox, err := client.Devboxes.Launch(ctx, runloop.DevboxCreateParams{
		Name:             prefix + "-devbox",
		NetworkPolicyID:  build.ID,
		LaunchParameters: runloop.DevboxLaunchParameters{KeepAlive: 10 * time.Minute}, // ends what a killed program leaves
	})
	if err != nil {
		return err
	}
	show("launch", devbox.Name, fmt.Sprintf("%s is %s and uses %s", devbox.ID, devbox.Status, devbox.NetworkPolicyID))

	if _, err := policies.Delete(ctx, build.ID); !errors.Is(err, runloop.ErrPolicyInUse) {
		return cmp.Or(err, errors.New("a policy was deleted while a devbox uses it"))
	}
	show("delete", build.Name, "refused: a devbox uses the policy")
	return nil // the rest is the clean-up
}

// cleanUp deletes everything with the prefix, also after an interrupt.
func cleanUp(ctx context.Context, client *runloop.Client, prefix string, show func(step, name, result string)) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	err := deleteAll(ctx, client, prefix, show)
	for try := 1; err != nil && try < 5; try++ {
		time.Sleep(time.Second) // the API may take a moment to notice that a policy is not in use
		err = deleteAll(ctx, client, prefix, show)
	}
	if err != nil {
		return fmt.Errorf("clean up %s*: %w", prefix, err)
	}
	return nil
}

// deleteAll goes by names, because a call that failed may have been applied.
func deleteAll(ctx context.Context, client *runloop.Client, prefix string, show func(step, name, result string)) error {
	for _, status := range []runloop.DevboxStatus{
		runloop.DevboxQueued, runloop.DevboxProvisioning, runloop.DevboxInitializing, runloop.DevboxRunning,
	} {
		for devbox, err := range client.Devboxes.All(ctx, runloop.DevboxListParams{Status: status}) {
			if err == nil && devbox.Name == prefix+"-devbox" {
				if devbox, err = client.Devboxes.Shutdown(ctx, devbox.ID); err == nil {
					show("shut down", prefix+"-devbox", devbox.ID)
				}
			}
			if err != nil {
				return err
			}
		}
	}
	deleted, err := client.NetworkPolicies.Prune(ctx, runloop.PruneParams{NamePrefix: prefix})
	for _, policy := range deleted {
		show("delete", policy.Name, policy.ID)
	}
	if err != nil {
		return err
	}
	for policy, err := range client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{Name: prefix}) {
		if err != nil {
			return err
		}
		return fmt.Errorf("%s is still in use", policy.Name)
	}
	return nil
}
