// Command orchestrator runs 200 tasks, 32 at a time, each in its own devbox, which can
// connect only to what the task needs.
//
// It uses a fake API, which can inject faults:
//
//	go run ./examples/orchestrator -faults 0.2
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

func main() {
	tasks := flag.Int("tasks", 200, "run `n` tasks")
	workers := flag.Int("workers", 32, "run `n` tasks at a time")
	faults := flag.Float64("faults", 0, "inject faults into requests to the fake API, with a `probability` from 0 to 1")
	seed := flag.Uint64("seed", 1, "`seed` of the faults")
	spendMoney := flag.Bool("spend-money", false, "use Runloop's API, or that of RUNLOOP_BASE_URL, with RUNLOOP_API_KEY: devboxes cost money")
	flag.Parse()
	if *faults < 0 || *faults > 1 {
		fmt.Fprintln(os.Stderr, "-faults must be from 0 to 1")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program immediately

	newClient, report := runloop.NewClient, func() {}
	target := "the API at " + cmp.Or(strings.TrimSpace(os.Getenv("RUNLOOP_BASE_URL")), "https://api.runloop.ai")
	if !*spendMoney {
		server := runlooptest.NewServer(runlooptest.WithStartup(200*time.Millisecond), runlooptest.WithRandomFaults(*faults, *seed))
		target = "a fake API at " + server.URL
		newClient, report = server.Client, func() {
			fmt.Printf("left on the fake API: %d running devboxes, %d policies\n", len(server.Running()), len(server.Policies()))
		}
	}
	client, err := newClient()
	if err == nil {
		fmt.Println("using", target)
		err = orchestrate(ctx, client, *tasks, *workers, os.Stdout)
		report()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
