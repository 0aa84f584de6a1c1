// The server's certificate is to be trusted by every client, those included that have
// a connection pool of their own.
//go:debug x509usefallbackroots=1

// Command bench compares this SDK with the clients that one could use instead. Run it
// by the script run, which generates their code.
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

	"github.com/runloop-community/runloop-go/bench/internal/report"
	"github.com/runloop-community/runloop-go/bench/internal/server"
	"github.com/runloop-community/runloop-go/bench/internal/suite"
	"github.com/runloop-community/runloop-go/bench/internal/typescript"
)

const serveArgument = "serve"

func main() {
	logger := log.New(os.Stderr, "bench: ", log.Ltime)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], logger); err != nil && !errors.Is(err, flag.ErrHelp) {
		logger.Fatal(err)
	}
}

func run(ctx context.Context, args []string, logger *log.Logger) error {
	// The program starts itself for what needs a process of its own.
	switch {
	case len(args) == 1 && args[0] == serveArgument:
		return server.Serve(os.Stdin, os.Stdout)
	case len(args) == 4 && args[0] == suite.MemoryArgument:
		return suite.IterateForMemory(ctx, os.Stdout, args[1], args[2], args[3])
	}

	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "measure only what the bars and the chart need, in few rounds")
	out := flags.String("out", "", "the `folder` for the results (default results, or .build/quick with -quick)")
	script := flags.String("typescript", "internal/typescript", "the `folder` of the TypeScript client")
	if err := flags.Parse(args); err != nil {
		return err
	}
	effort, folder := suite.Full, "results"
	if *quick {
		effort, folder = suite.Quick, ".build/quick"
	}
	if *out != "" {
		folder = *out
	}

	results, err := measureAll(ctx, effort, *script, logger)
	if err != nil {
		return err
	}
	if err := save(folder, results); err != nil {
		return err
	}
	fmt.Print(report.Tables(results))
	logger.Printf("the results are in %s", folder)
	return nil
}

func measureAll(ctx context.Context, effort suite.Effort, script string, logger *log.Logger) (*report.Results, error) {
	s := &suite.Suite{Effort: effort, Log: logger}
	var err error
	if s.Server, err = server.Start(serveArgument); err != nil {
		return nil, err
	}
	defer s.Server.Stop()
	if err := s.Server.Trust(); err != nil {
		return nil, err
	}
	if s.TypeScript, err = typescript.Start(script); err != nil {
		logger.Printf("without the TypeScript client: %v", err)
		s.TypeScript = nil
	} else {
		defer s.TypeScript.Stop()
	}
	results, err := s.Run(ctx)
	if err != nil {
		return nil, err
	}
	results.Machine = machine()
	results.Bars = report.Judge(results)
	return results, nil
}

// save writes the results as JSON, as tables and as charts.
func save(folder string, results *report.Results) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	data, err := json.Marshal(results)
	if err != nil {
		return err
	}
	if err := root.WriteFile("results.json", append(data, '\n'), 0o644); err != nil {
		return err
	}
	if err := root.WriteFile("results.md", []byte("# Results\n\n"+report.Tables(results)), 0o644); err != nil {
		return err
	}
	for _, theme := range []report.Theme{report.Light, report.Dark} {
		file, err := root.Create("chart-" + theme.Name + ".svg")
		if err != nil {
			return err
		}
		if err := errors.Join(report.WriteChart(file, results, theme), file.Close()); err != nil {
			return err
		}
	}
	return nil
}
