package suite

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runloop-community/runloop-go/bench/internal/fixture"
	"github.com/runloop-community/runloop-go/bench/internal/measure"
	"github.com/runloop-community/runloop-go/bench/internal/peer"
	"github.com/runloop-community/runloop-go/bench/internal/report"
	"github.com/runloop-community/runloop-go/bench/internal/server"
)

const (
	burstPerGoroutine = 4
	steadyRequests    = 8000
)

// A crowd is a number of goroutines that share a client.
type crowd struct {
	protocol   server.Protocol
	goroutines int
	latency    time.Duration
}

func (e Effort) crowds() []crowd {
	if !e.Everything {
		return []crowd{{server.HTTP1, 256, 0}, {server.HTTP1, 256, Slow}}
	}
	var all []crowd
	for _, protocol := range server.Protocols {
		for _, goroutines := range []int{64, 256} {
			for _, latency := range []time.Duration{0, Slow} {
				all = append(all, crowd{protocol, goroutines, latency})
			}
		}
	}
	return all
}

// load measures what many goroutines get out of one client. What differs between
// peers is the connection pool, so there are only those that have one of their own.
func (s *Suite) load(ctx context.Context, results *report.Results) error {
	ours, err := peer.Named(peer.Ours)
	if err != nil {
		return err
	}
	floor, err := peer.Named(peer.Floor)
	if err != nil {
		return err
	}
	peers := []peer.Peer{floor, peer.Pooled, ours}
	for _, c := range s.Effort.crowds() {
		load := report.Load{Protocol: string(c.protocol), Goroutines: c.goroutines, Latency: c.latency.String()}
		s.Log.Printf("%d goroutines, %s, %s a request", load.Goroutines, load.Protocol, load.Latency)
		rounds, err := s.rounds(ctx, c, peers)
		if err != nil {
			return err
		}
		for _, p := range peers {
			load.Rows = append(load.Rows, newLoadRow(p.Name, rounds[p.Name]))
		}
		results.Loads = append(results.Loads, load)
	}
	return nil
}

// A loadRound is what one client did, from its first request on.
type loadRound struct{ cold, steady, requestsPerSecond float64 }

func newLoadRow(name string, rounds []loadRound) report.LoadRow {
	row := report.LoadRow{Peer: name}
	for _, r := range rounds {
		row.ColdConnections = append(row.ColdConnections, r.cold)
		row.SteadyConnections = append(row.SteadyConnections, r.steady)
		row.RequestsPerSecond = append(row.RequestsPerSecond, r.requestsPerSecond)
	}
	return row
}

func (s *Suite) rounds(ctx context.Context, c crowd, peers []peer.Peer) (map[string][]loadRound, error) {
	var subjects []measure.Subject[loadRound]
	for _, p := range peers {
		subjects = append(subjects, measure.Subject[loadRound]{Name: p.Name, Run: func() (loadRound, error) {
			return s.round(ctx, c, p)
		}})
	}
	rounds := s.Effort.LoadRounds
	if c.protocol == server.HTTP1 {
		rounds *= 3 // the bars compare what differs little
	}
	return measure.Interleave(rounds, subjects)
}

func (s *Suite) round(ctx context.Context, c crowd, p peer.Peer) (r loadRound, err error) {
	client, err := p.New(s.Server.URL(c.protocol, differentPolicies, c.latency), nil)
	if err != nil {
		return r, err
	}
	defer client.Close()
	before, err := s.Server.Connections(c.protocol)
	if err != nil {
		return r, err
	}
	if err := c.send(ctx, client, burstPerGoroutine*c.goroutines); err != nil {
		return r, err
	}
	cold, err := s.Server.Connections(c.protocol)
	if err != nil {
		return r, err
	}
	start := time.Now()
	if err := c.send(ctx, client, steadyRequests); err != nil {
		return r, err
	}
	took := time.Since(start)
	steady, err := s.Server.Connections(c.protocol)
	return loadRound{float64(cold - before), float64(steady - before), steadyRequests / took.Seconds()}, err
}

// send shares requests out among the goroutines, which start together.
func (c crowd) send(ctx context.Context, client peer.Client, requests int) error {
	var (
		next   atomic.Int64
		failed atomic.Pointer[error]
		group  sync.WaitGroup
		start  = make(chan struct{})
	)
	for range c.goroutines {
		group.Go(func() {
			<-start
			for i := next.Add(1); i <= int64(requests) && failed.Load() == nil; i = next.Add(1) {
				id := fixture.ID(int(i) % differentPolicies)
				p, err := client.Get(ctx, id)
				if err == nil && p.ID != id {
					err = fmt.Errorf("read %q instead of %q", p.ID, id)
				}
				if err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	close(start)
	group.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}
