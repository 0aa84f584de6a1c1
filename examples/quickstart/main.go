// Command quickstart creates, reads, lists, updates and deletes network policies,
// and says what it does.
//
// With RUNLOOP_API_KEY set, it does so with the real API: with policies of its own,
// which it deletes at the end whatever happens. Without a key, it starts a fake API
// and talks to that over a real connection to the loopback address.
package main

import (
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
	return tour(ctx, client, out)
}

// tour makes each call of the API, and leaves nothing behind.
func tour(ctx context.Context, client *runloop.Client, out io.Writer) (err error) {
	prefix := "quickstart-" + strings.ToLower(rand.Text()[:8])
	defer func() { err = errors.Join(err, cleanUp(ctx, client, prefix)) }()
	say := func(call, format string, args ...any) {
		fmt.Fprintf(out, "%-8s%s\n", call, fmt.Sprintf(format, args...))
	}
	show := func(call string, p *runloop.NetworkPolicy) {
		say(call, "%-28s %-24s %s", p.Name, p.Egress, p.ID)
	}
	policies := client.NetworkPolicies

	build := runloop.NetworkPolicyCreateParams{
		Name:        prefix + "-build",
		Description: "package registries only",
		Egress:      runloop.EgressRules{AllowedHostnames: []string{"github.com", "*.npmjs.org"}},
	}
	policy, err := policies.Create(ctx, build)
	if err != nil {
		return err
	}
	show("create", policy)

	offline, err := policies.Create(ctx, runloop.NetworkPolicyCreateParams{Name: prefix + "-offline"})
	if err != nil {
		return err
	}
	show("create", offline)

	if _, err := policies.Create(ctx, build); !errors.Is(err, runloop.ErrNameTaken) {
		return fmt.Errorf("a second policy called %s: got %v, want a taken name", build.Name, err)
	}
	say("create", "%-28s refused, the name is taken", build.Name)

	if policy, err = policies.Get(ctx, policy.ID); err != nil {
		return err
	}
	show("get", policy)

	for policy, err := range policies.All(ctx, runloop.NetworkPolicyListParams{Name: prefix}) {
		if err != nil {
			return err
		}
		show("list", policy)
	}

	policy, err = policies.Update(ctx, policy.ID, runloop.NetworkPolicyUpdateParams{
		AllowedHostnames: &[]string{}, // no host names any more; nil fields stay as they are
		AllowMCPGateway:  new(true),
	})
	if err != nil {
		return err
	}
	show("update", policy)

	for _, p := range []*runloop.NetworkPolicy{policy, offline} {
		if p, err = policies.Delete(ctx, p.ID); err != nil {
			return err
		}
		show("delete", p)
	}
	if _, err := policies.Get(ctx, policy.ID); !errors.Is(err, runloop.ErrNotFound) {
		return fmt.Errorf("the policy that was deleted: got %v, want not found", err)
	}
	say("get", "%-28s not found, as it should be", policy.Name)
	return nil
}

// cleanUp deletes what a tour that failed half-way has left, even one that was
// interrupted. It goes by the names: a create that failed may have been carried out.
func cleanUp(ctx context.Context, client *runloop.Client, prefix string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var errs []error
	for policy, err := range client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{Name: prefix}) {
		if err == nil {
			_, err = client.NetworkPolicies.Delete(ctx, policy.ID)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("cleaning up %s*: %w", prefix, err))
		}
	}
	return errors.Join(errs...)
}
