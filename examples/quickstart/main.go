// Command quickstart creates network policies, launches a devbox that uses one of them,
// and deletes everything again.
//
// Without RUNLOOP_API_KEY, it uses a fake API that it starts itself. With a key, it uses
// the API of RUNLOOP_BASE_URL, by default Runloop's, where the devbox costs money for a
// few minutes.
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
	context.AfterFunc(ctx, stop) // a second interrupt ends the program immediately
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
		fmt.Fprintf(out, "RUNLOOP_API_KEY is not set: using a fake API at %s\n\n", server.URL)
		return tour(ctx, client, out)
	}
	client, err := runloop.NewClient() // reads RUNLOOP_API_KEY and RUNLOOP_BASE_URL
	if err != nil {
		return err
	}
	baseURL := cmp.Or(strings.TrimSpace(os.Getenv("RUNLOOP_BASE_URL")), "https://api.runloop.ai")
	fmt.Fprintf(out, "RUNLOOP_API_KEY is set: using the API at %s\n\n", baseURL)
	return tour(ctx, client, out)
}

// tour shows the main calls. It leaves nothing behind, even after an error or an interrupt.
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
	show("create", offline.Name, offline.Egress.String()) // the zero value allows nothing

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

	name := prefix + "-devbox"
	show("launch", name, "waiting, for up to a few minutes")
	devbox, err := client.Devboxes.Launch(ctx, runloop.DevboxCreateParams{
		Name:            name,
		NetworkPolicyID: build.ID,
		// If this program is killed, the API shuts the devbox down after this time.
		LaunchParameters: runloop.DevboxLaunchParameters{KeepAlive: 10 * time.Minute},
	})
	if err != nil {
		return err
	}
	show("launch", name, fmt.Sprintf("%s is %s and uses %s", devbox.ID, devbox.Status, devbox.NetworkPolicyID))

	if _, err := policies.Delete(ctx, build.ID); !errors.Is(err, runloop.ErrPolicyInUse) {
		return cmp.Or(err, errors.New("a policy was deleted although a devbox uses it"))
	}
	show("delete", build.Name, "refused: a devbox uses the policy")
	return nil
}

// cleanUp removes everything with the prefix, even after an interrupt. It tries again,
// because a policy may remain in use for a moment after its devbox was shut down.
func cleanUp(ctx context.Context, client *runloop.Client, prefix string, show func(step, name, result string)) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	err := removeAll(ctx, client, prefix, show)
	for try := 1; err != nil && try < 5; try++ {
		time.Sleep(time.Second)
		err = removeAll(ctx, client, prefix, show)
	}
	if err != nil {
		return fmt.Errorf("clean up %s*: %w", prefix, err)
	}
	return nil
}

// removeAll goes by names, because a call that failed may have been applied.
func removeAll(ctx context.Context, client *runloop.Client, prefix string, show func(step, name, result string)) error {
	for devbox, err := range client.Devboxes.All(ctx, runloop.DevboxListParams{}) {
		if err != nil {
			return err
		}
		hasEnded := devbox.Status == runloop.DevboxShutdown || devbox.Status == runloop.DevboxFailure
		if !strings.HasPrefix(devbox.Name, prefix) || hasEnded {
			continue
		}
		if _, err := client.Devboxes.Shutdown(ctx, devbox.ID); err != nil {
			return err
		}
		show("shut down", devbox.Name, devbox.ID)
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
		return fmt.Errorf("policy %s is still in use", policy.Name)
	}
	return nil
}
