package report

import (
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/runloop-community/runloop-go/bench/internal/measure"
	"github.com/runloop-community/runloop-go/bench/internal/peer"
)

// A Theme is the background on which a chart is shown. The chart itself is transparent.
type Theme struct{ Name, text, note, ours, others string }

// Themes are those of code hosts.
var Themes = []Theme{
	{"light", "#1f2328", "#59636e", "#0969da", "#afb8c1"},
	{"dark", "#f0f6fc", "#9198a1", "#58a6ff", "#545d68"},
}

// A panel compares one metric of one task, with a bar for each client.
type panel struct {
	title, note string
	task        string
	metric      measure.Metric
	unit        float64 // the metric is shown divided by it
	format      string
}

var panels = []panel{
	{"Listing 10,000 policies, 20 ms per request", "Wall time with the default settings of each client; less is better",
		Iterate(Remote, 0), measure.Wall, 1e6, "%.2f s"},
	{"200 concurrent calls that need the same new policy", "Requests sent; less is better. Without Ensure: look up, create, look up again",
		Ensures, measure.Requests, 1, "%.0f"},
	{"Reading a page of 20 policies", "CPU time of the client; less is better",
		Iterate(Plain, 20), measure.CPU, 5000 / 20, "%.0f µs"},
	{"Reading a page of 1,000 policies", "CPU time of the client; less is better",
		Iterate(Plain, 1000), measure.CPU, 5000 / 1000 * 1e3, "%.1f ms"},
}

// The layout, in pixels. No text can overlap a mark, even in a font 30 % wider than usual:
// labels end before the bars, and values begin after them.
const (
	chartWidth = 900
	labelEnd   = 320
	barStart   = labelEnd + 12
	longestBar = 430
	rowHeight  = 22
	barHeight  = 14
	headHeight = 52 // title and note of a panel
	panelGap   = 24
	fontSize   = 13
	titleSize  = 16
)

// Chart returns the panels as SVG, for a theme.
func Chart(r *Results, theme Theme) string {
	var out strings.Builder
	text := func(x, y int, anchor, style, s string) {
		fmt.Fprintf(&out, `<text x="%d" y="%d" text-anchor="%s" %s>%s</text>`+"\n", x, y, anchor, style, html.EscapeString(s))
	}
	title, note := fmt.Sprintf(`font-size="%d" font-weight="600"`, titleSize), fmt.Sprintf(`fill="%s"`, theme.note)
	y := 0
	for _, p := range panels {
		rows := slices.Clone(r.rows(p.task))
		slices.SortStableFunc(rows, func(a, b measure.Row) int { return order(a.Client) - order(b.Client) })
		if len(rows) == 0 {
			continue
		}
		text(0, y+titleSize, "start", title, p.title)
		text(0, y+titleSize+20, "start", note, p.note)
		y += headHeight
		longest := 0.0
		for _, row := range rows {
			longest = max(longest, median(row.Values[p.metric]))
		}
		for _, row := range rows {
			fill, weight := theme.others, ""
			if row.Client == peer.Runloop.Name {
				fill, weight = theme.ours, `font-weight="600"`
			}
			value := median(row.Values[p.metric])
			length := max(1, int(longestBar*value/longest))
			baseline := y + rowHeight/2 + 4
			text(labelEnd, baseline, "end", weight, row.Client)
			fmt.Fprintf(&out, `<rect x="%d" y="%d" width="%d" height="%d" rx="2" fill="%s"/>`+"\n", barStart, y+(rowHeight-barHeight)/2, length, barHeight, fill)
			text(barStart+length+8, baseline, "start", weight, fmt.Sprintf(p.format, value/p.unit))
			y += rowHeight
		}
		y += panelGap
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %[2]d" width="%[1]d" height="%d" role="img"`+
		` font-family="sans-serif" font-size="%d" fill="%s">`+"\n%s</svg>\n", chartWidth, max(1, y-panelGap), fontSize, theme.text, out.String())
}

// order puts this SDK first and leaves the others in their order.
func order(client string) int {
	if client == peer.Runloop.Name {
		return 0
	}
	return 1
}
