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

// All policies of this program have names with this prefix, so Prune can find them.
const prefix = "orchestrator-example-"

type orchestrator struct {
	client *runloop.Client
	log    *log.Logger // safe for concurrent use
	run    string      // identifies this run in the metadata of its devboxes
}

// orchestrate runs the tasks and cleans up, also after an interrupt.
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
					o.log.Printf("%d of %d tasks", n, tasks)
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
		// Named after its rules, one policy serves all tasks that have the same rules.
		NetworkPolicy:    &runloop.NetworkPolicyCreateParams{Name: prefix + rules.Fingerprint(), Egress: rules},
		Metadata:         map[string]string{"run": o.run},
		LaunchParameters: runloop.DevboxLaunchParameters{KeepAlive: 10 * time.Minute}, // ends what a killed program leaves
	})
	if err != nil {
		return err
	}
	defer func() { // also after an interrupt
		_, shutdownErr := o.client.Devboxes.Shutdown(context.WithoutCancel(ctx), devbox.ID)
		err = errors.Join(err, shutdownErr)
	}()
	// Here the task uses its devbox.
	return nil
}

func (o *orchestrator) launch(ctx context.Context, params runloop.DevboxCreateParams, opts ...runloop.Option) (*runloop.Devbox, error) {
	devbox, err := o.client.Devboxes.Launch(ctx, params)
	for try := 1; err != nil && try < 5; try++ {
		if e, ok := errors.AsType[*runloop.DevboxError](err); ok && errors.Is(err, runloop.ErrMaybeApplied) {
			// Nobody knows whether there is a devbox. With its key, Launch looks for it first.
			opts = []runloop.Option{runloop.WithIdempotencyKey(e.RequestID)}
		} else if errors.Is(err, runloop.ErrPolicyLimit) {
			// Launches under way create their policies again if necessary.
			_, _ = o.client.NetworkPolicies.Prune(ctx, runloop.PruneParams{NamePrefix: prefix})
		} else {
			break
		}
		devbox, err = o.client.Devboxes.Launch(ctx, params, opts...)
	}
	return devbox, err
}

// cleanUp shuts down what faults have left of this run, and deletes all policies that no
// devbox uses.
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
