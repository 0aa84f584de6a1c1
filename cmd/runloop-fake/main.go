// Command runloop-fake serves a fake of the Runloop API for network policies and
// devboxes, to programs in any language and to curl. Its account is kept in memory.
//
// Usage:
//
//	runloop-fake [flags]
//
// The flags are:
//
//	-addr host:port       listen here; port 0 is any free one (default 127.0.0.1:8787)
//	-api-key key          accept only this key (default: any)
//	-policies n           start with n policies, "policy-0001" being the oldest
//	-policy-limit n       allow n policies; 0 is no limit (default 100)
//	-startup d            let a devbox take this time until it runs, such as 30s
//	                      (default: until the next look at it)
//	-blueprints names     let only these blueprints exist, by ID or name, separated by
//	                      commas (default: any)
//	-script statuses      script the next devbox; see below
//	-conflict-status n    respond with 400 or 409 to a taken name (default 400)
//	-unknown-id-status n  respond with 400 or 404 to an unknown policy (default 404)
//	-oldest-first         list the oldest first (default: the newest)
//	-version-0.1          be the API of version 0.1
//	-trim-names           store policy names without surrounding space
//	-lower-names          store policy names in lower case
//	-default-protocol p   store a port rule without a protocol with TCP or UDP
//	-clock-skew d         set the API's clock ahead by this time, or back, such as -24h
//	-latency d            apply each request after this time, such as 20ms
//	-fault-rate r         let each request meet a fault with probability r, 0 to 1
//	-fault-seed n         seed of the random faults (default 1)
//
// Each -script is for one launch: the first for the first, and so on. It lists the
// statuses of the devbox, separated by commas, of which the last one stays. A reason
// may follow "failure" or "shutdown" after a colon. An item echo=ID replaces the
// policy that responses show, and echo= leaves it out; echo=ID@n does so from the
// n-th response that shows the devbox. For example:
//
//	-script queued -script provisioning,failure:out_of_memory -script provisioning,running,echo=@2
//
// When it is ready, it prints one line to standard output:
//
//	listening on http://127.0.0.1:8787
//
// It then logs each request to standard error, without keys and bodies. Runloop's
// clients find it by their environment:
//
//	RUNLOOP_BASE_URL=http://127.0.0.1:8787 RUNLOOP_API_KEY=any-key
//
// With curl:
//
//	curl -H 'Authorization: Bearer any-key' -H 'Content-Type: application/json' \
//		-d '{"name": "build"}' http://127.0.0.1:8787/v1/network-policies
//
// On SIGINT and SIGTERM it gives the requests in progress 5 seconds to complete, and
// ends with status 0. Package runlooptest documents what the fake does.
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
	addr            string
	apiKey          string
	policies        int
	policyLimit     int
	startup         time.Duration
	blueprints      string
	scripts         []runlooptest.DevboxScript
	conflictStatus  int
	unknownIDStatus int
	oldestFirst     bool
	version01       bool
	trimNames       bool
	lowerNames      bool
	defaultProtocol string
	clockSkew       time.Duration
	latency         time.Duration
	faultRate       float64
	faultSeed       uint64
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

// parse reads the flags, and reports invalid ones on stderr.
func parse(args []string, stderr io.Writer) (settings, error) {
	var set settings
	flags := flag.NewFlagSet("runloop-fake", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&set.addr, "addr", "127.0.0.1:8787", "listen on `host:port`")
	flags.StringVar(&set.apiKey, "api-key", "", "accept only this `key` (default: any)")
	flags.IntVar(&set.policies, "policies", 0, "start with `n` policies")
	flags.IntVar(&set.policyLimit, "policy-limit", 100, "allow `n` policies; 0 is no limit")
	flags.DurationVar(&set.startup, "startup", 0, "let a devbox take this `time` until it runs (default: until the next look at it)")
	flags.StringVar(&set.blueprints, "blueprints", "", "let only these blueprints exist, `names` separated by commas (default: any)")
	flags.Func("script", "script the next devbox, by its `statuses` separated by commas, as in provisioning,failure:out_of_memory", func(v string) error {
		script, err := parseScript(v)
		set.scripts = append(set.scripts, script)
		return err
	})
	flags.IntVar(&set.conflictStatus, "conflict-status", http.StatusBadRequest, "respond with this `status` to a taken name, 400 or 409")
	flags.IntVar(&set.unknownIDStatus, "unknown-id-status", http.StatusNotFound, "respond with this `status` to an unknown policy, 400 or 404")
	flags.BoolVar(&set.oldestFirst, "oldest-first", false, "list the oldest first")
	flags.BoolVar(&set.version01, "version-0.1", false, "be the API of version 0.1")
	flags.BoolVar(&set.trimNames, "trim-names", false, "store policy names without surrounding space")
	flags.BoolVar(&set.lowerNames, "lower-names", false, "store policy names in lower case")
	flags.StringVar(&set.defaultProtocol, "default-protocol", "", "store a port rule without a protocol with this `protocol`, TCP or UDP")
	flags.DurationVar(&set.clockSkew, "clock-skew", 0, "set the API's clock ahead by this `time`, or back")
	flags.DurationVar(&set.latency, "latency", 0, "apply each request after this `time`")
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
	case set.startup < 0:
		return fmt.Errorf("-startup %v is negative", set.startup)
	case set.conflictStatus != http.StatusBadRequest && set.conflictStatus != http.StatusConflict:
		return fmt.Errorf("-conflict-status %d is neither 400 nor 409", set.conflictStatus)
	case set.unknownIDStatus != http.StatusBadRequest && set.unknownIDStatus != http.StatusNotFound:
		return fmt.Errorf("-unknown-id-status %d is neither 400 nor 404", set.unknownIDStatus)
	case set.defaultProtocol != "" && set.defaultProtocol != "TCP" && set.defaultProtocol != "UDP":
		return fmt.Errorf("-default-protocol %q is neither TCP nor UDP", set.defaultProtocol)
	case set.latency < 0:
		return fmt.Errorf("-latency %v is negative", set.latency)
	case !(set.faultRate >= 0 && set.faultRate <= 1): // NaN too
		return fmt.Errorf("-fault-rate %v is not from 0 to 1", set.faultRate)
	}
	return nil
}

// parseScript reads a script, as in "provisioning,failure:out_of_memory,echo=npol_1@2".
func parseScript(v string) (runlooptest.DevboxScript, error) {
	var script runlooptest.DevboxScript
	for item := range strings.SplitSeq(v, ",") {
		if echo, ok := strings.CutPrefix(item, "echo="); ok {
			id, from, found := strings.Cut(echo, "@")
			script.Echo = &id
			if !found {
				continue
			}
			n, err := strconv.Atoi(from)
			if err != nil || n < 1 {
				return script, fmt.Errorf("%q is not the number of a response", from)
			}
			script.EchoFrom = n
			continue
		}
		status, reason, found := strings.Cut(item, ":")
		switch {
		case status == "":
			return script, errors.New("a status is empty")
		case status == "failure":
			script.FailureReason = reason
		case status == "shutdown":
			script.ShutdownReason = reason
		case found:
			return script, fmt.Errorf("%q has a reason: only failure and shutdown have one", status)
		}
		script.Statuses = append(script.Statuses, status)
	}
	return script, nil
}

// options returns the options of the fake.
func (set settings) options(logger *slog.Logger) []runlooptest.Option {
	opts := []runlooptest.Option{
		runlooptest.WithAPIKey(set.apiKey),
		runlooptest.WithPolicies(policies(set.policies)...),
		runlooptest.WithPolicyLimit(set.policyLimit),
		runlooptest.WithStartup(set.startup),
		runlooptest.WithConflictStatus(set.conflictStatus),
		runlooptest.WithUnknownIDStatus(set.unknownIDStatus),
		runlooptest.WithNormalizedNames(set.normalizeName),
		runlooptest.WithDefaultProtocol(runloop.Protocol(set.defaultProtocol)),
		runlooptest.WithClockSkew(set.clockSkew),
		runlooptest.WithLatency(set.latency),
		runlooptest.WithRandomFaults(set.faultRate, set.faultSeed),
		runlooptest.WithLogger(logger),
		runlooptest.WithoutRecord(),
	}
	if set.blueprints != "" {
		opts = append(opts, runlooptest.WithBlueprints(strings.Split(set.blueprints, ",")...))
	}
	if set.oldestFirst {
		opts = append(opts, runlooptest.WithOldestFirst())
	}
	if set.version01 {
		opts = append(opts, runlooptest.WithVersion01())
	}
	return opts
}

func (set settings) normalizeName(name string) string {
	if set.trimNames {
		name = strings.TrimSpace(name)
	}
	if set.lowerNames {
		name = strings.ToLower(name)
	}
	return name
}

func serve(ctx context.Context, set settings, stdout, stderr io.Writer) error {
	api := runlooptest.New(set.options(slog.New(slog.NewTextHandler(stderr, nil)))...)
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
