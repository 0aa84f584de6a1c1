// Package measure measures the time, CPU time, allocations and memory of this process.
package measure

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"syscall"
	"time"
)

// A Metric is a quantity that is measured of a client.
type Metric string

// The metrics.
const (
	Wall             Metric = "wall time" // of one operation, in microseconds
	CPU              Metric = "CPU time"  // of one operation, in microseconds
	Allocs           Metric = "allocations per policy"
	Bytes            Metric = "bytes per policy"
	BurstConnections Metric = "connections, first burst"
	LoadConnections  Metric = "connections, total"
	Requests         Metric = "requests"
	PageBytes        Metric = "bytes of a page"
	PeakLiveBytes    Metric = "peak live bytes"
	PeakPages        Metric = "peak live pages" // PeakLiveBytes / PageBytes
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

// HeapEnvironment is the environment that PeakLiveHeap needs: a collection that runs
// concurrently with the work counts everything allocated meanwhile as live.
const HeapEnvironment = "GODEBUG=gcstoptheworld=1"

// LiveHeap collects garbage and returns the number of bytes that are left.
func LiveHeap() uint64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// PeakLiveHeap returns the largest number of live bytes while work runs. It collects
// garbage all the time, at random moments, so the work is slow.
func PeakLiveHeap(work func() error) (uint64, error) {
	var peak uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			peak = max(peak, LiveHeap())
			select {
			case <-stop:
				return
			case <-time.After(rand.N(20 * time.Microsecond)):
			}
		}
	}()
	err := work()
	close(stop)
	<-stopped
	return peak, err
}
