// Command observability shows what the SDK does for a call: a log event and a span
// for each attempt, below a span of the program's own.
//
// The log is log/slog, by runloop.WithLogger. The spans are OpenTelemetry's, from
// otelhttp by runloop.WithMiddleware: the SDK itself depends on neither.
//
// With RUNLOOP_API_KEY set, it reads from the real API. Without, a fake answers, and
// refuses the first attempt.
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
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spanPrinter{out}))
	defer func() { err = errors.Join(err, provider.Shutdown(ctx)) }()

	// Each attempt has a span of its own.
	traced := func(next http.RoundTripper) http.RoundTripper {
		return otelhttp.NewTransport(next, otelhttp.WithTracerProvider(provider))
	}
	newClient := runloop.NewClient
	if os.Getenv("RUNLOOP_API_KEY") == "" {
		server := runlooptest.NewServer()
		defer server.Close()
		server.Inject(runlooptest.ListNetworkPolicies, runlooptest.Status(http.StatusServiceUnavailable))
		newClient = server.Client
	}
	client, err := newClient(
		runloop.WithLogger(slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		runloop.WithMiddleware(traced),
	)
	if err != nil {
		return err
	}
	return listPolicies(ctx, client, provider.Tracer("example"))
}

func listPolicies(ctx context.Context, client *runloop.Client, tracer trace.Tracer) error {
	ctx, span := tracer.Start(ctx, "list policies")
	defer span.End()
	for policy, err := range client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{}) {
		if err != nil {
			span.RecordError(err) // no error shows the API key
			return err
		}
		span.AddEvent(policy.Name)
	}
	return nil
}
