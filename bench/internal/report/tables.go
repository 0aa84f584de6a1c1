package report

import (
	"fmt"
	"strings"
)

// Tables returns the results as Markdown.
func Tables(r *Results) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s, %d CPUs (%s), %s, %s.\n\n", r.Machine.OS, r.Machine.CPUs, r.Machine.CPU, r.Machine.Go, r.Machine.Time)
	out.WriteString("A ratio is to the first row, within each round: the median over the rounds, and the smallest and the largest one.\n")

	out.WriteString("\n## Bars\n\n```\n")
	for _, bar := range r.Bars {
		fmt.Fprintln(&out, bar)
	}
	out.WriteString("```\n\n## Costs\n")
	for _, c := range r.Costs {
		fmt.Fprintf(&out, "\n### %s\n\n%s", c.Name, c.table())
	}
	out.WriteString("\n## Many goroutines on one client\n")
	for _, l := range r.Loads {
		fmt.Fprintf(&out, "\n### %d goroutines, %s, %s a request\n\n%s", l.Goroutines, l.Protocol, l.Latency, l.table())
	}
	out.WriteString("\n## Memory\n\n" + memoryTable(r.Memory))
	return out.String()
}

func (c Costs) table() string {
	rows := [][]string{{"client", "wall", "wall ratio", "CPU ratio", "allocs a policy", "bytes a policy", "connections"}}
	for _, row := range c.Rows {
		rows = append(rows, []string{row.Peer, micros(median(row.WallMicros)),
			ratio(row.WallMicros, c.Rows[0].WallMicros).String(), ratio(row.CPUMicros, c.Rows[0].CPUMicros).String(),
			orDash("%.1f", row.Allocs), orDash("%.0f", row.Bytes), orDash("%.0f", float64(row.Connections))})
	}
	return markdown(rows)
}

func (l Load) table() string {
	rows := [][]string{{"client", "requests a second", "ratio", "connections of the first burst", "connections in all"}}
	for _, row := range l.Rows {
		rows = append(rows, []string{row.Peer, fmt.Sprintf("%.0f", median(row.RequestsPerSecond)),
			ratio(row.RequestsPerSecond, l.Rows[0].RequestsPerSecond).String(),
			fmt.Sprintf("%.0f", median(row.ColdConnections)), fmt.Sprintf("%.0f", median(row.SteadyConnections))})
	}
	return markdown(rows)
}

func memoryTable(memory []Memory) string {
	rows := [][]string{{"client", "task", "a page, MB", "live at the peak, MB", "pages", "resident at the peak, MB"}}
	for _, m := range memory {
		pages := "-"
		if m.PageBytes > 0 {
			pages = fmt.Sprintf("%.2f", m.Pages())
		}
		rows = append(rows, []string{m.Peer, Iterate(m.Policies, m.PageSize, 0), orDash("%.2f", float64(m.PageBytes)/1e6),
			orDash("%.2f", float64(m.PeakLiveBytes)/1e6), pages, orDash("%.0f", float64(m.PeakResidentBytes)/1e6)})
	}
	return markdown(rows)
}

func micros(us float64) string {
	if us < 1000 {
		return fmt.Sprintf("%.1f us", us)
	}
	return fmt.Sprintf("%.1f ms", us/1000)
}

func orDash(format string, value float64) string {
	if value == 0 {
		return "-"
	}
	return fmt.Sprintf(format, value)
}

// markdown returns a table, the first row its head.
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
