// Package suite is what is measured: each file one question to all peers.
package suite

import (
	"context"
	"log"
	"net/http"

	"github.com/runloop-community/runloop-go/bench/internal/measure"
	"github.com/runloop-community/runloop-go/bench/internal/peer"
	"github.com/runloop-community/runloop-go/bench/internal/report"
	"github.com/runloop-community/runloop-go/bench/internal/server"
	"github.com/runloop-community/runloop-go/bench/internal/typescript"
)

// A Suite is a run in progress.
type Suite struct {
	Server *server.Process
	// TypeScript is nil when that client is not to be had.
	TypeScript *typescript.Process
	Effort     Effort
	Log        *log.Logger
}

// An Effort is how much a run measures.
type Effort struct {
	GetRounds int
	// IterateRounds are without latency, SlowRounds with it.
	IterateRounds, SlowRounds int
	LoadRounds                int
	// Everything asks for all combinations, not only for those of the bars and
	// the chart.
	Everything bool
}

// The two efforts.
var (
	Quick = Effort{GetRounds: 11, IterateRounds: 5, SlowRounds: 1, LoadRounds: 3}
	Full  = Effort{GetRounds: 41, IterateRounds: 11, SlowRounds: 2, LoadRounds: 5, Everything: true}
)

// Run measures everything that the effort asks for.
func (s *Suite) Run(ctx context.Context) (*report.Results, error) {
	results := new(report.Results)
	for _, part := range []func(context.Context, *report.Results) error{s.get, s.iterate, s.load, s.memory} {
		if err := part(ctx, results); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// compare measures a task with every peer. A nil transport is the loopback
// connection to baseURL.
func (s *Suite) compare(costs report.Costs, rounds int, baseURL string, transport http.RoundTripper, task func(peer.Client) error,
	typescript func() (typescript.Result, error)) (report.Costs, error) {
	s.Log.Print(costs.Name)
	connections := map[string]int{}
	counting := func(name string, run func() (measure.Cost, error)) measure.Subject[measure.Cost] {
		return measure.Subject[measure.Cost]{Name: name, Run: func() (measure.Cost, error) {
			before, err := s.Server.Connections(server.HTTP1)
			if err != nil {
				return measure.Cost{}, err
			}
			cost, err := run()
			if err != nil {
				return cost, err
			}
			after, err := s.Server.Connections(server.HTTP1)
			connections[name] += int(after - before)
			return cost, err
		}}
	}

	var subjects []measure.Subject[measure.Cost]
	for _, p := range peer.All() {
		client, err := p.New(baseURL, transport)
		if err != nil {
			return costs, err
		}
		defer client.Close()
		subjects = append(subjects, counting(p.Name, func() (measure.Cost, error) {
			return measure.Of(func() error { return task(client) })
		}))
	}
	if s.TypeScript != nil && typescript != nil {
		subjects = append(subjects, counting(peer.TypeScript, func() (measure.Cost, error) {
			answer, err := typescript()
			return answer.Cost(), err
		}))
	}

	results, err := measure.Interleave(rounds, subjects)
	for _, subject := range subjects {
		costs.Rows = append(costs.Rows, costs.NewCostsRow(subject.Name, results[subject.Name], connections[subject.Name]))
	}
	return costs, err
}
