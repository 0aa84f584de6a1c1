package measure

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"testing"
)

var sink []byte

func TestCost(t *testing.T) {
	cost, err := Of(func() error {
		for range 100 {
			sink = make([]byte, 1000)
		}
		return nil
	})
	if err != nil || cost.Wall <= 0 || cost.Allocs < 100 || cost.Bytes < 100_000 {
		t.Errorf("%+v, %v", cost, err)
	}
}

func TestInterleave(t *testing.T) {
	var order []string
	subject := func(name string) Subject[string] {
		return Subject[string]{name, func() (string, error) {
			order = append(order, name)
			return name, nil
		}}
	}
	results, err := Interleave(2, []Subject[string]{subject("a"), subject("b")})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "b", "a", "a", "b"}; !slices.Equal(order, want) {
		t.Errorf("the order is %v, want %v", order, want)
	}
	for name, values := range results {
		if want := []string{name, name}; !slices.Equal(values, want) {
			t.Errorf("%s has %v", name, values)
		}
	}

	broken := errors.New("broken")
	_, err = Interleave(1, []Subject[int]{{"c", func() (int, error) { return 0, broken }}})
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
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
		t.Errorf("before %d, peak %d, %v", before, peak, err)
	}
	if peak := PeakResident(); peak != 0 && peak < size {
		t.Errorf("peak resident memory %d", peak)
	}
}

func collections() uint32 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.NumGC
}
