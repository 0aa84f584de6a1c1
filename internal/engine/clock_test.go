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
	for name, tt := range map[string]struct {
		dates []string // of responses a second apart
		want  time.Duration
	}{
		"no response":                   {nil, 0},
		"no Date":                       {[]string{""}, 0},
		"a Date that is none":           {[]string{"today"}, 0},
		"a number":                      {[]string{"946684800"}, 0},
		"RFC 3339":                      {[]string{"2000-01-02T00:00:00Z"}, 0},
		"the same time":                 {[]string{"Sat, 01 Jan 2000 00:00:00 GMT"}, 0},
		"a server a day ahead":          {[]string{"Sun, 02 Jan 2000 00:00:00 GMT"}, 24 * time.Hour},
		"a server six minutes behind":   {[]string{"Fri, 31 Dec 1999 23:54:00 GMT"}, -6 * time.Minute},
		"an RFC 850 date":               {[]string{"Sunday, 02-Jan-00 00:00:00 GMT"}, 24 * time.Hour},
		"an asctime date":               {[]string{"Sun Jan  2 00:00:00 2000"}, 24 * time.Hour},
		"a day ahead, after garbage":    {[]string{"x", "Sun, 02 Jan 2000 00:00:01 GMT"}, 24 * time.Hour},
		"a day ahead, before garbage":   {[]string{"Sun, 02 Jan 2000 00:00:00 GMT", "x", ""}, 24 * time.Hour},
		"a cut second, then a full one": {[]string{"Sat, 01 Jan 2000 00:04:59 GMT", "Sat, 01 Jan 2000 00:05:01 GMT"}, 5 * time.Minute},
		"a full second, then a cut one": {[]string{"Sat, 01 Jan 2000 00:05:00 GMT", "Sat, 01 Jan 2000 00:05:00 GMT"}, 5 * time.Minute},
		"a slow response of one behind": {[]string{"Fri, 31 Dec 1999 23:53:50 GMT", "Fri, 31 Dec 1999 23:54:01 GMT"}, -6 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var clock Clock
				for i, date := range tt.dates {
					if i > 0 {
						time.Sleep(time.Second)
					}
					h := http.Header{}
					if date != "" {
						h.Set("Date", date)
					}
					clock.learn(h)
				}
				assert.Equal(t, start.Add(tt.want), clock.At(start))
			})
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		var none *Clock
		none.learn(http.Header{"Date": {"Sun, 02 Jan 2000 00:00:00 GMT"}}) // a call that needs no clock
	})
}
