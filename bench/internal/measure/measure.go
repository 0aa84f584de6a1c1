// Package measure measures the time, CPU time, allocations and memory of this process.
package measure

import (
	"fmt"
	"runtime"
	"syscall"
	"time"
)

// A Metric is a quantity that is measured of a client. Its text ends with the unit.
type Metric string

// The metrics.
const (
	Wall              Metric = "wall_us" // of one operation
	CPU               Metric = "cpu_us"  // of one operation
	Allocs            Metric = "allocs_per_policy"
	Bytes             Metric = "bytes_per_policy"
	BurstConnections  Metric = "burst_connections" // opened by the first burst of requests
	LoadConnections   Metric = "load_connections"  // opened by the burst and the load after it
	RequestsPerSecond Metric = "requests_per_second"
	Requests          Metric = "requests"
	PageBytes         Metric = "page_bytes"
	PeakLiveBytes     Metric = "peak_live_bytes"
	PeakPages         Metric = "peak_pages" // PeakLiveBytes / PageBytes
)

// A Sample is the outcome of one round. Metrics that were not measured are absent.
type Sample map[Metric]float64

// A Subject is a client that is compared with others.
type Subject struct {
	Client string
	Run    func() (Sample, error)
}

// A Row has the results of one client: for each metric a value per round.
type Row struct {
	Client string               `json:"client"`
	Values map[Metric][]float64 `json:"values"`
}

// Interleave runs every subject once in each round, so that a disturbance of the machine
// affects all of them and leaves the ratios within a round as they are. A round before the
// first warms up.
func Interleave(rounds int, subjects []Subject) ([]Row, error) {
	rows := make([]Row, len(subjects))
	for i, s := range subjects {
		rows[i] = Row{s.Client, map[Metric][]float64{}}
	}
	for round := -1; round < rounds; round++ {
		for turn := range subjects {
			// A different subject begins each round, because coming first may be an advantage.
			i := (turn + round + 1) % len(subjects)
			sample, err := subjects[i].Run()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", subjects[i].Client, err)
			}
			if round >= 0 {
				rows[i].Add(sample)
			}
		}
	}
	return rows, nil
}

// Add adds the values of one round.
func (r Row) Add(s Sample) {
	for metric, value := range s {
		r.Values[metric] = append(r.Values[metric], value)
	}
}

// Cost returns the time of an operation and the allocations for each policy that work reads.
func Cost(operations, policies int, work func() error) (Sample, error) {
	runtime.GC() // otherwise the garbage of the client before would count
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, start := cpuTime(), time.Now()
	err := work()
	s := Times(operations, time.Since(start), cpuTime()-cpu)
	runtime.ReadMemStats(&after)
	s[Allocs] = float64(after.Mallocs-before.Mallocs) / float64(policies)
	s[Bytes] = float64(after.TotalAlloc-before.TotalAlloc) / float64(policies)
	return s, err
}

// Times returns the times of one of several operations.
func Times(operations int, wall, cpu time.Duration) Sample {
	return Sample{
		Wall: float64(wall.Microseconds()) / float64(operations),
		CPU:  float64(cpu.Microseconds()) / float64(operations),
	}
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
