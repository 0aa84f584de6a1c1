package report

import (
	"fmt"
	"strconv"
	"time"
)

// Names of tasks.
const (
	GetInMemory = "Get in memory"
	GetLoopback = "Get over loopback"
)

// Iterate is the name of iterating over a number of policies, with a page size, or
// with 0 for each client's own.
func Iterate(policies, pageSize int, latency time.Duration) string {
	page := "default page"
	if pageSize > 0 {
		page = "page " + thousands(pageSize)
	}
	return fmt.Sprintf("iterate %s, %s, %d ms a request", thousands(policies), page, latency.Milliseconds())
}

func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return thousands(n/1000) + fmt.Sprintf(",%03d", n%1000)
}
