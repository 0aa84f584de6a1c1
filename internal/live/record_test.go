package live

import (
	"fmt"
	"strings"
	"time"
)

// A result is the result of a check.
type result string

const (
	passed   result = "passed"    // the API shows what the fake shows
	differs  result = "differs"   // it shows something else
	failed   result = "failed"    // the check could not be made
	notTried result = "not tried" // the check was not made
)

// A row is a check and its result.
type row struct {
	name    string // the assumption or promise in a short sentence
	fake    string // what the fake shows
	shown   string // what the API showed, or why it was not asked
	refusal string // the body of the last error response, or ""
	result  result
	promise bool
}

// markdown is the record of the run.
func (r *run) markdown() string {
	var table strings.Builder
	count := map[result]int{}
	for _, row := range r.rows {
		count[row.result]++
		shown := code(row.shown)
		if row.result == failed || row.result == notTried {
			shown = cell(row.shown)
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s |\n", cell(row.name), code(row.fake), shown, row.result, code(excerpt([]byte(row.refusal))))
	}
	return fmt.Sprintf("# What the API showed\n\n%s tried %s on %s, with %d requests: %d passed, %d differ, %d failed, %d not tried.\n\n"+
		"| check | the fake shows | the API showed | result | last error response |\n| --- | --- | --- | --- | --- |\n%s",
		r.agent, r.host, time.Now().UTC().Format("2006-01-02 15:04 MST"), r.requests.Load(),
		count[passed], count[differs], count[failed], count[notTried], &table)
}

// cell escapes what would end a cell of a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

// code is a cell in which every character counts.
func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + strings.NewReplacer("`", "'", "\n", " ", "|", `\|`).Replace(text) + "`"
}

// excerpt is the beginning of a body, on one line.
func excerpt(body []byte) string {
	return fmt.Sprintf("%.300s", strings.Join(strings.Fields(strings.ToValidUTF8(string(body), "?")), " "))
}
