package live

import (
	"fmt"
	"strings"
	"time"
)

// A result is what came of a check.
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
	var table, refusals strings.Builder
	count := map[result]int{}
	for _, row := range r.rows {
		count[row.result]++
		shown := code(row.shown)
		if row.result == failed || row.result == notTried {
			shown = cell(row.shown)
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", cell(row.name), code(row.fake), shown, row.result)
		if row.refusal != "" {
			fmt.Fprintf(&refusals, "| %s | %s |\n", cell(row.name), code(excerpt([]byte(row.refusal))))
		}
	}
	return fmt.Sprintf("# What the API showed\n\n%s tried %s on %s, with %d requests: %d passed, %d differ, %d failed, %d not tried.\n\n",
		r.agent, r.host, time.Now().UTC().Format("2006-01-02 15:04 MST"), r.requests.Load(),
		count[passed], count[differs], count[failed], count[notTried]) +
		"| check | the fake shows | the API showed | result |\n| --- | --- | --- | --- |\n" + table.String() +
		"\n## Its error responses\n\n| check | body of the last one |\n| --- | --- |\n" + refusals.String()
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
	const most = 300
	line := strings.Join(strings.Fields(strings.ToValidUTF8(string(body), "?")), " ")
	if characters := []rune(line); len(characters) > most {
		line = string(characters[:most]) + "..."
	}
	return line
}
