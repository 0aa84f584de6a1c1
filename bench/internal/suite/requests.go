package suite

import (
	"cmp"
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/bench/internal/measure"
	"github.com/runloop-community/runloop-go/bench/internal/peer"
	"github.com/runloop-community/runloop-go/bench/internal/report"
	"github.com/runloop-community/runloop-go/bench/internal/typescript"
	"github.com/runloop-community/runloop-go/runlooptest"
)

const (
	concurrentEnsures = 200
	countRounds       = 3
)

// requests counts the requests that many concurrent calls for one policy take, and those of
// a launch. The server is the SDK's fake API.
func (s *Suite) requests(ctx context.Context) error {
	params := runloop.NetworkPolicyCreateParams{Name: "build", Egress: runloop.EgressRules{AllowedHostnames: []string{"github.com"}}}
	ensures := []measure.Subject{counting(peer.Runloop.Name, func(_ *runlooptest.Server, client *runloop.Client) error {
		var group errgroup.Group
		for range concurrentEnsures {
			group.Go(func() error {
				_, err := client.NetworkPolicies.Ensure(ctx, params)
				return err
			})
		}
		return group.Wait()
	})}
	if s.TypeScript != nil {
		ensures = append(ensures, counting(peer.TypeScript, func(fake *runlooptest.Server, _ *runloop.Client) error {
			_, err := s.TypeScript.Run(1, typescript.Task{Task: "ensure", BaseURL: fake.URL, Policies: concurrentEnsures})
			return err
		}))
	}
	launch := func(_ *runlooptest.Server, client *runloop.Client) error {
		_, err := client.Devboxes.Launch(ctx, runloop.DevboxCreateParams{NetworkPolicy: &params})
		return err
	}
	existing := runlooptest.WithPolicies(runloop.NetworkPolicy{Name: params.Name, Egress: params.Egress})
	return cmp.Or(
		s.run(report.Ensures, countRounds, ensures),
		s.run(report.LaunchNew, countRounds, []measure.Subject{counting(peer.Runloop.Name, launch)}),
		s.run(report.LaunchExisting, countRounds, []measure.Subject{counting(peer.Runloop.Name, launch, existing)}))
}

// counting returns a subject that counts the requests of run. Each round has a new server,
// which must have one policy at the end.
func counting(client string, run func(*runlooptest.Server, *runloop.Client) error, opts ...runlooptest.Option) measure.Subject {
	return measure.Subject{Client: client, Run: func() (measure.Sample, error) {
		fake := runlooptest.NewServer(append(opts, runlooptest.WithLatency(report.Slow))...)
		defer fake.Close()
		sdk, err := fake.Client()
		if err == nil {
			err = run(fake, sdk)
		}
		if n := len(fake.Policies()); err == nil && n != 1 {
			err = fmt.Errorf("created %d policies instead of one", n)
		}
		return measure.Sample{measure.Requests: float64(len(fake.Requests()))}, err
	}}
}
