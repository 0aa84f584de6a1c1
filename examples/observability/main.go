// Command observability logs and traces the calls of the SDK: each attempt of a call
// becomes a log event and a span, whose parent is a span of the program.
//
// runloop.WithLogger takes a log/slog logger. runloop.WithMiddleware takes the
// instrumentation of OpenTelemetry, on which the SDK itself does not depend.
//
// The program launches a devbox on a fake API, which fails the first request.
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
	// The middleware runs once per attempt, so each attempt has its own span.
	traced := func(next http.RoundTripper) http.RoundTripper {
		return otelhttp.NewTransport(next, otelhttp.WithTracerProvider(provider))
	}
	server.Inject(runlooptest.ListNetworkPolicies, runlooptest.Status(http.StatusServiceUnavailable))
	client, err := server.Client( // for the real API: runloop.NewClient(
		runloop.WithLogger(slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		runloop.WithMiddleware(traced),
	)
	if err != nil {
		return err
	}
	return runTask(ctx, client, provider.Tracer("example"))
}

func runTask(ctx context.Context, client *runloop.Client, tracer trace.Tracer) error {
	ctx, span := tracer.Start(ctx, "task")
	defer span.End()
	rules := runloop.EgressRules{AllowedHostnames: []string{"github.com"}}
	devbox, err := client.Devboxes.Launch(ctx, runloop.DevboxCreateParams{
		NetworkPolicy: &runloop.NetworkPolicyCreateParams{Name: "task-" + rules.Fingerprint(), Egress: rules},
	})
	if err != nil {
		span.RecordError(err) // errors never contain the API key
		return err
	}
	_, err = client.Devboxes.Shutdown(context.WithoutCancel(ctx), devbox.ID)
	return err
}
