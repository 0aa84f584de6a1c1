// Package measure takes the time, the CPU time and the allocations of this process.
package measure

import (
	"runtime"
	"syscall"
	"time"
)

// A Cost is what some work took. Allocs and Bytes are 0 where they cannot be known.
type Cost struct {
	Wall, CPU     time.Duration
	Allocs, Bytes uint64
}

// Of returns the cost of work to this process.
func Of(work func() error) (Cost, error) {
	runtime.GC() // each starts without the garbage of the one before
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, start := cpuTime(), time.Now()
	err := work()
	c := Cost{Wall: time.Since(start), CPU: cpuTime() - cpu}
	runtime.ReadMemStats(&after)
	c.Allocs = after.Mallocs - before.Mallocs
	c.Bytes = after.TotalAlloc - before.TotalAlloc
	return c, err
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
