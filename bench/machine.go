package main

import (
	"os"
	"regexp"
	"runtime"
	"time"

	"github.com/runloop-community/runloop-go/bench/internal/report"
)

// machine describes where the program runs.
func machine() report.Machine {
	m := report.Machine{
		Time: time.Now().UTC().Format(time.DateOnly),
		Go:   runtime.Version(),
		OS:   runtime.GOOS + "/" + runtime.GOARCH,
		CPUs: runtime.NumCPU(),
		CPU:  "unknown",
	}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if model := regexp.MustCompile(`model name\s*: (.*)`).FindSubmatch(info); model != nil {
			m.CPU = string(model[1])
		}
	}
	return m
}
