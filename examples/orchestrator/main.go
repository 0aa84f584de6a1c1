// Command orchestrator runs 200 tasks at once, each under a network policy with the
// rules that it needs. The policies are named after their rules, so that the tasks,
// and all other programs that do the same, share one for each distinct set of rules:
// an account may have 100.
//
// With RUNLOOP_API_KEY set, it uses the real API, and else a fake with that limit.
// It launches no devboxes. The policies stay, for the
// next run; with -clean, it deletes them at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/examples/internal/connect"
	"github.com/runloop-community/runloop-go/runlooptest"
)

const namePrefix = "orchestrator-example-"

func main() {
	clean := flag.Bool("clean", false, "delete the policies at the end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, isTerminal(os.Stdout), *clean); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, terminal, clean bool) error {
	client, disconnect, err := connect.Client(out,
		runlooptest.WithPolicyLimit(100),
		runlooptest.WithLatency(20*time.Millisecond))
	if err != nil {
		return err
	}
	defer disconnect()
	if err := runTasks(ctx, client, makeTasks(200), out, terminal); err != nil {
		return err
	}
	if clean {
		return deletePolicies(ctx, client, out)
	}
	return nil
}

// runTasks runs all tasks at the same time, and sums up what that took.
func runTasks(ctx context.Context, client *runloop.Client, tasks []task, out io.Writer, terminal bool) error {
	var (
		requests requestCounter
		logger   = runloop.WithLogger(slog.New(&requests))
		progress = progress{out: out, terminal: terminal, total: len(tasks)}
		group    sync.WaitGroup
	)
	for _, t := range tasks {
		group.Go(func() {
			policy, err := t.ensurePolicy(ctx, client, logger)
			// Here the task would launch its devbox, with policy.ID.
			progress.done(policy, err)
		})
	}
	group.Wait()
	return progress.sumUp(&requests)
}

// A task is to run with the network that it needs, and nothing else.
type task struct {
	name  string
	hosts []string
}

// makeTasks returns n tasks with a dozen distinct needs, said in different ways.
func makeTasks(n int) []task {
	tasks := make([]task, n)
	for i := range tasks {
		registry := fmt.Sprintf("registry-%d.example.com", i%12)
		hosts := []string{"github.com", registry, "*.npmjs.org"}
		if i%2 == 1 {
			hosts = []string{"*.NPMJS.org", "github.com.", strings.ToUpper(registry)}
		}
		tasks[i] = task{name: fmt.Sprintf("task-%d", i), hosts: hosts}
	}
	return tasks
}

func (t task) ensurePolicy(ctx context.Context, client *runloop.Client, opts ...runloop.Option) (*runloop.NetworkPolicy, error) {
	rules := runloop.EgressRules{AllowedHostnames: t.hosts}
	policy, err := client.NetworkPolicies.Ensure(ctx, runloop.NetworkPolicyCreateParams{
		Name:        namePrefix + rules.Fingerprint(),
		Description: "made by a program, for the rules that its name is made from: do not edit",
		Egress:      rules,
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.name, err)
	}
	return policy, nil
}

// deletePolicies deletes what no devbox needs any more.
func deletePolicies(ctx context.Context, client *runloop.Client, out io.Writer) error {
	deleted := 0
	for policy, err := range client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{Name: namePrefix}) {
		if err != nil {
			return err
		}
		_, err := client.NetworkPolicies.Delete(ctx, policy.ID)
		switch {
		case err == nil:
			deleted++
		case errors.Is(err, runloop.ErrPolicyInUse), errors.Is(err, runloop.ErrNotFound):
			// Another program still needs it, or has deleted it.
		default:
			return err
		}
	}
	fmt.Fprintf(out, "%d policies deleted\n", deleted)
	return nil
}
