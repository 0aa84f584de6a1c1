package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/runloop-community/runloop-go/bench/internal/measure"
	"github.com/runloop-community/runloop-go/bench/internal/peer"
	"github.com/runloop-community/runloop-go/bench/internal/server"
)

// sample has a floor of 10 us and this SDK at the given ratio of it, in every task.
func sample(ratio float64) *Results {
	r := new(Results)
	for _, group := range charted {
		c := Costs{Name: group.task, Operations: 10, Policies: 10}
		cost := func(micros float64) []measure.Cost {
			time := time.Duration(micros * 10 * float64(time.Microsecond))
			return []measure.Cost{{Wall: time, CPU: time, Allocs: 400, Bytes: 4000}}
		}
		c.Rows = []CostsRow{c.NewCostsRow(peer.Floor, cost(10), 1), c.NewCostsRow(peer.Ours, cost(10*ratio), 1)}
		r.Costs = append(r.Costs, c)
	}
	r.Loads = []Load{{Protocol: string(server.HTTP1), Goroutines: 256, Latency: "20ms", Rows: []LoadRow{
		{Peer: peer.Pooled.Name, ColdConnections: []float64{256}, SteadyConnections: []float64{256}, RequestsPerSecond: []float64{100}},
		{Peer: peer.Ours, ColdConnections: []float64{256}, SteadyConnections: []float64{512}, RequestsPerSecond: []float64{110}},
	}}}
	r.Memory = []Memory{{Peer: peer.Ours, Policies: 100_000, PageSize: 1000, PageBytes: 1e6, PeakLiveBytes: 3e6}}
	r.Bars = Judge(r)
	return r
}

func TestBars(t *testing.T) {
	for _, test := range []struct {
		ratio float64
		want  string
	}{
		{0.5, "met     Get in memory: wall time, to the floor: 0.50 (0.50-0.50), at most 0.56 (-11%)"},
		{1.0, "missed  Get in memory: wall time, to the floor: 1.00 (1.00-1.00), at most 0.56 (+79%)"},
		{0.5, "missed  Get in memory: allocations: 40.00 (40.00-40.00), at most 32 (+25%)"},
		{0.5, "met     256 goroutines, HTTP/1.1, 20 ms a request: connections a goroutine, first burst: 1.00 (1.00-1.00), at most 1.5 (-33%)"},
		{0.5, "missed  256 goroutines, HTTP/1.1, 20 ms a request: connections a goroutine, steady load: 2.00 (2.00-2.00), at most 1.2 (+67%)"},
		{0.5, "met     256 goroutines, HTTP/1.1, 20 ms a request: requests a second, to net/http with 256 idle connections: 1.10 (1.10-1.10), at least 1 (+10%)"},
		{0.5, "missed  iterate 100,000: pages in memory: 3.00 (3.00-3.00), at most 2 (+50%)"},
	} {
		if tables := Tables(sample(test.ratio)); !strings.Contains(tables, test.want+"\n") {
			t.Errorf("no line %q in\n%s", test.want, tables)
		}
	}
	if bars := Judge(new(Results)); len(bars) != 0 {
		t.Errorf("bars without results: %v", bars)
	}
}

func TestRatiosAreWithinARound(t *testing.T) {
	got := ratio([]float64{1, 40, 300}, []float64{2, 40, 100})
	if want := (Spread{1, 0.5, 3}); got != want {
		t.Errorf("%v, want %v", got, want)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median %v, want 2.5", got)
	}
}

func TestChartIsXML(t *testing.T) {
	for _, theme := range []Theme{Light, Dark} {
		var svg bytes.Buffer
		if err := WriteChart(&svg, sample(0.5), theme); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{peer.Ours, peer.Floor, "0.50", "1.00"} {
			if !bytes.Contains(svg.Bytes(), []byte(">"+text+"<")) {
				t.Errorf("%s: there is no %q", theme.Name, text)
			}
		}
		d := xml.NewDecoder(&svg)
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", theme.Name, err)
			}
		}
	}
}
