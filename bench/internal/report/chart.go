package report

import (
	"cmp"
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/runloop-community/runloop-go/bench/internal/peer"
)

// A Theme is the background that a chart is to be read on. The chart itself is
// transparent.
type Theme struct {
	Name             string
	text, line, ours color.Color
	others           []color.Color
}

// The themes of code hosts.
var (
	Light = Theme{"light", rgb(0x1f2328), rgb(0xd1d9e0), rgb(0x0969da),
		[]color.Color{rgb(0x6e7781), rgb(0x9aa4ae), rgb(0xb08800), rgb(0xc9a76a), rgb(0x8e6bbf)}}
	Dark = Theme{"dark", rgb(0xf0f6fc), rgb(0x3d444d), rgb(0x58a6ff),
		[]color.Color{rgb(0x9198a1), rgb(0x656c76), rgb(0xd29922), rgb(0x8a6d3b), rgb(0xa78bda)}}
)

// charted are the groups of bars, from the top.
var charted = []struct{ label, task string }{
	{"Get\nin memory", GetInMemory},
	{"Get\nover loopback", GetLoopback},
	{"iterate 5,000\n20 a page", Iterate(5000, 20, 0)},
	{"iterate 5,000\n1,000 a page", Iterate(5000, 1000, 0)},
	{"iterate 5,000\nas it comes", Iterate(5000, 0, 0)},
}

const (
	chartWidth  = 9 * vg.Inch
	chartHeight = 6.6 * vg.Inch
	margin      = 10 // points, as below
	barWidth    = 10
	fontSize    = 10
	// longestBar is where bars end whose ratio is larger: one that is off the scale
	// must not make the others too short to compare.
	longestBar = 2.5
)

// WriteChart draws the CPU time of each peer in relation to the floor's as SVG.
func WriteChart(w io.Writer, r *Results, theme Theme) error {
	p := newPlot(theme)
	peers := peersOf(r)
	var ticks []plot.Tick
	for i, group := range charted {
		ticks = append(ticks, plot.Tick{Value: float64(len(charted) - 1 - i), Label: group.label})
	}
	p.Y.Tick.Marker = plot.ConstantTicks(ticks)

	others := 0
	for i, name := range peers {
		fill := theme.ours
		if name != peer.Ours {
			fill = theme.others[others%len(theme.others)]
			others++
		}
		offset := barWidth * (vg.Length(len(peers)-1)/2 - vg.Length(i))
		if err := addBars(p, theme, name, ratiosOf(r, name), offset, fill); err != nil {
			return err
		}
	}

	canvas := vgsvg.New(chartWidth, chartHeight)
	p.Draw(draw.Crop(draw.New(canvas), margin, -margin, margin, -margin))
	_, err := canvas.WriteTo(w)
	return err
}

func newPlot(theme Theme) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil // transparent
	p.Title.Text = "CPU time of the client, net/http + encoding/json = 1 (less is better)"
	p.Title.Padding = 8
	p.X.Min, p.X.Max = 0, longestBar+0.1
	p.Y.Min, p.Y.Max = -0.55, float64(len(charted))-0.45
	p.Legend.Top, p.Legend.Padding, p.Legend.ThumbnailWidth = true, 3, barWidth
	p.X.Tick.Marker = plot.ConstantTicks{
		{Value: 0, Label: "0"}, {Value: 0.5, Label: "0.5"}, {Value: 1, Label: "1"}, {Value: 1.5, Label: "1.5"}, {Value: 2, Label: "2"},
	}
	for _, style := range []*text.Style{&p.Title.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle} {
		style.Color = theme.text
		style.Font = font.Font{Typeface: plot.DefaultFont.Typeface, Variant: "Sans", Size: fontSize}
	}
	p.Title.TextStyle.Font.Size = 1.2 * fontSize
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.LineStyle.Color, axis.Tick.LineStyle.Color = theme.line, theme.line
	}
	p.Y.Tick.Length = 0
	grid := plotter.NewGrid()
	grid.Horizontal.Width = 0
	grid.Vertical.Color = theme.line
	p.Add(grid)
	return p
}

// addBars adds the bars of one peer, a group each, and their ratios as text.
func addBars(p *plot.Plot, theme Theme, name string, ratios []float64, offset vg.Length, fill color.Color) error {
	lengths := make(plotter.Values, len(ratios))
	var labels plotter.XYLabels
	for i, ratio := range ratios {
		if math.IsNaN(ratio) {
			continue
		}
		y := len(ratios) - 1 - i
		lengths[y] = min(ratio, longestBar)
		labels.XYs = append(labels.XYs, plotter.XY{X: lengths[y], Y: float64(y)})
		labels.Labels = append(labels.Labels, fmt.Sprintf("%.2f", ratio))
	}
	bars, err := plotter.NewBarChart(lengths, barWidth)
	if err != nil {
		return err
	}
	bars.Horizontal, bars.Offset, bars.Color, bars.LineStyle.Width = true, offset, fill, 0
	texts, err := plotter.NewLabels(labels)
	if err != nil {
		return err
	}
	texts.Offset = vg.Point{X: 3, Y: offset}
	for i := range texts.TextStyle {
		texts.TextStyle[i].Color = theme.text
		texts.TextStyle[i].Font = font.Font{Typeface: plot.DefaultFont.Typeface, Variant: "Sans", Size: 0.8 * fontSize}
		texts.TextStyle[i].YAlign = text.YCenter
	}
	p.Add(bars, texts)
	p.Legend.Add(name, bars)
	return nil
}

// peersOf returns the names of all peers in the charted tasks, this SDK first.
func peersOf(r *Results) []string {
	var names []string
	longest := 0
	for _, group := range charted {
		if c := r.costs(group.task); c != nil && len(c.Rows) > longest {
			longest = len(c.Rows)
			names = nil
			for _, row := range c.Rows {
				names = append(names, row.Peer)
			}
		}
	}
	slices.SortStableFunc(names, func(a, b string) int {
		return cmp.Compare(rank(a), rank(b))
	})
	return names
}

func rank(name string) int {
	if name == peer.Ours {
		return 0
	}
	return 1
}

// ratiosOf returns a peer's ratio in each group, NaN where it has none.
func ratiosOf(r *Results, name string) []float64 {
	ratios := make([]float64, len(charted))
	for i, group := range charted {
		c := r.costs(group.task)
		ratios[i] = math.NaN()
		if row := c.row(name); row != nil {
			ratios[i] = ratio(row.CPUMicros, c.Rows[0].CPUMicros).Median
		}
	}
	return ratios
}

func rgb(hex uint32) color.Color {
	return color.NRGBA{uint8(hex >> 16), uint8(hex >> 8), uint8(hex), 0xff}
}
