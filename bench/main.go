// Command bench compares this SDK with its alternatives. Run it by the script run, which
// generates their code.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"time"

	"github.com/runloop-community/runloop-go/bench/internal/report"
	"github.com/runloop-community/runloop-go/bench/internal/server"
	"github.com/runloop-community/runloop-go/bench/internal/suite"
	"github.com/runloop-community/runloop-go/bench/internal/typescript"
)

const (
	serveArgument = "serve"
	fullRounds    = 25
	quickRounds   = 5
)

func main() {
	logger := log.New(os.Stderr, "bench: ", log.Ltime)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], logger); err != nil && !errors.Is(err, flag.ErrHelp) {
		logger.Fatal(err)
	}
}

func run(ctx context.Context, args []string, logger *log.Logger) error {
	// The program starts itself for work that needs its own process.
	switch {
	case len(args) == 1 && args[0] == serveArgument:
		return server.Serve(os.Stdin, os.Stdout)
	case len(args) == 2 && args[0] == suite.MemoryArgument:
		return suite.MeasureMemory(ctx, os.Stdout, args[1])
	}

	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "measure in few rounds, and write the results to .build/quick")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, folder := suite.Suite{Rounds: fullRounds, Log: logger}, "results"
	if *quick {
		s.Rounds, folder = quickRounds, ".build/quick"
	}
	var err error
	if s.Server, err = server.Start(serveArgument); err != nil {
		return err
	}
	defer s.Server.Stop()
	if s.TypeScript, err = typescript.Start(); err != nil {
		logger.Printf("leaving out the official TypeScript client: %v", err)
	} else {
		defer s.TypeScript.Stop()
	}
	results, err := s.Run(ctx)
	if err != nil {
		return err
	}
	results.Machine = machine()
	if err := save(folder, results); err != nil {
		return err
	}
	fmt.Print(report.Tables(results))
	logger.Printf("the results are in %s", folder)
	return nil
}

// machine describes where and when the program runs.
func machine() string {
	cpu := "unknown CPU"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if model := regexp.MustCompile(`model name\s*: (.*)`).FindSubmatch(info); model != nil {
			cpu = string(model[1])
		}
	}
	return fmt.Sprintf("Measured on %s/%s, %d CPUs (%s), %s, %s.",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), cpu, runtime.Version(), time.Now().UTC().Format(time.DateOnly))
}

// save writes the results as JSON, as tables and as charts.
func save(folder string, results *report.Results) error {
	data, err := json.Marshal(results)
	if err != nil {
		return err
	}
	files := map[string]string{
		"results.json": string(data) + "\n",
		"results.md":   "# Results\n\n" + report.Tables(results),
	}
	for _, theme := range report.Themes {
		files["chart-"+theme.Name+".svg"] = report.Chart(results, theme)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
