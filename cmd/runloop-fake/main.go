// Command runloop-fake serves a fake of the Runloop API for network policies and
// devboxes, to programs in any language. It keeps its account in memory. Package
// runlooptest documents how the fake behaves.
//
// Usage:
//
//	runloop-fake [flags]
//
// The flags are listed by runloop-fake -h. When the server is ready, the program prints
// one line to standard output:
//
//	listening on http://127.0.0.1:8787
//
// It then logs each request to standard error, without keys and bodies. This SDK and
// Runloop's clients find the server through their environment variables:
//
//	RUNLOOP_BASE_URL=http://127.0.0.1:8787 RUNLOOP_API_KEY=any-key
//
// Each -script flag scripts one launch, in order. It lists the statuses of the devbox,
// separated by commas; the last one stays. The statuses failure and shutdown may have a
// reason after a colon. The item echo=ID makes responses show another policy, and echo=
// makes them show none. With echo=ID@n, this begins with the n-th response that shows
// the devbox:
//
//	runloop-fake -script queued -script provisioning,failure:out_of_memory -script provisioning,running,echo=@2
//
// On SIGINT and SIGTERM, the program waits up to 5 seconds for requests in progress, and
// ends with status 0. A second signal ends it immediately.
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
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// shutdownGrace is how long requests in progress may take after a signal.
const shutdownGrace = 5 * time.Second

// Exit statuses; a flag.FlagSet uses the same for invalid flags.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
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

// settings are the values of the flags.
type settings struct {
	addr    string
	scripts []runlooptest.DevboxScript
	options []runlooptest.Option
}

// parse parses the flags, and reports invalid ones on stderr.
func parse(args []string, stderr io.Writer) (*settings, error) {
	set := new(settings)
	flags := flag.NewFlagSet("runloop-fake", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&set.addr, "addr", "127.0.0.1:8787", "listen on `host:port`; port 0 picks a free port")
	apiKey := flags.String("api-key", "", "accept only this `key` (default: any)")
	policies := flags.Uint("policies", 0, "start with `n` policies, policy-0001 being the oldest")
	limit := flags.Int("policy-limit", 100, "allow `n` policies; 0 means no limit")
	startup := flags.Duration("startup", 0, "`time` that a devbox takes to start, such as 30s (default: until the next request that reads it)")
	blueprints := flags.String("blueprints", "", "`names` or IDs of the blueprints that exist, separated by commas (default: any)")
	flags.Func("script", "script the next devbox with these `statuses`, such as provisioning,failure:out_of_memory; repeatable", func(v string) error {
		script, err := parseScript(v)
		set.scripts = append(set.scripts, script)
		return err
	})
	conflict := flags.Int("conflict-status", http.StatusBadRequest, "`status` of the response to a taken name: 400 or 409")
	unknownID := flags.Int("unknown-id-status", http.StatusNotFound, "`status` of the response to an unknown policy: 400 or 404")
	oldestFirst := flags.Bool("oldest-first", false, "list the oldest first")
	version01 := flags.Bool("version-0.1", false, "behave like version 0.1 of the API")
	trim := flags.Bool("trim-names", false, "store policy names without surrounding space")
	lower := flags.Bool("lower-names", false, "store policy names in lower case")
	protocol := flags.String("default-protocol", "", "`protocol` to store for port rules without one: TCP or UDP (default: none)")
	skew := flags.Duration("clock-skew", 0, "set the API's clock ahead by this `time`; a negative time, such as -24h, sets it back")
	latency := flags.Duration("latency", 0, "delay each request by this `time`, such as 20ms")
	faultRate := flags.Float64("fault-rate", 0, "inject a fault into each request with this `probability`, from 0 to 1")
	faultSeed := flags.Uint64("fault-seed", 1, "`seed` of the random faults")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	err := checked(func() {
		set.options = []runlooptest.Option{
			runlooptest.WithAPIKey(*apiKey),
			runlooptest.WithPolicies(seeds(*policies)...),
			runlooptest.WithPolicyLimit(*limit),
			runlooptest.WithStartup(*startup),
			runlooptest.WithConflictStatus(*conflict),
			runlooptest.WithUnknownIDStatus(*unknownID),
			runlooptest.WithNormalizedNames(normalizer(*trim, *lower)),
			runlooptest.WithDefaultProtocol(runloop.Protocol(*protocol)),
			runlooptest.WithClockSkew(*skew),
			runlooptest.WithLatency(*latency),
			runlooptest.WithRandomFaults(*faultRate, *faultSeed),
			runlooptest.WithoutRecord(),
		}
	})
	if *blueprints != "" {
		set.options = append(set.options, runlooptest.WithBlueprints(strings.Split(*blueprints, ",")...))
	}
	if *oldestFirst {
		set.options = append(set.options, runlooptest.WithOldestFirst())
	}
	if *version01 {
		set.options = append(set.options, runlooptest.WithVersion01())
	}
	if flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q: use flags only", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(stderr, "runloop-fake:", err)
		flags.Usage()
	}
	return set, err
}

// checked calls f, whose options panic if a value is invalid, and returns the panic as an
// error.
func checked(f func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New(strings.TrimPrefix(fmt.Sprint(p), "runlooptest: "))
		}
	}()
	f()
	return nil
}

func normalizer(trim, lower bool) func(string) string {
	return func(name string) string {
		if trim {
			name = strings.TrimSpace(name)
		}
		if lower {
			name = strings.ToLower(name)
		}
		return name
	}
}

// parseScript parses a script, such as "provisioning,failure:out_of_memory,echo=npol_1@2".
func parseScript(v string) (script runlooptest.DevboxScript, err error) {
	for item := range strings.SplitSeq(v, ",") {
		if echo, ok := strings.CutPrefix(item, "echo="); ok {
			id, from, found := strings.Cut(echo, "@")
			script.Echo = &id
			if found {
				script.EchoFrom, err = strconv.Atoi(from)
			}
			if found && (err != nil || script.EchoFrom < 1) {
				return script, fmt.Errorf("%q is not the number of a response: use 1 or more", from)
			}
			continue
		}
		status, reason, found := strings.Cut(item, ":")
		switch {
		case status == "":
			return script, errors.New("a status is empty: remove a comma")
		case status == "failure":
			script.FailureReason = reason
		case status == "shutdown":
			script.ShutdownReason = reason
		case found:
			return script, fmt.Errorf("%q has a reason: only failure and shutdown may have one", status)
		}
		script.Statuses = append(script.Statuses, status)
	}
	return script, nil
}

func serve(ctx context.Context, set *settings, stdout, stderr io.Writer) error {
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	api := runlooptest.New(append(set.options, runlooptest.WithLogger(logger))...)
	api.ScriptDevboxes(set.scripts...)
	listener, err := net.Listen("tcp", set.addr)
	if err != nil {
		return err
	}
	// Runloop's client for TypeScript uses HTTP/2 by default, even without TLS.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Handler:           api,
		Protocols:         protocols,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // the API logs each request
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
		return server.Close() // disconnects the requests that took too long
	}
	return nil
}

// seeds returns n policies, each with its own host name.
func seeds(n uint) []runloop.NetworkPolicy {
	const most = 1_000_000
	if n > most {
		panic(fmt.Sprintf("%d policies are more than %d", n, most))
	}
	policies := make([]runloop.NetworkPolicy, n)
	for i := range policies {
		policies[i] = runloop.NetworkPolicy{
			Name:        fmt.Sprintf("policy-%04d", i+1),
			Description: "seeded by runloop-fake",
			Egress:      runloop.EgressRules{AllowedHostnames: []string{fmt.Sprintf("host-%04d.example.com", i+1)}},
		}
	}
	return policies
}
