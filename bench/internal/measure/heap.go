package measure

import (
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"time"
)

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
