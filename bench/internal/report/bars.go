package report

import (
	"fmt"
	"time"

	"github.com/runloop-community/runloop-go/bench/internal/peer"
	"github.com/runloop-community/runloop-go/bench/internal/server"
)

// A Bar is what this SDK is to reach.
type Bar struct {
	Name  string  `json:"name"`
	Found Spread  `json:"found"`
	Limit float64 `json:"limit"`
	// AtLeast says that more is better.
	AtLeast bool `json:"at_least,omitempty"`
	Met     bool `json:"met"`
}

// String says whether the bar is met, and by how much.
func (b Bar) String() string {
	verdict, relation := "missed", "at most"
	if b.Met {
		verdict = "met"
	}
	if b.AtLeast {
		relation = "at least"
	}
	difference := 100 * (b.Found.Median - b.Limit) / b.Limit
	return fmt.Sprintf("%-6s  %s: %s, %s %.4g (%+.0f%%)", verdict, b.Name, b.Found, relation, b.Limit, difference)
}

// Judge holds the results against the bars. A bar that the run did not measure, or
// whose peer was not there, is left out.
func Judge(r *Results) []Bar {
	var bars []Bar
	add := func(name string, found Spread, limit float64, atLeast bool) {
		if found == (Spread{}) {
			return
		}
		met := found.Median <= limit
		if atLeast {
			met = found.Median >= limit
		}
		bars = append(bars, Bar{name, found, limit, atLeast, met})
	}
	costs := func(name, to string, of func(*CostsRow) []float64) Spread {
		c := r.costs(name)
		return ratioOf(c.row(peer.Ours), c.row(to), of)
	}
	page20, page1000 := Iterate(5000, 20, 0), Iterate(5000, 1000, 0)

	add(GetInMemory+": wall time, to the floor", costs(GetInMemory, peer.Floor, wall), 0.56, false)
	if row := r.costs(GetInMemory).row(peer.Ours); row != nil {
		add(GetInMemory+": allocations", Spread{row.Allocs, row.Allocs, row.Allocs}, 32, false)
	}
	add(GetLoopback+": CPU, to the floor", costs(GetLoopback, peer.Floor, cpu), 1.00, false)
	add(page20+": CPU, to the floor", costs(page20, peer.Floor, cpu), 0.80, false)
	add(page1000+": CPU, to the floor", costs(page1000, peer.Floor, cpu), 0.55, false)
	for _, bar := range []struct {
		page int
		cpu  float64
	}{{20, 0.88}, {100, 0.85}, {1000, 0.80}, {5000, 0.80}} {
		iterate := Iterate(5000, bar.page, 0)
		add(iterate+": CPU, to ogen", costs(iterate, peer.Ogen, cpu), bar.cpu, false)
		add(iterate+": wall time, to ogen", costs(iterate, peer.Ogen, wall), 1.05, false)
	}
	slow := r.costs(Iterate(10_000, 0, 20*time.Millisecond))
	add(Iterate(10_000, 0, 20*time.Millisecond)+": times faster than the official client",
		ratioOf(slow.row(peer.TypeScript), slow.row(peer.Ours), wall), 25, true)

	const crowd = 256
	for _, latency := range []time.Duration{0, 20 * time.Millisecond} {
		l := r.load(string(server.HTTP1), crowd, latency.String())
		if ours := l.row(peer.Ours); ours != nil {
			name := fmt.Sprintf("%d goroutines, HTTP/1.1, %d ms a request: ", crowd, latency.Milliseconds())
			add(name+"connections a goroutine, first burst", per(ours.ColdConnections, crowd), 1.5, false)
			if latency > 0 {
				add(name+"connections a goroutine, steady load", per(ours.SteadyConnections, crowd), 1.2, false)
				add(name+"requests a second, to net/http with 256 idle connections",
					ratio(ours.RequestsPerSecond, l.row(peer.Pooled.Name).RequestsPerSecond), 1, true)
			}
		}
	}
	for _, m := range r.Memory {
		if m.Peer == peer.Ours {
			pages := m.Pages()
			add(fmt.Sprintf("iterate %s: pages in memory", thousands(m.Policies)), Spread{pages, pages, pages}, 2, false)
		}
	}
	return bars
}

func wall(r *CostsRow) []float64 { return r.WallMicros }

func cpu(r *CostsRow) []float64 { return r.CPUMicros }

func ratioOf(row, to *CostsRow, of func(*CostsRow) []float64) Spread {
	if row == nil || to == nil {
		return Spread{}
	}
	return ratio(of(row), of(to))
}

func per(values []float64, n float64) Spread {
	s := spreadOf(values)
	return Spread{s.Median / n, s.Min / n, s.Max / n}
}
