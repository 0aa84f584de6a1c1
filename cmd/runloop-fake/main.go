// Command runloop-fake serves a fake of the Runloop Network Policies API, for
// programs in any language and for curl. What it keeps, it forgets when it ends.
//
// Usage:
//
//	runloop-fake [flags]
//
// The flags are:
//
//	-addr host:port     where to listen; port 0 is any free one (default 127.0.0.1:8787)
//	-api-key key        accept this key only (default: any)
//	-policies n         start with n policies, "policy-0001" being the oldest
//	-latency d          answer each request after d, such as 20ms
//	-fault-rate r       let each request meet a fault with probability r, 0 to 1
//	-fault-seed n       seed of the random faults (default 1)
//
// When it is ready it prints one line to standard output:
//
//	listening on http://127.0.0.1:8787
//
// and then logs each request to standard error, without keys and bodies. Runloop's
// clients find it by their environment:
//
//	RUNLOOP_BASE_URL=http://127.0.0.1:8787 RUNLOOP_API_KEY=any-key
//
// and curl by
//
//	curl -H 'Authorization: Bearer any-key' -H 'Content-Type: application/json' \
//		-d '{"name": "build"}' http://127.0.0.1:8787/v1/network-policies
//
// On SIGINT and SIGTERM it finishes the requests under way and ends with status 0.
// What it does and does not do, package runlooptest says.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// shutdownGrace is how long requests under way may take after a signal.
const shutdownGrace = 5 * time.Second

// Exit statuses, those of a flag.FlagSet included.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an end, a second one forces it.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// settings are the flags.
type settings struct {
	addr      string
	apiKey    string
	policies  int
	latency   time.Duration
	faultRate float64
	faultSeed uint64
}

// run serves until the context ends, and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	set, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	if err := serve(ctx, set, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "runloop-fake:", err)
		return exitError
	}
	return exitOK
}

// parse reads the flags, and says on stderr what is wrong with them.
func parse(args []string, stderr io.Writer) (settings, error) {
	var set settings
	flags := flag.NewFlagSet("runloop-fake", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&set.addr, "addr", "127.0.0.1:8787", "listen on `host:port`")
	flags.StringVar(&set.apiKey, "api-key", "", "accept this `key` only (default: any)")
	flags.IntVar(&set.policies, "policies", 0, "start with `n` policies")
	flags.DurationVar(&set.latency, "latency", 0, "answer each request after this `time`")
	flags.Float64Var(&set.faultRate, "fault-rate", 0, "let each request meet a fault with this `probability`, 0 to 1")
	flags.Uint64Var(&set.faultSeed, "fault-seed", 1, "seed of the random faults, any `number`")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	if err := set.check(flags.Args()); err != nil {
		fmt.Fprintln(stderr, "runloop-fake:", err)
		flags.Usage()
		return settings{}, err
	}
	return set, nil
}

func (set settings) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case set.policies < 0:
		return fmt.Errorf("-policies %d is negative", set.policies)
	case set.latency < 0:
		return fmt.Errorf("-latency %v is negative", set.latency)
	case !(set.faultRate >= 0 && set.faultRate <= 1): // NaN too
		return fmt.Errorf("-fault-rate %v is not from 0 to 1", set.faultRate)
	}
	return nil
}

func serve(ctx context.Context, set settings, stdout, stderr io.Writer) error {
	api := runlooptest.New(
		runlooptest.WithAPIKey(set.apiKey),
		runlooptest.WithPolicies(policies(set.policies)...),
		runlooptest.WithLatency(set.latency),
		runlooptest.WithRandomFaults(set.faultRate, set.faultSeed),
		runlooptest.WithLogger(slog.New(slog.NewTextHandler(stderr, nil))),
		runlooptest.WithoutRecord(),
	)
	listener, err := net.Listen("tcp", set.addr)
	if err != nil {
		return err
	}
	// Runloop's client for TypeScript speaks HTTP/2 only, without TLS too, unless it
	// is told otherwise.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Handler:           api,
		Protocols:         protocols,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // each request is logged by the API
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Fprintf(stdout, "listening on http://%s\n", listener.Addr())

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return server.Close() // cuts off the requests that took too long
	}
	return nil
}

// policies returns n policies, each with a host of its own.
func policies(n int) []runloop.NetworkPolicy {
	policies := make([]runloop.NetworkPolicy, n)
	for i := range policies {
		policies[i] = runloop.NetworkPolicy{
			Name:        fmt.Sprintf("policy-%04d", i+1),
			Description: "seeded by runloop-fake",
			Egress: runloop.EgressRules{
				AllowedHostnames: []string{fmt.Sprintf("host-%04d.example.com", i+1)},
			},
		}
	}
	return policies
}
