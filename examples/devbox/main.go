// Command devbox launches a devbox under a network policy: it makes sure of the
// policy, launches, checks that the devbox has the policy before it would run
// anything, shuts it down, and deletes the policy.
//
// With RUNLOOP_API_KEY set, it does so with the real API, and else with a fake.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/examples/internal/connect"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	client, disconnect, err := connect.Client(out)
	if err != nil {
		return err
	}
	defer disconnect()
	name := "devbox-example-" + strings.ToLower(rand.Text()[:8])
	return launchUnderPolicy(ctx, client, name, out)
}

func launchUnderPolicy(ctx context.Context, client *runloop.Client, name string, out io.Writer) (err error) {
	policy, err := client.NetworkPolicies.Ensure(ctx, runloop.NetworkPolicyCreateParams{
		Name:   name,
		Egress: runloop.EgressRules{AllowedHostnames: []string{"github.com", "*.npmjs.org"}},
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "policy %s allows %s\n", policy.ID, policy.Egress)
	defer func() { err = errors.Join(err, deletePolicy(ctx, client, policy.ID, out)) }()

	box, err := launch(ctx, client, name, policy.ID)
	if box.ID != "" {
		defer func() { err = errors.Join(err, shutDown(ctx, client, box.ID, out)) }()
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "devbox %s is %s and has policy %s\n", box.ID, box.Status, box.LaunchParameters.NetworkPolicyID)

	// Here the devbox would do its work.

	if _, err := client.NetworkPolicies.Delete(ctx, policy.ID); !errors.Is(err, runloop.ErrPolicyInUse) {
		return fmt.Errorf("deleting a policy that a devbox has: got %v, want that it is in use", err)
	}
	fmt.Fprintf(out, "policy %s cannot be deleted yet, the devbox has it\n", policy.ID)
	return nil
}

// A devbox is the part of the API's devbox that this program needs.
type devbox struct {
	ID               string                   `json:"id"`
	Status           string                   `json:"status"`
	LaunchParameters runloop.LaunchParameters `json:"launch_parameters"`
}

// launch returns a devbox that has the policy. With an error, the devbox may be there
// all the same: its ID is set then, and it is to be shut down.
func launch(ctx context.Context, client *runloop.Client, name, policyID string) (devbox, error) {
	var box devbox
	err := client.Do(ctx, "POST", "/v1/devboxes", map[string]any{
		"name":              name,
		"launch_parameters": runloop.LaunchParameters{NetworkPolicyID: policyID},
	}, &box)
	if err != nil {
		return box, err
	}
	// Without a policy, a devbox may connect to anything. So ask what it has.
	id := box.ID
	if err := client.Do(ctx, "GET", "/v1/devboxes/"+url.PathEscape(id), nil, &box); err != nil {
		return box, err
	}
	if box.ID != id || box.LaunchParameters.NetworkPolicyID != policyID {
		return devbox{ID: id}, fmt.Errorf("devbox %s has policy %q instead of %q: not using it",
			id, box.LaunchParameters.NetworkPolicyID, policyID)
	}
	return box, nil
}

func shutDown(ctx context.Context, client *runloop.Client, id string, out io.Writer) error {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	var box devbox
	if err := client.Do(ctx, "POST", "/v1/devboxes/"+url.PathEscape(id)+"/shutdown", nil, &box); err != nil {
		return err
	}
	fmt.Fprintf(out, "devbox %s is %s\n", id, box.Status)
	return nil
}

func deletePolicy(ctx context.Context, client *runloop.Client, id string, out io.Writer) error {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	if _, err := client.NetworkPolicies.Delete(ctx, id); err != nil {
		return err
	}
	fmt.Fprintf(out, "policy %s is deleted\n", id)
	return nil
}

// afterwards returns a context to clean up in, when the program's own may be over.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
}
