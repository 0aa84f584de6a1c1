// Package report presents the results of a run: as JSON, as tables, as charts, and compared
// with the bars.
package report

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/runloop-community/runloop-go/bench/internal/measure"
	"github.com/runloop-community/runloop-go/bench/internal/server"
)

// Results are the results of a run.
type Results struct {
	Machine string `json:"machine"`
	Tasks   []Task `json:"tasks"`
}

// A Task is what several clients did. Ratios are to the first row.
type Task struct {
	Name string        `json:"name"`
	Rows []measure.Row `json:"rows"`
}

// Slow is the latency of a request in the tasks that have one.
const Slow = 20 * time.Millisecond

// The APIs of the tasks that iterate.
var (
	Plain      = server.API{Policies: 5000}
	Compressed = server.API{Policies: 5000, Gzip: true}
	Remote     = server.API{Policies: 10_000, Latency: Slow}
)

// Names of tasks.
const (
	GetInMemory    = "Get in memory"
	GetLoopback    = "Get over loopback"
	Ensures        = "200 concurrent Ensures of one new policy"
	LaunchNew      = "Launch with a new policy"
	LaunchExisting = "Launch with an existing policy"
	Memory         = "memory of iterating over 100,000 policies, page 1,000"
)

// Iterate is the name of iterating over the policies of an API with a page size, or 0 for
// each client's default.
func Iterate(api server.API, pageSize int) string {
	page := "default page"
	if pageSize > 0 {
		page = "page " + thousands(pageSize)
	}
	name := fmt.Sprintf("iterate over %s policies, %s%s", thousands(api.Policies), page, perRequest(api.Latency))
	if api.Gzip {
		name += ", gzip"
	}
	return name
}

// Crowd is the number of goroutines that share a client under load.
const Crowd = 256

// Load is the name of many goroutines sharing one client.
func Load(latency time.Duration) string {
	return fmt.Sprintf("%d goroutines%s", Crowd, perRequest(latency))
}

func perRequest(latency time.Duration) string {
	if latency == 0 {
		return ""
	}
	return fmt.Sprintf(", %d ms per request", latency.Milliseconds())
}

func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return thousands(n/1000) + fmt.Sprintf(",%03d", n%1000)
}

// rows returns the rows of the task with the name, or nil.
func (r *Results) rows(task string) []measure.Row {
	for _, t := range r.Tasks {
		if t.Name == task {
			return t.Rows
		}
	}
	return nil
}

// values returns a client's value in each round, or nil.
func (r *Results) values(task, client string, metric measure.Metric) []float64 {
	for _, row := range r.rows(task) {
		if row.Client == client {
			return row.Values[metric]
		}
	}
	return nil
}

// A Spread summarizes the rounds of a run.
type Spread struct{ Median, Min, Max float64 }

func spreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	return Spread{median(values), slices.Min(values), slices.Max(values)}
}

// ratio returns the spread of the ratios within each round.
func ratio(values, to []float64) Spread {
	ratios := make([]float64, min(len(values), len(to)))
	for i := range ratios {
		ratios[i] = values[i] / to[i]
	}
	return spreadOf(ratios)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

func (s Spread) String() string {
	format := "%.2f"
	if s.Median < 0.1 {
		format = "%.3f"
	}
	if s.Min == s.Max {
		return fmt.Sprintf(format, s.Median)
	}
	return fmt.Sprintf(format+" ("+format+"–"+format+")", s.Median, s.Min, s.Max)
}
