package measure

import (
	"bytes"
	"errors"
	"reflect"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

var sink []byte

func TestCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cost, err := Cost(10, 50, func() error {
			for range 100 {
				sink = make([]byte, 1000)
			}
			time.Sleep(time.Millisecond)
			return nil
		})
		if err != nil || cost[Wall] != 100 || cost[Allocs] < 2 || cost[Bytes] < 2000 {
			t.Errorf("cost %v, error %v", cost, err)
		}
	})
}

func TestInterleave(t *testing.T) {
	var order string
	subject := func(name string) Subject {
		return Subject{name, func() (Sample, error) {
			order += name
			return Sample{Requests: float64(len(order))}, nil
		}}
	}
	rows, err := Interleave(2, []Subject{subject("a"), subject("b")})
	if err != nil {
		t.Fatal(err)
	}
	if want := "ab" + "ba" + "ab"; order != want {
		t.Errorf("order %s, want %s", order, want)
	}
	if want := []Row{{"a", map[Metric][]float64{Requests: {4, 5}}}, {"b", map[Metric][]float64{Requests: {3, 6}}}}; !reflect.DeepEqual(rows, want) {
		t.Errorf("rows %v, want %v", rows, want)
	}

	broken := errors.New("broken")
	_, err = Interleave(1, []Subject{{"c", func() (Sample, error) { return nil, broken }}})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestPeakLiveHeap(t *testing.T) {
	const size = 32 << 20
	before := LiveHeap()
	peak, err := PeakLiveHeap(func() error {
		kept := bytes.Repeat([]byte{1}, size)
		for until := collections() + 3; collections() < until; {
			runtime.Gosched()
		}
		runtime.KeepAlive(kept)
		return nil
	})
	if err != nil || peak < size || peak > before+2*size {
		t.Errorf("before %d, peak %d, error %v", before, peak, err)
	}
}

func collections() uint32 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.NumGC
}
