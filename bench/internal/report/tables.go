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

Each figure is the median over the rounds of the run. A ratio compares two clients within the same
round; the smallest and the largest ratio of all rounds follow in parentheses. In the tables below the bars,
ratios are to the first row.

## Bars

`, r.Machine)
	bars := [][]string{{"", "what runloop-go must reach", "measured", "bar", "difference"}}
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
	title  string
	metric measure.Metric
	text   func(values, first []float64) string
}{
	{"wall time", measure.Wall, func(values, _ []float64) string { return duration(median(values)) }},
	{"wall time, ratio", measure.Wall, ratioText},
	{"CPU time", measure.CPU, func(values, _ []float64) string { return duration(median(values)) }},
	{"CPU time, ratio", measure.CPU, ratioText},
	{"allocations per policy", measure.Allocs, formatted("%.1f", 1)},
	{"bytes per policy", measure.Bytes, formatted("%.0f", 1)},
	{"requests per second", measure.RequestsPerSecond, formatted("%.0f", 1)},
	{"ratio", measure.RequestsPerSecond, ratioText},
	{"connections, first burst", measure.BurstConnections, formatted("%.0f", 1)},
	{"connections, total", measure.LoadConnections, formatted("%.0f", 1)},
	{"requests", measure.Requests, formatted("%.0f", 1)},
	{"one page, MB", measure.PageBytes, formatted("%.2f", 1e6)},
	{"peak live memory, MB", measure.PeakLiveBytes, formatted("%.2f", 1e6)},
	{"in pages", measure.PeakPages, formatted("%.2f", 1)},
}

// title returns the title of a metric's first column.
func title(metric measure.Metric) string {
	for _, column := range columns {
		if column.metric == metric {
			return column.title
		}
	}
	return string(metric)
}

func ratioText(values, first []float64) string { return ratio(values, first).String() }

func formatted(format string, unit float64) func(values, _ []float64) string {
	return func(values, _ []float64) string { return fmt.Sprintf(format, median(values)/unit) }
}

func (t Task) table() string {
	rows := make([][]string, len(t.Rows)+1)
	rows[0] = []string{"client"}
	for i, row := range t.Rows {
		rows[i+1] = []string{row.Client}
	}
	for _, column := range columns {
		cells, measured := []string{column.title}, false
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
