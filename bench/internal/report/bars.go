package report

import (
	"fmt"

	"github.com/runloop-community/runloop-go/bench/internal/measure"
	"github.com/runloop-community/runloop-go/bench/internal/peer"
)

// A Bar limits the value of this SDK in a task, or its ratio to another client's.
type Bar struct {
	Task   string
	Metric measure.Metric
	To     string // the other client, or empty
	Limit  float64
	Found  Spread
}

// bars returns the bars of a run.
func bars() []Bar {
	all := []Bar{
		{Task: GetInMemory, Metric: measure.Wall, To: peer.Floor.Name, Limit: 0.56},
		{Task: GetInMemory, Metric: measure.Allocs, Limit: 32},
		{Task: GetLoopback, Metric: measure.CPU, To: peer.Floor.Name, Limit: 1.00},
	}
	for _, page := range []struct {
		size            int
		toFloor, toOgen float64
	}{{20, 0.80, 0.88}, {100, 0, 0.85}, {1000, 0.55, 0.80}, {5000, 0, 0.80}} {
		plain, gzip := Iterate(Plain, page.size), Iterate(Compressed, page.size)
		if page.toFloor > 0 {
			all = append(all, Bar{Task: plain, Metric: measure.CPU, To: peer.Floor.Name, Limit: page.toFloor})
		}
		all = append(all,
			Bar{Task: plain, Metric: measure.CPU, To: peer.Ogen, Limit: page.toOgen},
			Bar{Task: gzip, Metric: measure.CPU, To: peer.Ogen, Limit: page.toOgen},
			Bar{Task: plain, Metric: measure.Wall, To: peer.Ogen, Limit: 1.05})
	}
	fast, slow := Load(0), Load(Slow)
	return append(all,
		Bar{Task: Iterate(Remote, 0), Metric: measure.Wall, To: peer.TypeScript, Limit: 1 / 25.0},
		Bar{Task: Ensures, Metric: measure.Requests, Limit: 4},
		Bar{Task: LaunchNew, Metric: measure.Requests, Limit: 4},
		Bar{Task: LaunchExisting, Metric: measure.Requests, Limit: 3},
		Bar{Task: fast, Metric: measure.BurstConnections, Limit: 1.5 * Crowd},
		Bar{Task: slow, Metric: measure.BurstConnections, Limit: 1.5 * Crowd},
		Bar{Task: slow, Metric: measure.LoadConnections, Limit: 1.2 * Crowd},
		Bar{Task: slow, Metric: measure.Wall, To: peer.Pooled.Name, Limit: 1},
		Bar{Task: Memory, Metric: measure.PeakPages, Limit: 2},
	)
}

// Judge compares the results with the bars. It leaves out what the run did not measure, such
// as a ratio to a client that is not installed.
func Judge(r *Results) []Bar {
	var judged []Bar
	for _, bar := range bars() {
		ours := r.values(bar.Task, peer.Runloop.Name, bar.Metric)
		bar.Found = spreadOf(ours)
		if bar.To != "" {
			bar.Found = ratio(ours, r.values(bar.Task, bar.To, bar.Metric))
		}
		if bar.Found != (Spread{}) {
			judged = append(judged, bar)
		}
	}
	return judged
}

// cells returns the bar as a row of a table.
func (b Bar) cells() []string {
	verdict, what := "**missed**", b.Task+": "+string(b.Metric)
	if b.Found.Median <= b.Limit {
		verdict = "met"
	}
	if b.To != "" {
		what += " / " + b.To
	}
	return []string{verdict, what, b.Found.String(), fmt.Sprintf("%.3g", b.Limit), fmt.Sprintf("%+.0f %%", 100*(b.Found.Median-b.Limit)/b.Limit)}
}
