package report

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"github.com/runloop-community/runloop-go/bench/internal/measure"
	"github.com/runloop-community/runloop-go/bench/internal/peer"
	"github.com/runloop-community/runloop-go/bench/internal/server"
)

// sample has every task of a bar or a panel, where every value of this SDK is n, and every
// value of the others 10.
func sample(n float64) *Results {
	r := new(Results)
	add := func(task string, metric measure.Metric) {
		clients := []string{peer.Floor.Name, "net/http + json v2", peer.Ogen, "oapi-codegen", peer.Runloop.Name, peer.TypeScript, peer.Pooled.Name}
		if r.rows(task) == nil {
			t := Task{Name: task}
			for _, client := range clients {
				t.Rows = append(t.Rows, measure.Row{Client: client, Values: map[measure.Metric][]float64{}})
			}
			r.Tasks = append(r.Tasks, t)
		}
		for _, row := range r.rows(task) {
			value := 10.0
			if row.Client == peer.Runloop.Name {
				value = n
			}
			row.Values[metric] = []float64{value, value}
		}
	}
	for _, bar := range bars() {
		add(bar.Task, bar.Metric)
	}
	for _, p := range panels {
		add(p.task, p.metric)
	}
	return r
}

func TestBars(t *testing.T) {
	const (
		page20 = "iterate over 5,000 policies, page 20"
		load   = "256 goroutines, 20 ms per request"
	)
	for _, test := range []struct {
		ours float64
		want string
	}{
		{5, "| met | Get in memory: wall time / net/http + encoding/json | 0.50 | 0.56 | -11 % |"},
		{10, "| **missed** | Get in memory: wall time / net/http + encoding/json | 1.00 | 0.56 | +79 % |"},
		{40, "| **missed** | Get in memory: allocations per policy | 40.00 | 32 | +25 % |"},
		{10, "| met | Get over loopback: CPU time / net/http + encoding/json | 1.00 | 1 | +0 % |"},
		{6, "| **missed** | iterate over 5,000 policies, page 1,000: CPU time / net/http + encoding/json | 0.60 | 0.55 | +9 % |"},
		{8, "| met | " + page20 + ": CPU time / ogen | 0.80 | 0.88 | -9 % |"},
		{9, "| **missed** | " + page20 + ", gzip: CPU time / ogen | 0.90 | 0.88 | +2 % |"},
		{0.3, "| met | iterate over 10,000 policies, default page, 20 ms per request: wall time / official TypeScript client | 0.030 | 0.04 | -25 % |"},
		{4, "| met | " + Ensures + ": requests | 4.00 | 4 | +0 % |"},
		{5, "| **missed** | " + LaunchNew + ": requests | 5.00 | 4 | +25 % |"},
		{4, "| **missed** | " + LaunchExisting + ": requests | 4.00 | 3 | +33 % |"},
		{399, "| **missed** | 256 goroutines: connections, first burst | 399.00 | 384 | +4 % |"},
		{256, "| met | " + load + ": connections, first burst | 256.00 | 384 | -33 % |"},
		{512, "| **missed** | " + load + ": connections, total | 512.00 | 307 | +67 % |"},
		{11, "| **missed** | " + load + ": wall time / net/http, 256 idle connections | 1.10 | 1 | +10 % |"},
		{3, "| **missed** | " + Memory + ": peak live pages | 3.00 | 2 | +50 % |"},
	} {
		if tables := Tables(sample(test.ours)); !strings.Contains(tables, test.want+"\n") {
			t.Errorf("no line %q in\n%s", test.want, tables)
		}
	}
	if judged, all := Judge(sample(1)), bars(); len(judged) != len(all) {
		t.Errorf("%d bars of %d were judged", len(judged), len(all))
	}
	if judged := Judge(new(Results)); len(judged) != 0 {
		t.Errorf("bars without results: %v", judged)
	}
}

func TestTables(t *testing.T) {
	r := &Results{Tasks: []Task{{"task", []measure.Row{
		{Client: "floor", Values: map[measure.Metric][]float64{measure.Wall: {1000, 2000, 4000}}},
		{Client: "other", Values: map[measure.Metric][]float64{measure.Wall: {2000, 1000, 12_000}, measure.Requests: {1, 4, 3, 2}}},
	}}}}
	const want = `
## task

| client | wall time | wall time ratio | requests |
| --- | --- | --- | --- |
| floor | 2.0 ms | 1.00 | - |
| other | 2.0 ms | 2.00 (0.50–3.00) | 2 |
`
	if got := Tables(r); !strings.HasSuffix(got, want) {
		t.Errorf("got\n%s", got)
	}
	if name := Iterate(server.API{Policies: 1_234_567, Latency: Slow, Gzip: true}, 1000); name != "iterate over 1,234,567 policies, page 1,000, 20 ms per request, gzip" {
		t.Error(name)
	}
}

// The chart stays readable in a font that is much wider than usual.
func TestNothingInTheChartOverlaps(t *testing.T) {
	const widest = 0.62 * 1.3 // of a character on average, in relation to its height
	type box struct {
		what                     string
		left, top, right, bottom float64
	}
	for _, theme := range Themes {
		var svg struct {
			Width  float64 `xml:"width,attr"`
			Height float64 `xml:"height,attr"`
			Marks  []struct {
				X      float64 `xml:"x,attr"`
				Y      float64 `xml:"y,attr"`
				Width  float64 `xml:"width,attr"`
				Height float64 `xml:"height,attr"`
				Anchor string  `xml:"text-anchor,attr"`
				Size   float64 `xml:"font-size,attr"`
				Text   string  `xml:",chardata"`
			} `xml:",any"`
		}
		if err := xml.Unmarshal([]byte(Chart(sample(12_345), theme)), &svg); err != nil {
			t.Fatal(err)
		}
		if want := len(panels) * (2 + 3*7); len(svg.Marks) != want { // two lines, and a label, bar and value per client
			t.Errorf("%d marks, want %d", len(svg.Marks), want)
		}
		var boxes []box
		for _, m := range svg.Marks {
			if size := max(m.Size, fontSize); m.Text != "" {
				m.Width, m.Height = widest*size*float64(len(m.Text)), size
				m.Y -= 0.8 * size // the baseline's
				if m.Anchor == "end" {
					m.X -= m.Width
				}
			}
			boxes = append(boxes, box{m.Text, m.X, m.Y, m.X + m.Width, m.Y + m.Height})
		}
		for i, a := range boxes {
			if a.left < 0 || a.top < 0 || a.right > svg.Width || a.bottom > svg.Height {
				t.Errorf("%s: %q leaves the chart", theme.Name, a.what)
			}
			for _, b := range boxes[:i] {
				if a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom {
					t.Errorf("%s: %q overlaps %q", theme.Name, a.what, b.what)
				}
			}
		}
	}
}

func TestChartShowsThisSDKFirstAndToScale(t *testing.T) {
	chart := Chart(sample(5), Themes[0])
	ours := fmt.Sprintf(`>runloop-go</text>
<rect x="%d" y="56" width="%d" height="14" rx="2" fill="%s"/>`, barStart, longestBar/2, Themes[0].ours)
	if first := strings.Index(chart, "<rect"); !strings.Contains(chart[:first+100], ours) {
		t.Errorf("the first bar is not %s:\n%s", ours, chart)
	}
	if strings.Count(chart, fmt.Sprintf(`width="%d"`, longestBar)) != 6*len(panels) || strings.Count(chart, Themes[0].ours) != len(panels) {
		t.Errorf("not six long bars and one of this SDK in each panel:\n%s", chart)
	}
}
