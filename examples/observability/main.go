// Command observability shows what the SDK does within a call: a log event and a span
// for each attempt, below a span of the program's own.
//
// The log is log/slog, by runloop.WithLogger. The spans are OpenTelemetry's, from
// otelhttp by runloop.WithMiddleware: the SDK itself depends on neither.
//
// It launches a devbox on a fake of the API, which refuses the first attempt to list
// policies.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

func main() {
	server := runlooptest.NewServer()
	err := run(context.Background(), server, os.Stdout)
	server.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, server *runlooptest.Server, out io.Writer) (err error) {
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spanPrinter{out}))
	defer func() { err = errors.Join(err, provider.Shutdown(ctx)) }()
	// The middleware runs once for each attempt, so each has a span of its own.
	traced := func(next http.RoundTripper) http.RoundTripper {
		return otelhttp.NewTransport(next, otelhttp.WithTracerProvider(provider))
	}
	server.Inject(runlooptest.ListNetworkPolicies, runlooptest.Status(http.StatusServiceUnavailable))
	client, err := server.Client( // with the API: runloop.NewClient
		runloop.WithLogger(slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		runloop.WithMiddleware(traced),
	)
	if err != nil {
		return err
	}
	return runTask(ctx, client, provider.Tracer("example"))
}

func runTask(ctx context.Context, client *runloop.Client, tracer trace.Tracer) (err error) {
	ctx, span := tracer.Start(ctx, "task")
	defer span.End()
	rules := runloop.EgressRules{AllowedHostnames: []string{"github.com"}}
	devbox, err := client.Devboxes.Launch(ctx, runloop.DevboxCreateParams{
		NetworkPolicy: &runloop.NetworkPolicyCreateParams{Name: "task-" + rules.Fingerprint(), Egress: rules},
	})
	if err != nil {
		span.RecordError(err) // no error shows the API key
		return err
	}
	_, err = client.Devboxes.Shutdown(context.WithoutCancel(ctx), devbox.ID)
	return err
}
