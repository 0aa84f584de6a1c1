package suite

import (
	"context"
	"fmt"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/runloop-community/runloop-go/bench/internal/measure"
	"github.com/runloop-community/runloop-go/bench/internal/peer"
	"github.com/runloop-community/runloop-go/bench/internal/report"
	"github.com/runloop-community/runloop-go/bench/internal/server"
)

const (
	burstPerGoroutine = 4
	loadRequests      = 8000
)

// load measures many goroutines that share one client. Peers differ in their connection
// pool, so only those are measured that have their own.
func (s *Suite) load(ctx context.Context) error {
	for _, goroutines := range []int{64, 256} {
		for _, latency := range []time.Duration{0, report.Slow} {
			var subjects []measure.Subject
			for _, p := range []peer.Peer{peer.Floor, peer.Pooled, peer.Runloop} {
				subjects = append(subjects, measure.Subject{Client: p.Name, Run: func() (measure.Sample, error) {
					return s.loadRound(ctx, p, goroutines, latency)
				}})
			}
			if err := s.run(report.Load(goroutines, latency), s.Rounds, subjects); err != nil {
				return err
			}
		}
	}
	return nil
}

// loadRound measures a new client, from its first request on.
func (s *Suite) loadRound(ctx context.Context, p peer.Peer, goroutines int, latency time.Duration) (measure.Sample, error) {
	client, err := p.New(s.Server.URL(server.API{Policies: differentPolicies, Latency: latency}), nil)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var connections atomic.Int64
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{ConnectDone: func(_, _ string, _ error) { connections.Add(1) }})
	if err := send(ctx, client, goroutines, burstPerGoroutine*goroutines); err != nil {
		return nil, err
	}
	burst := connections.Load()
	start := time.Now()
	if err := send(ctx, client, goroutines, loadRequests); err != nil {
		return nil, err
	}
	return measure.Sample{
		measure.RequestsPerSecond: loadRequests / time.Since(start).Seconds(),
		measure.BurstConnections:  float64(burst),
		measure.LoadConnections:   float64(connections.Load()),
	}, nil
}

// send divides requests among the goroutines, which start together.
func send(ctx context.Context, client peer.Client, goroutines, requests int) error {
	var next atomic.Int64
	start := make(chan struct{})
	group, ctx := errgroup.WithContext(ctx)
	for range goroutines {
		group.Go(func() error {
			<-start
			for i := next.Add(1); i <= int64(requests); i = next.Add(1) {
				id := server.ID(int(i) % differentPolicies)
				p, err := client.Get(ctx, id)
				if err != nil {
					return err
				}
				if p.ID != id {
					return fmt.Errorf("read %q instead of %q", p.ID, id)
				}
			}
			return nil
		})
	}
	close(start)
	return group.Wait()
}
