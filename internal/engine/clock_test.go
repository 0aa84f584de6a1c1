package engine

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestClock(t *testing.T) {
	t.Parallel()
	// The local clock of a bubble starts at midnight of 2000-01-01, UTC.
	const midnight, nextDay = "Sat, 01 Jan 2000 00:00:00 GMT", "Sun, 02 Jan 2000 00:00:00 GMT"
	for name, tt := range map[string]struct {
		dates []string // of responses a second apart
		want  time.Duration
	}{
		"no response":                 {nil, 0},
		"no Date":                     {[]string{""}, 0},
		"an invalid Date":             {[]string{"today"}, 0},
		"a number":                    {[]string{"946684800"}, 0},
		"RFC 3339":                    {[]string{"2000-01-02T00:00:00Z"}, 0},
		"the same time":               {[]string{midnight}, 0},
		"a day ahead":                 {[]string{nextDay}, 24 * time.Hour},
		"six minutes behind":          {[]string{"Fri, 31 Dec 1999 23:54:00 GMT"}, -6 * time.Minute},
		"an RFC 850 date":             {[]string{"Sunday, 02-Jan-00 00:00:00 GMT"}, 24 * time.Hour},
		"an asctime date":             {[]string{"Sun Jan  2 00:00:00 2000"}, 24 * time.Hour},
		"an invalid Date before":      {[]string{"x", "Sun, 02 Jan 2000 00:00:01 GMT"}, 24 * time.Hour},
		"an invalid Date after":       {[]string{nextDay, "x", ""}, 24 * time.Hour},
		"the larger difference after": {[]string{"Sat, 01 Jan 2000 00:04:59 GMT", "Sat, 01 Jan 2000 00:05:01 GMT"}, 5 * time.Minute},
		"the larger one before":       {[]string{"Sat, 01 Jan 2000 00:05:00 GMT", "Sat, 01 Jan 2000 00:05:00 GMT"}, 5 * time.Minute},
		"the larger one, both behind": {[]string{"Fri, 31 Dec 1999 23:53:50 GMT", "Fri, 31 Dec 1999 23:54:01 GMT"}, -6 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var clock Clock
				for i, date := range tt.dates {
					time.Sleep(time.Duration(min(i, 1)) * time.Second)
					clock.learn(http.Header{"Date": {date}})
				}
				assert.Equal(t, start.Add(tt.want), clock.At(start))
			})
		})
	}
	(*Clock)(nil).learn(http.Header{"Date": {nextDay}}) // of a call without a clock
}
