package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runloop-community/runloop-go"
)

// The names of all policies and devboxes of this program begin with this prefix.
const prefix = "orchestrator-example-"

type orchestrator struct {
	client *runloop.Client
	log    *log.Logger // safe for concurrent use
	run    string      // identifies the devboxes of this run, in their metadata
}

// orchestrate runs the tasks and cleans up, even after an interrupt.
func orchestrate(ctx context.Context, client *runloop.Client, tasks, workers int, out io.Writer) error {
	o := &orchestrator{client, log.New(out, "", 0), rand.Text()}
	var started, succeeded, ended atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for ctx.Err() == nil {
				task := int(started.Add(1))
				if task > tasks {
					return
				}
				if err := o.runTask(ctx, task); err != nil {
					o.log.Printf("task %d: %v", task, err)
				} else {
					succeeded.Add(1)
				}
				if n := int(ended.Add(1)); n%50 == 0 {
					o.log.Printf("%d of %d tasks done", n, tasks)
				}
			}
		})
	}
	group.Wait()
	failed, notStarted := ended.Load()-succeeded.Load(), int64(tasks)-ended.Load()
	o.log.Printf("%d tasks: %d succeeded, %d failed, %d not started", tasks, succeeded.Load(), failed, notStarted)

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	err := o.cleanUp(ctx)
	for try := 1; err != nil && try < 5; try++ {
		err = o.cleanUp(ctx)
	}
	if err == nil && failed+notStarted > 0 {
		err = errors.New("not all tasks succeeded")
	}
	return err
}

func (o *orchestrator) runTask(ctx context.Context, task int) (err error) {
	rules := runloop.EgressRules{AllowedHostnames: []string{"github.com", fmt.Sprintf("registry-%d.example.com", task%12)}}
	devbox, err := o.launch(ctx, runloop.DevboxCreateParams{
		Name: fmt.Sprintf("%stask-%d", prefix, task),
		// The policy is named after its rules, so tasks with the same rules share it.
		NetworkPolicy: &runloop.NetworkPolicyCreateParams{Name: prefix + rules.Fingerprint(), Egress: rules},
		Metadata:      map[string]string{"run": o.run},
		// If this program is killed, the API shuts the devbox down after this time.
		LaunchParameters: runloop.DevboxLaunchParameters{KeepAlive: 10 * time.Minute},
	})
	if err != nil {
		return err
	}
	defer func() { // even after an interrupt
		_, shutdownErr := o.client.Devboxes.Shutdown(context.WithoutCancel(ctx), devbox.ID)
		err = errors.Join(err, shutdownErr)
	}()
	// Replace this with the work of the task.
	return nil
}

// launch tries again if the outcome of a launch is unknown, or if the account is at its
// policy limit.
func (o *orchestrator) launch(ctx context.Context, params runloop.DevboxCreateParams) (*runloop.Devbox, error) {
	var opts []runloop.Option
	devbox, err := o.client.Devboxes.Launch(ctx, params)
	for try := 1; err != nil && try < 5; try++ {
		switch e, ok := errors.AsType[*runloop.DevboxError](err); {
		case ok && errors.Is(err, runloop.ErrMaybeApplied):
			// With the key of the earlier launch, Launch first looks for its devbox.
			opts = []runloop.Option{runloop.WithIdempotencyKey(e.RequestID)}
		case errors.Is(err, runloop.ErrPolicyLimit):
			// If another task needs a deleted policy, its Launch creates it again.
			_, _ = o.client.NetworkPolicies.Prune(ctx, runloop.PruneParams{NamePrefix: prefix})
		default:
			return nil, err
		}
		devbox, err = o.client.Devboxes.Launch(ctx, params, opts...)
	}
	return devbox, err
}

// cleanUp shuts down the devboxes of this run that are left after errors, and deletes the
// policies that no devbox uses.
func (o *orchestrator) cleanUp(ctx context.Context) error {
	for devbox, err := range o.client.Devboxes.All(ctx, runloop.DevboxListParams{}) {
		if err != nil {
			return err
		}
		hasEnded := devbox.Status == runloop.DevboxShutdown || devbox.Status == runloop.DevboxFailure
		if devbox.Metadata["run"] != o.run || hasEnded {
			continue
		}
		if _, err := o.client.Devboxes.Shutdown(ctx, devbox.ID); err != nil {
			return err
		}
	}
	deleted, err := o.client.NetworkPolicies.Prune(ctx, runloop.PruneParams{NamePrefix: prefix})
	o.log.Printf("%d unused policies deleted", len(deleted))
	return err
}
