package report

import (
	"fmt"
	"strings"

	"github.com/runloop-community/runloop-go/bench/internal/measure"
)

// Tables returns the results as Markdown.
func Tables(r *Results) string {
	var out strings.Builder
	fmt.Fprintf(&out, `%s

A figure is the median over the rounds of the run. A ratio compares two clients within a round;
its smallest and largest value follow in parentheses. In the tables of the tasks, ratios are to
the first row.

## Bars

What runloop-go must reach. A slash means a ratio to the client after it.

`, r.Machine)
	bars := [][]string{{"", "task", "measured", "at most", "difference"}}
	for _, bar := range Judge(r) {
		bars = append(bars, bar.cells())
	}
	out.WriteString(markdown(bars))
	for _, t := range r.Tasks {
		fmt.Fprintf(&out, "\n## %s\n\n%s", t.Name, t.table())
	}
	return out.String()
}

// The columns of the tables. A table leaves out those that its task does not measure.
var columns = []struct {
	metric measure.Metric
	suffix string
	text   func(values, first []float64) string
}{
	{measure.Wall, "", func(values, _ []float64) string { return duration(median(values)) }},
	{measure.Wall, " ratio", ratioText},
	{measure.CPU, "", func(values, _ []float64) string { return duration(median(values)) }},
	{measure.CPU, " ratio", ratioText},
	{measure.Allocs, "", formatted("%.1f")},
	{measure.Bytes, "", formatted("%.0f")},
	{measure.BurstConnections, "", formatted("%.0f")},
	{measure.LoadConnections, "", formatted("%.0f")},
	{measure.Requests, "", formatted("%.0f")},
	{measure.PageBytes, "", formatted("%.0f")},
	{measure.PeakLiveBytes, "", formatted("%.0f")},
	{measure.PeakPages, "", formatted("%.2f")},
}

func ratioText(values, first []float64) string { return ratio(values, first).String() }

func formatted(format string) func(values, _ []float64) string {
	return func(values, _ []float64) string { return fmt.Sprintf(format, median(values)) }
}

func (t Task) table() string {
	rows := make([][]string, len(t.Rows)+1)
	rows[0] = []string{"client"}
	for i, row := range t.Rows {
		rows[i+1] = []string{row.Client}
	}
	for _, column := range columns {
		cells, measured := []string{string(column.metric) + column.suffix}, false
		for _, row := range t.Rows {
			cell := "-"
			if values := row.Values[column.metric]; len(values) > 0 {
				cell, measured = column.text(values, t.Rows[0].Values[column.metric]), true
			}
			cells = append(cells, cell)
		}
		if measured {
			for i, cell := range cells {
				rows[i] = append(rows[i], cell)
			}
		}
	}
	return markdown(rows)
}

func duration(us float64) string {
	switch {
	case us < 1000:
		return fmt.Sprintf("%.1f µs", us)
	case us < 1e6:
		return fmt.Sprintf("%.1f ms", us/1000)
	}
	return fmt.Sprintf("%.2f s", us/1e6)
}

// markdown returns a table whose head is the first row.
func markdown(rows [][]string) string {
	var out strings.Builder
	for i, row := range rows {
		fmt.Fprintf(&out, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			out.WriteString(strings.Repeat("| --- ", len(row)) + "|\n")
		}
	}
	return out.String()
}
