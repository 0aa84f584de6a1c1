package live

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	runloop "github.com/runloop-community/runloop-go"
)

// A record is what a run found out.
type record struct {
	date     time.Time
	host     string // of the base URL
	sdk      string // name and version
	requests int
	rows     []row
}

// A row is an assumption and what came of its check.
type row struct {
	assumption
	result result
	// shown is what the API showed, or why it was not asked.
	shown string
	// said is the body of the last refusal, "" when there was none.
	said string
}

func newRecord(client *runloop.Client) record {
	r := record{date: time.Now().UTC()}
	r.host, r.sdk = reach(client)
	return r
}

// with returns the rows that have one of the results.
func (r record) with(results ...result) []row {
	var rows []row
	for _, row := range r.rows {
		if slices.Contains(results, row.result) {
			rows = append(rows, row)
		}
	}
	return rows
}

// summary counts the results.
func (r record) summary() string {
	return fmt.Sprintf("%d passed, %d differ, %d failed, %d not tried",
		len(r.with(passed)), len(r.with(differs)), len(r.with(failed)), len(r.with(notTried)))
}

// log shows the record in the test's log.
func (r record) log(t *testing.T) {
	t.Helper()
	var lines strings.Builder
	for _, row := range r.rows {
		fmt.Fprintf(&lines, "\n%-9s  %s", row.result, row.name)
		switch row.result {
		case differs:
			fmt.Fprintf(&lines, ": the fake shows %s, %s showed %s", row.fake, r.host, row.shown)
		case failed, notTried:
			fmt.Fprintf(&lines, ": %s", row.shown)
		}
	}
	t.Logf("what the fake assumes about the API, tried at %s:%s\n%s, %d requests", r.host, &lines, r.summary(), r.requests)
}

// markdown is the record for a file.
func (r record) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# What the API showed\n\n%s tried %s on %s, with %d requests: %s.\n",
		r.sdk, r.host, r.date.Format("2006-01-02 15:04 MST"), r.requests, r.summary())
	fmt.Fprintf(&b, "\n| what the fake assumes | the fake shows | the API showed | result |\n| --- | --- | --- | --- |\n")
	for _, row := range r.rows {
		shown := code(row.shown)
		if row.result == failed || row.result == notTried {
			shown = cell(row.shown)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(row.name), code(row.fake), shown, row.result)
	}
	fmt.Fprintf(&b, "\n## What its refusals said\n\n| check | body of the last refusal |\n| --- | --- |\n")
	for _, row := range r.rows {
		if row.said != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", cell(row.name), code(excerpt([]byte(row.said))))
		}
	}
	return b.String()
}

// cell escapes what would end a cell of a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

// code is a cell in which every character counts.
func code(text string) string {
	return "`" + strings.ReplaceAll(strings.NewReplacer("`", "'", "\n", " ").Replace(text), "|", `\|`) + "`"
}

func TestRecordInMarkdown(t *testing.T) {
	t.Parallel()
	r := record{
		date:     time.Date(2026, 11, 22, 12, 0, 30, 0, time.UTC),
		host:     "api.runloop.ai",
		sdk:      "runloop-go/0.1.0",
		requests: 7,
		rows: []row{
			{assumption{name: "a taken name is refused", fake: "400"}, differs, "409", "{\"message\":\n \"`a|b`\"}"},
			{assumption{name: "names keep blanks", fake: `"  a  "`}, passed, `"  a  "`, ""},
			{assumption{name: "a launch runs", fake: "running"}, notTried, "it needs -devbox", ""},
			{assumption{name: "a list works", fake: "200"}, failed, "no usable\nanswer", ""},
		},
	}

	assert.Equal(t, `# What the API showed

runloop-go/0.1.0 tried api.runloop.ai on 2026-11-22 12:00 UTC, with 7 requests: 1 passed, 1 differ, 1 failed, 1 not tried.

| what the fake assumes | the fake shows | the API showed | result |
| --- | --- | --- | --- |
| a taken name is refused | `+"`400` | `409`"+` | differs |
| names keep blanks | `+"`\"  a  \"` | `\"  a  \"`"+` | passed |
| a launch runs | `+"`running`"+` | it needs -devbox | not tried |
| a list works | `+"`200`"+` | no usable answer | failed |

## What its refusals said

| check | body of the last refusal |
| --- | --- |
| a taken name is refused | `+"`{\"message\": \"'a\\|b'\"}`"+` |
`, r.markdown())
}
