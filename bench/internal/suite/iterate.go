package suite

import (
	"context"
	"fmt"
	"time"

	"github.com/runloop-community/runloop-go/bench/internal/fixture"
	"github.com/runloop-community/runloop-go/bench/internal/peer"
	"github.com/runloop-community/runloop-go/bench/internal/report"
	"github.com/runloop-community/runloop-go/bench/internal/server"
	"github.com/runloop-community/runloop-go/bench/internal/typescript"
)

// Slow is the time that a request takes where it is not nothing.
const Slow = 20 * time.Millisecond

// An iteration is over a number of policies in pages of a size, 0 for the client's own.
type iteration struct {
	policies, pageSize int
	latency            time.Duration
}

func (e Effort) iterations() []iteration {
	if !e.Everything {
		return []iteration{{5000, 20, 0}, {5000, 1000, 0}, {5000, 0, 0}, {10_000, 0, Slow}}
	}
	var all []iteration
	for _, latency := range []time.Duration{0, Slow} {
		for _, policies := range []int{5000, 10_000} {
			for _, pageSize := range []int{20, 100, 1000, 5000, 0} {
				all = append(all, iteration{policies, pageSize, latency})
			}
		}
	}
	return all
}

// iterate measures reading all policies there are.
func (s *Suite) iterate(ctx context.Context, results *report.Results) error {
	for _, it := range s.Effort.iterations() {
		rounds := s.Effort.IterateRounds
		if it.latency > 0 {
			rounds = s.Effort.SlowRounds
		}
		costs := report.Costs{Name: report.Iterate(it.policies, it.pageSize, it.latency), Operations: 1, Policies: it.policies}
		url := s.Server.URL(server.HTTP1, it.policies, it.latency)
		costs, err := s.compare(costs, rounds, url, nil, func(client peer.Client) error {
			return iterate(ctx, client, it.pageSize, it.policies)
		}, func() (typescript.Result, error) {
			return s.TypeScript.Iterate(url, it.pageSize, it.policies)
		})
		if err != nil {
			return err
		}
		results.Costs = append(results.Costs, costs)
	}
	return nil
}

// iterate reads all policies, and fails when some are missing.
func iterate(ctx context.Context, client peer.Client, pageSize, want int) error {
	policies, hostnames := 0, 0
	err := client.Iterate(ctx, pageSize, func(p peer.Policy) {
		policies++
		hostnames += len(p.Hostnames)
	})
	if err == nil && (policies != want || hostnames != want*fixture.Hostnames) {
		err = fmt.Errorf("read %d policies with %d host names, want %d", policies, hostnames, want)
	}
	return err
}
